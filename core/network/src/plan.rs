//! The plan: which networks are whose, which doors they may come to, and which tunnels may be up.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use portcullis_ids::ids::{IntegrationId, SeveranceId, TunnelId, VendorId};
use serde::{Deserialize, Serialize};

use crate::cut::{Cut, Protected, overlap};
use crate::secret::Secret;

/// All that the enforcer keeps in force.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct NetworkPlan {
    /// Events of the ledger that it was made from; an older plan than the one in force is refused.
    pub version: u64,
    /// Whether packets outside the plan are dropped. Without it only what is closed is.
    pub segmented: bool,
    /// Where vendors' machines reach the gate, but for those of integrations with a door of their own.
    pub doors: Vec<SocketAddr>,
    /// Ports at the same addresses that are one integration's each.
    #[serde(default)]
    pub own_doors: Vec<OwnDoor>,
    /// Of the vendors of these: those whose networks all lead to the common doors, too, since one of their integrations is
    /// served there and names no networks.
    #[serde(default)]
    pub common_from_anywhere: Vec<VendorId>,
    /// Addresses that speak for many, such as balancers: they are never cut.
    pub balancers: Vec<IpNet>,
    /// Nor are these, by a severance of others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protected: Vec<Protected>,
    pub segments: Vec<Segment>,
    pub tunnels: Vec<Tunnel>,
    /// Of the cuts that the enforcer holds: those that were lifted since.
    #[serde(default)]
    pub lifted: Vec<SeveranceId>,
    /// Networks of cuts that are held: closed though others have a part of them by now. The enforcer alone knows them.
    #[serde(skip)]
    pub held: Vec<IpNet>,
}

/// A port of the gate that is an integration's alone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OwnDoor {
    pub port: u16,
    pub owner: Owner,
    /// Its contract names no networks, or some that packets don't show: each of its vendor's leads there.
    pub from_anywhere: bool,
}

/// The networks that an integration's machines come from.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Segment {
    pub owner: Owner,
    pub networks: Vec<IpNet>,
    pub standing: Standing,
}

/// Whose it is: ids, which never change hands, with the names that people read.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Owner {
    pub vendor: VendorId,
    pub vendor_name: String,
    pub integration: IntegrationId,
    pub integration_name: String,
}

/// Whether packets may pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "standing")]
pub enum Standing {
    Open,
    Closed { why: ClosedBy },
}

impl Standing {
    #[must_use]
    pub fn is_open(self) -> bool {
        self == Self::Open
    }
}

/// What closes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum ClosedBy {
    Severance {
        severance: SeveranceId,
    },
    /// No contract or grant is in force.
    Contract,
    /// The vendor may have nothing now.
    Access,
    /// No credentials were issued yet, or those that were are of a time before a severance.
    Credentials,
}

/// An encrypted link to one vendor's network, or to the machine of one of its people.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Tunnel {
    pub id: TunnelId,
    pub name: String,
    pub owner: Owner,
    pub link: Link,
    /// Behind it at our side: what the vendor may reach through it, before the packet filter.
    pub local_networks: Vec<IpNet>,
    /// Behind it at the vendor's side.
    pub remote_networks: Vec<IpNet>,
    pub standing: Standing,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Link {
    Ipsec(Box<Ipsec>),
    Wireguard(Box<Wireguard>),
}

/// IKEv2 (RFC 7296) by charon.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Ipsec {
    /// Name of the connection in charon, ours alone.
    pub connection: String,
    /// Ours; any without it.
    pub local_address: Option<IpAddr>,
    pub peer_address: Option<IpAddr>,
    pub local_identity: String,
    pub peer_identity: String,
    pub ike_proposals: Vec<String>,
    pub esp_proposals: Vec<String>,
    /// ESP in UDP at all times (RFC 3948), as user-space ESP needs it.
    pub encapsulate: bool,
    /// None while there are no credentials: the tunnel is closed then.
    pub authentication: Option<Authentication>,
    /// Of a person's machine, which comes from anywhere: the one address that it is given inside of the tunnel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_address: Option<IpAddr>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum Authentication {
    PresharedKey {
        key: Secret,
    },
    /// PEM each.
    Certificate {
        certificate: String,
        private_key: Secret,
        /// The one certificate that the peer must show.
        peer_certificate: String,
        authority: String,
    },
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Wireguard {
    /// The interface at our side, which may serve several peers.
    pub interface: String,
    /// Base64, 32 bytes. None while there are no credentials.
    pub peer_public_key: Option<String>,
    pub preshared_key: Option<Secret>,
    pub endpoint: Option<SocketAddr>,
    pub keepalive_seconds: Option<u16>,
    /// Of our interface; one that has a key already keeps it where there is none here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key: Option<Secret>,
    /// UDP port of our interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen_port: Option<u16>,
}

