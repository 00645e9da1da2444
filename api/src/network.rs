//! The network plan: what vendors' networks may reach, whether that is enforced, and what passes by it.

use std::net::SocketAddr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How it stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NetworkView {
    /// Whether packets of vendors' networks outside the plan are dropped.
    pub segmented: bool,
    /// Who has said so, and when; none where nobody has ever said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Size of the ledger that the plan was made from.
    pub version: u64,
    /// Size of the ledger that the plan in force was made from; none where no enforcer has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforced: Option<u64>,
    /// Where vendors reach the gate, but for integrations with a door of their own.
    pub doors: Vec<SocketAddr>,
    /// Ports at the same addresses that are one integration's each.
    #[serde(default)]
    pub own_doors: Vec<OwnDoorView>,
    /// Networks that speak for many: they are never cut.
    pub balancers: Vec<String>,
    /// Each integration's networks.
    pub segments: Vec<SegmentView>,
    /// Packets that were dropped, by vendor, since the counters began.
    pub dropped: Vec<DroppedView>,
}

/// A port of the gate where one integration is served alone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OwnDoorView {
    pub port: u16,
    pub vendor: String,
    pub integration: String,
    /// Why gates can't open it, with their names; nothing where it is open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}

/// The networks that an integration's machines come from, in front of the gate or behind a tunnel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SegmentView {
    pub vendor: String,
    pub integration: String,
    /// Its name, where they lie behind one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<String>,
    pub networks: Vec<String>,
    /// `open`, or what closes them: `severed`, `contract`, `access`, `credentials`.
    pub standing: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DroppedView {
    pub vendor: String,
    pub packets: u64,
    pub bytes: u64,
    /// Over the last minutes.
    pub packets_per_minute: u64,
    /// When the last ones were seen; none where there were none since this process began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
}

/// The packet filter's tables, as they are loaded.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RulesView {
    pub version: u64,
    pub segmented: bool,
    /// As `nft -f` reads it.
    pub text: String,
    /// The same, table by table: counters, sets with their elements, chains with their rules.
    pub tables: Vec<Value>,
}

/// What differs between the plan and the kernel, and what passes by it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DifferencesView {
    pub segmented: bool,
    /// In words; nothing where the plan is in force.
    pub differences: Vec<String>,
    /// Rules, listeners and tunnels of this host by which packets would pass by the gate.
    pub bypasses: Vec<BypassView>,
    /// What could not be looked at, and why.
    pub failed: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BypassView {
    /// `listener`, `rule`, `forwarding` or `tunnel`.
    pub kind: String,
    pub what: String,
    pub why: String,
    pub hint: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentationRequest {
    pub on: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SegmentationAnswer {
    pub on: bool,
    /// Whether it was otherwise before.
    pub changed: bool,
    /// Whether an enforcer has it in force now; it puts it into force when there is one.
    pub in_force: bool,
    /// Why it isn't in force, or what it lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
    pub ledger_size: u64,
}
