use std::net::IpAddr;

use portcullis_ids::ids::{IntegrationId, SeveranceId, TunnelId, VendorId};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::plan::{ClosedBy, Ipsec, Link, OwnDoor, Segment, Standing, Tunnel, Wireguard};

fn owner(vendor: u128, integration: u128) -> Owner {
    Owner {
        vendor: VendorId(Uuid::from_u128(vendor)),
        vendor_name: format!("vendor-{vendor}"),
        integration: IntegrationId(Uuid::from_u128(integration)),
        integration_name: format!("integration-{integration}"),
    }
}

fn segment(vendor: u128, integration: u128, networks: &[&str], standing: Standing) -> Segment {
    let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
    Segment { owner: owner(vendor, integration), networks, standing }
}

fn severed() -> Standing {
    Standing::Closed { why: ClosedBy::Severance { severance: SeveranceId(Uuid::from_u128(9)) } }
}

fn plan() -> NetworkPlan {
    let ipsec = Ipsec {
        connection: "portcullis-acme".to_owned(),
        local_address: None,
        peer_address: Some("203.0.113.5".parse().unwrap()),
        virtual_address: None,
        local_identity: "gate".to_owned(),
        peer_identity: "acme".to_owned(),
        ike_proposals: Vec::new(),
        esp_proposals: Vec::new(),
        encapsulate: false,
        authentication: None,
    };
    let wireguard = Wireguard {
        interface: "wg0".to_owned(),
        peer_public_key: None,
        preshared_key: None,
        private_key: None,
        listen_port: Some(51_820),
        endpoint: None,
        keepalive_seconds: None,
    };
    let tunnel = |id, of, link, networks: &[&str]| Tunnel {
        id: TunnelId(Uuid::from_u128(id)),
        name: format!("tunnel-{id}"),
        owner: owner(of, of * 10 + 1),
        link,
        local_networks: vec!["10.0.0.1/32".parse().unwrap()],
        remote_networks: networks.iter().map(|network| network.parse().unwrap()).collect(),
        standing: Standing::Open,
    };
    NetworkPlan {
        version: 42,
        segmented: true,
        doors: ["10.0.0.1:443", "[2001:db8:f::1]:443", "0.0.0.0:8443"]
            .map(|door| door.parse().unwrap())
            .into(),
        own_doors: vec![
            OwnDoor { port: 8451, owner: owner(1, 12), from_anywhere: false },
            OwnDoor { port: 8452, owner: owner(3, 31), from_anywhere: false },
            OwnDoor { port: 8453, owner: owner(4, 41), from_anywhere: false },
            OwnDoor { port: 8454, owner: owner(2, 22), from_anywhere: true },
        ],
        common_from_anywhere: Vec::new(),
        balancers: vec!["10.9.0.0/24".parse().unwrap()],
        protected: Vec::new(),
        segments: vec![
            segment(1, 11, &["192.0.2.0/24", "2001:db8::/48"], Standing::Open),
            segment(1, 12, &["192.0.2.64/26"], Standing::Open),
            segment(2, 21, &["198.51.100.7/32", "192.0.2.128/32"], Standing::Open),
            segment(3, 31, &["198.51.100.7/32"], Standing::Open),
            segment(4, 41, &["203.0.113.128/25", "203.0.113.192/26", "2001:db8:4::/48"], severed()),
        ],
        tunnels: vec![
            tunnel(1, 1, Link::Ipsec(Box::new(ipsec)), &["10.101.0.0/24"]),
            tunnel(2, 2, Link::Wireguard(Box::new(wireguard)), &["10.102.0.0/24"]),
        ],
        lifted: Vec::new(),
        held: Vec::new(),
    }
}

#[test]
fn the_tables_are_as_they_are_written() {
    let tables: Vec<String> = tables(&plan()).iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(tables.join("\n"));
}

#[test]
fn without_segments_only_what_is_closed_is_dropped() {
    let tables = tables(&NetworkPlan { segmented: false, ..plan() });
    let [closed] = &*tables else { panic!("one table") };
    assert_eq!(closed.name, CLOSED);
    let keys: Vec<_> = closed.set("from4").unwrap().elements.iter().map(|of| &*of.key).collect();
    // The narrower one is within the wider.
    assert_eq!(keys, ["203.0.113.128/25"]);
}

