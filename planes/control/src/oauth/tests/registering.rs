//! Rotation and enrolment, as a client does them; and as a thief.

use jiff::Timestamp;
use portcullis_domain::command::NewClient;
use portcullis_domain::event::{Cause, Event};
use portcullis_domain::ids::{OperatorId, TunnelId, VendorId};
use portcullis_domain::spec::{Declaration, Kind, Spec};
use portcullis_policy::tunnels::Through;
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::next_key::{self, NewNextKey};
use portcullis_tokens::signing::SigningKey;
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::*;
use crate::oauth::register::code_digest;

pub const CODE: &str = "a-code-of-32-random-bytes-in-base64url-here";

pub fn new_key() -> SigningKey {
    SigningKey::generate(Algorithm::EdDSA).unwrap()
}

fn proof(world: &World, key: &SigningKey, client_id: &str, current: Option<&str>) -> String {
    proof_for(world, key, (client_id, ISSUER), current)
}

pub fn proof_for(
    world: &World,
    key: &SigningKey,
    (client_id, audience): (&str, &str),
    current: Option<&str>,
) -> String {
    let now = world.now();
    let new =
        NewNextKey { client_id, audience, token_id: "n", issued_at: now, expires_at: now + 60, current };
    next_key::create(key, &new).unwrap()
}

/// Client `batch` puts `next` in the place of `current`.
fn rotate(world: &World, current: &SigningKey, next: &SigningKey) -> Reply {
    let proof = proof(world, next, "batch", Some(current.kid()));
    let assertion = world.assertion_by(current, "batch", json!({}));
    world.ask(post("/oauth/keys", &format!("{}&next_key={proof}", authentication(&assertion))))
}

fn token(world: &World, key: &SigningKey) -> Reply {
    let body = world.token_body(&world.assertion_by(key, "batch", json!({})));
    world.ask(with_proof(post("/oauth/token", &body)))
}

fn at(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap().to_string()
}

#[test]
fn an_enrolment_is_not_used_through_another_vendors_tunnel() {
    let world = World::new();
    open(&world);
    let key = new_key();
    let through = |vendor: u128| {
        let proof = proof(&world, &key, "fresh", None);
        let mut request = post("/oauth/enroll", &format!("client_id=fresh&code={CODE}&proof={proof}"));
        let vendor = VendorId(Uuid::from_u128(vendor));
        request.through = Some(Box::new(Through { tunnel: TunnelId(Uuid::from_u128(9)), vendor }));
        world.ask(request)
    };
    through(VENDOR + 1).reasons(&["tunnel_foreign"]);
    // The code is still good, for whom it was meant.
    assert_eq!(through(VENDOR).status, 200);
}

#[test]
fn a_client_replaces_its_key_and_repeats_a_lost_answer() {
    let world = World::new();
    world.change(feed(json!({ "keys": { "overlap_seconds": 100 } })));
    let next = new_key();
    let answer = rotate(&world, &world.key, &next);
    assert_eq!(answer.status, 200, "{answer:?}");
    let expect = json!({
        "client_id": "batch", "key": next.kid(), "key_expires_at": at(START + 90 * 86_400),
        "replaces": world.key.kid(), "replaces_until": at(START + 100),
    });
    assert_eq!(answer.body, expect);
    assert_eq!((token(&world, &world.key).status, token(&world, &next).status), (200, 200));
    // The old key has ended, and may still ask what became of it.
    world.pass(599);
    token(&world, &world.key).reasons(&["client_key_ended"]);
    assert_eq!(rotate(&world, &world.key, &next).body, expect);
    assert_eq!(token(&world, &next).status, 200);
    let third = new_key();
    assert_eq!(rotate(&world, &next, &third).status, 200);
    let refused = rotate(&world, &third, &new_key());
    refused.expect(409, "invalid_request", "two keys are live already");
    assert_eq!(refused.headers["portcullis-key-expires"], at(START + 699));
}

