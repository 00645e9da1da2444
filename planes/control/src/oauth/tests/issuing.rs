use jiff::Timestamp;
use portcullis_domain::spec::RateLimit;
use portcullis_tokens::access_token::Epochs;
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::session::context_of;
use serde_json::json;

use super::world::*;
use crate::oauth::vendor_rates::VendorRates;

#[test]
fn a_token_says_whose_it_is_and_from_when() {
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA] {
        let world = World::signing_with(algorithm);
        let reply = world.token("");
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.headers["cache-control"], "no-store");
        assert_eq!(reply.headers["content-type"], "application/json");
        assert_eq!(reply.body["token_type"], "DPoP");
        assert_eq!(reply.body["expires_in"], 300);
        assert_eq!(reply.body["scope"], "parcels.read files.read");
        let claims = world.claims(&reply);
        assert_eq!((claims.issuer.as_str(), claims.client_id.as_str()), (ISSUER, "batch"));
        assert_eq!(claims.subject, "batch");
        assert_eq!(claims.audience, [ISSUER]);
        assert_eq!((claims.issued_at, claims.expires_at), (START, START + 300));
        assert_eq!(claims.confirmation.jkt, Some(proof_key()));
        assert_eq!(claims.confirmation.x5t_s256, None);
        assert_eq!(claims.lineage.client, batch());
        assert_eq!(claims.lineage.epochs, Epochs { vendor: 1, integration: 1, client: 1 });
        assert_eq!(claims.lineage.client_key.to_string(), world.key.kid());
        assert_eq!(claims.lineage.context, Some(context_of(Some(JA4), "192.0.2.0/24")));
        assert_ne!(world.claims(&world.token("")).token_id, claims.token_id);
    }
}

#[test]
fn never_more_scope_than_asked_for_and_granted() {
    let world = World::new();
    let check = |parameter: &str, expect: &str| {
        let reply = world.token(parameter);
        assert_eq!(reply.body["scope"], expect, "{parameter} {reply:?}");
        assert_eq!(world.claims(&reply).scope.join(" "), expect);
    };
    check("scope=", "parcels.read files.read");
    check("scope=files.read", "files.read");
    check("scope=files.read+files.read", "files.read");
    check("scope=files.read+parcels.read", "files.read parcels.read");
    let refuse = |parameter: &str, description: &str| {
        world.token(parameter).expect(400, "invalid_scope", description);
    };
    refuse("scope=secret.read", "not granted to this integration: `secret.read`");
    refuse("scope=files.read+admin+%22", "not granted to this integration: `admin`, `'`");
    refuse("scope=FILES.READ", "`FILES.READ`");
    refuse("scope=+", "`scope` names no scope");
}

#[test]
fn resources_become_the_audience() {
    let world = World::new();
    let check = |parameters: &str, expect: &[&str]| {
        assert_eq!(world.claims(&world.token(parameters)).audience, expect, "{parameters}");
    };
    check("resource=https://gate.example/", &["https://gate.example/"]);
    check("resource=https%3A%2F%2Fother.example%3A8443/parcels", &["https://other.example:8443/parcels"]);
    check(
        "resource=https://gate.example/files/a/b&resource=https://gate.example/parcels/7&resource=https://gate.example/files/a/b",
        &["https://gate.example/files/a/b", "https://gate.example/parcels/7"],
    );
    for refused in
        ["https://evil.example", "https://gate.example/secret", "parcels", "https://gate.example/parcels%23x"]
    {
        world.token(&format!("resource={refused}")).expect(
            400,
            "invalid_target",
            "is no resource of this client",
        );
    }
    let many: Vec<String> = (0..9).map(|n| format!("resource=https://gate.example/files/{n}")).collect();
    world.token(&many.join("&")).expect(400, "invalid_target", "too many");
    let long = format!("resource=https://gate.example/files/{}", "x".repeat(600));
    world.token(&long).expect(400, "invalid_target", "too long");
}

#[test]
fn a_token_ends_with_what_it_stands_on() {
    let world = World::new();
    let check = |seconds: i64| {
        let reply = world.token("");
        assert_eq!(reply.body["expires_in"], seconds, "{reply:?}");
        assert_eq!(world.claims(&reply).expires_at, START + seconds);
    };
    let moment = |seconds: i64| Timestamp::from_second(START + seconds).unwrap().to_string();
    world.change(feed(json!({ "token_seconds": 30 })));
    check(30);
    // Whatever got into the ledger, ten minutes are the most.
    world.change(feed(json!({ "token_seconds": 86_400 })));
    check(600);
    world.change(feed(json!({ "token_seconds": 600, "ends": moment(40) })));
    check(40);
    world.change(contract("2026-01-01", &moment(7)));
    check(7);
}

#[test]
fn only_the_client_credentials_grant() {
    let world = World::new();
    let check = |parameters: &str, error: &str| {
        let reply = world.ask(with_proof(post("/oauth/token", &world.body(parameters))));
        reply.expect(400, error, "grant");
        assert_eq!(reply.body["hint"], "set `grant_type` to `client_credentials`");
    };
    check("", "invalid_request");
    check("grant_type=", "invalid_request");
    for other in ["authorization_code", "password", "refresh_token", "Client_Credentials"] {
        check(&format!("grant_type={other}"), "unsupported_grant_type");
    }
}

#[test]
fn a_vendor_that_asks_without_end_is_told_to_wait() {
    let mut world = World::new();
    world.server.issues = VendorRates::new(RateLimit { per_second: 1, burst: 3 });
    for _ in 0..3 {
        assert_eq!(world.token("").status, 200);
    }
    let reply = world.token("");
    reply.expect(429, "temporarily_unavailable", "too many requests");
    reply.reasons(&["requests_limit"]);
    assert_eq!(reply.headers["retry-after"], "1");
    // A client of the same vendor fares no better, and who isn't known takes nothing from it.
    let request = post("/oauth/token", "grant_type=client_credentials&client_id=pinned");
    let pinned = world.ask(with_certificates(request, std::slice::from_ref(&world.certificate)));
    pinned.reasons(&["requests_limit"]);
}
