//! A data directory, a store that can be made to fail, and gates that answer as they are told.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use portcullis_assurance::stops::StopMode;
use portcullis_control::keys::MemoryRing;
use portcullis_control::{Control, Executed, GateLink, Options, StartError};
use portcullis_domain::command::{Command, Prepared};
use portcullis_domain::event::{KeyForm, RegisteredKey};
use portcullis_domain::ids::{ClientId, OperatorId};
use portcullis_domain::personal::Personal;
use portcullis_domain::spec::Kind;
use portcullis_domain::state::signing_keys::SigningPlan;
use portcullis_ledger::Hash;
use portcullis_ledger::note::{NoteSigner, NoteVerifier};
use portcullis_policy::clock::Clock;
use portcullis_policy::facts::SnapshotFacts;
use portcullis_policy::link::{CutConnection, FromGate, SeverOrder, SeverReport, ToGate};
use portcullis_store::{
    BoxFuture, Committed, EventStore, Head, NewEvent, Obstacle, Progress, RawEvent, Report, ReserveFile,
    SqliteOptions, SqliteStore, StoreError, StoredEvent,
};
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

pub const ISSUER: &str = "https://gate.example";
pub const PLAN: SigningPlan =
    SigningPlan { life: SignedDuration::from_hours(720), publish_ahead: SignedDuration::from_hours(1) };
const ORIGIN: &str = "ledger.example";

/// Outlives the processes that are started in it.
pub struct World {
    pub directory: tempfile::TempDir,
    pub ledger_dir: PathBuf,
    pub reserve_slots: usize,
    pub key_ring: Arc<MemoryRing>,
    /// What the first process founds with.
    pub stops: StopMode,
    now_us: Arc<AtomicI64>,
}

/// One process.
pub struct Process {
    pub control: Control,
    pub store: Arc<FaultyStore>,
}

impl World {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            ledger_dir: directory.path().to_owned(),
            directory,
            reserve_slots: 8,
            key_ring: Arc::new(MemoryRing::with(&SigningKey::generate(Algorithm::EdDSA).unwrap())),
            stops: StopMode::Observe,
            now_us: Arc::new(AtomicI64::new(1_795_000_000_000_000)),
        }
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.now_us.load(Ordering::SeqCst)).unwrap()
    }

    pub fn pass(&self, time: Duration) {
        self.now_us.fetch_add(i64::try_from(time.as_micros()).unwrap(), Ordering::SeqCst);
    }

    pub fn log_dir(&self) -> PathBuf {
        self.directory.path().join("decisions")
    }

    pub fn reserve(&self) -> ReserveFile {
        ReserveFile::open(self.directory.path().join("reserve"), self.reserve_slots, 1_024).unwrap()
    }

    pub async fn store(&self) -> SqliteStore {
        let options = SqliteOptions {
            ledger: self.ledger_dir.join("ledger.sqlite"),
            subject_keys: self.directory.path().join("subject_keys.sqlite"),
            origin: ORIGIN.to_owned(),
            signer: NoteSigner::from_seed(ORIGIN, &[7; 32]).unwrap(),
        };
        SqliteStore::open(options).await.unwrap()
    }

    pub async fn try_start_on(&self, store: Arc<FaultyStore>) -> Result<Process, StartError> {
        std::fs::create_dir_all(self.log_dir()).unwrap();
        let now_us = Arc::clone(&self.now_us);
        let started = std::time::Instant::now();
        let counter = AtomicU64::new(u64::from(std::process::id()));
        let control = Control::start(Options {
            store: store.clone(),
            reserve: self.reserve(),
            decision_log_dir: self.log_dir(),
            archive_dir: self.directory.path().join("archive"),
            posture_dir: self.directory.path().join("posture"),
            clock: Clock::new(
                move || Timestamp::from_microsecond(now_us.load(Ordering::SeqCst)).unwrap(),
                move || started.elapsed(),
            ),
            entropy: Arc::new(move |bytes| {
                // Enough for ids that differ, over restarts too.
                let number = counter.fetch_add(1, Ordering::Relaxed);
                let unique = Uuid::from_u128(u128::from(number) << 64 | started.elapsed().as_nanos());
                let source = unique.as_bytes().iter().rev().chain(unique.as_bytes()).cycle();
                bytes.iter_mut().zip(source).for_each(|(byte, random)| *byte = *random);
            }),
            issuer: ISSUER.to_owned(),
            public_origins: vec![ISSUER.to_owned()],
            series_max: None,
            key_ring: self.key_ring.clone(),
            signing_plan: PLAN,
            stops: self.stops,
            lost_keys: Vec::new(),
        })
        .await?;
        Ok(Process { control, store })
    }

    pub async fn start(&self) -> Process {
        let store = Arc::new(FaultyStore::new(self.store().await));
        self.try_start_on(store).await.unwrap()
    }
}

