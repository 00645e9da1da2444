//! Which of the gate's doors each of vendors' networks leads to.
//!
//! To those of the integrations that name it, and of those of the same vendor that may come from anywhere. Of networks within
//! others an address leads to the doors of all: packets don't show whose machine has it.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use portcullis_ids::ids::{IntegrationId, VendorId};

use super::ranges::{self, Range};
use super::segments::peer_address;
use super::{Pair, plain, split};
use crate::plan::{NetworkPlan, Owner};

/// What of it is made into sets.
pub struct Leading {
    /// Addresses that don't lead to the common doors.
    pub apart: Pair,
    /// Network and port of integrations' own doors.
    pub own: Pair,
}

/// Nearly nothing while nobody has a door of its own.
pub fn leading(plan: &NetworkPlan) -> Leading {
    if plan.own_doors.is_empty() {
        return Leading { apart: Pair::default(), own: Pair::default() };
    }
    let doors = Doors::of(plan);
    let mut by_port: BTreeMap<u16, Vec<IpNet>> = BTreeMap::new();
    let (mut common, mut all) = (Vec::new(), Vec::new());
    for (owner, network) in networks(plan) {
        all.push(network);
        if doors.is_common(owner) {
            common.push(network);
        }
        for port in doors.ports(owner) {
            by_port.entry(port).or_default().push(network);
        }
    }
    let own = by_port.into_iter().flat_map(|(port, networks)| {
        let element = move |network: IpNet| {
            (network.addr().is_ipv4(), plain(format!("{} . {port}", Range::from(network).key())))
        };
        IpNet::aggregate(&networks).into_iter().map(element)
    });
    let apart = ranges::without(&all, &common);
    Leading {
        apart: split(apart.into_iter().map(|range| (range.is_four, plain(range.key())))),
        own: split(own),
    }
}

/// Networks of vendors' machines, and the addresses that their tunnels come from.
fn networks(plan: &NetworkPlan) -> impl Iterator<Item = (&Owner, IpNet)> {
    let declared =
        plan.owned().flat_map(|(owner, _, networks)| networks.iter().map(move |of| (owner, of.trunc())));
    let peers = plan.tunnels.iter().filter_map(|of| Some((&of.owner, IpNet::from(peer_address(of)?))));
    declared.chain(peers)
}

/// Who is served where.
struct Doors {
    of_integration: BTreeMap<IntegrationId, u16>,
    /// Those that every network of a vendor leads to.
    of_vendor: BTreeMap<VendorId, Vec<u16>>,
    common_of_vendor: BTreeSet<VendorId>,
}

impl Doors {
    fn of(plan: &NetworkPlan) -> Self {
        let mut of_vendor: BTreeMap<VendorId, Vec<u16>> = BTreeMap::new();
        for door in plan.own_doors.iter().filter(|door| door.from_anywhere) {
            of_vendor.entry(door.owner.vendor).or_default().push(door.port);
        }
        Self {
            of_integration: plan.own_doors.iter().map(|door| (door.owner.integration, door.port)).collect(),
            of_vendor,
            common_of_vendor: plan.common_from_anywhere.iter().copied().collect(),
        }
    }

    fn is_common(&self, owner: &Owner) -> bool {
        !self.of_integration.contains_key(&owner.integration) || self.common_of_vendor.contains(&owner.vendor)
    }

    fn ports(&self, owner: &Owner) -> BTreeSet<u16> {
        let own = self.of_integration.get(&owner.integration);
        let of_vendor = self.of_vendor.get(&owner.vendor).into_iter().flatten();
        own.into_iter().chain(of_vendor).copied().collect()
    }
}

#[cfg(test)]
mod tests;
