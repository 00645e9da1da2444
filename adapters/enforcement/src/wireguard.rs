//! Tunnels by WireGuard, through the tool `wg`: a peer stands on its interface while its tunnel may be up. The
//! interface itself is made by the operator, by the kernel or `wireguard-go`; one whose name begins with our
//! prefix is ours alone, and every peer on it that the plan doesn't have is removed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portcullis_network::cut::{Cut, CutLink, CutTunnel};
use portcullis_network::order::{Arm, Measures, PathReport, TunnelMeasure};
use portcullis_network::plan::{Link, NetworkPlan, Tunnel, Wireguard};

use crate::program::{Said, run};
use crate::turn::{Turn, Turns};
use crate::{Answer, ArmError, NetworkArm};

/// Interfaces whose names begin with it are ours alone.
pub const PREFIX: &str = "pc-";
/// The longest wait for the tool.
const STEP: Duration = Duration::from_millis(1_000);
const NONE_LEFT: &str = "wg shows no such peer";

/// The arm [`Arm::Wireguard`].
pub struct WireguardTool {
    program: String,
    step: Duration,
    /// Tells ages of handshakes.
    clock: fn() -> SystemTime,
    turns: Turns,
}

/// A peer, as `wg show INTERFACE dump` tells of it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Peer {
    public_key: String,
    preshared_key: Option<String>,
    endpoint: Option<String>,
    allowed: BTreeSet<String>,
    /// Seconds since 1970; none before the first.
    handshake: Option<u64>,
    bytes_in: u64,
    bytes_out: u64,
}

/// An interface with its peers.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
struct Interface {
    private_key: Option<String>,
    listen_port: Option<u16>,
    peers: Vec<Peer>,
}

impl WireguardTool {
    /// `clock` is the system's: ages of handshakes are told by it.
    #[must_use]
    pub fn new(clock: fn() -> SystemTime) -> Self {
        Self { program: "wg".to_owned(), step: STEP, clock, turns: Turns::default() }
    }

    /// Runs another tool of the same words, and waits no longer than `step` for it.
    #[must_use]
    pub fn with(self, program: &str, step: Duration) -> Self {
        Self { program: program.to_owned(), step, ..self }
    }

    /// Asks, and changes nothing.
    async fn wg(&self, doing: &'static str, arguments: &[&str]) -> Result<String, ArmError> {
        self.change(doing, arguments, String::new(), None).await
    }

    async fn change(
        &self,
        doing: &'static str,
        arguments: &[&str],
        input: String,
        turn: Option<&Turn>,
    ) -> Result<String, ArmError> {
        let said = run(&self.program, arguments, input.into_bytes(), self.step, turn.cloned()).await?;
        let Said { succeeded, output, complaint } = said;
        if succeeded {
            return Ok(String::from_utf8_lossy(&output).into_owned());
        }
        Err(ArmError::Failed { doing, why: complaint })
    }

    async fn interfaces(&self) -> Result<BTreeSet<String>, ArmError> {
        let text = self.wg("listing interfaces", &["show", "interfaces"]).await?;
        Ok(text.split_whitespace().map(str::to_owned).collect())
    }

    async fn interface(&self, name: &str) -> Result<Interface, ArmError> {
        let text = self.wg("reading an interface", &["show", name, "dump"]).await?;
        read_dump(&text).ok_or_else(|| ArmError::Failed {
            doing: "reading an interface",
            why: "`wg` said something else".into(),
        })
    }

    async fn remove(&self, interface: &str, key: &str, turn: &Turn) -> Result<(), ArmError> {
        let arguments = ["set", interface, "peer", key, "remove"];
        self.change("removing a peer", &arguments, String::new(), Some(turn)).await.map(drop)
    }

