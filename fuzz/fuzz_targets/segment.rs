//! A decision-log segment as a crash or a bad disk may leave it: recovered or set aside, never a
//! panic, and never a frame that was not written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_decision_log::{Reader, recover};

fuzz_target!(|data: &[u8]| {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("core-00000-00000000000000000000.segment"), data).unwrap();
    let _ = recover(folder.path());
    let mut frames = 0_u32;
    let _ = Reader::new(folder.path()).scan(0, u64::MAX, &mut |_| {
        frames += 1;
        std::ops::ControlFlow::Continue(())
    });
});
