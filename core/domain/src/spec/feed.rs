//! Kind `Feed`: a list or a database of what is known of addresses and TLS clients.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A list or a database that somebody publishes: addresses of bad reputation, exits of Tor, networks for
/// rent, countries, networks' numbers, places. It is read from a file, or fetched over HTTPS.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeedSpec {
    /// What it is for.
    pub holds: Holds,
    /// What its entries are; `auto` finds out by the content.
    #[serde(default)]
    pub format: FeedFormat,
    /// A file on the gate's machine, by its whole path; looked at every second, and read when it was replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Where it is published, over HTTPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// PEM of the authority that the server of `url` is trusted by, and no other; without it, those that
    /// the machine trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_authority: Option<String>,
    /// How often `url` is fetched.
    #[serde(default = "refresh_seconds")]
    #[schemars(range(min = 300, max = 2_592_000))]
    pub refresh_seconds: u32,
    /// How old its data may become before somebody is told. It is used on, however old it is.
    #[serde(default = "stale_seconds")]
    #[schemars(range(min = 600, max = 31_536_000))]
    pub stale_seconds: u32,
}

/// What a feed tells of an address or a TLS client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// That somebody lists it for bad reputation.
    Reputation,
    /// That it is an exit of the Tor network.
    Tor,
    /// That it is of a network of machines for rent.
    Hosting,
    /// Its country.
    Country,
    /// The number of its network.
    Asn,
    /// Its place, and its country if no other database has it.
    Place,
}

impl Holds {
    pub const ALL: [Self; 6] =
        [Self::Reputation, Self::Tor, Self::Hosting, Self::Country, Self::Asn, Self::Place];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reputation => "reputation",
            Self::Tor => "tor",
            Self::Hosting => "hosting",
            Self::Country => "country",
            Self::Asn => "asn",
            Self::Place => "place",
        }
    }

    /// A list says yes or no; a database has a value.
    #[must_use]
    pub fn is_list(self) -> bool {
        matches!(self, Self::Reputation | Self::Tor | Self::Hosting)
    }
}

/// What the entries of a list are. Whether it is lines, CSV or JSON is always found out by the content.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedFormat {
    #[default]
    Auto,
    /// Addresses, prefixes and ranges.
    Addresses,
    /// JA4 fingerprints of TLS clients.
    Ja4,
    /// Numbers of networks.
    Asns,
    /// MaxMind's binary format; for databases only.
    Mmdb,
    /// Rows of first address, last address and value; for databases only.
    Csv,
}

/// Where a feed comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FeedSource<'a> {
    File(&'a str),
    Url(&'a str),
}

impl FeedSpec {
    /// None if the manifest doesn't say, which `apply` rules out.
    #[must_use]
    pub fn source(&self) -> Option<FeedSource<'_>> {
        match (&self.file, &self.url) {
            (Some(file), _) => Some(FeedSource::File(file)),
            (None, url) => url.as_deref().map(FeedSource::Url),
        }
    }
}

fn refresh_seconds() -> u32 {
    86_400
}

fn stale_seconds() -> u32 {
    7 * 86_400
}
