//! JSON text in blocks of 64 bytes, one bit for each byte, the first byte lowest: which bytes are
//! brackets, and which are faults.
//!
//! The method is stage one of Langdale and Lemire, "Parsing Gigabytes of JSON per Second" (2019):
//! a prefix sum without carries over the quotes tells what lies in strings. Instructions of the
//! machine only tell what kind a byte is and make that sum; the rest is the same on all machines.

mod avx2;
mod portable;

use crate::json::Json;
use crate::meter::{Halt, Meter};
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

pub(crate) trait Classifier: Copy {
    fn masks(self, block: &[u8; BLOCK_BYTES]) -> Masks;

    /// Each bit becomes the parity of itself and all lower ones.
    fn parities(self, bits: u64) -> u64;
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
}

/// A part of a chunk: 64 bytes, or fewer at its end with spaces after them.
pub(crate) enum Block<'chunk> {
    Whole(&'chunk [u8; BLOCK_BYTES]),
    Part([u8; BLOCK_BYTES], usize),
}

impl<'chunk> Block<'chunk> {
    /// `None` at the end of the chunk.
    #[inline(always)]
    pub(crate) fn at(chunk: &'chunk [u8], at: usize) -> Option<Self> {
        let rest = chunk.get(at..)?;
        if let Some(whole) = rest.first_chunk() {
            return Some(Self::Whole(whole));
        }
        let mut bytes = [b' '; BLOCK_BYTES];
        bytes.get_mut(..rest.len())?.copy_from_slice(rest);
        (!rest.is_empty()).then_some(Self::Part(bytes, rest.len()))
    }

    #[inline(always)]
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Whole(_) => BLOCK_BYTES,
            Self::Part(_, length) => *length,
        }
    }

    #[inline(always)]
    fn bytes(&self) -> &[u8; BLOCK_BYTES] {
        match self {
            Self::Whole(bytes) => bytes,
            Self::Part(bytes, _) => bytes,
        }
    }

    #[inline(always)]
    pub(crate) fn byte(&self, bit: u32) -> u8 {
        self.bytes().get(bit as usize).copied().unwrap_or_default()
    }
}

/// What a block has to know of the bytes before it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Carry {
    in_text: bool,
    escape: Escape,
    last: Last,
}

/// Which part of an escape comes next.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    Letter,
    /// Hexadecimal digits of `\uXXXX`.
    Digits(u8),
}

/// What the last byte was.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Last {
    #[default]
    Other,
    /// The quote that ends a string.
    Text,
    /// A letter or digit outside of strings.
    Scalar,
}

/// What has to be looked at in a block.
pub(crate) struct Signs {
    /// Brackets outside of strings.
    pub(crate) brackets: u64,
    /// Bytes that can't be there. What comes after the first one has no meaning.
    pub(crate) faults: u64,
}

impl Carry {
    #[inline(always)]
    pub(crate) fn read<C: Classifier>(self, classifier: C, block: &Block<'_>) -> (Signs, Self) {
        let masks = classifier.masks(block.bytes());
        let escapes = if masks.backslashes == 0 && self.escape == Escape::None {
            Escapes::default()
        } else {
            self.escapes(masks.backslashes, block)
        };
        let quotes = masks.quotes & !escapes.escaped;
        // From the quote that begins a string up to the one that ends it, without that one.
        let in_text = classifier.parities(quotes) ^ u64::from(self.in_text).wrapping_neg();
        let begins = quotes & in_text;
        let ends = quotes & !in_text;
        let outside = !(in_text | ends);
        let scalars = masks.scalars & outside;
        let after_text = ends << 1 | u64::from(self.last == Last::Text);
        let after_scalar = scalars << 1 | u64::from(self.last == Last::Scalar);
        let faults = masks.controls & in_text
            | masks.strays & outside
            | begins & (after_text | after_scalar)
            | scalars & after_text
            | escapes.faults;
        let last_bit = block.length() - 1;
        let last = match (ends >> last_bit & 1, scalars >> last_bit & 1) {
            (1, _) => Last::Text,
            (_, 1) => Last::Scalar,
            _ => Last::Other,
        };
        let after = Self { in_text: in_text >> 63 == 1, escape: escapes.after, last };
        (Signs { brackets: masks.brackets & outside, faults }, after)
    }

    /// Reads the escapes one by one: most blocks have none.
    #[inline(never)]
    fn escapes(self, backslashes: u64, block: &Block<'_>) -> Escapes {
        let mut found = Escapes { after: self.escape, ..Escapes::default() };
        found.go_on(0, block);
        while found.after == Escape::None {
            let left = backslashes & found.unread();
            if left == 0 {
                break;
            }
            found.after = Escape::Letter;
            found.go_on(left.trailing_zeros() + 1, block);
        }
        found
    }
}

#[derive(Default)]
struct Escapes {
    /// Letters after backslashes, and the digits that belong to them.
    escaped: u64,
    faults: u64,
    after: Escape,
    /// Bits that were read.
    read: u32,
}

impl Escapes {
    /// Goes on with the escape at `bit`, to its end or the end of the block.
    #[inline(always)]
    fn go_on(&mut self, bit: u32, block: &Block<'_>) {
        self.read = bit;
        while self.after != Escape::None && (self.read as usize) < block.length() {
            let byte = block.byte(self.read);
            let is_fault;
            (self.after, is_fault) = match (self.after, byte) {
                (Escape::Letter, b'u') => (Escape::Digits(4), false),
                (Escape::Letter, _) => (Escape::None, !b"\"\\/bfnrt".contains(&byte)),
                (Escape::Digits(left @ 2..), _) => (Escape::Digits(left - 1), !byte.is_ascii_hexdigit()),
                _ => (Escape::None, !byte.is_ascii_hexdigit()),
            };
            self.escaped |= 1 << self.read;
            self.faults |= u64::from(is_fault) << self.read;
            self.read += 1;
        }
    }

    #[inline(always)]
    fn unread(&self) -> u64 {
        u64::MAX.checked_shl(self.read).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
