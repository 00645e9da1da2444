//! What a vendor may have at all, and why.

use jiff::Timestamp;
pub use portcullis_assurance::Access;
use portcullis_assurance::stops::Stop;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{OperatorId, VendorId};
use crate::reason::Reason;

/// A vendor's access with all that it follows from.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct VendorAccess {
    pub level: Access,
    /// The worst first; none where it is clear.
    pub reasons: Vec<AccessReason>,
}

impl VendorAccess {
    /// The worst of `reasons`.
    #[must_use]
    pub fn of(mut reasons: Vec<AccessReason>) -> Self {
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.level));
        Self { level: reasons.first().map_or(Access::Clear, |worst| worst.level), reasons }
    }

    /// Every reason in words, the worst first.
    #[must_use]
    pub fn why(&self) -> String {
        let why: Vec<&str> = self.reasons.iter().map(|reason| reason.sentence.as_str()).collect();
        why.join("; ")
    }
}

/// One fact that access follows from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AccessReason {
    pub level: Access,
    /// `lower_snake` and stable.
    pub code: String,
    /// For people, without full stop.
    pub sentence: String,
}

impl AccessReason {
    /// The hard stop that it is, and not somebody's word.
    #[must_use]
    pub fn stop(&self) -> Option<Reason> {
        Stop::ALL.into_iter().map(Reason::of_stop).find(|reason| reason.code() == self.code)
    }

    /// What the vendor is told: the stop with its sentence, or only what it may have.
    #[must_use]
    pub fn told(&self) -> (Reason, Option<&str>) {
        let told = self.stop().filter(|reason| reason.stop().is_some_and(Stop::is_told_to_vendor));
        told.map_or((Reason::of_access(self.level), None), |stop| (stop, Some(self.sentence.as_str())))
    }
}

/// Somebody has said what a vendor may have, until it is released or held otherwise.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VendorHold {
    pub vendor: VendorId,
    pub level: Access,
    /// Epoch of the vendor from now on, where its tokens end with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    pub by: OperatorId,
    pub reason: String,
    pub time: Timestamp,
}

/// What was said is taken back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VendorRelease {
    pub vendor: VendorId,
    pub by: OperatorId,
    /// Empty where nobody said why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    pub time: Timestamp,
}
