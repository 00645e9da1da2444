//! What must hold for tunnels: narrow, modern, and nobody's but one vendor's.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;

use super::issuers::Faults;
use super::{After, Fault};
use crate::ids::VendorId;
use crate::spec::tunnel::{self, CIPHERS, IpsecSpec, KEY_EXCHANGES, PSEUDO_RANDOM, WireguardSpec};
use crate::spec::{Declaration, Kind, Spec, TunnelAuthentication, TunnelSpec};
use crate::state::State;
use crate::state::tunnels::{Mark, marks};

const NETWORKS_MAX: usize = 16;
const PROPOSALS_MAX: usize = 8;
const IDENTITY_BYTES_MAX: usize = 128;
/// The shortest prefixes, of IPv4 and of IPv6.
const LOCAL_PREFIX_MIN: (u8, u8) = (24, 64);
const REMOTE_PREFIX_MIN: (u8, u8) = (16, 48);
/// Kernel names of interfaces have 15 bytes at the most.
const INTERFACE_BYTES_MAX: usize = 15;
const INTERFACE_PREFIX: &str = "pc-";

pub fn check(
    state: &State,
    after: &After<'_>,
    declaration: &Declaration,
    spec: &TunnelSpec,
    found: &mut Vec<Fault>,
) {
    let mut faults = Faults::of(declaration, found);
    check_networks("local_networks", &spec.local_networks, LOCAL_PREFIX_MIN, &mut faults);
    check_networks("remote_networks", &spec.remote_networks, REMOTE_PREFIX_MIN, &mut faults);
    for (place, network) in spec.remote().iter().enumerate() {
        if spec.local().iter().any(|local| overlap(*local, *network)) {
            let message = format!("`{network}` is on both sides");
            faults.add(&format!("/spec/remote_networks/{place}"), message, None);
        }
    }
    match (&spec.ipsec, &spec.wireguard) {
        (Some(ipsec), None) => check_ipsec(ipsec, &mut faults),
        (None, Some(wireguard)) => check_wireguard(wireguard, &mut faults),
        (None, None) => {
            faults.add("/spec", "it isn't said how the tunnel is made", Some("give `ipsec`, or `wireguard`"))
        }
        (Some(_), Some(_)) => {
            faults.add("/spec/wireguard", "the tunnel is made in two ways", Some("keep one of them"));
        }
    }
    if let Some(Spec::Tunnel(known)) =
        state.resource(Kind::Tunnel, &declaration.name).map(|known| &known.declaration.spec)
        && known.integration != spec.integration
    {
        faults.add(
            "/spec/integration",
            format!("a tunnel can't go over from integration `{}` to another", known.integration),
            Some("declare a new tunnel under another name, with credentials of its own"),
        );
    }
    check_others(state, after, declaration, spec, &mut faults);
}

/// Nothing by which a peer is known is anybody else's, nor was another vendor's.
fn check_others(
    state: &State,
    after: &After<'_>,
    declaration: &Declaration,
    spec: &TunnelSpec,
    faults: &mut Faults<'_>,
) {
    let own_vendor = vendor_name(after, &spec.integration);
    let own_id =
        own_vendor.and_then(|name| state.resource(Kind::Vendor, name)).map(|found| VendorId(found.id));
    for (mark, pointer) in marks(spec) {
        // Whoever had it before is known for good: a name that is given again doesn't make it somebody else's.
        if let Some(vendor) = state.tunnels.marks.get(&mark).filter(|vendor| Some(**vendor) != own_id) {
            let name =
                state.by_id(vendor.0).map_or_else(|| vendor.to_string(), |(_, name, _)| name.to_owned());
            let message = format!("{} is or was of a tunnel of vendor `{name}`", mark.shown());
            faults.add(&pointer, message, Some("what a peer is known by belongs to one vendor, for good"));
        }
    }
    for ((kind, name), other) in after {
        let Spec::Tunnel(other) = other else { continue };
        if *kind != Kind::Tunnel || *name == declaration.name {
            continue;
        }
        let is_others = vendor_name(after, &other.integration) != own_vendor;
        for (place, network) in spec.remote().iter().enumerate() {
            if other.remote().iter().any(|theirs| overlap(*theirs, *network)) {
                let message = format!("`{network}` overlaps what is behind tunnel `{name}`");
                let hint = "a network is behind one tunnel, so that what comes out of it is somebody's";
                faults.add(&format!("/spec/remote_networks/{place}"), message, Some(hint));
            }
        }
        let theirs: Vec<Mark> = marks(other).into_iter().map(|(mark, _)| mark).collect();
        for (mark, pointer) in marks(spec) {
            // One gateway of a vendor may have several tunnels; each is told by its identity or key.
            let shared = theirs.contains(&mark) && (is_others || !matches!(mark, Mark::Address(_)));
            if shared {
                let message = format!("{} is tunnel `{name}`'s", mark.shown());
                faults.add(&pointer, message, Some("each tunnel has its own"));
            }
        }
        if let (Some(own), Some(theirs)) = (&spec.wireguard, &other.wireguard) {
            if own.interface == theirs.interface {
                let message = format!("interface `{}` is tunnel `{name}`'s", own.interface);
                faults.add(
                    "/spec/wireguard/interface",
                    message,
                    Some("each tunnel has an interface of its own"),
                );
            }
            if own.listen_port == theirs.listen_port {
                let message = format!("port `{}` is tunnel `{name}`'s", own.listen_port);
                faults.add("/spec/wireguard/listen_port", message, Some("each interface listens on its own"));
            }
        }
    }
}

