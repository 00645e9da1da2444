//! One vendor with clients for each way to authenticate, and requests as the gate relays them.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jiff::Timestamp;
use portcullis_domain::command::{Command, Context as DecideContext};
use portcullis_domain::event::{Cause, Event, KeyForm, RegisteredKey, Severance};
use portcullis_domain::ids::{ClientId, IntegrationId, OperatorId, SeveranceId, VendorId};
use portcullis_domain::spec::{Declaration, Spec};
use portcullis_domain::state::State;
use portcullis_domain::target::Target;
use portcullis_policy::clock::Clock;
use portcullis_policy::link::{RelayAnswer, RelayRequest, ToGate};
use portcullis_tokens::access_token::{self, AccessClaims, TokenKeys};
use portcullis_tokens::assertion::{self, NewAssertion};
use portcullis_tokens::jwk::JwkSet;
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;
use portcullis_tokens::thumbprint::Thumbprint;
use rcgen::{CertificateParams, IsCa, KeyPair};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::keys::SigningKeys;
use crate::oauth::{Execute, NotDone, Options, Server, Tell};
use crate::posture::Postures;

pub const ISSUER: &str = "https://gate.example";
pub const TOKEN_ENDPOINT: &str = "https://gate.example/oauth/token";
pub const START: i64 = 1_800_000_000;
pub const FORM: &str = "application/x-www-form-urlencoded";
pub const JA4: &str = "t13d1516h2_8daaf6152771_e5627efa2ab1";

pub const VENDOR: u128 = 1;
pub const INTEGRATION: u128 = 2;
/// Client `batch`, with keys.
pub const BATCH: u128 = 3;
/// Client `pinned`, with a self-signed certificate.
pub const PINNED: u128 = 4;

pub struct World {
    pub server: Server,
    pub signing_key: Arc<SigningKey>,
    pub state: Arc<Mutex<Arc<State>>>,
    pub seconds: Arc<AtomicI64>,
    pub revoked: Arc<Mutex<Vec<(String, Timestamp)>>>,
    /// What gates were told.
    pub told: Arc<Mutex<Vec<ToGate>>>,
    /// The key of client `batch`.
    pub key: SigningKey,
    /// The certificate of client `pinned`.
    pub certificate: Vec<u8>,
    assertions: AtomicU64,
}

impl World {
    pub fn new() -> Self {
        Self::signing_with(Algorithm::ES256)
    }

    pub fn signing_with(algorithm: Algorithm) -> Self {
        let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
        let certificate = self_signed("pinned");
        let state = Arc::new(Mutex::new(Arc::new(registry(&key, &certificate))));
        let seconds = Arc::new(AtomicI64::new(START));
        let revoked = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::new(Mutex::new(Vec::new()));
        let signing_key = Arc::new(SigningKey::generate(algorithm).unwrap());
        let (hand, current) = (Arc::clone(&seconds), Arc::clone(&state));
        let ids = AtomicU64::new(50_000);
        let server = Server::new(Options {
            issuer: ISSUER.to_owned(),
            public_origins: vec![ISSUER.to_owned(), "https://other.example:8443".to_owned()],
            signing_keys: Arc::new(SigningKeys::new([copy(&signing_key)])),
            clock: Clock::new(
                move || Timestamp::from_second(hand.load(Ordering::SeqCst)).unwrap(),
                || Duration::ZERO,
            ),
            state: Arc::new(move || Arc::clone(&current.lock().unwrap())),
            execute: recording(&state, &revoked, &seconds),
            postures: Arc::new(Postures::in_memory(Timestamp::from_second(START).unwrap())),
            tell: telling(&told),
            fetched: Arc::new(|_| None),
            documents: Arc::default(),
            regimes: Arc::default(),
            new_id: Arc::new(move || Uuid::from_u128(u128::from(ids.fetch_add(1, Ordering::SeqCst)))),
        })
        .unwrap();
        let world = Self {
            server,
            signing_key,
            state,
            seconds,
            revoked,
            told,
            key,
            certificate,
            assertions: AtomicU64::new(0),
        };
        let kid = world.signing_key.kid().to_owned();
        let time = Timestamp::from_second(START).unwrap();
        let jwk = json!(world.signing_key.public_jwk());
        world.change(Event::SigningKeyPublished { kid: kid.clone(), jwk, time: Some(time) });
        world.change(Event::SigningKeyActivated { kid, time });
        world
    }

