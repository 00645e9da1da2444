//! A vendor tells of its breach: as a client, by a signed form, while it is severed; and what is no notice of its own.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use portcullis_domain::event::{Cause, Event, Severance};
use portcullis_domain::ids::{OperatorId, SeveranceId, VendorId};
use portcullis_domain::target::Target;
use portcullis_incident::Incident;
use portcullis_incident::notice::Way;
use portcullis_policy::link::RelayRequest;
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::notice::TYPE;
use portcullis_tokens::signing::SigningKey;
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::*;

const PATH: &str = "/oauth/incident";

fn at(world: &World, hours: i64) -> Timestamp {
    Timestamp::from_second(world.now()).unwrap() + SignedDuration::from_hours(hours)
}

fn said(world: &World, reference: &str, hours: i64) -> Value {
    json!({ "reference": reference, "aware": at(world, hours), "what": "a mailbox was read", "contact": "Ada, +44 1" })
}

fn signed(world: &World, key: &SigningKey, claims: Value) -> String {
    let mut all = json!({
        "iss": "batch", "sub": "batch", "aud": ISSUER, "jti": "n1", "iat": world.now(), "exp": world.now() + 3_600,
    });
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    key.sign(json!({ "typ": TYPE }).as_object().unwrap(), all.to_string().as_bytes()).unwrap()
}

fn jose(text: &str) -> RelayRequest {
    RelayRequest { content_type: Some("application/jose".to_owned()), ..post(PATH, text) }
}

fn as_json(body: &Value) -> RelayRequest {
    RelayRequest { content_type: Some("application/json".to_owned()), ..post(PATH, &body.to_string()) }
}

fn by_client(world: &World, notice: &Value) -> RelayRequest {
    as_json(&json!({
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": world.assertion(json!({})),
        "notice": notice,
    }))
}

fn incidents(world: &World) -> Vec<Arc<Incident>> {
    world.state.lock().unwrap().incidents.values().cloned().collect()
}

