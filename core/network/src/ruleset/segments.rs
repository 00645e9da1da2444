//! The table of what vendors' networks may reach: the gate's doors, their tunnels' handshakes, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use portcullis_ids::ids::VendorId;

use super::leading::{Leading, leading};
use super::ranges::{self, Range};
use super::{
    COUNTER_PREFIX, COUNTER_SHARED, Chain, Count, Counter, Element, Pair, Rule, SEGMENTS, Set, Table, plain,
    split,
};
use crate::plan::{Link, NetworkPlan, Owner, Tunnel};

/// Before the filters of others. A drop is final wherever it is said; an accept is not.
const EARLY: i32 = -300;
/// Behind connection tracking, which is at -200.
const TRACKED: i32 = -150;
/// UDP ports of IKE, and of IKE and ESP behind translated addresses (RFC 3947).
const IKE_PORTS: [u16; 2] = [500, 4500];

pub fn table(plan: &NetworkPlan, counts: &BTreeMap<String, Count>) -> Table {
    let whose = whose(plan);
    Table {
        name: SEGMENTS,
        comment: format!("plan {}", plan.version),
        counters: counters(plan, &whose, counts),
        sets: sets(plan, &whose),
        chains: chains(),
    }
}

/// Whose packets come from a network.
#[derive(Clone, Copy)]
enum Whose<'a> {
    One(&'a Owner),
    /// Of one vendor, for several integrations.
    Vendor(&'a Owner),
    Several,
}

impl<'a> Whose<'a> {
    fn with(self, owner: &'a Owner) -> Self {
        match self {
            Self::One(first) if first.integration == owner.integration => self,
            Self::One(first) | Self::Vendor(first) if first.vendor == owner.vendor => Self::Vendor(first),
            _ => Self::Several,
        }
    }

    fn counter(self) -> String {
        match self {
            Self::One(owner) | Self::Vendor(owner) => counter_name(owner.vendor),
            Self::Several => COUNTER_SHARED.to_owned(),
        }
    }

    fn comment(self) -> String {
        match self {
            Self::One(owner) => format!("{}/{}", owner.vendor_name, owner.integration_name),
            Self::Vendor(owner) => owner.vendor_name.clone(),
            Self::Several => "several vendors".to_owned(),
        }
    }
}

fn counter_name(vendor: VendorId) -> String {
    format!("{COUNTER_PREFIX}{}", vendor.0)
}

/// Networks of vendors' machines, and the addresses that their tunnels come from.
fn whose(plan: &NetworkPlan) -> BTreeMap<IpNet, Whose<'_>> {
    let declared =
        plan.owned().flat_map(|(owner, _, networks)| networks.iter().map(move |network| (*network, owner)));
    let peers = plan.tunnels.iter().filter_map(|of| Some((IpNet::from(peer_address(of)?), &of.owner)));
    let mut whose: BTreeMap<IpNet, Whose<'_>> = BTreeMap::new();
    for (network, owner) in declared.chain(peers) {
        whose.entry(network.trunc()).and_modify(|of| *of = of.with(owner)).or_insert(Whose::One(owner));
    }
    whose
}

pub fn peer_address(tunnel: &Tunnel) -> Option<IpAddr> {
    match &tunnel.link {
        Link::Ipsec(ipsec) => ipsec.peer_address,
        Link::Wireguard(wireguard) => wireguard.endpoint.map(|endpoint| endpoint.ip()),
    }
}

fn counters(
    plan: &NetworkPlan,
    whose: &BTreeMap<IpNet, Whose<'_>>,
    counts: &BTreeMap<String, Count>,
) -> Vec<Counter> {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for (owner, _, _) in plan.owned() {
        names.entry(counter_name(owner.vendor)).or_insert_with(|| format!("vendor/{}", owner.vendor_name));
    }
    if whose.values().any(|of| matches!(of, Whose::Several)) {
        names.insert(COUNTER_SHARED.to_owned(), "addresses that several vendors have".to_owned());
    }
    let count = |name: &String| counts.get(name).copied().unwrap_or_default();
    names.into_iter().map(|(name, comment)| Counter { count: count(&name), comment, name }).collect()
}

