//! What a token costs the authorization server, beside the two signatures that no server is spared:
//! `cargo run --release -p portcullis-control --example token_speed`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement: it prints, and fails by panicking"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jiff::Timestamp;
use portcullis_control::keys::SigningKeys;
use portcullis_control::oauth::{Options, Server};
use portcullis_control::posture::Postures;
use portcullis_domain::event::{Event, KeyForm, RegisteredKey};
use portcullis_domain::spec::{Declaration, Spec};
use portcullis_domain::state::State;
use portcullis_policy::clock::Clock;
use portcullis_policy::link::RelayRequest;
use portcullis_tokens::assertion::{self, NewAssertion};
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;
use portcullis_tokens::thumbprint::Thumbprint;
use serde_json::{Map, Value, json};
use uuid::Uuid;

const ISSUER: &str = "https://gate.example";
const NOW: i64 = 1_800_000_000;
const ROUNDS: u32 = 5;
const TOKENS: u32 = 1_000;

fn main() {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let signing_key = SigningKey::generate(Algorithm::ES256).unwrap();
    let certificate = rcgen::generate_simple_self_signed(vec!["machine".to_owned()]).unwrap();
    let certificate = certificate.cert.der().to_vec();
    floor(&key, &signing_key);
    let state = Arc::new(state(&key, &certificate, &signing_key));
    let server = Server::new(Options {
        issuer: ISSUER.to_owned(),
        public_origins: vec![ISSUER.to_owned()],
        signing_keys: Arc::new(SigningKeys::new([signing_key])),
        clock: Clock::new(|| Timestamp::from_second(NOW).unwrap(), || Duration::ZERO),
        state: Arc::new(move || Arc::clone(&state)),
        execute: Arc::new(|_| Box::pin(std::future::ready(Ok(Vec::new())))),
        postures: Arc::new(Postures::in_memory(Timestamp::from_second(NOW).unwrap())),
        tell: Arc::new(|_| Box::pin(std::future::ready(()))),
        fetched: Arc::new(|_| None),
        documents: Arc::default(),
        regimes: Arc::default(),
        new_id: Arc::new(Uuid::nil),
    })
    .unwrap();
    let mut number = 0;
    let mut by_assertion = |proof_key: Option<Thumbprint>, certificates: &[Vec<u8>]| {
        number += 1;
        let assertion = NewAssertion {
            client_id: "machine",
            audience: ISSUER,
            token_id: &format!("assertion {number}"),
            issued_at: NOW,
            expires_at: NOW + 60,
        };
        let assertion = assertion::create(&key, &assertion).unwrap();
        let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        let body = format!(
            "grant_type=client_credentials&scope=records.read&client_assertion_type={kind}&client_assertion={assertion}"
        );
        RelayRequest { proof_key: proof_key.map(|key| key.to_string()), ..request(&body, certificates) }
    };
    let own = [certificate];
    measure("private_key_jwt (ES256), bound to a certificate", &server, || by_assertion(None, &own));
    let jkt = Some(Thumbprint([7; 32]));
    measure("private_key_jwt (ES256), bound to a DPoP key", &server, || by_assertion(jkt, &[]));
    let body = "grant_type=client_credentials&client_id=machine";
    measure("self_signed_tls_client_auth", &server, || request(body, &own));
}

/// One verification and one signature.
fn floor(key: &SigningKey, signing_key: &SigningKey) {
    let verifying = key.verifying_key().unwrap();
    let message = vec![b'x'; 300];
    let signed = key.sign(&Map::new(), &message).unwrap();
    let (message, signature) = signed.rsplit_once('.').unwrap();
    let signature = {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signature).unwrap()
    };
    let payload = vec![b'x'; 600];
    let round = |_| {
        let begun = on_processor();
        for _ in 0..TOKENS {
            verifying.verify(Algorithm::ES256, message.as_bytes(), black_box(&signature)).unwrap();
            black_box(signing_key.sign(&Map::new(), &payload).unwrap());
        }
        on_processor() - begun
    };
    say("floor: an ES256 verification and an ES256 signature", (0..ROUNDS).map(round).min());
}

