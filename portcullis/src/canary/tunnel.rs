//! The canary's own WireGuard tunnel: its far end is in this process, and exercises carry packets through it.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ipnet::Ipv4Net;
use portcullis_api::exercises::CanaryWireguard;
use portcullis_api::problem::Problem;
use portcullis_control::control::Control;
use portcullis_domain::ids::OperatorId;
use portcullis_domain::spec::{TunnelSpec, WireguardSpec};
use portcullis_domain::state::State;
use portcullis_policy::clock::Clock;
use portcullis_wireguard::{Credentials, KEY_BYTES, Peer, Settings};
use uuid::Uuid;

use super::relay::Relay;

/// Name of the tunnel, and of the integration that it is for.
pub const TUNNEL: &str = "canary-wireguard";
const INTEGRATION: &str = "canary";
/// How long the enforcer may take to set the peer that it was told of.
const OPENS: Duration = Duration::from_secs(15);
/// An answer takes less than a thousandth of it on one machine: what is silent for so long is closed.
const SILENCE: Duration = Duration::from_secs(1);
/// As WireGuard does it everywhere.
const RENEW: Duration = Duration::from_secs(120);

/// Where the tunnel runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Course {
    spec: TunnelSpec,
    wireguard: WireguardSpec,
    /// The gate inside of the tunnel.
    gate: SocketAddrV4,
    /// The canary's machine inside.
    pub machine: Ipv4Addr,
}

impl Course {
    /// As somebody asks for it. `listen` is where the gate listens.
    pub fn asked(asked: &CanaryWireguard, listen: SocketAddr) -> Result<Self, Box<Problem>> {
        let network: Option<Ipv4Net> = asked.network.parse().ok();
        let mut hosts = network
            .filter(|network| network.prefix_len() <= 30)
            .into_iter()
            .flat_map(|network| network.hosts());
        let (Some(gate), Some(machine)) = (hosts.next(), hosts.next()) else {
            let shown: String = asked.network.chars().take(80).collect();
            let problem = Problem::new(
                422,
                "no network",
                format!("`{shown}` is no network of IPv4 with two addresses"),
            );
            return Err(Box::new(problem.hint("write one that nobody uses, such as `10.213.66.0/30`")));
        };
        let wireguard = WireguardSpec {
            interface: asked.interface.clone(),
            listen_port: asked.listen_port,
            peer_public_key: String::new(),
            endpoint: None,
            keepalive_seconds: None,
        };
        let spec = TunnelSpec {
            integration: INTEGRATION.to_owned(),
            local_networks: vec![format!("{gate}/32")],
            remote_networks: vec![format!("{machine}/32")],
            ipsec: None,
            wireguard: Some(wireguard.clone()),
        };
        Ok(Self { spec, wireguard, gate: SocketAddrV4::new(gate, listen.port()), machine })
    }

    /// As it is declared; none where the canary has no tunnel of its own.
    pub fn declared(state: &State, listen: SocketAddr) -> Option<Self> {
        let spec = state.tunnel(TUNNEL)?.spec;
        let first = |texts: &[String]| texts.first()?.parse::<Ipv4Net>().ok().map(|network| network.addr());
        Some(Self {
            wireguard: spec.wireguard.clone()?,
            gate: SocketAddrV4::new(first(&spec.local_networks)?, listen.port()),
            machine: first(&spec.remote_networks)?,
            spec: spec.clone(),
        })
    }

    /// The declaration, for a peer with this key.
    pub fn manifest(&self, public_key: &str) -> serde_json::Value {
        let wireguard = WireguardSpec { peer_public_key: public_key.to_owned(), ..self.wireguard.clone() };
        let spec = TunnelSpec { wireguard: Some(wireguard), ..self.spec.clone() };
        serde_json::json!({ "kind": "Tunnel", "name": TUNNEL, "spec": spec })
    }

    /// Whether this machine has what the tunnel runs over.
    pub fn check(&self, control: &Control, listen: SocketAddr) -> Result<(), Box<Problem>> {
        let Self { wireguard, gate, machine, .. } = self;
        let (interface, ours) = (&wireguard.interface, gate.ip());
        let problem = |title: &str, detail: String, hint: String| {
            Err(Box::new(Problem::new(409, title, detail).hint(hint)))
        };
        if !control.enforcer_standing().set_up {
            return problem(
                "no enforcer",
                "nobody would set the tunnel's peer: this installation has no enforcer".to_owned(),
                "start `portcullis enforcer`, and `portcullis up --enforcer SOCKET`".to_owned(),
            );
        }
        let steps = format!(
            "`ip link add {interface} type wireguard` (or `wireguard-go {interface}`), `ip address add {ours}/32 dev {interface}`, `ip link set {interface} up`, `ip route add {machine}/32 dev {interface}`"
        );
        if !is_interface(interface) {
            let detail = format!("there is no interface `{interface}` on this machine");
            return problem("no interface", detail, format!("make it: {steps}"));
        }
        if std::net::UdpSocket::bind((*ours, 0)).is_err() {
            let detail = format!("`{ours}`, the gate's address inside of the tunnel, is not on this machine");
            return problem("no address", detail, format!("give it to the interface: {steps}"));
        }
        if !listen.ip().is_unspecified() && listen.ip() != *ours {
            let detail = format!("the gate listens on `{listen}` alone, and is not reached at `{ours}`");
            let hint = format!(
                "let it listen everywhere, with `portcullis up --listen-gate 0.0.0.0:{}`",
                listen.port()
            );
            return problem("not listening there", detail, hint);
        }
        Ok(())
    }

