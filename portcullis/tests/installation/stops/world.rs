//! Control and one gate in this process, with a vendor of tier 1 that nothing is wrong with, and a clock in the test's hand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use portcullis_assurance::change::Change;
use portcullis_assurance::contract::ClauseKind;
use portcullis_assurance::order::Order;
use portcullis_assurance::stops::StopMode;
use portcullis_control::control::{Control, Options, token_digest};
use portcullis_control::keys::MemoryRing;
use portcullis_control::link::GateLink;
use portcullis_decision_log::Options as LogOptions;
use portcullis_domain::command::{Command, Prepared};
use portcullis_domain::event::{KeyForm, RegisteredKey};
use portcullis_domain::ids::OperatorId;
use portcullis_domain::personal::Personal;
use portcullis_domain::state::signing_keys::SigningPlan;
use portcullis_gate::link::ControlLink;
use portcullis_gate::{Gate, GateOptions, GateSettings, TlsMaterial, TlsMinimum};
use portcullis_ledger::note::NoteSigner;
use portcullis_policy::clock::Clock;
use portcullis_policy::link::{FromGate, ToGate};
use portcullis_risk::{Known, Listed, Missing, Origin, OriginSource};
use portcullis_store::{ReserveFile, SqliteOptions, SqliteStore};
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;
use portcullis_tokens::thumbprint::Thumbprint;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::facts;
use crate::support::upstream;

/// What is said on paper holds at the gate within this.
pub const WITHIN: Duration = Duration::from_secs(1);
pub const VENDOR: &str = "acme";

/// Runs with the machine's clocks, ahead by as much as the test says.
#[derive(Clone)]
pub struct HandClock {
    started: Instant,
    start: Timestamp,
    ahead_us: Arc<AtomicI64>,
}

impl HandClock {
    pub fn starting(start: Timestamp) -> Self {
        Self { started: Instant::now(), start, ahead_us: Arc::default() }
    }

    pub fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_micros(self.ahead_us.load(Ordering::SeqCst));
        let passed = SignedDuration::try_from(self.started.elapsed()).unwrap();
        self.start.checked_add(passed + ahead).unwrap()
    }

    pub fn jump_to(&self, to: Timestamp) {
        let by = to.duration_since(self.now()).as_micros();
        self.ahead_us.fetch_add(i64::try_from(by).unwrap(), Ordering::SeqCst);
    }

    fn clock(&self) -> Clock {
        let (wall, started) = (self.clone(), self.started);
        Clock::new(move || wall.now(), move || started.elapsed())
    }
}

pub struct World {
    pub clock: HandClock,
    pub control: Control,
    pub ann: OperatorId,
    pub bob: OperatorId,
    url: String,
    machine: reqwest::Client,
    /// The same that speaks TLS 1.2 only.
    old_machine: reqwest::Client,
    certificate: rcgen::Certificate,
    token: std::sync::Mutex<String>,
    /// Of the token, in seconds.
    token_seconds: AtomicI64,
    link: Vec<JoinHandle<()>>,
    _gate: Gate,
    pub folder: tempfile::TempDir,
}

/// Says the same of every address.
struct Everywhere([u8; 2]);

impl OriginSource for Everywhere {
    fn origin(&self, _: std::net::IpAddr) -> Origin {
        Origin { country: Known::Is(self.0), ..Origin::UNKNOWN }
    }

    fn ja4(&self, _: &str) -> Known<Listed> {
        Known::NoData(Missing::NoDatabase)
    }
}

/// How a request went.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    pub status: u16,
    pub reason: String,
    pub detail: String,
    pub decision: String,
    /// Records that may be taken in ten seconds.
    pub records: u64,
}

impl World {
    /// A vendor that nothing is wrong with, which has a token, at `now`.
    pub async fn at(now: Timestamp) -> Self {
        Self::ready(Self::founded(now, StopMode::Enforce).await).await
    }

