//! What a client's machine says about itself, good and bad.

use portcullis_domain::event::{Event, KeyForm, RegisteredKey};
use portcullis_domain::ids::ClientId;
use portcullis_policy::link::ToGate;
use portcullis_policy::posture::{Attested, PostureFacts, PostureState};
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::posture::TYPE;
use portcullis_tokens::signing::SigningKey;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::*;

fn asking(rules: Value) -> World {
    let world = World::new();
    world.change(feed(json!({ "posture": rules })));
    world
}

fn claims(world: &World, client: &str, id: &str, more: Value) -> Value {
    let mut claims = json!({
        "iss": client, "sub": client, "aud": ISSUER, "jti": id, "iat": world.now(), "exp": world.now() + 3_600,
        "hardening": { "disk_encrypted": true },
    });
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    claims
}

fn signed(key: &SigningKey, claims: &Value) -> String {
    key.sign(json!({ "typ": TYPE }).as_object().unwrap(), claims.to_string().as_bytes()).unwrap()
}

fn send(world: &World, statement: &str) -> Reply {
    world.ask(post("/oauth/posture", &format!("statement={statement}")))
}

fn say(world: &World, id: &str, more: Value) -> Reply {
    send(world, &signed(&world.key, &claims(world, "batch", id, more)))
}

fn told(world: &World) -> Vec<(ClientId, PostureFacts, Option<Attested>)> {
    let told = world.told.lock().unwrap();
    let facts = |message: &ToGate| match message {
        ToGate::Posture { client, facts, attested } => Some((*client, *facts, attested.clone())),
        _ => None,
    };
    told.iter().filter_map(facts).collect()
}

#[test]
fn only_a_change_of_sense_is_recorded_and_each_statement_is_told() {
    let world = asking(json!({ "age_seconds_max": 600, "hardening": ["disk_encrypted"] }));
    let size = || world.state.lock().unwrap().size;
    let before = size();
    let good = say(&world, "1", json!({}));
    assert_eq!(good.status, 200, "{good:?}");
    let until = |seconds| jiff::Timestamp::from_second(seconds).unwrap().to_string();
    let expect =
        json!({ "client_id": "batch", "posture": "good", "failing": [], "good_until": until(START + 600) });
    assert_eq!(good.body, expect);
    assert_eq!(size(), before + 1);
    world.pass(300);
    assert_eq!(say(&world, "2", json!({})).body["good_until"], until(START + 900));
    assert_eq!(size(), before + 1, "the same sense");
    let bad = say(&world, "3", json!({ "hardening": { "disk_encrypted": "unknown" } }));
    assert_eq!(
        (&bad.body["posture"], &bad.body["failing"]),
        (&json!("failing"), &json!(["hardening/disk_encrypted"]))
    );
    assert_eq!(size(), before + 2);
    world.pass(1);
    assert_eq!(say(&world, "4", json!({})).body["posture"], "good");
    world.pass(601);
    assert_eq!(say(&world, "5", json!({})).body["posture"], "good");
    assert_eq!(size(), before + 4, "it had become stale in between");
    let facts: Vec<_> = told(&world)
        .into_iter()
        .map(|(client, facts, _)| {
            assert_eq!(client, batch());
            (facts.state, facts.good_until_seconds)
        })
        .collect();
    let good = PostureState::Good;
    let at = |seconds: i64| START + seconds;
    assert_eq!(
        facts,
        [(good, at(600)), (good, at(900)), (PostureState::Failing, 0), (good, at(901)), (good, at(1_502))]
    );
    let newer = told(&world);
    let order: Vec<_> = newer.iter().map(|(_, facts, _)| (facts.version, facts.revision)).collect();
    assert!(order.is_sorted_by(|one, other| one < other), "{order:?}");
}

