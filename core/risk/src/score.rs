//! The parts of a score while they come together.

use crate::action::Mode;
use crate::assessment::{Part, Parts};
use crate::constants::CAP;
use crate::contexts::evidence::{ACTING, ALL, plus};
use crate::input::{Known, Missing};
use crate::learnt::Learnt;
use crate::points::Points;
use crate::rules::Rules;
use crate::signal::Signal;

pub(crate) struct Score<'a> {
    pub(crate) parts: Parts,
    /// Vendor and fixed points, by lane.
    pub(crate) prior: [i64; 2],
    /// Evidence of this exchange, not capped, by lane.
    pub(crate) raw: [i32; 2],
    rules: &'a Rules,
}

impl<'a> Score<'a> {
    pub(crate) fn new(rules: &'a Rules) -> Self {
        Self { parts: Parts::default(), prior: [0; 2], raw: [0; 2], rules }
    }

    /// Fixed points: they add to the score, and never to evidence.
    pub(crate) fn fixed(&mut self, signal: Signal, points: i32, observed: u32, usual: u32) {
        self.push(signal, points, observed, usual, None, false);
    }

    /// Fixed points if the fact holds; says so if it isn't known.
    pub(crate) fn fact(&mut self, signal: Signal, fact: Known<bool>, points: i32) {
        match fact {
            Known::Is(true) => self.fixed(signal, points, 1, 0),
            Known::Is(false) => {}
            Known::NoData(why) => self.missing(signal, why),
        }
    }

    pub(crate) fn missing(&mut self, signal: Signal, why: Missing) {
        self.push(signal, 0, 0, 0, Some(why), false);
    }

    /// A prior that counts although nothing is known.
    pub(crate) fn unknown(&mut self, signal: Signal, points: i32, why: Missing) {
        self.push(signal, points, 0, 0, Some(why), false);
    }

    pub(crate) fn learnt(&mut self, signal: Learnt, points: i32, observed: u32, usual: u32) {
        self.push(signal.signal(), points, observed, usual, None, true);
    }

    /// What an exchange adds, of which `before` was added already; with the part that says what the cap took.
    pub(crate) fn capped(&mut self, before: [i32; 2]) -> [i32; 2] {
        let [acting, all] = [ACTING, ALL].map(|lane| {
            let (before, raw) = (lane_of(&before, lane), lane_of(&self.raw, lane));
            before.saturating_add(raw).min(CAP) - before.min(CAP)
        });
        let [raw, raw_all] = self.raw;
        self.structural(Signal::Cap, [acting - raw, all - raw_all]);
        [acting, all]
    }

    /// Adds to carried evidence, with the parts that say what was carried and what the floor (and the ceiling) did.
    pub(crate) fn carried(&mut self, carried: [i32; 2], more: [i32; 2]) -> [i32; 2] {
        self.structural(Signal::Carried, carried);
        let [acting, all] = carried;
        let [more_acting, more_all] = more;
        let (now, now_all) = (plus(acting, more_acting), plus(all, more_all));
        self.structural(Signal::Floor, [now - acting - more_acting, now_all - all - more_all]);
        [now, now_all]
    }

    /// What the lanes share is one part; what only the lane of all has is another.
    pub(crate) fn structural(&mut self, signal: Signal, [acting, all]: [i32; 2]) {
        let part =
            |points| Part { signal, points, observed: 0, usual: 0, missing: None, observed_only: false };
        if acting != 0 {
            self.parts.push(part(acting));
        }
        if all != acting {
            self.parts.push(Part { observed_only: true, ..part(all - acting) });
        }
    }

    fn push(
        &mut self,
        signal: Signal,
        points: i32,
        observed: u32,
        usual: u32,
        missing: Option<Missing>,
        learnt: bool,
    ) {
        let own = self.rules.families.get(signal.family() as usize).copied().unwrap_or_default();
        if own == Mode::Off {
            return;
        }
        let observed_only = own == Mode::Observe;
        self.parts.push(Part { signal, points, observed, usual, missing, observed_only });
        let [acting, all] = if observed_only { [0, points] } else { [points, points] };
        if learnt {
            let [raw, raw_all] = &mut self.raw;
            (*raw, *raw_all) = (raw.saturating_add(acting), raw_all.saturating_add(all));
        } else {
            let [prior, prior_all] = &mut self.prior;
            (*prior, *prior_all) = (*prior + i64::from(acting), *prior_all + i64::from(all));
        }
    }
}

pub(crate) fn lane_of<T: Copy + Default>(lanes: &[T; 2], lane: usize) -> T {
    lanes.get(lane).copied().unwrap_or_default()
}

/// Prior and evidence together.
pub(crate) fn score(prior: i64, evidence: i32) -> Points {
    Points(prior + i64::from(evidence))
}