fn vendor_name<'a>(after: &After<'a>, integration: &str) -> Option<&'a str> {
    let Some(Spec::Integration(integration)) = after.get(&(Kind::Integration, integration)) else {
        return None;
    };
    match after.get(&(Kind::Contract, integration.contract.as_str())) {
        Some(Spec::Contract(contract)) => Some(&contract.vendor),
        _ => None,
    }
}

fn check_networks(field: &str, texts: &[String], (least4, least6): (u8, u8), faults: &mut Faults<'_>) {
    let place = |number: usize| format!("/spec/{field}/{number}");
    if texts.is_empty() || texts.len() > NETWORKS_MAX {
        let message = format!("there must be 1 to {NETWORKS_MAX} networks");
        faults.add(&format!("/spec/{field}"), message, None);
    }
    let mut before: Vec<IpNet> = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        let Ok(network) = text.parse::<IpNet>() else {
            let hint = "write an address with the length of its prefix, such as `10.20.0.5/32`";
            faults.add(&place(number), format!("`{}` is not a network", bounded(text)), Some(hint));
            continue;
        };
        if network.trunc() != network {
            let message = format!("`{network}` has bits behind its prefix");
            faults.add(&place(number), message, Some(&format!("write `{}`", network.trunc())));
        }
        let least = if network.addr().is_ipv4() { least4 } else { least6 };
        if network.prefix_len() < least {
            let message = format!("`{network}` is too wide: at most `/{least}` goes through one tunnel");
            faults.add(&place(number), message, Some("name the machines that need it, and no others"));
        }
        if !is_ordinary(network.addr()) {
            faults.add(&place(number), format!("`{network}` is no network of machines"), None);
        }
        if before.iter().any(|other| overlap(*other, network)) {
            faults.add(&place(number), format!("`{network}` is there twice"), None);
        }
        before.push(network);
    }
}

fn check_ipsec(spec: &IpsecSpec, faults: &mut Faults<'_>) {
    check_identity("local_identity", &spec.local_identity, faults);
    for (field, address) in [("local_address", &spec.local_address), ("peer_address", &spec.peer_address)] {
        if let Some(text) = address
            && !text.parse::<IpAddr>().is_ok_and(is_ordinary)
        {
            let message = format!("`{}` is not an address of a machine", bounded(text));
            faults.add(&format!("/spec/ipsec/{field}"), message, None);
        }
    }
    match (&spec.peer_identity, spec.people) {
        (Some(identity), false) => {
            check_identity("peer_identity", identity, faults);
            if *identity == spec.local_identity {
                faults.add("/spec/ipsec/peer_identity", "it is our own", None);
            }
        }
        (None, false) => {
            faults.add("/spec/ipsec", "it isn't said who the peer is", Some("give `peer_identity`"))
        }
        (Some(_), true) => {
            let hint = "leave it out: each person has an identity of their own";
            faults.add("/spec/ipsec/peer_identity", "people share no identity", Some(hint));
        }
        (None, true) => {}
    }
    match (&spec.peer_address, spec.people) {
        (None, false) => {
            faults.add("/spec/ipsec", "it isn't said where the peer is", Some("give `peer_address`"));
        }
        (Some(_), true) => {
            faults.add("/spec/ipsec/peer_address", "people come from anywhere", Some("leave it out"));
        }
        _ => {}
    }
    if spec.people && spec.authentication == TunnelAuthentication::Psk {
        let hint = "leave `authentication` out: each person gets a certificate";
        faults.add("/spec/ipsec/authentication", "a key that people share is nobody's", Some(hint));
    }
    check_proposals("ike_proposals", &spec.ike_proposals, true, faults);
    check_proposals("esp_proposals", &spec.esp_proposals, false, faults);
}

