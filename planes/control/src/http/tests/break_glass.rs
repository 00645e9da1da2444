use std::sync::atomic::Ordering;

use axum::http::StatusCode;
use serde_json::json;

use super::world::*;

#[tokio::test]
async fn a_sealed_credential_severs_and_looks_and_does_nothing_else() {
    let world = World::with_integration().await;
    let sealed = world.post("/v1/break-glass", &json!({ "name": "safe" })).await;
    let token = sealed.expect(StatusCode::CREATED)["token"].as_str().unwrap().to_owned();
    world.post("/v1/break-glass", &json!({ "name": "safe" })).await.refused(
        409,
        "is there already",
        "remove",
    );
    world.post("/v1/break-glass", &json!({ "name": "a/b" })).await.refused(
        422,
        "can't be the name",
        "without",
    );
    let forbidden = [
        ("POST", "/v1/operators", json!({ "name": "eve" })),
        ("POST", "/v1/break-glass", json!({ "name": "eve" })),
        ("POST", "/v1/restore", json!({ "target": "vendor/acme" })),
        ("POST", "/v1/apply", manifests(&acme(), true)),
        ("DELETE", "/v1/operators/admin", json!(null)),
    ];
    let sever = json!({ "target": "vendor/acme", "reason": "nobody else is awake" });
    let ask = |method: &str, path: &str, body| world.send(request(method, path, &token, body));
    for (method, path, body) in &forbidden {
        ask(method, path, Some(body)).await.refused(403, "severs", "sign in");
    }
    // Nothing of that has broken the seal.
    assert_eq!(world.get("/v1/break-glass").await.body[0]["opened_at"], json!(null));

    let receipt = ask("POST", "/v1/sever", Some(&sever)).await;
    assert_eq!(receipt.expect(StatusCode::OK)["by"], "break-glass `safe`");
    ask("GET", "/v1/severances", None).await.expect(StatusCode::OK);
    let known = world.get("/v1/break-glass").await;
    assert_eq!((&known.body[0]["good"], &known.body[0]["sealed_by"]), (&json!(true), &json!("admin")));
    assert!(known.body[0]["opened_at"].is_string());
    let findings = world.get("/v1/findings").await;
    assert!(findings.text.contains("break_glass_opened"), "{}", findings.text);
    // A day later it is worth nothing, and removed it is nothing.
    world.seconds.fetch_add(24 * 3_600, Ordering::Relaxed);
    ask("GET", "/v1/severances", None).await.refused(401, "more than a day ago", "");
    world.delete("/v1/break-glass/safe").await.expect(StatusCode::OK);
    ask("GET", "/v1/severances", None).await.refused(401, "not known", "");
}
