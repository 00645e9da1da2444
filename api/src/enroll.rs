//! Enrolling a client: its public keys, never a secret.

use std::collections::BTreeMap;

use portcullis_domain::spec::{AssertionAudience, CertificateSubject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::resource::ResourceView;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrollRequest {
    pub name: String,
    /// Name of the integration.
    pub integration: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Public keys as a JSON Web Key Set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// PEM of certificates that are trusted as they are (RFC 8705 §2.2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<String>,
    /// A certificate subject trusted through its authority (RFC 8705 §2.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<CertificateSubject>,
    #[serde(default)]
    pub assertion_audience: AssertionAudience,
}

/// What the vendor's developer needs to know.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EnrollAnswer {
    pub client: ResourceView,
    pub issuer: String,
    /// The ways in which the client may authenticate, by the names of the OAuth registry.
    pub authentication: Vec<String>,
    /// Scopes that its tokens may carry.
    pub scopes: Vec<String>,
    pub ledger_size: u64,
}
