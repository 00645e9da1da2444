//! The handle on the control plane that the HTTP API and the binary hold.

mod access;
mod closing;
pub mod documents;
mod dossiers;
mod erasing;
mod ledger;
mod looking;
mod measuring;
mod parts;
mod posture;
pub mod retention;
pub(crate) mod risk;
mod sealed;
mod start;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use portcullis_api::apply::ApplyReport;
use portcullis_api::decisions::{DecisionQuery, DecisionView};
use portcullis_api::ledger::EventView;
use portcullis_assurance::stops::StopMode;
use portcullis_domain::break_glass::{BreakGlass, BreakGlassSeal};
use portcullis_domain::command::{Command, Prepared, Refusal};
use portcullis_domain::decision::{DecisionId, DecisionRecord};
use portcullis_domain::event::Event;
use portcullis_domain::ids::ClientId;
use portcullis_domain::spec::Kind;
use portcullis_domain::state::signing_keys::SigningPlan;
use portcullis_domain::state::{Operator, State};
use portcullis_ledger::note::NoteSigner;
use portcullis_network::order::{FromEnforcer, ToEnforcer};
use portcullis_network::plan::NetworkPlan;
use portcullis_policy::clock::Clock;
use portcullis_policy::facts::SnapshotFacts;
use portcullis_policy::link::{FromGate, RelayAnswer, RelayRequest, ToGate};
use portcullis_store::{EventStore, ReserveFile, StoreError};
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot};
use tokio::time::timeout;

use crate::arms::{Enforcer, EnforcerLink, EnforcerStanding, Listeners};
use crate::assurance::notice::Notice;
use crate::assurance::sources::Sources;
use crate::clauses::ClausesSeen;
use crate::clock_watch::{self, ClockWatch};
use crate::core::Core;
pub use crate::core::Entropy;
use crate::decisions::{Decisions, FoundDecisions};
use crate::error::{DecisionsError, ExecuteError, StartError};
use crate::execute::{Executed, Job, Writer};
use crate::exercises::Rehearsing;
use crate::feeds::Feeds;
use crate::incidents::Regimes;
use crate::issuers::Issuers;
use crate::keys::{KeyRing, SigningKeys};
use crate::link::{Gate, GateLink, GateStatus, Gates, Relay, Reports};
use crate::metrics::Metrics;
use crate::network::NetworkSeen;
use crate::packing::Turns;
use crate::pages::HeldPages;
use crate::posture::Postures;
use crate::process::{Process, Started};
use crate::projection::access::AccessLines;
use crate::receipts::Filing;
use crate::risk::RiskSeen;
use crate::severing::SeenKeys;
use crate::telling::Tellers;
use crate::{apply, projection};
pub use retention::DocumentRetention;
pub use sealed::ProvedDecision;

/// Commands that wait for their turn; further ones wait for a place.
const JOBS_MAX: usize = 256;
/// Notices that a slow follower may be behind before it misses some.
const NOTICES_MAX: usize = 1_024;
/// How long `apply` waits for gates to decide by what was applied.
const APPLY_WAIT: Duration = Duration::from_secs(2);

/// How long the first use of a sealed credential waits to be recorded.
const OPENING_WAIT: Duration = Duration::from_millis(500);

/// What control stands on.
pub struct Options {
    pub store: Arc<dyn EventStore>,
    pub reserve: ReserveFile,
    /// Where the gate writes its segments.
    pub decision_log_dir: PathBuf,
    /// Where sealed files of decisions are, and come to be.
    pub archive_dir: PathBuf,
    /// Where the newest statements of clients' machines are kept.
    pub posture_dir: PathBuf,
    pub clock: Clock,
    pub entropy: Entropy,
    pub issuer: String,
    pub public_origins: Vec<String>,
    /// Series of each family of metrics; 500 without a word.
    pub series_max: Option<usize>,
    /// Where private halves of signing keys lie.
    pub key_ring: Arc<dyn KeyRing>,
    pub signing_plan: SigningPlan,
    /// What hard stops do where no policy says so; for an installation that is founded now, and kept from then on.
    pub stops: StopMode,
    /// Files of private keys that were lost and are replaced: this start records it.
    pub lost_keys: Vec<String>,
}

/// The control plane. Cheap to clone.
#[derive(Clone)]
pub struct Control(Arc<Shared>);

