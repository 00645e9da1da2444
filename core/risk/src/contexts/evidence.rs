//! The evidence of a context: two sums that never fall below zero, each in two lanes — what acts, and what would if the
//! families that are only observed were enforced.

use crate::codec::fields;
use crate::constants::EVIDENCE_MAX;

/// What acts; and all that is scored.
pub(crate) const ACTING: usize = 0;
pub(crate) const ALL: usize = 1;

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Evidence {
    /// Since the last pass.
    pub(crate) w: [i32; 2],
    /// Whatever was passed: the key may be stolen too.
    pub(crate) v: [i32; 2],
    /// Of calibrated e-values; acting only.
    pub(crate) vc: i32,
    /// Since gates last told each other: of W, V and Vc, acting.
    pub(crate) sums: [i32; 3],
    pub(crate) maxima: [i32; 3],
    /// A pass lies within that time.
    pub(crate) reset: bool,
}

fields!(Evidence { w, v, vc, sums, maxima, reset });

/// Evidence after one more addend.
pub(crate) fn plus(evidence: i32, more: i32) -> i32 {
    evidence.saturating_add(more).clamp(0, EVIDENCE_MAX)
}

impl Evidence {
    /// Adds to W, V or both, by lane.
    pub(crate) fn add(&mut self, more: [i32; 2], to_w: bool) {
        for ((w, v), more) in self.w.iter_mut().zip(&mut self.v).zip(more) {
            *v = plus(*v, more);
            if to_w {
                *w = plus(*w, more);
            }
        }
        let [acting, _] = more;
        if to_w {
            self.tell(0, acting);
        }
        self.tell(1, acting);
    }

    pub(crate) fn add_calibrated(&mut self, more: i32) {
        self.vc = plus(self.vc, more);
        self.tell(2, more);
    }

    /// V as far as it is calibrated.
    pub(crate) fn denying(&self, lane: usize) -> i32 {
        self.v.get(lane).copied().unwrap_or_default().min(self.vc)
    }

    /// A passed challenge.
    pub(crate) fn pass(&mut self) {
        self.w = [0; 2];
        self.reset = true;
        for sums in [&mut self.sums, &mut self.maxima] {
            let [w, ..] = sums;
            *w = 0;
        }
    }

    /// As another context takes it over: nothing of it was told under that name.
    pub(crate) fn moved(self) -> Self {
        Self { sums: [0; 3], maxima: [0; 3], reset: false, ..self }
    }

    fn tell(&mut self, which: usize, more: i32) {
        if let (Some(sum), Some(most)) = (self.sums.get_mut(which), self.maxima.get_mut(which)) {
            *sum = sum.saturating_add(more);
            *most = plus(*most, more);
        }
    }
}