    pub fn now(&self) -> i64 {
        self.seconds.load(Ordering::SeqCst)
    }

    pub fn pass(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    pub fn change(&self, event: Event) {
        let mut state = self.state.lock().unwrap();
        let mut next = State::clone(&state);
        next.apply(&event);
        *state = Arc::new(next);
    }

    /// Declares a client with these members of its spec; the keys of its set are registered by themselves.
    pub fn enroll(&self, id: u128, name: &str, spec: Value, mut keys: Vec<RegisteredKey>) {
        let set = JwkSet::parse(&spec["jwks"].to_string()).ok();
        keys.extend(
            set.iter()
                .flat_map(JwkSet::keys)
                .map(|jwk| RegisteredKey { thumbprint: jwk.thumbprint().to_string(), form: KeyForm::Jwk }),
        );
        let mut members = json!({ "integration": "feed" });
        members.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        self.change(defined(id, name, json!({ "kind": "Client", "spec": members }), keys));
    }

    pub fn sever(&self, target: Target, epoch: u64, keys: Vec<String>) {
        self.change(Event::Severed(Severance {
            id: SeveranceId(Uuid::from_u128(900)),
            target,
            epoch,
            keys,
            cause: Cause::Operator {
                operator: OperatorId(Uuid::nil()),
                reason: "test".to_owned(),
                tell: None,
            },
            time: Timestamp::from_second(self.now()).unwrap(),
        }));
    }

    /// An assertion of client `batch`, with these changes; `null` takes a claim away.
    pub fn assertion(&self, changes: Value) -> String {
        self.assertion_by(&self.key, "batch", changes)
    }

    pub fn assertion_by(&self, key: &SigningKey, client: &str, changes: Value) -> String {
        let number = self.assertions.fetch_add(1, Ordering::SeqCst);
        if changes == json!({}) {
            let plain = NewAssertion {
                client_id: client,
                audience: ISSUER,
                token_id: &format!("a{number}"),
                issued_at: self.now(),
                expires_at: self.now() + 60,
            };
            return assertion::create(key, &plain).unwrap();
        }
        let mut claims = json!({
            "iss": client, "sub": client, "aud": ISSUER, "jti": format!("a{number}"),
            "iat": self.now(), "exp": self.now() + 60,
        });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        key.sign(&serde_json::Map::new(), claims.to_string().as_bytes()).unwrap()
    }

    /// The body of a token request of client `batch` with this assertion.
    pub fn token_body(&self, assertion: &str) -> String {
        format!("grant_type=client_credentials&{}", authentication(assertion))
    }

    /// Fresh authentication of client `batch`, and `more` parameters.
    pub fn body(&self, more: &str) -> String {
        format!("{}&{more}", authentication(&self.assertion(json!({}))))
    }

    pub fn ask(&self, request: RelayRequest) -> Reply {
        Reply::of(ready(self.server.answer(&request)))
    }

    /// Asks for a token with a fresh assertion of client `batch` and a DPoP key.
    pub fn token(&self, more: &str) -> Reply {
        let body = self.body(&format!("grant_type=client_credentials&{more}"));
        self.ask(with_proof(post("/oauth/token", &body)))
    }

    pub fn claims(&self, reply: &Reply) -> AccessClaims {
        let token = reply.body["access_token"].as_str().unwrap_or_else(|| panic!("{reply:?}"));
        let mut keys = TokenKeys::new();
        keys.insert_signing_key(&self.signing_key).unwrap();
        access_token::verify(token, &keys, ISSUER, self.now()).unwrap()
    }
}

/// An answer of the server, read.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Value,
}