    async fn bring_about(&self, plan: &NetworkPlan) -> Result<(), ArmError> {
        let mut wanted: BTreeMap<&str, Vec<(&Tunnel, &Wireguard)>> = BTreeMap::new();
        let mut named = BTreeSet::new();
        for tunnel in &plan.tunnels {
            let Link::Wireguard(wireguard) = &tunnel.link else { continue };
            named.insert(wireguard.interface.as_str());
            if tunnel.standing.is_open() && wireguard.peer_public_key.is_some() {
                wanted.entry(&wireguard.interface).or_default().push((tunnel, wireguard));
            }
        }
        let there = match self.interfaces().await {
            // Nothing is wanted of a tool that isn't there.
            Err(ArmError::Absent(_)) if wanted.is_empty() => return Ok(()),
            other => other?,
        };
        // What was begun before has ended, and what is begun here ends before anything is cut.
        let turn = self.turns.wait().await;
        let own = there.iter().filter(|name| name.starts_with(PREFIX) || named.contains(name.as_str()));
        let mut obstacles = Vec::new();
        let mut known = BTreeMap::new();
        // What closes comes first.
        for name in own {
            let interface = match self.interface(name).await {
                Ok(interface) => interface,
                Err(error) => {
                    obstacles.push(format!("interface `{name}`: {error}"));
                    continue;
                }
            };
            let open = wanted.get(name.as_str()).map(Vec::as_slice).unwrap_or_default();
            let stays = |peer: &Peer| {
                open.iter().any(|(_, wireguard)| wireguard.peer_public_key.as_ref() == Some(&peer.public_key))
            };
            for peer in interface.peers.iter().filter(|peer| !stays(peer)) {
                if let Err(error) = self.remove(name, &peer.public_key, &turn).await {
                    obstacles.push(format!("a peer of `{name}` stays: {error}"));
                }
            }
            known.insert(name.clone(), interface);
        }
        for (name, tunnels) in wanted {
            let Some(interface) = known.get(name) else {
                if there.contains(name) {
                    continue;
                }
                obstacles.extend(tunnels.iter().map(|(tunnel, _)| {
                    format!("`{}`: there is no interface `{name}`; make it, and the peer is set", tunnel.name)
                }));
                continue;
            };
            for (tunnel, wireguard) in tunnels {
                if let Err(error) = self.set(interface, tunnel, wireguard, &turn).await {
                    obstacles.push(format!("`{}`: {error}", tunnel.name));
                }
            }
        }
        if obstacles.is_empty() {
            return Ok(());
        }
        Err(ArmError::Failed { doing: "opening tunnels", why: obstacles.join("; ") })
    }

    /// Nothing where it is set already, so that a peer that has moved keeps its place.
    async fn set(
        &self,
        interface: &Interface,
        tunnel: &Tunnel,
        wanted: &Wireguard,
        turn: &Turn,
    ) -> Result<(), ArmError> {
        let Some(key) = &wanted.peer_public_key else { return Ok(()) };
        let allowed: BTreeSet<String> = tunnel.remote_networks.iter().map(ToString::to_string).collect();
        let exposed = |secret: &Option<portcullis_network::secret::Secret>| {
            secret.as_ref().map(|secret| secret.expose().to_owned())
        };
        let (preshared, private) = (exposed(&wanted.preshared_key), exposed(&wanted.private_key));
        let known = interface.peers.iter().find(|peer| peer.public_key == *key);
        let is_set = known.is_some_and(|peer| peer.allowed == allowed && peer.preshared_key == preshared);
        let has_key = private.is_none() || interface.private_key == private;
        let has_port = wanted.listen_port.is_none() || interface.listen_port == wanted.listen_port;
        if is_set && has_key && has_port {
            return Ok(());
        }
        // Another shared key means that the session under the former one has to end.
        if known.is_some_and(|peer| peer.preshared_key != preshared) {
            self.remove(&wanted.interface, key, turn).await?;
        }
        let mut text = String::from("[Interface]\n");
        if let Some(private) = private.filter(|_| !has_key) {
            let _ = writeln!(text, "PrivateKey = {private}");
        }
        if let Some(port) = wanted.listen_port.filter(|_| !has_port) {
            let _ = writeln!(text, "ListenPort = {port}");
        }
        let _ = writeln!(text, "[Peer]\nPublicKey = {key}");
        if let Some(preshared) = preshared {
            let _ = writeln!(text, "PresharedKey = {preshared}");
        }
        let _ = writeln!(text, "AllowedIPs = {}", allowed.into_iter().collect::<Vec<_>>().join(", "));
        if let Some(endpoint) = wanted.endpoint {
            let _ = writeln!(text, "Endpoint = {endpoint}");
        }
        if let Some(seconds) = wanted.keepalive_seconds {
            let _ = writeln!(text, "PersistentKeepalive = {seconds}");
        }
        // Secrets go through a pipe: arguments are for everybody to see.
        let arguments = ["addconf", &wanted.interface, "/dev/stdin"];
        self.change("setting a peer", &arguments, text, Some(turn)).await.map(drop)
    }

