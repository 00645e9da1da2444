//! `portcullis up`: gate and control in one process, on embedded stores.

mod authority;
mod checks;
mod endpoints;
mod enforcer;
mod fetch;
pub mod intel;
mod on_call;
mod posting;
mod reload;
mod serve;
mod telling;
mod webhooks;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use portcullis_api::apply::{ApplyReport, ManifestText};
use portcullis_api::reload::ReloadAnswer;
use portcullis_assurance::stops::StopMode;
use portcullis_control::arms::PlanOf;
use portcullis_control::assurance::calendar::CalendarKey;
use portcullis_control::control::DocumentRetention;
use portcullis_control::control::{Control, Options};
use portcullis_control::incidents::IncidentSettings;
use portcullis_control::link::GateLink;
use portcullis_control::network::{self, Site};
use portcullis_control::process::MetricsAccess;
use portcullis_control::sealing::{Sealing, SealingSettings};
use portcullis_decision_log::Options as LogOptions;
use portcullis_documents::{Documents, Limits};
use portcullis_domain::command::Command;
use portcullis_domain::ids::ClientId;
use portcullis_domain::personal::Personal;
use portcullis_gate::link::ControlLink;
use portcullis_gate::{Gate, GateOptions, GateSettings};
use portcullis_policy::clock::Clock;
use portcullis_risk::ClientRisk;
use portcullis_store::reserve::{SLOT_BYTES, SLOTS};
use portcullis_store::{DataDirectory, EventStore as _, ReserveFile, SqliteOptions, SqliteStore};
use tokio::sync::mpsc;

pub use endpoints::Endpoints;
use on_call::OnCall;
pub use on_call::{OnCallStep, SmtpSettings};
pub use posting::CheckpointSettings;
use posting::Postings;
use reload::Reloader;
use telling::Telling;
pub use webhooks::WebhookSettings;
use webhooks::Webhooks;

use crate::backup;
use crate::clock::{entropy, system_clock};
use crate::logging;
use crate::pki::Keys;
use crate::service::Manager;
use crate::settings::{self, DrainSettings, KeySettings, MetricsSettings, Settings, write_whole};
use crate::vault::Vault;

/// Messages that may wait on the link, each way.
const LINK_MESSAGES_MAX: usize = 4_096;
/// How often memory that is free goes back to the system: measured at 48 MB after a start with a
/// thousand clients without it, and 41 MB with it.
const TIDY: Duration = Duration::from_secs(5);
/// How often it is looked whether a certificate is to be renewed.
const RENEWALS: Duration = Duration::from_secs(3_600);

/// How an installation is started.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Folder of everything that is kept: ledger, keys, decision log
    #[arg(long, env = "PORTCULLIS_DIR", default_value = "portcullis-data")]
    pub dir: PathBuf,
    /// Address for vendors' machines; port 0 means any free port, kept from the first start on
    #[arg(long, value_name = "ADDRESS")]
    pub listen_gate: Option<SocketAddr>,
    /// Address for operators: API and command line; port 0 as above
    #[arg(long, value_name = "ADDRESS")]
    pub listen_control: Option<SocketAddr>,
    /// Where vendors reach the gate (`https://host[:port]`); kept from the first start on
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// Cores of the gate; default: as many as the machine has
    #[arg(long, value_name = "N")]
    pub cores: Option<u16>,
    /// How to write the log, on standard error
    #[arg(long, value_enum, default_value_t, env = "PORTCULLIS_LOG_FORMAT", value_name = "FORMAT")]
    pub log: logging::Format,
    /// File of the master key, which seals all other keys; without it, `PORTCULLIS_MASTER_KEY` or the folder's own
    #[arg(long, env = "PORTCULLIS_MASTER_KEY_FILE", value_name = "FILE")]
    pub master_key_file: Option<PathBuf>,
    /// What hard stops do where no policy says so; of the first start, and kept from then on
    #[arg(long, value_enum, value_name = "MODE", default_value_t)]
    pub stops: Stops,
    /// Socket of `portcullis enforcer`, which cuts tunnels and networks; without it the setting `enforcer`
    #[arg(long, value_name = "PATH")]
    pub enforcer: Option<PathBuf>,
    /// Manifests to apply when it is up
    #[arg(short = 'f', long = "file", value_name = "MANIFEST")]
    pub files: Vec<PathBuf>,
}

