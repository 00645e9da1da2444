//! One core: what its tasks share, all on one thread.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
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
    /// Confirm that what was decided before liveness changed has gone its way.
    Confirm { confirm: oneshot::Sender<Vec<CutConnection>> },
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
    /// What time it was when the task that runs now was woken: tasks run for microseconds, and reading
    /// the clocks anew for each question would cost more than many answers.
    time: Cell<(Timestamp, Duration)>,
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
        connections_max: usize,
    ) -> Rc<Self> {
        let time = Cell::new((shared.clock.now(), shared.clock.monotonic()));
        Rc::new(Self {
            number,
            time,
            shared,
            registry: Registry::default(),
            pool: Pool::new(connections_max / 2),
            tokens: TokenCache::default(),
            proof_headers: RefCell::default(),
            recorder: RefCell::new(recorder),
            cores,
            draining: watch::Sender::new(false),
            salt,
            counter: Cell::new(0),
        })
    }

    /// Runs `task` with the time read anew each time that it is woken.
    pub async fn timed<F: Future>(&self, task: F) -> F::Output {
        let mut task = pin!(task);
        poll_fn(|context| {
            self.look_at_clocks();
            task.as_mut().poll(context)
        })
        .await
    }

    pub fn look_at_clocks(&self) {
        self.time.set((self.shared.clock.now(), self.shared.clock.monotonic()));
    }

    pub fn now(&self) -> Timestamp {
        self.time.get().0
    }

    pub fn now_us(&self) -> i64 {
        self.now().as_microsecond()
    }

    pub fn now_seconds(&self) -> i64 {
        self.now().as_second()
    }

    pub fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.time.get().1.as_millis()).unwrap_or(u64::MAX)
    }

    pub fn monotonic_ns(&self) -> u64 {
        u64::try_from(self.time.get().1.as_nanos()).unwrap_or(u64::MAX)
    }

    /// A new decision id.
    pub fn decision_id(&self) -> DecisionId {
        let count = self.counter.get();
        self.counter.set(count.wrapping_add(1));
        let mut unique = [0; 10];
        let (salt, tail) = unique.split_at_mut(6);
        salt.copy_from_slice(&self.salt);
        tail.copy_from_slice(&count.to_be_bytes());
        let time_ms = u64::try_from(self.now().as_millisecond()).unwrap_or(0);
        DecisionId::new(time_ms, unique)
    }

    /// Closes a client's keys on every core and tells control, after a response passed the records limit.
    pub fn cut_keys(&self, client: ClientId, keys: Vec<String>, decision: DecisionId, spared: u64) {
        self.shared.liveness.cut_keys(&keys);
        self.registry.cut_keys(client, &keys, Some(spared), self.monotonic_ms());
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
            self.look_at_clocks();
            match message {
                CoreMessage::Sever { order, arrived_us, confirm } => {
                    let elapsed = || self.monotonic_us().saturating_sub(arrived_us);
                    let cut = self.registry.sever(&order, elapsed);
                    let _ = confirm.send(cut);
                }
                // No task of this core is in the middle of a step: each looks at liveness before its next.
                CoreMessage::Confirm { confirm } => drop(confirm.send(Vec::new())),
                CoreMessage::CutKeys { client, keys, spared } => {
                    let spared = spared.filter(|(core, _)| *core == self.number).map(|(_, number)| number);
                    self.registry.cut_keys(client, &keys, spared, self.monotonic_ms());
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
