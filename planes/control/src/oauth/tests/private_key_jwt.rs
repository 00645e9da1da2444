use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;
use serde_json::{Value, json};

use super::world::*;

fn ask(world: &World, assertion: &str) -> Reply {
    world.ask(with_proof(post("/oauth/token", &world.token_body(assertion))))
}

#[test]
fn assertions_that_are_taken() {
    let world = World::new();
    // After a while, so that assertions without `iat` can't be from before the start.
    world.pass(300);
    let check = |changes: Value| {
        let reply = ask(&world, &world.assertion(changes.clone()));
        assert_eq!(reply.status, 200, "{changes} {reply:?}");
    };
    check(json!({}));
    check(json!({ "aud": [ISSUER] }));
    check(json!({ "exp": world.now() + 3_600 }));
    check(json!({ "iat": world.now() + 5 }));
    check(json!({ "iat": null, "exp": world.now() + 300 }));
    let body = format!("{}&client_id=batch", world.token_body(&world.assertion(json!({}))));
    assert_eq!(world.ask(with_proof(post("/oauth/token", &body))).status, 200);
}

#[test]
fn what_anybody_can_see_is_explained() {
    let world = World::new();
    let now = world.now();
    let check = |changes: Value, description: &str| {
        let known = ask(&world, &world.assertion(changes.clone()));
        known.expect(401, "invalid_client", description);
        // The same for a client that doesn't exist.
        let unknown = ask(&world, &world.assertion_by(&world.key, "nobody", changes));
        assert_eq!(
            known.body.to_string().replace("batch", "nobody"),
            unknown.body.to_string().replace("batch", "nobody")
        );
    };
    check(json!({ "aud": "https://other.example" }), "`aud` is `https://other.example`");
    check(json!({ "aud": [ISSUER, TOKEN_ENDPOINT] }), "`aud` has 2 values");
    check(json!({ "aud": null }), "`aud` is missing");
    check(json!({ "iss": "other" }), "`iss` is `other`");
    check(json!({ "exp": now }), "expired 0 s ago");
    check(json!({ "exp": now + 3_606 }), "`exp` is 3606 s ahead");
    check(json!({ "iat": now + 6 }), "6 s in the future");
    check(json!({ "nbf": now + 6 }), "6 s in the future");
    check(json!({ "jti": null }), "`jti` is missing");
    check(json!({ "sub": null }), "`sub` is missing");
    ask(&world, "x.y.z").expect(401, "invalid_client", "base64url");
    ask(&world, "eyJhbGciOiJub25lIn0.e30.").expect(401, "invalid_client", "`alg` is `none`");
}

#[test]
fn a_bad_signature_and_an_unknown_client_look_alike() {
    let world = World::new();
    let other = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let other_algorithm = SigningKey::generate(Algorithm::ES256).unwrap();
    world.enroll(20, "broken", json!({ "jwks": { "keys": [{ "kty": "oct" }] } }), vec![]);
    world.enroll(
        21,
        "endpoint",
        json!({ "jwks": jwks(&world.key), "assertion_audience": "token_endpoint" }),
        vec![],
    );
    let answers = [
        ask(&world, &world.assertion_by(&world.key, "nobody", json!({}))),
        ask(&world, &world.assertion_by(&other, "nobody", json!({}))),
        ask(&world, &world.assertion_by(&other_algorithm, "nobody", json!({}))),
        ask(&world, &world.assertion_by(&other, "batch", json!({}))),
        ask(&world, &world.assertion_by(&other_algorithm, "batch", json!({}))),
        // Registered with a certificate only, or with a set that can't be read.
        ask(&world, &world.assertion_by(&other, "pinned", json!({}))),
        ask(&world, &world.assertion_by(&world.key, "broken", json!({}))),
        // Wants another audience, which only its own key may learn.
        ask(&world, &world.assertion_by(&other, "endpoint", json!({}))),
    ];
    for answer in &answers {
        answer.expect(401, "invalid_client", "client authentication failed");
        assert_eq!(answer.body, answers[0].body);
        assert_eq!(answer.headers, answers[0].headers);
    }
}

#[test]
fn the_client_chooses_its_audience() {
    let world = World::new();
    let own = || json!({ "aud": ISSUER });
    let endpoint = || json!({ "aud": TOKEN_ENDPOINT });
    let send = |path: &str, client: &str, changes: Value| {
        let assertion = world.assertion_by(&world.key, client, changes);
        let body = format!("{}&token=x", world.token_body(&assertion));
        world.ask(with_proof(post(path, &body)))
    };
    world.enroll(
        21,
        "endpoint",
        json!({ "jwks": jwks(&world.key), "assertion_audience": "token_endpoint" }),
        vec![],
    );
    assert_eq!(send("/oauth/token", "batch", own()).status, 200);
    send("/oauth/token", "batch", endpoint()).expect(
        401,
        "invalid_client",
        "`aud` is `https://gate.example/oauth/token`",
    );
    assert_eq!(send("/oauth/token", "endpoint", endpoint()).status, 200);
    let refused = send("/oauth/token", "endpoint", own());
    refused.expect(401, "invalid_client", "`aud` is `https://gate.example`");
    assert!(refused.body["hint"].as_str().unwrap().contains(TOKEN_ENDPOINT));
    for path in ["/oauth/introspect", "/oauth/revoke"] {
        assert_eq!(send(path, "endpoint", own()).status, 200);
        assert_eq!(send(path, "endpoint", endpoint()).status, 200);
        assert_eq!(send(path, "batch", own()).status, 200);
        assert_eq!(send(path, "batch", endpoint()).status, 401);
    }
}

