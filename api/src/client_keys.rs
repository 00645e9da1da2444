//! The keys of a client, and the ways in which it gets its first.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::operators::Secret;

/// Open an enrolment: of a new client, or again of one that has lost its keys.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentRequest {
    /// Name of the client.
    pub name: String,
    /// Integration of a new client; without it the client is enrolled again, and the keys that it has
    /// are refused from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// How long the code is good: 60 to 604800, a day without a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_seconds: Option<u32>,
}

/// What the vendor's developer needs, and nobody else may have.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EnrolmentAnswer {
    pub client: String,
    pub issuer: String,
    /// Said once: `ISSUER/oauth/enroll#NAME.CODE`. The ledger keeps a digest of the code only.
    pub link: Secret,
    #[schemars(with = "String")]
    pub expires_at: Timestamp,
    /// How often the client may be enrolled again.
    pub recoveries_left: u32,
    pub ledger_size: u64,
    /// Gates that don't yet refuse the keys that were left behind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates_behind: Vec<String>,
}

/// Every key that a client has or had, the oldest first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ClientKeysView {
    pub client: String,
    pub keys: Vec<ClientKeyView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolment: Option<EnrolmentView>,
    pub recoveries_left: u32,
    /// Certificates that an authority issues come and go without being registered.
    pub by_subject: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ClientKeyView {
    pub thumbprint: String,
    /// `jwk` or `certificate`.
    pub form: String,
    /// `declared`, `enrolled` or `rotated`.
    pub source: String,
    #[schemars(with = "String")]
    pub registered_at: Timestamp,
    pub standing: KeyStanding,
    /// The first moment in which it is or was refused, if one can be named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<String>,
}

/// What a key is good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyStanding {
    Live,
    /// Live beside the one that replaced it.
    Replaced,
    /// Its time as a replaced one is over.
    Ended,
    /// Too old.
    Lapsed,
    /// Taken out of the manifest.
    Withdrawn,
    /// Left behind when the client was enrolled again.
    LeftBehind,
    /// Closed by a severance, or revoked.
    Refused,
}

impl KeyStanding {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Replaced => "replaced",
            Self::Ended => "ended",
            Self::Lapsed => "lapsed",
            Self::Withdrawn => "withdrawn",
            Self::LeftBehind => "left behind",
            Self::Refused => "refused",
        }
    }
}

/// The newest enrolment of a client.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EnrolmentView {
    pub opened_by: String,
    #[schemars(with = "String")]
    pub opened_at: Timestamp,
    #[schemars(with = "String")]
    pub expires_at: Timestamp,
    /// Thumbprint of the key that it was used by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub used_at: Option<Timestamp>,
    /// How often other keys came with the code after that, counted up to 3: theft is suspected.
    pub reused: u32,
}
