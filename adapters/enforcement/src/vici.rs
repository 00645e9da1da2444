//! Tunnels by IPsec, over the VICI socket of strongSwan's charon: connections are loaded while they may be up, and
//! unloaded, terminated and their shared secrets taken away when not. Only what has our prefix is touched.

mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis_network::cut::{Cut, CutLink, CutTunnel};
use portcullis_network::order::{Arm, Measures, PathReport, TunnelMeasure};
use portcullis_network::plan::{Authentication, Ipsec, Link, NetworkPlan, Tunnel};
use portcullis_network::rendering::first_certificate;
use portcullis_network::setting::Setting;
use portcullis_network::swanctl::{PREFIX, ours, same_tunnel};
use tokio::sync::Mutex;

use self::session::{Association, Loaded, Session};
use crate::turn::Turns;
use crate::{Answer, ArmError, NetworkArm};

/// The longest wait for charon's answer to one command.
const STEP: Duration = Duration::from_millis(1_000);
const NONE_LEFT: &str = "not loaded, no secret, and list-sas shows none";

/// The arm [`Arm::Ipsec`].
#[derive(Clone)]
pub struct Vici {
    socket: PathBuf,
    step: Duration,
    /// Private keys that were loaded for a connection: charon names them by itself.
    keys: Arc<Mutex<BTreeMap<String, String>>>,
    turns: Turns,
}

