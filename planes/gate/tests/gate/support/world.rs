//! A gate with its snapshot.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use portcullis_decision_log::Options as LogOptions;
use portcullis_domain::decision::DecisionId;
use portcullis_domain::ids::{RouteId, UpstreamId};
use portcullis_domain::spec::{Impact, Limits, RateLimit, UnboundTokens, UpstreamProtocol};
use portcullis_domain::target::Target;
use portcullis_gate::link::ControlLink;
use portcullis_gate::{Gate, GateOptions, GateSettings, HandshakeRate, TlsMaterial};
use portcullis_policy::ceilings::CeilingFacts;
use portcullis_policy::facts::{
    ClientFacts, IntegrationFacts, RouteFacts, SigningKeyFacts, SnapshotFacts, UpstreamFacts, VendorFacts,
};
use portcullis_policy::link::{SeverOrder, SeverReport, ToGate};
use portcullis_policy::posture::PostureFacts;
use portcullis_risk::OriginSource;
use portcullis_tokens::access_token::{AccessClaims, Confirmation, Epochs, Lineage, mint};
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;
use portcullis_tokens::thumbprint::Thumbprint;
use rustls::pki_types::CertificateDer;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::client::{Connection, Connector, Protocol};
use super::clock::HandClock;
use super::identity::{Certificate, ORIGIN, Who, who};
use super::known::know_all;
use super::seen::ControlEnd;
use super::soon;
use super::upstream::Upstream;

pub const SCOPE: &str = "records:read";
const MAIN: u128 = 1;

/// What a gate finds when it starts.
struct Kept {
    folder: tempfile::TempDir,
    /// Whether it has known the tests' clients for long.
    known: bool,
    /// What it knows of addresses.
    origin: Arc<dyn OriginSource>,
}

impl Kept {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), known: true, origin: Arc::new(()) }
    }
}

pub struct World {
    pub gate: Option<Gate>,
    pub address: SocketAddr,
    pub clock: HandClock,
    pub control: ControlEnd,
    pub to_gate: mpsc::Sender<ToGate>,
    pub upstream: Upstream,
    pub authority: CertificateDer<'static>,
    pub signing_key: SigningKey,
    pub decision_log: tempfile::TempDir,
    facts: Mutex<SnapshotFacts>,
}

impl World {
    pub async fn new() -> Self {
        Self::with(HandClock::real(), |_| {}).await
    }

    /// A world whose gate has never seen its clients.
    pub async fn of_strangers(clock: HandClock, change: impl FnOnce(&mut SnapshotFacts)) -> Self {
        Self::of(unhurried(), LogOptions::default(), clock, change, Kept { known: false, ..Kept::new() })
            .await
    }

    /// The next process in the same place.
    pub async fn again(folder: tempfile::TempDir, clock: HandClock) -> Self {
        let kept = Kept { folder, known: false, ..Kept::new() };
        Self::of(unhurried(), LogOptions::default(), clock, |_| {}, kept).await
    }

    /// A world that knows more of addresses.
    pub async fn located(origin: Arc<dyn OriginSource>, change: impl FnOnce(&mut SnapshotFacts)) -> Self {
        let kept = Kept { origin, ..Kept::new() };
        Self::of(unhurried(), LogOptions::default(), HandClock::real(), change, kept).await
    }

    /// Stops the gate, and gives what it leaves.
    pub fn stop(mut self) -> tempfile::TempDir {
        self.gate.take();
        self.decision_log
    }

    /// A world in which `change` was made to the first snapshot.
    pub async fn with(clock: HandClock, change: impl FnOnce(&mut SnapshotFacts)) -> Self {
        Self::of(unhurried(), LogOptions::default(), clock, change, Kept::new()).await
    }

    /// A world whose listener has other settings.
    pub async fn listening(settings: GateSettings) -> Self {
        Self::of(settings, LogOptions::default(), HandClock::real(), |_| {}, Kept::new()).await
    }

    /// A world whose decision log has other limits, or another disk.
    pub async fn recording(log: LogOptions) -> Self {
        Self::of(unhurried(), log, HandClock::real(), |_| {}, Kept::new()).await
    }

    async fn of(
        settings: GateSettings,
        log: LogOptions,
        clock: HandClock,
        change: impl FnOnce(&mut SnapshotFacts),
        kept: Kept,
    ) -> Self {
        let upstream = Upstream::start();
        let signing_key = SigningKey::generate(Algorithm::ES256).unwrap();
        let served = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let decision_log = kept.folder;
        if kept.known {
            let connector = Connector::new(([127, 0, 0, 1], 0).into(), served.cert.der(), None);
            know_all(&decision_log.path().join("gate-risk"), &connector);
        }
        let (to_gate, from_control) = mpsc::channel(64);
        let (to_control, from_gate) = mpsc::channel(256);
        let gate = Gate::start(
            GateOptions {
                name: "under-test".to_owned(),
                listen: "127.0.0.1:0".parse().unwrap(),
                cores: 2,
                tls: TlsMaterial {
                    chain_pem: served.cert.pem().into_bytes(),
                    key_pem: served.signing_key.serialize_pem().into_bytes(),
                },
                settings,
                authority_pem: served.cert.pem().into_bytes(),
                identities: decision_log.path().join("identities"),
                memory: decision_log.path().join("gate-memory"),
                risk: decision_log.path().join("gate-risk"),
                decision_log: decision_log.path().join("decisions"),
                decision_log_options: log,
                clock: clock.clock(),
                origin: kept.origin,
            },
            ControlLink { from_control, to_control },
        )
        .unwrap();
        let control = ControlEnd::start(from_gate, to_gate.downgrade());
        let mut facts = first_facts(&signing_key, upstream.address);
        change(&mut facts);
        let this = Self {
            address: gate.address(),
            gate: Some(gate),
            clock,
            control,
            to_gate,
            upstream,
            authority: served.cert.der().clone(),
            signing_key,
            decision_log,
            facts: Mutex::new(facts),
        };
        this.publish(|_| {}).await;
        this
    }

