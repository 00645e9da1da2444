//! Kind `Client`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One machine identity of an integration: its keys or certificates, never a static secret.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientSpec {
    /// Name of the integration.
    pub integration: String,
    /// Public keys as a JSON Web Key Set; with it the client may use `private_key_jwt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// PEM of certificates that are trusted as they are (RFC 8705 §2.2); at most two, while they rotate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<String>,
    /// A certificate subject trusted through its authority (RFC 8705 §2.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<CertificateSubject>,
    /// The audience that its assertions name.
    #[serde(default)]
    pub assertion_audience: AssertionAudience,
    /// What its TLS client is known to look like.
    #[serde(default, skip_serializing_if = "ClientTls::is_empty")]
    pub tls: ClientTls,
    /// `false`: its keys are made in hardware, and our operators have seen that they can't leave it. Only then its machine's
    /// own word to this effect counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_exportable: Option<bool>,
}

/// What a client's TLS client is known to look like.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClientTls {
    /// Patterns of JA4 fingerprints (`?` for any character, `*` at the end for the rest), one of which must fit.
    pub ja4: Vec<String>,
}

impl ClientTls {
    fn is_empty(&self) -> bool {
        self.ja4.is_empty()
    }
}

impl ClientSpec {
    /// The ways in which the client may authenticate, by what was registered.
    #[must_use]
    pub fn authentication(&self) -> Vec<Authentication> {
        let mut ways = Vec::new();
        if self.jwks.is_some() {
            ways.push(Authentication::PrivateKeyJwt);
        }
        if !self.certificates.is_empty() {
            ways.push(Authentication::SelfSignedTlsClientAuth);
        }
        if self.subject.is_some() {
            ways.push(Authentication::TlsClientAuth);
        }
        ways
    }
}

/// How a client proves itself at the token endpoint, by the names of the OAuth registry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Authentication {
    PrivateKeyJwt,
    TlsClientAuth,
    SelfSignedTlsClientAuth,
}

/// Exactly one of the five forms must be set, as RFC 8705 §2.1.2 wants it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateSubject {
    /// PEM of the authority that signs the client's certificates.
    pub certificate_authority: String,
    /// RFC 4514 string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub san_dns: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub san_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub san_ip: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub san_email: Option<String>,
}

/// Which audience a `private_key_jwt` assertion must name.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AssertionAudience {
    /// The issuer: what the revised RFC 7523 wants.
    #[default]
    Issuer,
    /// The token endpoint: for clients that can't be changed.
    TokenEndpoint,
}
