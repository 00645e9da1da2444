//! Snapshots: compiled beside the link, and put into use whole.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use portcullis_policy::facts::{SigningKeyFacts, SnapshotFacts};
use portcullis_policy::link::FromGate;
use portcullis_policy::snapshot::{CompileError, Snapshot};
use portcullis_records::JsonPointer;
use portcullis_tokens::access_token::TokenKeys;
use portcullis_tokens::jwk::{Jwk, JwkError, JwkSet};
use tokio::sync::watch;

use crate::shared::{Ready, Shared};
use crate::upstream::client_config;

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
}

impl Snapshots {
    pub fn new(shared: Arc<Shared>, authority_pem: Vec<u8>, identities: PathBuf) -> Self {
        Self { shared, authority_pem, identities, signing_keys: Vec::new(), generation: 0 }
    }

    /// Compiles the newest facts, again and again, on a thread that nobody waits for.
    pub async fn compile_newest(mut self, mut newest: watch::Receiver<Option<Arc<SnapshotFacts>>>) {
        while newest.changed().await.is_ok() {
            let Some(facts) = newest.borrow_and_update().clone() else { continue };
            let compiled = tokio::task::spawn_blocking(move || {
                let in_use = self.take(&facts);
                (self, in_use)
            });
            match compiled.await {
                Ok((snapshots, in_use)) => {
                    self = snapshots;
                    if let Some(version) = in_use {
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
        match self.compile(facts.clone()) {
            Ok(ready) => {
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

    fn compile(&self, facts: SnapshotFacts) -> Result<Ready, ReadyError> {
        let keys: Vec<Jwk> = facts
            .signing_keys
            .iter()
            .map(|key| Jwk::parse(&key.jwk.to_string()))
            .collect::<Result<_, _>>()?;
        let token_keys = TokenKeys::of_set(&JwkSet::new(keys)?)?;
        let mut pointers = HashMap::new();
        for route in &facts.routes {
            if let Some(pointer) = &route.records {
                let pointer = JsonPointer::parse(pointer)
                    .map_err(|source| ReadyError::Pointer { route: route.name.clone(), source })?;
                pointers.insert(route.id, pointer);
            }
        }
        let mut upstream_tls = HashMap::new();
        for upstream in facts.upstreams.iter().filter(|upstream| upstream.url.starts_with("https://")) {
            let tls = upstream.tls.clone().unwrap_or_default();
            let config =
                client_config(upstream, &tls, &self.authority_pem, &self.identities, &self.shared.clock);
            if let Err(error) = &config {
                tracing::error!(%error, "an upstream stays closed");
            }
            upstream_tls.insert(upstream.id, config.ok().map(Arc::new));
        }
        let shared = &self.shared;
        let snapshot = Snapshot::compile(facts, &shared.liveness, &shared.meters, shared.now_seconds())?;
        Ok(Ready { snapshot, token_keys, token_keys_generation: self.generation, pointers, upstream_tls })
    }
}

#[derive(Debug, thiserror::Error)]
enum ReadyError {
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
