//! Links between hosts.

use std::net::Ipv4Addr;

use crate::host::Host;

/// A cable: `near` on one host, `far` on the other, with an address each in one /24.
pub struct Link {
    pub near: (String, Ipv4Addr),
    pub far: (String, Ipv4Addr),
}

/// Connects two hosts; the names are of interfaces, at most 15 characters.
#[must_use]
pub fn connect(near: (&Host, &str, Ipv4Addr), far: (&Host, &str, Ipv4Addr)) -> Link {
    let ((near_host, near_name, near_address), (far_host, far_name, far_address)) = (near, far);
    let thread = far_host.thread_id();
    near_host
        .must("ip", &["link", "add", near_name, "type", "veth", "peer", "name", far_name, "netns", &thread]);
    for (host, name, address) in [near, far] {
        address_of(host, name, &format!("{address}/24"));
        host.must("ip", &["link", "set", name, "up"]);
    }
    Link { near: (near_name.to_owned(), near_address), far: (far_name.to_owned(), far_address) }
}

pub fn address_of(host: &Host, interface: &str, address: &str) {
    // Without duplicate detection and without waiting for it: there is nobody else on the cable.
    host.must("ip", &["address", "add", address, "dev", interface]);
}

/// To one address, through an interface.
pub fn route_by(host: &Host, to: Ipv4Addr, interface: &str) {
    host.must("ip", &["route", "add", &format!("{to}/32"), "dev", interface]);
}

pub fn route(host: &Host, to: &str, by: Ipv4Addr) {
    host.must("ip", &["route", "add", to, "via", &by.to_string()]);
}