/// How long this thread has been on a processor: what else runs on the machine counts less.
fn on_processor() -> Duration {
    // Linux: nanoseconds on a processor, nanoseconds waiting for one, and how often.
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

/// The best of several rounds.
fn measure(what: &str, server: &Server, mut request: impl FnMut() -> RelayRequest) {
    let round = |_| {
        let requests: Vec<_> = (0..TOKENS).map(|_| request()).collect();
        let begun = on_processor();
        for request in &requests {
            let answer = ready(server.answer(request));
            assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
            black_box(answer);
        }
        on_processor() - begun
    };
    say(what, (0..ROUNDS).map(round).min());
}

fn say(what: &str, took: Option<Duration>) {
    let each = took.unwrap_or_default() / TOKENS;
    println!("{:>6.1} µs  {what}", each.as_secs_f64() * 1e6);
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("the server waits for something"),
    }
}

fn request(body: &str, certificates: &[Vec<u8>]) -> RelayRequest {
    RelayRequest {
        relay: 1,
        method: "POST".to_owned(),
        path: "/oauth/token".to_owned(),
        content_type: Some("application/x-www-form-urlencoded".to_owned()),
        authorization: None,
        body: body.as_bytes().to_vec(),
        certificates: certificates.to_vec(),
        ja4_context: Some("t13d1516h2_8daaf6152771_e5627efa2ab1".to_owned()),
        address: "192.0.2.7".to_owned(),
        network: None,
        through: None,
        door: None,
        proof_key: None,
    }
}

/// A hundred clients of ten vendors; `machine` is one of them.
fn state(key: &SigningKey, certificate: &[u8], signing_key: &SigningKey) -> State {
    let mut state = State::default();
    let (kid, time) = (signing_key.kid().to_owned(), Timestamp::from_second(NOW).unwrap());
    let jwk = json!(signing_key.public_jwk());
    state.apply(&Event::SigningKeyPublished { kid: kid.clone(), jwk, time: Some(time) });
    state.apply(&Event::SigningKeyActivated { kid, time });
    let route =
        json!({ "upstream": "core", "methods": ["GET"], "path": "/records/{id}", "scope": "records.read" });
    state.apply(&defined(1, "records", json!({ "kind": "Route", "spec": route }), vec![]));
    for vendor in 0..10 {
        let id = 100 * (vendor + 1);
        let spec = json!({ "kind": "Vendor", "spec": { "legal_name": "A vendor" } });
        state.apply(&defined(id, &format!("vendor-{vendor}"), spec, vec![]));
        let spec = json!({ "vendor": format!("vendor-{vendor}"), "starts": "2026-01-01", "ends": "2027-12-31", "time_zone": "Europe/Berlin" });
        let spec = json!({ "kind": "Contract", "spec": spec });
        state.apply(&defined(id + 1, &format!("contract-{vendor}"), spec, vec![]));
        let spec = json!({ "contract": format!("contract-{vendor}"), "purpose": "records", "routes": ["records"], "scopes": ["records.read"], "ends": "2027-06-30" });
        let spec = json!({ "kind": "Integration", "spec": spec });
        state.apply(&defined(id + 2, &format!("integration-{vendor}"), spec, vec![]));
        for client in 0..10 {
            let name =
                if (vendor, client) == (5, 5) { "machine".to_owned() } else { format!("{vendor}-{client}") };
            let keys = vec![
                RegisteredKey { thumbprint: key.kid().to_owned(), form: KeyForm::Jwk },
                RegisteredKey {
                    thumbprint: Thumbprint::of_certificate(certificate).to_string(),
                    form: KeyForm::Certificate,
                },
            ];
            let spec = json!({ "integration": format!("integration-{vendor}"), "jwks": { "keys": [key.public_jwk()] }, "certificates": ["(pem)"] });
            state.apply(&defined(id + 10 + client, &name, json!({ "kind": "Client", "spec": spec }), keys));
        }
    }
    state
}

fn defined(id: u128, name: &str, spec: Value, keys: Vec<RegisteredKey>) -> Event {
    let spec: Spec = serde_json::from_value(spec).unwrap();
    let declaration = Declaration { name: name.to_owned(), labels: BTreeMap::new(), spec };
    let time = Timestamp::from_second(NOW).ok();
    Event::ResourceDefined { id: Uuid::from_u128(id), declaration, keys, time }
}
