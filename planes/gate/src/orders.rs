//! What control says: snapshots, severances, revocations, answers of the authorization server.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use portcullis_policy::clock::Clock;
use portcullis_policy::facts::{SigningKeyFacts, SnapshotFacts};
use portcullis_policy::link::{FromGate, SeverOrder, SeverReport, ToGate};
use portcullis_policy::snapshot::{CompileError, Snapshot};
use portcullis_records::JsonPointer;
use portcullis_tokens::access_token::TokenKeys;
use portcullis_tokens::jwk::{Jwk, JwkError, JwkSet};
use tokio::sync::{mpsc, oneshot};

use crate::core::CoreMessage;
use crate::shared::{Ready, Shared};
use crate::upstream::client_config;

/// What the link's thread works with.
pub struct Orders {
    shared: Arc<Shared>,
    cores: Vec<mpsc::UnboundedSender<CoreMessage>>,
    authority_pem: Vec<u8>,
    identities: PathBuf,
    /// The keys of the snapshot in use, and how often they have changed.
    signing_keys: Vec<SigningKeyFacts>,
    generation: u64,
}

/// Works off what control says, until the gate stops or control is gone.
pub fn run(
    orders: Orders,
    from_control: mpsc::Receiver<ToGate>,
    mut stop: tokio::sync::watch::Receiver<bool>,
) {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(async move {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => {}
                () = orders.obey(from_control) => {}
            }
        }),
        Err(error) => tracing::error!(%error, "the gate's link can't start"),
    }
}

impl Orders {
    pub fn new(
        shared: Arc<Shared>,
        cores: Vec<mpsc::UnboundedSender<CoreMessage>>,
        authority_pem: Vec<u8>,
        identities: PathBuf,
    ) -> Self {
        Self { shared, cores, authority_pem, identities, signing_keys: Vec::new(), generation: 0 }
    }

    async fn obey(mut self, mut from_control: mpsc::Receiver<ToGate>) {
        while let Some(message) = from_control.recv().await {
            match message {
                ToGate::Snapshot(facts) => self.take_snapshot(*facts).await,
                ToGate::Sever(order) => self.sever(order),
                ToGate::RevokeToken { token_id, expires_at } => {
                    self.shared.liveness.revoke_token(&token_id, expires_at);
                }
                ToGate::RelayAnswer(answer) => self.shared.relays.answer(answer),
            }
        }
        // Control is gone. What is severed stays severed; leases come with gates apart.
    }

    async fn take_snapshot(&mut self, facts: SnapshotFacts) {
        let version = facts.version;
        let newer = self.shared.ready.load().as_ref().is_none_or(|ready| ready.snapshot.version <= version);
        if !newer {
            return;
        }
        if facts.signing_keys != self.signing_keys {
            self.signing_keys.clone_from(&facts.signing_keys);
            self.generation += 1;
        }
        match self.compile(facts) {
            Ok(ready) => {
                self.shared.ready.store(Some(Arc::new(ready)));
                let _ = self.shared.to_control.send(FromGate::SnapshotInUse { version }).await;
            }
            // The snapshot in use stays: closing everything because of one route would be worse,
            // and control sees that the new one never came into use.
            Err(error) => tracing::error!(version, %error, "a snapshot can't be used"),
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

    /// Liveness first, then every core; the report goes out when all have confirmed. Orders don't
    /// wait for each other.
    fn sever(&self, order: SeverOrder) {
        let arrived_us = monotonic_us(&self.shared.clock);
        self.shared.liveness.sever(&order.target, order.epoch, &order.keys);
        let order = Arc::new(order);
        let mut confirmations = Vec::new();
        for core in &self.cores {
            let (confirm, confirmed) = oneshot::channel();
            if core.send(CoreMessage::Sever { order: Arc::clone(&order), arrived_us, confirm }).is_ok() {
                confirmations.push(confirmed);
            }
        }
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let mut connections = Vec::new();
            let mut cores = 0;
            for confirmed in confirmations {
                // A core that ended meanwhile has no connections any more.
                connections.extend(confirmed.await.unwrap_or_default());
                cores += 1;
            }
            let took_us = monotonic_us(&shared.clock).saturating_sub(arrived_us);
            let report =
                SeverReport { order: order.order, gate: shared.name.clone(), cores, took_us, connections };
            let _ = shared.to_control.send(FromGate::Severed(report)).await;
        });
    }
}

fn monotonic_us(clock: &Clock) -> u64 {
    u64::try_from(clock.monotonic().as_micros()).unwrap_or(u64::MAX)
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
