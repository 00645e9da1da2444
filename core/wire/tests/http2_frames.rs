//! The guard of HTTP/2 frames: each flood is named, honest clients never are, and it agrees with a
//! model that keeps everything.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "model/http2_frames.rs"]
mod model;

use model::Step;
use portcullis_wire::http2_frames::{Flood, FrameGuard, Limits, Rate};
use proptest::prelude::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

/// Few of everything.
fn small() -> Limits {
    let rate = |per_second, burst| Rate { per_second, burst };
    Limits {
        frame_bytes_max: 400,
        continuation_frames_max: 2,
        header_block_bytes_max: 700,
        settings_entries_max: 3,
        reset: rate(100, 3),
        settings: rate(1, 4),
        ping: rate(333, 2),
        priority: rate(7, 3),
        window_update: rate(50, 4),
        sent_bytes_per_window_update: 10,
        empty_data: rate(10, 2),
        tiny_data: rate(1_000, 3),
        tiny_data_bytes_max: 15,
        go_away: rate(0, 1),
        unknown: rate(20, 2),
    }
}

#[test]
fn each_kind_of_frame_has_its_rate() {
    let limits = Limits::default();
    let check = |kind, flags, bytes, rate: Rate, expect| {
        let mut guard = opened(limits);
        let frame = frame(kind, flags, bytes);
        for _ in 0..rate.burst {
            assert_eq!(guard.push(&frame, 0), Ok(()), "{expect}");
        }
        // A second later there are so many again, and not one more.
        for _ in 0..rate.per_second.min(rate.burst) {
            assert_eq!(guard.push(&frame, 1_000), Ok(()), "{expect}");
        }
        assert_eq!(guard.push(&frame, 1_000), Err(expect));
        assert_eq!(guard.push(b"", 1_000_000), Err(expect), "it stays one");
    };
    check(RST_STREAM, 0, 4, limits.reset, Flood::Reset);
    check(SETTINGS, 0, 6, limits.settings, Flood::Settings);
    check(SETTINGS, ACK, 0, limits.settings, Flood::Settings);
    check(PING, 0, 8, limits.ping, Flood::Ping);
    check(PING, ACK, 8, limits.ping, Flood::Ping);
    check(PRIORITY, 0, 5, limits.priority, Flood::Priority);
    check(WINDOW_UPDATE, 0, 4, limits.window_update, Flood::WindowUpdate);
    check(DATA, 0, 0, limits.empty_data, Flood::EmptyData);
    check(DATA, 0, 1, limits.tiny_data, Flood::TinyData);
    check(DATA, 0, 15, limits.tiny_data, Flood::TinyData);
    check(DATA, PADDED, 1, limits.tiny_data, Flood::TinyData);
    check(DATA, PADDED, 271, limits.tiny_data, Flood::TinyData);
    check(GOAWAY, 0, 8, limits.go_away, Flood::GoAway);
    check(PUSH_PROMISE, END_HEADERS, 8, limits.unknown, Flood::Unknown);
    check(0x10, 0, 8, limits.unknown, Flood::Unknown);
    check(0xff, 0, 0, limits.unknown, Flood::Unknown);
}

#[test]
fn requests_and_their_data_have_no_rate() {
    let check = |kind, flags, bytes| {
        let mut guard = opened(Limits::default());
        let frame = frame(kind, flags, bytes);
        for _ in 0..50_000 {
            assert_eq!(guard.push(&frame, 0), Ok(()));
        }
    };
    check(HEADERS, END_HEADERS | END_STREAM, 40);
    check(HEADERS, END_HEADERS, 40);
    check(DATA, 0, 16);
    check(DATA, PADDED, 272);
    check(DATA, END_STREAM, 0);
    check(DATA, END_STREAM, 1);
}

