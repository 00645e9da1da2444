//! The whole stage: a gate host, vendors' hosts, links, the binary, and everything that it must know.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::clock::{PATIENCE, until, within};
use crate::enforcer::{Enforcer, Settings};
use crate::folder::Folder;
use crate::host::Host;
use crate::installation::Installation;
use crate::links;
use crate::machine::Machine;
use crate::operator::Operator;
use crate::process::Process;
use crate::stage;
use crate::strongswan::Charon;
use crate::tls::Identity;
use crate::upstream::Upstream;
use crate::wireguard;

/// Where vendors reach the gate.
pub const GATE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 70, 0, 1)), 8_443);
/// More than is ever asked for.
const NO_LIMIT: u64 = 1 << 40;

pub struct World {
    pub vendors: Vec<Vendor>,
    pub installation: Installation,
    pub networks: Option<Networks>,
    pub upstream: Upstream,
    pub gate: Host,
    pub folder: Folder,
}

/// What cuts networks at our side.
pub struct Networks {
    pub enforcer: Enforcer,
    /// None where there is no `/dev/net/tun`.
    pub tunnels: Option<OurTunnels>,
}

/// Programs of tunnels at our side; what they carry, the enforcer tells them.
pub struct OurTunnels {
    pub charon: Charon,
    pub wireguard: Process,
}

/// What the gate's host has beside the gate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Beside {
    Nothing,
    /// An enforcer.
    Enforcer,
    /// And tunnels' programs.
    Tunnels,
}

/// A vendor with a host of its own and one machine on it.
pub struct Vendor {
    pub name: String,
    /// From 1 on; the first one has tunnels.
    pub number: u8,
    pub host: Host,
    /// Its address on the link.
    pub address: Ipv4Addr,
    /// Ours on the same link.
    pub ours: Ipv4Addr,
    pub machine: Arc<Machine>,
}

impl World {
    /// Builds it for vendors of these names, with the program that is to be looked at.
    #[must_use]
    pub fn new(binary: &Path, vendors: &[&str], beside: Beside) -> Self {
        let folder = Folder::new();
        let gate = Host::new("gate");
        links::address_of(&gate, "lo", &format!("{}/32", GATE.ip()));
        let upstream = Upstream::start(&gate);
        let networks = (beside != Beside::Nothing)
            .then(|| Networks::start(&gate, binary, folder.path(), beside == Beside::Tunnels));
        let (listen, public) = (format!("0.0.0.0:{}", GATE.port()), format!("https://{GATE}"));
        let mut arguments = vec!["--listen-gate", &listen, "--public-url", &public, "--cores", "1"];
        let socket = networks.as_ref().map(|networks| networks.enforcer.socket.display().to_string());
        arguments.extend(socket.iter().flat_map(|socket| ["--enforcer", socket]));
        let installation = Installation::start(&gate, binary, &folder.join("data"), &arguments);
        let vendors = vendors.iter().zip(1..);
        let vendors: Vec<Vendor> =
            vendors.map(|(name, number)| Vendor::new(name, number, &gate, &installation)).collect();
        let world = Self { vendors, installation, networks, upstream, gate, folder };
        world.declare();
        if world.networks.is_some() {
            world.until_enforced();
        }
        world
    }

    /// Waits until control has linked the enforcer, and it has put a plan into force.
    ///
    /// # Panics
    /// When it doesn't for a while.
    pub fn until_enforced(&self) {
        let operator = Operator::of(&self.installation, &self.gate);
        until("a plan in force", || {
            let (status, standing) = operator.get(&self.gate, "/v1/enforcer").unwrap();
            (status == 200 && standing["version"].is_string() && standing["enforced"].is_u64()).then_some(())
        });
    }

    #[must_use]
    pub fn vendor(&self, name: &str) -> &Vendor {
        self.vendors.iter().find(|vendor| vendor.name == name).unwrap()
    }

    /// What the enforcer has logged.
    #[must_use]
    pub fn enforcer_log(&self) -> String {
        self.networks.as_ref().map(|networks| networks.enforcer.process.log()).unwrap_or_default()
    }

    fn declare(&self) {
        let mut manifests = routes(self.upstream);
        for vendor in &self.vendors {
            manifests.extend(vendor.manifests());
        }
        self.installation.apply(&self.gate, &manifests);
    }
}

