//! The turn of a UTC day: counts fade, levels are fixed anew, a client may graduate.

use crate::action::Standing;
use crate::buckets::day;
use crate::client::ClientRisk;
use crate::learnt::BY_RATE;

/// Days beyond these have nothing left to fade.
const DAYS_MAX: u32 = 400;

impl ClientRisk {
    /// Time goes on, never back; what it was called with counts as the latest moment known.
    pub(crate) fn pass_time(&mut self, at_us: i64) -> i64 {
        let at_us = at_us.max(self.now_us);
        self.now_us = at_us;
        let today = day(at_us);
        if self.day == 0 {
            self.day = today;
        }
        if today > self.day {
            let first = self.day.max(today.saturating_sub(DAYS_MAX));
            for ended in first..today {
                self.turn(ended);
            }
            self.day = today;
            self.settle();
        }
        at_us
    }

    /// Takes the next step of graduation, if nothing lacks any more.
    pub(crate) fn graduate(&mut self) {
        if self.graduation.step(self.day, self.calibration.sealed()) {
            self.seal(false);
        }
    }

    /// The reference becomes what is known now; by a verdict that of slow drift too, if it holds enough days. Graduating to deny leaves
    /// that one as it is: else whoever took a little more each day until then would have made it.
    pub(crate) fn seal(&mut self, by_verdict: bool) {
        self.baseline.seal();
        if by_verdict {
            self.drift_whole = self.drift.seal(self.day.saturating_sub(1));
        }
    }

    pub(crate) fn turn(&mut self, ended: u32) {
        self.baseline.fade(self.seed, ended);
        self.graduation.turn(ended);
        let graduated = self.graduation.standing >= Standing::Challenge;
        if self.drift.turn(ended, graduated, &mut self.drift_whole) {
            self.baseline.seal();
        }
        for slot in &mut self.contexts.slots {
            (slot.yesterday, slot.today, slot.learnt_today) = (slot.today, 0, 0);
        }
        let [of_admitted, _] = &self.objects;
        if of_admitted.asked > 0 {
            let distinct = of_admitted.distinct() as u32;
            // A quarter of the way to today's, and at once to what is more.
            let usual = self.usual_objects - self.usual_objects / 4 + distinct / 4;
            self.usual_objects = if self.object_days == 0 {
                distinct
            } else {
                usual.max(distinct.min(usual.saturating_mul(2)))
            };
            self.object_days = self.object_days.saturating_add(1);
        }
        self.objects = Default::default();
        self.moved_days = if self.moved_today { self.moved_days.saturating_add(1) } else { self.moved_days };
        self.moved_today = false;
    }

    /// Once after all days that turned.
    pub(crate) fn settle(&mut self) {
        self.windows = Default::default();
        self.level();
        self.calibration.seal();
        if std::mem::take(&mut self.reseal) {
            self.seal(true);
        }
        self.graduate();
    }

    /// Fixes the levels of rates.
    pub(crate) fn level(&mut self) {
        let weights = BY_RATE.map(|rate| rate.weight());
        let shares = BY_RATE.map(|rate| self.shares.of(rate));
        self.baseline.rates.level(weights, shares);
    }
}