#[test]
fn an_assertion_is_good_once_at_any_endpoint() {
    let world = World::new();
    let assertion = world.assertion(json!({}));
    assert_eq!(ask(&world, &assertion).status, 200);
    world.pass(59);
    ask(&world, &assertion).expect(401, "invalid_client", "used before");
    let body = format!("{}&token=x", authentication(&assertion));
    world.ask(post("/oauth/introspect", &body)).expect(401, "invalid_client", "used before");
    world.pass(1);
    ask(&world, &assertion).expect(401, "invalid_client", "expired");
    // A forged one takes nothing away from its owner.
    let other = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let own = world.assertion(json!({ "jti": "mine" }));
    ask(&world, &world.assertion_by(&other, "batch", json!({ "jti": "mine" }))).expect(
        401,
        "invalid_client",
        "failed",
    );
    assert_eq!(ask(&world, &own).status, 200);
}

#[test]
fn nothing_replays_over_a_restart() {
    let world = World::new();
    let check = |changes: Value, description: Option<&str>| {
        let reply = ask(&world, &world.assertion(changes.clone()));
        match description {
            None => assert_eq!(reply.status, 200, "{changes} {reply:?}"),
            Some(description) => reply.expect(401, "invalid_client", description),
        }
    };
    check(json!({ "iat": START - 1 }), Some("older than this server's last start"));
    check(json!({ "iat": START }), None);
    check(json!({ "iat": null, "exp": START + 60 }), Some("no `iat`, and may be older"));
    check(json!({ "iat": null, "exp": START + 301 }), Some("no `iat`, and lives too long"));
    world.pass(299);
    check(json!({ "iat": null, "exp": START + 400 }), Some("no `iat`, and may be older"));
    // Good since before the start, and an hour long.
    check(json!({ "iat": START - 1, "exp": START + 3_599 }), Some("older than this server's last start"));
    world.pass(1);
    check(json!({ "iat": null, "exp": START + 400 }), None);
    check(json!({ "iat": null, "exp": world.now() + 301 }), Some("no `iat`, and lives too long"));
}

#[test]
fn the_second_of_the_start_belongs_to_the_earlier_process() {
    let check = |started: &str, expect: i64| {
        assert_eq!(crate::oauth::first_whole_second(started.parse().unwrap()), expect, "{started}");
    };
    check("1970-01-01T00:00:10Z", 10);
    check("1970-01-01T00:00:10.000000001Z", 11);
    check("1970-01-01T00:00:10.999Z", 11);
}

#[test]
fn exactly_one_way() {
    let world = World::new();
    let assertion = || authentication(&world.assertion(json!({})));
    let check = |body: String, authorization: Option<&str>, status: u16, error: &str, description: &str| {
        let mut request = post("/oauth/token", &format!("grant_type=client_credentials&{body}"));
        request.authorization = authorization.map(str::to_owned);
        let reply = world.ask(with_proof(request));
        reply.expect(status, error, description);
        assert!(reply.body["hint"].is_string());
        reply
    };
    let secrets = "client secrets are not accepted";
    let basic = check(String::new(), Some("Basic YmF0Y2g6c2VjcmV0"), 401, "invalid_client", secrets);
    assert_eq!(basic.headers["www-authenticate"], "Basic realm=\"oauth\"");
    assert!(basic.body["hint"].as_str().unwrap().contains("private_key_jwt"));
    check("client_id=batch&client_secret=x".into(), None, 401, "invalid_client", secrets);
    check(String::new(), Some("DPoP x"), 401, "invalid_client", "Authorization header");
    check(String::new(), Some(""), 401, "invalid_client", "Authorization header");
    check(assertion(), Some("Basic x"), 400, "invalid_request", "more than one way");
    check(format!("{}&client_secret=x", assertion()), None, 400, "invalid_request", "more than one way");
    check("client_id=batch".into(), None, 401, "invalid_client", "does not authenticate");
    check(
        format!("{}&client_id=pinned", assertion()),
        None,
        401,
        "invalid_client",
        "not the assertion's `sub`",
    );
    check("client_assertion=x.y.z".into(), None, 401, "invalid_client", "`client_assertion_type`");
    check(
        "client_assertion_type=saml&client_assertion=x".into(),
        None,
        401,
        "invalid_client",
        "`client_assertion_type`",
    );
    check(authentication(""), None, 401, "invalid_client", "`client_assertion` is missing");
}

#[test]
fn keys_are_prepared_anew_when_the_client_has_others() {
    let world = World::new();
    assert_eq!(ask(&world, &world.assertion(json!({}))).status, 200);
    let next = SigningKey::generate(Algorithm::ES256).unwrap();
    let by_next = |world: &World| world.assertion_by(&next, "batch", json!({}));
    ask(&world, &by_next(&world)).expect(401, "invalid_client", "client authentication failed");
    world.enroll(
        BATCH,
        "batch",
        json!({ "jwks": { "keys": [world.key.public_jwk(), next.public_jwk()] } }),
        vec![],
    );
    for _ in 0..2 {
        assert_eq!(ask(&world, &world.assertion(json!({}))).status, 200);
        assert_eq!(ask(&world, &by_next(&world)).status, 200);
    }
    world.enroll(BATCH, "batch", json!({ "jwks": jwks(&next) }), vec![]);
    assert_eq!(ask(&world, &by_next(&world)).status, 200);
    let old = ask(&world, &world.assertion(json!({})));
    old.expect(401, "invalid_client", "client authentication failed");
    world.enroll(BATCH, "batch", json!({ "certificates": ["(pem)"] }), vec![]);
    ask(&world, &by_next(&world)).expect(401, "invalid_client", "client authentication failed");
}
