//! Logs of others, in every format: never a panic, never a line that isn't told, and the same however it is cut.
#![no_main]

use std::io::BufReader;
use std::ops::ControlFlow;

use libfuzzer_sys::fuzz_target;
use portcullis_replay::{Format, Reading};

fuzz_target!(|bytes: &[u8]| {
    let reading = Reading::default();
    let _ = Format::of_content(bytes, &reading);
    for format in Format::ALL {
        let mut seen = [Vec::new(), Vec::new()];
        for (capacity, seen) in [1, 65_536].into_iter().zip(&mut seen) {
            let mut from = BufReader::with_capacity(capacity, bytes);
            let done = format.read(&mut from, &reading, &mut |line, parsed| {
                seen.push((line, parsed));
                ControlFlow::<()>::Continue(())
            });
            assert!(done.is_ok_and(|done| done.is_continue()));
        }
        // How a reader begins to look at a log depends on its first bytes, so a table may be told by them.
        if format != Format::K8sAudit && bytes.len() > 3 && !bytes.starts_with(b"\xef") {
            assert_eq!(seen[0], seen[1]);
        }
    }
});