#[test]
fn counters_go_on_where_they_were() {
    let name = format!("outside-{}", Uuid::from_u128(2));
    let counts = BTreeMap::from([(name.clone(), Count { packets: 7, bytes: 420 })]);
    let table = segments(&plan(), &counts);
    let counter = table.counters.iter().find(|counter| counter.name == name).unwrap();
    assert_eq!(counter.count.packets, 7);
    assert_eq!(vendor_of_counter(&name), Some(VendorId(Uuid::from_u128(2))));
    assert_eq!(vendor_of_counter(COUNTER_SHARED), None);
    let comment = closed_comment(&owner(4, 41), severed());
    assert_eq!(vendor_of_comment(&comment), Some(VendorId(Uuid::from_u128(4))));
}

#[test]
fn what_people_have_named_can_not_leave_its_quotes() {
    let mut plan = plan();
    for segment in &mut plan.segments {
        segment.owner.vendor_name = "a\" }\nflush ruleset # {".to_owned();
        segment.owner.integration_name = "x".repeat(500);
    }
    for table in tables(&plan) {
        for line in table.to_string().lines() {
            assert!(!line.trim_start().starts_with("flush"), "{line}");
            assert!(line.matches('"').count() % 2 == 0, "{line}");
            assert!(line.len() < 300, "{line}");
        }
    }
}

#[test]
fn verdicts_are_read_off_rules() {
    let verdict = |text| Rule { text, comment: "" }.verdict().map(str::to_owned);
    assert_eq!(verdict("ip saddr @from4 drop").as_deref(), Some("drop"));
    assert_eq!(verdict("drop").as_deref(), Some("drop"));
    assert_eq!(verdict("ip saddr @vendors4 goto outside").as_deref(), Some("goto outside"));
    assert_eq!(verdict("counter name ip saddr map @counters4"), None);
}

#[test]
fn keys_have_one_form() {
    for (written, wanted) in [
        ("10.0.0.0-10.0.0.255", "10.0.0.0/24"),
        ("10.0.0.1-10.0.0.1", "10.0.0.1"),
        ("10.0.0.1/32", "10.0.0.1"),
        ("10.0.0.7/24", "10.0.0.0/24"),
        ("10.0.0.1-10.0.0.2", "10.0.0.1-10.0.0.2"),
        ("0.0.0.0-255.255.255.255", "0.0.0.0/0"),
        ("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0"),
        ("2001:db8::-2001:db8::ffff", "2001:db8::/112"),
        ("udp", "udp"),
        ("500", "500"),
    ] {
        assert_eq!(normal_key(written), wanted, "{written}");
    }
}

fn network() -> impl Strategy<Value = IpNet> {
    // Few addresses, so that networks lie within each other.
    let four = (0_u32..16, 28_u8..=32)
        .prop_map(|(host, length)| (IpAddr::from((0xffff_fff0 | host).to_be_bytes()), length));
    let six = (0_u128..16, 124_u8..=128)
        .prop_map(|(host, length)| (IpAddr::from(((u128::MAX << 4) | host).to_be_bytes()), length));
    let low = (0_u32..16, 26_u8..=32).prop_map(|(host, length)| (IpAddr::from(host.to_be_bytes()), length));
    prop_oneof![four, six, low].prop_map(|(address, length)| IpNet::new(address, length).unwrap().trunc())
}

proptest! {
    /// Against a model that asks every network for each address.
    #[test]
    fn each_address_belongs_to_the_narrowest_network_around_it(networks in proptest::collection::vec(network(), 0..12)) {
        let ranges = ranges::disjoint(networks.iter().enumerate().map(|(place, network)| (*network, place)));
        let probes = networks.iter().flat_map(|network| [network.network(), network.broadcast()]);
        let around = probes.flat_map(|address| {
            let single = ranges::Range::from(IpNet::from(address));
            [single.first.saturating_sub(1), single.first, single.first.saturating_add(1)].map(|bits| (single.is_four, bits))
        });
        for (is_four, bits) in around {
            let holds = |network: &IpNet| {
                let range = ranges::Range::from(*network);
                range.is_four == is_four && range.first <= bits && bits <= range.last
            };
            let wanted = networks.iter().filter(|network| holds(network)).map(|network| network.prefix_len()).max();
            let found: Vec<usize> = ranges
                .iter()
                .filter(|(range, _)| range.is_four == is_four && range.first <= bits && bits <= range.last)
                .map(|(_, place)| *place)
                .collect();
            prop_assert!(found.len() <= 1);
            prop_assert_eq!(found.first().map(|place| networks[*place].prefix_len()), wanted);
        }
    }
}
