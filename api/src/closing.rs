//! Ending tokens and keys without closing a path: revocation and signing out.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::severing::GateReceipt;

/// Refuse keys of a client, for good.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeKeysRequest {
    /// Thumbprint of one key; without it, all that the client has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Why, for those who read it at night.
    pub reason: String,
}

/// One token: itself, if it is one of ours, or its id and the client that it was given to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeTokenRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// `jti`. Of our own token, and of one of each issuer that speaks for the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// Name of the client; needed with `token_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

/// End every token of a target; new ones may be had at once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignOutRequest {
    /// `vendor/NAME`, `integration/NAME` or `client/NAME`.
    pub target: String,
    pub reason: String,
}

/// Tokens that are dead: which, since when, and where that was confirmed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TokensEnded {
    /// `token/ID`, or the target as a person writes it.
    pub what: String,
    /// Whether anything was to do.
    pub changed: bool,
    /// Of a target: tokens of an older epoch are dead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    #[schemars(with = "String")]
    pub requested_at: Timestamp,
    /// No gate that confirmed accepts such a token from here on.
    #[schemars(with = "String")]
    pub finished_at: Timestamp,
    /// From the request's arrival to the commit and the last gate's word.
    pub took_us: u64,
    pub ledger_size: u64,
    pub gates: Vec<GateReceipt>,
    /// Gates that did not confirm in time: tokens may pass there until their next snapshot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates_silent: Vec<String>,
}

/// draft-parecki-oauth-global-token-revocation: a subject identifier (RFC 9493) of the format `opaque`
/// with `id` `vendor/NAME`, `integration/NAME` or `client/NAME`, or of the format `iss_sub` with our issuer
/// and a client's name.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct GlobalTokenRevocationRequest {
    pub sub_id: Value,
}