    fn settings(&self, clock: &Clock) -> Settings {
        let clock = clock.clone();
        Settings {
            // An interface of WireGuard listens on every address of its machine.
            endpoint: (Ipv4Addr::LOCALHOST, self.wireguard.listen_port).into(),
            address: self.machine,
            renew: RENEW,
            clock: Arc::new(move || SystemTime::from(clock.now())),
        }
    }
}

/// A tunnel of a run, with its far end.
pub struct Tunnel {
    course: Course,
    peer: Arc<Peer>,
    relay: Relay,
    held: Held,
    /// Public key of our interface.
    interface: [u8; KEY_BYTES],
    clock: Clock,
}

/// What a thief of this end would have.
#[derive(Clone)]
pub struct Held {
    private: [u8; KEY_BYTES],
    preshared: [u8; KEY_BYTES],
}

impl Tunnel {
    /// Has credentials issued, registers them at this end, and shakes hands.
    pub async fn open(
        control: &Control,
        course: Course,
        private: [u8; KEY_BYTES],
        listen: SocketAddr,
        (run, by): (Uuid, Option<OperatorId>),
    ) -> Result<Self, String> {
        let issued = control.issue_canary_tunnel(TUNNEL, run, by).await.map_err(|error| error.to_string())?;
        let held = Held { private, preshared: issued.preshared };
        let clock = control.clock().clone();
        let peer = Arc::new(held.peer(&course, issued.interface, &clock).await?);
        if let Err(error) = peer.shake(OPENS).await {
            // Where the ground is gone, that is the reason.
            let why = course.check(control, listen).err().map(|problem| problem.detail);
            return Err(why.unwrap_or_else(|| error.to_string()));
        }
        let relay = Relay::start(Arc::clone(&peer), course.gate).map_err(|error| error.to_string())?;
        Ok(Self { course, peer, relay, held, interface: issued.interface, clock })
    }

    /// Whoever connects there comes out of the tunnel at the gate.
    pub fn door(&self) -> &Path {
        self.relay.path()
    }

    pub fn held(&self) -> Held {
        self.held.clone()
    }

    /// Whether a new handshake is refused, as nobody answers it.
    pub async fn is_shut(&self) -> (bool, String) {
        match self.peer.shake(SILENCE).await {
            Ok(()) => (false, "the peer is set: a new handshake was answered".to_owned()),
            Err(_) => (true, format!("no answer within {SILENCE:?}")),
        }
    }

    /// Whether nothing comes through to a new connection, nor to anything else.
    pub async fn is_silent(&self) -> (bool, String, u64) {
        let before = self.peer.received();
        let connected = self.peer.connect(self.course.gate, SILENCE).await.is_ok();
        let came = self.peer.received().saturating_sub(before);
        let how = match (connected, came) {
            (true, _) => "it was taken".to_owned(),
            (false, 0) => format!("no packet came within {SILENCE:?}"),
            (false, came) => format!("{came} packets came within {SILENCE:?}"),
        };
        (!connected && came == 0, how, came)
    }

    /// Whether former keys are answered, by whoever has learnt our interface's new public key.
    pub async fn takes(&self, former: &Held) -> Result<bool, String> {
        let peer = former.peer(&self.course, self.interface, &self.clock).await?;
        Ok(peer.shake(SILENCE).await.is_ok())
    }
}

impl Held {
    async fn peer(&self, course: &Course, interface: [u8; KEY_BYTES], clock: &Clock) -> Result<Peer, String> {
        let credentials = Credentials::new(&self.private, interface, self.preshared);
        let credentials = credentials.map_err(|error| error.to_string())?;
        Peer::start(course.settings(clock), credentials).await.map_err(|error| error.to_string())
    }
}

fn is_interface(name: &str) -> bool {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
    socket.is_ok_and(|socket| rustix::net::netdevice::name_to_index(&socket, name).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_gives_both_sides_their_addresses_and_a_narrow_one_is_refused() {
        let course = |network: &str| {
            let asked = CanaryWireguard {
                interface: "pc-canary".to_owned(),
                listen_port: 51_866,
                network: network.to_owned(),
            };
            Course::asked(&asked, "0.0.0.0:8443".parse().unwrap())
        };
        let made = course("10.213.66.0/30").unwrap();
        assert_eq!(
            (made.gate.to_string(), made.machine.to_string()),
            ("10.213.66.1:8443".into(), "10.213.66.2".into())
        );
        for wrong in ["10.213.66.0/31", "10.213.66.0/32", "fd00::/64", "", "nonsense"] {
            assert_eq!(course(wrong).unwrap_err().status, 422, "{wrong}");
        }
    }

    #[test]
    fn an_interface_is_told_from_one_that_is_not_there() {
        assert!(is_interface("lo"));
        assert!(!is_interface("pc-nobody"));
    }
}