impl Networks {
    fn start(gate: &Host, binary: &Path, folder: &Path, tunnels: bool) -> Self {
        let tunnels = tunnels.then(|| OurTunnels {
            charon: Charon::start(gate, folder),
            wireguard: wireguard::interface(gate, folder, stage::INTERFACE, stage::WIREGUARD_OURS),
        });
        let vici =
            tunnels.as_ref().map_or_else(|| folder.join("no-charon"), |tunnels| tunnels.charon.vici.clone());
        let settings =
            Settings { binary: binary.to_owned(), folder: folder.to_owned(), vici, programs: None };
        Self { enforcer: Enforcer::start(gate, settings), tunnels }
    }
}

impl Vendor {
    fn new(name: &str, number: u8, gate: &Host, installation: &Installation) -> Self {
        let host = Host::new(name);
        let (ours, address) = (Ipv4Addr::new(10, 77, number, 1), Ipv4Addr::new(10, 77, number, 2));
        let near = (gate, &*format!("to-{number}"), ours);
        let _ = links::connect(near, (&host, "uplink", address));
        links::route(&host, &format!("{}/32", GATE.ip()), ours);
        let machine = Machine {
            name: format!("{name}-machine"),
            identity: Arc::new(Identity::new(name)),
            door: GATE,
            public: GATE,
            roots: installation.authority(),
        };
        Self { name: name.to_owned(), number, host, address, ours, machine: Arc::new(machine) }
    }

    /// A token from the gate.
    ///
    /// # Panics
    /// When it gives none for a while.
    #[must_use]
    pub fn token(&self) -> String {
        let mut last = String::new();
        let token = within(PATIENCE, || {
            let machine = Arc::clone(&self.machine);
            let answer =
                self.host.wait_for(async move { machine.token().await.map_err(|error| error.to_string()) });
            answer.map_err(|error| last = error).ok()
        });
        token.unwrap_or_else(|| panic!("`{}` gets no token: {last}", self.name))
    }

    /// Where its machines come from: its link, and behind its tunnels.
    fn networks(&self) -> Vec<String> {
        let mut networks = vec![format!("{}/32", self.address)];
        if self.number == 1 {
            networks
                .extend([stage::IPSEC_THEIRS, stage::WIREGUARD_THEIRS].map(|inside| format!("{inside}/32")));
        }
        networks
    }

    /// What is declared of it.
    #[must_use]
    pub fn manifests(&self) -> Vec<Value> {
        let name = &self.name;
        let rate = json!({ "per_second": NO_LIMIT, "burst": NO_LIMIT });
        let limits = json!({
            "requests": rate, "bytes": rate, "concurrency": 100,
            "records": { "per_client": NO_LIMIT, "per_integration": NO_LIMIT },
        });
        let vendor = json!({ "legal_name": format!("{name} Ltd"), "records_max": NO_LIMIT });
        let contract = json!({
            "vendor": name, "starts": "2020-01-01", "ends": "2099-12-31", "time_zone": "Europe/Berlin",
        });
        let integration = json!({
            "contract": format!("{name}-contract"), "purpose": "is measured", "limits": limits,
            "routes": ROUTES.map(|(route, ..)| route), "scopes": ["lab.read"],
            "ceilings": { "networks": self.networks() },
        });
        let of = |kind: &str, name: String, spec: Value| json!({ "kind": kind, "name": name, "spec": spec });
        vec![
            of("Vendor", name.clone(), vendor),
            of("Contract", format!("{name}-contract"), contract),
            of("Integration", format!("{name}-read"), integration),
            self.machine.manifest(&format!("{name}-read")),
        ]
    }
}

/// Name, upstream, method, path, and whether records are counted.
const ROUTES: [(&str, &str, &str, &str, bool); 6] = [
    ("records", "service", "GET", "/records", true),
    ("slow", "service", "GET", "/slow", true),
    ("download", "service", "GET", "/download", false),
    ("events", "service", "GET", "/events", true),
    ("socket", "service", "GET", "/socket", true),
    ("grpc", "grpc", "POST", "/lab.Stream/{method}", true),
];

fn routes(upstream: Upstream) -> Vec<Value> {
    let mut manifests = vec![
        json!({ "kind": "Upstream", "name": "service", "spec": { "url": format!("http://{}", upstream.http1) } }),
        json!({
            "kind": "Upstream", "name": "grpc",
            "spec": { "url": format!("http://{}", upstream.http2), "protocol": "http2" },
        }),
    ];
    manifests.extend(ROUTES.map(|(name, upstream, method, path, metered)| {
        let mut spec = json!({
            "upstream": upstream, "methods": [method], "path": path, "scope": "lab.read", "metered": metered,
        });
        if name == "socket" {
            spec["websocket"] = true.into();
        }
        json!({ "kind": "Route", "name": name, "spec": spec })
    }));
    manifests
}
