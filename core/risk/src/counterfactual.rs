//! What would have let a request pass: computed from its parts, when somebody asks.

use crate::action::Action;
use crate::assessment::Part;
use crate::constants::{CAP, NEEDED_CHALLENGE, NEEDED_DENY, NEEDED_SEVER};
use crate::points::Points;
use crate::signal::Signal;

/// Something without which, together with all others that are named, the request would have passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    pub part: Part,
    /// With at most this much, in the signal's unit; `None`: without what it says.
    pub at_most: Option<u32>,
}

/// What a decision by evidence went by.
#[derive(Clone, Copy, Debug)]
pub struct Reached<'a> {
    /// What was done, or would have been: at least [`Action::Limit`].
    pub action: Action,
    pub parts: &'a [Part],
    pub thresholds: [Points; 3],
    /// As in [`Assessment`](crate::Assessment).
    pub evidence: [Points; 3],
    /// Parts that are only observed counted, too: what was reached is what would have been done.
    pub observed_too: bool,
}

/// The fewest and greatest changes that together would have kept the decision from being made; none of them alone can be left
/// out. Nothing where no change of this exchange would have.
#[must_use]
pub fn changes(reached: &Reached<'_>) -> Vec<Change> {
    let sums = Sums::of(reached);
    let mut movable: Vec<&Part> = reached
        .counted()
        .filter(|part| part.points > 0)
        .filter(|part| !matches!(part.signal, Signal::Cap | Signal::Floor | Signal::Proved))
        .collect();
    movable.sort_by_key(|part| (is_past(part.signal), std::cmp::Reverse(part.points), part.signal));
    let mut gone: Vec<&Part> = Vec::new();
    let mut left = movable.into_iter();
    while !sums.passes(&gone) {
        let Some(next) = left.next() else { return Vec::new() };
        gone.push(next);
    }
    // What nobody can change any more goes first, then the smallest.
    let mut order = gone.clone();
    order.sort_by_key(|part| (!is_past(part.signal), part.points));
    for part in order {
        let without: Vec<&Part> = gone.iter().filter(|other| !std::ptr::eq(**other, part)).copied().collect();
        if sums.passes(&without) {
            gone = without;
        }
    }
    let at_most = |part: &Part| (part.signal.is_amount() && part.usual > 0).then_some(part.usual);
    gone.into_iter().map(|part| Change { part: *part, at_most: at_most(part) }).collect()
}

fn is_past(signal: Signal) -> bool {
    matches!(signal, Signal::VendorPrior | Signal::Carried)
}

impl<'a> Reached<'a> {
    fn counted(&self) -> impl Iterator<Item = &'a Part> {
        let observed_too = self.observed_too;
        self.parts.iter().filter(move |part| observed_too || !part.observed_only)
    }
}

/// What was weighed against what, in thousandths of a point.
struct Sums {
    prior: i64,
    /// Evidence of this exchange before the cap, and what carried evidence was before it.
    raw: i64,
    carried: i64,
    threshold: i64,
    needed: i64,
}

impl Sums {
    fn of(reached: &Reached<'_>) -> Self {
        let sum = |wanted: fn(Signal) -> bool| -> i64 {
            let parts = reached.counted().filter(|part| wanted(part.signal));
            parts.map(|part| i64::from(part.points)).sum()
        };
        let prior = sum(|signal| !signal.is_evidence());
        let raw = sum(is_of_exchange);
        let [challenge, deny, sever] = reached.thresholds.map(Points::milli);
        let [_, since_ever, denying] = reached.evidence.map(Points::milli);
        let (held, threshold, needed) = match reached.action {
            Action::Allow | Action::Challenge => (None, challenge, NEEDED_CHALLENGE),
            Action::Limit => (Some(since_ever), deny, NEEDED_DENY),
            Action::Deny => (Some(denying), deny, NEEDED_DENY),
            Action::Sever => (Some(denying), sever, NEEDED_SEVER),
        };
        let carried = match held {
            None => sum(|signal| signal == Signal::Carried),
            // The parts tell what was carried since the last pass; this evidence is that of all times.
            Some(held) => held - raw.min(CAP.into()),
        };
        Self { prior, raw, carried, threshold, needed }
    }

    fn passes(&self, gone: &[&Part]) -> bool {
        let mut without = Self { ..*self };
        for part in gone {
            let points = i64::from(part.points);
            match part.signal {
                Signal::Carried => without.carried = 0,
                signal if signal.is_evidence() => without.raw -= points,
                _ => without.prior -= points,
            }
        }
        let held = (without.carried + without.raw.min(CAP.into())).max(0);
        held < without.needed || without.prior + held < without.threshold
    }
}

