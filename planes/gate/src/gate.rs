//! A gate: its cores, its listeners, and its talk with control.

use std::future::pending;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use portcullis_decision_log::{LogError, Options as LogOptions, SegmentWriter, Syncer};
use portcullis_domain::ids::ClientId;
use portcullis_policy::clock::Clock;
use portcullis_policy::day::{DAY_SECONDS, DayMeters};
use portcullis_policy::liveness::Liveness;
use portcullis_policy::meters::Meters;
use portcullis_policy::risks::Risks;
use portcullis_risk::ClientRisk;
use portcullis_risk::OriginSource;
use portcullis_tokens::nonce::NonceKey;
use portcullis_tokens::replay::{ReplayError, ReplayTables};
use tokio::sync::mpsc;

use crate::core::{Core, CoreMessage};
use crate::days::DayFile;
use crate::doors::{Doors, doors_max, listen};
use crate::keeper::{self, Keeper};
use crate::link::ControlLink;
use crate::listener::{accept, beat};
use crate::memory::Memory;
use crate::orders::{self, Orders};
use crate::record::Recorder;
use crate::reload::Reloads;
use crate::settings::{GateSettings, SettingError};
use crate::shared::{Relays, Shared};
use crate::snapshots::{Reread, Snapshots};
use crate::strangers::Strangers;
use crate::tls::{TlsError, TlsMaterial, VendorTls};

/// Proofs that may be remembered in ten seconds: two tables of these many cells of 8 bytes.
const REPLAY_CELLS: usize = 1 << 18;

/// How a gate is set up.
pub struct GateOptions {
    pub name: String,
    /// Port 0 means any free port.
    pub listen: SocketAddr,
    /// One current-thread runtime each.
    pub cores: u16,
    pub tls: TlsMaterial,
    pub settings: GateSettings,
    /// Authority that upstreams are trusted by, unless one brings its own.
    pub authority_pem: Vec<u8>,
    /// Folder of `NAME.crt` and `NAME.key` for mutual TLS to upstreams.
    pub identities: PathBuf,
    /// Folder of what the gate remembers of severances; this gate's own.
    pub memory: PathBuf,
    /// Folder of what is known of how clients behave; this gate's own.
    pub risk: PathBuf,
    pub decision_log: PathBuf,
    pub decision_log_options: LogOptions,
    pub clock: Clock,
    /// What is known of addresses and TLS clients; `()` knows nothing.
    pub origin: Arc<dyn OriginSource>,
}

