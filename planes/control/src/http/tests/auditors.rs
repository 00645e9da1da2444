//! Registered auditors by the API: what they have signed counts, and what somebody else has, or has changed, doesn't.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::world::{Answer, World};

const AUDITORS: &str = "/v1/auditors";

fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../core/proof/tests/signatures/fixtures");
    std::fs::read(format!("{folder}/{name}")).unwrap()
}

fn text(name: &str) -> String {
    String::from_utf8(fixture(name)).unwrap()
}

async fn filed(world: &World, document: &[u8], signature: Option<&str>, issuer: Option<&str>) -> Answer {
    let mut request = super::world::request("POST", "/v1/vendors/acme/documents", super::world::ADMIN, None);
    *request.body_mut() = document.to_vec().into();
    let kept = world.send(request).await;
    let sha256 = kept.expect(StatusCode::CREATED)["sha256"].clone();
    let mut evidence = json!({ "title": "Test", "issued": "2026-12-01", "kind": "policy" });
    if let Some(issuer) = issuer {
        evidence["issuer"] = json!(issuer);
    }
    let mut body = json!({ "evidence": evidence, "document": { "sha256": sha256, "name": "report" } });
    if let Some(signature) = signature {
        body["signature"] = json!(text(signature));
    }
    world.post("/v1/vendors/acme/evidence", &body).await
}

/// Outcome, auditor, issuer and channel; then it is taken back, so that the same document can be filed again.
async fn outcome(world: &World, added: &Answer) -> [Value; 4] {
    let body = added.expect(StatusCode::CREATED);
    let (proof, id) = (&body["proof"], &body["id"]);
    let filed = body["answer"]["dossier"]["evidence"].as_array().unwrap();
    let filed = filed.iter().find(|filed| filed["evidence"]["id"] == *id).unwrap();
    let told = [
        proof["outcome"].clone(),
        proof["auditor"].clone(),
        filed["evidence"]["issuer"].clone(),
        filed["evidence"]["channel"].clone(),
    ];
    let withdrawn = json!({ "change": "evidence_withdrawn", "evidence": id, "reason": "again" });
    world.post("/v1/vendors/acme/dossier", &json!({ "changes": [withdrawn] })).await;
    told
}

async fn world() -> World {
    let world = World::with_integration().await;
    world.keep_documents();
    world
}

#[tokio::test]
async fn what_a_registered_auditor_has_signed_counts_and_names_its_issuer() {
    let world = world().await;
    let (summary, named) = (fixture("summary.txt"), "Thistlewood");
    let signed = filed(&world, &summary, Some("es256.jws"), Some(named)).await;
    assert_eq!(outcome(&world, &signed).await[0], "unknown_signer", "nobody is registered");
    let body =
        json!({ "name": named, "keys": [text("es256.jwk"), text("eddsa.jwk")], "roots": text("root.pem") });
    let added = world.post(AUDITORS, &body).await;
    assert_eq!(added.expect(StatusCode::CREATED)["added"], 3);
    assert_eq!(world.post(AUDITORS, &body).await.expect(StatusCode::OK)["added"], 0);
    let listed = world.get(AUDITORS).await.body;
    let keys = listed[0]["keys"].as_array().unwrap();
    let forms: Vec<_> = keys.iter().map(|key| key["form"].as_str().unwrap()).collect();
    assert_eq!((forms, &keys[2]["by"]), (vec!["jwk", "jwk", "certificate"], &json!("admin")));
    let valid = |issuer: &str| [json!("valid"), json!(named), json!(issuer), json!("signed")];
    for (signature, issuer, expect) in [
        (Some("es256.jws"), None, valid(named)),
        (Some("eddsa.jws"), Some("Thistlewood LLP"), valid("Thistlewood LLP")),
        (Some("x5c_rsa.jws"), None, valid(named)),
    ] {
        let signed = filed(&world, &summary, signature, issuer).await;
        assert_eq!(outcome(&world, &signed).await, expect, "{signature:?} {issuer:?}");
    }
    let pdf = filed(&world, &fixture("rsa.pdf"), None, None).await;
    assert_eq!(outcome(&world, &pdf).await, valid(named));
    // Registered, but the paper says that another firm has written it.
    let other = filed(&world, &summary, Some("es256.jws"), Some("Redfern Labs")).await;
    assert!(other.body["proof"]["detail"].as_str().unwrap().contains("isn't the issuer"), "{}", other.text);
    assert_eq!(
        outcome(&world, &other).await,
        [json!("unknown_signer"), json!(named), json!("Redfern Labs"), json!("email")]
    );
    // A stranger's chain, and after the removal its own.
    let stranger = filed(&world, &summary, Some("x5c_stranger.jws"), Some(named)).await;
    assert_eq!(outcome(&world, &stranger).await[0], "unknown_signer");
    world.delete("/v1/auditors/Thistlewood?reason=over").await.expect(StatusCode::OK);
    let gone = filed(&world, &summary, Some("es256.jws"), Some(named)).await;
    assert_eq!(outcome(&world, &gone).await[0], "unknown_signer");
}

#[tokio::test]
async fn a_document_that_was_changed_is_refused_or_stops_its_vendor() {
    let world = world().await;
    let body = json!({ "name": "Thistlewood", "keys": [text("es256.jwk")], "roots": text("root.pem") });
    world.post(AUDITORS, &body).await.expect(StatusCode::CREATED);
    let mut changed = fixture("rsa.pdf");
    let at = changed.windows(4).position(|part| part == b"obj\n").unwrap() + 6;
    changed[at] ^= 1;
    let forged = filed(&world, &changed, None, None).await;
    assert!(forged.status == 422, "nobody has signed it, so it needs an issuer: {}", forged.text);
    let forged = filed(&world, &changed, None, Some("Thistlewood")).await;
    assert_eq!(forged.expect(StatusCode::CREATED)["proof"]["outcome"], "invalid");
    let view = world.get("/v1/vendors/acme/dossier").await.body;
    assert_eq!(view["evidence"][0]["state"], "forged");
    assert!(view["stops"].as_array().unwrap().iter().any(|held| held["stop"] == "integrity"));
    assert_eq!(view["findings"][0]["severity"], "critical");
}

#[tokio::test]
async fn what_is_no_public_key_is_not_registered() {
    let world = world().await;
    let private = r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA","d":"AAAA"}"#;
    for (body, detail) in [
        (json!({ "name": "A" }), "no key and no root"),
        (json!({ "name": "A/B", "keys": [text("es256.jwk")] }), "can't be an auditor's name"),
        (json!({ "name": "A", "keys": ["no"] }), "can't be read"),
        (json!({ "name": "A", "keys": [private] }), "can't be used"),
        (json!({ "name": "A", "roots": "no" }), "no certificate"),
    ] {
        let refused = world.post(AUDITORS, &body).await;
        refused.refused(422, detail, "");
    }
    // A set of keys is each of them.
    let set = format!("{{\"keys\":[{},{}]}}", text("es256.jwk"), text("rs256.jwk"));
    let added = world.post(AUDITORS, &json!({ "name": "A", "keys": [set] })).await;
    assert_eq!(added.expect(StatusCode::CREATED)["added"], 2);
    world.delete("/v1/auditors/nobody").await.refused(404, "no auditor `nobody`", "");
}
