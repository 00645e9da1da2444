//! Evidence packs: what a vendor read in a window, as one signed archive.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which pack is wanted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackRequest {
    /// Name of a vendor; of a deleted one, its id. Not needed with `incident`, which is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Number or id of an incident: its vendor, its time, and its own section in the pack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// From this RFC 3339 instant on. Without it, from a day before the incident was opened, its vendor knew
    /// of it or was cut, whatever came first, and 400 days at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub from: Option<Timestamp>,
    /// Before this RFC 3339 instant. Without it, until now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub to: Option<Timestamp>,
    /// With every row, so that others can count anew.
    #[serde(default)]
    pub rows: bool,
    /// With whole sealed files, which hold decisions about other vendors, too.
    #[serde(default)]
    pub files: bool,
    /// Seal first what is not sealed yet.
    #[serde(default)]
    pub seal: bool,
}
