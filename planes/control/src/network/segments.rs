//! Networks in front of the gate: those that contracts name, with whose they are and whether they are closed.

use std::net::SocketAddr;

use ipnet::IpNet;
use portcullis_domain::ids::{IntegrationId, VendorId};
use portcullis_domain::network_pattern::NetworkPattern;
use portcullis_domain::spec::{Kind, Spec};
use portcullis_domain::state::State;
use portcullis_domain::target::Target;
use portcullis_network::plan::{ClosedBy, Owner, Segment, Standing};

/// Where this installation stands.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Site {
    /// Where the gate listens.
    pub doors: Vec<SocketAddr>,
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
        let vendor = state.vendor_of_integration(name)?;
        let owner = Owner {
            vendor: VendorId(vendor.id),
            vendor_name: vendor.declaration.name.clone(),
            integration: IntegrationId(integration.id),
            integration_name: name.to_owned(),
        };
        Some(Segment { standing: standing(state, &owner), owner, networks })
    });
    segments.collect()
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