/// What the first start founds the installation with.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, clap::ValueEnum)]
pub enum Stops {
    /// Vendors that aren't admitted get nothing
    #[default]
    Enforce,
    /// What enforcing would refuse passes, and is told
    Observe,
}

impl From<Stops> for StopMode {
    fn from(stops: Stops) -> Self {
        match stops {
            Stops::Enforce => Self::Enforce,
            Stops::Observe => Self::Observe,
        }
    }
}

/// A running installation.
pub struct Installation {
    pub endpoints: Endpoints,
    pub control: Control,
    gate: Gate,
    reloader: Arc<Reloader>,
    serving: serve::Serving,
    sealing: Sealing,
    looking: intel::Looking,
    telling: Telling,
    store: Arc<SqliteStore>,
    drain: DrainSettings,
    // Held last: while anything runs, nobody else may open the directory.
    _directory: DataDirectory,
}

impl Installation {
    /// Opens the data directory, makes what is missing, and starts control, then the gate.
    /// What was severed is in force before any listener opens.
    pub async fn start(arguments: &Arguments) -> Result<Self> {
        Self::start_by(arguments, system_clock()).await
    }

    /// The same, with a clock of one's own.
    pub async fn start_by(arguments: &Arguments, clock: Clock) -> Result<Self> {
        let directory = DataDirectory::open(&arguments.dir)?;
        let settings = settle(arguments, &directory)?;
        let vault = Vault::open(&directory.join("keys"), arguments.master_key_file.as_deref())?;
        let hosts = hosts(&settings)?;
        let days = settings.keys.certificate_days;
        let keys = Keys::open(directory.join("keys"), vault, &hosts, days, clock.now())?;
        let (control, store) = start_control(arguments, &directory, &settings, &keys, &clock).await?;
        record_restored(&control, &directory).await?;
        let admin_token = ensure_admin(&control, &directory).await?;
        let serving = serve::Serving::bind(settings.listen_control, &keys.server("control")?)?;
        let feeds = intel::folder(directory.path());
        let reader = intel::Reader::start(feeds.clone(), clock.clone()).await;
        control.sign_receipts_with(keys.checkpoint_signer(&settings.ledger_origin)?);
        let site = Arc::new(Site {
            doors: vec![settings.listen_gate],
            control: Some(settings.listen_control),
            balancers: settings.gate.proxy_protocol.clone(),
        });
        control.stand_at(Arc::clone(&site));
        let tunnels = Arc::new(authority::TunnelFiles::new(keys.clone()));
        if let Some(socket) = arguments.enforcer.clone().or_else(|| settings.enforcer.clone()) {
            enforcer::link(&control, socket, network_plan(&site, &tunnels, &clock));
        }
        let (to_gate, from_control) = mpsc::channel(LINK_MESSAGES_MAX);
        let (to_control, from_gate) = mpsc::channel(LINK_MESSAGES_MAX);
        let name = "gate".to_owned();
        control.fetch_with(fetch::fetch());
        control.keep_feeds(feeds, fetch::fetch_file());
        control.attach(GateLink { name: name.clone(), to_gate, from_gate });
        let gate = Gate::start(
            GateOptions {
                origin: reader.shared(),
                ..gate_options(name, arguments, &directory, &settings, &keys, clock)?
            },
            ControlLink { from_control, to_control },
        )?;
        serving.start(portcullis_control::http::router(control.clone()));
        let settings_path = directory.join("settings.json");
        let held = Settings::read(&settings_path)?.unwrap_or_else(|| settings.clone());
        let ca = std::path::absolute(keys.path("ca.crt"))?;
        let keys_ca = ca.clone();
        let surroundings = checks::Surroundings {
            authority_pem: keys.authority_pem()?,
            identities: directory.join("identities"),
            clock: control.clock().clone(),
        };
        let reloads = gate.reloads();
        let reloader =
            Arc::new(Reloader::new(settings_path, held, keys.clone(), reloads, serving.tls(), hosts)?);
        let authority = authority::BuiltIn {
            tunnels,
            keys,
            reloader: Arc::clone(&reloader),
            identities: directory.join("identities"),
            clock: control.clock().clone(),
            days,
        };
        let metrics_access = metrics_access(settings.metrics.access, &directory)?;
        let postings = Arc::new(Postings::start(&settings.checkpoints, &store, control.clock())?);
        let head = store.watch();
        let webhooks = Webhooks::start(&settings.webhooks, &directory.join("webhooks"), &control, &head)?;
        let on_call = OnCall::start(
            &settings.on_call,
            settings.smtp.as_ref(),
            directory.join("on-call.json"),
            webhooks,
            &control,
        )?;
        let telling = Telling::start(&settings, &control)?;
        let calendar_key = calendar_key(&directory)?;
        control.serve_with(reload::process(
            Arc::clone(&reloader),
            gate.strangers(),
            (metrics_access, calendar_key),
            (postings, Arc::new(on_call)),
            surroundings,
            authority,
            Arc::<intel::Reader>::clone(&reader),
        ));
        for fault in control.use_clocks(directory.join("clocks"), settings.incidents.clone()) {
            tracing::error!("a file of clocks isn't used: {fault}");
        }
        control.keep_incidents();
        start_canary(&control, &settings, &keys_ca)?;
        control.keep_reminding();
        control.keep_sources(settings.sources.clone(), directory.join("sources"), fetch::fetch_file())?;
        let looking = reader.watch();
        let sealing = Sealing::start(control.clone(), settings.sealing)?;
        let endpoints = Endpoints {
            control: format!("https://{}", reachable(serving.address())),
            gate: settings.public_url.clone(),
            issuer: settings.public_url.clone(),
            console: format!("https://{}", reachable(serving.address())),
            ca,
            admin_token: std::path::absolute(&admin_token)?,
            pid: std::process::id(),
        };
        let drain = settings.drain.clone();
        let installation = Self {
            endpoints,
            control,
            gate,
            reloader,
            serving,
            sealing,
            looking,
            telling,
            store,
            drain,
            _directory: directory,
        };
        installation.apply_files(&arguments.files).await?;
        installation.wait_for_gate().await?;
        installation.wait_for_second().await;
        installation.endpoints.write(&arguments.dir)?;
        Ok(installation)
    }

