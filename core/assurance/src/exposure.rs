//! What is at stake through an integration, in money, and the tier that follows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an integration can reach, as its declaration says.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exposed {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<DataHeld>,
    #[serde(default)]
    pub reach: Reach,
    /// What an hour without the vendor costs us, and how many hours its recovery may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outage_per_hour: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_hours: Option<u32>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataHeld {
    pub class: DataClass,
    pub records: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DataClass {
    Internal,
    Confidential,
    Pii,
    Pci,
    Phi,
    Secret,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    PushOnly,
    #[default]
    ScopedRead,
    ScopedWrite,
    /// Bulk or admin.
    Bulk,
}

/// 1 is the most that can go wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    One,
    Two,
    Three,
}
