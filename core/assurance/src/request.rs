//! What was asked of a vendor.

use jiff::Timestamp;
use jiff::civil::Date;
use portcullis_ids::ids::{EvidenceId, RequestId};
use portcullis_ids::personal::Personal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Answered by its link or by a file, without an account.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceRequest {
    pub id: RequestId,
    /// Such as `penetration_test`: a kind of evidence.
    pub wanted: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    pub contact: Personal,
    pub due: Date,
    /// Lower-case hex; the code in the link is nowhere.
    pub code_sha256: String,
    pub asked_at: Timestamp,
}

/// Where a request stands.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RequestState {
    #[default]
    Open,
    Answered {
        evidence: EvidenceId,
        at: Timestamp,
    },
    /// Of its own: stop 14 for a penetration test.
    Refused {
        reason: String,
        at: Timestamp,
    },
    Withdrawn {
        at: Timestamp,
    },
}