impl Process {
    pub async fn stop(self) {
        self.store.inner.close().await;
    }

    pub async fn operator(&self, name: &str) -> OperatorId {
        let command = Command::AddOperator {
            name: Personal::Plain(name.to_owned()),
            token_sha256: portcullis_control::control::token_digest(name),
        };
        self.control.execute(command).await.unwrap();
        self.control.state().operator_named(name).unwrap().id
    }

    /// A vendor `acme` with a contract, one integration `feed`, one route `parcels`, and two clients.
    pub async fn acme(&self) -> Executed {
        self.control.execute(Command::Apply { resources: acme() }).await.unwrap()
    }

    pub fn client(&self, name: &str) -> ClientId {
        ClientId(self.control.state().resource(Kind::Client, name).unwrap().id)
    }

    /// Links a gate that confirms everything at once.
    pub fn gate(&self, name: &str) -> FakeGate {
        FakeGate::link(&self.control, name, Manners::default())
    }
}

pub fn acme() -> Vec<Prepared> {
    vec![
        prepared(
            "Vendor",
            "acme",
            json!({ "legal_name": "Acme Ltd", "contacts": [
            { "name": "Ann Onymous", "email": "ann@acme.example" }] }),
            &[],
        ),
        prepared(
            "Contract",
            "acme-2026",
            json!({
            "vendor": "acme", "starts": "2026-01-01", "ends": "2027-12-31", "time_zone": "Europe/Berlin" }),
            &[],
        ),
        prepared("Upstream", "tracking", json!({ "url": "http://127.0.0.1:9" }), &[]),
        prepared(
            "Route",
            "parcels",
            json!({
            "upstream": "tracking", "methods": ["GET"], "path": "/parcels/{id}", "scope": "parcels" }),
            &[],
        ),
        prepared(
            "Integration",
            "feed",
            json!({
            "contract": "acme-2026", "purpose": "tracking", "routes": ["parcels"], "scopes": ["parcels"] }),
            &[],
        ),
        client("robot", "key-1"),
        client("other", "key-2"),
    ]
}

pub fn client(name: &str, key: &str) -> Prepared {
    let jwks = json!({ "keys": [{ "kty": "OKP", "kid": key, "weight": 1.0 }] });
    prepared("Client", name, json!({ "integration": "feed", "jwks": jwks }), &[key])
}

pub fn prepared(kind: &str, name: &str, spec: Value, keys: &[&str]) -> Prepared {
    let key = |key: &&str| RegisteredKey { thumbprint: (*key).to_owned(), form: KeyForm::Jwk };
    Prepared {
        declaration: serde_json::from_value(json!({ "kind": kind, "name": name, "spec": spec })).unwrap(),
        keys: keys.iter().map(key).collect(),
    }
}

/// Waits until `holds`; fails after ten seconds.
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(10), async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}");
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    None,
    Full,
    /// Appends never answer, until the fault is lifted.
    Hang,
    /// Keys can't be destroyed.
    Keys,
}

/// A store whose appends can be made to fail.
pub struct FaultyStore {
    pub inner: SqliteStore,
    fault: watch::Sender<Fault>,
}

impl FaultyStore {
    pub fn new(inner: SqliteStore) -> Self {
        Self { inner, fault: watch::Sender::new(Fault::None) }
    }

    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

impl EventStore for FaultyStore {
    fn append(&self, size: u64, events: Vec<NewEvent>) -> BoxFuture<'_, Result<Committed, StoreError>> {
        let fault = *self.fault.borrow();
        match fault {
            Fault::None | Fault::Keys => self.inner.append(size, events),
            Fault::Full => Box::pin(async { Err(full()) }),
            Fault::Hang => Box::pin(async move {
                self.fault.subscribe().wait_for(|fault| *fault != Fault::Hang).await.unwrap();
                self.inner.append(size, events).await
            }),
        }
    }

    fn read(&self, from: u64, limit: usize) -> BoxFuture<'_, Result<Vec<StoredEvent>, StoreError>> {
        self.inner.read(from, limit)
    }
    fn read_raw(&self, from: u64, limit: usize) -> BoxFuture<'_, Result<Vec<RawEvent>, StoreError>> {
        self.inner.read_raw(from, limit)
    }
    fn head(&self) -> BoxFuture<'_, Result<Head, StoreError>> {
        self.inner.head()
    }
    fn watch(&self) -> watch::Receiver<Head> {
        self.inner.watch()
    }
    fn verifier(&self) -> &NoteVerifier {
        self.inner.verifier()
    }
    fn sign_statement(&self, text: &str) -> Result<String, StoreError> {
        self.inner.sign_statement(text)
    }
    fn prove_inclusion(&self, sequence: u64, size: u64) -> BoxFuture<'_, Result<Vec<Hash>, StoreError>> {
        self.inner.prove_inclusion(sequence, size)
    }
    fn prove_consistency(&self, old: u64, size: u64) -> BoxFuture<'_, Result<Vec<Hash>, StoreError>> {
        self.inner.prove_consistency(old, size)
    }
    fn verify<'a>(
        &'a self,
        progress: &'a mut (dyn FnMut(Progress) + Send),
    ) -> BoxFuture<'a, Result<Report, StoreError>> {
        self.inner.verify(progress)
    }
    fn erase(&self, subject: Uuid) -> BoxFuture<'_, Result<(), StoreError>> {
        match *self.fault.borrow() {
            Fault::Keys => Box::pin(async { Err(full()) }),
            _ => self.inner.erase(subject),
        }
    }
}

