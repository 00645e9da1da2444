//! Declaring resources.

use portcullis_domain::spec::Kind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Manifests to apply, all of them or none.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyRequest {
    pub manifests: Vec<ManifestText>,
    /// Say what would change, and change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// One file as it was read: positions in errors refer to it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ManifestText {
    /// What errors call the file.
    pub file: String,
    /// YAML or JSON, with many documents if they are parted by `---`.
    pub text: String,
}

/// What has changed, or would.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ApplyReport {
    pub changes: Vec<Change>,
    /// Size of the ledger after it.
    pub ledger_size: u64,
    pub dry_run: bool,
    /// Gates that did not confirm in time that they decide by it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates_behind: Vec<String>,
}

/// What becomes of one resource.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    pub kind: Kind,
    pub name: String,
    pub action: Action,
    /// Unified diff of the manifest; empty when nothing changed.
    #[serde(default)]
    pub diff: String,
    /// What of the manifest does not become true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Created,
    Changed,
    Unchanged,
    Deleted,
}

impl Action {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Deleted => "deleted",
        }
    }
}
