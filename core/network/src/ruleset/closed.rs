//! The table of networks that nothing may come from or go to.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{CLOSED, Chain, ClosedNetwork, Element, Rule, Set, Table, quotable, split};
use crate::plan::{ClosedBy, NetworkPlan, Owner, Standing};

/// Before every chain of others that looks at addresses or connections: fragments, established connections and
/// what is marked `notrack` are seen as well.
const FIRST: i32 = -450;

pub fn table(networks: &[ClosedNetwork]) -> Table {
    let elements = split(networks.iter().map(|closed| {
        let element = Element {
            key: super::ranges::Range::from(closed.network).key(),
            counter: None,
            comment: Some(quotable(&closed.comment)),
        };
        (closed.network.addr().is_ipv4(), element)
    }));
    let [four, six] = elements;
    let set = |name, kind, elements| Set { name, kind, interval: true, counted: true, map: false, elements };
    Table {
        name: CLOSED,
        comment: "networks that nothing may come from or go to".to_owned(),
        counters: Vec::new(),
        sets: vec![
            set("from4", "ipv4_addr", four.clone()),
            set("from6", "ipv6_addr", six.clone()),
            set("to4", "ipv4_addr", four),
            set("to6", "ipv6_addr", six),
        ],
        chains: chains(),
    }
}

fn chains() -> Vec<Chain> {
    let rule = |text, comment| Rule { text, comment };
    let arriving = vec![
        rule("iif \"lo\" accept", "this host to itself"),
        rule("ip saddr @from4 drop", "from a closed network"),
        rule("ip6 saddr @from6 drop", "from a closed network"),
    ];
    // Behind every translation of addresses at our side; what is forwarded comes by here as well.
    let leaving = vec![
        rule("oif \"lo\" accept", "this host to itself"),
        // A socket that is cut says so to its peer: a reset has no payload, and nothing longer passes.
        rule("tcp flags & rst == rst meta length <= 80 accept", "resets of cut sockets"),
        rule("ip daddr @to4 drop", "to a closed network"),
        rule("ip6 daddr @to6 drop", "to a closed network"),
    ];
    let forwarded = vec![
        rule("ip daddr @to4 drop", "to a closed network"),
        rule("ip6 daddr @to6 drop", "to a closed network"),
    ];
    vec![
        Chain { name: "arriving", hook: Some(("prerouting", FIRST)), rules: arriving },
        Chain { name: "passing", hook: Some(("forward", FIRST)), rules: forwarded },
        Chain { name: "leaving", hook: Some(("postrouting", FIRST)), rules: leaving },
    ]
}

pub fn networks(plan: &NetworkPlan) -> Vec<ClosedNetwork> {
    let mut sorted: Vec<IpNet> = plan.closed_networks().iter().map(IpNet::trunc).collect();
    // What holds others comes before them.
    sorted.sort();
    let mut closed: Vec<ClosedNetwork> = Vec::with_capacity(sorted.len());
    for network in sorted {
        if !closed.last().is_some_and(|outer| outer.network.contains(&network)) {
            closed.push(ClosedNetwork { network, comment: String::new() });
        }
    }
    // One pass over the owners: with thousands of each, a search for each network would take seconds.
    let mut whose: BTreeMap<IpNet, (&Owner, Standing)> = BTreeMap::new();
    for (owner, standing, networks) in plan.owned().filter(|(_, standing, _)| !standing.is_open()) {
        for network in networks {
            whose.entry(network.trunc()).or_insert((owner, standing));
        }
    }
    for of in &mut closed {
        if let Some((owner, standing)) = whose.get(&of.network) {
            of.comment = comment(owner, *standing);
        }
    }
    closed
}

/// `contract vendor/acme 0190…`: why, and whose.
pub fn comment(owner: &Owner, standing: Standing) -> String {
    let why = match standing {
        Standing::Open => "open",
        Standing::Closed { why: ClosedBy::Severance { .. } } => "severed",
        Standing::Closed { why: ClosedBy::Contract } => "contract",
        Standing::Closed { why: ClosedBy::Access } => "access",
        Standing::Closed { why: ClosedBy::Credentials } => "credentials",
    };
    let name: String = owner.vendor_name.chars().take(63).collect();
    format!("{why} vendor/{name} {}", owner.vendor.0)
}
