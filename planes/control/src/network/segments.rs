//! Networks in front of the gate: those that contracts name, with whose they are and whether they are closed.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use ipnet::IpNet;
use portcullis_domain::command::{Fault, Prepared};
use portcullis_domain::ids::{IntegrationId, VendorId};
use portcullis_domain::network_pattern::NetworkPattern;
use portcullis_domain::spec::{IntegrationSpec, Kind, Spec};
use portcullis_domain::state::{Resource, State};
use portcullis_domain::target::Target;
use portcullis_network::plan::{ClosedBy, OwnDoor, Owner, Segment, Standing};

/// Where this installation stands.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Site {
    /// Where the gate listens for all who have no door of their own.
    pub doors: Vec<SocketAddr>,
    /// Where control listens.
    pub control: Option<SocketAddr>,
    /// Networks of balancers in front of it.
    pub balancers: Vec<IpNet>,
}

/// Of each integration whose ceilings name networks: the prefixes, since packets don't show autonomous systems.
///
/// Only a severance closes them. What has no contract, or is held, the gate refuses with its reason, and with the way
/// out of it: a vendor whose packets are dropped can neither read why, nor send the evidence that ends it.
#[must_use]
pub fn segments(state: &State) -> Vec<Segment> {
    let integrations = state.of_kind(Kind::Integration);
    let segments = integrations.filter_map(|(name, integration)| {
        let Spec::Integration(spec) = &integration.declaration.spec else { return None };
        let networks: Vec<IpNet> =
            spec.ceilings.networks.iter().flatten().filter_map(|text| prefix(text)).collect();
        if networks.is_empty() {
            return None;
        }
        let owner = owner(state, name, integration)?;
        Some(Segment { standing: standing(state, &owner), owner, networks })
    });
    segments.collect()
}

fn owner(state: &State, name: &str, integration: &Resource) -> Option<Owner> {
    let vendor = state.vendor_of_integration(name)?;
    Some(Owner {
        vendor: VendorId(vendor.id),
        vendor_name: vendor.declaration.name.clone(),
        integration: IntegrationId(integration.id),
        integration_name: name.to_owned(),
    })
}

/// Doors of integrations' own; and of their vendors those that have an integration, too, that is served at the common one and
/// may come from anywhere.
#[must_use]
pub fn own_doors(state: &State) -> (Vec<OwnDoor>, Vec<VendorId>) {
    let (mut doors, mut common) = (Vec::new(), BTreeSet::new());
    for (name, integration) in state.of_kind(Kind::Integration) {
        let Spec::Integration(spec) = &integration.declaration.spec else { continue };
        let from_anywhere = may_come_from_anywhere(spec);
        if spec.door.is_none() && !from_anywhere {
            continue;
        }
        let Some(owner) = owner(state, name, integration) else { continue };
        match spec.door {
            Some(port) => doors.push(OwnDoor { port, owner, from_anywhere }),
            None => drop(common.insert(owner.vendor)),
        }
    }
    let common = common.into_iter().filter(|vendor| doors.iter().any(|door| door.owner.vendor == *vendor));
    let common = common.collect();
    (doors, common)
}

/// Where no networks are named, and where autonomous systems are: packets don't show them.
fn may_come_from_anywhere(spec: &IntegrationSpec) -> bool {
    let networks = spec.ceilings.networks.as_deref().unwrap_or_default();
    networks.is_empty() || networks.iter().any(|text| prefix(text).is_none())
}

/// Of declarations those whose door is one of this installation's own listeners.
#[must_use]
pub fn taken_doors(site: &Site, resources: &[Prepared]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for Prepared { declaration, .. } in resources {
        let Spec::Integration(IntegrationSpec { door: Some(port), .. }) = &declaration.spec else { continue };
        let gates = site.doors.iter().map(|at| (at, "the gate's common"));
        let all = gates.chain(site.control.iter().map(|at| (at, "control's own")));
        for (at, whose) in all.filter(|(at, _)| at.port() == *port) {
            faults.push(Fault {
                kind: Kind::Integration,
                name: declaration.name.clone(),
                pointer: "/spec/door".to_owned(),
                message: format!("{port} is {whose} port: it listens on `{at}`"),
                hint: Some("use a free port of the gate's host".to_owned()),
            });
        }
    }
    faults
}

fn prefix(text: &str) -> Option<IpNet> {
    match text.parse().ok()? {
        NetworkPattern::Prefix { first, bits } => IpNet::new(first, bits).ok(),
        NetworkPattern::System(_) => None,
    }
}

fn standing(state: &State, owner: &Owner) -> Standing {
    let targets = [Target::Vendor { id: owner.vendor }, Target::Integration { id: owner.integration }];
    let severance = targets.iter().find_map(|target| state.severances_of(target).next());
    severance.map_or(Standing::Open, |severance| Standing::Closed {
        why: ClosedBy::Severance { severance: severance.id },
    })
}
