//! The plan: which networks are whose, which doors they may come to, and which tunnels may be up.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use portcullis_ids::ids::{IntegrationId, SeveranceId, TunnelId, VendorId};
use serde::{Deserialize, Serialize};

use crate::cut::{Cut, overlap};
use crate::secret::Secret;

/// All that the enforcer keeps in force.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct NetworkPlan {
    /// Events of the ledger that it was made from; an older plan than the one in force is refused.
    pub version: u64,
    /// Whether packets outside the plan are dropped. Without it only what is closed is.
    pub segmented: bool,
    /// Where vendors' machines reach the gate.
    pub doors: Vec<SocketAddr>,
    /// Addresses that speak for many, such as balancers: they are never cut.
    pub balancers: Vec<IpNet>,
    pub segments: Vec<Segment>,
    pub tunnels: Vec<Tunnel>,
    /// Of the cuts that the enforcer holds: those that were lifted since.
    #[serde(default)]
    pub lifted: Vec<SeveranceId>,
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
    /// balancers, have a part of. Sorted, each once.
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
            .collect();
        closed.sort();
        closed.dedup();
        closed
    }

    /// Networks with their owners: those in front of the gate, and those behind tunnels.
    pub fn owned(&self) -> impl Iterator<Item = (&Owner, Standing, &[IpNet])> {
        let segments = self.segments.iter().map(|of| (&of.owner, of.standing, &*of.networks));
        segments.chain(self.tunnels.iter().map(|of| (&of.owner, of.standing, &*of.remote_networks)))
    }

    /// The plan with cuts that it may not know of yet: what they name is closed, whatever the plan says.
    #[must_use]
    pub fn with_cuts<'a>(mut self, cuts: impl IntoIterator<Item = &'a Cut>) -> Self {
        for cut in cuts {
            let closed = Standing::Closed { why: ClosedBy::Severance { severance: cut.severance } };
            for tunnel in &mut self.tunnels {
                if cut.tunnels.iter().any(|cut| cut.id == tunnel.id) {
                    tunnel.standing = closed;
                }
            }
            let (mut segments, mut unseen) = (Vec::new(), cut.networks.clone());
            for Segment { owner, networks, standing } in self.segments.drain(..) {
                let (gone, left): (Vec<_>, Vec<_>) =
                    networks.into_iter().partition(|network| cut.networks.contains(network));
                unseen.retain(|network| !gone.contains(network));
                let parts = [(gone, closed), (left, standing)];
                let parts = parts.into_iter().filter(|(networks, _)| !networks.is_empty());
                segments.extend(parts.map(|(networks, standing)| Segment {
                    owner: owner.clone(),
                    networks,
                    standing,
                }));
            }
            // Behind its tunnels, or of what is declared no more.
            if !unseen.is_empty() {
                segments.push(Segment { owner: cut.owner.clone(), networks: unseen, standing: closed });
            }
            self.segments = segments;
        }
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
}
