//! What the hard stops look at, gathered for vendors, and the rules for them.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use portcullis_assurance::Dossier;
use portcullis_assurance::contract::{ClauseKind, ContractKnown};
use portcullis_assurance::exposure::{Exposed, tier};
use portcullis_assurance::stops::{OwnedKnown, Stop, StopMode, StopRules};

use crate::ids::VendorId;
use crate::spec::{ContractSpec, Impact, IntegrationSpec, Kind, PolicySpec, Spec};
use crate::state::{Resource, State};

/// The contracts and integrations of vendors, by what hangs on whom, and what counts for all.
pub struct Papers<'a> {
    state: &'a State,
    policies: Vec<&'a PolicySpec>,
    of_vendors: HashMap<&'a str, OfVendor<'a>>,
    /// Of what counts for all: policies, routes, and the installation's own word.
    shared: u64,
}

#[derive(Default)]
struct OfVendor<'a> {
    contracts: Vec<(&'a str, &'a ContractSpec)>,
    integrations: Vec<&'a IntegrationSpec>,
    /// Of the resources, as they were defined.
    versions: Vec<u64>,
}

/// What a vendor's stops follow from, told apart from what it was before without looking at all of it.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// None where nothing was ever said.
    dossier: Option<Arc<Dossier>>,
    papers: u64,
}

impl Inputs {
    /// Whether nothing that the stops look at has changed; the clock aside.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        let dossier = match (&self.dossier, &other.dossier) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        dossier && self.papers == other.papers
    }
}

impl State {
    /// Everything that `portcullis_assurance::stops` asks for; nothing of a vendor that isn't declared any more.
    #[must_use]
    pub fn known(&self, vendor: VendorId) -> Option<OwnedKnown> {
        let (_, name, resource) = self.by_id(vendor.0)?;
        self.papers(Some(name)).known(name, resource)
    }

    /// Of all vendors, or of one.
    #[must_use]
    pub fn papers<'a>(&'a self, only: Option<&'a str>) -> Papers<'a> {
        let mut of_vendors = HashMap::new();
        match only {
            Some(vendor) => drop(of_vendors.insert(vendor, self.of_vendor(vendor))),
            None => {
                let vendors = self.of_kind(Kind::Vendor);
                of_vendors.extend(vendors.map(|(vendor, _)| (vendor, self.of_vendor(vendor))));
            }
        }
        let mut hasher = DefaultHasher::new();
        let mut policies = Vec::new();
        for (_, policy) in self.of_kind(Kind::Policy) {
            policy.version.hash(&mut hasher);
            if let Spec::Policy(spec) = &policy.declaration.spec {
                policies.push(&**spec);
            }
        }
        for (_, route) in self.of_kind(Kind::Route) {
            route.version.hash(&mut hasher);
        }
        self.founded_with().map(|mode| mode as u8).hash(&mut hasher);
        Papers { state: self, policies, of_vendors, shared: hasher.finish() }
    }

    fn of_vendor(&self, vendor: &str) -> OfVendor<'_> {
        let mut own = OfVendor::default();
        for name in self.resources.under(Kind::Vendor, vendor) {
            let Some(contract) = self.resource(Kind::Contract, name) else { continue };
            if let Spec::Contract(spec) = &contract.declaration.spec {
                own.contracts.push((name, spec));
                own.versions.push(contract.version);
            }
            for integration in self.resources.under(Kind::Contract, name) {
                let Some(integration) = self.resource(Kind::Integration, integration) else { continue };
                if let Spec::Integration(spec) = &integration.declaration.spec {
                    own.integrations.push(spec);
                    own.versions.push(integration.version);
                }
            }
        }
        own
    }

    /// What the hard stops do for a vendor, by name: each mode from the most specific policy that has it.
    #[must_use]
    pub fn stop_rules(&self, vendor: &str) -> StopRules {
        self.papers(Some(vendor)).rules(vendor)
    }

    /// The contracts of a vendor, by name, with their terms as moments. One whose term can't be told is none.
    #[must_use]
    pub fn contracts_known(&self, vendor: &str) -> Vec<ContractKnown> {
        self.of_vendor(vendor)
            .contracts
            .into_iter()
            .filter_map(|(name, spec)| contract_known(name, spec))
            .collect()
    }

    /// What stops do where no policy says so, as the installation was founded.
    #[must_use]
    pub fn founded_with(&self) -> Option<StopMode> {
        self.installation.as_ref().and_then(|installation| installation.stops)
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

impl Papers<'_> {
    /// As [`State::known`].
    #[must_use]
    pub fn known(&self, name: &str, vendor: &Resource) -> Option<OwnedKnown> {
        let Spec::Vendor(spec) = &vendor.declaration.spec else { return None };
        let own = self.of_vendors.get(name);
        let integrations = own.iter().flat_map(|own| &own.integrations);
        let exposed: Vec<Exposed> = integrations.map(|spec| self.state.exposed(spec)).collect();
        let contracts = own.iter().flat_map(|own| &own.contracts);
        let (tier, inherent) = tier(&exposed, spec.tier_raised);
        Some(OwnedKnown {
            dossier: self.state.dossier(VendorId(vendor.id)),
            legal_name: spec.legal_name.clone(),
            jurisdiction: spec.jurisdiction.clone(),
            registry_number: spec.registry_number.clone(),
            lei: spec.lei.clone(),
            contracts: contracts.filter_map(|(name, spec)| contract_known(name, spec)).collect(),
            tier,
            inherent,
            rules: self.rules(name),
        })
    }

    /// As [`State::stop_rules`].
    #[must_use]
    pub fn rules(&self, vendor: &str) -> StopRules {
        rules(&self.policies, vendor, self.state.founded_with())
    }

    /// What the vendor's stops follow from now.
    #[must_use]
    pub fn inputs(&self, name: &str, vendor: &Resource) -> Inputs {
        let mut hasher = DefaultHasher::new();
        (self.shared, vendor.version).hash(&mut hasher);
        self.of_vendors.get(name).map(|own| own.versions.as_slice()).unwrap_or_default().hash(&mut hasher);
        let dossier = self.state.dossiers.get(&VendorId(vendor.id)).cloned();
        Inputs { dossier, papers: hasher.finish() }
    }
}

/// What `policies` say of a vendor: those that name it before those about all.
pub(super) fn rules(policies: &[&PolicySpec], vendor: &str, founded: Option<StopMode>) -> StopRules {
    let about = |spec: &&&PolicySpec| {
        let named = spec.vendors.as_ref().is_none_or(|names| names.iter().any(|name| name == vendor));
        named && spec.is_about_vendors()
    };
    let mut about: Vec<&PolicySpec> = policies.iter().filter(about).copied().collect();
    about.sort_by_key(|spec| spec.vendors.is_none());
    let modes = || about.iter().filter_map(|spec| spec.stops);
    let of = |stop: Stop| modes().find_map(|modes| modes.of(stop)).map(|mode| (stop, mode));
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