#[test]
fn a_replaced_key_that_registers_another_is_theft_and_closes_the_client() {
    for (seconds, same) in [(0, false), (599, false), (600, true), (100_000, true)] {
        let world = World::new();
        let next = new_key();
        assert_eq!(rotate(&world, &world.key, &next).status, 200);
        world.pass(seconds);
        let thief = new_key();
        let caught = rotate(&world, &world.key, if same { &next } else { &thief });
        caught.expect(400, "unauthorized_client", "two hold it");
        caught.reasons(&["client_key_theft", "client_severed"]);
        for key in [&world.key, &next] {
            let refused = token(&world, key);
            assert!(refused.status >= 400, "{seconds}: {refused:?}");
            assert_eq!(refused.body["reasons"][0], "client_severed");
        }
        let state = world.state.lock().unwrap();
        let severance = state.severances.values().next().unwrap();
        let named = if same { next.kid() } else { thief.kid() };
        let cause = Cause::KeyTheft { key: world.key.kid().into(), next_key: named.into() };
        assert_eq!(severance.cause, cause);
    }
}

#[test]
fn both_keys_are_proved() {
    let world = World::new();
    let next = new_key();
    let ask = |assertion: String, proof: String| {
        world.ask(post("/oauth/keys", &format!("{}&next_key={proof}", authentication(&assertion))))
    };
    let own = || world.assertion(json!({}));
    let current = world.key.kid();
    // Of another client, for another key in use, by nobody's key, or missing.
    ask(own(), proof(&world, &next, "pinned", Some(current))).expect(400, "invalid_request", "`iss`");
    ask(own(), proof(&world, &next, "batch", Some("other"))).expect(400, "invalid_request", "`cur`");
    ask(own(), proof(&world, &next, "batch", None)).expect(400, "invalid_request", "`cur` is missing");
    ask(own(), String::new()).expect(400, "invalid_request", "`next_key` is missing");
    ask(own(), "x".repeat(20_000)).expect(400, "invalid_request", "20000 bytes");
    let good = || proof(&world, &next, "batch", Some(current));
    let stranger = world.assertion_by(&new_key(), "batch", json!({}));
    ask(stranger, good()).expect(401, "invalid_client", "client authentication failed");
    // The key in use is no next key.
    ask(own(), proof(&world, &world.key, "batch", Some(current))).expect(400, "invalid_request", "in use");
    assert_eq!(ask(own(), good()).status, 200);
    // The same assertion is good once.
    let used = own();
    assert_eq!(ask(used.clone(), good()).status, 200, "repeated");
    ask(used, good()).expect(401, "invalid_client", "used before");
}

#[test]
fn a_certificate_follows_a_certificate() {
    let world = World::new();
    let (der, key) = certificate();
    let ask = |current: &[u8], proof: &str| {
        let request = post("/oauth/keys", &format!("client_id=pinned&next_key={proof}"));
        world.ask(with_certificates(request, &[current.to_vec()]))
    };
    let current = of_certificate(&world.certificate).thumbprint;
    let header = |der: &[u8]| {
        use base64::Engine as _;
        let leaf = base64::engine::general_purpose::STANDARD.encode(der);
        json!({ "typ": next_key::TYPE, "x5c": [leaf] })
    };
    let claims = json!({
        "iss": "pinned", "sub": "pinned", "aud": ISSUER, "jti": "1", "iat": START, "exp": START + 60, "cur": current,
    });
    let signed = |key: &SigningKey, der: &[u8]| {
        key.sign(header(der).as_object().unwrap(), claims.to_string().as_bytes()).unwrap()
    };
    ask(&world.certificate, &signed(&new_key(), &der)).expect(400, "invalid_request", "");
    ask(&world.certificate, &signed(&key, b"no certificate")).expect(400, "invalid_request", "can't be used");
    let answer = ask(&world.certificate, &signed(&key, &der));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["key"], of_certificate(&der).thumbprint);
    let token = |der: &[u8]| {
        let request = post("/oauth/token", "grant_type=client_credentials&client_id=pinned");
        world.ask(with_certificates(request, &[der.to_vec()])).status
    };
    assert_eq!((token(&der), token(&world.certificate)), (200, 200));
}

