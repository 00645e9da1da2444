//! Text in blocks of 64 bytes, one bit for each byte, the first byte lowest. For JSON: which bytes are
//! brackets, and which are faults.
//!
//! The method is stage one of Langdale and Lemire, "Parsing Gigabytes of JSON per Second" (2019):
//! a prefix sum without carries over the quotes tells what lies in strings. Instructions of the
//! machine only tell what kind a byte is and make that sum; the rest is the same on all machines.

mod avx2;
mod portable;

use crate::json::Json;
use crate::meter::{Halt, Meter};
use crate::rows::Rows;
use avx2::Avx2;
use portable::Portable;

pub(crate) const BLOCK_BYTES: usize = 64;

/// What the bytes of a block are, wherever they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Masks {
    quotes: u64,
    backslashes: u64,
    /// `[`, `]`, `{` and `}`.
    brackets: u64,
    /// Letters, digits, `+`, `-` and `.`.
    scalars: u64,
    /// What has no place outside of strings; quotes are among them.
    strays: u64,
    /// Below 0x20.
    controls: u64,
}

/// What the bytes of a block would be in an escape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EscapeMasks {
    /// What may follow a backslash: `"`, `\\`, `/` and b, f, n, r, t, u.
    letters: u64,
    /// The letter u.
    unicodes: u64,
    /// Hexadecimal digits.
    digits: u64,
}

pub(crate) trait Classifier: Copy {
    fn masks(self, block: &[u8; BLOCK_BYTES]) -> Masks;

    fn escape_masks(self, block: &[u8; BLOCK_BYTES]) -> EscapeMasks;

    /// Each bit becomes the parity of itself and all lower ones.
    fn parities(self, bits: u64) -> u64;
}

/// What the bytes of a block of CSV are.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TableMasks {
    pub(crate) quotes: u64,
    pub(crate) commas: u64,
    pub(crate) returns: u64,
    pub(crate) feeds: u64,
}

#[cfg(target_arch = "x86_64")]
pub(crate) trait TableClassifier: Classifier {
    fn table_masks(self, block: &[u8; BLOCK_BYTES]) -> TableMasks;
}

/// What looks at blocks.
#[derive(Clone, Copy)]
pub(crate) enum Engine {
    Avx2(Avx2),
    Portable,
}

impl Engine {
    /// The fastest that this machine has.
    pub(crate) fn detect() -> Self {
        Avx2::detect().map_or(Self::Portable, Self::Avx2)
    }

    pub(crate) fn inside(
        self,
        json: &mut Json,
        chunk: &[u8],
        at: usize,
        meter: &mut Meter,
    ) -> Result<usize, Halt> {
        match self {
            Self::Avx2(avx2) => avx2.inside(json, chunk, at, meter),
            Self::Portable => json.inside(Portable, chunk, at, meter),
        }
    }

    /// Without vector instructions, blocks don't pay for tables.
    pub(crate) fn regular_rows(self, rows: &mut Rows, chunk: &[u8], at: usize, meter: &mut Meter) -> usize {
        match self {
            Self::Avx2(avx2) => avx2.regular_rows(rows, chunk, at, meter),
            Self::Portable => at,
        }
    }
}

/// A part of a chunk: 64 bytes, or fewer at its end with spaces after them.
pub(crate) struct Block<'chunk> {
    bytes: &'chunk [u8; BLOCK_BYTES],
    pub(crate) length: usize,
}

impl<'chunk> Block<'chunk> {
    /// `None` at the end of the chunk. A part is copied to `padded`, which holds spaces.
    #[inline(always)]
    pub(crate) fn at(chunk: &'chunk [u8], at: usize, padded: &'chunk mut [u8; BLOCK_BYTES]) -> Option<Self> {
        let rest = chunk.get(at..)?;
        if let Some(bytes) = rest.first_chunk() {
            return Some(Self { bytes, length: BLOCK_BYTES });
        }
        padded.get_mut(..rest.len())?.copy_from_slice(rest);
        (!rest.is_empty()).then_some(Self { bytes: padded, length: rest.len() })
    }

    #[inline(always)]
    pub(crate) fn byte(&self, bit: u32) -> u8 {
        self.bytes.get(bit as usize).copied().unwrap_or_default()
    }
}

/// What a block has to know of the bytes before it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Carry {
    in_text: bool,
    /// The last byte was a backslash that isn't escaped itself.
    after_backslash: bool,
    /// Which of the next four bytes are hexadecimal digits of `\uXXXX`.
    digits: u8,
    /// The last byte was the quote that ends a string.
    after_text: bool,
    /// … or a letter or digit outside of strings.
    after_scalar: bool,
}

