//! How the evidence of an exchange is distributed, from exchanges that were judged before they were learnt.

use crate::beta::upper_bound;
use crate::codec::fields;
use crate::constants::{CALIBRATED_EXCHANGES, CALIBRATION_LEVEL, CAP};
use crate::ln::{ln, milli};

const BINS: usize = 64;
/// Of a bound: a two-hundredth of a point.
const PRECISION: f64 = 1e-3;
const WIDTH: i32 = 2 * CAP / 62;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Calibration {
    counts: [u16; BINS],
    /// ln f of the upper bound of each bin's tail; thousandths of a point.
    points: [i16; BINS],
    /// Of how many exchanges; 0 until it is sealed.
    sealed: u32,
}

fields!(Calibration { counts, points, sealed });

impl Default for Calibration {
    fn default() -> Self {
        Self { counts: [0; BINS], points: [0; BINS], sealed: 0 }
    }
}

impl Calibration {
    pub(crate) fn sealed(&self) -> u32 {
        self.sealed
    }

    pub(crate) fn add(&mut self, evidence: i32) {
        if let Some(count) = self.counts.get_mut(bin(evidence)) {
            *count = count.saturating_add(1);
            if *count == u16::MAX {
                self.halve();
            }
        }
    }

    /// What an exchange adds to Vc; nothing until it is known.
    pub(crate) fn points(&self, evidence: i32) -> i32 {
        if self.sealed == 0 { 0 } else { self.points.get(bin(evidence)).copied().map_or(0, i32::from) }
    }

    /// Seals what was counted, once there is enough; half of it goes on counting.
    pub(crate) fn seal(&mut self) {
        let all = self.counts.iter().copied().map(u32::from).sum();
        if all < CALIBRATED_EXCHANGES {
            return;
        }
        let (mut tail, mut last) = (0, None);
        for (count, points) in self.counts.iter().zip(&mut self.points).rev() {
            tail += u32::from(*count);
            // Bins without exchanges have the bound of their neighbour.
            let (_, found) = last.filter(|(of, _)| *of == tail).unwrap_or_else(|| {
                (tail, calibrated(upper_bound(tail, all, CALIBRATION_LEVEL / BINS as f64, PRECISION)))
            });
            last = Some((tail, found));
            *points = found;
        }
        self.sealed = all;
        self.halve();
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine = mine.saturating_add(*theirs);
        }
        // The bounds of whichever has seen more, until the next seal; among equals the more careful.
        let rank = |one: &Self| (one.sealed, one.points.map(i16::saturating_neg));
        if rank(other) > rank(self) {
            (self.points, self.sealed) = (other.points, other.sealed);
        }
    }

    fn halve(&mut self) {
        self.counts.iter_mut().for_each(|count| *count /= 2);
    }
}

fn bin(evidence: i32) -> usize {
    (evidence.saturating_add(CAP + WIDTH) / WIDTH).clamp(0, BINS as i32 - 1) as usize
}

/// ln f(p), f(p) = (1 − p + p·ln p) / (p·ln² p): an e-value of a p-value.
fn calibrated(p: f64) -> i16 {
    let ln_p = ln(p);
    let f = if p > 0.999 { 0.5 } else { (1.0 - p + p * ln_p) / (p * ln_p * ln_p) };
    milli(ln(f)).clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_before_two_thousand() {
        let mut calibration = Calibration::default();
        (0..1_999).for_each(|_| calibration.add(-10_000));
        calibration.seal();
        assert_eq!((calibration.sealed(), calibration.points(20_000)), (0, 0));
        calibration.add(-10_000);
        calibration.seal();
        assert_eq!(calibration.sealed(), 2_000);
        assert!(calibration.points(20_000) > 0 && calibration.points(-10_000) < 0);
    }

    /// An e-value: its mean under the sealed distribution is at most 1.
    #[test]
    fn it_is_an_e_value_of_what_was_counted() {
        let mut calibration = Calibration::default();
        let evidence: Vec<i32> =
            (0..5_000).map(|at| (at * 7_919 % 20_000) - 18_000 + (at % 97) * 100).collect();
        evidence.iter().for_each(|evidence| calibration.add(*evidence));
        calibration.seal();
        let mean =
            evidence.iter().map(|of| (f64::from(calibration.points(*of)) / 4_342.94).exp()).sum::<f64>();
        assert!(mean / 5_000.0 <= 1.0, "{}", mean / 5_000.0);
    }

    #[test]
    fn f_is_that_of_the_specification() {
        for p in [1e-4, 1e-3, 0.1, 0.5] {
            let f: f64 = (1.0 - p + p * f64::ln(p)) / (p * f64::ln(p) * f64::ln(p));
            assert!((f64::from(calibrated(p)) / 4_342.94 - f.ln()).abs() < 1e-3);
        }
        assert_eq!(calibrated(1.0), milli(0.5_f64.ln()) as i16);
    }
}