struct Shared {
    core: Arc<Core>,
    jobs: mpsc::Sender<Job>,
    gates: Arc<Gates>,
    enforcer: Arc<Enforcer>,
    receipt_signer: OnceLock<NoteSigner>,
    filing: Arc<Filing>,
    tellers: Tellers,
    held_pages: HeldPages,
    decisions: Arc<Decisions>,
    metrics: Arc<Metrics>,
    clock_watch: Arc<ClockWatch>,
    /// It still serves, and should be sent nothing new.
    stopping: AtomicBool,
    seen: SeenKeys,
    risk: RiskSeen,
    clauses: ClausesSeen,
    issuers: Issuers,
    feeds: Feeds,
    sources: Sources,
    postures: Arc<Postures>,
    access_lines: AccessLines,
    /// Texts whose clocks run in incidents.
    regimes: Arc<Regimes>,
    /// Of evidence, where they are kept.
    documents: crate::oauth::evidence::Place,
    /// Set once, at the start: the server holds its way back to control.
    relay: OnceLock<Relay>,
    /// The thread that seals, where there is one.
    sealing: OnceLock<sealed::SealingThread>,
    process: Started,
    network: NetworkSeen,
    issuer: String,
    public_origins: Vec<String>,
    signing_keys: Arc<SigningKeys>,
    key_ring: Arc<dyn KeyRing>,
    signing_plan: SigningPlan,
    /// Keys are changed by one at a time.
    key_turn: tokio::sync::Mutex<()>,
    /// What others are told of that is no event, such as risk.
    notices: broadcast::Sender<Notice>,
    /// Evidence packs are made one at a time.
    packing: Turns,
    /// What a vendor read is looked up for one incident at a time.
    reading: Arc<Semaphore>,
    /// Whoever drives live exercises; none where the gate runs elsewhere.
    rehearsing: OnceLock<Arc<dyn Rehearsing>>,
}

