//! Certificates of the built-in authority.

use jiff::Timestamp;
use portcullis_domain::event::CertificateUse;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reload::ReloadAnswer;

/// What a certificate is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CertificateKind {
    /// What operators' tools and upstreams trust.
    Root,
    /// Signs for one use.
    Intermediate,
    /// Of the gate or of control.
    Server,
    /// Of a vendor's machine.
    Client,
    /// Shown to upstreams by the gate.
    Upstream,
}

impl CertificateKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Intermediate => "intermediate",
            Self::Server => "server",
            Self::Client => "client",
            Self::Upstream => "upstream",
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CertificateView {
    pub kind: CertificateKind,
    pub name: String,
    /// Lower-case hex.
    pub serial: String,
    /// Base64url of the SHA-256 of the certificate (RFC 8705).
    pub thumbprint: String,
    #[schemars(with = "String")]
    pub not_after: Timestamp,
    /// Brought by the owner: nobody renews it here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub external: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub revoked_at: Option<Timestamp>,
}

/// The authority's own, then the servers', then those that were issued and have not ended.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CertificatesView {
    pub certificates: Vec<CertificateView>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IssueRequest {
    #[serde(rename = "use")]
    pub usage: CertificateUse,
    /// The client, or the identity that an upstream's `client_identity` names.
    pub name: String,
    /// PKCS#10 as PEM; of it the key alone counts. Only for clients; without it a key is made, and sent once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// 1 to 397; `keys.certificate_days` of the settings without a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IssueAnswer {
    pub certificate: CertificateView,
    /// PEM: the certificate, then its intermediate.
    pub chain: String,
    /// PEM of the key that was made for a client; it is kept nowhere here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What the gate took over, of an identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reloaded: Option<ReloadAnswer>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenewRequest {
    /// `gate` or `control`.
    pub server: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeCertificateRequest {
    pub serial: String,
    pub reason: String,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RevokeCertificateAnswer {
    pub certificate: CertificateView,
    /// How the gates closed it, of a client's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<crate::severing::Receipt>,
}