impl NetworkPlan {
    /// Networks from and to which nothing may pass: those of closed owners, less what others that are open, or
    /// balancers, have a part of, and what can't be dropped. What a cut holds is less what balancers have alone: nobody opens
    /// a severed network by declaring a part of it. Sorted, each once.
    #[must_use]
    pub fn closed_networks(&self) -> Vec<IpNet> {
        let open: Vec<IpNet> = self
            .owned()
            .filter(|(_, standing, _)| standing.is_open())
            .flat_map(|(_, _, networks)| networks.iter().copied())
            .chain(self.balancers.iter().copied())
            .collect();
        let closed = self.owned().filter(|(_, standing, _)| !standing.is_open());
        let mut closed: Vec<IpNet> = closed
            .flat_map(|(_, _, networks)| networks.iter().copied())
            .filter(|network| !open.iter().any(|other| overlap(*other, *network)))
            .filter(|network| self.spared(*network, None).is_none())
            .collect();
        let is_balanced = |network: &IpNet| self.balancers.iter().any(|other| overlap(*other, *network));
        closed.extend(self.held.iter().copied().filter(|network| !is_balanced(network)));
        closed.sort();
        closed.dedup();
        closed
    }

    /// Networks with their owners: those in front of the gate, and those behind tunnels.
    pub fn owned(&self) -> impl Iterator<Item = (&Owner, Standing, &[IpNet])> {
        let segments = self.segments.iter().map(|of| (&of.owner, of.standing, &*of.networks));
        segments.chain(self.tunnels.iter().map(|of| (&of.owner, of.standing, &*of.remote_networks)))
    }

    /// The plan with cuts that it may not know of yet: what they name is closed, whatever the plan says. One pass over the
    /// plan, however many cuts there are.
    #[must_use]
    pub fn with_cuts<'a>(mut self, cuts: impl IntoIterator<Item = &'a Cut>) -> Self {
        let cuts: Vec<&Cut> = cuts.into_iter().collect();
        let closed = |severance| Standing::Closed { why: ClosedBy::Severance { severance } };
        let of_tunnels = |cut: &'a Cut| cut.tunnels.iter().map(|tunnel| (tunnel.id, cut.severance));
        let tunnels: BTreeMap<TunnelId, SeveranceId> = cuts.iter().copied().flat_map(of_tunnels).collect();
        let of_networks = |cut: &'a Cut| cut.networks.iter().map(|network| (*network, cut.severance));
        let networks: BTreeMap<IpNet, SeveranceId> = cuts.iter().copied().flat_map(of_networks).collect();
        for tunnel in &mut self.tunnels {
            if let Some(severance) = tunnels.get(&tunnel.id) {
                tunnel.standing = closed(*severance);
            }
        }
        let mut seen = BTreeSet::new();
        let mut segments = Vec::with_capacity(self.segments.len());
        for mut segment in self.segments.drain(..) {
            let mut gone: BTreeMap<SeveranceId, Vec<IpNet>> = BTreeMap::new();
            segment.networks.retain(|network| match networks.get(network) {
                Some(severance) => {
                    seen.insert(*network);
                    gone.entry(*severance).or_default().push(*network);
                    false
                }
                None => true,
            });
            segments.extend(gone.into_iter().map(|(severance, networks)| Segment {
                networks,
                standing: closed(severance),
                ..segment.clone()
            }));
            if !segment.networks.is_empty() {
                segments.push(segment);
            }
        }
        // Behind its tunnels, or of what is declared no more.
        for cut in cuts {
            let is_left = |of: &&IpNet| networks.get(of) == Some(&cut.severance) && !seen.contains(*of);
            let left: Vec<IpNet> = cut.networks.iter().filter(is_left).copied().collect();
            if !left.is_empty() {
                let standing = closed(cut.severance);
                segments.push(Segment { owner: cut.owner.clone(), networks: left, standing });
            }
        }
        self.segments = segments;
        self.held.extend(networks.into_keys());
        self.held.sort();
        self.held.dedup();
        self
    }
}

#[cfg(test)]
mod tests {
    use portcullis_ids::ids::{IntegrationId, VendorId};
    use uuid::Uuid;

    use super::*;
    use crate::cut::Scope;

