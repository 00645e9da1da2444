//! What is held of a client's machine, and what others say of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What somebody else, such as the management of devices, says of a client's machine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostureRequest {
    pub state: PushedState,
    /// Why, for those who read it later.
    pub reason: String,
    /// How long `good` is good: 60 to 2592000, a day without a word. `failing` holds until another word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good_seconds: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PushedState {
    Good,
    Failing,
    /// Takes back what was said: the machine's own word alone counts again.
    None,
}

/// What is held of a client's machine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PostureView {
    pub client: String,
    /// `not_asked`, `never_sent`, `absent`, `good`, `stale` or `failing`.
    pub state: String,
    /// What isn't as it should be: `software/NAME`, `hardening/NAME`, `patched_days`, or `pushed`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failing: Vec<String>,
    /// From when on it is stale.
    #[schemars(with = "Option<String>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good_until: Option<Timestamp>,
    /// The machine's newest statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<StatementView>,
    /// What somebody else has said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed: Option<PushedView>,
}

/// The machine's word.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StatementView {
    #[schemars(with = "String")]
    pub issued_at: Timestamp,
    #[schemars(with = "String")]
    pub received_at: Timestamp,
    /// Address that it came from.
    pub address: String,
    /// Thumbprint of the key that signed it, or the workload's SPIFFE ID.
    pub signed_by: String,
    /// Of the whole statement.
    pub sha256: String,
    pub software: Vec<ProgramView>,
    /// `true`, `false` or `unknown`, by name.
    pub hardening: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patched_days: Option<u32>,
    /// Whether the key can leave its place, in the machine's own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_exportable: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_kept: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ProgramView {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PushedView {
    pub state: PushedState,
    pub reason: String,
    /// Name of the operator.
    pub by: String,
    #[schemars(with = "String")]
    pub time: Timestamp,
    #[schemars(with = "Option<String>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good_until: Option<Timestamp>,
}

/// What was said is recorded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PostureAnswer {
    pub posture: PostureView,
    pub ledger_size: u64,
    /// Gates that had not confirmed yet when this was answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates_behind: Vec<String>,
}
