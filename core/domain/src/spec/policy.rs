//! Kind `Policy`: what the scores of risk may do, and what is at stake.

use std::collections::BTreeMap;

use portcullis_assurance::contract::ClauseKind;
use portcullis_assurance::stops::{Stop, StopMode};
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
    /// What the hard stops do. Only in policies about vendors as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stops: Option<StopModes>,
    /// Clauses that each contract needs; all eight without a word. Only in policies about vendors as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mandatory_clauses: Option<Vec<ClauseKind>>,
}

/// `off` looks at nothing, `observe` shows what enforcing would refuse, `enforce` acts.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StopModes {
    /// Of all that aren't named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<StopMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sanctions: Option<StopMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<StopMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<StopMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vulnerability: Option<StopMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<StopMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clause: Option<StopMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opinion: Option<StopMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breach_notice: Option<StopMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integrity: Option<StopMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undeclared_data: Option<StopMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<StopMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vulnerability_evidence: Option<StopMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admission: Option<StopMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub penetration_test_refused: Option<StopMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relation: Option<StopMode>,
}

impl StopModes {
    /// The mode of one stop, if it is named.
    #[must_use]
    pub fn of(&self, stop: Stop) -> Option<StopMode> {
        match stop {
            Stop::Sanctions => self.sanctions,
            Stop::Entity => self.entity,
            Stop::Signer => self.signer,
            Stop::Vulnerability => self.vulnerability,
            Stop::Contract => self.contract,
            Stop::Clause => self.clause,
            Stop::Opinion => self.opinion,
            Stop::BreachNotice => self.breach_notice,
            Stop::Integrity => self.integrity,
            Stop::UndeclaredData => self.undeclared_data,
            Stop::Exit => self.exit,
            Stop::VulnerabilityEvidence => self.vulnerability_evidence,
            Stop::Admission => self.admission,
            Stop::PenetrationTestRefused => self.penetration_test_refused,
            Stop::Relation => self.relation,
        }
    }
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

impl PolicySpec {
    /// It names neither integrations, routes nor impacts: only then it may speak of stops.
    #[must_use]
    pub fn is_about_vendors(&self) -> bool {
        self.integrations.is_none() && self.routes.is_none() && self.impacts.is_none()
    }
}
