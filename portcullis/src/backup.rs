//! Backups: one file that holds an installation, encrypted to a key that isn't on this machine.
//!
//! `docs/reference/operations.md` describes the format, `docs/decisions/0026` why it is ours.

mod create;
mod pack;
mod restore;
mod seal;

use serde::{Deserialize, Serialize};

pub use create::{Source, create};
pub use restore::{restore, verify};
pub use seal::{Identity, Recipient};

/// Left in a restored directory for the first `up`, which records it and removes it.
pub const MARK: &str = "restored.json";

/// What a backup says of itself; its last entry.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the program that wrote it.
    pub version: String,
    pub time: jiff::Timestamp,
    pub ledger: LedgerPart,
    /// Whether the keys of personal texts are in it.
    pub subject_keys: bool,
    /// What opens the sealed keys in it; nothing where none is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master_key: Option<MasterPart>,
    pub files: Vec<FilePart>,
}

/// The master key that a backup needs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MasterPart {
    pub id: String,
    /// Whether it is the folder's own, and so in the backup.
    pub included: bool,
}

/// The ledger in a backup.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LedgerPart {
    pub size: u64,
    /// Base64 of the tree's root.
    pub root: String,
    /// Key that its checkpoints verify with.
    pub key: String,
}

/// One file in a backup.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FilePart {
    pub path: String,
    pub bytes: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
}

/// What the first `up` after a restoration is told.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Mark {
    pub backup_time: jiff::Timestamp,
    pub size: u64,
    pub root: String,
    /// Events that the ledger in this place had before, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_later: Option<u64>,
}