    pub fn facts(&self) -> MutexGuard<'_, SnapshotFacts> {
        self.facts.lock().unwrap()
    }

    /// Changes the facts, and waits until the gate uses them.
    pub async fn publish(&self, change: impl FnOnce(&mut SnapshotFacts)) {
        let facts = {
            let mut facts = self.facts();
            facts.version += 1;
            change(&mut facts);
            facts.clone()
        };
        let version = facts.version;
        self.to_gate.send(ToGate::Snapshot(Box::new(facts))).await.unwrap();
        self.control.wait("a snapshot", |seen| seen.in_use.filter(|in_use| *in_use >= version)).await;
    }

    /// Severs, and waits for the gate's word.
    pub async fn sever(&self, order: u64, target: Target, epoch: u64, keys: Vec<String>) -> SeverReport {
        let severance = portcullis_domain::ids::SeveranceId(Uuid::from_u128(u128::from(order)));
        self.order(SeverOrder { order, severance, target, epoch, keys, closed_by: None }).await
    }

    /// Has every gate close what one of them has closed by itself, as control does.
    pub async fn sever_for(
        &self,
        decision: DecisionId,
        target: Target,
        epoch: u64,
        keys: Vec<String>,
    ) -> SeverReport {
        let severance = portcullis_domain::ids::SeveranceId(Uuid::from_u128(7));
        let closed_by = Some(decision);
        self.order(SeverOrder { order: u64::MAX, severance, target, epoch, keys, closed_by }).await
    }

    async fn order(&self, message: SeverOrder) -> SeverReport {
        let order = message.order;
        self.to_gate.send(ToGate::Sever(message)).await.unwrap();
        let report = |report: &SeverReport| report.order == order;
        self.control.wait("a severance", |seen| seen.severed.iter().find(|r| report(r)).cloned()).await
    }

    pub fn claims(&self, who: Who, confirmation: Confirmation) -> AccessClaims {
        let now = self.clock.wall().as_second();
        AccessClaims {
            issuer: ORIGIN.to_owned(),
            subject: who.client.to_string(),
            audience: vec![ORIGIN.to_owned()],
            client_id: who.client.to_string(),
            issued_at: now,
            expires_at: now + 300,
            // Of each client and second one: ending one client's token must not end another's.
            token_id: Uuid::from_u128(u128::from(now.unsigned_abs()) << 64 ^ who.client.0.as_u128())
                .to_string(),
            scope: vec![SCOPE.to_owned()],
            confirmation,
            lineage: Lineage {
                vendor: who.vendor,
                integration: who.integration,
                client: who.client,
                epochs: Epochs { vendor: 1, integration: 1, client: 1 },
                client_key: confirmation.x5t_s256.or(confirmation.jkt).unwrap(),
                context: None,
            },
        }
    }

    pub fn mint(&self, claims: &AccessClaims) -> String {
        mint(&self.signing_key, claims).unwrap()
    }

    /// A token that is bound to a certificate.
    pub fn token(&self, who: Who, certificate: &Certificate) -> String {
        self.mint(&self.claims(who, bound_to_certificate(certificate.thumbprint())))
    }

    /// A token that is bound to a DPoP key.
    pub fn dpop_token(&self, who: Who, key: Thumbprint) -> String {
        self.mint(&self.claims(who, Confirmation { jkt: Some(key), x5t_s256: None }))
    }

    pub fn connector(&self, certificate: Option<&Certificate>) -> Connector {
        Connector::new(self.address, &self.authority, certificate)
    }

    pub async fn open(&self, protocol: Protocol, certificate: Option<&Certificate>) -> Connection {
        soon("a connection", self.connector(certificate).open(protocol)).await.unwrap()
    }

    /// A client with a certificate, its token and a connection.
    pub async fn client(&self, who: Who, protocol: Protocol) -> (Connection, String, Certificate) {
        let certificate = Certificate::new();
        let connection = self.open(protocol, Some(&certificate)).await;
        (connection, self.token(who, &certificate), certificate)
    }
}

/// All clients here are of one network: its limits are for tests of their own.
pub fn unhurried() -> GateSettings {
    let handshakes = HandshakeRate { per_second: 1_000_000, burst: 1_000_000 };
    GateSettings { handshakes, strangers_max: 1_000_000, ..GateSettings::default() }
}

