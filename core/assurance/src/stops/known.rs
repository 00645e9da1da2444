//! What the stops look at, and the rules for them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Stop, StopMode};
use crate::contract::{ClauseKind, ContractKnown};
use crate::dossier::Dossier;
use crate::exposure::Tier;

/// The mode of each stop for one vendor; those that aren't named have `otherwise`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StopRules {
    pub otherwise: StopMode,
    pub modes: BTreeMap<Stop, StopMode>,
    /// Clauses that every contract of the vendor needs.
    pub clauses: BTreeSet<ClauseKind>,
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

/// The same, of its own: what a registry gathers for one vendor.
#[derive(Clone, PartialEq, Debug)]
pub struct OwnedKnown {
    pub dossier: Arc<Dossier>,
    pub legal_name: String,
    pub jurisdiction: Option<String>,
    pub registry_number: Option<String>,
    pub lei: Option<String>,
    pub contracts: Vec<ContractKnown>,
    pub tier: Tier,
    /// 0 to 100, of what is at stake.
    pub inherent: f64,
    pub rules: StopRules,
}

impl StopRules {
    /// Every stop in one mode, with every clause mandatory.
    #[must_use]
    pub fn all(mode: StopMode) -> Self {
        Self { otherwise: mode, modes: BTreeMap::new(), clauses: ClauseKind::ALL.into_iter().collect() }
    }

    #[must_use]
    pub fn mode(&self, stop: Stop) -> StopMode {
        self.modes.get(&stop).copied().unwrap_or(self.otherwise)
    }
}

impl OwnedKnown {
    #[must_use]
    pub fn known(&self) -> Known<'_> {
        Known {
            dossier: &self.dossier,
            legal_name: &self.legal_name,
            jurisdiction: self.jurisdiction.as_deref(),
            registry_number: self.registry_number.as_deref(),
            lei: self.lei.as_deref(),
            contracts: &self.contracts,
            tier: self.tier,
            rules: &self.rules,
        }
    }
}
