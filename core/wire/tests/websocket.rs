//! The meter of WebSocket frames: what it counts, where it cuts, what it refuses, and that chunks
//! don't matter.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "model/websocket.rs"]
mod model;

use model::{End, Outcome};
use portcullis_wire::websocket::{FrameMeter, Limits, Progress, Side, WebSocketFault, close_frame};
use proptest::prelude::*;

const SMALL: Limits = Limits { frame_bytes_max: 70_000, control_frames_max: 3, empty_frames_max: 2 };

#[test]
fn messages_are_counted_at_their_first_byte() {
    let check = |bytes: &[u8], messages| {
        let mut meter = FrameMeter::new(Side::FromServer);
        let expect = Progress { messages, consumed: bytes.len(), ..Progress::default() };
        assert_eq!(meter.push(bytes, u64::MAX), Ok(expect), "{bytes:x?}");
    };
    check(b"", 0);
    check(&[0x81], 1);
    check(&[0x81, 5], 1);
    check(&[0x81, 1, b'a'], 1);
    check(&[0x82, 0], 1);
    check(&[0x82, 0, 0x81, 0, 0x82], 3);
    // In three frames, with a ping between.
    check(&[0x01, 1, b'a', 0x89, 0, 0x00, 1, b'b', 0x80, 1, b'c'], 1);
    check(&[0x89, 2, 1, 2, 0x8a, 0], 0);
    check(&[&[0x82, 126, 0, 126][..], &[0; 126], &[0x81]].concat(), 2);
    check(&[&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0][..], &[0; 65_536], &[0x81]].concat(), 2);
}

#[test]
fn what_does_not_fit_is_cut_between_messages() {
    let check = |bytes: &[u8], messages_max, messages, consumed| {
        let mut meter = FrameMeter::new(Side::FromServer);
        let progress = meter.push(bytes, messages_max);
        assert_eq!(progress, Ok(Progress { messages, consumed, full: true, closed: false }), "{bytes:x?}");
        assert!(meter.between_frames());
        for later in [&b""[..], &[0x81, 0], &[0x89, 0]] {
            assert_eq!(meter.push(later, u64::MAX), Err(WebSocketFault::Cut));
        }
    };
    check(&[0x81, 0], 0, 0, 0);
    check(&[0x81], 0, 0, 0);
    check(&[0x81, 1, b'a', 0x81, 1, b'b'], 1, 1, 3);
    // A control frame before the message that doesn't fit may pass, one after it not.
    check(&[0x81, 1, b'a', 0x89, 0, 0x82, 0, 0x89, 0], 1, 1, 5);
    check(&[0x01, 0, 0x89, 0, 0x80, 1, b'b', 0x81], 1, 1, 7);
}

#[test]
fn a_message_that_was_charged_may_end_without_allowance() {
    let mut meter = FrameMeter::new(Side::FromServer);
    assert_eq!(meter.push(&[0x01], 1).map(|progress| progress.messages), Ok(1));
    let rest = meter.push(&[2, b'a', b'b', 0x89, 0, 0x80, 0], 0);
    assert_eq!(rest, Ok(Progress { messages: 0, consumed: 7, ..Progress::default() }));
    assert_eq!(meter.push(&[0x81], 0).map(|progress| progress.full), Ok(true));
}

#[test]
fn what_follows_a_close_frame_is_dropped() {
    let check = |bytes: &[u8], consumed| {
        let mut meter = FrameMeter::new(Side::FromServer);
        let closed = Progress { consumed, closed: true, ..Progress::default() };
        assert_eq!(meter.push(bytes, u64::MAX), Ok(closed), "{bytes:x?}");
        assert!(!meter.between_frames());
        let nothing = Progress { consumed: 0, ..closed };
        assert_eq!(meter.push(b"", u64::MAX), Ok(nothing));
        assert_eq!(meter.push(&[0x81, 0], u64::MAX), Ok(nothing));
    };
    check(&[0x88, 0], 2);
    check(&[0x88, 2, 0x03, 0xe8], 4);
    check(&[0x88, 4, 0x03, 0xe8, b'h', b'i', 0x81, 0, 0xff], 6);
    check(&close_frame(1000, "bye"), 7);
}

