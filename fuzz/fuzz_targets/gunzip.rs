//! Packed bodies of upstreams: however they are cut, the same is made of them, and what is taken is what others unpack.
//! The first byte says how they are cut.
#![no_main]

use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "only the target is built here")]
#[path = "../../planes/gate/src/gunzip.rs"]
mod gunzip;

use gunzip::{Gunzip, GzipFault};

/// Expansion is allowed so far whatever it was made of, and a hundredfold of what was read beyond.
const MADE_MAX: usize = (1 << 20) + 100 * 65_536;

fuzz_target!(|data: &[u8]| {
    let Some((cut, packed)) = data.split_first() else { return };
    let whole = unpacked(packed, packed.len().max(1), 64 * 1024);
    let cut = usize::from(*cut);
    let pieces = unpacked(packed, cut % 16 + 1, cut / 16 * 64 + 1);
    // Expansion is judged at each call, which a piece may end sooner.
    let by_expansion = |result: &Result<Vec<u8>, GzipFault>| *result == Err(GzipFault::Expansion);
    if by_expansion(&whole) || by_expansion(&pieces) {
        return;
    }
    assert_eq!(whole, pieces);
    if let Ok(made) = whole {
        assert!(made.len() <= MADE_MAX);
        let mut theirs = Vec::new();
        MultiGzDecoder::new(packed).read_to_end(&mut theirs).expect("others unpack it, too");
        assert_eq!(made, theirs);
    }
});

fn unpacked(packed: &[u8], piece_bytes: usize, room_bytes: usize) -> Result<Vec<u8>, GzipFault> {
    let mut gunzip = Gunzip::new();
    let mut room = vec![0; room_bytes];
    let mut made = Vec::new();
    for piece in packed.chunks(piece_bytes) {
        let mut rest = piece;
        loop {
            let done = gunzip.unpack(rest, &mut room)?;
            made.extend_from_slice(&room[..done.written]);
            rest = &rest[done.read..];
            if done.written < room.len() {
                assert!(rest.is_empty(), "it stands still");
                break;
            }
        }
    }
    gunzip.finish()?;
    Ok(made)
}
