//! Whether what is computed is what was recorded.

use portcullis_risk::{Assessment, Ended, OutcomeRisk, RiskRecord};

pub(super) type Told = (&'static str, String, String);

/// The first thing that differs.
pub(super) fn difference(record: &RiskRecord, again: &Assessment) -> Option<Told> {
    fn told<T: PartialEq + std::fmt::Debug>(what: &'static str, recorded: &T, computed: &T) -> Option<Told> {
        (recorded != computed).then(|| (what, format!("{recorded:?}"), format!("{computed:?}")))
    }
    told("score", &record.score, &again.score)
        .or_else(|| told("action", &record.action, &again.action))
        .or_else(|| told("what enforcing would have done", &record.would, &again.would))
        .or_else(|| told("cause", &record.cause, &again.cause))
        .or_else(|| told("thresholds", &record.thresholds, &again.thresholds))
        .or_else(|| told("evidence", &record.evidence, &again.evidence))
        .or_else(|| told("standing", &record.standing, &again.standing))
        .or_else(|| told("probation", &record.probation, &again.probation))
        .or_else(|| told("parts", &record.parts.as_slice(), &again.parts.as_slice()))
}

pub(super) fn end_difference(end: &OutcomeRisk, again: &Ended) -> Option<Told> {
    if end.score != again.score {
        return Some(("score at the end", format!("{:?}", end.score), format!("{:?}", again.score)));
    }
    (end.parts.as_slice() != again.parts.as_slice())
        .then(|| ("parts at the end", format!("{:?}", end.parts), format!("{:?}", again.parts.as_slice())))
}
