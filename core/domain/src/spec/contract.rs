//! Kind `Contract`.

use jiff::Timestamp;
use jiff::civil::Date;
use portcullis_assurance::contract::Clause;
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
    /// What it says, as data: each clause that stops or the gate look at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clauses: Vec<Clause>,
    /// The vendor's name as the paper has it; the legal name here without a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_name: Option<String>,
    /// Days before its end until which either side may say that it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice_days: Option<u32>,
    /// The paper says that it goes on unless somebody ends it. It does here when `ends` is declared anew, and not before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub auto_renews: bool,
    /// In the order in which they were agreed on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amendments: Vec<Amendment>,
}

/// A later agreement that changes the contract.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Amendment {
    pub date: Date,
    /// Where the paper is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// What it changes, in plain words.
    pub what: String,
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
    /// Signed for the vendor, and not for us.
    #[serde(default = "for_vendor", skip_serializing_if = "is_for_vendor")]
    pub for_vendor: bool,
}

fn for_vendor() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_for_vendor(for_vendor: &bool) -> bool {
    *for_vendor
}

impl ContractSpec {
    /// `[start, end)` in which it is in force.
    pub fn term(&self) -> Result<(Timestamp, Timestamp), MomentError> {
        let zone = zone(&self.time_zone)?;
        Ok((self.starts.start_in(&zone)?, self.ends.end_in(&zone)?))
    }
}