/// Tells those that work for a caller that it waits no more.
#[derive(Default)]
struct Ended(Arc<AtomicBool>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Vici {
    #[must_use]
    pub fn new(socket: PathBuf) -> Self {
        Self { socket, step: STEP, keys: Arc::default(), turns: Turns::default() }
    }

    /// Waits no longer than `step` for each of charon's answers.
    #[must_use]
    pub fn with_step(self, step: Duration) -> Self {
        Self { step, ..self }
    }

    async fn session(&self) -> Result<Session, ArmError> {
        Session::open(&self.socket, self.step).await
    }

    /// A command that charon has heard it carries out, though nobody waits for its answer. So a task of its own waits for
    /// each answer, and begins no other command once the caller is gone; a cut waits for its turn behind it.
    async fn enforce_apart(&self, plan: &NetworkPlan) -> Result<(), ArmError> {
        let turn = self.turns.wait().await;
        let caller = Ended::default();
        let ended = Arc::clone(&caller.0);
        let is_ipsec = |tunnel: &&Tunnel| matches!(tunnel.link, Link::Ipsec(_));
        let tunnels: Vec<Tunnel> = plan.tunnels.iter().filter(is_ipsec).cloned().collect();
        let this = self.clone();
        let working = tokio::spawn(async move {
            let _turn = turn;
            this.bring_about(&tunnels, &ended).await
        });
        let failed = |error: tokio::task::JoinError| ArmError::Failed {
            doing: "opening tunnels",
            why: error.to_string(),
        };
        let result = working.await.map_err(failed)?;
        drop(caller);
        result
    }

    async fn bring_about(&self, tunnels: &[Tunnel], ended: &AtomicBool) -> Result<(), ArmError> {
        let open: BTreeMap<&str, (&Tunnel, &Ipsec)> = tunnels
            .iter()
            .filter(|tunnel| tunnel.standing.is_open())
            .filter_map(|tunnel| match &tunnel.link {
                Link::Ipsec(ipsec) if ipsec.authentication.is_some() => {
                    Some((ipsec.connection.as_str(), (tunnel, &**ipsec)))
                }
                _ => None,
            })
            .collect();
        let mut session = match self.session().await {
            // Nothing is wanted of a charon that isn't there.
            Err(ArmError::Absent(_)) if open.is_empty() => return Ok(()),
            other => other?,
        };
        // What closes comes first, and an obstacle to opening never keeps anything open.
        let keep = |name: &str| open.contains_key(name);
        let closed = self.close(&mut session, |name| !keep(name)).await?;
        let loaded: BTreeSet<String> = session.connections().await?.into_iter().collect();
        let mut obstacles = Vec::new();
        for (name, (tunnel, ipsec)) in open {
            // The name is a digest of all that is in it, so what is loaded is right.
            if loaded.contains(name) {
                continue;
            }
            if ended.load(Ordering::Relaxed) {
                break;
            }
            if let Err(error) = self.load(&mut session, tunnel, ipsec).await {
                // Half of it is nothing.
                let _ = self.close(&mut session, |loaded| loaded == name).await;
                obstacles.push(format!("`{}`: {error}", tunnel.name));
            }
        }
        if !closed.is_empty() {
            tracing::info!(connections = ?closed, "closed tunnels that the plan doesn't have open");
        }
        if obstacles.is_empty() {
            return Ok(());
        }
        Err(ArmError::Failed { doing: "opening tunnels", why: obstacles.join("; ") })
    }

    async fn load(&self, session: &mut Session, tunnel: &Tunnel, ipsec: &Ipsec) -> Result<(), ArmError> {
        let name = ipsec.connection.as_str();
        let Some(mut connection) = ours(tunnel) else { return Ok(()) };
        if !name.starts_with(PREFIX) {
            let why = format!("`{name}` doesn't begin with `{PREFIX}`");
            return Err(ArmError::Failed { doing: "loading a connection", why });
        }
        match &ipsec.authentication {
            Some(Authentication::PresharedKey { key }) => {
                let owners = [ipsec.local_identity.as_str(), ipsec.peer_identity.as_str()];
                session.load_secret(name, key.expose(), owners).await?;
            }
            Some(Authentication::Certificate { certificate, private_key, peer_certificate, authority }) => {
                let list = |pem: &str| Setting::List(vec![first_certificate(pem)]);
                if let Some(local) = connection.at_mut(&["local"]) {
                    local.push("certs", list(certificate));
                }
                if let Some(remote) = connection.at_mut(&["remote"]) {
                    remote.push("certs", list(peer_certificate));
                    remote.push("cacerts", list(authority));
                }
                if let Some(id) = session.load_key(private_key.expose()).await? {
                    self.keys.lock().await.insert(name.to_owned(), id);
                }
            }
            None => return Ok(()),
        }
        if let Some(address) = ipsec.virtual_address {
            session.load_pool(name, &address.to_string()).await?;
        }
        session.load_connection(name, &Loaded(&connection)).await
    }

    /// Unloads and terminates those of our connections that `is_meant` names, and answers which were loaded or up.
    async fn close(
        &self,
        session: &mut Session,
        is_meant: impl Fn(&str) -> bool,
    ) -> Result<BTreeSet<String>, ArmError> {
        let is_meant = |name: &str| name.starts_with(PREFIX) && is_meant(name);
        let loaded: BTreeSet<String> =
            session.connections().await?.into_iter().filter(|name| is_meant(name)).collect();
        let secrets: Vec<String> = session.secrets().await?.into_iter().filter(|id| is_meant(id)).collect();
        // No new association first, then no old one.
        let mut refused = Vec::new();
        for name in &loaded {
            refused.extend(session.unload_connection(name).await.err());
        }
        for id in &secrets {
            refused.extend(session.unload_secret(id).await.err());
        }
        let up: BTreeSet<String> = session
            .associations()
            .await?
            .into_iter()
            .map(|(name, _)| name)
            .filter(|name| is_meant(name))
            .collect();
        for name in &up {
            refused.extend(session.terminate(name).await.err());
        }
        self.forget(session, &loaded).await;
        match refused.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(loaded.union(&up).cloned().collect()),
        }
    }

    /// Our own key and the one address are no path: that they can't be taken away is told, and stops nothing.
    async fn forget(&self, session: &mut Session, names: &BTreeSet<String>) {
        for name in names {
            // Most have no pool, and charon says so.
            let _ = session.unload_pool(name).await;
            let Some(id) = self.keys.lock().await.remove(name) else { continue };
            if let Err(error) = session.unload_key(&id).await {
                tracing::warn!(%error, connection = name, "a private key of ours stays loaded");
            }
        }
    }

    async fn cut(&self, cut: &Cut) -> Result<Vec<PathReport>, ArmError> {
        let tunnels = ipsec_of(cut);
        if tunnels.is_empty() {
            return Ok(Vec::new());
        }
        let turn = self.turns.cut().await;
        let mut session = self.session().await?;
        let is_meant = |name: &str| tunnels.iter().any(|(_, connection)| same_tunnel(connection, name));
        let closed = self.close(&mut session, is_meant).await?;
        turn.is_good()?;
        Ok(tunnels
            .into_iter()
            .map(|(tunnel, connection)| PathReport {
                path: format!("tunnel/{}", tunnel.name),
                was_open: closed.iter().any(|name| same_tunnel(connection, name)),
                closed_us: None,
                verified_us: None,
                how: "unloaded, and terminated without waiting for the peer".to_owned(),
            })
            .collect())
    }

    async fn look(&self, cut: &Cut) -> Result<Vec<PathReport>, ArmError> {
        let tunnels = ipsec_of(cut);
        if tunnels.is_empty() {
            return Ok(Vec::new());
        }
        let mut session = self.session().await?;
        let loaded = session.connections().await?;
        let secrets = session.secrets().await?;
        let up = session.associations().await?;
        for (tunnel, connection) in &tunnels {
            let is_own = |name: &String| same_tunnel(connection, name);
            if loaded.iter().any(is_own) {
                return Err(ArmError::Open(format!("tunnel/{}: its connection is loaded", tunnel.name)));
            }
            if secrets.iter().any(is_own) {
                return Err(ArmError::Open(format!("tunnel/{}: its shared secret is loaded", tunnel.name)));
            }
            if up.iter().any(|(name, _)| is_own(name)) {
                return Err(ArmError::Open(format!("tunnel/{}: list-sas shows it up", tunnel.name)));
            }
        }
        Ok(tunnels
            .into_iter()
            .map(|(tunnel, _)| PathReport {
                path: format!("tunnel/{}", tunnel.name),
                was_open: false,
                closed_us: None,
                verified_us: None,
                how: NONE_LEFT.to_owned(),
            })
            .collect())
    }

    async fn count(&self, plan: &NetworkPlan) -> Result<Measures, ArmError> {
        let ipsec: Vec<_> = plan
            .tunnels
            .iter()
            .filter_map(|tunnel| match &tunnel.link {
                Link::Ipsec(ipsec) => Some((tunnel, &**ipsec)),
                Link::Wireguard(_) => None,
            })
            .collect();
        if ipsec.is_empty() {
            return Ok(Measures::default());
        }
        let mut session = self.session().await?;
        let up = session.associations().await?;
        // What is up and isn't open is told of with what it carried, and goes.
        let open: BTreeSet<&str> = ipsec
            .iter()
            .filter(|(tunnel, _)| tunnel.standing.is_open())
            .map(|(_, ipsec)| ipsec.connection.as_str())
            .collect();
        let is_stray = |name: &str| name.starts_with(PREFIX) && !open.contains(name);
        if up.iter().any(|(name, _)| is_stray(name)) {
            let closed = self.close(&mut session, is_stray).await?;
            tracing::error!(connections = ?closed, "tunnels were up that the plan doesn't have open");
        }
        let tunnels = ipsec.into_iter().map(|(tunnel, ipsec)| {
            let own = up.iter().filter(|(name, _)| same_tunnel(&ipsec.connection, name));
            measure(tunnel, &own.map(|(_, association)| association).collect::<Vec<_>>())
        });
        Ok(Measures { tunnels: tunnels.collect(), ..Measures::default() })
    }
}

