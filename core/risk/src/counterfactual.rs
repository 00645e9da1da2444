//! What would have let a request pass: computed from its parts, when somebody asks.

use serde::{Deserialize, Serialize};

use crate::assessment::Part;
use crate::constants::NEEDED_CHALLENGE;
use crate::points::Points;
use crate::signal::Signal;

/// A single change after which the request would have passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Change {
    pub signal: Signal,
    /// With at most this much, in the signal's unit; `None`: without what it says.
    pub at_most: Option<u32>,
    /// The score that it would have had then.
    pub score: Points,
}

/// Each single change that would have kept the acting parts of a score below what a challenge needs, the smallest first.
/// Nothing where no single one would have.
#[must_use]
pub fn changes(parts: &[Part], thresholds: [Points; 3]) -> Vec<Change> {
    let acting = || parts.iter().filter(|part| !part.observed_only);
    let total =
        |parts: &mut dyn Iterator<Item = &Part>| -> i64 { parts.map(|part| i64::from(part.points)).sum() };
    let evidence = |part: &&Part| part.signal.is_evidence() && part.signal != Signal::Floor;
    let prior = total(&mut acting().filter(|part| !part.signal.is_evidence()));
    let held = total(&mut acting().filter(evidence));
    let [challenge, ..] = thresholds;
    let passes = |prior: i64, held: i64| prior + held.max(0) < challenge.milli() || held < NEEDED_CHALLENGE;
    let cap: i64 = total(&mut acting().filter(|part| part.signal == Signal::Cap));
    let mut found: Vec<Change> = acting()
        .filter(|part| part.points > 0 && !matches!(part.signal, Signal::Cap | Signal::Floor))
        .filter_map(|part| {
            let points = i64::from(part.points);
            let (prior, held) = if !part.signal.is_evidence() {
                (prior - points, held)
            } else if part.signal == Signal::Carried {
                (prior, held - points)
            } else {
                // Without it the cap takes less.
                (prior, held - points - (cap.max(-points)).min(0))
            };
            let at_most = (part.signal.is_amount() && part.usual > 0).then_some(part.usual);
            passes(prior, held).then(|| Change {
                signal: part.signal,
                at_most,
                score: Points(prior + held.max(0)),
            })
        })
        .collect();
    found.sort_by_key(|change| (std::cmp::Reverse(change.score), change.signal));
    found
}