fn sets(plan: &NetworkPlan, whose: &BTreeMap<IpNet, Whose<'_>>) -> Vec<Set> {
    let members = split(merged(whose.keys().copied()));
    let balancers = split(merged(plan.balancers.iter().copied()));
    let counted = split(ranges::disjoint(whose.iter().map(|(network, of)| (*network, *of))).into_iter().map(
        |(range, of)| {
            let element =
                Element { key: range.key(), counter: Some(of.counter()), comment: Some(of.comment()) };
            (range.is_four, element)
        },
    ));
    let (doors, ports) = doors(&plan.doors);
    let Leading { apart, own } = leading(plan);
    let gate = if plan.own_doors.is_empty() { Pair::default() } else { gate(&plan.doors) };
    let Handshakes { peers, anywhere, plain_esp } = handshakes(plan);
    let mut sets = Vec::new();
    let mut both = |names: [&'static str; 2], kinds: [&'static str; 2], interval, map, pair: Pair| {
        for ((name, kind), elements) in names.into_iter().zip(kinds).zip(pair) {
            sets.push(Set { name, kind, interval, counted: false, map, elements });
        }
    };
    let addresses = ["ipv4_addr", "ipv6_addr"];
    both(["vendors4", "vendors6"], addresses, true, false, members);
    both(["counters4", "counters6"], addresses, true, true, counted);
    both(["balancers4", "balancers6"], addresses, true, false, balancers);
    both(["doors4", "doors6"], ["ipv4_addr . inet_service", "ipv6_addr . inet_service"], false, false, doors);
    both(["ports4", "ports6"], ["inet_service", "inet_service"], false, false, ports);
    both(["apart4", "apart6"], addresses, true, false, apart);
    both(["gate4", "gate6"], addresses, true, false, gate);
    both(["own4", "own6"], ["ipv4_addr . inet_service", "ipv6_addr . inet_service"], true, false, own);
    both(["peers4", "peers6"], ["ipv4_addr . inet_service", "ipv6_addr . inet_service"], false, false, peers);
    both(["esp4", "esp6"], addresses, false, false, plain_esp);
    sets.push(Set {
        name: "handshakes",
        kind: "inet_service",
        interval: false,
        counted: false,
        map: false,
        elements: anywhere,
    });
    sets
}

fn merged(networks: impl Iterator<Item = IpNet>) -> impl Iterator<Item = (bool, Element)> {
    let networks: Vec<IpNet> = networks.collect();
    IpNet::aggregate(&networks)
        .into_iter()
        .map(|network| (network.addr().is_ipv4(), plain(Range::from(network).key())))
}

/// Doors at one address, and those at every address of the host.
fn doors(doors: &[SocketAddr]) -> (Pair, Pair) {
    let doors: BTreeSet<SocketAddr> = doors.iter().copied().filter(|door| door.port() != 0).collect();
    let at_one = doors.iter().filter(|door| !door.ip().is_unspecified());
    let at_one =
        split(at_one.map(|door| (door.is_ipv4(), plain(format!("{} . {}", door.ip(), door.port())))));
    let mut ports: BTreeSet<(bool, u16)> = BTreeSet::new();
    for door in doors.iter().filter(|door| door.ip().is_unspecified()) {
        ports.insert((door.is_ipv4(), door.port()));
        // A socket at `[::]` takes what comes over IPv4 too.
        ports.insert((true, door.port()));
    }
    (at_one, split(ports.into_iter().map(|(is_four, port)| (is_four, plain(port.to_string())))))
}