    /// Applies manifests as the first operator.
    pub async fn apply(&self, manifests: Vec<ManifestText>) -> Result<ApplyReport> {
        let router = portcullis_control::http::router(self.control.clone());
        serve::apply_in_process(router, manifests, &self.admin_token()?).await
    }

    /// Gives the gate what was learnt of a client elsewhere.
    pub fn take_over(&self, client: ClientId, known: Box<ClientRisk>) {
        self.gate.take_over(client, known);
    }

    pub fn admin_token(&self) -> Result<String> {
        let path = &self.endpoints.admin_token;
        let token =
            std::fs::read_to_string(path).with_context(|| format!("can't read `{}`", path.display()))?;
        Ok(token.trim().to_owned())
    }

    async fn apply_files(&self, files: &[PathBuf]) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let mut manifests = Vec::new();
        for path in files {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("can't read `{}`", path.display()))?;
            manifests.push(ManifestText { file: path.display().to_string(), text });
        }
        let report = self.apply(manifests).await?;
        tracing::info!(changes = report.changes.len(), "manifests applied");
        Ok(())
    }

    /// Ready means that the gate decides by a snapshot.
    async fn wait_for_gate(&self) -> Result<()> {
        let mut look = tokio::time::interval(Duration::from_millis(2));
        let ready = async {
            while self.control.gates().iter().any(|gate| gate.snapshot.is_none()) {
                look.tick().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), ready)
            .await
            .map_err(|_| anyhow!("the gate took no snapshot within 10 seconds\nhint: look at its log above"))
    }

    /// An assertion of the very second of the start might be one that a process before has taken:
    /// it is refused, so nobody is told that all is ready before that second is over.
    async fn wait_for_second(&self) {
        let clock = self.control.clock();
        let started = clock.now().as_second();
        let mut look = tokio::time::interval(Duration::from_millis(5));
        while clock.now().as_second() <= started {
            look.tick().await;
        }
    }

    /// Reads settings, certificates and identities anew; connections that stand are not touched.
    pub async fn reload(&self) -> Result<ReloadAnswer> {
        let mut answer = self.reloader.reload().await?;
        answer.notes.extend(self.control.reload_clocks());
        Ok(answer)
    }

    /// Renews the certificates that have less than a third of their life left.
    async fn renew_due(&self) {
        let now = self.control.clock().now();
        match self.reloader.renew_due(now).await {
            Ok(None) => {}
            Ok(Some(answer)) => tracing::info!(changed = ?answer.changed, "certificates were renewed"),
            Err(error) => tracing::error!("certificates were not renewed: {error:#}"),
        }
        match self.control.renew_identities().await {
            Ok(renewed) if renewed.is_empty() => {}
            Ok(renewed) => tracing::info!(?renewed, "identities towards upstreams were renewed"),
            Err(error) => tracing::error!(%error, "identities towards upstreams were not renewed"),
        }
    }

    /// Takes nothing new, lets requests end, then stops.
    pub async fn stop(self) {
        let Self {
            gate,
            serving,
            sealing,
            looking,
            telling,
            control,
            endpoints,
            store,
            drain,
            reloader: _,
            _directory,
        } = self;
        drop(looking);
        drop(telling);
        control.announce_stop();
        let _ = std::fs::remove_file(endpoints.path());
        let drained = tokio::task::spawn_blocking(move || gate.drain(drain.limit()));
        let _ = drained.await;
        serving.stop().await;
        // It waits for the ledger, which this runtime serves: not here, then.
        let _ = tokio::task::spawn_blocking(move || drop(sealing)).await;
        drop(control);
        // What is queued is written, and the ledger is one file again, that can be copied.
        store.close().await;
    }
}

