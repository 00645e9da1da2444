//! Kind `Policy`: what the scores of risk may do, and what is at stake.

use std::collections::BTreeMap;

use portcullis_risk::{Family, Mode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Impact;

/// What assessments may do, for the exchanges that it is about: those of its vendors and integrations, on its routes and
/// routes of its impacts. A list that isn't there means all of them.
///
/// Each setting comes from the most specific policy that has it: one that names routes is more specific than one that
/// names integrations, that than one that names impacts, and that than one that names vendors.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicySpec {
    /// Names of vendors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendors: Option<Vec<String>>,
    /// Names of integrations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integrations: Option<Vec<String>>,
    /// Names of routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<Vec<String>>,
    /// Routes of these impacts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impacts: Option<Vec<Impact>>,
    /// `off` scores nothing, `observe` records what enforcing would have done, `enforce` acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The same for families of signals; what is stricter than `mode` counts as `mode`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub families: BTreeMap<Family, Mode>,
    /// Evidence alone may sever a context. Only where `integrations` names those that agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sever_by_evidence: Option<bool>,
    /// What could be lost before the next decision: the more, the earlier something is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub money: Option<MoneySpec>,
}

/// In whole units of the installation's currency. Without any, a route's impact says it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MoneySpec {
    /// What one record is worth to whoever takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000_000_000))]
    pub per_record: Option<u64>,
    /// How many times that a record does harm, as one of a payment order does in several accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub reach: Option<u32>,
    /// What else is lost by a misuse, whatever the records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000_000_000_000_u64))]
    pub lateral: Option<u64>,
}