fn check_identity(field: &str, text: &str, faults: &mut Faults<'_>) {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".@_-".contains(&byte);
    let good = !text.is_empty()
        && text.len() <= IDENTITY_BYTES_MAX
        && text.bytes().all(plain)
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
        && text.matches('@').count() <= 1
        && text.starts_with(|first: char| first.is_ascii_alphanumeric());
    if !good {
        let message = format!("`{}` is not an identity", bounded(text));
        let hint = "write a host name such as `vpn.acme.example`, or a name with `@`";
        faults.add(&format!("/spec/ipsec/{field}"), message, Some(hint));
    }
}

fn check_proposals(field: &str, texts: &[String], with_prf: bool, faults: &mut Faults<'_>) {
    if texts.is_empty() || texts.len() > PROPOSALS_MAX {
        let message = format!("there must be 1 to {PROPOSALS_MAX} proposals");
        faults.add(&format!("/spec/ipsec/{field}"), message, None);
    }
    for (place, text) in texts.iter().enumerate() {
        if !tunnel::is_proposal(text, with_prf) {
            let prf = if with_prf { format!("one of {}; ", PSEUDO_RANDOM.join(", ")) } else { String::new() };
            let hint = format!(
                "join by `-` one of {}; {prf}one of {}",
                CIPHERS.join(", "),
                KEY_EXCHANGES.join(", ")
            );
            let message = format!("`{}` is not a proposal that is taken here", bounded(text));
            faults.add(&format!("/spec/ipsec/{field}/{place}"), message, Some(&hint));
        }
    }
}

fn check_wireguard(spec: &WireguardSpec, faults: &mut Faults<'_>) {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let rest = spec.interface.strip_prefix(INTERFACE_PREFIX).unwrap_or_default();
    if rest.is_empty() || spec.interface.len() > INTERFACE_BYTES_MAX || !rest.bytes().all(plain) {
        let message = format!("`{}` is not an interface of ours", bounded(&spec.interface));
        let hint =
            "write `pc-` and at most 12 lower-case letters, digits and hyphens: what begins so is ours alone";
        faults.add("/spec/wireguard/interface", message, Some(hint));
    }
    if spec.listen_port == 0 {
        faults.add("/spec/wireguard/listen_port", "it must be at least 1", None);
    }
    // Spelt in one way only, so that the same key is the same text.
    let key = STANDARD.decode(&spec.peer_public_key).unwrap_or_default();
    if key.len() != 32 || STANDARD.encode(&key) != spec.peer_public_key || key.iter().all(|byte| *byte == 0) {
        let message = format!("`{}` is not a public key", bounded(&spec.peer_public_key));
        faults.add("/spec/wireguard/peer_public_key", message, Some("write what `wg pubkey` prints"));
    }
    if let Some(text) = &spec.endpoint
        && !text.parse::<std::net::SocketAddr>().is_ok_and(|at| is_ordinary(at.ip()) && at.port() != 0)
    {
        let message = format!("`{}` is not an address with a port", bounded(text));
        faults.add("/spec/wireguard/endpoint", message, Some("write it as `198.51.100.7:51820`"));
    }
    if spec.keepalive_seconds.is_some_and(|seconds| !(5..=3_600).contains(&seconds)) {
        faults.add("/spec/wireguard/keepalive_seconds", "it must be 5 to 3600", None);
    }
}

fn overlap(one: IpNet, other: IpNet) -> bool {
    one.contains(&other) || other.contains(&one)
}

/// Of one machine that others can speak to.
fn is_ordinary(address: IpAddr) -> bool {
    let odd = address.is_unspecified() || address.is_loopback() || address.is_multicast();
    let link = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => address.segments().first().is_some_and(|first| first & 0xffc0 == 0xfe80),
    };
    !odd && !link
}

fn bounded(text: &str) -> String {
    text.chars().take(80).collect()
}