    /// The same where stops are only observed.
    pub async fn observing(now: Timestamp) -> Self {
        Self::ready(Self::founded(now, StopMode::Observe).await).await
    }

    async fn ready(world: Self) -> Self {
        world.declare(json!({})).await;
        world.order_all(facts::sound(world.clock.now())).await;
        world.enroll().await;
        world
    }

    /// The same with a gate that still speaks TLS 1.2, and where every address lies in this country.
    pub async fn located(now: Timestamp, country: [u8; 2]) -> Self {
        let origin = Arc::new(Everywhere(country));
        let settings = GateSettings { tls_minimum: TlsMinimum::Tls12, ..GateSettings::default() };
        Self::ready(Self::built(now, StopMode::Enforce, settings, origin).await).await
    }

    /// An installation with a route, and no vendor.
    pub async fn founded(now: Timestamp, stops: StopMode) -> Self {
        Self::built(now, stops, GateSettings::default(), Arc::new(())).await
    }

    async fn built(
        now: Timestamp,
        stops: StopMode,
        settings: GateSettings,
        origin: Arc<dyn OriginSource>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = HandClock::starting(now);
        let address = free();
        let url = format!("https://localhost:{}", address.port());
        let control = start_control(&folder, &clock, &url, stops).await;
        let served = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (gate_link, control_link, link) = links();
        control.attach(gate_link);
        let options = GateOptions {
            name: "under-test".to_owned(),
            listen: address,
            cores: 2,
            tls: TlsMaterial {
                chain_pem: served.cert.pem().into_bytes(),
                key_pem: served.signing_key.serialize_pem().into_bytes(),
            },
            settings,
            authority_pem: served.cert.pem().into_bytes(),
            identities: folder.path().join("identities"),
            memory: folder.path().join("gate-memory"),
            risk: folder.path().join("gate-risk"),
            decision_log: folder.path().join("decisions"),
            decision_log_options: LogOptions::default(),
            clock: clock.clock(),
            origin,
        };
        let gate = Gate::start(options, control_link).unwrap();
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec!["machine.example".to_owned()]).unwrap();
        let own = own.self_signed(&key).unwrap();
        let machine = |versions: &[&'static SupportedProtocolVersion]| {
            let mut roots = RootCertStore::empty();
            roots.add(served.cert.der().clone()).unwrap();
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let config = ClientConfig::builder_with_provider(provider)
                .with_protocol_versions(versions)
                .unwrap()
                .with_root_certificates(roots)
                .with_client_auth_cert(
                    vec![own.der().clone()],
                    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
                )
                .unwrap();
            reqwest::Client::builder()
                .tls_backend_preconfigured(config)
                .timeout(Duration::from_secs(20))
                .http1_only()
                .build()
                .unwrap()
        };
        let machines = (machine(rustls::DEFAULT_VERSIONS), machine(&[&rustls::version::TLS12]));
        let (ann, bob) = (operator(&control, "ann").await, operator(&control, "bob").await);
        let upstream = upstream().await;
        let world = Self {
            clock,
            control,
            ann,
            bob,
            url,
            machine: machines.0,
            old_machine: machines.1,
            certificate: own,
            token: std::sync::Mutex::default(),
            token_seconds: AtomicI64::default(),
            link,
            _gate: gate,
            folder,
        };
        world.apply(vec![
            prepared("Upstream", "service", json!({ "url": format!("http://{upstream}") })),
            prepared("Route", "records", json!({
                "upstream": "service", "methods": ["GET"], "path": "/records", "scope": "read", "metered": true })),
        ])
        .await;
        world
    }

    /// Declares the vendor, its contract with `contract` in it, and its integration.
    pub async fn declare(&self, contract: Value) {
        self.apply(vec![
            prepared("Vendor", VENDOR, json!({ "legal_name": "Acme Ltd", "tier_raised": "one" })),
            self.contract(contract),
            prepared(
                "Integration",
                "feed",
                json!({
                "contract": "paper", "purpose": "test", "routes": ["records"], "scopes": ["read"] }),
            ),
        ])
        .await;
    }

    /// A contract with every clause that stop 6 asks for.
    pub fn contract(&self, with: Value) -> Prepared {
        let clauses: Vec<Value> = ClauseKind::ALL
            .into_iter()
            .map(|kind| match kind {
                ClauseKind::IncidentReporting => json!({ "kind": kind, "report_hours": 24 }),
                ClauseKind::Insurance => json!({ "kind": kind, "expires": "2039-12-31" }),
                _ => json!({ "kind": kind }),
            })
            .collect();
        let mut spec = json!({
            "vendor": VENDOR, "starts": "2020-01-01", "ends": "2035-12-31", "time_zone": "Europe/Berlin",
            "clauses": clauses });
        spec.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        prepared("Contract", "paper", spec)
    }

    /// Declares the machine, and gets it a token.
    pub async fn enroll(&self) {
        let client = self.client("machine");
        self.apply(vec![client]).await;
        self.renew().await;
    }

    pub fn client(&self, name: &str) -> Prepared {
        let thumbprint = Thumbprint::of_certificate(self.certificate.der()).to_string();
        let pem = self.certificate.pem();
        let mut client = prepared("Client", name, json!({ "integration": "feed", "certificates": [pem] }));
        client.keys = vec![RegisteredKey { thumbprint, form: KeyForm::Certificate }];
        client
    }

    pub async fn apply(&self, resources: Vec<Prepared>) {
        self.control.apply(resources, false).await.unwrap();
    }

    pub async fn order_all(&self, changes: Vec<Change>) {
        for change in changes {
            self.order(change, self.ann).await;
        }
    }

    pub async fn order(&self, change: Change, by: OperatorId) {
        let shown = format!("{change:?}");
        let orders = vec![(VENDOR.to_owned(), Order { change, by: Some(by) })];
        let done = self.control.execute(Command::ChangeDossiers(orders)).await;
        done.unwrap_or_else(|error| panic!("{shown}: {error}"));
    }

    /// A token of now.
    pub async fn renew(&self) {
        let answer = self.ask_token().await;
        assert_eq!(answer.0, 200, "{}", answer.1);
        self.token_seconds.store(answer.1["expires_in"].as_i64().unwrap(), Ordering::SeqCst);
        *self.token.lock().unwrap() = answer.1["access_token"].as_str().unwrap().to_owned();
    }

    pub fn token_life(&self) -> Duration {
        Duration::from_secs(self.token_seconds.load(Ordering::SeqCst).unsigned_abs())
    }

    pub async fn ask_token(&self) -> (u16, Value) {
        let form = [("grant_type", "client_credentials"), ("client_id", "machine")];
        let ask = || self.machine.post(format!("{}/oauth/token", self.url)).form(&form).send();
        // A connection that an end has just cut may still be in the pool: what was put on it was never asked.
        let asked = match ask().await {
            Ok(asked) => asked,
            Err(_) => ask().await.unwrap(),
        };
        (asked.status().as_u16(), asked.json().await.unwrap())
    }

    pub async fn request(&self) -> Answer {
        Self::answer(self.open("/records?records=3").await).await
    }

    /// By TLS 1.2.
    pub async fn old_request(&self) -> Answer {
        Self::answer(self.get(&self.old_machine, "/records?records=3").await).await
    }

    async fn answer(response: reqwest::Response) -> Answer {
        let header = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let (status, decision, policy) =
            (response.status().as_u16(), header("portcullis-decision"), header("ratelimit-policy"));
        let records = policy.split("\"records\";q=").nth(1).and_then(|rest| rest.split(';').next());
        let records = records.and_then(|records| records.parse().ok()).unwrap_or(0);
        let body: Value = response.json().await.unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Answer { status, reason: text(&body["reasons"][0]), detail: text(&body["detail"]), decision, records }
    }

    pub async fn open(&self, path: &str) -> reqwest::Response {
        self.get(&self.machine, path).await
    }

    async fn get(&self, machine: &reqwest::Client, path: &str) -> reqwest::Response {
        let token = self.token.lock().unwrap().clone();
        let ask = || machine.get(format!("{}{path}", self.url)).bearer_auth(&token).send();
        match ask().await {
            // A block resets what it finds open, and the machine may only learn it by its next request.
            Err(error) if error.is_request() => ask().await.unwrap(),
            answer => answer.unwrap(),
        }
    }

    /// Asks until an answer is as expected, and says how long that took.
    pub async fn until(&self, what: &str, expected: impl Fn(&Answer) -> bool) -> (Answer, Duration) {
        let began = Instant::now();
        loop {
            let answer = self.request().await;
            if expected(&answer) {
                return (answer, began.elapsed());
            }
            assert!(began.elapsed() < WITHIN, "{what}: still {answer:?}");
        }
    }

    /// From now on the gate is alone.
    pub fn lose_control(&mut self) {
        self.link.drain(..).for_each(|link| link.abort());
    }
}