/// Evidence of this very exchange, which the cap is about.
fn is_of_exchange(signal: Signal) -> bool {
    signal.is_evidence() && !matches!(signal, Signal::Carried | Signal::Cap | Signal::Floor | Signal::Proved)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    const THRESHOLDS: [Points; 3] = [Points(20_000), Points(50_000), Points(75_000)];

    fn part(signal: Signal, points: i32) -> Part {
        Part { signal, points, observed: 9, usual: 4, missing: None, observed_only: false }
    }

    fn check(action: Action, parts: &[Part], evidence: [i64; 3], expect: &[Signal]) {
        let evidence = evidence.map(Points);
        let reached = Reached { action, parts, thresholds: THRESHOLDS, evidence, observed_too: false };
        let found: Vec<Signal> = changes(&reached).iter().map(|change| change.part.signal).collect();
        assert_eq!(found, expect, "{action:?} {parts:?}");
    }

    #[test]
    fn the_fewest_changes_are_named() {
        let prior = part(Signal::VendorPrior, 11_400);
        // Evidence alone is enough, and is what a machine can change.
        check(
            Action::Challenge,
            &[prior, part(Signal::Endpoint, 12_000)],
            [12_000, 12_000, 0],
            &[Signal::Endpoint],
        );
        // What the cap cut already counts for nothing: 24 of which 21.7 counted.
        let capped =
            [prior, part(Signal::Endpoint, 14_000), part(Signal::Gap, 10_000), part(Signal::Cap, -2_285)];
        check(Action::Challenge, &capped, [21_715, 21_715, 0], &[Signal::Endpoint, Signal::Gap]);
        // Fixed points are no evidence, and the cap is not about them.
        let fixed = [prior, part(Signal::Objects, 10_000), part(Signal::Endpoint, 11_000)];
        check(Action::Challenge, &fixed, [11_000, 11_000, 0], &[Signal::Endpoint]);
        let carried = [part(Signal::Objects, 10_000), part(Signal::Carried, 12_000)];
        check(Action::Challenge, &carried, [12_000, 12_000, 0], &[Signal::Objects]);
        // Evidence of all times, of which this exchange is little.
        check(Action::Limit, &[prior, part(Signal::Endpoint, 5_000)], [5_000, 60_000, 0], &[]);
        check(
            Action::Limit,
            &[prior, part(Signal::Endpoint, 5_000)],
            [5_000, 40_000, 0],
            &[Signal::Endpoint],
        );
    }

    #[test]
    fn fixed_points_are_no_evidence() {
        let evidence: Vec<Signal> =
            Signal::ALL.iter().copied().filter(|signal| is_of_exchange(*signal)).collect();
        assert_eq!(evidence.len(), crate::learnt::LEARNT);
        for fixed in [Signal::Objects, Signal::ClockBack, Signal::Movement, Signal::Split, Signal::SniOdd] {
            assert!(!fixed.is_evidence(), "{fixed:?}");
        }
    }

    proptest! {
        /// Applied together the changes suffice, and none can be left out.
        #[test]
        fn changes_suffice_and_none_is_too_many(
            points in prop::collection::vec((0..Signal::ALL.len(), -9_000..15_000_i32, any::<bool>()), 1..12),
            action in prop::sample::select(vec![Action::Limit, Action::Challenge, Action::Deny, Action::Sever]),
            (v, denying, observed_too) in (0..120_000_i64, 0..120_000_i64, any::<bool>()),
        ) {
            let parts: Vec<Part> = points
                .into_iter()
                .map(|(signal, points, observed_only)| Part { observed_only, ..part(Signal::ALL[signal], points) })
                .filter(|part| !matches!(part.signal, Signal::Cap | Signal::Floor | Signal::Proved))
                .collect();
            let evidence = [Points(0), Points(v), Points(denying)];
            let reached = Reached { action, parts: &parts, thresholds: THRESHOLDS, evidence, observed_too };
            let sums = Sums::of(&reached);
            let found = changes(&reached);
            let gone: Vec<&Part> = found.iter().map(|change| &change.part).collect();
            prop_assert!(found.is_empty() || sums.passes(&gone));
            for left_out in 0..gone.len() {
                let mut fewer = gone.clone();
                fewer.remove(left_out);
                prop_assert!(!sums.passes(&fewer), "{:?} is too many", gone[left_out]);
            }
        }
    }
}