#[test]
fn a_statement_of_its_own_end_and_without_rules() {
    let world = asking(json!({ "age_seconds_max": 86_400 }));
    let short = say(&world, "1", json!({ "exp": START + 60 }));
    assert_eq!(short.body["good_until"], "2027-01-15T08:01:00Z");
    let world = World::new();
    let size = world.state.lock().unwrap().size;
    let unasked = say(&world, "1", json!({}));
    assert_eq!((unasked.status, &unasked.body["posture"]), (200, &json!("not_asked")));
    assert_eq!(world.state.lock().unwrap().size, size);
}

#[test]
fn what_is_no_word_of_the_client_of_now_changes_nothing() {
    let world = asking(json!({}));
    let foreign = SigningKey::generate(Algorithm::ES256).unwrap();
    let good = || claims(&world, "batch", "1", json!({}));
    let refused = |reply: Reply, error: &str, description: &str| {
        let status = if error == "invalid_client" { 401 } else { 400 };
        reply.expect(status, error, description);
        reply.reasons(&["posture_refused"]);
    };
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut claims = good();
        change(&mut claims);
        send(&world, &signed(&world.key, &claims))
    };
    refused(world.ask(post("/oauth/posture", "")), "invalid_request", "`statement` is missing");
    refused(send(&world, "a.b"), "invalid_request", "not a compact JWS");
    refused(send(&world, &signed(&foreign, &good())), "invalid_client", "no registered key");
    // The same answer for a client that isn't there.
    refused(
        send(&world, &signed(&foreign, &claims(&world, "nobody", "1", json!({})))),
        "invalid_client",
        "no registered key",
    );
    let none = "eyJhbGciOiJub25lIiwidHlwIjoicG9ydGN1bGxpcy1wb3N0dXJlK2p3dCJ9.e30.";
    refused(send(&world, none), "invalid_request", "`alg` is `none`");
    refused(changed(&|claims| claims["iat"] = json!(START + 60)), "invalid_request", "in the future");
    refused(changed(&|claims| claims["exp"] = json!(START)), "invalid_request", "expired");
    refused(changed(&|claims| claims["exp"] = json!(START + 86_401)), "invalid_request", "after `iat`");
    refused(changed(&|claims| claims["iat"] = json!(START - 301)), "invalid_request", "301 s old");
    refused(changed(&|claims| claims["aud"] = json!("https://other.example")), "invalid_request", "`aud`");
    refused(changed(&|claims| claims["software"] = json!([[[]]])), "invalid_request", "`software/0`");
    refused(
        changed(&|claims| claims["hardening"] = json!({ "x": { "y": [] } })),
        "invalid_request",
        "`hardening/x`",
    );
    let huge = send(&world, &"x".repeat(64 * 1024));
    assert_eq!(huge.status, 400, "{huge:?}");
    assert!(told(&world).is_empty());
    assert_eq!(send(&world, &signed(&world.key, &good())).status, 200);
    let replayed = send(&world, &signed(&world.key, &good()));
    replayed.expect(400, "invalid_request", "sent before");
    replayed.reasons(&["posture_replayed"]);
    assert_eq!(told(&world).len(), 1);
}

#[test]
fn a_statement_from_before_the_start_may_have_been_taken_and_is_refused() {
    let world = asking(json!({}));
    say(&world, "1", json!({ "iat": START - 1 })).expect(400, "invalid_request", "last start");
}

#[test]
fn a_severed_client_says_nothing() {
    let world = asking(json!({}));
    world.sever(vendor(), 2, Vec::new());
    say(&world, "1", json!({})).reasons(&["vendor_severed"]);
    assert!(told(&world).is_empty());
}