    fn owner(vendor: u128, integration: u128) -> Owner {
        Owner {
            vendor: VendorId(Uuid::from_u128(vendor)),
            vendor_name: format!("vendor-{vendor}"),
            integration: IntegrationId(Uuid::from_u128(integration)),
            integration_name: format!("integration-{integration}"),
        }
    }

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn plan() -> NetworkPlan {
        let tunnel = Tunnel {
            id: TunnelId(Uuid::from_u128(5)),
            name: "acme-wg".to_owned(),
            owner: owner(1, 11),
            link: Link::Wireguard(Box::new(Wireguard {
                interface: "wg0".to_owned(),
                peer_public_key: None,
                preshared_key: None,
                endpoint: None,
                keepalive_seconds: None,
                private_key: None,
                listen_port: None,
            })),
            local_networks: nets(&["10.0.0.1/32"]),
            remote_networks: nets(&["10.101.0.0/24"]),
            standing: Standing::Open,
        };
        let segment = |vendor, integration, networks: &[&str]| Segment {
            owner: owner(vendor, integration),
            networks: nets(networks),
            standing: Standing::Open,
        };
        NetworkPlan {
            segments: vec![
                segment(1, 11, &["192.0.2.0/28", "198.51.100.7/32"]),
                segment(2, 21, &["198.51.100.0/24"]),
            ],
            tunnels: vec![tunnel],
            ..NetworkPlan::default()
        }
    }

    #[test]
    fn a_cut_holds_in_a_plan_that_does_not_know_of_it() {
        let severance = SeveranceId(Uuid::from_u128(9));
        let cut = plan().cut(Scope::Vendor { id: VendorId(Uuid::from_u128(1)) }, severance);
        let before = plan();
        assert!(before.closed_networks().is_empty());
        let after = before.clone().with_cuts([&cut]);
        assert_eq!(after.closed_networks(), nets(&["10.101.0.0/24", "192.0.2.0/28"]));
        assert!(after.tunnels.iter().all(|tunnel| !tunnel.standing.is_open()));
        // What the other vendor has a part of is left to the gate, and stays in the plan.
        let open = after.segments.iter().filter(|segment| segment.standing.is_open());
        let open: Vec<_> = open.flat_map(|segment| segment.networks.clone()).collect();
        assert_eq!(open, nets(&["198.51.100.7/32", "198.51.100.0/24"]));
        // Twice is as once; and the vendor may be declared no more.
        assert_eq!(after.clone().with_cuts([&cut]).closed_networks(), after.closed_networks());
        assert_eq!(NetworkPlan::default().with_cuts([&cut]).closed_networks(), after.closed_networks());
    }

    #[test]
    fn nobody_opens_what_is_cut_by_declaring_a_part_of_it_and_a_balancer_does() {
        let severance = SeveranceId(Uuid::from_u128(9));
        let cut = plan().cut(Scope::Vendor { id: VendorId(Uuid::from_u128(1)) }, severance);
        let closed = nets(&["10.101.0.0/24", "192.0.2.0/28"]);
        let mut later = plan();
        later.segments.push(Segment {
            owner: owner(3, 31),
            networks: nets(&["192.0.2.4/32", "10.101.0.0/16"]),
            standing: Standing::Open,
        });
        assert_eq!(later.clone().with_cuts([&cut]).closed_networks(), closed);
        later.balancers = nets(&["192.0.2.5/32"]);
        assert_eq!(later.with_cuts([&cut]).closed_networks(), nets(&["10.101.0.0/24"]));
    }

    #[test]
    fn many_cuts_are_each_in_the_plan_under_their_own_name() {
        let severance = |number| SeveranceId(Uuid::from_u128(number));
        let first = plan().cut(Scope::Vendor { id: VendorId(Uuid::from_u128(1)) }, severance(1));
        let second = plan().cut(Scope::Integration { id: IntegrationId(Uuid::from_u128(11)) }, severance(2));
        let other = NetworkPlan { segments: plan().segments.split_off(1), ..NetworkPlan::default() }
            .cut(Scope::Vendor { id: VendorId(Uuid::from_u128(2)) }, severance(3));
        let after = plan().with_cuts([&first, &second, &other]);
        let of = |network: &str| {
            let network: IpNet = network.parse().unwrap();
            let of: Vec<_> = after.owned().filter(|(_, _, networks)| networks.contains(&network)).collect();
            of.iter().map(|(owner, standing, _)| (owner.vendor.0.as_u128(), *standing)).collect::<Vec<_>>()
        };
        let closed = |number| Standing::Closed { why: ClosedBy::Severance { severance: severance(number) } };
        assert_eq!(of("192.0.2.0/28"), [(1, closed(2))]);
        assert_eq!(of("198.51.100.0/24"), [(2, closed(3))]);
        assert_eq!(of("198.51.100.7/32"), [(1, Standing::Open)]);
        // Behind a tunnel alone: a segment of its own says it, and the tunnel is down.
        assert_eq!(of("10.101.0.0/24"), [(1, closed(2)), (1, closed(2))]);
        assert_eq!(after.clone().with_cuts([&first, &second, &other]), after);
    }
}
