//! What the stops come to as time goes by and nobody does anything.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Held, Known, Stretch, access, at, facts, paper, vulnerability};
use crate::assessment::Admission;

/// From `now` on until `horizon`, each stretch in which something else holds, if nobody does anything. The first begins at `now`.
#[must_use]
pub fn outlook(known: &Known<'_>, now: Timestamp, horizon: Timestamp) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    for from in std::iter::once(now).chain(turns(known, now, horizon)) {
        let held = at(known, from);
        if stretches.last().is_none_or(|last| !same(&last.held, &held)) {
            stretches.push(Stretch { from, access: access(&held), held });
        }
    }
    stretches
}

/// Whether the same stops hold to the same effect; their sentences tell ages, which change by themselves.
pub(super) fn same(one: &[Held], other: &[Held]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| {
            let key = |held: &Held| (held.stop, held.access, held.mode, held.exception);
            key(one) == key(other) && one.subject == other.subject
        })
}

/// Every moment after `now`, until `horizon`, at which something may turn: too many are harmless, one too few isn't.
fn turns(known: &Known<'_>, now: Timestamp, horizon: Timestamp) -> BTreeSet<Timestamp> {
    let dossier = known.dossier;
    let contracts = known.contracts.iter().flat_map(|contract| {
        let insured = contract.clauses.iter().filter_map(paper::insured_until);
        [contract.starts, contract.ends].into_iter().chain(insured)
    });
    let evidence = dossier.good_evidence().flat_map(|evidence| {
        let word = evidence.vulnerability_word_ends();
        [Some(evidence.ends()), Some(evidence.added_at), word, word.map(vulnerability::block_at)]
            .into_iter()
            .flatten()
    });
    let weaknesses = dossier.vulnerabilities.values().map(vulnerability::deadline);
    let exceptions = dossier.exceptions.values().map(|exception| exception.until);
    let seen = dossier.undeclared.values().map(facts::held_from);
    let provisional = match dossier.admission {
        Admission::Provisional { until, .. } => Some(until),
        _ => None,
    };
    let leaving = dossier.offboarding.as_ref().map(|leaving| leaving.ends);
    contracts
        .chain(evidence)
        .chain(weaknesses)
        .chain(exceptions)
        .chain(seen)
        .chain(provisional)
        .chain(leaving)
        .filter(|turn| now < *turn && *turn <= horizon)
        .collect()
}
