//! Kind `Issuer`: a vendor's own authorization server, whose tokens are taken for its clients.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An authorization server of a vendor: JWT access tokens (RFC 9068, or as Keycloak, Entra and Okta
/// make them) that are verified by its published keys and mapped to the vendor's clients by claims.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IssuerSpec {
    /// Name of the vendor; only clients of it can be mapped.
    pub vendor: String,
    /// The `iss` of its tokens, exactly: an `https` address without query and fragment.
    pub issuer: String,
    /// Where its keys are published. Without it and `jwks`, they are found through the issuer's
    /// discovery document, at the issuer's own host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// Its keys as a JSON Web Key Set, for an issuer that can't be reached: they change by `apply` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// PEM of the authority that its server's certificate is trusted by, and no other; without it,
    /// those that the machine trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_authority: Option<String>,
    /// The signature algorithms that its tokens may have. No other is ever tried.
    pub algorithms: Vec<TokenAlgorithm>,
    /// What `aud` must name, one of them exactly; without any, the gate's public address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// What `typ` in a token's header may be; a token without `typ` counts as `JWT`.
    #[serde(default = "token_types")]
    pub token_types: Vec<String>,
    /// The claim that scopes are taken from.
    #[serde(default)]
    pub scope_claim: ScopeClaim,
    /// What its scopes are called here, by what it calls them. If any is given, others count for nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scopes: BTreeMap<String, String>,
    /// Which tokens are which client's.
    pub clients: Vec<ClaimMapping>,
    /// The longest life that a token may have, from `iat` to `exp`.
    #[serde(default = "lifetime_seconds_max")]
    #[schemars(range(min = 60, max = 86_400))]
    pub lifetime_seconds_max: u32,
    /// How often the keys are fetched.
    #[serde(default = "refresh_seconds")]
    #[schemars(range(min = 60, max = 86_400))]
    pub refresh_seconds: u32,
    /// How long the keys are used after the last time that they could be fetched; then its tokens
    /// are refused.
    #[serde(default = "stale_seconds")]
    #[schemars(range(min = 60, max = 604_800))]
    pub stale_seconds: u32,
    /// Whether tokens that are bound to no key or certificate may be used, on routes that allow it.
    #[serde(default)]
    pub allow_unbound: AllowUnbound,
}

/// A client, and the claims that its tokens have.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimMapping {
    /// Name of the client.
    pub client: String,
    /// Claims that must all be there, as texts with exactly these values, such as `azp`.
    pub claims: BTreeMap<String, String>,
}

/// Signature algorithms of tokens from outside, by their names in JOSE. Neither `none` nor MACs exist here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
pub enum TokenAlgorithm {
    ES256,
    EdDSA,
    PS256,
    RS256,
}

/// The claim with a token's scopes: a text with spaces between them, or a list of texts.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScopeClaim {
    /// RFC 9068, Keycloak.
    #[default]
    Scope,
    /// Okta; Entra for delegated permissions.
    Scp,
    /// Entra for applications.
    Roles,
}

impl ScopeClaim {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scope => "scope",
            Self::Scp => "scp",
            Self::Roles => "roles",
        }
    }
}

/// Whether a token may be worth something to whoever holds it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AllowUnbound {
    #[default]
    Never,
    /// On routes of low impact that say `unbound: allow` themselves.
    LowImpact,
}

/// Where the keys of an issuer or a trust domain come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeysFrom<'a> {
    /// The manifest itself.
    Declared(&'a Value),
    /// This address.
    At(&'a str),
    /// The discovery document of this issuer.
    Discovered(&'a str),
}

impl IssuerSpec {
    #[must_use]
    pub fn source(&self) -> KeysFrom<'_> {
        match (&self.jwks, &self.jwks_uri) {
            (Some(jwks), _) => KeysFrom::Declared(jwks),
            (None, Some(uri)) => KeysFrom::At(uri),
            (None, None) => KeysFrom::Discovered(&self.issuer),
        }
    }
}

fn token_types() -> Vec<String> {
    vec!["at+jwt".to_owned(), "JWT".to_owned()]
}

pub(super) fn lifetime_seconds_max() -> u32 {
    3_600
}

pub(super) fn refresh_seconds() -> u32 {
    300
}

pub(super) fn stale_seconds() -> u32 {
    3_600
}