#[test]
fn sizes_are_bounded() {
    let check = |frames: &[(u8, u8, u32)], expect| {
        let mut guard = opened(Limits::default());
        let (last, before) = frames.split_last().unwrap();
        for &(kind, flags, bytes) in before {
            assert_eq!(guard.push(&frame(kind, flags, bytes), 0), Ok(()));
        }
        let result = guard.push(&frame(last.0, last.1, last.2)[..9], 0);
        assert_eq!(result, expect, "known before the payload comes: {frames:?}");
    };
    for kind in 0..=10 {
        let frames = [(HEADERS, 0, 1), (kind, 0, 16_385)];
        check(&frames, Err(Flood::FrameTooLong { bytes: 16_385, bytes_max: 16_384 }));
    }
    check(&[(DATA, 0, 0xff_ffff)], Err(Flood::FrameTooLong { bytes: 0xff_ffff, bytes_max: 16_384 }));
    check(&[(DATA, 0, 16_384)], Ok(()));
    check(&[(SETTINGS, 0, 32 * 6)], Ok(()));
    check(&[(SETTINGS, 0, 33 * 6)], Err(Flood::SettingsTooLong { entries_max: 32 }));

    check(&[(CONTINUATION, END_HEADERS, 1)], Err(Flood::StrayContinuation));
    let ended = [(HEADERS, END_HEADERS, 1), (CONTINUATION, END_HEADERS, 1)];
    check(&ended, Err(Flood::StrayContinuation));
    let twice = [(HEADERS, 0, 1), (CONTINUATION, END_HEADERS, 1), (CONTINUATION, 0, 1)];
    check(&twice, Err(Flood::StrayContinuation));

    let mut frames = vec![(HEADERS, 0, 1)];
    frames.extend([(CONTINUATION, 0, 0); 8]);
    check(&frames, Ok(()));
    frames.push((CONTINUATION, END_HEADERS, 0));
    check(&frames, Err(Flood::Continuation { frames_max: 8 }));

    let full = [(HEADERS, 0, 16_384), (CONTINUATION, 0, 16_384), (CONTINUATION, 0, 16_384)];
    let too_long = Err(Flood::HeaderBlockTooLong { bytes_max: 65_536 });
    check(&[&full[..], &[(CONTINUATION, END_HEADERS, 16_384)]].concat(), Ok(()));
    check(&[&full[..], &[(CONTINUATION, 0, 16_384), (CONTINUATION, END_HEADERS, 1)]].concat(), too_long);
}

#[test]
fn a_connection_begins_with_its_preface() {
    for length in 0..=PREFACE.len() {
        assert_eq!(FrameGuard::new(Limits::default()).push(&PREFACE[..length], 0), Ok(()));
    }
    for at in 0..PREFACE.len() {
        let mut bytes = PREFACE.to_vec();
        bytes[at] ^= 1;
        let mut guard = FrameGuard::new(Limits::default());
        assert_eq!(guard.push(&bytes[..at], 0), Ok(()));
        assert_eq!(guard.push(&bytes[at..=at], 0), Err(Flood::Preface));
    }
    let request = b"GET / HTTP/1.1\r\n\r\n";
    assert_eq!(FrameGuard::new(Limits::default()).push(request, 0), Err(Flood::Preface));
}

#[test]
fn a_clock_that_goes_back_gives_nothing() {
    let mut guard = opened(small());
    let frame = frame(PING, 0, 8);
    assert_eq!(guard.push(&frame, 5_000), Ok(()));
    assert_eq!(guard.push(&frame, 5_000), Ok(()));
    let mut later = guard.clone();
    assert_eq!(guard.push(&frame, 0), Err(Flood::Ping));
    assert_eq!(later.push(&frame, u64::MAX), Ok(()));

    // Nor when it comes back.
    let mut guard = opened(small());
    assert_eq!(guard.push(&frame, 5_000), Ok(()));
    assert_eq!(guard.push(&frame, 0), Ok(()));
    assert_eq!(guard.push(&frame, 5_000), Err(Flood::Ping));
}

#[test]
fn who_receives_much_may_open_many_windows() {
    let mut guard = opened(small());
    let update = frame(WINDOW_UPDATE, 0, 4);
    let burst = |guard: &mut FrameGuard| (0..10).take_while(|_| guard.push(&update, 0).is_ok()).count();
    assert_eq!(burst(&mut guard.clone()), 4);
    // No more than the bucket holds.
    guard.sent(1_000_000);
    assert_eq!(burst(&mut guard.clone()), 4);
    for _ in 0..4 {
        guard.push(&update, 0).unwrap();
    }
    guard.sent(29);
    assert_eq!(burst(&mut guard), 2);
}

