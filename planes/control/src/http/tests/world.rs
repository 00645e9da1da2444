//! Control on a store of its own, with a gate that answers at once, and requests to its API.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use jiff::Timestamp;
use portcullis_domain::command::Command;
use portcullis_domain::personal::Personal;
use portcullis_domain::state::signing_keys::SigningPlan;
use portcullis_ledger::note::NoteSigner;
use portcullis_policy::clock::Clock;
use portcullis_policy::link::{CutConnection, FromGate, SeverReport, ToGate};
use portcullis_store::{ReserveFile, SqliteOptions, SqliteStore};
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower::ServiceExt as _;

use crate::control::{Control, DocumentRetention, Options, token_digest};
use crate::keys::MemoryRing;
use crate::link::GateLink;

pub const START: i64 = 1_800_000_000;
pub const ADMIN: &str = "pcl_admin";

pub struct World {
    pub control: Control,
    router: Router,
    pub seconds: Arc<AtomicI64>,
    /// What the gate tells control.
    pub gate: mpsc::Sender<FromGate>,
    _directory: tempfile::TempDir,
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
    pub text: String,
}

impl World {
    pub async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let store = SqliteStore::open(SqliteOptions {
            ledger: path("ledger.sqlite"),
            subject_keys: path("subject_keys.sqlite"),
            origin: "control.example".into(),
            signer: NoteSigner::from_seed("control.example", &[7; 32]).unwrap(),
        })
        .await
        .unwrap();
        let seconds = Arc::new(AtomicI64::new(START));
        let wall = Arc::clone(&seconds);
        let count = AtomicU64::new(1);
        let control = Control::start(Options {
            store: Arc::new(store),
            reserve: ReserveFile::open(path("severances.reserve"), 8, 4_096).unwrap(),
            decision_log_dir: directory.path().to_owned(),
            archive_dir: directory.path().join("archive"),
            posture_dir: directory.path().join("posture"),
            clock: Clock::new(
                move || Timestamp::from_second(wall.load(Ordering::Relaxed)).unwrap(),
                || Duration::ZERO,
            ),
            entropy: Arc::new(move |buffer| {
                let number = count.fetch_add(1, Ordering::Relaxed).to_be_bytes();
                for (byte, number) in buffer.iter_mut().zip(number.iter().cycle()) {
                    *byte = *number;
                }
            }),
            issuer: "https://gate.example".into(),
            public_origins: vec!["https://gate.example".into()],
            series_max: None,
            key_ring: Arc::new(MemoryRing::default()),
            stops: portcullis_assurance::stops::StopMode::Observe,
            lost_keys: Vec::new(),
            signing_plan: SigningPlan {
                life: jiff::SignedDuration::from_hours(720),
                publish_ahead: jiff::SignedDuration::from_hours(1),
            },
        })
        .await
        .unwrap();
        control
            .execute(Command::AddOperator {
                name: Personal::Plain("admin".into()),
                token_sha256: token_digest(ADMIN),
            })
            .await
            .unwrap();
        let gate = attach_gate(&control);
        let router = crate::http::router(control.clone());
        Self { control, router, seconds, gate, _directory: directory }
    }

    /// Documents of evidence, in the folder that is answered.
    pub fn keep_documents(&self) -> std::path::PathBuf {
        use portcullis_documents::{Documents, Limits, RootKey};
        let folder = self._directory.path().join("documents");
        let entropy = self.control.entropy().clone();
        let documents = Documents::open(&folder, RootKey::new([7; 32]), entropy, Limits::default()).unwrap();
        self.control.keep_documents(Arc::new(documents), DocumentRetention::default());
        folder
    }

    pub async fn raw(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.raw(request).await;
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status: parts.status.as_u16(), headers: parts.headers, body, text }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(request("GET", path, ADMIN, None)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(request("POST", path, ADMIN, Some(body))).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(request("DELETE", path, ADMIN, None)).await
    }

    pub async fn apply(&self, text: &str) -> Answer {
        self.post("/v1/apply", &manifests(text, false)).await
    }

    /// Vendor, contract, upstream, route and integration `acme`.
    pub async fn with_integration() -> Self {
        let world = Self::new().await;
        world.apply(&acme()).await.expect(StatusCode::OK);
        world
    }
}