/// The vendor that exercises and the kill drill cut, with its machines in this process.
fn start_canary(control: &Control, settings: &Settings, authority: &std::path::Path) -> Result<()> {
    let pem = std::fs::read(authority).with_context(|| format!("can't read `{}`", authority.display()))?;
    let roots = crate::machine::authorities(&pem)?;
    let canary = crate::canary::Canary::new(
        control.weak(),
        (settings.public_url.clone(), settings.listen_gate),
        roots,
    );
    control.rehearse_with(Arc::new(canary.clone()));
    crate::canary::keep_drilling(canary, control, settings.kill_drill.clone());
    Ok(())
}

/// Runs an installation until it is told to stop.
pub async fn run(arguments: Arguments) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let manager = Manager::from_environment();
    let installation = Installation::start(&arguments).await?;
    installation.endpoints.print();
    manager.ready("serving");
    let mut tidy = tokio::time::interval(TIDY);
    let mut renewals = tokio::time::interval(RENEWALS);
    let mut watchdog = manager.watchdog().map(tokio::time::interval);
    loop {
        tokio::select! {
            _ = tidy.tick() => crate::allocator::give_back(),
            _ = renewals.tick() => installation.renew_due().await,
            () = due(&mut watchdog) => {
                // Without a core that serves there is no life to tell of: the manager starts it anew.
                if installation.gate.is_alive() {
                    manager.alive();
                }
            }
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = hang_up.recv() => {
                manager.reloading();
                match installation.reload().await {
                    Ok(answer) => {
                        tracing::info!(changed = ?answer.changed, notes = ?answer.notes, "reloaded");
                    }
                    // What was loaded before serves on.
                    Err(error) => tracing::error!("nothing was reloaded: {error:#}"),
                }
                manager.ready("serving");
            }
        }
    }
    let notice = installation.drain.notice();
    manager.stopping("requests under way may end");
    tracing::info!(notice_seconds = notice.as_secs(), "stopping: requests under way may end");
    installation.control.announce_stop();
    // A second word means at once.
    let impatient = async {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
    };
    let _ = tokio::time::timeout(notice, impatient).await;
    installation.stop().await;
    Ok(())
}

/// The next tick, if there is any.
async fn due(interval: &mut Option<tokio::time::Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}

/// The settings of the directory, or at the first start those that the arguments ask for.
fn settle(arguments: &Arguments, directory: &DataDirectory) -> Result<Settings> {
    let path = directory.join("settings.json");
    let loopback = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    if let Some(mut settings) = Settings::read(&path)? {
        if let Some(asked) = &arguments.public_url
            && asked.trim_end_matches('/') != settings.public_url
        {
            bail!(
                "the public address is `{}` since the first start, and can't become `{asked}`\nhint: tokens and proofs name it; start a new data directory for another address",
                settings.public_url
            );
        }
        if let Some(listen) = arguments.listen_gate.filter(|listen| listen.port() != 0) {
            settings.listen_gate = listen;
        }
        if let Some(listen) = arguments.listen_control.filter(|listen| listen.port() != 0) {
            settings.listen_control = listen;
        }
        return Ok(settings);
    }
    let listen_gate = free_port(arguments.listen_gate.unwrap_or_else(|| loopback(8443)))?;
    let listen_control = free_port(arguments.listen_control.unwrap_or_else(|| loopback(8444)))?;
    let public_url = match &arguments.public_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None if listen_gate.ip().is_unspecified() => {
            format!("https://localhost:{}", listen_gate.port())
        }
        None => format!("https://{listen_gate}"),
    };
    let authority = host_of(&public_url)?;
    let settings = Settings {
        ledger_origin: format!("{authority}/ledger"),
        public_url,
        listen_gate,
        listen_control,
        gate: GateSettings::default(),
        metrics: MetricsSettings::default(),
        keys: KeySettings::default(),
        checkpoints: CheckpointSettings::default(),
        drain: DrainSettings::default(),
        sealing: SealingSettings::default(),
        webhooks: Vec::new(),
        on_call: Vec::new(),
        smtp: None,
        tell_vendors: true,
        contact: None,
        enforcer: None,
        sources: Vec::new(),
        kill_drill: crate::canary::DrillSettings::default(),
        incidents: IncidentSettings::default(),
        documents: DocumentRetention::default(),
    };
    settings.write(&path)?;
    Ok(settings)
}