/// What clients send, at speeds beyond what one connection reaches.
#[test]
fn honest_clients_pass() {
    let request = frame(HEADERS, END_HEADERS | END_STREAM, 60);
    let update = frame(WINDOW_UPDATE, 0, 4);
    let full = frame(DATA, 0, 16 * 1024);
    let (ping, small) = (frame(PING, 0, 8), frame(DATA, 0, 9));

    // curl: settings, a large window, one request after the other; each body opens a window again.
    play("curl", 3, |guard, now_ms| {
        for _ in 0..2 {
            guard.push(&request, now_ms)?;
            guard.sent(100_000);
            guard.push(&update, now_ms)?;
        }
        Ok(())
    });
    // h2load: 128 streams, 200,000 small answers a second, windows opened at their half.
    play("h2load", 1, |guard, now_ms| {
        for _ in 0..200 {
            guard.push(&request, now_ms)?;
            guard.sent(100);
        }
        guard.push(&update, now_ms)
    });
    // Go at 2 GB/s with the smallest reads: two updates for each 4 KiB.
    play("Go, download", 1, |guard, now_ms| {
        for _ in 0..500 {
            guard.sent(4_096);
            guard.push(&update, now_ms)?;
            guard.push(&update, now_ms)?;
        }
        Ok(())
    });
    // Go with a window of 4 MiB (the transport's default) that arrives before one update leaves.
    play("Go, late updates", 20, |guard, now_ms| {
        guard.sent(4 << 20);
        for _ in 0..2 * (4 << 20) / 4_096 {
            guard.push(&update, now_ms)?;
        }
        Ok(())
    });
    // Mint: two updates for each DATA frame, and events of 50 bytes, 4,000 a second.
    play("Mint, events", 1, |guard, now_ms| {
        for _ in 0..4 {
            guard.sent(59);
            guard.push(&update, now_ms)?;
            guard.push(&update, now_ms)?;
        }
        Ok(())
    });
    // gRPC: 5,000 calls a second, each a message of 9 bytes, with a probe for each answer.
    play("gRPC, calls", 1, |guard, now_ms| {
        for _ in 0..5 {
            guard.push(&frame(HEADERS, END_HEADERS, 80), now_ms)?;
            guard.push(&frame(DATA, END_STREAM, 9), now_ms)?;
            guard.push(&ping, now_ms)?;
        }
        Ok(())
    });
    // gRPC: a stream of 4,000 messages of 9 bytes a second.
    play("gRPC, stream", 1, |guard, now_ms| (0..4).try_for_each(|_| guard.push(&small, now_ms)));
    // A client that gives up: 250 streams at once, each second and a half.
    play("cancelling", 1_500, |guard, now_ms| {
        for _ in 0..250 {
            guard.push(&frame(HEADERS, END_HEADERS | END_STREAM, 60), now_ms)?;
            guard.push(&frame(RST_STREAM, 0, 4), now_ms)?;
        }
        Ok(())
    });
    // Uploads: full frames, an empty one at the end.
    play("upload", 1, |guard, now_ms| {
        guard.push(&frame(HEADERS, END_HEADERS, 60), now_ms)?;
        for _ in 0..64 {
            guard.push(&full, now_ms)?;
        }
        guard.push(&frame(DATA, END_STREAM, 0), now_ms)
    });
    // A browser: greasing, priorities with each of 100 requests a second, old and new.
    play("browser", 10, |guard, now_ms| {
        guard.push(&frame(PRIORITY, 0, 5), now_ms)?;
        guard.push(&frame(0x10, 0, 9), now_ms)?;
        guard.push(&request, now_ms)
    });
    // A keep-alive each ten seconds for hours, and our settings acknowledged.
    play("idle", 10_000, |guard, now_ms| {
        guard.push(&ping, now_ms)?;
        guard.push(&frame(SETTINGS, ACK, 0), now_ms)
    });
}

#[test]
fn attacks_are_stopped_in_time() {
    let check = |name: &str, frames: &[Vec<u8>], frames_max: usize, expect| {
        let mut guard = opened(Limits::default());
        // A hundred thousand a second.
        let mut times = (0_u64..).map(|count| count / 100);
        let attack = frames.iter().cycle().take(1_000_000).enumerate();
        let stopped = attack
            .map(|(count, frame)| (count, guard.push(frame, times.next().unwrap())))
            .find(|(_, result)| result.is_err());
        let (count, result) = stopped.unwrap_or_else(|| panic!("{name} passes"));
        assert_eq!(result, Err(expect), "{name}");
        assert!(count <= frames_max, "{name}: {count}");
    };
    let request = frame(HEADERS, END_HEADERS | END_STREAM, 30);
    check("rapid reset", &[request, frame(RST_STREAM, 0, 4)], 2_100, Flood::Reset);
    let block = Flood::Continuation { frames_max: 8 };
    let mut endless = vec![frame(HEADERS, 0, 10)];
    endless.extend(vec![frame(CONTINUATION, 0, 100); 1_000]);
    check("continuations", &endless, 9, block);
    check("pings", &[frame(PING, 0, 8)], 12_000, Flood::Ping);
    check("settings", &[frame(SETTINGS, 0, 6)], 110, Flood::Settings);
    check("windows of one byte", &[frame(WINDOW_UPDATE, 0, 4)], 23_000, Flood::WindowUpdate);
    check("priorities", &[frame(PRIORITY, 0, 5)], 1_010, Flood::Priority);
    check("empty data", &[frame(DATA, 0, 0)], 210, Flood::EmptyData);
    check("data of one byte", &[frame(DATA, 0, 1)], 11_000, Flood::TinyData);
}

