//! Credentials for the night in which nobody can sign in: they close paths and look, and do nothing else.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::operators::Secret;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BreakGlassView {
    /// Of the envelope, no person's.
    pub name: String,
    pub sealed_by: String,
    #[schemars(with = "String")]
    pub sealed_at: Timestamp,
    /// When it was used first; a day later it is worth nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub opened_at: Option<Timestamp>,
    /// Whether it counts.
    pub good: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakGlassRequest {
    /// Of the envelope, such as `safe-of-the-night-shift`.
    pub name: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BreakGlassSealed {
    pub name: String,
    /// Said once: the ledger keeps its digest only.
    pub token: Secret,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BreakGlassRemoved {
    pub name: String,
}