impl Reply {
    fn of(answer: RelayAnswer) -> Self {
        assert_eq!(answer.relay, 77);
        let body = match answer.body.as_slice() {
            [] => Value::Null,
            text => serde_json::from_slice(text).unwrap(),
        };
        Self { status: answer.status, headers: answer.headers.into_iter().collect(), body }
    }

    #[track_caller]
    pub fn expect(&self, status: u16, error: &str, description: &str) {
        let found = (self.status, self.body["error"].as_str(), self.body["error_description"].as_str());
        let found_description = found.2.unwrap_or_default();
        assert_eq!((found.0, found.1), (status, Some(error)), "{self:?}");
        assert!(found_description.contains(description), "{found_description} / {description}");
        assert!(
            found_description.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)),
            "{found_description}"
        );
        assert_eq!(self.headers["cache-control"], "no-store");
    }

    #[track_caller]
    pub fn reasons(&self, expect: &[&str]) {
        assert_eq!(self.body["reasons"], json!(expect), "{self:?}");
    }
}

pub fn post(path: &str, body: &str) -> RelayRequest {
    RelayRequest {
        relay: 77,
        method: "POST".to_owned(),
        path: path.to_owned(),
        content_type: Some(FORM.to_owned()),
        authorization: None,
        body: body.as_bytes().to_vec(),
        certificates: Vec::new(),
        ja4_context: Some(JA4.to_owned()),
        address: "192.0.2.7".to_owned(),
        network: None,
        through: None,
        door: None,
        proof_key: None,
    }
}

pub fn proof_key() -> Thumbprint {
    Thumbprint([7; 32])
}

pub fn with_proof(request: RelayRequest) -> RelayRequest {
    RelayRequest { proof_key: Some(proof_key().to_string()), ..request }
}

pub fn with_certificates(request: RelayRequest, certificates: &[Vec<u8>]) -> RelayRequest {
    RelayRequest { certificates: certificates.to_vec(), ..request }
}

pub fn authentication(assertion: &str) -> String {
    format!(
        "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion={assertion}"
    )
}

pub fn jwks(key: &SigningKey) -> Value {
    json!({ "keys": [key.public_jwk()] })
}

pub fn self_signed(name: &str) -> Vec<u8> {
    let key = KeyPair::generate().unwrap();
    CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap().der().to_vec()
}

/// An authority, and how it signs.
pub struct Authority {
    pub pem: String,
    issuer: rcgen::Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: rcgen::Issuer::new(params, key) }
    }

    /// Valid around [`START`], unless `change` says otherwise.
    pub fn sign(&self, change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        change(&mut params);
        params.signed_by(&key, &self.issuer).unwrap().der().to_vec()
    }

    /// An authority under this one, with its own certificate.
    pub fn intermediate(&self) -> (Self, Vec<u8>) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "intermediate");
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (Self { pem: certificate.pem(), issuer: rcgen::Issuer::new(params, key) }, certificate.der().to_vec())
    }
}

pub fn vendor() -> Target {
    Target::Vendor { id: VendorId(Uuid::from_u128(VENDOR)) }
}

pub fn integration() -> Target {
    Target::Integration { id: IntegrationId(Uuid::from_u128(INTEGRATION)) }
}

pub fn batch() -> ClientId {
    ClientId(Uuid::from_u128(BATCH))
}

/// The future's outcome; it must not wait for anything, since nothing here does.
fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("the server waits for something"),
    }
}

/// Applies what is commanded to the state, but only the first revocation: then the disk is full.
fn telling(told: &Arc<Mutex<Vec<ToGate>>>) -> Tell {
    let told = Arc::clone(told);
    Arc::new(move |message| {
        told.lock().unwrap().push(message);
        Box::pin(std::future::ready(()))
    })
}

