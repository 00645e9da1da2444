//! What is counted of a vendor, its integrations and their routes, and where its service levels stand.
//!
//! `docs/reference/metrics.md` says what each number means.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A vendor in a window.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct VendorMetrics {
    pub vendor: String,
    /// `1m`, `5m`, `1h`, `6h`, `24h` or `30d`.
    pub window: String,
    /// From when on everything is counted: the window may reach further back.
    #[schemars(with = "String")]
    pub since: Timestamp,
    pub total: MetricsView,
    pub integrations: Vec<IntegrationMetrics>,
    pub service_levels: Vec<ServiceLevelView>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct IntegrationMetrics {
    pub name: String,
    pub total: MetricsView,
    pub routes: Vec<RouteMetrics>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RouteMetrics {
    pub name: String,
    pub total: MetricsView,
}

/// What is in a window.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MetricsView {
    /// Decisions.
    pub requests: u64,
    pub requests_per_second: f64,
    /// Percent of exchanges that our side served, of those it served or failed; absent without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability_percent: Option<f64>,
    /// Of complete answers; absent without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<LatencyView>,
    /// Decisions by verdict.
    pub verdicts: BTreeMap<String, u64>,
    /// Refusals by class.
    pub refused: BTreeMap<String, u64>,
    /// Ends of allowed exchanges.
    pub ended: BTreeMap<String, u64>,
    /// Answers by class, `1xx` to `5xx`.
    pub statuses: BTreeMap<String, u64>,
    pub request_bytes: u64,
    pub response_bytes: u64,
    pub records: u64,
    /// Answers of the authorization server, which are no requests here.
    #[serde(default)]
    pub tokens: u64,
    /// Exchanges under way now.
    pub open: u64,
}

/// Milliseconds, each within one percent.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LatencyView {
    pub p50: f64,
    pub p90: f64,
    pub p95: f64,
    pub p99: f64,
}

/// Where a promise of a contract stands.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ServiceLevelView {
    pub contract: String,
    /// `availability` (percent) or `latency_p99` (milliseconds).
    pub objective: String,
    pub promised: f64,
    /// What it is, over the promise's window; absent without an exchange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<f64>,
    pub window_days: u8,
    /// Exchanges that count.
    pub exchanges: u64,
    /// Those of them that were failed or too slow.
    pub bad: u64,
    /// Percent of the error budget that is left; below zero the promise is broken.
    pub budget_left_percent: f64,
    /// How fast the budget is spent over `1h`, `6h` and `24h`: at 1 it lasts exactly the window. Absent
    /// without an exchange.
    pub burn_rates: BTreeMap<String, f64>,
    /// `slow`, `steady`, `fast` or `spent`, where somebody should look at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<String>,
}