fn certificate() -> (Vec<u8>, SigningKey) {
    let key = rcgen::KeyPair::generate().unwrap();
    let der = rcgen::CertificateParams::new(vec!["next".to_owned()]).unwrap().self_signed(&key).unwrap();
    (der.der().to_vec(), SigningKey::from_pkcs8_der(&key.serialize_der()).unwrap())
}

pub fn open(world: &World) {
    let spec = json!({ "kind": "Client", "spec": { "integration": "feed" } });
    let spec: Spec = serde_json::from_value(spec).unwrap();
    let Spec::Client(spec) = spec else { panic!() };
    let new = NewClient { spec, labels: Default::default() };
    let declaration = Declaration { name: "fresh".into(), labels: new.labels, spec: Spec::Client(new.spec) };
    let (id, time) = (Uuid::from_u128(50), Timestamp::from_second(START).unwrap());
    world.change(Event::ResourceDefined { id, declaration, keys: vec![], time: Some(time) });
    world.change(Event::EnrolmentOpened {
        client: portcullis_domain::ids::ClientId(id),
        code_sha256: code_digest(CODE),
        expires_at: Timestamp::from_second(START + 3_600).unwrap(),
        recovery: false,
        by: OperatorId(Uuid::nil()),
        time,
    });
}

fn enroll(world: &World, client: &str, code: &str, key: &SigningKey) -> Reply {
    let proof = proof(world, key, client, None);
    world.ask(post("/oauth/enroll", &format!("client_id={client}&code={code}&proof={proof}")))
}

#[test]
fn a_code_enrols_one_key_and_tells_a_thief_from_a_lost_answer() {
    let world = World::new();
    open(&world);
    let (key, thief) = (new_key(), new_key());
    for (client, code) in [("fresh", "wrong"), ("batch", CODE), ("nobody", CODE)] {
        let refused = enroll(&world, client, code, &key);
        refused.expect(400, "invalid_grant", "the enrolment is not open");
        refused.reasons(&["enrolment_not_open"]);
    }
    let answer = enroll(&world, "fresh", CODE, &key);
    assert_eq!(answer.status, 200, "{answer:?}");
    let expires = at(START + 90 * 86_400);
    assert_eq!(answer.body, json!({ "client_id": "fresh", "key": key.kid(), "key_expires_at": expires }));
    world.pass(599);
    assert_eq!(enroll(&world, "fresh", CODE, &key).body, answer.body);
    for _ in 0..5 {
        enroll(&world, "fresh", CODE, &thief).reasons(&["enrolment_reused"]);
    }
    let ring = |world: &World| {
        let state = world.state.lock().unwrap();
        let id = state.resource(Kind::Client, "fresh").unwrap().id;
        state.keyring(portcullis_domain::ids::ClientId(id)).unwrap().clone()
    };
    assert_eq!((ring(&world).keys.len(), ring(&world).enrolment.unwrap().reused), (1, 3));
    let body = world.token_body(&world.assertion_by(&key, "fresh", json!({})));
    assert_eq!(world.ask(with_proof(post("/oauth/token", &body))).status, 200);
    world.pass(1);
    enroll(&world, "fresh", CODE, &key).reasons(&["enrolment_not_open"]);
}

#[test]
fn an_expired_code_is_like_an_unknown_one() {
    let world = World::new();
    open(&world);
    let key = new_key();
    world.pass(3_600);
    let expired = enroll(&world, "fresh", CODE, &key);
    let unknown = enroll(&world, "fresh", "unknown", &key);
    assert_eq!((expired.status, &expired.body), (unknown.status, &unknown.body));
    let missing = |body: &str| world.ask(post("/oauth/enroll", body));
    for body in ["", "client_id=fresh", "client_id=fresh&code=x"] {
        missing(body).expect(400, "invalid_request", "is missing");
    }
    let long = enroll(&world, "fresh", &"x".repeat(1_000), &key);
    assert_eq!(long.body["reasons"], Value::from(vec!["enrolment_not_open"]));
}
