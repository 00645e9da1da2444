//! A quick hash for ids that this installation makes at random: nobody outside chooses them.

use std::hash::{BuildHasherDefault, Hasher};

/// Odd, and without a pattern in its bits (that of rustc's FxHash).
const FACTOR: u64 = 0x517c_c1b7_2722_0a95;

#[derive(Default)]
pub struct IdHasher(u64);

pub type IdMap<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<IdHasher>>;

impl IdHasher {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    }
}

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.add(u64::from_le_bytes(*word));
        }
        for byte in rest {
            self.add(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.add(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.add(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.add(word.cast_unsigned() as u64);
    }

    fn finish(&self) -> u64 {
        // A table takes the low bits, which the last multiplication mixes least.
        self.0 ^ (self.0 >> 32)
    }
}
