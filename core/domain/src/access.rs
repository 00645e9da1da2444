//! What a vendor may have at all, and why.

use jiff::Timestamp;
pub use portcullis_assurance::Access;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{OperatorId, VendorId};

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
