//! Archives: never a panic, and never more bytes than there are.
#![no_main]

use std::io::Read as _;

use libfuzzer_sys::fuzz_target;
use portcullis_replay::Tar;

fuzz_target!(|bytes: &[u8]| {
    let mut tar = Tar::new(bytes);
    while let Ok(Some(_)) = tar.next_file() {
        let mut content = Vec::new();
        let read = tar.by_ref().read_to_end(&mut content);
        assert!(content.len() <= bytes.len());
        if read.is_err() {
            break;
        }
    }
});
