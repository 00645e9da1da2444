//! Hard stops: facts that no score can buy off, and what they leave of a vendor's access.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::Access;
use crate::contract::ContractKnown;
use crate::dossier::Dossier;
use crate::exposure::Tier;

/// Numbered as the assurance model numbers them; the numbers are public and stay.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    Sanctions,
    Entity,
    Signer,
    Vulnerability,
    Contract,
    Clause,
    Opinion,
    BreachNotice,
    Integrity,
    UndeclaredData,
    Exit,
    VulnerabilityEvidence,
    Admission,
    PenetrationTestRefused,
    Relation,
}

impl Stop {
    pub const ALL: [Self; 15] = [
        Self::Sanctions,
        Self::Entity,
        Self::Signer,
        Self::Vulnerability,
        Self::Contract,
        Self::Clause,
        Self::Opinion,
        Self::BreachNotice,
        Self::Integrity,
        Self::UndeclaredData,
        Self::Exit,
        Self::VulnerabilityEvidence,
        Self::Admission,
        Self::PenetrationTestRefused,
        Self::Relation,
    ];

    #[must_use]
    pub fn number(self) -> u8 {
        Self::ALL.iter().position(|stop| *stop == self).and_then(|at| u8::try_from(at + 1).ok()).unwrap_or(0)
    }
}

/// What a stop does when its fact holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopMode {
    Off,
    /// Shows what enforcing would have refused.
    Observe,
    Enforce,
}

/// The mode of each stop for one vendor; those that aren't named have `otherwise`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StopRules {
    pub otherwise: StopMode,
    pub modes: BTreeMap<Stop, StopMode>,
}

/// All that the stops look at.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    pub dossier: &'a Dossier,
    /// As the registry declares it.
    pub legal_name: &'a str,
    pub jurisdiction: Option<&'a str>,
    pub registry_number: Option<&'a str>,
    pub lei: Option<&'a str>,
    pub contracts: &'a [ContractKnown],
    pub tier: Tier,
    pub rules: &'a StopRules,
}

/// One stop that holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Held {
    pub stop: Stop,
    pub access: Access,
    /// Enforced, or only observed.
    pub mode: StopMode,
    /// One sentence: the fact, its evidence and its age.
    pub fact: String,
    /// What ends it, and who can do that.
    pub remedy: String,
    pub since: Option<Timestamp>,
}

/// A stretch of time in which the same stops hold.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Stretch {
    pub from: Timestamp,
    /// The worst of those that are enforced.
    pub access: Access,
    pub held: Vec<Held>,
}

/// The stops that hold at `now`, the worst first.
#[must_use]
pub fn at(_known: &Known<'_>, _now: Timestamp) -> Vec<Held> {
    Vec::new()
}

/// From `now` on until `horizon`, each stretch in which something else holds, if nobody does anything. The first begins at `now`.
#[must_use]
pub fn outlook(_known: &Known<'_>, now: Timestamp, _horizon: Timestamp) -> Vec<Stretch> {
    vec![Stretch { from: now, access: Access::Clear, held: Vec::new() }]
}