#[test]
fn each_fault_is_named() {
    let check = |side, bytes: &[u8], expect| {
        let mut meter = FrameMeter::with_limits(side, SMALL);
        assert_eq!(meter.push(bytes, u64::MAX), Err(expect), "{bytes:x?}");
        assert_eq!(meter.push(b"", u64::MAX), Err(expect), "it stays one");
        let more = [bytes, &[0; 16]].concat();
        let same = FrameMeter::with_limits(side, SMALL).push(&more, u64::MAX);
        assert_eq!(same, Err(expect), "{bytes:x?} whatever follows");
        // It lies in the last byte.
        let before = FrameMeter::with_limits(side, SMALL).push(&bytes[..bytes.len() - 1], u64::MAX);
        assert!(before.is_ok(), "{bytes:x?}");
    };
    let (client, server) = (Side::FromClient, Side::FromServer);
    for first in [0xc1, 0xa1, 0x91, 0xc9, 0x71] {
        check(server, &[first], WebSocketFault::ReservedBits);
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        check(server, &[0x80 | opcode], WebSocketFault::Opcode { opcode });
    }
    check(client, &[0x81, 0x01], WebSocketFault::Unmasked);
    check(client, &[0x89, 0x00], WebSocketFault::Unmasked);
    check(server, &[0x81, 0x81], WebSocketFault::Masked);
    check(server, &[0x8a, 0x80], WebSocketFault::Masked);
    for opcode in [0x08, 0x09, 0x0a] {
        check(server, &[opcode], WebSocketFault::ControlFragmented);
        check(server, &[0x80 | opcode, 126], WebSocketFault::ControlTooLong);
        check(client, &[0x80 | opcode, 0xff], WebSocketFault::ControlTooLong);
    }
    check(server, &[0x80], WebSocketFault::ContinuationWithoutMessage);
    check(server, &[0x00], WebSocketFault::ContinuationWithoutMessage);
    check(server, &[0x81, 0, 0x80], WebSocketFault::ContinuationWithoutMessage);
    check(server, &[0x01, 0, 0x81], WebSocketFault::MessageInsideMessage);
    check(server, &[0x01, 0, 0x89, 0, 0x02], WebSocketFault::MessageInsideMessage);
    check(server, &[0x82, 126, 0, 125], WebSocketFault::LengthNotMinimal);
    check(server, &[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff], WebSocketFault::LengthNotMinimal);
    check(server, &[0x82, 127, 0x80], WebSocketFault::LengthTopBit);
    check(
        server,
        &[0x82, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x71],
        WebSocketFault::FrameTooLong { bytes: 70_001, bytes_max: 70_000 },
    );
    check(
        client,
        &[0x82, 0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0],
        WebSocketFault::FrameTooLong { bytes: 0x7f00_0000_0000_0000, bytes_max: 70_000 },
    );
    check(server, &[0x88, 1], WebSocketFault::CloseTooShort);
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535_u16] {
        let [high, low] = code.to_be_bytes();
        check(server, &[0x88, 2, high, low], WebSocketFault::CloseCode { code });
        let masked = [0x88, 0x83, 1, 2, 3, 4, high ^ 1, low ^ 2];
        check(client, &masked, WebSocketFault::CloseCode { code });
    }
    let flood = WebSocketFault::ControlFlood { frames_max: 3 };
    check(server, &[0x89, 0, 0x8a, 0, 0x89, 0, 0x89, 0], flood);
    // An empty continuation is no data; one byte is.
    check(server, &[0x01, 0, 0x89, 0, 0x89, 0, 0x00, 0, 0x89, 0, 0x89, 0], flood);
    let reset = [0x01, 0, 0x89, 0, 0x89, 0, 0x89, 0, 0x00, 1, b'a', 0x89, 0, 0x89, 0, 0x89, 0, 0x89, 0];
    check(server, &reset, flood);
    check(server, &[0x01, 0, 0x00, 0, 0x00, 0, 0x00, 0], WebSocketFault::EmptyFlood { frames_max: 2 });
    check(
        server,
        &[0x01, 0, 0x00, 0, 0x00, 1, b'a', 0x00, 0, 0x80, 0],
        WebSocketFault::EmptyFlood { frames_max: 2 },
    );
}

