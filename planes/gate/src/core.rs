//! One core: what its tasks share, all on one thread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use portcullis_domain::decision::DecisionId;
use portcullis_domain::ids::ClientId;
use portcullis_policy::link::{CutConnection, FromGate, SeverOrder};
use portcullis_tokens::dpop::ProofHeaders;
use tokio::sync::{mpsc, oneshot, watch};

use crate::connection::Registry;
use crate::identify::TokenCache;
use crate::record::Recorder;
use crate::shared::Shared;
use crate::upstream::Pool;

/// What the gate says to its cores.
#[derive(Debug)]
pub enum CoreMessage {
    /// Cut every connection of the target and say which; liveness has changed already.
    Sever { order: Arc<SeverOrder>, arrived_us: u64, confirm: oneshot::Sender<Vec<CutConnection>> },
    /// A key was closed by a record cut on some core.
    CutKeys { client: ClientId, keys: Arc<Vec<String>>, spared: Option<(u16, u64)> },
    /// Take no more connections; end when those that are open have ended, or at the latest when
    /// the gate stops waiting.
    Drain,
}

/// The state of one core.
pub struct Core {
    pub number: u16,
    pub shared: Arc<Shared>,
    pub registry: Registry,
    pub pool: Pool,
    pub tokens: TokenCache,
    pub proof_headers: RefCell<ProofHeaders>,
    pub recorder: RefCell<Recorder>,
    /// The other cores, and this one.
    pub cores: Vec<mpsc::UnboundedSender<CoreMessage>>,
    pub draining: watch::Sender<bool>,
    /// Random for each process and core, so that ids of two never meet.
    salt: [u8; 6],
    counter: Cell<u32>,
}

impl Core {
    pub fn new(
        number: u16,
        shared: Arc<Shared>,
        recorder: Recorder,
        cores: Vec<mpsc::UnboundedSender<CoreMessage>>,
        salt: [u8; 6],
    ) -> Rc<Self> {
        Rc::new(Self {
            number,
            shared,
            registry: Registry::default(),
            pool: Pool::default(),
            tokens: TokenCache::default(),
            proof_headers: RefCell::default(),
            recorder: RefCell::new(recorder),
            cores,
            draining: watch::Sender::new(false),
            salt,
            counter: Cell::new(0),
        })
    }

    /// A new decision id.
    pub fn decision_id(&self) -> DecisionId {
        let count = self.counter.get();
        self.counter.set(count.wrapping_add(1));
        let mut unique = [0; 10];
        let (salt, tail) = unique.split_at_mut(6);
        salt.copy_from_slice(&self.salt);
        tail.copy_from_slice(&count.to_be_bytes());
        let time_ms = u64::try_from(self.shared.clock.now().as_millisecond()).unwrap_or(0);
        DecisionId::new(time_ms, unique)
    }

    /// Closes a client's keys on every core and tells control, after a response passed the records limit.
    pub fn cut_keys(&self, client: ClientId, keys: Vec<String>, decision: DecisionId, spared: u64) {
        self.shared.liveness.cut_keys(&keys);
        self.registry.cut_keys(client, &keys, Some(spared), self.shared.monotonic_ms());
        let shared_keys = Arc::new(keys.clone());
        for core in &self.cores {
            let message = CoreMessage::CutKeys {
                client,
                keys: Arc::clone(&shared_keys),
                spared: Some((self.number, spared)),
            };
            // A core that is gone has no connections.
            let _ = core.send(message);
        }
        // The queue is bounded, and this message must not be lost: it waits in a task of its own.
        let to_control = self.shared.to_control.clone();
        tokio::task::spawn_local(async move {
            let _ = to_control.send(FromGate::KeysCut { client, keys, decision }).await;
        });
    }

    /// Works off the gate's messages, until it is gone.
    pub async fn obey(self: Rc<Self>, mut messages: mpsc::UnboundedReceiver<CoreMessage>) {
        while let Some(message) = messages.recv().await {
            match message {
                CoreMessage::Sever { order, arrived_us, confirm } => {
                    let elapsed = || self.monotonic_us().saturating_sub(arrived_us);
                    let cut = self.registry.sever(&order, elapsed);
                    let _ = confirm.send(cut);
                }
                CoreMessage::CutKeys { client, keys, spared } => {
                    let spared = spared.filter(|(core, _)| *core == self.number).map(|(_, number)| number);
                    self.registry.cut_keys(client, &keys, spared, self.shared.monotonic_ms());
                }
                CoreMessage::Drain => {
                    self.draining.send_replace(true);
                    self.registry.drain();
                }
            }
        }
    }

    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.shared.clock.monotonic().as_micros()).unwrap_or(u64::MAX)
    }
}
