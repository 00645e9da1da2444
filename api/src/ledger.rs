//! The ledger's head, what a verification found, stored events and their proofs.

use jiff::Timestamp;
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
    /// Public key that checkpoints verify with, as Go's `sumdb/note` writes it. Compare it with the one that you keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Places outside that checkpoints are posted to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub posted: Vec<Posting>,
    /// The backup that this ledger was brought back from last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<RestoredView>,
}

/// A ledger that was brought back from a backup.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RestoredView {
    #[schemars(with = "String")]
    pub backup_time: Timestamp,
    /// Number of events in the backup; what followed them is unknown.
    pub size: u64,
    /// Number of events of the ledger that it replaced, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_later: Option<u64>,
    #[schemars(with = "String")]
    pub restored_at: Timestamp,
}

/// How posting checkpoints to one place goes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Posting {
    /// Path of the folder, or scheme and host of the webhook.
    pub to: String,
    /// Size of the newest checkpoint that arrived there since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// When it arrived.
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

/// Events as they are stored, in their order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LedgerEntries {
    /// Number of the first one.
    pub from: u64,
    /// The end of the ledger is where there are none.
    pub entries: Vec<LedgerEntry>,
}

/// The stored bytes of one event; both are canonical JSON (RFC 8785).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LedgerEntry {
    /// The leaf of the tree; it holds the payload's SHA-256.
    pub envelope: String,
    /// What happened, personal texts sealed.
    pub payload: String,
}

/// That one event stands in the ledger, or one decision in the file that an event tells of: for whoever has the ledger's public
/// key and nothing else.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LedgerProof {
    /// `portcullis-ledger-proof/1` of an event, `portcullis-decision-proof/1` of a decision.
    pub format: String,
    /// The key that the checkpoint verifies with: to be compared, not believed.
    pub key: String,
    #[serde(flatten)]
    pub entry: LedgerEntry,
    /// C2SP `tlog-proof`: index, path and signed checkpoint.
    pub proof: String,
    /// Of a decision: its row in the file that the event tells of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<RowProof>,
}

/// That a row stands in a sealed file: it leads to the `rows_root` that the file's event holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RowProof {
    /// The row: canonical JSON (RFC 8785) of `{"decision": …, "outcome": …}`, with `null` for an outcome that came later.
    pub leaf: String,
    /// Its place in the file, from 0.
    pub index: u64,
    /// Base64 of the hashes from the leaf's sibling up (RFC 6962, section 2.1.1).
    pub path: Vec<String>,
}

/// That an older ledger is the beginning of this one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LedgerConsistency {
    /// Number of events of the older one.
    pub from: u64,
    /// The newest signed checkpoint, which the proof leads to.
    pub checkpoint: String,
    /// Base64 of the hashes of the proof (RFC 6962, section 2.1.2).
    pub hashes: Vec<String>,
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