/// What the enforcer keeps in force, of what is known.
fn network_plan(site: &Arc<Site>, vault: &Arc<authority::TunnelFiles>, clock: &Clock) -> PlanOf {
    let (site, vault, clock) = (Arc::clone(site), Arc::clone(vault), clock.clone());
    Arc::new(move |state| network::plan(state, &site, Some(&*vault), clock.now()))
}

/// `host[:port]` of a public address, which must be an origin.
fn host_of(public_url: &str) -> Result<&str> {
    let authority = public_url
        .strip_prefix("https://")
        .filter(|rest| !rest.is_empty() && !rest.contains(['/', '?', '#', '@', ' ']));
    authority.ok_or_else(|| {
        anyhow!("`{public_url}` is not a public address\nhint: write `https://HOST` or `https://HOST:PORT`, without path")
    })
}

/// How this machine reaches what listens on `address`: no certificate names all addresses at once.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Port 0 becomes a port that is free now and stays the installation's own.
fn free_port(address: SocketAddr) -> Result<SocketAddr> {
    if address.port() != 0 {
        return Ok(address);
    }
    let probe = TcpListener::bind(address).with_context(|| format!("can't listen on `{address}`"))?;
    Ok(probe.local_addr()?)
}

/// Names that the servers' certificates must hold.
fn hosts(settings: &Settings) -> Result<Vec<String>> {
    let authority = host_of(&settings.public_url)?;
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => authority.split(':').next().unwrap_or(authority),
    };
    let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let addresses = [settings.listen_gate.ip(), settings.listen_control.ip()];
    let more = addresses.iter().filter(|ip| !ip.is_unspecified()).map(ToString::to_string);
    for name in more.chain([host.to_owned()]) {
        if !hosts.contains(&name) {
            hosts.push(name);
        }
    }
    Ok(hosts)
}

async fn start_control(
    arguments: &Arguments,
    directory: &DataDirectory,
    settings: &Settings,
    keys: &Keys,
    clock: &Clock,
) -> Result<(Control, Arc<SqliteStore>)> {
    let options = SqliteOptions {
        ledger: directory.join("ledger.sqlite"),
        subject_keys: directory.join("subject_keys.sqlite"),
        origin: settings.ledger_origin.clone(),
        signer: keys.checkpoint_signer(&settings.ledger_origin)?,
    };
    let store = SqliteStore::open_wrapped(options, Some(Arc::new(keys.subjects()?))).await?;
    let store = Arc::new(store);
    let decisions = directory.join("decisions");
    std::fs::create_dir_all(&decisions).with_context(|| format!("can't make `{}`", decisions.display()))?;
    let options = Options {
        store: Arc::<SqliteStore>::clone(&store),
        reserve: ReserveFile::open(directory.join("severances.reserve"), SLOTS, SLOT_BYTES)?,
        decision_log_dir: decisions,
        archive_dir: directory.join("archive"),
        posture_dir: directory.join("posture"),
        clock: clock.clone(),
        entropy: entropy(),
        issuer: settings.public_url.clone(),
        public_origins: vec![settings.public_url.clone()],
        series_max: Some(settings.metrics.series_max),
        key_ring: Arc::new(keys.signing()?),
        signing_plan: settings.keys.signing_plan()?,
        stops: arguments.stops.into(),
        lost_keys: keys.lost()?,
    };
    let control = Control::start(options).await?;
    let documents = directory.join("documents");
    let documents = Documents::open(&documents, keys.documents()?, entropy(), Limits::default())?;
    settings.documents.check().map_err(|error| anyhow::anyhow!(error))?;
    control.keep_documents(Arc::new(documents), settings.documents.clone());
    keys.lost_is_told()?;
    Ok((control, store))
}

