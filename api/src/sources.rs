//! Registers, lists and catalogues that vendors are looked up in, and screenings.

use jiff::Timestamp;
use portcullis_assurance::screening::{Match, MatchWord};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// Legal entities: GLEIF's API, or its golden copy as a file.
    Gleif,
    /// `SDN.CSV` of the US Office of Foreign Assets Control.
    OfacSdn,
    /// `targets.simple.csv` of OpenSanctions.
    Opensanctions,
    /// Vulnerabilities that are known to be exploited.
    Kev,
    /// Vulnerabilities of packages.
    Osv,
    /// A register of companies, as Companies House or OpenCorporates answer.
    Registry,
}

impl SourceKind {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gleif => "gleif",
            Self::OfacSdn => "ofac_sdn",
            Self::Opensanctions => "opensanctions",
            Self::Kev => "kev",
            Self::Osv => "osv",
            Self::Registry => "registry",
        }
    }
}

/// How it stands with one source.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SourceView {
    pub name: String,
    pub kind: SourceKind,
    /// Where it comes from: an address, or a path.
    pub place: String,
    /// Of the copy in use; none where there is no copy yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// When the copy in use was said last to be the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub as_of: Option<Timestamp>,
    /// From this age on somebody is told.
    pub stale_seconds: i64,
    /// Why the newest couldn't be had or read; the copy in use stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub error_since: Option<Timestamp>,
    #[serde(default)]
    pub failures: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub next: Option<Timestamp>,
}

/// Has a source again, now.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SourceRefreshRequest {
    /// Take it although it has lost most of its entries.
    pub accept: bool,
}

/// Asks what a screening would find, and records nothing.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScreenRequest {
    /// All of them without a name.
    pub vendor: Option<String>,
    /// A list to be tried in place of those in use.
    pub list: Option<ListText>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListText {
    pub name: String,
    /// `ofac_sdn` or `opensanctions`.
    pub kind: SourceKind,
    pub text: String,
}

/// What was looked for, and what was found.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ScreenReport {
    pub vendors: usize,
    pub lists: Vec<ScreenedList>,
    pub found: Vec<FoundMatch>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ScreenedList {
    pub name: String,
    pub entries: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub as_of: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FoundMatch {
    pub vendor: String,
    pub list: String,
    #[serde(flatten)]
    pub found: Match,
    /// The vendor's dossier knows it already.
    pub known: bool,
    /// What somebody has said of it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word: Option<MatchWord>,
}

/// Looks a vendor up in an answer of a register, once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckRequest {
    /// `gleif` or `registry`.
    pub kind: SourceKind,
    pub text: String,
    /// The register's answer about officers, where it gives that apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub officers: Option<String>,
    /// GLEIF's answers about relationships: who owns the vendor, directly and in the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub relationships: Vec<String>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CheckAnswer {
    pub vendor: String,
    /// What the source says of it.
    pub record: portcullis_assurance::entity::EntityRecord,
    /// It says nothing new.
    pub unchanged: bool,
    /// Signs of a shell, each in a sentence; they are never added up.
    pub signs: Vec<String>,
    /// Owners that own themselves through others, each circle in a sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub circles: Vec<String>,
}
