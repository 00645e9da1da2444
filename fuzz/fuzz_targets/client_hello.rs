//! A stranger's first bytes: they are put together, read and fingerprinted, however they are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_wire::client_hello::{Assembler, ClientHello, Progress};
use portcullis_wire::ja4;

fuzz_target!(|data: &[u8]| {
    let Some((cut, bytes)) = data.split_first() else { return };
    let whole = assembled(&[bytes]);
    let cut = usize::from(*cut).min(bytes.len());
    let (head, tail) = bytes.split_at(cut);
    assert_eq!(assembled(&[head, tail]), whole, "where it is cut must not matter");
    if let Some(message) = whole
        && let Ok(hello) = ClientHello::parse(&message)
    {
        assert_eq!(ja4::ja4(&hello).to_string().len(), 36);
        assert_eq!(ja4::context_key(&hello).to_string().len(), 36);
    }
});

fn assembled(parts: &[&[u8]]) -> Option<Vec<u8>> {
    let mut assembler = Assembler::new();
    for part in parts {
        match assembler.push(part) {
            Ok(Progress::Complete(message)) => return Some(message),
            Ok(Progress::NeedMore) => {}
            Err(_) => return None,
        }
    }
    None
}
