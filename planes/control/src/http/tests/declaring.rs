use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::json;

use super::world::*;

#[tokio::test]
async fn applying_is_idempotent_and_tells_what_changes() {
    let world = World::new().await;
    let dry = world.post("/v1/apply", &manifests(&acme(), true)).await;
    assert_eq!(dry.expect(StatusCode::OK)["changes"].as_array().unwrap().len(), 5);
    assert_eq!(dry.body["dry_run"], true);
    let diff = world.post("/v1/diff", &manifests(&acme(), false)).await;
    assert_eq!(diff.expect(StatusCode::OK)["changes"], dry.body["changes"]);
    assert_eq!(world.get("/v1/resources/vendors").await.body["items"], json!([]));

    let first = world.apply(&acme()).await;
    let actions = |answer: &Answer| -> Vec<String> {
        let changes = answer.body["changes"].as_array().cloned().unwrap_or_default();
        changes.iter().map(|change| change["action"].as_str().unwrap().to_owned()).collect()
    };
    first.expect(StatusCode::OK);
    assert_eq!(actions(&first), ["created"; 5]);
    assert_eq!(first.body.get("gates_behind"), None, "{}", first.text);
    let again = world.apply(&acme()).await;
    assert_eq!(actions(&again), ["unchanged"; 5]);
    assert_eq!(again.body["ledger_size"], first.body["ledger_size"]);
    let other = world.apply(&acme().replace("burst: 100", "burst: 101")).await;
    assert_eq!(actions(&other), ["unchanged", "unchanged", "unchanged", "unchanged", "changed"]);
    assert!(other.body["changes"][4]["diff"].as_str().unwrap().contains("101"), "{}", other.text);
}

#[tokio::test]
async fn a_fault_is_shown_where_it_stands() {
    let world = World::new().await;
    let unreadable = world.apply("kind: Vendor\nname: a\nspec: {lgal_name: x}\n").await;
    unreadable.refused(400, "acme.yaml:3:8: unknown field `lgal_name`", "");
    assert_eq!(unreadable.body["faults"][0]["hint"], "did you mean `legal_name`?");
    assert_eq!(unreadable.faults(), ["3:8 - unknown field `lgal_name`"]);

    let text = acme().replace("routes: [acme-read]", "routes:\n    - acme-read\n    - other");
    let line = text.lines().position(|line| line == "    - other").unwrap() + 1;
    let refused = world.apply(&text).await;
    refused.refused(422, &format!("acme.yaml:{line}:7: Integration `acme`: there is no Route `other`"), "");
    assert_eq!(refused.faults(), [format!("{line}:7 /spec/routes/1 there is no Route `other`")]);

    // Of two declarations of one name, the second is pointed at.
    let twice = "kind: Vendor\nname: a\nspec: {legal_name: x}\n";
    let refused = world.apply(&format!("{twice}---\n{twice}")).await;
    assert_eq!(refused.faults(), ["6:7 /name it is declared twice"]);

    let client = "kind: Client\nname: c\nspec:\n  integration: i\n  jwks:\n    keys:\n      - {kty: EC}\n      - {kty: oct, k: AAAA}\n";
    let refused = world.apply(client).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert_eq!(refused.faults().len(), 1, "{}", refused.text);
    assert!(refused.faults()[0].starts_with("7:9 /spec/jwks/keys/0 key 1 of the set: "), "{}", refused.text);
    assert_eq!(world.control.state().of_kind(portcullis_domain::spec::Kind::Client).count(), 0);
}

#[tokio::test]
async fn resources_come_in_pages_with_their_versions() {
    let world = World::with_integration().await;
    let vendors: String = ["a", "b", "c", "d"]
        .iter()
        .map(|name| format!("---\nkind: Vendor\nname: {name}\nspec: {{legal_name: {name}}}\n"))
        .collect();
    world.apply(&vendors).await.expect(StatusCode::OK);
    let (mut seen, mut path) = (Vec::new(), "/v1/resources/vendor?limit=2".to_owned());
    loop {
        let page = world.get(&path).await;
        let items = page.expect(StatusCode::OK)["items"].as_array().unwrap().clone();
        seen.extend(items.iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        let Some(next) = page.body["next"].as_str() else { break };
        assert_eq!(items.len(), 2);
        path = format!("/v1/resources/vendor?limit=2&cursor={next}");
    }
    assert_eq!(seen, ["a", "acme", "b", "c", "d"]);

    let one = world.get("/v1/resources/contract/acme-contract").await;
    assert_eq!(one.body["status"]["term"]["ends"], "2028-01-15T00:00:00Z", "{}", one.text);
    let tag = one.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(tag, format!("\"{}\"", one.body["version"]));
    let with = |method: &str, name: &str, value: &str| {
        Request::builder()
            .method(method)
            .uri("/v1/resources/integration/acme")
            .header("authorization", format!("Bearer {ADMIN}"))
            .header(name, value)
            .body(Body::empty())
            .unwrap()
    };
    let tag = world.get("/v1/resources/integration/acme").await.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(world.send(with("GET", "if-none-match", &tag)).await.status, 304);
    assert_eq!(world.send(with("GET", "if-none-match", "\"1\"")).await.status, 200);
    world.send(with("DELETE", "if-match", "\"1\"")).await.refused(412, "has version", "look at it again");
    world.delete("/v1/resources/vendor/acme").await.refused(
        409,
        "still used by Contract",
        "delete those first",
    );
    world.delete("/v1/resources/vendor/none").await.refused(404, "there is no Vendor `none`", "");
    let dry = world.delete("/v1/resources/integration/acme?dry_run=true").await;
    assert_eq!(dry.expect(StatusCode::OK)["changes"][0]["action"], "deleted");
    assert_eq!(world.send(with("DELETE", "if-match", &format!("\"0\", {tag}"))).await.status, 200);
    world.get("/v1/resources/integration/acme").await.refused(404, "there is no Integration", "");
}

#[tokio::test]
async fn a_command_under_one_key_is_carried_out_once() {
    let world = World::new().await;
    let add = |key: &str, name: &str| {
        let mut add = request("POST", "/v1/operators", ADMIN, Some(&json!({ "name": name })));
        add.headers_mut().insert("idempotency-key", key.parse().unwrap());
        add
    };
    let first = world.send(add("k1", "jo")).await;
    let token = first.expect(StatusCode::CREATED)["token"].clone();
    let again = world.send(add("k1", "jo")).await;
    assert_eq!(again.expect(StatusCode::CREATED)["token"], token);
    assert_eq!(again.headers["content-type"], "application/json");
    world.send(add("k1", "ann")).await.refused(422, "was used for another request", "a new key");
    world.send(add("k2", "jo")).await.refused(409, "`jo` is already an operator", "another name");
    // A refusal is not kept: nothing was done under the key.
    world.delete("/v1/operators/jo").await.expect(StatusCode::OK);
    assert_ne!(world.send(add("k2", "jo")).await.expect(StatusCode::CREATED)["token"], token);
    world.send(add("a b", "x")).await.refused(400, "`Idempotency-Key` can't be read", "visible");
    world.send(add(&"x".repeat(256), "x")).await.refused(400, "`Idempotency-Key` can't be read", "visible");
    // After a day the key is free again.
    world.seconds.fetch_add(24 * 3_600, std::sync::atomic::Ordering::Relaxed);
    world.send(add("k1", "ann")).await.expect(StatusCode::CREATED);
}