#[test]
fn each_message_may_have_empty_continuations() {
    let message = [0x01, 0, 0x00, 0, 0x80, 0];
    let mut meter = FrameMeter::with_limits(Side::FromServer, SMALL);
    assert_eq!(meter.push(&message.repeat(5), u64::MAX).map(|progress| progress.messages), Ok(5));
}

#[test]
fn a_fault_goes_before_a_cut() {
    let mut meter = FrameMeter::new(Side::FromServer);
    meter.push(&[0x01, 0], 1).unwrap();
    assert_eq!(meter.push(&[0x81, 0], 0), Err(WebSocketFault::MessageInsideMessage));
    let mut meter = FrameMeter::new(Side::FromServer);
    assert_eq!(meter.push(&[0xc1], 0), Err(WebSocketFault::ReservedBits));
}

#[test]
fn the_default_limits_let_a_listener_answer_pings_for_an_hour() {
    let mut meter = FrameMeter::new(Side::FromClient);
    for _ in 0..3_600 {
        meter.push(&[0x8a, 0x80, 1, 2, 3, 4, 0x89, 0x80, 1, 2, 3, 4], 0).unwrap();
    }
    let largest = [0x82, 127, 0, 0, 0, 0, 1, 0, 0, 0];
    assert!(FrameMeter::new(Side::FromServer).push(&largest, 1).is_ok());
}

#[test]
fn the_gates_own_close_frames_pass() {
    let check = |code, reason: &str, payload_bytes: usize| {
        let frame = close_frame(code, reason);
        assert_eq!(frame.len(), 2 + payload_bytes);
        assert_eq!(usize::from(frame[1]), payload_bytes);
        assert!(str::from_utf8(&frame[4..]).unwrap().len() <= reason.len());
        let progress = FrameMeter::new(Side::FromServer).push(&frame, 0).unwrap();
        assert_eq!(progress, Progress { messages: 0, consumed: frame.len(), full: false, closed: true });
    };
    check(1008, "", 2);
    check(1008, "challenged", 12);
    check(1011, &"x".repeat(123), 125);
    check(1011, &"x".repeat(124), 125);
    // No half character.
    check(1011, &"é".repeat(62), 124);
}

#[test]
fn each_fault_has_a_code_that_may_be_sent() {
    let check = |fault: WebSocketFault, expect| {
        assert_eq!(fault.close_code(), expect);
        assert!(FrameMeter::new(Side::FromServer).push(&close_frame(expect, ""), 0).is_ok());
    };
    check(WebSocketFault::ReservedBits, 1002);
    check(WebSocketFault::FrameTooLong { bytes: 2, bytes_max: 1 }, 1009);
    check(WebSocketFault::ControlFlood { frames_max: 1 }, 1008);
    check(WebSocketFault::Cut, 1008);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn chunks_do_not_matter_and_the_model_agrees(
        client in any::<bool>(),
        frames in prop::collection::vec(any_frame(), 0..12),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        messages_max in prop_oneof![Just(u64::MAX), 0..6_u64],
        steps in prop::collection::vec(1..40_usize, 1..6),
    ) {
        let side = if client { Side::FromClient } else { Side::FromServer };
        let mut bytes: Vec<u8> = frames.iter().flat_map(|frame| frame.encode(client)).collect();
        for (place, value) in changes {
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = value;
            }
        }
        let expect = model::read(side, SMALL, &bytes, messages_max);
        let smallest = if bytes.len() < 2_000 { 1 } else { 401 };
        for steps in [&steps[..], &[smallest], &[usize::MAX]] {
            if bytes.len() >= 2_000 && steps.len() > 1 {
                continue;
            }
            prop_assert_eq!(meter_in_steps(side, &bytes, messages_max, steps), expect.clone());
        }
    }
}