#[test]
fn a_key_that_cant_be_exported_attests_where_our_operators_say_so_too() {
    let world = asking(json!({}));
    let sealed = json!({ "key": { "exportable": false, "how": "tpm2" } });
    assert_eq!(say(&world, "1", sealed.clone()).status, 200);
    let hardware = SigningKey::generate(Algorithm::ES256).unwrap();
    world.enroll(60, "hardware", json!({ "jwks": jwks(&hardware), "key_exportable": false }), vec![]);
    let say = |id: &str, more: Value| {
        let reply = send(&world, &signed(&hardware, &claims(&world, "hardware", id, more)));
        assert_eq!(reply.status, 200, "{reply:?}");
    };
    say("2", sealed);
    say("3", json!({ "key": { "exportable": true } }));
    say("4", json!({}));
    let attested: Vec<_> = told(&world).into_iter().map(|(_, _, attested)| attested).collect();
    let [None, Some(attested), None, None] = attested.as_slice() else { panic!("{attested:?}") };
    assert_eq!(attested.thumbprint, hardware.kid());
    assert_eq!(attested.until_seconds, START + 600);
    assert_eq!(attested.prefix, portcullis_policy::posture::prefix_number("192.0.2.200".parse().unwrap()));
}

#[test]
fn a_registered_certificates_key_signs_as_well() {
    let world = asking(json!({}));
    let pair = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["pinned".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    let certificate = params.self_signed(&pair).unwrap();
    let thumbprint = portcullis_tokens::thumbprint::Thumbprint::of_certificate(certificate.der()).to_string();
    let form = KeyForm::Certificate;
    let spec = json!({ "certificates": [certificate.pem()] });
    world.enroll(61, "machine", spec, vec![RegisteredKey { thumbprint: thumbprint.clone(), form }]);
    let key = SigningKey::from_pkcs8_pem(&pair.serialize_pem()).unwrap();
    let reply = send(&world, &signed(&key, &claims(&world, "machine", "1", json!({}))));
    assert_eq!(reply.status, 200, "{reply:?}");
    let kept = world.server.postures.newest(ClientId(Uuid::from_u128(61))).unwrap();
    assert_eq!(kept.signed_by, thumbprint);
}

#[test]
fn a_workloads_jwt_svid_is_a_statement_too() {
    let world = asking(json!({ "hardening": ["disk_encrypted"] }));
    let authority = SigningKey::generate(Algorithm::ES256).unwrap();
    let mut jwk = json!(authority.public_jwk());
    jwk["use"] = json!("jwt-svid");
    jwk["kid"] = json!("a");
    let domain = json!({ "kind": "TrustDomain", "name": "prod", "spec": { "vendor": "acme",
        "trust_domain": "prod.acme.example", "bundle": { "keys": [jwk] },
        "clients": [{ "client": "batch", "spiffe_id": "spiffe://prod.acme.example/exports" }] } });
    world.change(Event::ResourceDefined {
        id: Uuid::from_u128(70),
        declaration: serde_json::from_value(domain).unwrap(),
        keys: vec![],
        time: None,
    });
    let svid = |subject: &str, more: Value| {
        let mut claims = json!({ "sub": subject, "aud": [ISSUER], "iat": START, "exp": START + 300 });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let header = json!({ "typ": "JWT", "kid": "a" });
        let text = authority.sign(header.as_object().unwrap(), claims.to_string().as_bytes()).unwrap();
        send(&world, &text)
    };
    let exports = "spiffe://prod.acme.example/exports";
    let good = svid(exports, json!({ "hardening": { "disk_encrypted": true } }));
    assert_eq!((good.status, &good.body["posture"]), (200, &json!("good")), "{good:?}");
    assert_eq!(svid(exports, json!({})).body["failing"], json!(["hardening/disk_encrypted"]));
    svid("spiffe://prod.acme.example/other", json!({})).expect(400, "invalid_request", "no client");
    svid("spiffe://elsewhere.example/exports", json!({})).expect(400, "invalid_request", "no client");
    svid(exports, json!({ "aud": ["https://other.example"] })).expect(
        400,
        "invalid_request",
        "other.example",
    );
    svid(exports, json!({ "exp": START })).expect(400, "invalid_request", "expired");
    let kept = world.server.postures.newest(batch()).unwrap();
    assert_eq!(kept.signed_by, exports);
    let state = world.state.lock().unwrap();
    let stated = state.postures[&batch()].stated.clone().unwrap();
    assert_eq!(stated.failing, ["hardening/disk_encrypted"]);
}