    async fn cut(&self, cut: &Cut) -> Result<Vec<PathReport>, ArmError> {
        let tunnels = wireguard_of(cut);
        if tunnels.is_empty() {
            return Ok(Vec::new());
        }
        let turn = self.turns.cut().await;
        let there = self.interfaces().await?;
        let mut reports = Vec::new();
        // One peer that stays keeps no other.
        let mut refused = Vec::new();
        for (tunnel, interface, key) in tunnels {
            let mut was_open = false;
            if there.contains(interface) {
                let peers = match self.interface(interface).await {
                    Ok(interface) => interface.peers,
                    Err(error) => {
                        refused.push(error);
                        continue;
                    }
                };
                for peer in peers.iter().filter(|peer| is_meant(interface, key, &peer.public_key)) {
                    refused.extend(self.remove(interface, &peer.public_key, &turn).await.err());
                    was_open = true;
                }
            }
            reports.push(PathReport {
                path: format!("tunnel/{}", tunnel.name),
                was_open,
                closed_us: None,
                verified_us: None,
                how: "peer removed".to_owned(),
            });
        }
        if let Some(error) = refused.into_iter().next() {
            return Err(error);
        }
        turn.is_good()?;
        Ok(reports)
    }

    async fn look(&self, cut: &Cut) -> Result<Vec<PathReport>, ArmError> {
        let tunnels = wireguard_of(cut);
        if tunnels.is_empty() {
            return Ok(Vec::new());
        }
        let there = self.interfaces().await?;
        let mut reports = Vec::new();
        for (tunnel, interface, key) in tunnels {
            if there.contains(interface) {
                let peers = self.interface(interface).await?.peers;
                if peers.iter().any(|peer| is_meant(interface, key, &peer.public_key)) {
                    return Err(ArmError::Open(format!("tunnel/{}: its peer is set", tunnel.name)));
                }
            }
            reports.push(PathReport {
                path: format!("tunnel/{}", tunnel.name),
                was_open: false,
                closed_us: None,
                verified_us: None,
                how: NONE_LEFT.to_owned(),
            });
        }
        Ok(reports)
    }

    async fn count(&self, plan: &NetworkPlan) -> Result<Measures, ArmError> {
        let mut tunnels = Vec::new();
        let all = plan.tunnels.iter().filter_map(|tunnel| match &tunnel.link {
            Link::Wireguard(wireguard) => Some((tunnel, &**wireguard)),
            Link::Ipsec(_) => None,
        });
        let all: Vec<_> = all.collect();
        if all.is_empty() {
            return Ok(Measures::default());
        }
        let there = self.interfaces().await?;
        let now = (self.clock)().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        for (tunnel, wireguard) in all {
            let peers = match there.contains(&wireguard.interface) {
                true => self.interface(&wireguard.interface).await?.peers,
                false => Vec::new(),
            };
            let key = wireguard.peer_public_key.as_deref();
            let peer = peers.into_iter().find(|peer| is_meant(&wireguard.interface, key, &peer.public_key));
            // What is set and isn't open is told of with what it carried, and goes.
            if let Some(peer) = peer.as_ref().filter(|_| !tunnel.standing.is_open()) {
                self.remove(&wireguard.interface, &peer.public_key, &self.turns.wait().await).await?;
                tracing::error!(tunnel = tunnel.name, "a peer was set that the plan doesn't have open");
            }
            tunnels.push(measure(tunnel, peer, now));
        }
        Ok(Measures { tunnels, ..Measures::default() })
    }
}

impl NetworkArm for WireguardTool {
    fn arm(&self) -> Arm {
        Arm::Wireguard
    }

    fn probe(&self) -> Answer<'_, ()> {
        Box::pin(async {
            self.interfaces().await.map(drop).map_err(|error| match error {
                ArmError::Failed { why, .. } => ArmError::Absent(format!("`{}`: {why}", self.program)),
                other => other,
            })
        })
    }

    fn enforce<'a>(&'a self, plan: &'a NetworkPlan) -> Answer<'a, ()> {
        Box::pin(self.bring_about(plan))
    }

    fn sever<'a>(&'a self, cut: &'a Cut) -> Answer<'a, Vec<PathReport>> {
        Box::pin(self.cut(cut))
    }

    fn verify<'a>(&'a self, cut: &'a Cut) -> Answer<'a, Vec<PathReport>> {
        Box::pin(self.look(cut))
    }

    fn measure<'a>(&'a self, plan: &'a NetworkPlan) -> Answer<'a, Measures> {
        Box::pin(self.count(plan))
    }
}

