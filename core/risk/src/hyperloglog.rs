//! How many different objects were asked for: 64 registers of four bits, off by 13 % on average.

use crate::codec::fields;
use crate::hash::mix;
use crate::ln::ln;

const REGISTERS: f64 = 64.0;

/// The objects of a day.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Objects {
    /// Four bits each.
    registers: [u8; 32],
    /// Requests that named an object.
    pub(crate) asked: u32,
    /// Σ (2^15 − 2^(15 − register)): how far the registers are from empty.
    filled: u32,
}

fields!(Objects { registers, asked, filled });

impl Objects {
    pub(crate) fn add(&mut self, object: u32) {
        self.asked = self.asked.saturating_add(1);
        let hash = mix(u64::from(object));
        let rank = ((hash >> 6).trailing_zeros() + 1).min(15) as u8;
        let place = (hash & 63) as usize;
        let Some(byte) = self.registers.get_mut(place / 2) else { return };
        let shift = 4 * (place as u32 % 2);
        let old = (*byte >> shift) & 15;
        if rank > old {
            *byte = (*byte & !(15 << shift)) | (rank << shift);
            self.filled = self.filled.saturating_add((1 << (15 - old)) - (1 << (15 - rank)));
        }
    }

    /// How many different ones, about.
    pub(crate) fn distinct(&self) -> f64 {
        const ALPHA: f64 = 0.709;
        let sum = f64::from((64_u32 << 15).saturating_sub(self.filled).max(1)) / 32_768.0;
        let estimate = ALPHA * REGISTERS * REGISTERS / sum;
        let empty = self
            .registers
            .iter()
            .map(|byte| u32::from(byte & 15 == 0) + u32::from(byte >> 4 == 0))
            .sum::<u32>();
        if estimate > 2.5 * REGISTERS || empty == 0 {
            return estimate;
        }
        REGISTERS * ln(REGISTERS / f64::from(empty))
    }

    /// Both together.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.asked = self.asked.saturating_add(other.asked);
        self.filled = 0;
        for (mine, theirs) in self.registers.iter_mut().zip(&other.registers) {
            *mine = (*mine & 15).max(theirs & 15) | ((*mine >> 4).max(theirs >> 4) << 4);
            for register in [*mine & 15, *mine >> 4] {
                self.filled += (1 << 15) - (1 << (15 - register));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_objects_are_counted_and_repeated_ones_are_not() {
        for count in [1_u32, 10, 60, 200, 1_000, 20_000] {
            let mut objects = Objects::default();
            for _ in 0..3 {
                (0..count).for_each(|object| objects.add(object));
            }
            let error = objects.distinct() / f64::from(count) - 1.0;
            assert!(error.abs() < 0.4, "{count}: {}", objects.distinct());
            assert_eq!(objects.asked, 3 * count);
            let (mut left, mut right) = (Objects::default(), Objects::default());
            (0..count).for_each(|object| if object % 2 == 0 { left.add(object) } else { right.add(object) });
            left.merge(&right);
            assert_eq!((left.registers, left.filled), (objects.registers, objects.filled));
        }
    }
}
