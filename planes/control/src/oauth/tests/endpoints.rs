use jiff::Timestamp;
use portcullis_domain::event::Event;
use portcullis_domain::target::Target;
use portcullis_tokens::jwk::JwkSet;
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;
use serde_json::{Value, json};

use super::world::*;

fn get(path: &str) -> portcullis_policy::link::RelayRequest {
    let mut request = post(path, "");
    request.method = "GET".to_owned();
    request.content_type = None;
    request
}

#[test]
fn metadata_says_what_is_served() {
    let reply = World::new().ask(get("/.well-known/oauth-authorization-server"));
    let methods = json!(["private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"]);
    let algorithms = json!(["ES256", "EdDSA", "Ed25519", "PS256", "RS256"]);
    assert_eq!(reply.status, 200);
    assert_eq!(reply.headers["content-type"], "application/json");
    let mut expect = json!({
        "issuer": ISSUER,
        "jwks_uri": "https://gate.example/oauth/jwks",
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "dpop_signing_alg_values_supported": ["ES256", "EdDSA", "Ed25519"],
        "tls_client_certificate_bound_access_tokens": true,
    });
    let endpoints = json!({
        "token_endpoint": TOKEN_ENDPOINT,
        "introspection_endpoint": "https://gate.example/oauth/introspect",
        "revocation_endpoint": "https://gate.example/oauth/revoke",
        "portcullis_key_endpoint": "https://gate.example/oauth/keys",
        "portcullis_enrolment_endpoint": "https://gate.example/oauth/enroll",
        "portcullis_posture_endpoint": "https://gate.example/oauth/posture",
        "portcullis_incident_endpoint": "https://gate.example/oauth/incident",
    });
    expect["mtls_endpoint_aliases"] = endpoints.clone();
    expect.as_object_mut().unwrap().extend(endpoints.as_object().unwrap().clone());
    for endpoint in ["token", "introspection", "revocation"] {
        expect[format!("{endpoint}_endpoint_auth_methods_supported")] = methods.clone();
        expect[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")] = algorithms.clone();
    }
    assert_eq!(reply.body, expect);
}

#[test]
fn the_key_set_holds_the_key_that_signs_and_those_that_signed() {
    let world = World::new();
    let kids = || -> Vec<String> {
        let reply = world.ask(get("/oauth/jwks"));
        let set = JwkSet::parse(&reply.body.to_string()).unwrap();
        set.keys().iter().map(|key| key.kid().unwrap().to_owned()).collect()
    };
    let own = world.signing_key.kid();
    assert_eq!(kids(), [own]);
    let next = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let (kid, time) = (next.kid().to_owned(), Timestamp::from_second(world.now()).unwrap());
    let jwk = json!(next.public_jwk());
    world.change(Event::SigningKeyPublished { kid: kid.clone(), jwk, time: Some(time) });
    assert_eq!(kids(), [own, next.kid()], "published before it is used");
    world.change(Event::SigningKeyActivated { kid, time });
    assert_eq!(kids(), [next.kid(), own]);
    world.change(Event::SigningKeyRetired { kid: own.to_owned(), time });
    assert_eq!(kids(), [next.kid()]);
}

#[test]
fn other_paths_and_methods() {
    let world = World::new();
    let check = |method: &str, path: &str, status: u16, allow: Option<&str>| {
        let mut request = post(path, "");
        request.method = method.to_owned();
        let reply = world.ask(request);
        assert_eq!(reply.status, status, "{method} {path} {reply:?}");
        assert_eq!(reply.headers.get("allow").map(String::as_str), allow);
        assert!(reply.body["hint"].is_string() || method == "HEAD");
    };
    check("POST", "/oauth/register", 404, None);
    check("GET", "/oauth/authorize", 404, None);
    check("GET", "/oauth/token/", 404, None);
    check("GET", "/.well-known/openid-configuration", 404, None);
    check("GET", "/.well-known/oauth-authorization-server/x", 404, None);
    check("", "", 404, None);
    for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke"] {
        check("GET", path, 405, Some("POST"));
        check("OPTIONS", path, 405, Some("POST"));
        check("post", path, 405, Some("POST"));
        check("POST", &format!("{path}?client_id=batch"), 400, None);
    }
    check("POST", "/oauth/jwks", 405, Some("GET, HEAD"));
    check("DELETE", "/.well-known/oauth-authorization-server", 405, Some("GET, HEAD"));
    let mut head = get("/oauth/jwks");
    head.method = "HEAD".to_owned();
    let reply = world.ask(head);
    assert_eq!((reply.status, reply.body), (200, Value::Null));
}

#[test]
fn a_body_that_is_no_form_is_refused_before_anything_else() {
    let world = World::new();
    let check = |content_type: Option<&str>, body: &str, description: &str| {
        let mut request = with_proof(post("/oauth/token", body));
        request.content_type = content_type.map(str::to_owned);
        world.ask(request).expect(400, "invalid_request", description);
    };
    check(None, "grant_type=client_credentials", "not a form");
    check(Some("application/json"), "{}", "not a form");
    check(
        Some(FORM),
        "grant_type=client_credentials&grant_type=client_credentials",
        "`grant_type` is there twice",
    );
    check(Some(FORM), "", "`grant_type` is missing");
}

