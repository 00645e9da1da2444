//! Everything that a vendor can have, busy at once: streams through the gate, a socket past it, two tunnels.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::clock::{PATIENCE, within};
use crate::links;
use crate::machine::Machine;
use crate::raw;
use crate::strongswan::Charon;
use crate::traffic::{self, Kind, Stream};
use crate::wireguard::WireGuard;
use crate::world::{GATE, Vendor, World};

/// Ends of the tunnels.
pub const IPSEC_OURS: Ipv4Addr = Ipv4Addr::new(10, 102, 0, 1);
pub const IPSEC_THEIRS: Ipv4Addr = Ipv4Addr::new(10, 101, 1, 1);
pub const WIREGUARD_OURS: Ipv4Addr = Ipv4Addr::new(10, 103, 0, 1);
pub const WIREGUARD_THEIRS: Ipv4Addr = Ipv4Addr::new(10, 104, 1, 1);
/// Ours, which whoever runs the machine makes.
pub const INTERFACE: &str = "pc-acme";
const THEIR_INTERFACE: &str = "wg0";
const WIREGUARD_PORT: u16 = 51_820;
const KEEPALIVE_SECONDS: u16 = 5;
const IPSEC: &str = "acme-ipsec";
const WIREGUARD: &str = "acme-wireguard";

/// A vendor's tunnels as they are on its own host.
pub struct Tunnels {
    pub charon: Charon,
    pub wireguard: WireGuard,
}

/// What is busy.
pub struct Busy {
    pub streams: Vec<Stream>,
}

impl Tunnels {
    /// Declares a tunnel of each kind, has credentials issued, and gives the vendor what is written for it; then
    /// the vendor opens both.
    #[must_use]
    pub fn raise(world: &World, vendor: &Vendor) -> Self {
        Self::raise_under(world, vendor, &format!("{}-read", vendor.name))
    }

    /// The same for another integration than the vendor's own.
    #[must_use]
    pub fn raise_under(world: &World, vendor: &Vendor, integration: &str) -> Self {
        let folder = world.folder.path();
        links::address_of(&world.gate, "lo", &format!("{IPSEC_OURS}/32"));
        links::address_of(&vendor.host, "lo", &format!("{IPSEC_THEIRS}/32"));
        let wireguard = WireGuard::start(&vendor.host, folder, THEIR_INTERFACE, WIREGUARD_THEIRS);
        links::route_by(&world.gate, WIREGUARD_THEIRS, INTERFACE);
        links::route_by(&vendor.host, WIREGUARD_OURS, THEIR_INTERFACE);
        let charon = Charon::start(&vendor.host, folder);
        world.installation.apply(&world.gate, &manifests(vendor, integration, &wireguard.public_key));
        let tunnels = Self { charon, wireguard };
        tunnels.take_credentials(world, vendor);
        tunnels.charon.until_up(&vendor.host);
        tunnels.wireguard.until_shaken(&vendor.host);
        tunnels
    }

    /// A connection in each, one in either direction.
    #[must_use]
    pub fn busy(&self, world: &World, vendor: &Vendor) -> Busy {
        let pair = |kind, from, to| raw::between(&world.gate, &vendor.host, kind, from, to);
        let mut streams = Vec::from(pair(Kind::Ipsec, IPSEC_THEIRS, IPSEC_OURS));
        streams.extend(pair(Kind::WireGuard, WIREGUARD_THEIRS, WIREGUARD_OURS));
        traffic::until_busy(&streams);
        Busy { streams }
    }

    /// Has new credentials issued, and sets the vendor's side up with them.
    pub fn take_credentials(&self, world: &World, vendor: &Vendor) {
        let folder = world.folder.join("vendors-swanctl");
        for name in [IPSEC, WIREGUARD] {
            world.installation.must(&world.gate, &["tunnel", "credentials", name]);
            let written = world.installation.must(&world.gate, &["tunnel", "render", name, "--with-secrets"]);
            let files = written["files"].as_array().unwrap().iter().filter(|file| file["side"] == "vendor");
            for file in files {
                let text = file["text"].as_str().unwrap();
                if name == IPSEC {
                    put(&folder.join(file["path"].as_str().unwrap()), text);
                } else {
                    let text = completed(text, &self.wireguard.private_key, vendor.ours);
                    self.wireguard.configure(&vendor.host, world.folder.path(), &text);
                }
            }
        }
        put(&folder.join("swanctl.conf"), "include conf.d/*.conf\n");
        self.charon.load(&vendor.host, &folder);
    }

