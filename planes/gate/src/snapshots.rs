//! Snapshots: compiled beside the link, and put into use whole.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use portcullis_domain::ids::UpstreamId;
use portcullis_policy::facts::{SigningKeyFacts, SnapshotFacts};
use portcullis_policy::link::{DoorFault, FromGate};
use portcullis_policy::snapshot::{CompileError, Snapshot};
use portcullis_records::JsonPointer;
use portcullis_tokens::access_token::TokenKeys;
use portcullis_tokens::jwk::{Jwk, JwkError, JwkSet};
use rustls::ClientConfig;
use tokio::sync::{mpsc, oneshot, watch};

use crate::doors::Doors;
use crate::external::{Externals, KnownKeys};
use crate::shared::{Ready, Shared};
use crate::upstream::{UpstreamTlsError, client_config};

/// How often a door that can't be opened is tried again.
const DOORS_AGAIN: Duration = Duration::from_secs(1);

/// Where the newest facts are put; those that came before and weren't taken up are not missed.
pub type Newest = watch::Sender<Option<Arc<SnapshotFacts>>>;

/// What snapshots are compiled with.
pub struct Snapshots {
    shared: Arc<Shared>,
    authority_pem: Vec<u8>,
    identities: PathBuf,
    /// The keys of the snapshot in use, and how often they have changed.
    signing_keys: Vec<SigningKeyFacts>,
    generation: u64,
    issuer_keys: KnownKeys,
    /// What the identities in use were made from.
    digests: BTreeMap<String, [u8; 32]>,
    doors: Doors,
}

type UpstreamConfigs = HashMap<UpstreamId, Option<Arc<ClientConfig>>>;

/// A request to read the identities anew.
pub type Reread = oneshot::Sender<Result<Identities, RereadError>>;

/// What reading the identities anew has come to.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Identities {
    pub changed: Vec<String>,
    /// Names of upstreams that can't be reached with what their files hold, as before.
    pub closed: Vec<String>,
}

/// Why the identities that were in use stay in use.
#[derive(Debug, thiserror::Error)]
pub enum RereadError {
    #[error(transparent)]
    Identity(UpstreamTlsError),
    #[error("the snapshot can't be compiled again")]
    Snapshot(#[source] ReadyError),
    #[error("the gate is stopping")]
    Gone,
}

impl Snapshots {
    pub fn new(shared: Arc<Shared>, authority_pem: Vec<u8>, identities: PathBuf, doors: Doors) -> Self {
        Self {
            shared,
            authority_pem,
            identities,
            signing_keys: Vec::new(),
            generation: 0,
            issuer_keys: KnownKeys::default(),
            digests: BTreeMap::new(),
            doors,
        }
    }

    /// Compiles the newest facts, again and again, on a thread that nobody waits for; and reads the
    /// identities anew when it is asked to.
    pub async fn compile_newest(
        mut self,
        mut newest: watch::Receiver<Option<Arc<SnapshotFacts>>>,
        mut rereads: mpsc::Receiver<Reread>,
    ) {
        let mut again = tokio::time::interval(DOORS_AGAIN);
        again.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let (reread, facts) = tokio::select! {
                changed = newest.changed() => match changed {
                    Ok(()) => (None, newest.borrow_and_update().clone()),
                    Err(_) => return,
                },
                Some(reread) = rereads.recv() => (Some(reread), newest.borrow_and_update().clone()),
                _ = again.tick(), if self.doors.lacks() => (None, None),
            };
            let worked = tokio::task::spawn_blocking(move || {
                let in_use = facts.as_ref().and_then(|facts| match &reread {
                    // Facts that came with the request are of use, too.
                    Some(_) if self.in_use() >= Some(facts.version) => None,
                    _ => self.take(facts),
                });
                let unopened = self.settle_doors();
                if let Some(reread) = reread {
                    let identities = facts.map_or(Ok(Identities::default()), |facts| self.reread(&facts));
                    // Whoever asked may have gone; it is done all the same.
                    let _ = reread.send(identities);
                }
                (self, in_use, unopened)
            });
            match worked.await {
                Ok((snapshots, in_use, unopened)) => {
                    self = snapshots;
                    if let Some(faults) = unopened {
                        let _ = self.shared.to_control.send(FromGate::DoorsUnopened { faults }).await;
                    }
                    if let Some(version) = in_use {
                        self.shared.memory.in_use(version, &self.shared.liveness);
                        let _ = self.shared.to_control.send(FromGate::SnapshotInUse { version }).await;
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "snapshots can't be compiled any more");
                    // Severances must still be heard.
                    return std::future::pending().await;
                }
            }
        }
    }

    fn in_use(&self) -> Option<u64> {
        self.shared.ready.load().as_ref().map(|ready| ready.snapshot.version)
    }

    /// Opens and closes doors as the snapshot in use has them.
    fn settle_doors(&mut self) -> Option<Vec<DoorFault>> {
        let ready = self.shared.ready.load();
        let wanted = ready.iter().flat_map(|ready| ready.snapshot.doors.ports()).collect();
        self.doors.settle(&wanted)
    }

