//! Auditors whose signatures over documents count.

use jiff::Timestamp;
use portcullis_domain::event::KeyForm;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Keys and roots of an auditor; those that it has already stay.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditorRequest {
    /// As its reports name it, such as `Redfern Labs LLP`.
    pub name: String,
    /// Public keys: each a JWK or a JWK Set (RFC 7517), as text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// PEM of authorities that vouch for nobody else, or of its signers' own certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roots: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditorView {
    pub name: String,
    pub keys: Vec<AuditorKeyView>,
}

/// A key, or a root.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditorKeyView {
    pub form: KeyForm,
    /// Base64url, SHA-256: of a key by RFC 7638, of a certificate by RFC 8705.
    pub thumbprint: String,
    /// Kind and `kid` of a key; subject of a certificate.
    pub about: String,
    /// When a certificate ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
    /// Name of whoever registered it.
    pub by: String,
    pub since: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditorAdded {
    pub auditor: AuditorView,
    /// How many keys and roots are new.
    pub added: usize,
    pub ledger_size: u64,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditorRemoved {
    pub name: String,
    pub ledger_size: u64,
}