#[test]
fn each_flood_has_its_error_code() {
    let check = |flood: Flood, expect| assert_eq!(flood.error_code(), expect, "{flood}");
    check(Flood::Preface, 0x1);
    check(Flood::StrayContinuation, 0x1);
    check(Flood::FrameTooLong { bytes: 2, bytes_max: 1 }, 0x6);
    check(Flood::Continuation { frames_max: 8 }, 0xb);
    check(Flood::Reset, 0xb);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn the_model_agrees_however_bytes_are_cut(
        parts in prop::collection::vec(any_part(), 0..60),
        change in prop::option::weighted(0.1, (any::<prop::sample::Index>(), any::<u8>())),
        step in 1..50_usize,
    ) {
        let mut steps = vec![Step::Received { now_ms: 0, bytes: PREFACE.to_vec() }];
        let mut now_ms = 0;
        for part in parts {
            steps.push(match part {
                Part::Frame { kind, flags, bytes, after_ms } => {
                    now_ms += after_ms;
                    Step::Received { now_ms, bytes: frame(kind, flags, bytes) }
                }
                Part::Sent { bytes } => Step::Sent { bytes },
            });
        }
        if let Some((place, value)) = change {
            let place = place.index(steps.len());
            if let Step::Received { bytes, .. } = &mut steps[place] {
                bytes[value as usize % 9] = value;
            }
        }
        let expect = model::read(small(), &steps);
        prop_assert_eq!(guard_in_pieces(&steps, usize::MAX), expect);
        prop_assert_eq!(guard_in_pieces(&steps, step), expect);
        prop_assert_eq!(guard_in_pieces(&steps, 1), expect);
    }
}

fn guard_in_pieces(steps: &[Step], piece_bytes: usize) -> Option<(usize, Flood)> {
    let mut guard = FrameGuard::new(small());
    for (step, what) in steps.iter().enumerate() {
        match what {
            Step::Sent { bytes } => guard.sent(*bytes),
            Step::Received { now_ms, bytes } => {
                for piece in bytes.chunks(piece_bytes) {
                    if let Err(flood) = guard.push(piece, *now_ms) {
                        return Some((step, flood));
                    }
                }
            }
        }
    }
    None
}

/// Plays what a client does each so many milliseconds, five hundred times.
fn play(name: &str, every_ms: u64, mut act: impl FnMut(&mut FrameGuard, u64) -> Result<(), Flood>) {
    let mut guard = opened(Limits::default());
    for round in 0..500 {
        assert_eq!(act(&mut guard, round * every_ms), Ok(()), "{name}, round {round}");
    }
}

fn opened(limits: Limits) -> FrameGuard {
    let mut guard = FrameGuard::new(limits);
    guard.push(PREFACE, 0).unwrap();
    guard
}

fn frame(kind: u8, flags: u8, bytes: u32) -> Vec<u8> {
    let [_, high, middle, low] = bytes.to_be_bytes();
    let mut frame = vec![high, middle, low, kind, flags, 0, 0, 0, 1];
    // Whatever stands in a payload is skipped, so it may look like frames.
    frame.resize(9 + bytes as usize, CONTINUATION);
    frame
}

#[derive(Clone, Debug)]
enum Part {
    Frame { kind: u8, flags: u8, bytes: u32, after_ms: u64 },
    Sent { bytes: u64 },
}

fn any_part() -> impl Strategy<Value = Part> {
    let kind = prop_oneof![8 => 0..10_u8, 1 => any::<u8>()];
    let flags = prop_oneof![prop::sample::select(vec![0, 1, 4, 5, 8, 12]), any::<u8>()];
    let bytes = prop_oneof![6 => 0..20_u32, 2 => 200..400_u32, 1 => 395..405_u32];
    let after_ms = prop_oneof![4 => Just(0), 3 => 1..100_u64, 1 => 100..3_000_u64];
    let frame = (kind, flags, bytes, after_ms).prop_map(|(kind, flags, bytes, after_ms)| Part::Frame {
        kind,
        flags,
        bytes,
        after_ms,
    });
    prop_oneof![9 => frame, 1 => (0..60_u64).prop_map(|bytes| Part::Sent { bytes })]
}