impl Answer {
    pub fn expect(&self, status: StatusCode) -> &Value {
        assert_eq!(self.status, status.as_u16(), "{}", self.text);
        &self.body
    }

    /// A problem with this detail (or a part of it) and this hint (or a part of it).
    pub fn refused(&self, status: u16, detail: &str, hint: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["status"], status);
        let (found, found_hint) = (&self.body["detail"], self.body["hint"].as_str().unwrap_or_default());
        assert!(found.as_str().unwrap().contains(detail), "{detail}: {}", self.text);
        assert!(found_hint.contains(hint), "{hint}: {}", self.text);
    }

    /// The faults as `LINE:COLUMN POINTER MESSAGE`.
    pub fn faults(&self) -> Vec<String> {
        let faults = self.body["faults"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        faults
            .iter()
            .map(|fault| {
                let (line, column) = (&fault["line"], &fault["column"]);
                format!("{line}:{column} {} {}", text(&fault["pointer"]), text(&fault["message"]))
            })
            .collect()
    }
}

pub fn request(method: &str, path: &str, token: &str, body: Option<&Value>) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    let request =
        if token.is_empty() { request } else { request.header("authorization", format!("Bearer {token}")) };
    match body {
        Some(body) => {
            request.header("content-type", "application/json").body(Body::from(body.to_string())).unwrap()
        }
        None => request.body(Body::empty()).unwrap(),
    }
}

pub fn manifests(text: &str, dry_run: bool) -> Value {
    json!({ "manifests": [{ "file": "acme.yaml", "text": text }], "dry_run": dry_run })
}

pub fn acme() -> String {
    let today = Timestamp::from_second(START).unwrap().to_zoned(jiff::tz::TimeZone::UTC).date();
    portcullis_api::template::integration_template("read-api", "acme", today).unwrap()
}

pub fn public_keys() -> Value {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    json!({ "keys": [key.public_jwk()] })
}

/// A gate that decides by every snapshot at once, and had one connection of whatever is severed.
fn attach_gate(control: &Control) -> mpsc::Sender<FromGate> {
    let (to_gate, mut from_control) = mpsc::channel(64);
    let (to_control, from_gate) = mpsc::channel(64);
    control.attach(GateLink { name: "gate-1".into(), to_gate, from_gate });
    let (told, state) = (to_control.clone(), control.clone());
    tokio::spawn(async move {
        while let Some(message) = from_control.recv().await {
            let answer = match message {
                ToGate::Snapshot(facts) => FromGate::SnapshotInUse { version: facts.version },
                ToGate::Sever(order) => FromGate::Severed(SeverReport {
                    order: order.order,
                    gate: "gate-1".into(),
                    cores: 2,
                    took_us: 150,
                    connections: connections(&state),
                }),
                ToGate::RevokeToken { order, .. } | ToGate::SignOut { order, .. } => {
                    FromGate::Severed(SeverReport {
                        order,
                        gate: "gate-1".into(),
                        cores: 2,
                        took_us: 120,
                        connections: vec![],
                    })
                }
                ToGate::RelayAnswer(_)
                | ToGate::IssuerFresh { .. }
                | ToGate::Posture { .. }
                | ToGate::PacketsOutside { .. } => continue,
            };
            if told.send(answer).await.is_err() {
                return;
            }
        }
    });
    to_control
}

fn connections(control: &Control) -> Vec<CutConnection> {
    let state = control.state();
    let first = state.standings().next().map(|standing| standing.client_id());
    first
        .into_iter()
        .map(|client| CutConnection {
            client,
            peer: "192.0.2.1:40000".into(),
            via: None,
            protocol: "h2".into(),
            exchanges: vec![],
            after_us: 90,
        })
        .collect()
}
