//! What of a plan goes when a vendor or an integration is severed.

use ipnet::IpNet;
use portcullis_ids::ids::{IntegrationId, SeveranceId, TunnelId, VendorId};
use serde::{Deserialize, Serialize};

use crate::plan::{Link, NetworkPlan, Owner, Tunnel};

/// Whom a severance is about, as far as networks know them: a client has no network of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Scope {
    Vendor { id: VendorId },
    Integration { id: IntegrationId },
}

impl Scope {
    #[must_use]
    pub fn holds(self, owner: &Owner) -> bool {
        match self {
            Self::Vendor { id } => owner.vendor == id,
            Self::Integration { id } => owner.integration == id,
        }
    }

    /// An owner for what has no network in the plan.
    fn nobody(self) -> Owner {
        let (vendor, integration) = match self {
            Self::Vendor { id } => (id, IntegrationId(uuid::Uuid::nil())),
            Self::Integration { id } => (VendorId(uuid::Uuid::nil()), id),
        };
        Owner { vendor, vendor_name: String::new(), integration, integration_name: String::new() }
    }
}

/// What the arms close.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Cut {
    pub severance: SeveranceId,
    /// Of all of it; with a vendor's severance, of one of its integrations.
    pub owner: Owner,
    /// Nobody else's.
    pub networks: Vec<IpNet>,
    /// These are left to the gate.
    pub shared: Vec<Shared>,
    pub tunnels: Vec<CutTunnel>,
}

impl Cut {
    /// Whether any arm has something to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && self.tunnels.is_empty()
    }
}

/// Addresses that a severance can't drop, since others come from them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shared {
    pub network: IpNet,
    /// `a balancer`, or the vendor or integration that has it too.
    pub with: String,
}

/// A tunnel that goes down. It carries no credentials: closing needs none.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CutTunnel {
    pub id: TunnelId,
    pub name: String,
    pub link: CutLink,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum CutLink {
    Ipsec { connection: String },
    Wireguard { interface: String, peer_public_key: Option<String> },
}

impl From<&Tunnel> for CutTunnel {
    fn from(tunnel: &Tunnel) -> Self {
        let link = match &tunnel.link {
            Link::Ipsec(ipsec) => CutLink::Ipsec { connection: ipsec.connection.clone() },
            Link::Wireguard(wireguard) => CutLink::Wireguard {
                interface: wireguard.interface.clone(),
                peer_public_key: wireguard.peer_public_key.clone(),
            },
        };
        Self { id: tunnel.id, name: tunnel.name.clone(), link }
    }
}

impl NetworkPlan {
    /// What closing `scope` takes away. A network that others have a part of is left to the gate.
    #[must_use]
    pub fn cut(&self, scope: Scope, severance: SeveranceId) -> Cut {
        let of_scope = || self.owned().filter(|(owner, _, _)| scope.holds(owner));
        let mut own: Vec<IpNet> = of_scope().flat_map(|(_, _, networks)| networks.iter().copied()).collect();
        let owner = of_scope().next().map_or_else(|| scope.nobody(), |(owner, _, _)| owner.clone());
        own.sort();
        own.dedup();
        let (mut networks, mut shared) = (Vec::new(), Vec::new());
        for network in own {
            match self.shared_with(network, scope) {
                Some(with) => shared.push(Shared { network, with }),
                None => networks.push(network),
            }
        }
        let tunnels = self.tunnels.iter().filter(|tunnel| scope.holds(&tunnel.owner)).map(CutTunnel::from);
        Cut { severance, owner, networks, shared, tunnels: tunnels.collect() }
    }

    fn shared_with(&self, network: IpNet, scope: Scope) -> Option<String> {
        if self.balancers.iter().any(|balancer| overlap(*balancer, network)) {
            return Some("a balancer".to_owned());
        }
        let mut others = self.owned().filter(|(owner, _, _)| !scope.holds(owner));
        let other = others.find(|(_, _, networks)| networks.iter().any(|other| overlap(*other, network)));
        other.map(|(owner, _, _)| match scope {
            Scope::Vendor { .. } => format!("vendor/{}", owner.vendor_name),
            Scope::Integration { .. } => format!("integration/{}", owner.integration_name),
        })
    }
}

/// Whether two networks have an address in common.
#[must_use]
pub fn overlap(one: IpNet, other: IpNet) -> bool {
    one.contains(&other) || other.contains(&one)
}

#[cfg(test)]
mod tests {
    use portcullis_ids::ids::{IntegrationId, SeveranceId, VendorId};
    use uuid::Uuid;

    use super::*;
    use crate::plan::{Segment, Standing};

    fn owner(vendor: u128, integration: u128) -> Owner {
        Owner {
            vendor: VendorId(Uuid::from_u128(vendor)),
            vendor_name: format!("vendor-{vendor}"),
            integration: IntegrationId(Uuid::from_u128(integration)),
            integration_name: format!("integration-{integration}"),
        }
    }

    fn segment(vendor: u128, integration: u128, networks: &[&str]) -> Segment {
        let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
        Segment { owner: owner(vendor, integration), networks, standing: Standing::Open }
    }

    #[test]
    fn what_others_come_from_is_left_to_the_gate() {
        let plan = NetworkPlan {
            balancers: vec!["10.9.0.0/24".parse().unwrap()],
            segments: vec![
                segment(1, 11, &["192.0.2.0/28", "198.51.100.7/32", "10.9.0.8/32"]),
                segment(1, 12, &["192.0.2.16/28", "192.0.2.0/28"]),
                segment(2, 21, &["198.51.100.0/24", "2001:db8::/32"]),
            ],
            ..NetworkPlan::default()
        };
        let severance = SeveranceId(Uuid::from_u128(9));
        let of_vendor = plan.cut(Scope::Vendor { id: VendorId(Uuid::from_u128(1)) }, severance);
        let texts = |networks: &[IpNet]| networks.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(texts(&of_vendor.networks), ["192.0.2.0/28", "192.0.2.16/28"]);
        let shared: Vec<_> =
            of_vendor.shared.iter().map(|shared| format!("{} {}", shared.network, shared.with)).collect();
        assert_eq!(shared, ["10.9.0.8/32 a balancer", "198.51.100.7/32 vendor/vendor-2"]);
        // Two integrations of one vendor: closing one must not close the other.
        let of_one = plan.cut(Scope::Integration { id: IntegrationId(Uuid::from_u128(12)) }, severance);
        assert_eq!(texts(&of_one.networks), ["192.0.2.16/28"]);
        assert_eq!(of_one.shared.first().unwrap().with, "integration/integration-11");
    }
}
