//! Kind `Vendor`.

use portcullis_assurance::exposure::Tier;
use portcullis_risk::Grade;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::personal::Personal;

/// A legal entity we connect to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VendorSpec {
    /// The name in the register, with its legal form.
    pub legal_name: String,
    /// ISO 3166 country or subdivision of incorporation, such as `DE` or `US-DE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jurisdiction: Option<String>,
    /// Number in that place's register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_number: Option<String>,
    /// Legal Entity Identifier (ISO 17442), 20 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lei: Option<String>,
    /// What the vendor does for us, in plain words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Records that it may take in any ten seconds, over all its integrations; 50,000 without a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records_max: Option<u64>,
    /// How many days its decisions are kept; 400 without a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decisions_days: Option<u32>,
    /// Whose vendor it is at our side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_unit: Option<String>,
    /// Name of the operator or the team that answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// DNS names that are the vendor's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
    /// A tier that people found right; never below the one that follows from what is at stake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier_raised: Option<Tier>,
    /// Other names that it goes by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// What it was assessed as; each of its requests is scored with it. Nothing is known without it, which counts as much as F.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Grade>,
    /// It is nobody: exercises and the kill drill cut it, and open it again by themselves. Said when it is declared, and
    /// never of a vendor that is there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub canary: bool,
    /// People to call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<Contact>,
}

/// A person at the vendor.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    pub name: Personal,
    /// What to call them about, such as `security` or `contract`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Personal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Personal>,
}
