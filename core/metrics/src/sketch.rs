//! Latencies in buckets of equal *relative* width, so that any quantile is told within one percent,
//! and sketches of parts add up to the sketch of the whole (DDSketch: Masson, Rim and Lee, VLDB 2019).
//!
//! A sketch has at most [`BUCKETS`] buckets, from 20 µs to four hours; what is shorter or longer counts
//! in the first or the last.

/// A quantile's distance from the exact one, at most.
pub const RELATIVE_ERROR: f64 = 0.01;
/// Buckets, at most: 8 KiB.
pub const BUCKETS: usize = 1_024;
/// What is shorter isn't told apart.
pub const LOWEST_US: u64 = 20;

const GAMMA: f64 = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR);
/// The natural logarithm of `GAMMA`.
const LN_GAMMA: f64 = 0.020_000_666_706_669_543;
const LAST: u16 = 1_023;

/// How often each latency was seen.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Sketch {
    /// Index of the first of `counts`.
    first: u16,
    counts: Vec<u64>,
    total: u64,
}

/// A sketch that nothing is added to any more: some two bytes for each bucket that holds something.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Packed(Box<[u8]>);

/// Where a latency belongs: found once, for all the sketches that it goes into.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Bucket(u16);

impl Bucket {
    #[must_use]
    pub fn of(microseconds: u64) -> Self {
        if microseconds <= LOWEST_US {
            return Self(0);
        }
        let steps = ((microseconds as f64 / LOWEST_US as f64).ln() / LN_GAMMA).ceil();
        // A cast from a float stops at the type's ends.
        Self((steps as u16).min(LAST))
    }
}

impl Sketch {
    pub fn add(&mut self, microseconds: u64) {
        self.add_in(Bucket::of(microseconds));
    }

    pub fn add_in(&mut self, bucket: Bucket) {
        self.add_to(bucket.0, 1);
    }

    pub fn merge(&mut self, other: &Self) {
        for (index, count) in other.buckets() {
            self.add_to(index, count);
        }
    }

    pub fn merge_packed(&mut self, other: &Packed) {
        for (index, count) in other.buckets() {
            self.add_to(index, count);
        }
    }

    /// How many were added.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The latency in microseconds below which the share `quantile` (0 to 1) lies: of `n` latencies in order
    /// the one at `⌊quantile · (n − 1)⌋`, within one percent. None of none.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let last = self.total.checked_sub(1)?;
        let rank = (quantile.clamp(0.0, 1.0) * last as f64) as u64;
        let mut below = 0;
        for (index, count) in self.buckets() {
            below += count;
            if below > rank {
                return Some(middle(index));
            }
        }
        None
    }

    /// How many lie above `microseconds`, those within one percent of it perhaps not.
    #[must_use]
    pub fn above(&self, microseconds: u64) -> u64 {
        let Bucket(limit) = Bucket::of(microseconds);
        self.buckets().filter(|(index, _)| *index > limit).map(|(_, count)| count).sum()
    }

    #[must_use]
    pub fn pack(&self) -> Packed {
        let mut bytes = Vec::new();
        let mut next = 0;
        for (index, count) in self.buckets() {
            write(u64::from(index - next), &mut bytes);
            write(count, &mut bytes);
            next = index;
        }
        Packed(bytes.into())
    }

    pub fn clear(&mut self) {
        self.counts.clear();
        self.total = 0;
    }

    fn buckets(&self) -> impl Iterator<Item = (u16, u64)> {
        (self.first..).zip(self.counts.iter().copied()).filter(|(_, count)| *count > 0)
    }

    fn add_to(&mut self, index: u16, count: u64) {
        let index = index.min(LAST);
        if self.counts.is_empty() {
            self.first = index;
        }
        if index < self.first {
            let missing = usize::from(self.first - index);
            self.counts.splice(..0, std::iter::repeat_n(0, missing));
            self.first = index;
        }
        let place = usize::from(index - self.first);
        if place >= self.counts.len() {
            self.counts.resize(place + 1, 0);
        }
        if let Some(bucket) = self.counts.get_mut(place) {
            *bucket = bucket.saturating_add(count);
            self.total = self.total.saturating_add(count);
        }
    }
}

impl Packed {
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    fn buckets(&self) -> impl Iterator<Item = (u16, u64)> {
        let mut rest = &*self.0;
        let mut index = 0_u16;
        std::iter::from_fn(move || {
            index = index.saturating_add(u16::try_from(read(&mut rest)?).ok()?);
            Some((index, read(&mut rest)?))
        })
    }
}

/// What a bucket stands for: as far from its lower end as from its upper one, relatively.
fn middle(index: u16) -> f64 {
    if index == 0 {
        return LOWEST_US as f64;
    }
    LOWEST_US as f64 * GAMMA.powi(i32::from(index)) * 2.0 / (GAMMA + 1.0)
}

/// Seven bits to a byte, the lowest first.
fn write(mut number: u64, to: &mut Vec<u8>) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

fn read(from: &mut &[u8]) -> Option<u64> {
    let (mut number, mut shift) = (0_u64, 0);
    loop {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_that_of_the_base() {
        assert!((GAMMA.ln() - LN_GAMMA).abs() < 1e-15, "{}", GAMMA.ln());
    }
}
