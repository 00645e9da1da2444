//! What the hard stops look at, gathered for one vendor, and the rules for them.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_assurance::contract::{ClauseKind, ContractKnown};
use portcullis_assurance::exposure::{Exposed, tier};
use portcullis_assurance::stops::{OwnedKnown, Stop, StopMode, StopRules};

use crate::ids::VendorId;
use crate::spec::{ContractSpec, Impact, IntegrationSpec, Kind, PolicySpec, Spec};
use crate::state::State;

impl State {
    /// Everything that `portcullis_assurance::stops` asks for; nothing of a vendor that isn't declared any more.
    #[must_use]
    pub fn known(&self, vendor: VendorId) -> Option<OwnedKnown> {
        let (_, name, resource) = self.by_id(vendor.0)?;
        let Spec::Vendor(spec) = &resource.declaration.spec else { return None };
        let exposed: Vec<Exposed> = self.integrations_of(name).map(|spec| self.exposed(spec)).collect();
        let (tier, inherent) = tier(&exposed, spec.tier_raised);
        Some(OwnedKnown {
            dossier: self.dossier(vendor),
            legal_name: spec.legal_name.clone(),
            jurisdiction: spec.jurisdiction.clone(),
            registry_number: spec.registry_number.clone(),
            lei: spec.lei.clone(),
            contracts: self.contracts_known(name),
            tier,
            inherent,
            rules: self.stop_rules(name),
        })
    }

    /// What the hard stops do for a vendor, by name: each mode from the most specific policy that has it.
    #[must_use]
    pub fn stop_rules(&self, vendor: &str) -> StopRules {
        let policies = self.of_kind(Kind::Policy).filter_map(|(_, policy)| match &policy.declaration.spec {
            Spec::Policy(spec) => Some(&**spec),
            _ => None,
        });
        let about = |spec: &&PolicySpec| {
            let named = spec.vendors.as_ref().is_none_or(|names| names.iter().any(|name| name == vendor));
            named && spec.is_about_vendors()
        };
        let mut about: Vec<&PolicySpec> = policies.filter(about).collect();
        // Those that name vendors come before those about all of them.
        about.sort_by_key(|spec| spec.vendors.is_none());
        let modes = || about.iter().filter_map(|spec| spec.stops);
        let of = |stop: Stop| modes().find_map(|modes| modes.of(stop)).map(|mode| (stop, mode));
        let founded = self.installation.as_ref().and_then(|installation| installation.stops);
        let clauses = about.iter().find_map(|spec| spec.mandatory_clauses.as_ref());
        StopRules {
            otherwise: modes().find_map(|modes| modes.default).or(founded).unwrap_or(StopMode::Observe),
            modes: Stop::ALL.into_iter().filter_map(of).collect::<BTreeMap<_, _>>(),
            clauses: clauses.map_or_else(
                || ClauseKind::ALL.into_iter().collect(),
                |clauses| clauses.iter().copied().collect::<BTreeSet<_>>(),
            ),
        }
    }

    /// The contracts of a vendor, by name, with their terms as moments. One whose term can't be told is none.
    #[must_use]
    pub fn contracts_known(&self, vendor: &str) -> Vec<ContractKnown> {
        self.of_kind(Kind::Contract)
            .filter_map(|(name, contract)| match &contract.declaration.spec {
                Spec::Contract(spec) if spec.vendor == vendor => contract_known(name, spec),
                _ => None,
            })
            .collect()
    }

    fn integrations_of(&self, vendor: &str) -> impl Iterator<Item = &IntegrationSpec> {
        self.of_kind(Kind::Integration).filter_map(move |(name, integration)| {
            let owner = self.vendor_of_integration(name)?;
            match &integration.declaration.spec {
                Spec::Integration(spec) if owner.declaration.name == vendor => Some(spec),
                _ => None,
            }
        })
    }

    /// Where nobody says what can be reached, the impacts of the routes do: silence isn't nothing at stake.
    fn exposed(&self, integration: &IntegrationSpec) -> Exposed {
        let mut exposed = integration.exposure.as_deref().cloned().unwrap_or_default();
        if exposed.lateral.is_none() {
            let impacts = integration.routes.iter().filter_map(|route| {
                match &self.resource(Kind::Route, route)?.declaration.spec {
                    Spec::Route(spec) => Some(at_stake(spec.impact)),
                    _ => None,
                }
            });
            exposed.lateral = Some(impacts.fold(0, u64::saturating_add));
        }
        exposed
    }
}

/// As for scores of risk where no policy says more.
fn at_stake(impact: Impact) -> u64 {
    match impact {
        Impact::Low => 1_000,
        Impact::Moderate => 10_000,
        Impact::High => 100_000,
        Impact::Critical => 1_000_000,
    }
}

fn contract_known(name: &str, spec: &ContractSpec) -> Option<ContractKnown> {
    let (starts, ends) = spec.term().ok()?;
    let signers = spec.signed_by.iter().filter(|signer| signer.for_vendor);
    Some(ContractKnown {
        name: name.to_owned(),
        starts,
        ends,
        clauses: spec.clauses.clone(),
        signers: signers.map(|signer| signer.name.text().to_owned()).collect(),
        vendor_name: spec.vendor_name.clone(),
    })
}
