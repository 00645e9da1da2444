//! Names beside lists of sanctions, and vendors beside those that we parted from.

pub mod identifier;
pub mod index;
mod vocabulary;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::CONFIRMS;

/// What a screening of one vendor against one list came to. It replaces the list's one before.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Screening {
    /// Such as `ofac-sdn`, or `own` for vendors that were severed, off-boarded or breached.
    pub list: String,
    /// Digest of the list that was read, lower-case hex.
    pub list_sha256: String,
    pub at: Timestamp,
    /// The best first; only those at or above the lower threshold.
    pub matches: Vec<Match>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// Its id in the list.
    pub entry: String,
    pub name: String,
    /// In thousandths, 0 to 1,000.
    pub score: u16,
    /// An identifier agrees as well: an LEI, a registry number, an address, a domain, a bank account, a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
    /// Why it matches, in words.
    pub why: String,
}

/// What people have said about a match; it lasts until the entry changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MatchWord {
    /// It is somebody else.
    Cleared,
    Confirmed,
}

/// The list of vendors that were severed, off-boarded or breached.
pub const OWN_LIST: &str = "own";

impl Match {
    /// Close, and an identifier agrees: nobody needs to confirm it.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        self.score >= CONFIRMS && self.identifier.is_some()
    }
}