fn recording(
    state: &Arc<Mutex<Arc<State>>>,
    revoked: &Arc<Mutex<Vec<(String, Timestamp)>>>,
    seconds: &Arc<AtomicI64>,
) -> Execute {
    let (state, revoked, seconds) = (Arc::clone(state), Arc::clone(revoked), Arc::clone(seconds));
    Arc::new(move |command| {
        if let Command::RevokeToken { token_id, expires_at, .. } = &command {
            if revoked.lock().unwrap().len() == 1 {
                let full = NotDone::NotRecorded("the disk is full".to_owned());
                return Box::pin(std::future::ready(Err(full)));
            }
            revoked.lock().unwrap().push((token_id.clone(), *expires_at));
        }
        let mut state = state.lock().unwrap();
        let now = Timestamp::from_second(seconds.load(Ordering::SeqCst)).unwrap();
        let size = u128::from(state.size);
        let mut new_id = || Uuid::from_u128(1_000 + size);
        let decided = state.decide(command, &mut DecideContext { now, new_id: &mut new_id });
        if let Ok(events) = &decided {
            let mut next = State::clone(&state);
            events.iter().for_each(|event| next.apply(event));
            *state = Arc::new(next);
        }
        Box::pin(std::future::ready(decided.map_err(NotDone::Refused)))
    })
}

fn registry(key: &SigningKey, certificate: &[u8]) -> State {
    let resources = [
        defined(VENDOR, "acme", json!({ "kind": "Vendor", "spec": { "legal_name": "Acme" } }), vec![]),
        contract("2026-01-01", "2027-12-31"),
        route("parcels", "/parcels/{id}", "parcels.read"),
        route("files", "/files/{*path}", "files.read"),
        route("secret", "/secret", "secret.read"),
        feed(json!({})),
        defined(
            BATCH,
            "batch",
            json!({ "kind": "Client", "spec": { "integration": "feed", "jwks": jwks(key) } }),
            vec![RegisteredKey { thumbprint: key.kid().to_owned(), form: KeyForm::Jwk }],
        ),
        defined(
            PINNED,
            "pinned",
            json!({ "kind": "Client", "spec": { "integration": "feed", "certificates": ["(pem)"] } }),
            vec![of_certificate(certificate)],
        ),
    ];
    let mut state = State::default();
    resources.iter().for_each(|event| state.apply(event));
    state
}

pub fn of_certificate(der: &[u8]) -> RegisteredKey {
    RegisteredKey { thumbprint: Thumbprint::of_certificate(der).to_string(), form: KeyForm::Certificate }
}

pub fn contract(starts: &str, ends: &str) -> Event {
    let spec = json!({ "vendor": "acme", "starts": starts, "ends": ends, "time_zone": "UTC" });
    defined(10, "master", json!({ "kind": "Contract", "spec": spec }), vec![])
}

/// The integration, with these changes.
pub fn feed(changes: Value) -> Event {
    let mut spec = json!({
        "contract": "master", "purpose": "parcels", "routes": ["parcels", "files"],
        "scopes": ["parcels.read", "files.read"],
    });
    spec.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    defined(INTEGRATION, "feed", json!({ "kind": "Integration", "spec": spec }), vec![])
}

fn route(name: &str, path: &str, scope: &str) -> Event {
    let spec = json!({ "upstream": "core", "methods": ["GET"], "path": path, "scope": scope });
    defined(u128::from(path.len() as u64) + 100, name, json!({ "kind": "Route", "spec": spec }), vec![])
}

fn defined(id: u128, name: &str, spec: Value, keys: Vec<RegisteredKey>) -> Event {
    let spec: Spec = serde_json::from_value(spec).unwrap();
    let declaration = Declaration { name: name.to_owned(), labels: BTreeMap::new(), spec };
    let time = Timestamp::from_second(START - 1).ok();
    Event::ResourceDefined { id: Uuid::from_u128(id), declaration, keys, time }
}

pub fn copy(key: &SigningKey) -> SigningKey {
    SigningKey::from_pkcs8_der(key.to_pkcs8().unwrap().as_der()).unwrap()
}
