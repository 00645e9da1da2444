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
    /// Of all of it; with a vendor's severance, of none of its integrations.
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

    /// Whom it is about.
    #[must_use]
    pub fn scope(&self) -> Scope {
        match self.owner.integration {
            none if none.0.is_nil() => Scope::Vendor { id: self.owner.vendor },
            id => Scope::Integration { id },
        }
    }
}

/// Addresses that a severance can't drop, since others come from them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shared {
    pub network: IpNet,
    /// `a balancer`, the vendor or integration that has it too, or what of ours is in it.
    pub with: String,
}

/// What no severance of somebody else may drop, though it is nobody's declared network.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Protected {
    pub network: IpNet,
    /// `upstream/NAME`, `this host`, `a machine of vendor/NAME`.
    pub what: String,
    /// Whose machine it is: a severance of its owner spares it not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
}

/// Shorter prefixes than these are no one vendor's: who drops one drops half a world, and itself.
const FOUR_BITS_MIN: u8 = 16;
const SIX_BITS_MIN: u8 = 48;

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
        let mut owner = of_scope().next().map_or_else(|| scope.nobody(), |(owner, _, _)| owner.clone());
        if matches!(scope, Scope::Vendor { .. }) {
            (owner.integration, owner.integration_name) = (IntegrationId(uuid::Uuid::nil()), String::new());
        }
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
        if let Some(with) = self.spared(network, Some(scope)) {
            return Some(with);
        }
        let mut others = self.owned().filter(|(owner, _, _)| !scope.holds(owner));
        let other = others.find(|(_, _, networks)| networks.iter().any(|other| overlap(*other, network)));
        other.map(|(owner, _, _)| match scope {
            Scope::Vendor { .. } => format!("vendor/{}", owner.vendor_name),
            Scope::Integration { .. } => format!("integration/{}", owner.integration_name),
        })
    }
}

impl NetworkPlan {
    /// What is in a network that can't be dropped with it: too many others, the gate itself, or what is protected. Without
    /// a scope, whoever owns that.
    pub(crate) fn spared(&self, network: IpNet, scope: Option<Scope>) -> Option<String> {
        if is_too_wide(network) {
            return Some(format!("everybody else in a network wider than /{}", bits_min(network)));
        }
        if self.doors.iter().any(|door| network.contains(&door.ip().to_canonical())) {
            return Some("the gate".to_owned());
        }
        let is_own = |of: &Protected| {
            of.owner.as_ref().is_some_and(|owner| scope.is_some_and(|scope| scope.holds(owner)))
        };
        let found = self.protected.iter().find(|of| overlap(of.network, network) && !is_own(of));
        found.map(|of| of.what.clone())
    }
}

fn bits_min(network: IpNet) -> u8 {
    if network.addr().is_ipv4() { FOUR_BITS_MIN } else { SIX_BITS_MIN }
}

/// Whether it is wider than any one vendor's.
#[must_use]
pub fn is_too_wide(network: IpNet) -> bool {
    network.prefix_len() < bits_min(network)
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
    fn what_is_too_wide_or_has_something_of_ours_in_it_is_left_to_the_gate() {
        let networks = [
            "0.0.0.0/0",
            "10.0.0.0/8",
            "10.7.0.0/16",
            "52.0.0.0/10",
            "192.0.2.0/24",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "2001:db8::/32",
            "2001:db8:1::/48",
        ];
        let protected = |network: &str, what: &str, owner| Protected {
            network: network.parse().unwrap(),
            what: what.to_owned(),
            owner,
        };
        let plan = NetworkPlan {
            doors: vec!["192.0.2.9:443".parse().unwrap()],
            protected: vec![
                protected("198.51.100.20/32", "upstream/tracking", None),
                protected("203.0.113.5/32", "a machine of vendor/vendor-1", Some(owner(1, 12))),
            ],
            segments: vec![segment(1, 11, &networks)],
            ..NetworkPlan::default()
        };
        let check = |scope, left: &[&str], spared: &[&str]| {
            let cut = plan.cut(scope, SeveranceId(Uuid::from_u128(9)));
            assert_eq!(cut.networks.iter().map(ToString::to_string).collect::<Vec<_>>(), left);
            let of = |shared: &Shared| format!("{} {}", shared.network, shared.with);
            assert_eq!(cut.shared.iter().map(of).collect::<Vec<_>>(), spared);
        };
        let wide = "everybody else in a network wider than /16";
        let spared = [
            format!("0.0.0.0/0 {wide}"),
            format!("10.0.0.0/8 {wide}"),
            format!("52.0.0.0/10 {wide}"),
            "192.0.2.0/24 the gate".to_owned(),
            "198.51.100.0/24 upstream/tracking".to_owned(),
            "203.0.113.0/24 a machine of vendor/vendor-1".to_owned(),
            "2001:db8::/32 everybody else in a network wider than /48".to_owned(),
        ];
        let mut spared: Vec<&str> = spared.iter().map(String::as_str).collect();
        let of_one = Scope::Integration { id: IntegrationId(Uuid::from_u128(11)) };
        check(of_one, &["10.7.0.0/16", "2001:db8:1::/48"], &spared);
        // A machine of the severed vendor protects nothing of it.
        spared.remove(5);
        let left = ["10.7.0.0/16", "203.0.113.0/24", "2001:db8:1::/48"];
        check(Scope::Vendor { id: VendorId(Uuid::from_u128(1)) }, &left, &spared);
        // The plan closes no more than the cut did.
        let severance = SeveranceId(Uuid::from_u128(9));
        let standing = Standing::Closed { why: crate::plan::ClosedBy::Severance { severance } };
        let mut closed = plan.clone();
        closed.protected.pop();
        closed.segments[0].standing = standing;
        let texts: Vec<_> = closed.closed_networks().iter().map(ToString::to_string).collect();
        assert_eq!(texts, left);
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
        let vendor = Scope::Vendor { id: VendorId(Uuid::from_u128(1)) };
        let of_vendor = plan.cut(vendor, severance);
        assert_eq!((of_vendor.scope(), &*of_vendor.owner.vendor_name), (vendor, "vendor-1"));
        let texts = |networks: &[IpNet]| networks.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(texts(&of_vendor.networks), ["192.0.2.0/28", "192.0.2.16/28"]);
        let shared: Vec<_> =
            of_vendor.shared.iter().map(|shared| format!("{} {}", shared.network, shared.with)).collect();
        assert_eq!(shared, ["10.9.0.8/32 a balancer", "198.51.100.7/32 vendor/vendor-2"]);
        // Two integrations of one vendor: closing one must not close the other.
        let of_one = plan.cut(Scope::Integration { id: IntegrationId(Uuid::from_u128(12)) }, severance);
        assert_eq!(texts(&of_one.networks), ["192.0.2.16/28"]);
        assert_eq!(of_one.shared.first().unwrap().with, "integration/integration-11");
        assert_eq!(of_one.scope(), Scope::Integration { id: IntegrationId(Uuid::from_u128(12)) });
        let none = Scope::Integration { id: IntegrationId(Uuid::from_u128(99)) };
        assert_eq!(plan.cut(none, severance).scope(), none);
    }
}
