//! Kind `Contract`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::moment::{Moment, MomentError, zone};
use crate::personal::Personal;

/// The agreement under which a vendor has integrations; when it ends, its grants end.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContractSpec {
    /// Name of the vendor.
    pub vendor: String,
    /// The first day (or moment).
    pub starts: Moment,
    /// The last day, which still counts (or the moment at which it is over).
    pub ends: Moment,
    /// IANA name of the zone that the days are meant in.
    pub time_zone: String,
    /// Where the paper is: a number or an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signed_by: Vec<Signer>,
    /// What we have promised about our side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_levels: Option<ServiceLevels>,
}

/// What a contract promises about our answers to the vendor's machines, over all its integrations.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceLevels {
    /// The share of exchanges that our side serves, in percent, such as 99.9; at least 50, below 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability_percent: Option<f64>,
    /// 99 of 100 complete answers come within so many milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3_600_000))]
    pub latency_p99_ms: Option<u32>,
    /// The days over which both are counted, up to now.
    #[serde(default = "window_days")]
    #[schemars(range(min = 1, max = 30))]
    pub window_days: u8,
}

fn window_days() -> u8 {
    30
}

/// Someone who signed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signer {
    pub name: Personal,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

impl ContractSpec {
    /// `[start, end)` in which it is in force.
    pub fn term(&self) -> Result<(Timestamp, Timestamp), MomentError> {
        let zone = zone(&self.time_zone)?;
        Ok((self.starts.start_in(&zone)?, self.ends.end_in(&zone)?))
    }
}