impl NetworkArm for Vici {
    fn arm(&self) -> Arm {
        Arm::Ipsec
    }

    fn probe(&self) -> Answer<'_, ()> {
        Box::pin(async {
            match self.session().await?.version().await {
                Err(ArmError::Failed { why, .. }) => Err(ArmError::Absent(why)),
                other => other,
            }
        })
    }

    fn enforce<'a>(&'a self, plan: &'a NetworkPlan) -> Answer<'a, ()> {
        Box::pin(self.enforce_apart(plan))
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

fn ipsec_of(cut: &Cut) -> Vec<(&CutTunnel, &str)> {
    let of = |tunnel: &'_ CutTunnel| match &tunnel.link {
        CutLink::Ipsec { .. } => true,
        CutLink::Wireguard { .. } => false,
    };
    cut.tunnels
        .iter()
        .filter(|tunnel| of(tunnel))
        .filter_map(|tunnel| match &tunnel.link {
            CutLink::Ipsec { connection } => Some((tunnel, connection.as_str())),
            CutLink::Wireguard { .. } => None,
        })
        .collect()
}

fn measure(tunnel: &Tunnel, own: &[&Association]) -> TunnelMeasure {
    let established = |association: &&&Association| association.state == "ESTABLISHED";
    let children = || {
        let children = own.iter().flat_map(|association| association.children.values());
        children.filter(|child| matches!(child.state.as_str(), "INSTALLED" | "REKEYING" | "REKEYED"))
    };
    let newest = own.iter().filter(established).max_by_key(|association| association.uniqueid);
    let ages = children().filter_map(|child| child.install_time);
    TunnelMeasure {
        tunnel: tunnel.id,
        up: children().next().is_some(),
        bytes_in: children().map(|child| child.bytes_in).sum(),
        bytes_out: children().map(|child| child.bytes_out).sum(),
        packets_in: children().map(|child| child.packets_in).sum(),
        packets_out: children().map(|child| child.packets_out).sum(),
        handshake_age_seconds: ages.min().or_else(|| newest.and_then(|newest| newest.established)),
        peer: newest.map(|newest| format!("{}:{}", newest.remote_host, newest.remote_port)),
        associations: u32::try_from(own.iter().filter(established).count()).unwrap_or(u32::MAX),
    }
}
