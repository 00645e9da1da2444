//! The way out of a vendor.

use jiff::Timestamp;
use portcullis_assurance::access::Access;
use portcullis_domain::ids::EvidenceId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The next step of a vendor's exit; each alone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
pub enum LeaveRequest {
    /// The vendor is left: its access ends at that moment.
    Begin {
        plan: String,
        #[schemars(with = "String")]
        ends: Timestamp,
    },
    /// The evidence is its certificate that it has deleted what it held.
    Certify { evidence: EvidenceId },
    /// Access is blocked, the key of its documents destroyed, and what is kept recorded.
    Finish {},
    /// The vendor stays after all.
    Cancel { reason: String },
}

/// Where a vendor's exit stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LeaveReport {
    pub vendor: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub begun: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub ends: Option<Timestamp>,
    pub access: Access,
    /// The vendor's certificate of deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<EvidenceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub done: Option<Timestamp>,
    /// What stays here, and why.
    pub kept: Vec<String>,
    /// What nobody can read any more.
    pub shredded: Vec<String>,
    /// What comes next.
    pub next: String,
}
