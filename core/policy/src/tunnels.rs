//! Through whose tunnel a connection came, by its address: a network is behind one tunnel alone, so what comes out of it
//! is one vendor's.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;
use portcullis_domain::ids::{TunnelId, VendorId};
use serde::{Deserialize, Serialize};

use crate::facts::TunnelFacts;

/// A tunnel, and whose it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Through {
    pub tunnel: TunnelId,
    pub vendor: VendorId,
}

/// Every tunnel that is declared, by the networks behind it at the vendor's side.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Tunnels {
    by_network: HashMap<IpNet, Through>,
    /// Lengths of prefixes that there are, the longest first.
    lengths4: Vec<u8>,
    lengths6: Vec<u8>,
}

impl Tunnels {
    #[must_use]
    pub fn of(facts: &[TunnelFacts]) -> Self {
        let mut by_network = HashMap::new();
        let (mut lengths4, mut lengths6) = (BTreeSet::new(), BTreeSet::new());
        for tunnel in facts {
            for network in tunnel.networks.iter().map(IpNet::trunc) {
                let lengths = if network.addr().is_ipv4() { &mut lengths4 } else { &mut lengths6 };
                lengths.insert(network.prefix_len());
                // Control lets no two have the same.
                by_network.entry(network).or_insert(Through { tunnel: tunnel.id, vendor: tunnel.vendor });
            }
        }
        let longest_first = |lengths: BTreeSet<u8>| lengths.into_iter().rev().collect();
        Self { by_network, lengths4: longest_first(lengths4), lengths6: longest_first(lengths6) }
    }

    /// The tunnel that `address` is behind; an IPv4 address is the same however it is written.
    #[must_use]
    pub fn behind(&self, address: IpAddr) -> Option<Through> {
        let address = address.to_canonical();
        let lengths = if address.is_ipv4() { &self.lengths4 } else { &self.lengths6 };
        lengths.iter().find_map(|length| {
            let network = IpNet::new(address, *length).ok()?.trunc();
            self.by_network.get(&network).copied()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn facts(number: usize, networks: &[IpNet]) -> TunnelFacts {
        let id = |high: u128| Uuid::from_u128(high << 64 | number as u128);
        TunnelFacts { id: TunnelId(id(1)), vendor: VendorId(id(2)), networks: networks.to_vec() }
    }

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn an_address_is_behind_the_tunnel_whose_networks_hold_it() {
        let all = [
            facts(1, &nets(&["10.101.0.0/24", "10.7.3.9/32", "2001:db8:1::/48"])),
            facts(2, &nets(&["10.102.0.0/16", "2001:db8:2:3::/64"])),
        ];
        let tunnels = Tunnels::of(&all);
        for (address, expect) in [
            ("10.101.0.0", Some(1)),
            ("10.101.0.255", Some(1)),
            ("10.101.1.0", None),
            ("10.100.255.255", None),
            ("10.7.3.9", Some(1)),
            ("10.7.3.8", None),
            ("10.102.255.1", Some(2)),
            ("::ffff:10.102.255.1", Some(2)),
            ("2001:db8:1:ffff::1", Some(1)),
            ("2001:db8:2:3::1", Some(2)),
            ("2001:db8:2:4::1", None),
            ("127.0.0.1", None),
        ] {
            let expect = expect.map(|number: usize| {
                let tunnel = &all[number - 1];
                Through { tunnel: tunnel.id, vendor: tunnel.vendor }
            });
            assert_eq!(tunnels.behind(address.parse().unwrap()), expect, "{address}");
        }
        assert_eq!(Tunnels::default().behind(Ipv4Addr::LOCALHOST.into()), None);
    }

    /// Few bits, so that addresses meet networks.
    fn network() -> impl Strategy<Value = IpNet> {
        (any::<bool>(), 0..=255_u8, 0..=8_u8).prop_map(|(is_four, bits, length)| {
            let network = match is_four {
                true => IpNet::new(Ipv4Addr::new(10, 0, 0, bits).into(), 24 + length),
                false => {
                    IpNet::new(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, bits.into()).into(), 120 + length)
                }
            };
            network.unwrap().trunc()
        })
    }

    proptest! {
        /// Also where networks lie within others, which control doesn't let happen: the narrowest counts.
        #[test]
        fn the_narrowest_network_says_whose_it_is(
            networks in proptest::collection::btree_set(network(), 0..12),
            last in 0..=255_u8,
        ) {
            let all: Vec<_> = networks.iter().enumerate().map(|(at, network)| facts(at, &[*network])).collect();
            let tunnels = Tunnels::of(&all);
            for address in [
                IpAddr::from(Ipv4Addr::new(10, 0, 0, last)),
                Ipv4Addr::new(10, 0, 0, last).to_ipv6_mapped().into(),
                Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into()).into(),
            ] {
                let holding = all.iter().filter(|of| of.networks[0].contains(&address.to_canonical()));
                let expect = holding.max_by_key(|of| of.networks[0].prefix_len()).map(|of| of.id);
                prop_assert_eq!(tunnels.behind(address).map(|through| through.tunnel), expect);
            }
        }
    }
}
