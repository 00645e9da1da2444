//! The inbound bytes of an HTTP/2 connection, in any pieces and at any pace: the guard stops where an
//! accountant that keeps everything does.
#![no_main]

#[path = "../../core/wire/tests/model/http2_frames.rs"]
mod model;

use libfuzzer_sys::fuzz_target;
use model::Step;
use portcullis_wire::http2_frames::{Flood, FrameGuard, Limits, Rate};

fuzz_target!(|data: &[u8]| {
    let Some((&[choice], rest)) = data.split_first_chunk() else { return };
    let steps = if choice & 1 == 0 { frames(rest) } else { raw(rest) };
    let expect = model::read(limits(), &steps);
    for piece_bytes in [usize::from(choice / 2) + 1, usize::MAX] {
        assert_eq!(guarded(&steps, piece_bytes), expect);
    }
});

/// Each five bytes are a frame, or something sent.
fn frames(data: &[u8]) -> Vec<Step> {
    let mut steps = vec![Step::Received { now_ms: 0, bytes: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec() }];
    let mut now_ms = 0;
    for &[kind, flags, length_high, length, after_ms] in data.as_chunks::<5>().0 {
        if kind == u8::MAX {
            steps.push(Step::Sent { bytes: u64::from(length) });
            continue;
        }
        now_ms += u64::from(after_ms);
        let length = u16::from_be_bytes([length_high % 2, length]);
        let [high, low] = length.to_be_bytes();
        let mut bytes = vec![0, high, low, kind, flags, 0, 0, 0, 1];
        bytes.resize(9 + usize::from(length), kind);
        steps.push(Step::Received { now_ms, bytes });
    }
    steps
}

/// The bytes as they are, with a pause before each twentieth.
fn raw(data: &[u8]) -> Vec<Step> {
    let mut now_ms = 0;
    let received = data.chunks(20).map(|chunk| {
        now_ms += u64::from(chunk[0]);
        Step::Received { now_ms, bytes: chunk[1..].to_vec() }
    });
    received.collect()
}

fn guarded(steps: &[Step], piece_bytes: usize) -> Option<(usize, Flood)> {
    let mut guard = FrameGuard::new(limits());
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

fn limits() -> Limits {
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
