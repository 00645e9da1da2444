//! The keys that tokens are signed with.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::severing::GateReceipt;

/// Where a key is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SigningKeyStage {
    /// Everybody may know it; it doesn't sign yet.
    Published,
    /// It signs.
    Active,
    /// Another one signs; what this one signed runs out.
    Replaced,
    /// Nothing that it signed could be valid any more.
    Retired,
    /// Its private half may be in other hands, or is lost: whatever it signed is void.
    Withdrawn,
}

impl SigningKeyStage {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Active => "active",
            Self::Replaced => "replaced",
            Self::Retired => "retired",
            Self::Withdrawn => "withdrawn",
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SigningKeyView {
    /// RFC 7638 thumbprint; the `kid` of tokens and of the key set.
    pub kid: String,
    /// `ES256` or `EdDSA`; empty of a former key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub algorithm: String,
    pub stage: SigningKeyStage,
    /// When it came to this stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
    /// When a published key is to sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub signs_from: Option<Timestamp>,
    /// From this second on nothing under it is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub refused_from: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct KeysView {
    /// The one that signs first; of former ones the newest hundred.
    pub signing: Vec<SigningKeyView>,
    /// When the schedule makes the next key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub next_published_at: Option<Timestamp>,
    /// How long a key signs.
    pub signing_seconds: i64,
    /// How long it is published before it signs.
    pub publish_ahead_seconds: i64,
}

#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateRequest {
    /// As soon as every gate knows the new key, and not when everybody has had time to learn of it.
    #[serde(default)]
    pub now: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RotateAnswer {
    /// The new key.
    pub key: SigningKeyView,
    /// The key that it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// From this second on the replaced key is refused; none while it still signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub refused_from: Option<Timestamp>,
    /// Gates that don't know the new key yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates_behind: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WithdrawRequest {
    pub kid: String,
    /// Why, for those who read it at night.
    #[serde(default)]
    pub reason: String,
}

/// What a withdrawal came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub enum Withdrawn {
    /// Every gate has confirmed, and the ledger holds it.
    #[serde(rename = "withdrawn")]
    Withdrawn,
    /// Gates refuse it, and the ledger doesn't hold it yet: recording is tried on. `notes` say whether it stays
    /// withdrawn over a restart.
    #[serde(rename = "withdrawn, not recorded")]
    NotRecorded,
    /// The ledger holds it, but a gate has not confirmed: see `gates_silent`.
    #[serde(rename = "recorded, not confirmed")]
    RecordedNotConfirmed,
}

impl Withdrawn {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Withdrawn => "withdrawn",
            Self::NotRecorded => "withdrawn, not recorded",
            Self::RecordedNotConfirmed => "recorded, not confirmed",
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WithdrawAnswer {
    pub kid: String,
    pub answer: Withdrawn,
    /// The key that signs from now on, if the withdrawn one signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<String>,
    #[schemars(with = "String")]
    pub withdrawn_at: Timestamp,
    /// From the request's arrival to the last gate's word and the commit.
    pub took_us: u64,
    /// What each gate has cut, and how long it took.
    pub gates: Vec<GateReceipt>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates_silent: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}
