//! One core: what its tasks share, all on one thread.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::net::TcpListener;
use std::num::NonZeroU16;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use portcullis_domain::decision::DecisionId;
use portcullis_domain::ids::ClientId;
use portcullis_domain::reason::Reason;
use portcullis_domain::target::Target;
use portcullis_policy::clock::micros;
use portcullis_policy::day::DAY_SECONDS;
use portcullis_policy::link::{CutConnection, FromGate, SeverOrder};
use portcullis_policy::meters::Now as MeterNow;
use portcullis_tokens::dpop::ProofHeaders;
use tokio::sync::{mpsc, oneshot, watch};

use crate::connection::registry::Registry;
use crate::identify::TokenCache;
use crate::listener::keep_door;
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
    /// A context of a client was closed on some core.
    CutSession { client: ClientId, session: Arc<str>, spared: Option<(u16, u64)> },
    /// A question was asked of a context: what it has under way looks whether it may go on.
    WakeSession { client: ClientId, session: Arc<str> },
    /// A key was closed by a record cut on some core.
    CutKeys { client: ClientId, keys: Arc<Vec<String>>, spared: Option<(u16, u64)> },
    /// Take connections at a door of an integration's own, too.
    OpenDoor { port: NonZeroU16, listener: TcpListener },
    /// No more there: its connections end after the answers under way.
    CloseDoor { port: NonZeroU16, closed: oneshot::Sender<()> },
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
    /// Those that it takes at the most, at all doors.
    pub connections_max: usize,
    /// Open doors of integrations' own: by what is sent there their listeners are closed.
    doors: RefCell<HashMap<NonZeroU16, oneshot::Sender<oneshot::Sender<()>>>>,
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
            connections_max,
            doors: RefCell::default(),
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

    /// When records are taken.
    pub fn meter_now(&self) -> MeterNow {
        MeterNow { ms: self.monotonic_ms(), day: self.now_seconds().div_euclid(DAY_SECONDS) }
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
        self.tell(FromGate::KeysCut { client, keys, decision });
    }

    /// Closes a context of a client on every core and tells control.
    pub fn cut_session(
        &self,
        client: ClientId,
        session: &str,
        decision: DecisionId,
        reason: Reason,
        spared: Option<u64>,
    ) {
        let target = Target::Session { client, session: session.to_owned() };
        // A session has no epoch, and takes no key with it.
        self.shared.liveness.sever(&target, 0, &[]);
        self.registry.cut_session(client, session, spared, self.monotonic_ms());
        let shared_session: Arc<str> = session.into();
        for core in &self.cores {
            let message = CoreMessage::CutSession {
                client,
                session: Arc::clone(&shared_session),
                spared: spared.map(|number| (self.number, number)),
            };
            let _ = core.send(message);
        }
        let session = session.to_owned();
        self.tell(FromGate::SessionCut { client, session, decision, reason });
    }

    /// Lets what a session has under way look whether it may go on.
    pub fn wake_session(&self, client: ClientId, session: &str) {
        let session: Arc<str> = session.into();
        for core in &self.cores {
            let _ = core.send(CoreMessage::WakeSession { client, session: Arc::clone(&session) });
        }
    }

    /// A message to control that must not be lost: where the queue is full, it waits in a task of its own.
    fn tell(&self, message: FromGate) {
        use mpsc::error::TrySendError;
        let Err(TrySendError::Full(message)) = self.shared.to_control.try_send(message) else { return };
        let to_control = self.shared.to_control.clone();
        tokio::task::spawn_local(async move {
            let _ = to_control.send(message).await;
        });
    }

    /// A moment for one request alone: two requests that are looked at in one moment have two of them.
    pub fn single_us(&self) -> i64 {
        self.now_us() - i64::from(self.counter.get() % 1_024)
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
                CoreMessage::CutSession { client, session, spared } => {
                    let spared = spared.filter(|(core, _)| *core == self.number).map(|(_, number)| number);
                    self.registry.cut_session(client, &session, spared, self.monotonic_ms());
                }
                CoreMessage::WakeSession { client, session } => self.registry.wake_session(client, &session),
                CoreMessage::OpenDoor { port, listener } => self.open_door(port, listener),
                CoreMessage::CloseDoor { port, closed } => {
                    let door = self.doors.borrow_mut().remove(&port);
                    // Without a listener `closed` is dropped, which says the same.
                    let _ = door.map(|door| door.send(closed));
                    self.registry.leave_door(port);
                }
                CoreMessage::Drain => {
                    self.draining.send_replace(true);
                    self.registry.drain();
                }
            }
        }
    }

    fn open_door(self: &Rc<Self>, port: NonZeroU16, listener: TcpListener) {
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            // The other cores take its connections.
            Err(error) => {
                return tracing::error!(%error, port, core = self.number, "a core can't listen at a door");
            }
        };
        let (close, closing) = oneshot::channel();
        self.doors.borrow_mut().insert(port, close);
        tokio::task::spawn_local(keep_door(Rc::clone(self), listener, port, closing));
    }

    fn monotonic_us(&self) -> u64 {
        micros(self.shared.clock.monotonic())
    }
}