fn breaches(world: &World) -> usize {
    world.state.lock().unwrap().dossier(VendorId(Uuid::from_u128(VENDOR))).breaches.len()
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn a_client_tells_in_json_or_in_a_form_and_hears_what_came_of_it() {
    let world = World::new();
    let told = world.ask(by_client(&world, &said(&world, "NG-7", -3)));
    assert_eq!(told.status, 201, "{told:?}");
    assert_eq!((&told.body["in_time"], &told.body["window_hours"]), (&json!(true), &json!(24)));
    assert_eq!(told.body["received"], json!(at(&world, 0)));
    let notice = incidents(&world)[0].notices[0].clone();
    assert_eq!(told.body["sha256"], json!(notice.sha256));
    assert!(
        matches!(&notice.way, Way::Client { severed: false, refused: false, key, .. } if key == world.key.kid())
    );
    // The same again is the same; what is new belongs to the same incident.
    world.ask(by_client(&world, &said(&world, "NG-7", -3))).expect(
        409,
        "invalid_request",
        "received already",
    );
    let more = said(&world, "NG-7", -4);
    let body = world.body(&format!("notice={}", encoded(&more.to_string())));
    let told = world.ask(post(PATH, &body));
    assert_eq!((told.status, incidents(&world).len()), (201, 1), "{told:?}");
    let certified = as_json(&json!({ "client_id": "pinned", "notice": said(&world, "NG-8", -30) }));
    let told = world.ask(with_certificates(certified, std::slice::from_ref(&world.certificate)));
    assert_eq!((told.status, &told.body["in_time"]), (201, &json!(false)), "{told:?}");
    assert_eq!(incidents(&world).len(), 2);
}

#[test]
fn a_signed_notice_proves_itself_and_works_for_a_vendor_that_is_severed() {
    let world = World::new();
    world.sever(vendor(), 2, vec![world.key.kid().to_owned()]);
    world.token("").expect(400, "unauthorized_client", "closed");
    let text = signed(&world, &world.key, said(&world, "NG-7", -30));
    let told = world.ask(jose(&text));
    assert_eq!((told.status, &told.body["in_time"]), (201, &json!(false)), "{told:?}");
    let incident = incidents(&world)[0].clone();
    let notice = &incident.notices[0];
    assert!(matches!(notice.way, Way::Signed { severed: true, refused: false, .. }), "{:?}", notice.way);
    assert_eq!(notice.signed.as_ref().unwrap().text(), text, "it is kept whole, and proves itself later");
    assert_eq!(breaches(&world), 1);
    world.ask(jose(&text)).expect(409, "invalid_request", "received already");
    world.ask(as_json(&json!({ "signed_notice": text }))).expect(409, "invalid_request", "received already");
    // By its authentication, too; and nothing is opened for it.
    let told = world.ask(by_client(&world, &said(&world, "NG-7", -31)));
    assert_eq!(told.status, 201, "{told:?}");
    world.token("").expect(400, "unauthorized_client", "closed");
}

#[test]
fn what_a_revoked_key_says_wakes_people_and_holds_nobody() {
    let world = World::new();
    let key = world.key.kid().to_owned();
    world.change(Event::Severed(Severance {
        id: SeveranceId(Uuid::from_u128(901)),
        target: Target::Key { client: batch(), thumbprint: key.clone() },
        epoch: 1,
        keys: vec![key],
        cause: Cause::Revoked { operator: OperatorId(Uuid::nil()), reason: "stolen".to_owned() },
        time: at(&world, 0),
    }));
    let told = world.ask(jose(&signed(&world, &world.key, said(&world, "NG-7", -30))));
    assert_eq!(told.status, 201, "{told:?}");
    assert!(!incidents(&world)[0].notices[0].counts());
    assert_eq!(breaches(&world), 0, "whoever stole the key can't have the vendor held");
}

#[test]
fn what_is_forged_foreign_replayed_or_too_long_is_refused_clearly() {
    let world = World::new();
    let other = SigningKey::generate(Algorithm::ES256).unwrap();
    let good = said(&world, "NG-7", -1);
    let claims = |more: Value| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        claims
    };
    let check = |request: RelayRequest, status: u16, error: &str, description: &str| {
        world.ask(request).expect(status, error, description);
    };
    let refused = |key: &SigningKey, more: Value, status, error, description| {
        check(jose(&signed(&world, key, claims(more))), status, error, description);
    };
    refused(&other, json!({}), 401, "invalid_client", "no registered key");
    // A client that there isn't gets the same answer.
    refused(&other, json!({ "iss": "nobody", "sub": "nobody" }), 401, "invalid_client", "no registered key");
    refused(
        &world.key,
        json!({ "iss": "pinned", "sub": "pinned" }),
        401,
        "invalid_client",
        "no registered key",
    );
    refused(&world.key, json!({ "aud": "https://other.example" }), 400, "invalid_request", "`aud`");
    refused(&world.key, json!({ "exp": world.now() }), 400, "invalid_request", "expired");
    refused(&world.key, json!({ "iat": world.now() + 60 }), 400, "invalid_request", "future");
    refused(
        &world.key,
        json!({ "aware": at(&world, 1) }),
        400,
        "invalid_request",
        "`aware` lies in the future",
    );
    refused(&world.key, json!({ "what": "" }), 400, "invalid_request", "`what` is empty");
    refused(&world.key, json!({ "vendor": "other" }), 400, "invalid_request", "unknown field");
    let text = signed(&world, &world.key, good.clone());
    let (head, signature) = text.rsplit_once('.').unwrap();
    let (head, payload) = head.split_once('.').unwrap();
    let turned: String = payload.chars().rev().collect();
    check(jose(&format!("{head}.{turned}.{signature}")), 400, "invalid_request", "the notice");
    check(jose("nonsense"), 400, "invalid_request", "not a compact JWS");
    check(jose(&"x".repeat(25_000)), 413, "invalid_request", "25000 bytes");
    check(as_json(&json!({ "notice": "x".repeat(40_000) })), 413, "invalid_request", "bytes");
    check(as_json(&json!({ "notice": good })), 401, "invalid_client", "does not authenticate");
    check(
        as_json(&json!({ "notice": good, "signed_notice": text })),
        400,
        "invalid_request",
        "and a signed one",
    );
    check(as_json(&json!({ "extra": 5 })), 400, "invalid_request", "`extra` is no text");
    check(as_json(&json!([good])), 400, "invalid_request", "no JSON object");
    check(post(PATH, &world.body("")), 400, "invalid_request", "there is no notice");
    check(post(PATH, ""), 400, "invalid_request", "there is no notice");
    // An assertion is good once.
    let assertion = world.assertion(json!({}));
    let by = |notice: Value| {
        as_json(&json!({
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion, "notice": notice,
        }))
    };
    assert!(incidents(&world).is_empty(), "nothing of it was taken");
    assert_eq!(world.ask(by(said(&world, "NG-7", -1))).status, 201);
    check(by(said(&world, "NG-9", -1)), 401, "invalid_client", "used before");
    let delete = RelayRequest { method: "DELETE".to_owned(), ..post(PATH, "") };
    check(delete, 405, "invalid_request", "does not take this method");
}

#[test]
fn no_vendor_fills_the_ledger_with_notices() {
    let world = World::new();
    let tell = |number: u64| world.ask(by_client(&world, &said(&world, &format!("NG-{number}"), -1)));
    assert!((0..20).all(|number| tell(number).status == 201));
    tell(20).expect(409, "invalid_request", "too many incidents of yours are open");
    let again = |seconds: i64| {
        let mut more = said(&world, "NG-1", -1);
        more["what"] = json!(format!("more, {seconds}"));
        world.ask(by_client(&world, &more)).status
    };
    assert!((21..50).all(|number| again(number) == 201), "what belongs to an open one gets in");
    assert_eq!(again(50), 429);
}
