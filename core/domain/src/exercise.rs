//! Exercises that were run, and the canary vendor that they cut and open again.

use jiff::Timestamp;
use portcullis_exercise::run::Run;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::{OperatorId, SeveranceId, VendorId};
use crate::target::Target;

/// Runs of each exercise that are at hand; the ledger keeps them all.
pub const RUNS_KEPT: usize = 100;
/// Names of exercises that runs are kept of; the one that was run longest ago goes first.
pub const EXERCISES_KEPT: usize = 200;

/// An exercise that was run, with its whole result.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExerciseRun {
    pub run: Run,
    /// Who ran it; none where the drill did it at its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<OperatorId>,
}

/// What exercises had cut of the canary is open again. Its keys from before stay refused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CanaryRestoration {
    pub vendor: VendorId,
    /// The exercise that opened it.
    pub run: Uuid,
    pub severances: Vec<SeveranceId>,
    /// Epoch of the vendor from now on.
    pub epoch: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<OperatorId>,
    pub time: Timestamp,
}

/// Who severs: a person, or an exercise that cuts the canary by the same call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SeveredBy {
    Operator(OperatorId),
    Exercise { run: Uuid, operator: Option<OperatorId> },
}

impl From<OperatorId> for SeveredBy {
    fn from(operator: OperatorId) -> Self {
        Self::Operator(operator)
    }
}

/// Why something isn't done to the canary, or as one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ExerciseRefusal {
    #[error(
        "`{0}` does not belong to a canary: exercises touch no other vendor\nhint: `portcullis exercise canary` makes one"
    )]
    NotCanary(String),
    #[error(
        "`{target}` was severed outside of an exercise, by severance {severance}\nhint: whoever did it had a reason; two people open it with `portcullis restore {target}`"
    )]
    SeveredOtherwise { target: String, severance: SeveranceId },
    #[error("run {0} is in the ledger already")]
    Known(Uuid),
    #[error(
        "there is no exercise `{0}`\nhint: `portcullis exercise list` lists them; `portcullis exercise list --shipped` those that can be applied"
    )]
    Unknown(String),
}

impl CanaryRestoration {
    #[must_use]
    pub fn target(&self) -> Target {
        Target::Vendor { id: self.vendor }
    }
}
