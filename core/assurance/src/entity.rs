//! Who a vendor is, as registers say it.

use jiff::Timestamp;
use jiff::civil::Date;
use portcullis_ids::ids::OperatorId;
use portcullis_ids::personal::Personal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What one source said of a vendor at one time. The newest of each source counts; where sources disagree, all are shown.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntityRecord {
    pub source: EntitySource,
    /// When the source said it.
    pub at: Timestamp,
    pub legal_name: String,
    /// ISO 17442, upper case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lei: Option<String>,
    /// Of the LEI's registration, such as `issued` or `lapsed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lei_status: Option<LeiStatus>,
    /// In the register of its jurisdiction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_number: Option<String>,
    /// ISO 3166 country or subdivision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jurisdiction: Option<String>,
    #[serde(default)]
    pub standing: EntityStanding,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formed: Option<Date>,
    /// As the register has it, or an ISO 20275 code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_form: Option<String>,
    /// Of the registered office.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_address: Option<Address>,
    /// Where it is led from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_office: Option<Address>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub officers: Vec<Officer>,
    /// LEI or name of whoever owns it directly, and of the last in that line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ultimate_parent: Option<String>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum EntitySource {
    Gleif,
    /// Of companies, by its name, such as `companies-house`.
    Registry {
        name: String,
    },
    /// Somebody has seen a paper, and vouches for it.
    Manual {
        by: OperatorId,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntityStanding {
    Active,
    Inactive,
    Dissolved,
    Merged,
    #[default]
    Unknown,
}

/// Of an LEI's registration, as GLEIF names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeiStatus {
    Issued,
    Lapsed,
    Retired,
    Merged,
    Annulled,
    Duplicate,
    /// Pending and transfer states: neither good nor bad.
    Pending,
}

#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// Street, number, box, as written.
    pub lines: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// ISO 3166-2, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// ISO 3166-1 alpha-2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// How many firms the source knows at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_by: Option<u32>,
    /// It belongs to a registered agent: common and honest, and no sign of a shell by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub registered_agent: bool,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Officer {
    pub name: Personal,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}