#[derive(Debug, thiserror::Error)]
pub enum GateError {
    #[error(
        "can't listen on `{address}`\nhint: another process may use the port; stop it, or choose another with --listen-gate"
    )]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error("the decision log can't be opened")]
    DecisionLog(#[from] LogError),
    #[error("the gate's memory of severances and of the day's records, `{}`, can't be used", path.display())]
    Memory {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("what is known of how clients behave, `{}`, can't be used", path.display())]
    Risk {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("random numbers can't be had")]
    Random,
    #[error("the replay tables can't be made")]
    Replay(#[from] ReplayError),
    #[error("a core can't be started")]
    Core(#[source] io::Error),
}

/// A running gate; dropping it stops it at once, [`Gate::drain`] lets requests end.
pub struct Gate {
    address: SocketAddr,
    shared: Arc<Shared>,
    cores: Vec<mpsc::UnboundedSender<CoreMessage>>,
    reread: mpsc::Sender<Reread>,
    threads: Vec<JoinHandle<()>>,
    stop: tokio::sync::watch::Sender<bool>,
    keeper: Option<Keeper>,
    _syncer: Syncer,
}

impl Gate {
    /// Opens the listeners and starts the cores. Requests are refused until the first snapshot is in.
    pub fn start(options: GateOptions, link: ControlLink) -> Result<Self, GateError> {
        options.settings.check()?;
        let refused = |source| GateError::Listen { address: options.listen, source };
        let listeners = listen(options.listen, options.cores).map_err(refused)?;
        let address =
            listeners.first().and_then(|listener| listener.local_addr().ok()).unwrap_or(options.listen);
        let syncer = Syncer::start(&options.decision_log, options.decision_log_options.clone())?;
        let liveness = Liveness::default();
        let memory = Memory::open(&options.memory)
            .map_err(|source| GateError::Memory { path: options.memory.clone(), source })?;
        memory.recall(&liveness, options.clock.now().as_second());
        if let Some(remembered) = memory.told() {
            // The link is empty still.
            let _ = link.to_control.try_send(remembered);
        }
        let today = options.clock.now().as_second().div_euclid(DAY_SECONDS);
        let (days, kept) = DayFile::open(&options.memory, today)
            .map_err(|source| GateError::Memory { path: options.memory.clone(), source })?;
        let days = Arc::new(days);
        let meters = Meters::counting(DayMeters::new(Arc::<DayFile>::clone(&days), kept));
        let risks = Risks::default();
        let risk_fault = |source| GateError::Risk { path: options.risk.clone(), source };
        keeper::recall(&options.risk, &risks, options.clock.now().as_microsecond()).map_err(risk_fault)?;
        let shared = Arc::new(Shared {
            name: options.name.clone(),
            clock: options.clock.clone(),
            ready: ArcSwapOption::empty(),
            tls: ArcSwap::from_pointee(VendorTls::new(
                &options.tls,
                options.settings.tls_minimum,
                options.clock.clone(),
            )?),
            settings: ArcSwap::from_pointee(options.settings),
            strangers: Arc::default(),
            liveness,
            memory,
            meters,
            days,
            risks,
            origin: ArcSwap::from_pointee(options.origin),
            nonces: NonceKey::new(random()?),
            replay: ReplayTables::new(random()?, REPLAY_CELLS)?,
            to_control: link.to_control.clone(),
            relays: Relays::default(),
        });
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..listeners.len()).map(|_| mpsc::unbounded_channel()).unzip();
        let (descriptors, cores) = (descriptors_max(), listeners.len());
        let connections_max = connections_max(descriptors, cores);
        let doors = Doors::new(address, senders.clone(), doors_max(descriptors, cores));
        tracing::info!(connections_max, cores = listeners.len(), "connections that each core takes");
        let stop = tokio::sync::watch::Sender::new(false);
        let mut threads = Vec::new();
        let now_ms = u64::try_from(options.clock.now().as_millisecond()).unwrap_or(0);
        for (number, (listener, messages)) in (0_u16..).zip(listeners.into_iter().zip(receivers)) {
            let log = SegmentWriter::open(&syncer, number, now_ms)?;
            for recovered in log.recovered() {
                if let Some(cut) = &recovered.cut {
                    tracing::warn!(path = %recovered.path.display(), bytes = cut.bytes, offset = cut.offset_bytes, "cut the torn end of a decision-log segment");
                }
            }
            let start = CoreStart {
                number,
                shared: Arc::clone(&shared),
                recorder: Recorder::new(log),
                cores: senders.clone(),
                salt: random()?,
                listener,
                connections_max,
                messages,
                stop: stop.subscribe(),
            };
            let thread = std::thread::Builder::new()
                .name(format!("gate-{number}"))
                .spawn(move || start.run())
                .map_err(GateError::Core)?;
            threads.push(thread);
        }
        let orders = Orders::new(Arc::clone(&shared), senders.clone());
        let snapshots = Snapshots::new(Arc::clone(&shared), options.authority_pem, options.identities, doors);
        let (reread, rereads) = mpsc::channel(1);
        let stopped = stop.subscribe();
        let thread = std::thread::Builder::new()
            .name("gate-link".to_owned())
            .spawn(move || orders::run(orders, snapshots, link.from_control, rereads, stopped))
            .map_err(GateError::Core)?;
        threads.push(thread);
        let keeper = Keeper::start(Arc::clone(&shared), options.risk.clone()).map_err(risk_fault)?;
        let keeper = Some(keeper);
        Ok(Self { address, shared, cores: senders, reread, threads, stop, keeper, _syncer: syncer })
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A handle by which the gate reads its settings anew.
    #[must_use]
    pub fn reloads(&self) -> Reloads {
        Reloads::new(Arc::clone(&self.shared), self.reread.clone())
    }

    /// From now on connections are asked about elsewhere.
    pub fn replace_origin(&self, origin: Arc<dyn OriginSource>) {
        self.shared.origin.store(Arc::new(origin));
    }

    /// How often strangers were refused, for whoever shows it.
    #[must_use]
    pub fn strangers(&self) -> Arc<Strangers> {
        Arc::clone(&self.shared.strangers)
    }

    /// Takes over how a client behaves, as it was learnt elsewhere; what was learnt here is forgotten.
    pub fn take_over(&self, client: ClientId, known: Box<ClientRisk>) {
        self.shared.risks.cell(client).replace(known);
    }

    /// Whether every core, and the link to control, is still at work.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.threads.iter().all(|thread| !thread.is_finished())
    }

    /// Takes no more connections and lets those that stand end what they are at, for `limit` at most.
    pub fn drain(mut self, limit: Duration) {
        for core in &self.cores {
            let _ = core.send(CoreMessage::Drain);
        }
        let started = self.shared.clock.monotonic();
        let link = self.threads.pop();
        while self.threads.iter().any(|thread| !thread.is_finished())
            && self.shared.clock.monotonic().saturating_sub(started) < limit
        {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        self.threads.extend(link);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        for thread in self.threads.drain(..) {
            // A core that panicked has said so already.
            let _ = thread.join();
        }
        // What the last exchanges have told is kept, too.
        self.keeper = None;
    }
}

fn random<const N: usize>() -> Result<[u8; N], GateError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| GateError::Random)?;
    Ok(bytes)
}

