//! What stays cut when a severance is told anew, from declarations that have changed meanwhile.

use ipnet::IpNet;

use crate::cut::{Cut, CutTunnel, is_too_wide};

impl Cut {
    /// This cut with all that was held of the same severance before. What is declared no more stays closed, and only what
    /// others share by now is left to the gate.
    #[must_use]
    pub fn holding(mut self, before: &Self) -> Self {
        for network in &before.networks {
            let mut left = vec![*network];
            // A network that is too wide to be dropped opens no part that was held by itself.
            for shared in self.shared.iter().filter(|shared| !is_too_wide(shared.network)) {
                left = left.into_iter().flat_map(|part| without(part, shared.network)).collect();
            }
            self.networks.extend(left);
        }
        self.networks.sort();
        self.networks.dedup();
        // Under other credentials it is another connection or peer, and both go.
        let is_new = |tunnel: &&CutTunnel| !self.tunnels.contains(*tunnel);
        let tunnels: Vec<_> = before.tunnels.iter().filter(is_new).cloned().collect();
        self.tunnels.extend(tunnels);
        // Of a vendor without networks or tunnels nobody knows the name.
        if self.owner.vendor_name.is_empty() {
            self.owner = before.owner.clone();
        }
        self
    }

    /// Whether closing this closes all of the other one.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        other.networks.iter().all(|network| self.networks.contains(network))
            && other.tunnels.iter().all(|tunnel| self.tunnels.contains(tunnel))
    }
}

/// What is left of a network without a hole, in as few prefixes as there can be: at most one for each bit.
fn without(network: IpNet, hole: IpNet) -> Vec<IpNet> {
    if hole.contains(&network) {
        return Vec::new();
    }
    if !network.contains(&hole) {
        return vec![network];
    }
    let (mut left, mut around) = (Vec::new(), network);
    while around.prefix_len() < hole.prefix_len() {
        let Ok(halves) = around.trunc().subnets(around.prefix_len().saturating_add(1)) else { break };
        for half in halves {
            if half.contains(&hole) {
                around = half;
            } else {
                left.push(half);
            }
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use portcullis_ids::ids::{IntegrationId, SeveranceId, TunnelId, VendorId};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::cut::{CutLink, Shared};
    use crate::plan::Owner;

    fn cut(name: &str, networks: &[&str], shared: &[&str], connections: &[&str]) -> Cut {
        let tunnels = connections.iter().map(|connection| CutTunnel {
            id: TunnelId(Uuid::from_u128(5)),
            name: "acme".to_owned(),
            link: CutLink::Ipsec { connection: (*connection).to_owned() },
        });
        let shared = shared
            .iter()
            .map(|network| Shared { network: network.parse().unwrap(), with: "vendor/other".to_owned() });
        Cut {
            severance: SeveranceId(Uuid::from_u128(9)),
            owner: Owner {
                vendor: VendorId(Uuid::from_u128(1)),
                vendor_name: name.to_owned(),
                integration: IntegrationId(Uuid::nil()),
                integration_name: String::new(),
            },
            networks: networks.iter().map(|network| network.parse().unwrap()).collect(),
            shared: shared.collect(),
            tunnels: tunnels.collect(),
        }
    }

    #[test]
    fn what_is_declared_no_more_stays_cut_and_what_is_shared_by_now_does_not() {
        let held = cut("acme", &["192.0.2.0/28", "198.51.100.0/24", "2001:db8:1::/48"], &[], &["a"]);
        let shared = ["192.0.0.0/8", "198.51.100.64/26", "2001:db8:1::/48"];
        let anew = cut("", &["203.0.113.0/24"], &shared, &["b"]);
        let both = anew.clone().holding(&held);
        let texts: Vec<String> = both.networks.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["192.0.2.0/28", "198.51.100.0/26", "198.51.100.128/25", "203.0.113.0/24"]);
        assert_eq!((both.tunnels.len(), both.shared.len(), &*both.owner.vendor_name), (2, 3, "acme"));
        assert!(both.includes(&anew) && !both.includes(&held) && !anew.includes(&both));
        // Told once more, nothing changes.
        assert_eq!(anew.clone().holding(&both), both);
        assert_eq!(anew.holding(&both.clone()).holding(&both), both);
    }

    proptest! {
        #[test]
        fn a_hole_is_all_that_is_missing(
            network in (any::<u32>(), 20_u8..=32), hole in (any::<u8>(), 20_u8..=32), asked: u8,
        ) {
            let net = |address: u32, length| IpNet::new(std::net::Ipv4Addr::from(address).into(), length).unwrap().trunc();
            let base = network.0 & !0xff;
            let network = net(network.0, network.1);
            let hole = net(base | u32::from(hole.0), hole.1);
            let left = without(network, hole);
            let asked = std::net::IpAddr::from(std::net::Ipv4Addr::from(base | u32::from(asked)));
            let is_left = left.iter().filter(|part| part.contains(&asked)).count();
            prop_assert_eq!(is_left, usize::from(network.contains(&asked) && !hole.contains(&asked)));
        }
    }
}