/// Pushes in steps, and puts together what the model says in one go.
fn meter_in_steps(side: Side, bytes: &[u8], messages_max: u64, steps: &[usize]) -> Outcome {
    let expect = model::read(side, SMALL, bytes, messages_max);
    let mut meter = FrameMeter::with_limits(side, SMALL);
    let (mut at, mut count) = (0_usize, 0);
    for step in steps.iter().cycle() {
        let chunk = &bytes[at..bytes.len().min(at.saturating_add(*step))];
        // On a clone first, as the gate does.
        let mut copy = meter;
        let unlimited = copy.push(chunk, u64::MAX);
        match meter.push(chunk, messages_max - count) {
            Err(fault) => {
                assert_eq!(unlimited, Err(fault));
                assert!((at..at + chunk.len()).contains(&expect.end_at), "{fault} in another chunk");
                // Those before the fault, in chunks that had passed.
                let passed = expect.messages.iter().filter(|&&message| message < at).count();
                assert_eq!(count, passed as u64);
                return Outcome { end: End::Fault(fault), ..expect };
            }
            Ok(progress) => {
                let range = at..at + progress.consumed;
                let begun = expect.messages.iter().filter(|message| range.contains(message)).count();
                assert_eq!(progress.messages, begun as u64);
                count += progress.messages;
                at = range.end;
                let end = match progress {
                    Progress { full: true, .. } => End::Full,
                    Progress { closed: true, .. } => End::Closed,
                    _ if at == bytes.len() => End::Open,
                    _ => {
                        assert_eq!(progress.consumed, chunk.len(), "all but an end consumes the chunk");
                        continue;
                    }
                };
                assert_eq!(count, expect.messages.len() as u64);
                return Outcome { messages: expect.messages, end_at: at, end };
            }
        }
    }
    unreachable!("the steps have no end")
}

#[derive(Clone, Debug)]
struct Frame {
    first: u8,
    payload: Vec<u8>,
}

impl Frame {
    fn encode(&self, masked: bool) -> Vec<u8> {
        let mut bytes = vec![self.first];
        let mask_bit = if masked { 0x80 } else { 0 };
        match self.payload.len() {
            length @ 0..=125 => bytes.push(mask_bit | length as u8),
            length @ 126..=0xffff => {
                bytes.push(mask_bit | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            length => {
                bytes.push(mask_bit | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        let mask = if masked { [0x11, 0x22, 0x33, 0x44] } else { [0; 4] };
        if masked {
            bytes.extend(mask);
        }
        bytes.extend(self.payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let first = prop_oneof![
        4 => prop::sample::select(vec![0x81, 0x82, 0x01, 0x00, 0x80]),
        2 => prop::sample::select(vec![0x89, 0x8a]),
        1 => prop::sample::select(vec![0x88, 0x09, 0xc1, 0x83]),
    ];
    let payload = prop_oneof![
        6 => prop::collection::vec(any::<u8>(), 0..5),
        1 => Just(vec![0x03, 0xe8]),
        1 => (120..140_usize).prop_map(|length| vec![0; length]),
        1 => prop::sample::select(vec![65_535, 65_536, 70_000, 70_001]).prop_map(|length| vec![0; length]),
    ];
    (first, payload).prop_map(|(first, payload)| Frame { first, payload })
}