/// Connections of one core; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 20_000;
/// Descriptors for all else but doors: the ledger, the decision log, the console.
const DESCRIPTORS_SPARED: u64 = 256;

/// How many descriptors the process may have, after it has asked for all that it can get.
fn descriptors_max() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // What is refused stays as it was.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current
}

/// Strangers must not take the descriptors that upstreams, the ledger and severances need: each
/// connection counts twice, for itself and its upstream's. Without a number there is no limit.
fn connections_max(descriptors: Option<u64>, cores: usize) -> usize {
    let Some(descriptors) = descriptors else { return CONNECTIONS_MAX };
    let of_doors = (doors_max(Some(descriptors), cores) as u64).saturating_mul(cores as u64);
    let left = descriptors.saturating_sub(DESCRIPTORS_SPARED).saturating_sub(of_doors);
    let each = left / 2 / (cores.max(1) as u64);
    usize::try_from(each).unwrap_or(CONNECTIONS_MAX).clamp(16, CONNECTIONS_MAX)
}

struct CoreStart {
    number: u16,
    shared: Arc<Shared>,
    recorder: Recorder,
    cores: Vec<mpsc::UnboundedSender<CoreMessage>>,
    salt: [u8; 6],
    listener: TcpListener,
    connections_max: usize,
    messages: mpsc::UnboundedReceiver<CoreMessage>,
    stop: tokio::sync::watch::Receiver<bool>,
}

impl CoreStart {
    fn run(self) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "a core of the gate can't start");
                return;
            }
        };
        let tasks = tokio::task::LocalSet::new();
        tasks.block_on(&runtime, async move {
            let listener = match tokio::net::TcpListener::from_std(self.listener) {
                Ok(listener) => listener,
                Err(error) => {
                    tracing::error!(%error, "a core of the gate can't listen");
                    return;
                }
            };
            let mut stop = self.stop;
            let core = Core::new(
                self.number,
                self.shared,
                self.recorder,
                self.cores,
                self.salt,
                self.connections_max,
            );
            tokio::task::spawn_local(Rc::clone(&core).obey(self.messages));
            tokio::task::spawn_local(beat(Rc::clone(&core)));
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => {}
                () = serve_until_idle(Rc::clone(&core), listener) => {}
            }
            core.recorder.borrow_mut().flush(&core.shared.to_control);
        });
    }
}

/// Takes connections until it drains, then waits for the last to end.
async fn serve_until_idle(core: Rc<Core>, listener: tokio::net::TcpListener) {
    accept(Rc::clone(&core), listener, (None, pending())).await;
    let mut look = tokio::time::interval(Duration::from_millis(10));
    while core.registry.len() > 0 {
        look.tick().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_all_else() {
        let check = |descriptors, cores, expect| {
            assert_eq!(connections_max(descriptors, cores), expect, "{descriptors:?} {cores}");
        };
        check(Some(1_024), 1, 352);
        check(Some(1_024), 2, 176);
        check(Some(1 << 20), 2, CONNECTIONS_MAX);
        check(Some(100), 2, 16);
        check(None, 2, CONNECTIONS_MAX);
        for (descriptors, cores, expect) in [
            (Some(1_024), 1, 64),
            (Some(1_024), 2, 32),
            (Some(1 << 20), 64, 1_000),
            (Some(8), 2, 0),
            (None, 2, 1_000),
        ] {
            assert_eq!(doors_max(descriptors, cores), expect, "{descriptors:?} {cores}");
        }
    }
}
