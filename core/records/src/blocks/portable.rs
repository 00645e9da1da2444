//! For machines without vector instructions that are used here.

use super::{BLOCK_BYTES, Classifier, Masks};

#[derive(Clone, Copy)]
pub(super) struct Portable;

const QUOTE: u8 = 1;
const BACKSLASH: u8 = 1 << 1;
const BRACKET: u8 = 1 << 2;
const SCALAR: u8 = 1 << 3;
const STRAY: u8 = 1 << 4;
const CONTROL: u8 = 1 << 5;

static KINDS: [u8; 256] = kinds();

impl Classifier for Portable {
    fn masks(self, block: &[u8; BLOCK_BYTES]) -> Masks {
        let mut masks = Masks { quotes: 0, backslashes: 0, brackets: 0, scalars: 0, strays: 0, controls: 0 };
        let (words, _) = block.as_chunks::<8>();
        for (place, bytes) in words.iter().enumerate() {
            let kinds = u64::from_le_bytes(bytes.map(kind_of));
            let mask = |kind: u8| gather(kinds >> kind.trailing_zeros()) << (place * 8);
            masks.quotes |= mask(QUOTE);
            masks.backslashes |= mask(BACKSLASH);
            masks.brackets |= mask(BRACKET);
            masks.scalars |= mask(SCALAR);
            masks.strays |= mask(STRAY);
            masks.controls |= mask(CONTROL);
        }
        masks
    }

    fn parities(self, bits: u64) -> u64 {
        [1, 2, 4, 8, 16, 32].into_iter().fold(bits, |parities, width| parities ^ parities << width)
    }
}

fn kind_of(byte: u8) -> u8 {
    KINDS.get(usize::from(byte)).copied().unwrap_or(STRAY)
}

/// The lowest bit of each byte, side by side: the product moves bit `8 n` to bit `56 + n`, and no
/// two partial products meet.
fn gather(kinds: u64) -> u64 {
    (kinds & 0x0101_0101_0101_0101).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, where a fault is an error")]
const fn kinds() -> [u8; 256] {
    let mut kinds = [STRAY; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = match byte as u8 {
            b'"' => QUOTE | STRAY,
            b'\\' => BACKSLASH | STRAY,
            b'[' | b']' | b'{' | b'}' => BRACKET,
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'+' | b'-' | b'.' => SCALAR,
            b'\t' | b'\n' | b'\r' => CONTROL,
            b' ' | b',' | b':' => 0,
            0..b' ' => CONTROL | STRAY,
            _ => STRAY,
        };
        byte += 1;
    }
    kinds
}