impl Control {
    /// Folds the ledger, founds it if it is empty, and puts in force what the reserve file holds.
    /// Runs on the current Tokio runtime, which needs its timer. When it returns, everything that
    /// was ever severed is; no listener may be opened before.
    ///
    /// # Errors
    /// The ledger or the reserve can't be read, or the first events can't be written.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let Options {
            store,
            reserve,
            decision_log_dir,
            archive_dir,
            posture_dir,
            clock,
            entropy,
            issuer,
            public_origins,
            series_max,
            key_ring,
            signing_plan,
            stops,
            lost_keys,
        } = options;
        let held = {
            let ring = Arc::clone(&key_ring);
            tokio::task::spawn_blocking(move || ring.keys()).await.map_err(|_| StoreError::Closed)??
        };
        let reserve = Arc::new(reserve);
        let start::Folded { book, done, erased, replayed } = start::fold(&*store, &reserve).await?;
        let now = clock.now();
        let postures = tokio::task::spawn_blocking(move || Postures::open(posture_dir, now));
        let postures = Arc::new(postures.await.map_err(|_| StoreError::Closed)?);
        let core = Arc::new(Core::new(book, store, reserve, clock, entropy));
        core.clear(done);
        let metrics = Arc::new(Metrics::new(series_max, core.clock.now()));
        let decisions = Arc::new(Decisions::new(decision_log_dir, archive_dir));
        measuring::count_history(&metrics, &decisions, &core);
        let clock_watch = Arc::new(ClockWatch::default());
        let (watch, clock) = (Arc::downgrade(&clock_watch), core.clock.clone());
        tokio::spawn(clock_watch::watch(watch, clock));
        let (jobs, waiting) = mpsc::channel(JOBS_MAX);
        tokio::spawn(Writer::new(Arc::clone(&core), waiting).run());
        let control = Self(Arc::new(Shared {
            core,
            jobs,
            gates: Arc::default(),
            enforcer: Arc::default(),
            rehearsing: OnceLock::new(),
            receipt_signer: OnceLock::new(),
            filing: Arc::default(),
            tellers: Tellers::default(),
            held_pages: HeldPages::default(),
            decisions,
            metrics,
            clock_watch: Arc::clone(&clock_watch),
            stopping: AtomicBool::new(false),
            seen: SeenKeys::default(),
            risk: RiskSeen::default(),
            clauses: ClausesSeen::default(),
            issuers: Issuers::default(),
            feeds: Feeds::default(),
            sources: Sources::default(),
            postures,
            access_lines: AccessLines::default(),
            regimes: Arc::default(),
            documents: Arc::default(),
            relay: OnceLock::new(),
            sealing: OnceLock::new(),
            process: Started::new(),
            network: NetworkSeen::default(),
            issuer,
            public_origins,
            signing_keys: Arc::new(SigningKeys::new(held)),
            key_ring,
            signing_plan,
            key_turn: tokio::sync::Mutex::default(),
            notices: broadcast::Sender::new(NOTICES_MAX),
            packing: Turns::default(),
            reading: Arc::new(Semaphore::new(1)),
        }));
        let server = Arc::new(control.authorization_server()?);
        control.0.relay.get_or_init(|| {
            Arc::new(move |request| {
                let server = Arc::clone(&server);
                Box::pin(async move { server.answer(&request).await })
            })
        });
        control.found(stops, lost_keys).await?;
        control.replay_reserve(replayed).await;
        for subject in erased {
            control.erase_in_background(subject, Duration::ZERO);
        }
        control.keep_turning();
        control.keep_days();
        Postures::tidy_soon(&control.0.postures, control.state());
        Ok(control)
    }

    /// Serves one gate until its link ends. It is sent the snapshot at once.
    pub fn attach(&self, link: GateLink) {
        let GateLink { name, to_gate, mut from_gate } = link;
        // Listed before its first snapshot is made: no severance falls between the two.
        let gate = self.0.gates.add(name, to_gate);
        let control = self.clone();
        self.0.core.runtime.spawn(async move {
            let newest = control.0.core.watch();
            let keep_up = gate.keep_up(newest, |state| control.facts(state));
            let listen = async {
                while let Some(message) = from_gate.recv().await {
                    control.hear(&gate, message);
                }
            };
            tokio::select! { () = keep_up => {}, () = listen => {} }
            control.0.gates.remove(&gate);
        });
    }

    /// Serves the enforcer's link until it ends; it is sent all that is severed, and the network plan.
    pub fn attach_enforcer(&self, link: EnforcerLink) {
        let (control, recalling) = (self.weak(), self.weak());
        let listeners = Listeners {
            later: Box::new(move |severance, report| {
                if let Some(control) = control.upgrade() {
                    control.closed_later(severance, report);
                }
            }),
            unknown: Box::new(move |held| {
                if let Some(control) = recalling.upgrade() {
                    control.recall_cut(&held);
                }
            }),
        };
        tokio::spawn(crate::network::measure(self.weak(), Arc::clone(&self.0.enforcer)));
        self.0.enforcer.attach(Arc::clone(&self.0.core), link, listeners);
    }

    /// Looks from now on which addresses no severance may drop: of this host, of upstreams by name, and of vendors' machines.
    pub fn protect_what_is_seen(&self) {
        tokio::spawn(crate::network::protected::watch(self.weak(), Arc::clone(&self.0.enforcer)));
    }

    /// Asks the enforcer something that changes nothing; `question` is given the number that its answer has.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask_enforcer(
        &self,
        question: impl FnOnce(u64) -> ToEnforcer,
    ) -> Result<FromEnforcer, String> {
        self.0.enforcer.ask(question).await
    }

    /// What the enforcer is told to keep in force; none without one.
    #[must_use]
    pub fn network_plan(&self) -> Option<Arc<NetworkPlan>> {
        self.0.enforcer.plan(&self.state())
    }

    /// How the enforcer stands.
    #[must_use]
    pub fn enforcer_standing(&self) -> EnforcerStanding {
        self.0.enforcer.standing()
    }

    pub(crate) fn receipt_signer(&self) -> &OnceLock<NoteSigner> {
        &self.0.receipt_signer
    }

    pub(crate) fn filing(&self) -> &Arc<Filing> {
        &self.0.filing
    }

    /// What the gates wrote lately.
    pub(crate) fn recent_decisions(&self) -> Vec<DecisionRecord> {
        self.0.decisions.recent_records()
    }

    pub(crate) fn tellers(&self) -> &Tellers {
        &self.0.tellers
    }

    /// Says by `/readyz` that nothing new should be sent here; all is served as before.
    pub fn announce_stop(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Relaxed)
    }

    /// Tells control what its process can do. Once: a second word changes nothing.
    pub fn serve_with(&self, process: Process) {
        let _ = self.0.process.set(Arc::new(process));
    }

    pub(crate) fn held_pages(&self) -> &HeldPages {
        &self.0.held_pages
    }

    pub(crate) fn network_seen(&self) -> &NetworkSeen {
        &self.0.network
    }

    /// Tells webhooks of what is no event; nobody may listen.
    pub(crate) fn notify(&self, notice: Notice) {
        let _ = self.0.notices.send(notice);
    }

    /// Tells control who drives live exercises. Once: a second word changes nothing.
    pub fn rehearse_with(&self, rehearsing: Arc<dyn Rehearsing>) {
        let _ = self.0.rehearsing.set(rehearsing);
    }

    pub(crate) fn rehearsing(&self) -> Option<Arc<dyn Rehearsing>> {
        self.0.rehearsing.get().cloned()
    }

    pub(crate) fn process(&self) -> Option<Arc<Process>> {
        self.0.process.get().cloned()
    }

    /// What is in force.
    #[must_use]
    pub fn state(&self) -> Arc<State> {
        self.0.core.state()
    }

    /// What gates are sent now.
    #[must_use]
    pub fn snapshot_facts(&self) -> SnapshotFacts {
        self.facts(&self.state())
    }

    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.core.clock
    }

    #[must_use]
    pub fn entropy(&self) -> &Entropy {
        &self.0.core.entropy
    }

    #[must_use]
    pub fn gates(&self) -> Vec<GateStatus> {
        self.0.gates.status()
    }

    /// Answers once the events are committed, and gates have been sent what can't wait for a snapshot.
    ///
    /// # Errors
    /// Whose move it is, says the variant.
    pub async fn execute(&self, command: Command) -> Result<Executed, ExecuteError> {
        let control = self.clone();
        // Goes on to the end when the caller has gone: a key must be destroyed once its erasure is recorded.
        let finish = self.0.core.runtime.spawn(async move { control.execute_whole(command).await });
        Ok(finish.await.map_err(|_| ExecuteError::Stopping)??.0)
    }

    /// Executes, and waits up to 2 seconds for the gates to decide by it. Answers the ledger's size, and
    /// the names of the gates that don't.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub async fn execute_at_gates(&self, command: Command) -> Result<(u64, Vec<String>), ExecuteError> {
        let executed = self.execute(command).await?;
        Ok((executed.size, self.0.gates.wait_for(executed.size, APPLY_WAIT).await))
    }

    /// Applies all or nothing, and waits up to 2 seconds for the gates to decide by it.
    ///
    /// # Errors
    /// As [`Self::execute`]; every fault of the declarations at once.
    pub async fn apply(&self, resources: Vec<Prepared>, dry_run: bool) -> Result<ApplyReport, ExecuteError> {
        let declared: Vec<_> = resources
            .iter()
            .map(|prepared| (prepared.declaration.spec.kind(), prepared.declaration.name.clone()))
            .collect();
        let taken = self.taken_doors(&resources);
        if !taken.is_empty() {
            return Err(ExecuteError::Refused(Refusal::Invalid(taken)));
        }
        self.change(Command::Apply { resources }, &declared, dry_run).await
    }

    /// Deletes a resource that no other refers to.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub async fn delete(&self, kind: Kind, name: &str, dry_run: bool) -> Result<ApplyReport, ExecuteError> {
        let declared = [(kind, name.to_owned())];
        self.change(Command::Delete { kind, name: name.to_owned() }, &declared, dry_run).await
    }

    #[must_use]
    pub fn store(&self) -> &Arc<dyn EventStore> {
        &self.0.core.store
    }

    /// The newest first. **Blocks** where the recent ones don't suffice: call it from a thread that may.
    ///
    /// # Errors
    /// The decision log can't be read.
    pub fn decisions(&self, query: &DecisionQuery) -> Result<FoundDecisions, DecisionsError> {
        self.0.decisions.find(query, &self.state(), self.now_ms())
    }

    /// **Blocks** where the decision isn't a recent one: call it from a thread that may.
    ///
    /// # Errors
    /// The decision log can't be read.
    pub fn explain(&self, id: DecisionId) -> Result<Option<DecisionView>, DecisionsError> {
        let state = self.state();
        let mut found = self.0.decisions.explain(id, &state)?;
        if let Some(view) = &mut found
            && let Some(vendor) = view.record.vendor
        {
            view.stops = state.stops_at(vendor, view.record.time);
            if let Some(would) = &mut view.would_stop {
                would.tell(&view.stops);
            }
        }
        Ok(found)
    }

    /// Each decision when a gate reports it, and once more when its outcome is known.
    #[must_use]
    pub fn follow(&self) -> broadcast::Receiver<Arc<DecisionView>> {
        self.0.decisions.follow()
    }

    /// Each event when it is committed.
    #[must_use]
    pub fn follow_events(&self) -> broadcast::Receiver<EventView> {
        self.0.core.events.subscribe()
    }

    /// What webhooks are told of and no ledger holds, when it happens.
    #[must_use]
    pub fn follow_notices(&self) -> broadcast::Receiver<Notice> {
        self.0.notices.subscribe()
    }

    /// The public address, which tokens name.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// Takes as long for a wrong token as for a right one.
    #[must_use]
    pub fn operator_by_token(&self, token: &str) -> Option<Operator> {
        let digest = token_digest(token);
        let state = self.state();
        // To the end, so that the place in the list doesn't show in time.
        let found: Vec<_> =
            state.operators.values().filter(|known| is_digest(&known.token_sha256, &digest)).collect();
        found.first().map(|operator| (*operator).clone())
    }

    /// Likewise of the sealed credentials, those that are over too.
    #[must_use]
    pub fn break_glass_by_token(&self, token: &str) -> Option<BreakGlass> {
        let digest = token_digest(token);
        let state = self.state();
        let sealed = state.break_glass.values();
        let found: Vec<_> = sealed.filter(|known| is_digest(&known.seal.token_sha256, &digest)).collect();
        found.first().map(|known| (*known).clone())
    }

    /// Records the first use of a sealed credential. It holds up nothing for longer than a moment.
    pub(crate) async fn open_break_glass(&self, known: &BreakGlass) {
        if known.opened_at.is_some() {
            return;
        }
        let BreakGlassSeal { id, name, .. } = &known.seal;
        tracing::error!(name, "a break-glass credential is used");
        let recorded = timeout(OPENING_WAIT, self.execute(Command::OpenBreakGlass { id: *id })).await;
        if !matches!(recorded, Ok(Ok(_))) {
            tracing::error!(name, "the use of a break-glass credential is not recorded");
        }
    }

    async fn execute_whole(&self, command: Command) -> Result<(Executed, Reports), ExecuteError> {
        let (answer, answered) = oneshot::channel();
        let job = Job { command, answer, attempts: 0 };
        self.0.jobs.send(job).await.map_err(|_| ExecuteError::Stopping)?;
        let executed = answered.await.map_err(|_| ExecuteError::Stopping)??;
        let mut reports = Reports::default();
        for event in &executed.events {
            match event {
                Event::TokenRevoked { token_id, expires_at, .. } => {
                    let expires_at = projection::expiry_seconds(*expires_at);
                    reports = reports.and(self.0.gates.revoke(token_id, expires_at).await);
                }
                Event::SignedOut { target, epoch, time, .. } => {
                    let cut_off = projection::expiry_seconds(*time);
                    reports = self.0.gates.sign_out(target, *epoch, cut_off).await;
                }
                Event::SubjectErased { subject } => self.erase(*subject).await?,
                Event::ResourceRemoved { kind: Kind::Client, .. } => {
                    Postures::tidy_soon(&self.0.postures, self.state());
                }
                _ => {}
            }
        }
        if !reports.silent.is_empty() {
            tracing::error!(silent = ?reports.silent, "gates did not confirm that tokens are dead");
        }
        Ok((executed, reports))
    }

    /// As a gate would have it answered.
    #[cfg(test)]
    pub(crate) async fn relayed(&self, request: RelayRequest) -> RelayAnswer {
        let relay = self.0.relay.get().cloned();
        relay.expect("control has started")(request).await
    }

    pub(crate) fn issuers(&self) -> &Issuers {
        &self.0.issuers
    }

    pub(crate) fn feeds(&self) -> &Feeds {
        &self.0.feeds
    }

    pub(crate) fn regimes(&self) -> &Regimes {
        &self.0.regimes
    }

    /// Clients whose drift has raised an alarm.
    pub(crate) fn drifting(&self) -> Vec<ClientId> {
        let told = self.0.risk.told(&self.state());
        told.standings.iter().filter(|one| one.progress.drift_alarm).map(|one| one.client).collect()
    }

    /// Has the authorization server answer what somebody carried here.
    pub(crate) async fn answer_carried(&self, request: RelayRequest) -> Option<RelayAnswer> {
        let relay = self.0.relay.get().cloned()?;
        Some(relay(request).await)
    }

    pub(crate) fn sources(&self) -> &Sources {
        &self.0.sources
    }

    pub(crate) fn runtime_handle(&self) -> tokio::runtime::Handle {
        self.0.core.runtime.clone()
    }

    /// A handle that keeps nothing alive.
    #[must_use]
    pub fn weak(&self) -> WeakControl {
        WeakControl(Arc::downgrade(&self.0))
    }

    pub(crate) async fn tell_gates(&self, message: ToGate) {
        self.0.gates.tell(&message).await;
    }

    fn facts(&self, state: &State) -> SnapshotFacts {
        let fetched = |id| self.0.issuers.fetched(id);
        let (issuer, origins) = (&self.0.issuer, &self.0.public_origins);
        let now = self.clock().now();
        let mut facts = projection::facts(state, issuer, origins, (&fetched, &self.0.access_lines), now);
        for client in &mut facts.clients {
            if let Some(standing) = state.standing(&client.name) {
                client.posture = self.0.postures.facts(state, &standing);
            }
        }
        for vendor in &mut facts.vendors {
            vendor.outside = self.0.network.outside(vendor.id);
        }
        facts
    }

    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.clock().now().as_millisecond()).unwrap_or(0)
    }

    fn hear(&self, gate: &Arc<Gate>, message: FromGate) {
        match message {
            FromGate::SnapshotInUse { version } => gate.uses(version),
            FromGate::Severed(report) => gate.reported(report),
            FromGate::DoorsUnopened { faults } => gate.lacks(faults),
            FromGate::Relay(request) => gate.relay(request, self.0.relay.get().cloned()),
            FromGate::Decisions(batch) => {
                let state = self.state();
                self.0.metrics.take(&batch);
                self.0.risk.count(&batch);
                self.0.clauses.count(&batch);
                self.0.metrics.tidy(&state, self.clock().now());
                self.0.decisions.take(batch, &state);
            }
            FromGate::KeysCut { client, keys, decision } => self.cut_key(client, keys, decision),
            FromGate::SessionCut { client, session, decision, reason } => {
                self.cut_session(client, session, decision, reason);
            }
            FromGate::Remembered { version, severances } => self.recall(&gate.name, version, severances),
            FromGate::IssuerKeyUnknown { issuer } => self.0.issuers.wanted(issuer.0),
            // Only of clients that exist, as below.
            FromGate::RiskStanding(standing) => {
                if self.state().by_id(standing.client.0).is_some() {
                    self.0.risk.stands(*standing);
                }
            }
            FromGate::Paged(page) => {
                if self.state().by_id(page.client.0).is_some() {
                    tracing::warn!(decision = %page.decision, score = %page.score, "somebody should look at a decision");
                    self.notify(Notice::of_risk(&self.state(), &page));
                    self.0.risk.paged(page);
                }
            }
            FromGate::CertificateSeen { client, thumbprint } => {
                // Only of clients that exist: a gate can't make this grow.
                if self.state().by_id(client.0).is_some() {
                    self.0.seen.add(client, thumbprint);
                }
            }
        }
    }

    async fn change(
        &self,
        command: Command,
        declared: &[(Kind, String)],
        dry_run: bool,
    ) -> Result<ApplyReport, ExecuteError> {
        let before = self.state();
        if dry_run {
            let events = self.0.core.decide(&before, command)?;
            return Ok(apply::report(&before, declared, &events, before.size, true));
        }
        let executed = self.execute(command).await?;
        let mut report = apply::report(&before, declared, &executed.events, executed.size, false);
        report.gates_behind = self.0.gates.wait_for(executed.size, APPLY_WAIT).await;
        Ok(report)
    }
}

/// Control, if it is still there.
#[derive(Clone)]
pub struct WeakControl(std::sync::Weak<Shared>);

impl WeakControl {
    #[must_use]
    pub fn upgrade(&self) -> Option<Control> {
        self.0.upgrade().map(Control)
    }
}

fn is_digest(known: &str, digest: &str) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(known.as_bytes(), digest.as_bytes()).is_ok()
}

/// How the ledger keeps a token: lower-case hex of its SHA-256.
#[must_use]
pub fn token_digest(token: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
