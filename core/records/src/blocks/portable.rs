//! For machines without vector instructions that are used here.

use super::{BLOCK_BYTES, Classifier, EscapeMasks, Masks};

#[derive(Clone, Copy)]
pub(super) struct Portable;

const QUOTE: u8 = 1;
const BACKSLASH: u8 = 1 << 1;
const BRACKET: u8 = 1 << 2;
const SCALAR: u8 = 1 << 3;
const STRAY: u8 = 1 << 4;
const CONTROL: u8 = 1 << 5;

const LETTER: u8 = 1;
const UNICODE: u8 = 1 << 1;
const DIGIT: u8 = 1 << 2;

static KINDS: [u8; 256] = kinds();
static ESCAPE_KINDS: [u8; 256] = escape_kinds();

impl Classifier for Portable {
    fn masks(self, block: &[u8; BLOCK_BYTES]) -> Masks {
        let mut masks = Masks { quotes: 0, backslashes: 0, brackets: 0, scalars: 0, strays: 0, controls: 0 };
        let (words, _) = block.as_chunks::<8>();
        for (place, bytes) in words.iter().enumerate() {
            let kinds = kinds_of(*bytes, &KINDS);
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

    fn escape_masks(self, block: &[u8; BLOCK_BYTES]) -> EscapeMasks {
        let mut masks = EscapeMasks { letters: 0, unicodes: 0, digits: 0 };
        let (words, _) = block.as_chunks::<8>();
        for (place, bytes) in words.iter().enumerate() {
            let kinds = kinds_of(*bytes, &ESCAPE_KINDS);
            let mask = |kind: u8| gather(kinds >> kind.trailing_zeros()) << (place * 8);
            masks.letters |= mask(LETTER);
            masks.unicodes |= mask(UNICODE);
            masks.digits |= mask(DIGIT);
        }
        masks
    }

    fn parities(self, bits: u64) -> u64 {
        [1, 2, 4, 8, 16, 32].into_iter().fold(bits, |parities, width| parities ^ parities << width)
    }
}

fn kinds_of(bytes: [u8; 8], table: &[u8; 256]) -> u64 {
    u64::from_le_bytes(bytes.map(|byte| table.get(usize::from(byte)).copied().unwrap_or_default()))
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

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, where a fault is an error")]
const fn escape_kinds() -> [u8; 256] {
    let mut kinds = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = match byte as u8 {
            b'u' => LETTER | UNICODE,
            b'b' | b'f' => LETTER | DIGIT,
            b'"' | b'\\' | b'/' | b'n' | b'r' | b't' => LETTER,
            b'0'..=b'9' | b'a'..=b'e' | b'A'..=b'F' => DIGIT,
            _ => 0,
        };
        byte += 1;
    }
    kinds
}