    /// Puts the identities to use as their files are now, if any has changed.
    fn reread(&mut self, facts: &SnapshotFacts) -> Result<Identities, RereadError> {
        let digests = self.digests(facts);
        let changed: Vec<String> = digests
            .iter()
            .filter(|(identity, digest)| self.digests.get(*identity) != Some(*digest))
            .map(|(identity, _)| identity.clone())
            .collect();
        let before = self.shared.ready.load_full();
        let closed = |ready: &Option<Arc<Ready>>| {
            let tls = ready.iter().flat_map(|ready| &ready.upstream_tls);
            let closed: Vec<UpstreamId> = tls.filter(|(_, tls)| tls.is_none()).map(|(id, _)| *id).collect();
            let names = facts.upstreams.iter().filter(|upstream| closed.contains(&upstream.id));
            names.map(|upstream| upstream.name.clone()).collect()
        };
        if changed.is_empty() {
            return Ok(Identities { changed, closed: closed(&before) });
        }
        let (upstream_tls, faults) = self.upstream_tls(facts);
        let works = |id| {
            before.as_ref().is_some_and(|ready| ready.upstream_tls.get(&id).is_some_and(Option::is_some))
        };
        if let Some((_, fault)) = faults.into_iter().find(|(id, _)| works(*id)) {
            return Err(RereadError::Identity(fault));
        }
        let ready = self.compile(facts.clone(), upstream_tls).map_err(RereadError::Snapshot)?;
        self.digests = digests;
        let ready = Some(Arc::new(ready));
        self.shared.ready.store(ready.clone());
        Ok(Identities { changed, closed: closed(&ready) })
    }

    /// Brings one snapshot into use, unless a newer one is, and gives its version.
    fn take(&mut self, facts: &SnapshotFacts) -> Option<u64> {
        let version = facts.version;
        let newer = self.shared.ready.load().as_ref().is_none_or(|ready| ready.snapshot.version <= version);
        if !newer {
            return None;
        }
        if facts.signing_keys != self.signing_keys {
            self.signing_keys.clone_from(&facts.signing_keys);
            self.generation += 1;
        }
        let digests = self.digests(facts);
        let (upstream_tls, faults) = self.upstream_tls(facts);
        for (_, fault) in &faults {
            tracing::error!(%fault, "an upstream stays closed");
        }
        match self.compile(facts.clone(), upstream_tls) {
            Ok(ready) => {
                self.digests = digests;
                self.shared.ready.store(Some(Arc::new(ready)));
                Some(version)
            }
            // The snapshot in use stays: closing everything because of one route would be worse,
            // and control sees that the new one never came into use.
            Err(error) => {
                tracing::error!(version, %error, "a snapshot can't be used");
                None
            }
        }
    }

    /// How to speak TLS to each upstream, and why to some one can't.
    fn upstream_tls(&self, facts: &SnapshotFacts) -> (UpstreamConfigs, Vec<(UpstreamId, UpstreamTlsError)>) {
        let (mut configs, mut faults) = (HashMap::new(), Vec::new());
        for upstream in facts.upstreams.iter().filter(|upstream| upstream.url.starts_with("https://")) {
            let tls = upstream.tls.clone().unwrap_or_default();
            let (authority, clock) = (&self.authority_pem, &self.shared.clock);
            let config = match client_config(upstream, &tls, authority, &self.identities, clock) {
                Ok(config) => Some(Arc::new(config)),
                Err(fault) => {
                    faults.push((upstream.id, fault));
                    None
                }
            };
            configs.insert(upstream.id, config);
        }
        (configs, faults)
    }

    /// What the files of each identity that is used hold, by its name.
    fn digests(&self, facts: &SnapshotFacts) -> BTreeMap<String, [u8; 32]> {
        let identities =
            facts.upstreams.iter().filter_map(|upstream| upstream.tls.as_ref()?.identity.clone());
        identities
            .map(|identity| {
                let mut context = Context::new(&SHA256);
                for extension in ["crt", "key"] {
                    // A file that can't be read is told of where it is used.
                    let held = std::fs::read(self.identities.join(format!("{identity}.{extension}")));
                    let held = held.unwrap_or_default();
                    context.update(&(held.len() as u64).to_be_bytes());
                    context.update(&held);
                }
                let mut digest = [0; 32];
                digest.copy_from_slice(context.finish().as_ref());
                (identity, digest)
            })
            .collect()
    }

    fn compile(&mut self, facts: SnapshotFacts, upstream_tls: UpstreamConfigs) -> Result<Ready, ReadyError> {
        let keys: Vec<Jwk> = facts
            .signing_keys
            .iter()
            .map(|key| Jwk::parse(&key.jwk.to_string()))
            .collect::<Result<_, _>>()?;
        let mut token_keys = TokenKeys::of_set(&JwkSet::new(keys)?)?;
        for key in &facts.signing_keys {
            if let Some(refused_from) = key.refused_from {
                token_keys.refuse_from(&key.kid, refused_from);
            }
        }
        let mut pointers = HashMap::new();
        for route in &facts.routes {
            if let Some(pointer) = &route.records {
                let pointer = JsonPointer::parse(pointer)
                    .map_err(|source| ReadyError::Pointer { route: route.name.clone(), source })?;
                pointers.insert(route.id, pointer);
            }
        }
        let shared = &self.shared;
        let externals = Externals::new(&facts, &mut self.issuer_keys, &shared.liveness);
        let snapshot =
            Snapshot::compile(facts, &shared.liveness, &shared.meters, &shared.risks, shared.now_seconds())?;
        let token_keys_generation = self.generation;
        Ok(Ready { snapshot, token_keys, token_keys_generation, externals, pointers, upstream_tls })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ReadyError {
    #[error("a signing key can't be read: {0}")]
    Key(#[from] JwkError),
    #[error("route `{route}`: {source}")]
    Pointer {
        route: String,
        #[source]
        source: portcullis_records::PointerError,
    },
    #[error(transparent)]
    Snapshot(#[from] CompileError),
}
