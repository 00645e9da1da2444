//! What the decision log keeps of an assessment: enough to explain it, and to compute it again.

use serde::{Deserialize, Serialize};

use crate::action::{Action, Standing};
use crate::assessment::{Cause, Part};
use crate::input::{After, Before};
use crate::points::Points;
use crate::rules::Rules;

/// As it is written: lent by whoever knows it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RiskDraft<'a> {
    pub step: u64,
    pub action: Action,
    pub would: Action,
    pub cause: Cause,
    pub score: Points,
    pub thresholds: [Points; 3],
    pub evidence: [Points; 3],
    pub standing: Standing,
    pub probation: bool,
    pub rules: Rules,
    pub before: &'a Before,
    pub parts: &'a [Part],
}

/// As it is read: the same fields in the same order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RiskRecord {
    pub step: u64,
    pub action: Action,
    pub would: Action,
    pub cause: Cause,
    pub score: Points,
    pub thresholds: [Points; 3],
    pub evidence: [Points; 3],
    pub standing: Standing,
    pub probation: bool,
    pub rules: Rules,
    pub before: Before,
    pub parts: Vec<Part>,
}

impl RiskRecord {
    /// The record as it is written.
    #[must_use]
    pub fn draft(&self) -> RiskDraft<'_> {
        RiskDraft {
            step: self.step,
            action: self.action,
            would: self.would,
            cause: self.cause,
            score: self.score,
            thresholds: self.thresholds,
            evidence: self.evidence,
            standing: self.standing,
            probation: self.probation,
            rules: self.rules,
            before: &self.before,
            parts: &self.parts,
        }
    }
}

/// Of an exchange's end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OutcomeRisk {
    pub step: u64,
    pub score: Points,
    pub after: After,
    pub parts: Vec<Part>,
}
