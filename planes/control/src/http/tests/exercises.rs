//! Exercises on paper, by the API: graded by the server, and kept in the ledger.

use axum::http::StatusCode;
use portcullis_exercise::shipped::SCENARIOS;
use serde_json::{Value, json};

use super::world::*;

async fn applied() -> World {
    let world = World::new().await;
    let manifests: Vec<Value> = SCENARIOS
        .into_iter()
        .map(|(name, text)| json!({ "file": format!("{name}.yaml"), "text": text }))
        .collect();
    let answer = world.post("/v1/apply", &json!({ "manifests": manifests })).await;
    assert_eq!(answer.expect(StatusCode::OK)["changes"].as_array().unwrap().len(), SCENARIOS.len());
    world
}

#[tokio::test]
async fn every_shipped_scenario_is_taken_as_it_is_and_listed() {
    let world = applied().await;
    let listed = world.get("/v1/exercises").await.body;
    let live: Vec<_> = listed.as_array().unwrap().iter().map(|line| (&line["name"], &line["live"])).collect();
    let expect = [
        (json!("control-lost"), json!(true)),
        (json!("fourth-party"), json!(false)),
        (json!("malicious-update"), json!(true)),
        (json!("stolen-token"), json!(true)),
        (json!("sunday-notice"), json!(true)),
        (json!("wrong-command"), json!(true)),
    ];
    assert_eq!(live, expect.iter().map(|(name, live)| (name, live)).collect::<Vec<_>>());
    assert!(listed.as_array().unwrap().iter().all(|line| line["paper"] == true && line["runs"] == 0));
}

#[tokio::test]
async fn a_walk_is_graded_by_the_server_and_kept() {
    let world = applied().await;
    let answers = json!([
        { "at": "4m", "who": "on-call", "did": "Nothing was severed: it is a typo" },
        { "at": "12m", "who": "on-call", "did": "Signing out ends only tokens; it gets new ones" },
        { "at": "13m", "who": "on-call", "did": "portcullis sever vendor/acme --reason theft" },
        { "at": "14m", "who": "on-call", "did": "We do not restore, however the vendor asks" },
        { "at": "17m", "who": "security-lead", "did": "Look at the silent gate in the receipt" },
        { "at": "20m", "who": "on-call", "did": "Note in the timeline of the incident what was typed" },
    ]);
    let began = "2026-11-01T02:00:00Z";
    let body = json!({ "started_at": began, "answers": answers });
    let answer = world.post("/v1/exercises/wrong-command/paper", &body).await;
    let run = answer.expect(StatusCode::CREATED);
    assert_eq!((&run["passed"], &run["by"]), (&json!(true), &json!("admin")), "{run}");
    assert_eq!((&run["started_at"], &run["finished_at"]), (&json!(began), &json!("2026-11-01T02:20:00Z")));
    assert_eq!(run["measures"][2]["took_us"], 60_000_000, "{run}");
    assert_eq!(run["actions"][2]["said"], "portcullis sever vendor/acme --reason theft", "it is revealed");
    let mut others = run["others"].as_array().unwrap().iter();
    assert!(others.all(|other| other.get("wrong").is_none()), "what isn't done costs nothing: {run}");
    let answers = json!([{ "at": "13m", "who": "on-call", "did": "I call several vendors" }]);
    let missed = world.post("/v1/exercises/wrong-command/paper", &json!({ "answers": answers })).await;
    assert_eq!(missed.expect(StatusCode::CREATED)["grade"], "F");
    assert_eq!(missed.body["actions"][2]["outcome"], "missed", "a part of a word is no word");
    let runs = world.get("/v1/exercise-runs?exercise=wrong-command").await.body;
    assert_eq!(runs.as_array().unwrap().len(), 2);
    let listed = world.get("/v1/exercises").await.body;
    let line = listed.as_array().unwrap().iter().find(|line| line["name"] == "wrong-command").unwrap();
    assert_eq!((&line["runs"], &line["last"]["grade"]), (&json!(2), &json!("F")));
}

#[tokio::test]
async fn what_is_no_walk_is_refused_and_nothing_is_kept() {
    let world = applied().await;
    let answer = |who: &str, did: &str| json!({ "answers": [{ "at": "1m", "who": who, "did": did }] });
    for (path, body, status) in [
        ("nothing", answer("on-call", "look"), StatusCode::NOT_FOUND),
        ("stolen-token", answer("cook", "look"), StatusCode::UNPROCESSABLE_ENTITY),
        ("stolen-token", answer("on-call", " "), StatusCode::UNPROCESSABLE_ENTITY),
        (
            "stolen-token",
            json!({ "answers": [{ "at": "1y", "who": "on-call", "did": "x" }] }),
            StatusCode::BAD_REQUEST,
        ),
        ("stolen-token", json!({ "answers": [], "grade": "A" }), StatusCode::BAD_REQUEST),
    ] {
        let answer = world.post(&format!("/v1/exercises/{path}/paper"), &body).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
    }
    assert_eq!(world.get("/v1/exercise-runs").await.body, json!([]));
}