    /// New credentials, and the vendor opens both by them.
    ///
    /// # Panics
    /// When they don't open for a while.
    pub fn open_again(&self, world: &World, vendor: &Vendor) {
        self.take_credentials(world, vendor);
        let mut said = String::new();
        let opened = within(PATIENCE, || {
            self.charon.try_initiate(&vendor.host, IPSEC).map_err(|error| said = error).ok()
        });
        assert!(opened.is_some(), "the IPsec tunnel doesn't open by new credentials: {said}");
        self.wireguard.until_shaken(&vendor.host);
    }

    /// Whether the vendor can bring either of them up; what its programs say.
    ///
    /// # Panics
    /// When it can.
    pub fn must_not_open(&self, vendor: &Vendor, told: &str) {
        let said = self.charon.try_initiate(&vendor.host, IPSEC);
        let refused = said.err();
        assert!(refused.is_some(), "{told}: the vendor has brought its IPsec tunnel up again");
    }
}

fn put(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// As the vendor completes what it is sent: its own key, our address, and without what only `wg-quick` reads.
fn completed(text: &str, private_key: &str, ours: Ipv4Addr) -> String {
    let lines = text.lines().filter(|line| !line.starts_with("Address"));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    text.replace("YOUR_PRIVATE_KEY", private_key).replace("OUR_ADDRESS", &ours.to_string())
}

fn manifests(vendor: &Vendor, integration: &str, public_key: &str) -> [Value; 2] {
    let tunnel = |name: &str, ours: Ipv4Addr, theirs: Ipv4Addr, kind: &str, link: Value| {
        let mut spec = json!({
            "integration": integration,
            "local_networks": [format!("{ours}/32")], "remote_networks": [format!("{theirs}/32")],
        });
        spec[kind] = link;
        json!({ "kind": "Tunnel", "name": name, "spec": spec })
    };
    let ipsec = json!({
        "local_address": vendor.ours, "peer_address": vendor.address, "local_identity": "gate.example.com",
        "peer_identity": format!("vpn.{}.example", vendor.name), "authentication": "psk",
    });
    let wireguard = json!({
        "interface": INTERFACE, "listen_port": WIREGUARD_PORT, "peer_public_key": public_key,
        "keepalive_seconds": KEEPALIVE_SECONDS,
    });
    [
        tunnel(IPSEC, IPSEC_OURS, IPSEC_THEIRS, "ipsec", ipsec),
        tunnel(WIREGUARD, WIREGUARD_OURS, WIREGUARD_THEIRS, "wireguard", wireguard),
    ]
}

impl Busy {
    /// Starts everything that the vendor has, and waits until all of it is busy.
    #[must_use]
    pub fn start(world: &World, vendor: &Vendor, tunnels: bool) -> Self {
        let token = vendor.token();
        let mut streams = traffic::through_gate(&vendor.host, &vendor.machine, &token);
        let pair = |kind, from, to| raw::between(&world.gate, &vendor.host, kind, from, to);
        streams.extend(pair(Kind::RawTcp, vendor.address, vendor.ours));
        if tunnels {
            streams.extend(pair(Kind::Ipsec, IPSEC_THEIRS, IPSEC_OURS));
            streams.extend(pair(Kind::WireGuard, WIREGUARD_THEIRS, WIREGUARD_OURS));
            for (kind, door) in [(Kind::IpsecEvents, IPSEC_OURS), (Kind::WireGuardEvents, WIREGUARD_OURS)] {
                let door = SocketAddr::from((door, GATE.port()));
                let machine = Arc::new(Machine { door, ..Machine::clone(&vendor.machine) });
                streams.push(traffic::start(kind, &vendor.host, &machine, &token));
            }
        }
        traffic::until_busy(&streams);
        Self { streams }
    }

    /// Those that the gate carries.
    #[must_use]
    pub fn through_gate(&self) -> Vec<Stream> {
        let plain = [Kind::RawTcp, Kind::Ipsec, Kind::WireGuard];
        self.streams.iter().filter(|stream| !plain.contains(&stream.kind)).cloned().collect()
    }
}
