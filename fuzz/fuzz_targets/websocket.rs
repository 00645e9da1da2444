//! Frames of either side, in any chunks: the count and the cut do not depend on them, and a reader
//! that has everything before it agrees.
#![no_main]

#[path = "../../core/wire/tests/model/websocket.rs"]
mod model;

use libfuzzer_sys::fuzz_target;
use model::{End, Outcome};
use portcullis_wire::websocket::{FrameMeter, Limits, Side};

fuzz_target!(|data: &[u8]| {
    let Some((&[choice, allowance], bytes)) = data.split_first_chunk() else { return };
    let side = if choice & 1 == 0 { Side::FromClient } else { Side::FromServer };
    let limits = Limits { frame_bytes_max: 70_000, control_frames_max: 3, empty_frames_max: 2 };
    let messages_max = if allowance == u8::MAX { u64::MAX } else { u64::from(allowance) };
    let expect = model::read(side, limits, bytes, messages_max);
    for step in [usize::from(choice / 2) + 1, usize::MAX] {
        compare(FrameMeter::with_limits(side, limits), bytes, messages_max, step, &expect);
    }
});

fn compare(mut meter: FrameMeter, bytes: &[u8], messages_max: u64, step: usize, expect: &Outcome) {
    let (mut at, mut count) = (0, 0);
    for chunk in bytes.chunks(step) {
        match meter.push(chunk, messages_max - count) {
            Err(fault) => {
                assert_eq!(expect.end, End::Fault(fault));
                assert!((at..at + chunk.len()).contains(&expect.end_at));
                return;
            }
            Ok(progress) => {
                count += progress.messages;
                at += progress.consumed;
                if progress.full || progress.closed {
                    assert_eq!(expect.end, if progress.full { End::Full } else { End::Closed });
                    break;
                }
                assert_eq!(progress.consumed, chunk.len());
            }
        }
    }
    assert!(!matches!(expect.end, End::Fault(_)));
    assert_eq!((count, at), (expect.messages.len() as u64, expect.end_at));
}
