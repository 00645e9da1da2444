use std::net::{IpAddr, Ipv6Addr};

use portcullis_ids::ids::{IntegrationId, VendorId};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::plan::{OwnDoor, Segment, Standing};
use crate::ruleset::Element;

/// An integration as its contract has it; without networks its machines come from anywhere.
#[derive(Clone, Debug)]
struct Integration {
    vendor: u128,
    door: Option<u16>,
    networks: Vec<IpNet>,
}

fn owner(vendor: u128, integration: usize) -> Owner {
    Owner {
        vendor: VendorId(Uuid::from_u128(vendor)),
        vendor_name: format!("vendor-{vendor}"),
        integration: IntegrationId(Uuid::from_u128(1_000 + integration as u128)),
        integration_name: format!("integration-{integration}"),
    }
}

/// As control makes it.
fn plan(integrations: &[Integration]) -> NetworkPlan {
    let mut plan = NetworkPlan { segmented: true, ..NetworkPlan::default() };
    for (number, of) in integrations.iter().enumerate() {
        let owner = owner(of.vendor, number);
        match of.door {
            Some(port) => plan.own_doors.push(OwnDoor {
                port,
                owner: owner.clone(),
                from_anywhere: of.networks.is_empty(),
            }),
            None if of.networks.is_empty() => plan.common_from_anywhere.push(owner.vendor),
            None => {}
        }
        if !of.networks.is_empty() {
            let networks = of.networks.clone();
            plan.segments.push(Segment { owner, networks, standing: Standing::Open });
        }
    }
    plan
}

/// Of whom an address may be, asked of each integration.
fn model(integrations: &[Integration], address: IpAddr) -> (bool, bool, BTreeSet<u16>) {
    let names = |of: &Integration| of.networks.iter().any(|network| network.contains(&address));
    let vendors: BTreeSet<u128> = integrations.iter().filter(|of| names(of)).map(|of| of.vendor).collect();
    let served =
        integrations.iter().filter(|of| names(of) || of.networks.is_empty() && vendors.contains(&of.vendor));
    let doors: Vec<Option<u16>> = served.map(|of| of.door).collect();
    (!vendors.is_empty(), doors.contains(&None), doors.into_iter().flatten().collect())
}

fn holds(key: &str, address: IpAddr) -> bool {
    let parse = |text: &str| text.parse::<IpAddr>().unwrap();
    match key.split_once('-') {
        Some((first, last)) => parse(first) <= address && address <= parse(last),
        None => key.parse::<IpNet>().unwrap_or_else(|_| parse(key).into()).contains(&address),
    }
}

fn of_family(pair: &Pair, address: IpAddr) -> &[Element] {
    let [four, six] = pair;
    if address.is_ipv4() { four } else { six }
}

/// What the rules let it reach: whether the common doors, and which others.
fn reached(leading: &Leading, address: IpAddr) -> (bool, BTreeSet<u16>) {
    let apart = of_family(&leading.apart, address).iter().any(|element| holds(&element.key, address));
    let own = of_family(&leading.own, address).iter().filter_map(|element| {
        let (network, port) = element.key.split_once(" . ").unwrap();
        holds(network, address).then(|| port.parse().unwrap())
    });
    (!apart, own.collect())
}

fn network() -> impl Strategy<Value = IpNet> {
    // Few addresses at either end, so that networks lie within each other and end where addresses do.
    (any::<bool>(), any::<bool>(), 0_u8..16, 0_u8..=4).prop_map(|(is_four, high, host, length)| {
        let (bits, fill) = if high { (0xf0 | host, 0xff) } else { (host, 0) };
        let network = match is_four {
            true => IpNet::new(IpAddr::from([fill, fill, fill, bits]), 28 + length),
            false => {
                let mut bytes = [fill; 16];
                bytes[15] = bits;
                IpNet::new(Ipv6Addr::from(bytes).into(), 124 + length)
            }
        };
        network.unwrap().trunc()
    })
}

fn integration() -> impl Strategy<Value = Integration> {
    let door = proptest::option::of(8_450_u16..8_454);
    (1..4_u128, door, proptest::collection::vec(network(), 0..4))
        .prop_map(|(vendor, door, networks)| Integration { vendor, door, networks })
}

/// Every address that can differ from its neighbours.
fn addresses(high: bool) -> impl Iterator<Item = IpAddr> {
    let fill = if high { 0xff } else { 0 };
    (0..=u8::MAX).flat_map(move |last| {
        let mut six = [fill; 16];
        six[15] = last;
        [IpAddr::from([fill, fill, fill, last]), Ipv6Addr::from(six).into()]
    })
}

proptest! {
    /// Against a model that asks every integration for each address.
    #[test]
    fn each_address_leads_to_the_doors_of_its_own_integrations(
        integrations in proptest::collection::vec(integration(), 0..6),
    ) {
        let leading = leading(&plan(&integrations));
        for address in addresses(false).chain(addresses(true)) {
            let (is_vendors, common, own) = model(&integrations, address);
            let (reaches_common, reached) = reached(&leading, address);
            prop_assert_eq!(&reached, &own, "{}", address);
            // Nobody else's address is anybody's business.
            prop_assert_eq!(reaches_common, common || !is_vendors, "{}", address);
        }
    }
}

#[test]
fn nobody_has_a_door_of_its_own_and_nothing_is_added() {
    let networks = vec!["192.0.2.0/24".parse().unwrap()];
    let leading = leading(&plan(&[Integration { vendor: 1, door: None, networks }]));
    assert!(leading.apart.iter().chain(&leading.own).all(Vec::is_empty));
}