pub fn bound_to_certificate(thumbprint: Thumbprint) -> Confirmation {
    Confirmation { jkt: None, x5t_s256: Some(thumbprint) }
}

pub fn route_id(number: u128) -> RouteId {
    RouteId(Uuid::from_u128(0xaa00 + number))
}

pub fn upstream(number: u128, address: SocketAddr) -> UpstreamFacts {
    UpstreamFacts {
        id: UpstreamId(Uuid::from_u128(0xbb00 + number)),
        name: format!("upstream-{number}"),
        url: format!("http://{address}"),
        tls: None,
        protocol: UpstreamProtocol::default(),
        connect_seconds: 1,
    }
}

pub fn route(number: u128, upstream: u128, path: &str) -> RouteFacts {
    RouteFacts {
        id: route_id(number),
        name: format!("route-{number}"),
        upstream: UpstreamId(Uuid::from_u128(0xbb00 + upstream)),
        methods: vec!["GET".to_owned(), "POST".to_owned()],
        path: path.to_owned(),
        scope: SCOPE.to_owned(),
        impact: Impact::Moderate,
        metered: true,
        records: None,
        page_max: None,
        record_bytes: None,
        websocket: false,
        unbound: UnboundTokens::default(),
        timeout_seconds: 30,
        request_bytes_max: 1 << 20,
    }
}

/// Adds a route that every integration is granted, and its upstream.
pub fn add_route(facts: &mut SnapshotFacts, route: RouteFacts, upstream: UpstreamFacts) {
    for integration in &mut facts.integrations {
        integration.routes.push(route.id);
    }
    facts.routes.push(route);
    if facts.upstreams.iter().all(|known| known.id != upstream.id) {
        facts.upstreams.push(upstream);
    }
}

/// Six vendors with three clients each, and a route for each kind of upstream.
fn first_facts(signing_key: &SigningKey, main: SocketAddr) -> SnapshotFacts {
    let jwk = serde_json::to_value(signing_key.public_jwk()).unwrap();
    let garbage = Upstream::raw(b"!! this is no HTTP at all\r\n\r\n");
    let routes = vec![
        route(1, MAIN, "/records/{id}"),
        RouteFacts { page_max: Some(20_000), ..route(2, MAIN, "/pages") },
        RouteFacts { metered: false, ..route(3, MAIN, "/free/{*rest}") },
        RouteFacts { scope: "records:write".to_owned(), ..route(4, MAIN, "/scoped") },
        route(5, MAIN, "/ungranted"),
        route(6, 2, "/dead"),
        RouteFacts { timeout_seconds: 1, ..route(7, MAIN, "/late") },
        route(8, 3, "/garbage"),
        RouteFacts { timeout_seconds: 1, ..route(9, 4, "/silent") },
    ];
    let granted = [1, 2, 3, 4, 6, 7, 8, 9].map(route_id).to_vec();
    let mut facts = SnapshotFacts {
        version: 10,
        issuer: ORIGIN.to_owned(),
        public_origins: vec![ORIGIN.to_owned()],
        signing_keys: vec![SigningKeyFacts { kid: signing_key.kid().to_owned(), jwk, refused_from: None }],
        routes,
        upstreams: vec![
            upstream(MAIN, main),
            upstream(2, Upstream::dead()),
            upstream(3, garbage),
            upstream(4, Upstream::raw(b"")),
        ],
        ..SnapshotFacts::default()
    };
    for vendor in 1..=6 {
        add_vendor(&mut facts, vendor, &granted);
    }
    facts
}

fn add_vendor(facts: &mut SnapshotFacts, vendor: u128, granted: &[RouteId]) {
    let first = who(vendor, 1);
    let name = format!("vendor-{vendor}");
    facts.vendors.push(VendorFacts {
        id: first.vendor,
        name: name.clone(),
        epoch: 1,
        records_max: 50_000,
        access: Vec::new(),
        risk: None,
        outside: Default::default(),
    });
    let plenty = RateLimit { per_second: 1_000_000, burst: 1_000_000 };
    facts.integrations.push(IntegrationFacts {
        id: first.integration,
        vendor: first.vendor,
        name: format!("{name}-exports"),
        epoch: 1,
        scopes: vec![SCOPE.to_owned(), "records:write".to_owned()],
        routes: granted.to_vec(),
        limits: Limits {
            requests: plenty,
            bytes: RateLimit { per_second: 10_000_000_000, burst: 10_000_000_000 },
            ..Limits::default()
        },
        starts_us: i64::MIN,
        contract_ends_us: i64::MAX,
        grant_ends_us: i64::MAX,
        ceilings: CeilingFacts::default(),
        door: None,
    });
    for client in 1..=3 {
        facts.clients.push(ClientFacts {
            id: who(vendor, client).client,
            integration: first.integration,
            name: format!("{name}-machine-{client}"),
            epoch: 1,
            keys: Vec::new(),
            // Tests of keys say which there are.
            by_subject: true,
            posture: PostureFacts::default(),
            ja4: Vec::new(),
        });
    }
}