fn gate_options(
    name: String,
    arguments: &Arguments,
    directory: &DataDirectory,
    settings: &Settings,
    keys: &Keys,
    clock: Clock,
) -> Result<GateOptions> {
    let machine = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    Ok(GateOptions {
        name,
        listen: settings.listen_gate,
        cores: arguments.cores.unwrap_or_else(|| u16::try_from(machine).unwrap_or(1)).clamp(1, 256),
        tls: keys.server("gate")?,
        settings: settings.gate.clone(),
        authority_pem: keys.authority_pem()?,
        identities: directory.join("identities"),
        memory: directory.join("gate-memory"),
        risk: directory.join("gate-risk"),
        decision_log: directory.join("decisions"),
        decision_log_options: LogOptions::default(),
        clock,
        origin: Arc::new(()),
    })
}

/// Puts down where the ledger comes from, if it was brought back from a backup since the last start.
async fn record_restored(control: &Control, directory: &DataDirectory) -> Result<()> {
    let path = directory.join(backup::MARK);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("can't read `{}`", path.display())),
    };
    let mark: backup::Mark =
        serde_json::from_slice(&bytes).with_context(|| format!("`{}` can't be read", path.display()))?;
    tracing::warn!(
        backup_time = %mark.backup_time,
        "restored from a backup: events after {} are unknown, and every token of before is dead", mark.size
    );
    let backup::Mark { backup_time, size, root, known_later } = mark;
    control.record_restored(Command::RecordRestored { backup_time, size, root, known_later }).await?;
    std::fs::remove_file(&path).with_context(|| format!("can't remove `{}`", path.display()))
}

/// The first operator, whose token only the data directory holds.
async fn ensure_admin(control: &Control, directory: &DataDirectory) -> Result<PathBuf> {
    let path = directory.join("admin.token");
    if !control.state().operators.is_empty() {
        return Ok(path);
    }
    let token = new_operator_token();
    // The file first: a crash in between leaves a token that nobody knows, and the next start makes another.
    write_whole(&path, format!("{token}\n").as_bytes(), 0o600)?;
    let command = Command::AddOperator {
        name: Personal::Plain("admin".to_owned()),
        token_sha256: portcullis_control::control::token_digest(&token),
    };
    control.execute(command).await?;
    Ok(path)
}

/// Makes the token for Prometheus, unless it is there: it reads the metrics and nothing else. Deleting the file
/// and starting again makes another.
fn metrics_access(access: settings::MetricsAccess, directory: &DataDirectory) -> Result<MetricsAccess> {
    if access == settings::MetricsAccess::Open {
        return Ok(MetricsAccess::Open);
    }
    let path = directory.join("metrics.token");
    let token = match std::fs::read_to_string(&path) {
        Ok(token) => token.trim().to_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let token = new_token("pcm");
            write_whole(&path, format!("{token}\n").as_bytes(), 0o600)?;
            token
        }
        Err(error) => return Err(error).with_context(|| format!("can't read `{}`", path.display())),
    };
    if token.len() < 32 {
        bail!("`{}` holds no token\nhint: delete it, and the next start makes another", path.display());
    }
    Ok(MetricsAccess::Token { sha256: portcullis_control::control::token_digest(&token) })
}

/// With what addresses of calendars are made. Deleting the file and starting again makes all of them void.
fn calendar_key(directory: &DataDirectory) -> Result<CalendarKey> {
    let path = directory.join("calendar.key");
    let secret = match std::fs::read(&path) {
        Ok(secret) => secret,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut secret = [0; 32];
            entropy()(&mut secret);
            write_whole(&path, &secret, 0o600)?;
            secret.to_vec()
        }
        Err(error) => return Err(error).with_context(|| format!("can't read `{}`", path.display())),
    };
    let secret: [u8; 32] = secret.try_into().map_err(|_| {
        anyhow!("`{}` holds no key\nhint: delete it, and the next start makes another; calendars are to be linked anew", path.display())
    })?;
    Ok(CalendarKey::new(&secret))
}

/// `pcl_` and 32 random bytes.
pub fn new_operator_token() -> String {
    new_token("pcl")
}

fn new_token(prefix: &str) -> String {
    use base64::Engine as _;
    let mut bytes = [0; 32];
    entropy()(&mut bytes);
    format!("{prefix}_{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}
