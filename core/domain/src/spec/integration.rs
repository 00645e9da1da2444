//! Kind `Integration`.

use portcullis_assurance::exposure::Exposed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::moment::Moment;
use crate::spec::ceilings::Ceilings;
use crate::spec::posture::PostureRules;

/// One purpose-bound connection under a contract.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntegrationSpec {
    /// Name of the contract.
    pub contract: String,
    /// What it is for, in plain words.
    pub purpose: String,
    #[serde(default)]
    pub direction: Direction,
    /// Names of the routes that it may use; nothing else is reachable.
    pub routes: Vec<String>,
    /// Scopes that its tokens may carry; every route's scope must be among them.
    pub scopes: Vec<String>,
    /// Ends before the contract does, if set; in the contract's time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Moment>,
    /// Life of a token in seconds, at most 600.
    #[serde(default = "token_seconds")]
    #[schemars(range(min = 30, max = 600))]
    pub token_seconds: u32,
    #[serde(default)]
    pub limits: Limits,
    /// What the contract allows at the most.
    #[serde(default, skip_serializing_if = "Ceilings::is_none")]
    pub ceilings: Ceilings,
    /// How long the keys of its clients are good, and how they follow each other.
    #[serde(default, skip_serializing_if = "KeyRules::is_default")]
    pub keys: KeyRules,
    /// What its clients' machines must say about themselves; without it they aren't asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posture: Option<PostureRules>,
    /// What is at stake through it; what the impacts of its routes say without a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure: Option<Box<Exposed>>,
    /// Port of the gate that is its own: its clients are served there alone, and nobody else is. By the common one
    /// without a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub door: Option<u16>,
    /// For whom at our side it is; as its vendor without a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_unit: Option<String>,
    /// Name of the operator or the team that answers for it; as its vendor without a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// Integrations with a door of their own: each is a listener of every core of every gate.
pub const DOORS_MAX: usize = 1_000;

fn token_seconds() -> u32 {
    300
}

/// The life of the keys that its clients register. A change holds for the keys that are there, too.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeyRules {
    /// Days after its registration on which a key lapses.
    #[schemars(range(min = 1, max = 3_650))]
    pub age_days_max: u32,
    /// Days before it lapses from which on answers and findings say so.
    #[schemars(range(max = 3_650))]
    pub warn_days: u32,
    /// How long a key that was replaced is good beside the new one.
    #[schemars(range(max = 604_800))]
    pub overlap_seconds: u32,
}

impl KeyRules {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for KeyRules {
    fn default() -> Self {
        Self { age_days_max: 90, warn_days: 14, overlap_seconds: 86_400 }
    }
}

/// Who calls whom.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The vendor's machines call ours.
    #[default]
    Inbound,
}

/// What the integration may take. Requests, bytes and concurrency hold for each client; records
/// for each client, and for the integration and the vendor over all their clients.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    pub requests: RateLimit,
    /// Response bytes.
    pub bytes: RateLimit,
    /// Requests of one client under way at the same time.
    #[schemars(range(min = 1, max = 10_000))]
    pub concurrency: u32,
    pub records: RecordLimit,
    /// Longest life of one response, in seconds.
    #[schemars(range(min = 1, max = 86_400))]
    pub stream_seconds_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests: RateLimit { per_second: 100, burst: 200 },
            bytes: RateLimit { per_second: 50_000_000, burst: 100_000_000 },
            concurrency: 64,
            records: RecordLimit::default(),
            stream_seconds_max: 3_600,
        }
    }
}

/// A rate with what may be taken at once, enforced by the generic cell rate algorithm.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    #[schemars(range(min = 1))]
    pub per_second: u64,
    #[schemars(range(min = 1))]
    pub burst: u64,
}

/// Records in any ten seconds, by an exact sliding window.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecordLimit {
    /// For each client of the integration.
    pub per_client: u64,
    /// For the integration over all its clients.
    pub per_integration: u64,
}

/// Records that a vendor may take in any ten seconds over all its integrations.
pub const VENDOR_RECORDS_MAX: u64 = 50_000;

impl Default for RecordLimit {
    fn default() -> Self {
        Self { per_client: VENDOR_RECORDS_MAX, per_integration: VENDOR_RECORDS_MAX }
    }
}
