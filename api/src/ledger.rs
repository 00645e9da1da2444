//! The ledger's head, and what a verification found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The ledger as of now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LedgerHead {
    /// Number of events.
    pub size: u64,
    /// Base64 of the Merkle tree's root (RFC 6962).
    pub root: String,
    /// Signed checkpoint (C2SP tlog-checkpoint), where a key to sign with is at hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
}

/// What a verification of every stored event found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LedgerReport {
    /// Whether everything holds.
    pub good: bool,
    pub size: u64,
    pub root: String,
    pub events_checked: u64,
    pub took_us: u64,
    /// What doesn't hold, event by event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}

/// An event of the ledger as streams tell it: that it happened, not what it holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EventView {
    pub sequence: u64,
    pub kind: String,
}
