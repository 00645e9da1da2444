//! Feeds and databases, and what they say of an address.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_domain::spec::Holds;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How it stands with a feed that is declared, or a database that is installed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FeedView {
    pub name: String,
    /// What it is for.
    pub holds: Holds,
    /// Address or path of where it comes from.
    pub source: String,
    /// A database that was installed, and not declared.
    #[serde(default)]
    pub installed: bool,
    /// Whether any content is in use.
    pub in_use: bool,
    /// What was found in it, such as `addresses, one a line`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Entries that were read.
    #[serde(default)]
    pub entries: u64,
    /// What is kept of them, after those that touch became one.
    #[serde(default)]
    pub kept: u64,
    /// Lines or entries that can't be read.
    #[serde(default)]
    pub broken: u64,
    /// The first of them, with their numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first_broken: Vec<String>,
    /// Whole reserved blocks, which are left out.
    #[serde(default)]
    pub reserved: u64,
    /// Size of the file in use.
    #[serde(default)]
    pub bytes: u64,
    /// When the content in use was written, or said by its server to be the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub as_of: Option<Timestamp>,
    /// How old it may become before somebody is told.
    pub stale_seconds: u32,
    /// The content in use is an earlier one, because the newest can't be used.
    #[serde(default)]
    pub is_kept_copy: bool,
    /// Why the newest content can't be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub error_since: Option<Timestamp>,
    /// When its server was last asked with success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub checked: Option<Timestamp>,
    /// When it is fetched next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub next: Option<Timestamp>,
    /// Why the last fetch failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetch_error: Option<String>,
    /// Fetches that failed since the last one that did not.
    #[serde(default)]
    pub fetch_failures: u32,
}

impl Default for FeedView {
    fn default() -> Self {
        Self {
            name: String::new(),
            holds: Holds::Reputation,
            source: String::new(),
            installed: false,
            in_use: false,
            format: None,
            entries: 0,
            kept: 0,
            broken: 0,
            first_broken: Vec::new(),
            reserved: 0,
            bytes: 0,
            as_of: None,
            stale_seconds: 0,
            is_kept_copy: false,
            error: None,
            error_since: None,
            checked: None,
            next: None,
            fetch_error: None,
            fetch_failures: 0,
        }
    }
}

/// Fetches a feed and has it read, now.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RefreshRequest {
    /// Take it although it has lost most of its entries.
    pub accept: bool,
}

/// What is known of an address.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OriginView {
    pub address: String,
    /// Two letters of ISO 3166-1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Number of the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asn: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_name: Option<String>,
    /// Degrees of latitude and longitude; the country's middle where nothing better is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<[f64; 2]>,
    /// Whether a list of bad reputation names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reputation: Option<bool>,
    /// Whether it is an exit of Tor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tor: Option<bool>,
    /// Whether it is of a network of machines for rent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosting: Option<bool>,
    /// Feeds that know it.
    pub by: Vec<OriginSaid>,
    /// What isn't known, and why.
    pub no_data: BTreeMap<String, String>,
}

/// What one feed says of an address.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OriginSaid {
    pub feed: String,
    pub holds: Holds,
    pub says: String,
}