/// Of an interface that is ours alone every peer, of another one only this.
fn is_meant(interface: &str, key: Option<&str>, peer: &str) -> bool {
    interface.starts_with(PREFIX) || key == Some(peer)
}

fn wireguard_of(cut: &Cut) -> Vec<(&CutTunnel, &str, Option<&str>)> {
    cut.tunnels
        .iter()
        .filter_map(|tunnel| match &tunnel.link {
            CutLink::Wireguard { interface, peer_public_key } => {
                Some((tunnel, interface.as_str(), peer_public_key.as_deref()))
            }
            CutLink::Ipsec { .. } => None,
        })
        .collect()
}

/// WireGuard renews its keys after two minutes of use, and drops them after three.
const HANDSHAKE_SECONDS_MAX: u64 = 180;

fn measure(tunnel: &Tunnel, peer: Option<Peer>, now: u64) -> TunnelMeasure {
    let age = peer.as_ref().and_then(|peer| peer.handshake).map(|at| now.saturating_sub(at));
    let up = age.is_some_and(|age| age <= HANDSHAKE_SECONDS_MAX);
    TunnelMeasure {
        tunnel: tunnel.id,
        up,
        bytes_in: peer.as_ref().map_or(0, |peer| peer.bytes_in),
        bytes_out: peer.as_ref().map_or(0, |peer| peer.bytes_out),
        // Nobody counts them here.
        packets_in: 0,
        packets_out: 0,
        handshake_age_seconds: age,
        peer: peer.and_then(|peer| peer.endpoint),
        associations: u32::from(up),
    }
}

/// One line of the interface, then one of each peer, tabs between (wg(8)).
fn read_dump(text: &str) -> Option<Interface> {
    let some = |text: &str| (!text.is_empty() && text != "(none)").then(|| text.to_owned());
    let mut lines = text.lines();
    let mut own = lines.next()?.split('\t');
    let private_key = some(own.next()?);
    let _public_key = own.next()?;
    let listen_port = own.next()?.parse().ok().filter(|port| *port != 0);
    let peers = lines
        .map(|line| {
            let mut fields = line.split('\t');
            let (public_key, preshared, endpoint) = (fields.next()?, fields.next()?, fields.next()?);
            let allowed = fields.next()?;
            let mut number = || fields.next()?.parse::<u64>().ok();
            let (handshake, bytes_in, bytes_out) = (number()?, number()?, number()?);
            Some(Peer {
                public_key: public_key.to_owned(),
                preshared_key: some(preshared),
                endpoint: some(endpoint),
                allowed: allowed.split(',').filter_map(some).collect(),
                handshake: (handshake > 0).then_some(handshake),
                bytes_in,
                bytes_out,
            })
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Interface { private_key, listen_port, peers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_is_read_and_nonsense_is_not() {
        let text = "cHJpdmF0ZQ==\tcHVibGlj\t51820\toff\nQQ==\t(none)\t192.0.2.9:51820\t10.9.0.0/28,fd00::/64\t1700000000\t10\t20\t25\nQg==\tc2hhcmVk\t(none)\t(none)\t0\t0\t0\toff\n";
        let read = read_dump(text).unwrap();
        assert_eq!((read.private_key.as_deref(), read.listen_port), (Some("cHJpdmF0ZQ=="), Some(51_820)));
        let shown: Vec<_> = read
            .peers
            .iter()
            .map(|peer| {
                (peer.public_key.as_str(), peer.preshared_key.as_deref(), peer.handshake, peer.allowed.len())
            })
            .collect();
        assert_eq!(shown, [("QQ==", None, Some(1_700_000_000), 2), ("Qg==", Some("c2hhcmVk"), None, 0)]);
        for nonsense in
            ["", "one", "a\tb\tc\td\npeer\twithout\tend\n", "a\tb\tc\td\nk\tp\te\ta\tx\t0\t0\toff\n"]
        {
            assert!(read_dump(nonsense).is_none(), "{nonsense}");
        }
    }

    #[test]
    fn on_our_own_interface_every_peer_is_meant_and_on_others_the_one() {
        assert!(is_meant("pc-acme", None, "A"));
        assert!(is_meant("wg0", Some("A"), "A"));
        assert!(!is_meant("wg0", Some("A"), "B"));
        assert!(!is_meant("wg0", None, "B"));
    }
}