fn introspect(world: &World, token: &str) -> Reply {
    world.ask(post("/oauth/introspect", &world.body(&format!("token={token}&token_type_hint=refresh_token"))))
}

fn as_pinned(world: &World, path: &str, token: &str) -> Reply {
    let request = post(path, &format!("client_id=pinned&token={token}"));
    world.ask(with_certificates(request, std::slice::from_ref(&world.certificate)))
}

#[test]
fn a_client_introspects_its_own_tokens_only() {
    let world = World::new();
    let issued = world.token("scope=files.read");
    let (token, claims) = (issued.body["access_token"].as_str().unwrap(), world.claims(&issued));
    let expect = json!({
        "active": true, "scope": "files.read", "client_id": "batch", "token_type": "DPoP",
        "exp": START + 300, "iat": START, "sub": "batch", "aud": [ISSUER], "iss": ISSUER,
        "jti": claims.token_id, "cnf": { "jkt": proof_key() },
    });
    assert_eq!(introspect(&world, token).body, expect);
    let inactive = json!({ "active": false });
    assert_eq!(as_pinned(&world, "/oauth/introspect", token).body, inactive);
    assert_eq!(introspect(&world, "nonsense").body, inactive);
    assert_eq!(introspect(&world, &token[..token.len() - 2]).body, inactive);
    // A key that the token is bound to was closed, but not the client's own.
    let thumbprint = proof_key().to_string();
    world.sever(Target::Key { client: batch(), thumbprint: thumbprint.clone() }, 0, vec![thumbprint]);
    assert_eq!(introspect(&world, token).body, inactive);
    world.ask(post("/oauth/introspect", &world.body(""))).expect(
        400,
        "invalid_request",
        "`token` is missing",
    );
    world.ask(post("/oauth/introspect", &format!("token={token}"))).expect(
        401,
        "invalid_client",
        "does not authenticate",
    );
}

#[test]
fn tokens_of_an_earlier_key_are_known_until_they_expire() {
    let world = World::new();
    let issued = world.token("");
    let mut claims = world.claims(&issued);
    let earlier = SigningKey::generate(Algorithm::EdDSA).unwrap();
    claims.expires_at = START + 10;
    let token = portcullis_tokens::access_token::mint(&earlier, &claims).unwrap();
    assert_eq!(introspect(&world, &token).body["active"], false);
    world.change(Event::SigningKeyPublished {
        kid: earlier.kid().to_owned(),
        jwk: json!(earlier.public_jwk()),
        time: None,
    });
    assert_eq!(introspect(&world, &token).body["active"], true);
    world.pass(10);
    assert_eq!(introspect(&world, &token).body["active"], false);
}

#[test]
fn a_client_revokes_its_own_tokens_only() {
    let world = World::new();
    let issued = world.token("");
    let token = issued.body["access_token"].as_str().unwrap();
    let revoke = |token: &str| world.ask(post("/oauth/revoke", &world.body(&format!("token={token}"))));
    as_pinned(&world, "/oauth/revoke", token).expect(400, "unauthorized_client", "another client");
    assert_eq!(revoke("nonsense").status, 200);
    assert!(world.revoked.lock().unwrap().is_empty());
    assert_eq!(introspect(&world, token).body["active"], true);

    let reply = revoke(token);
    assert_eq!((reply.status, &reply.body), (200, &Value::Null));
    let expect = (world.claims(&issued).token_id, Timestamp::from_second(START + 300).unwrap());
    assert_eq!(*world.revoked.lock().unwrap(), [expect]);
    assert_eq!(introspect(&world, token).body["active"], false);
    // A dead token needs no second event.
    assert_eq!(revoke(token).status, 200);
    assert_eq!(world.revoked.lock().unwrap().len(), 1);
}

#[test]
fn a_revocation_that_is_not_recorded_is_not_confirmed() {
    let world = World::new();
    let tokens = [world.token(""), world.token("")];
    let revoke = |reply: &Reply| {
        let token = reply.body["access_token"].as_str().unwrap();
        world.ask(post("/oauth/revoke", &world.body(&format!("token={token}"))))
    };
    assert_eq!(revoke(&tokens[0]).status, 200);
    let reply = revoke(&tokens[1]);
    reply.expect(503, "temporarily_unavailable", "could not be recorded");
    assert_eq!(reply.headers["retry-after"], "5");
}

#[test]
fn a_vendor_revokes_a_burst_and_then_waits() {
    let world = World::new();
    let revoked = || {
        let issued = world.token("");
        let token = issued.body["access_token"].as_str().unwrap();
        world.ask(post("/oauth/revoke", &world.body(&format!("token={token}"))))
    };
    // The world's ledger takes the first one only; asking counts.
    for _ in 0..100 {
        assert_ne!(revoked().body["error_description"], "too many tokens were revoked in a short time");
    }
    revoked().expect(503, "temporarily_unavailable", "too many tokens were revoked");
}