/// Addresses of the gate, where integrations' own doors are as the common ones are.
fn gate(doors: &[SocketAddr]) -> Pair {
    let every = |address: IpAddr| IpNet::new(address, 0).map(|all| all.trunc());
    let mut addresses = Vec::new();
    for door in doors.iter().map(SocketAddr::ip) {
        if door.is_unspecified() {
            addresses.extend(every(door));
            // As above.
            addresses.extend(every(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
        } else {
            addresses.push(IpNet::from(door));
        }
    }
    split(merged(addresses.into_iter()))
}

/// What peers of open tunnels say before and around what is encrypted.
struct Handshakes {
    /// Address and UDP port at our side.
    peers: Pair,
    /// UDP ports of tunnels whose peer comes from anywhere.
    anywhere: Vec<Element>,
    /// ESP as a protocol of its own.
    plain_esp: Pair,
}

fn handshakes(plan: &NetworkPlan) -> Handshakes {
    let (mut peers, mut anywhere, mut esp) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for tunnel in plan.tunnels.iter().filter(|tunnel| tunnel.standing.is_open()) {
        let ports: Vec<u16> = match &tunnel.link {
            Link::Ipsec(_) => IKE_PORTS.to_vec(),
            Link::Wireguard(wireguard) => wireguard.listen_port.into_iter().collect(),
        };
        match peer_address(tunnel) {
            Some(peer) => peers.extend(ports.into_iter().map(|port| (peer, port))),
            None => anywhere.extend(ports),
        }
        if let Link::Ipsec(ipsec) = &tunnel.link
            && !ipsec.encapsulate
        {
            esp.extend(ipsec.peer_address);
        }
    }
    Handshakes {
        peers: split(
            peers.into_iter().map(|(peer, port)| (peer.is_ipv4(), plain(format!("{peer} . {port}")))),
        ),
        anywhere: anywhere.into_iter().map(|port| plain(port.to_string())).collect(),
        plain_esp: split(esp.into_iter().map(|peer: IpAddr| (peer.is_ipv4(), plain(peer.to_string())))),
    }
}

fn chains() -> Vec<Chain> {
    let rule = |text, comment| Rule { text, comment };
    // Only what this side began carries the label: a connection of which the kernel first sees a packet in the
    // middle has none, whoever sent it.
    let replies = [
        rule("ct direction reply ct label 113 accept", "replies to what was begun at this side"),
        rule(
            "ct state related icmp type { destination-unreachable, time-exceeded, parameter-problem } accept",
            "errors about known connections",
        ),
        rule(
            "ct state related icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, \
             parameter-problem } accept",
            "errors about known connections",
        ),
    ];
    let outside = [
        rule("ip saddr @vendors4 goto outside", "everything else from vendors"),
        rule("ip6 saddr @vendors6 goto outside", "everything else from vendors"),
    ];
    let begun = [
        rule(
            "ip daddr @vendors4 tcp flags & (fin|syn|rst|ack) == syn ct state new ct label set 113",
            "begun at this side",
        ),
        rule(
            "ip6 daddr @vendors6 tcp flags & (fin|syn|rst|ack) == syn ct state new ct label set 113",
            "begun at this side",
        ),
        rule("ip daddr @vendors4 meta l4proto != tcp ct state new ct label set 113", "begun at this side"),
        rule("ip6 daddr @vendors6 meta l4proto != tcp ct state new ct label set 113", "begun at this side"),
    ];
    let input = [
        rule("iif \"lo\" accept", "this host to itself"),
        rule("ip saddr @balancers4 accept", "balancers speak for many"),
        rule("ip6 saddr @balancers6 accept", "balancers speak for many"),
        rule("ip saddr != @apart4 ip daddr . tcp dport @doors4 accept", "the gate's doors"),
        rule("ip6 saddr != @apart6 ip6 daddr . tcp dport @doors6 accept", "the gate's doors"),
        rule("ip saddr != @apart4 tcp dport @ports4 accept", "the gate's doors at every address"),
        rule("ip6 saddr != @apart6 tcp dport @ports6 accept", "the gate's doors at every address"),
        rule("ip daddr @gate4 ip saddr . tcp dport @own4 accept", "doors of integrations' own"),
        rule("ip6 daddr @gate6 ip6 saddr . tcp dport @own6 accept", "doors of integrations' own"),
        rule("ip saddr . udp dport @peers4 accept", "handshakes of open tunnels"),
        rule("ip6 saddr . udp dport @peers6 accept", "handshakes of open tunnels"),
        rule("udp dport @handshakes accept", "handshakes of open tunnels"),
        rule("meta l4proto esp ip saddr @esp4 accept", "open tunnels"),
        rule("meta l4proto esp ip6 saddr @esp6 accept", "open tunnels"),
        rule(
            "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept",
            "neighbours on the same link",
        ),
    ];
    let drops = vec![
        rule("counter name ip saddr map @counters4", "by vendor"),
        rule("counter name ip6 saddr map @counters6", "by vendor"),
        rule("drop", "outside the plan"),
    ];
    let (replies, outside, begun) = (replies.into_iter(), outside.into_iter(), begun.into_iter());
    let input = input.into_iter().chain(replies.clone()).chain(outside.clone()).collect();
    let forward = replies.chain(outside).chain(begun.clone()).collect();
    vec![
        Chain { name: "outside", hook: None, rules: drops },
        Chain { name: "entering", hook: Some(("input", EARLY)), rules: input },
        Chain { name: "passing", hook: Some(("forward", EARLY)), rules: forward },
        Chain { name: "leaving", hook: Some(("output", TRACKED)), rules: begun.collect() },
    ]
}