fn full() -> StoreError {
    StoreError::Unwritable {
        file: "ledger.sqlite".into(),
        obstacle: Obstacle::Full,
        source: Arc::new(std::io::Error::other("no space")),
    }
}

/// How a gate answers.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    pub uses_snapshots: bool,
    pub reports: bool,
    /// Connections that it says it has cut.
    pub cuts: usize,
}

impl Default for Manners {
    fn default() -> Self {
        Self { uses_snapshots: true, reports: true, cuts: 0 }
    }
}

pub struct FakeGate {
    pub to_control: mpsc::Sender<FromGate>,
    pub snapshots: Arc<Mutex<Vec<SnapshotFacts>>>,
    pub orders: Arc<Mutex<Vec<SeverOrder>>>,
    pub others: Arc<Mutex<Vec<ToGate>>>,
    pub manners: watch::Sender<Manners>,
}

impl FakeGate {
    pub fn link(control: &Control, name: &str, manners: Manners) -> Self {
        let (to_gate, mut from_control) = mpsc::channel(4);
        let (to_control, from_gate) = mpsc::channel(16);
        control.attach(GateLink { name: name.to_owned(), to_gate, from_gate });
        let gate = Self {
            to_control: to_control.clone(),
            snapshots: Arc::default(),
            orders: Arc::default(),
            others: Arc::default(),
            manners: watch::Sender::new(manners),
        };
        let (name, snapshots, orders, others) =
            (name.to_owned(), gate.snapshots.clone(), gate.orders.clone(), gate.others.clone());
        let manners = gate.manners.subscribe();
        tokio::spawn(async move {
            while let Some(message) = from_control.recv().await {
                let manners = *manners.borrow();
                match message {
                    ToGate::Snapshot(facts) => {
                        let version = facts.version;
                        snapshots.lock().unwrap().push(*facts);
                        if manners.uses_snapshots {
                            let _ = to_control.send(FromGate::SnapshotInUse { version }).await;
                        }
                    }
                    ToGate::Sever(order) => {
                        let report = report(&name, &order, manners.cuts);
                        orders.lock().unwrap().push(order);
                        if manners.reports {
                            let _ = to_control.send(FromGate::Severed(report)).await;
                        }
                    }
                    other => {
                        let order = match &other {
                            ToGate::RevokeToken { order, .. } | ToGate::SignOut { order, .. } => Some(*order),
                            _ => None,
                        };
                        others.lock().unwrap().push(other);
                        if let Some(order) = order.filter(|_| manners.reports) {
                            let (gate, took_us) = (name.clone(), 150);
                            let report = SeverReport { order, gate, cores: 2, took_us, connections: vec![] };
                            let _ = to_control.send(FromGate::Severed(report)).await;
                        }
                    }
                }
            }
        });
        gate
    }

    pub fn newest(&self) -> SnapshotFacts {
        self.snapshots.lock().unwrap().last().cloned().unwrap_or_default()
    }

    pub fn orders(&self) -> Vec<SeverOrder> {
        self.orders.lock().unwrap().clone()
    }
}

fn report(gate: &str, order: &SeverOrder, cuts: usize) -> SeverReport {
    let cut = |number: usize| CutConnection {
        client: ClientId(Uuid::from_u128(1)),
        peer: format!("192.0.2.1:{number}"),
        via: None,
        protocol: "h2".into(),
        exchanges: vec![portcullis_domain::decision::DecisionId::new(1, [0; 10])],
        after_us: 10,
    };
    SeverReport {
        order: order.order,
        gate: gate.to_owned(),
        cores: 2,
        took_us: 20,
        connections: (0..cuts).map(cut).collect(),
    }
}

/// The number of events in a ledger's file, by kind.
pub async fn kinds(store: &dyn EventStore) -> Vec<String> {
    let mut kinds = Vec::new();
    portcullis_store::replay(store, 0, |event| {
        kinds.push(event.kind);
        Ok::<_, StoreError>(())
    })
    .await
    .unwrap();
    kinds
}

pub fn entries(directory: &Path) -> usize {
    // A second handle on the file reads what is on the disk.
    ReserveFile::open(directory.join("reserve"), 1, 1_024).unwrap().entries().unwrap().len()
}