/// What has to be looked at in a block.
pub(crate) struct Signs {
    /// Brackets outside of strings, up to the first fault.
    pub(crate) brackets: u64,
    /// Bytes that can't be there. What comes after the first one has no meaning.
    faults: u64,
}

impl Signs {
    #[inline(always)]
    pub(crate) fn fault(&self) -> Option<u32> {
        (self.faults != 0).then(|| self.faults.trailing_zeros())
    }
}

impl Carry {
    #[inline(always)]
    pub(crate) fn read<C: Classifier>(self, classifier: C, block: &Block<'_>) -> (Signs, Self) {
        let masks = classifier.masks(block.bytes);
        let escapes = if masks.backslashes == 0 && !self.after_backslash && self.digits == 0 {
            Escapes::default()
        } else {
            self.escapes(masks.backslashes, classifier, block)
        };
        let quotes = masks.quotes & !escapes.escaped;
        // From the quote that begins a string up to the one that ends it, without that one.
        let in_text = classifier.parities(quotes) ^ u64::from(self.in_text).wrapping_neg();
        let begins = quotes & in_text;
        let ends = quotes & !in_text;
        let outside = !(in_text | ends);
        let scalars = masks.scalars & outside;
        let after_text = ends << 1 | u64::from(self.after_text);
        let after_scalar = scalars << 1 | u64::from(self.after_scalar);
        let faults = masks.controls & in_text
            | masks.strays & outside
            | begins & (after_text | after_scalar)
            | scalars & after_text
            | escapes.faults;
        let last_bit = block.length - 1;
        let after = Self {
            in_text: in_text >> 63 == 1,
            after_backslash: escapes.open_backslash,
            digits: escapes.open_digits,
            after_text: ends >> last_bit & 1 == 1,
            after_scalar: scalars >> last_bit & 1 == 1,
        };
        let before_faults = faults.wrapping_sub(1) & !faults;
        (Signs { brackets: masks.brackets & outside & before_faults, faults }, after)
    }

    /// Most blocks have no escapes.
    #[inline(always)]
    fn escapes<C: Classifier>(self, backslashes: u64, classifier: C, block: &Block<'_>) -> Escapes {
        let (escaped, overflows) = escaped(backslashes, self.after_backslash);
        let masks = classifier.escape_masks(block.bytes);
        let begins = escaped & masks.unicodes;
        let digits = begins << 1 | begins << 2 | begins << 3 | begins << 4 | u64::from(self.digits);
        // The four bits that may lie above bit 63.
        let above = begins >> 63 | begins >> 62 | begins >> 61 | begins >> 60;
        let (open_backslash, open_digits) = match block.length {
            BLOCK_BYTES => (overflows, above),
            length => (escaped >> length & 1 == 1, digits >> length | above << (BLOCK_BYTES - length)),
        };
        Escapes {
            escaped,
            faults: escaped & !masks.letters | digits & !masks.digits,
            open_backslash,
            open_digits: open_digits as u8,
        }
        .only(block.length)
    }
}

#[derive(Default)]
struct Escapes {
    /// Bytes after backslashes.
    escaped: u64,
    faults: u64,
    open_backslash: bool,
    open_digits: u8,
}

impl Escapes {
    /// What is escaped after the end of a chunk is known with the next one.
    #[inline(always)]
    fn only(mut self, length: usize) -> Self {
        self.faults &= u64::MAX >> (BLOCK_BYTES - length);
        self
    }
}

/// The bytes that follow a backslash which isn't escaped itself, and whether the byte after the block
/// does: simdjson's way, which adds to each run of backslashes that starts at an odd bit, so that the
/// carries tell which runs end at an even one.
#[inline(always)]
fn escaped(backslashes: u64, after_backslash: bool) -> (u64, bool) {
    const EVEN: u64 = 0x5555_5555_5555_5555;
    let carry = u64::from(after_backslash);
    let backslashes = backslashes & !carry;
    let follows = backslashes << 1 | carry;
    let odd_starts = backslashes & !EVEN & !follows;
    let (even_ends, overflows) = odd_starts.overflowing_add(backslashes);
    ((EVEN ^ even_ends << 1) & follows, overflows)
}

// They compare with what only this machine has.
#[cfg(all(test, target_arch = "x86_64"))]
mod tests;
