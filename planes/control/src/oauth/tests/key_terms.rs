//! The end of a client's key, at the token endpoint.

use jiff::Timestamp;
use portcullis_domain::event::{Event, KeyForm, PublicKey};
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;
use serde_json::json;

use super::world::*;

const DAY: i64 = 86_400;
/// The world's registry is a second older than its clock.
const REGISTERED: i64 = START - 1;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

#[test]
fn a_key_lapses_at_the_second_and_is_announced_before() {
    let world = World::new();
    world.change(feed(json!({ "keys": { "age_days_max": 30, "warn_days": 2 }, "token_seconds": 600 })));
    let lapses = REGISTERED + 30 * DAY;
    let go = |second: i64| world.pass(second - world.now());
    go(lapses - 2 * DAY - 1);
    assert_eq!(world.token("").headers.get("portcullis-key-expires"), None);
    go(lapses - 2 * DAY);
    let told = world.token("");
    assert_eq!(told.headers["portcullis-key-expires"], at(lapses).to_string());
    go(lapses - 60);
    assert_eq!(world.claims(&world.token("")).expires_at, lapses, "no token outlives its key");
    go(lapses - 1);
    assert_eq!(world.token("").status, 200);
    go(lapses);
    let refused = world.token("");
    refused.expect(401, "invalid_client", "the client key has reached its maximum age");
    refused.reasons(&["client_key_lapsed"]);
    for path in ["/oauth/introspect", "/oauth/revoke"] {
        world.ask(post(path, &world.body("token=x"))).reasons(&["client_key_lapsed"]);
    }
    // The rules are the integration's, and hold at once.
    world.change(feed(json!({ "keys": { "age_days_max": 31 } })));
    assert_eq!(world.token("").status, 200);
}

/// The registered key is good for a hundred seconds more.
fn replace_key(world: &World, next: &SigningKey) {
    world.change(Event::ClientKeyRegistered {
        client: batch(),
        key: PublicKey {
            thumbprint: next.kid().to_owned(),
            form: KeyForm::Jwk,
            public: json!(next.public_jwk()),
        },
        replaces: world.key.kid().to_owned(),
        replaced_ends_at: at(START + 100),
        time: at(START),
    });
}

#[test]
fn a_replaced_key_is_good_for_the_overlap_and_then_no_more() {
    let world = World::new();
    let next = SigningKey::generate(Algorithm::ES256).unwrap();
    replace_key(&world, &next);
    let by = |key: &SigningKey| {
        let body = world.token_body(&world.assertion_by(key, "batch", json!({})));
        world.ask(with_proof(post("/oauth/token", &body)))
    };
    for (second, old) in [(0, 200), (99, 200), (100, 401), (90 * DAY - 1, 401)] {
        world.pass(START + second - world.now());
        let reply = by(&world.key);
        assert_eq!(reply.status, old, "{second}");
        match old {
            200 => assert_eq!(reply.headers["portcullis-key-expires"], at(START + 100).to_string()),
            _ => reply.reasons(&["client_key_ended"]),
        }
        assert_eq!(world.claims(&by(&next)).lineage.client_key.to_string(), next.kid());
    }
}

/// A token says when it expires; the key that it was given to may be over before that.
#[test]
fn a_token_is_inactive_once_its_key_has_ended() {
    let world = World::new();
    let next = SigningKey::generate(Algorithm::ES256).unwrap();
    let old_token = world.token("");
    assert!(world.claims(&old_token).expires_at > START + 100);
    replace_key(&world, &next);
    let body = || world.token_body(&world.assertion_by(&next, "batch", json!({})));
    let new_token = world.ask(with_proof(post("/oauth/token", &body())));
    let active = |reply: &Reply| {
        let token = reply.body["access_token"].as_str().unwrap();
        let reply = world.ask(post("/oauth/introspect", &format!("{}&token={token}", body())));
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body["active"].clone()
    };
    for (second, old) in [(99, true), (100, false)] {
        world.pass(START + second - world.now());
        assert_eq!((active(&old_token), active(&new_token)), (json!(old), json!(true)), "{second}");
    }
}

#[test]
fn a_certificate_of_an_authority_is_good_as_long_as_it_is_valid() {
    let world = World::new();
    world.change(feed(json!({ "keys": { "age_days_max": 1 }, "token_seconds": 600 })));
    let authority = Authority::new();
    let ends = START + 3 * DAY;
    let leaf = authority.sign(|params| {
        params.subject_alt_names = vec![rcgen::SanType::DnsName("robot.example".try_into().unwrap())];
        params.not_after = std::time::SystemTime::from(at(ends)).into();
    });
    let subject = json!({ "certificate_authority": authority.pem, "san_dns": "robot.example" });
    world.enroll(40, "chained", json!({ "subject": subject }), vec![]);
    let ask = || {
        let request = post("/oauth/token", "grant_type=client_credentials&client_id=chained");
        world.ask(with_certificates(request, std::slice::from_ref(&leaf)))
    };
    world.pass(ends - 100 - world.now());
    assert_eq!(world.claims(&ask()).expires_at, ends + 1);
    world.pass(101);
    ask().expect(401, "invalid_client", "");
}