pub fn prepared(kind: &str, name: &str, spec: Value) -> Prepared {
    let declaration = json!({ "kind": kind, "name": name, "spec": spec });
    Prepared { declaration: serde_json::from_value(declaration).unwrap(), keys: Vec::new() }
}

fn free() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Channels with a task between them in each direction: when those end, each side sees the other gone.
fn links() -> (GateLink, ControlLink, Vec<JoinHandle<()>>) {
    let (to_gate, mut out) = mpsc::channel::<ToGate>(64);
    let (forward_out, from_control) = mpsc::channel(64);
    let (to_control, mut back) = mpsc::channel::<FromGate>(256);
    let (forward_back, from_gate) = mpsc::channel(256);
    let tasks = vec![
        tokio::spawn(async move {
            while let Some(message) = out.recv().await {
                let _ = forward_out.send(message).await;
            }
        }),
        tokio::spawn(async move {
            while let Some(message) = back.recv().await {
                let _ = forward_back.send(message).await;
            }
        }),
    ];
    let gate = GateLink { name: "under-test".to_owned(), to_gate, from_gate };
    (gate, ControlLink { from_control, to_control }, tasks)
}

async fn start_control(folder: &tempfile::TempDir, clock: &HandClock, url: &str, stops: StopMode) -> Control {
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(path("decisions")).unwrap();
    let store = SqliteStore::open(SqliteOptions {
        ledger: path("ledger.sqlite"),
        subject_keys: path("subject_keys.sqlite"),
        origin: "ledger.example".to_owned(),
        signer: NoteSigner::from_seed("ledger.example", &[7; 32]).unwrap(),
    });
    let started = Instant::now();
    Control::start(Options {
        store: Arc::new(store.await.unwrap()),
        reserve: ReserveFile::open(path("reserve"), 8, 1_024).unwrap(),
        decision_log_dir: path("decisions"),
        archive_dir: path("archive"),
        posture_dir: path("posture"),
        clock: clock.clock(),
        entropy: Arc::new(move |bytes| aws_lc_rs::rand::fill(bytes).unwrap()),
        issuer: url.to_owned(),
        public_origins: vec![url.to_owned()],
        series_max: None,
        key_ring: Arc::new(MemoryRing::with(&SigningKey::generate(Algorithm::EdDSA).unwrap())),
        signing_plan: SigningPlan {
            life: SignedDuration::from_hours(100_000),
            publish_ahead: SignedDuration::from_hours(1),
        },
        stops,
        lost_keys: Vec::new(),
    })
    .await
    .unwrap_or_else(|error| panic!("{error} after {:?}", started.elapsed()))
}

async fn operator(control: &Control, name: &str) -> OperatorId {
    let command =
        Command::AddOperator { name: Personal::Plain(name.to_owned()), token_sha256: token_digest(name) };
    control.execute(command).await.unwrap();
    control.state().operator_named(name).unwrap().id
}
