//! Keys and tokens that end, and clients that are enrolled by a code.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_domain::ids::IssuerId;
use portcullis_domain::spec::Kind;
use serde_json::{Value, json};

use super::world::*;

async fn enrolled(world: &World) -> String {
    let body = json!({ "name": "batch", "integration": "acme", "jwks": public_keys() });
    let answer = world.post("/v1/clients", &body).await;
    answer.expect(StatusCode::CREATED)["client"]["status"]["keys"][0]["thumbprint"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn token(world: &World, id: &str) -> String {
    let client = world.control.state().resource(Kind::Client, "batch").unwrap().id;
    let claims = json!({ "jti": id, "exp": START + 120, "portcullis": { "client": client } });
    format!("e30.{}.AA", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

#[tokio::test]
async fn a_link_is_said_once_and_ends_old_keys_when_it_recovers() {
    let world = World::with_integration().await;
    let ask = |body: Value| {
        let world = &world;
        async move { world.post("/v1/enrolments", &body).await }
    };
    let new = ask(json!({ "name": "fresh", "integration": "acme", "expires_seconds": 60 })).await;
    let opened = new.expect(StatusCode::CREATED);
    let link = opened["link"].as_str().unwrap();
    let code = link.strip_prefix("https://gate.example/oauth/enroll#fresh.").unwrap();
    assert_eq!(URL_SAFE_NO_PAD.decode(code).unwrap().len(), 32);
    assert_eq!(opened["recoveries_left"], 3);
    let view = world.get("/v1/clients/fresh/keys").await;
    assert_eq!(view.expect(StatusCode::OK)["enrolment"]["reused"], 0);
    assert!(!view.text.contains(code) && !world.get("/v1/resources/client/fresh").await.text.contains(code));
    ask(json!({ "name": "fresh", "integration": "acme" })).await.refused(409, "enrolled already", "again");
    ask(json!({ "name": "none" })).await.refused(404, "there is no client `none`", "");
    ask(json!({ "name": "x", "integration": "acme", "expires_seconds": 59 })).await.refused(
        400,
        "60 to 604800",
        "",
    );
    ask(json!({ "name": "x", "integration": "none" })).await.refused(422, "no Integration `none`", "");
    ask(json!({ "name": "Upper", "integration": "acme" })).await.refused(422, "`Upper` is not a name", "");

    let key = enrolled(&world).await;
    for left in [2, 1, 0] {
        let again = ask(json!({ "name": "batch" })).await;
        assert_eq!(again.expect(StatusCode::CREATED)["recoveries_left"], left);
    }
    ask(json!({ "name": "batch" })).await.refused(409, "3 further enrolments", "delete it");
    let keys = world.get("/v1/clients/batch/keys").await;
    let shown = &keys.expect(StatusCode::OK)["keys"][0];
    assert_eq!((&shown["thumbprint"], &shown["standing"]), (&json!(key), &json!("left_behind")));
}

#[tokio::test]
async fn keys_are_revoked_with_a_receipt_and_stay_so() {
    let world = World::with_integration().await;
    let key = enrolled(&world).await;
    let path = "/v1/clients/batch/revoke";
    world.post(path, &json!({ "reason": " " })).await.refused(422, "a reason is needed", "");
    world.post(path, &json!({ "reason": "x", "key": "other" })).await.refused(
        409,
        "`other` is not registered",
        "",
    );
    world.post("/v1/clients/none/revoke", &json!({ "reason": "x" })).await.refused(
        404,
        "no client `none`",
        "",
    );
    let answer = world.post(path, &json!({ "reason": "lost", "key": key })).await;
    let receipt = answer.expect(StatusCode::OK);
    assert_eq!((&receipt["answer"], &receipt["keys_refused"]), (&json!("severed"), &json!([key])));
    assert_eq!(receipt["gates"][0]["cores"], 2);
    world.post("/v1/restore", &json!({ "target": format!("key/{key}") })).await.refused(
        409,
        "not severed",
        "",
    );
    let view = world.get("/v1/clients/batch/keys").await;
    assert_eq!(view.body["keys"][0]["standing"], "refused");
    assert_eq!(world.control.snapshot_facts().refused_keys, [key]);
}

#[tokio::test]
async fn tokens_end_one_by_one_and_all_at_once() {
    let world = World::with_integration().await;
    enrolled(&world).await;
    let revoke = |body: Value| {
        let world = &world;
        async move { world.post("/v1/tokens/revoke", &body).await }
    };
    let ended = revoke(json!({ "token": token(&world, "t-1") })).await;
    let ended = ended.expect(StatusCode::OK);
    assert_eq!((&ended["what"], &ended["changed"]), (&json!("token/t-1"), &json!(true)));
    assert_eq!(ended["gates"][0]["cores"], 2);
    assert_eq!(revoke(json!({ "token": token(&world, "t-1") })).await.body["changed"], false);
    assert_eq!(revoke(json!({ "token_id": "t-2", "client": "batch" })).await.body["what"], "token/t-2");
    revoke(json!({ "token": "e30" })).await.refused(400, "no access token of ours", "");
    revoke(json!({ "token_id": "t-2" })).await.refused(400, "its id and the client", "");
    revoke(json!({ "token_id": "t-2", "client": "none" })).await.refused(404, "", "");
    revoke(json!({ "token_id": "x".repeat(300), "client": "batch" })).await.refused(400, "no id", "");
    let revoked = world.control.snapshot_facts().revoked_tokens;
    assert_eq!(revoked, [("t-1".to_owned(), START + 120), ("t-2".to_owned(), START + 600)]);

    // By its own issuer a client has tokens that have another name here, and live longer.
    let issuer = json!({ "kind": "Issuer", "name": "idp", "spec": {
        "vendor": "acme", "issuer": "https://idp.example", "algorithms": ["ES256"],
        "clients": [{ "client": "batch", "claims": { "azp": "batch" } }] } });
    world.apply(&issuer.to_string()).await.expect(StatusCode::OK);
    let elsewhere = IssuerId(world.control.state().resource(Kind::Issuer, "idp").unwrap().id);
    assert_eq!(revoke(json!({ "token_id": "t-3", "client": "batch" })).await.body["changed"], true);
    let again = json!({ "token_id": elsewhere.token("t-3"), "client": "batch" });
    revoke(again).await.expect(StatusCode::OK);
    let revoked = world.control.snapshot_facts().revoked_tokens;
    assert!(revoked.contains(&(elsewhere.token("t-3"), START + 86_460)), "{revoked:?}");
    assert!(revoked.contains(&("t-3".to_owned(), START + 600)), "{revoked:?}");

    let out = |target: &str| json!({ "target": target, "reason": "leak" });
    let signed = world.post("/v1/sign-out", &out("client/batch")).await;
    assert_eq!(signed.expect(StatusCode::OK)["epoch"], 2);
    world.post("/v1/sign-out", &out("key/x")).await.refused(404, "there is no key `x`", "");
    world.post("/v1/sign-out", &out("client/none")).await.refused(404, "", "");
    world.post("/v1/sign-out", &out("batch")).await.refused(400, "is not a target", "");
}

#[tokio::test]
async fn global_token_revocation_speaks_the_draft() {
    let world = World::with_integration().await;
    enrolled(&world).await;
    let ask = |sub_id: Value| {
        let body = json!({ "sub_id": sub_id });
        let world = &world;
        async move { world.post("/v1/global-token-revocation", &body).await }
    };
    let epoch = || {
        let state = world.control.state();
        state.epoch(state.resource(Kind::Client, "batch").unwrap().id)
    };
    let done = ask(json!({ "format": "opaque", "id": "client/batch" })).await;
    assert_eq!((done.status, done.text.as_str(), epoch()), (204, "", 2));
    let by_issuer = json!({ "format": "iss_sub", "iss": "https://gate.example", "sub": "batch" });
    assert_eq!((ask(by_issuer).await.status, epoch()), (204, 3));
    let vendor = world.control.state().of_kind(Kind::Vendor).next().unwrap().0.to_owned();
    assert_eq!(ask(json!({ "format": "opaque", "id": format!("vendor/{vendor}") })).await.status, 204);
    for (sub_id, status) in [
        (json!({ "format": "opaque", "id": "client/none" }), 404),
        (json!({ "format": "iss_sub", "iss": "https://other.example", "sub": "batch" }), 404),
        (json!({ "format": "iss_sub", "iss": "https://gate.example", "sub": "none" }), 404),
        (json!({ "format": "email", "email": "ann@acme.example" }), 400),
        (json!({ "format": "opaque", "id": "batch" }), 400),
        (json!("batch"), 400),
        (json!({}), 400),
    ] {
        assert_eq!(ask(sub_id.clone()).await.status, status, "{sub_id}");
    }
    world.post("/v1/sever", &json!({ "target": "client/batch", "reason": "x" })).await.expect(StatusCode::OK);
    assert_eq!(ask(json!({ "format": "opaque", "id": "client/batch" })).await.status, 204, "it has none");
}
