//! Webhooks: who is told of what, and whether it arrives.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How telling one place goes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct WebhookView {
    pub name: String,
    /// Scheme and host: the rest of an address may be secret.
    pub to: String,
    /// What it is told of; everything where none is named.
    pub events: Vec<String>,
    /// It is sent a body of its own, and no CloudEvent.
    #[serde(default)]
    pub template: bool,
    /// Events of the ledger that it has been told of, or that aren't for it.
    pub delivered: u64,
    /// Events of the ledger that are still to be looked at.
    pub waiting: u64,
    /// When it took something last, since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub at: Option<Timestamp>,
    /// Attempts that failed since then.
    #[serde(default)]
    pub failures: u32,
    /// Why the last one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Sends a word that tells of nothing, once, and says whether it was taken.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookTestRequest {}

#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WebhookTestAnswer {
    pub name: String,
    /// By which the receiver knows it.
    pub id: String,
    pub taken: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
