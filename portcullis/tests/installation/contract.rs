//! A contract that ends while a download runs: with nobody doing anything.

use std::time::{Duration, Instant};

use crate::support::{Installation, Machine, route, upstream, vendor};

#[tokio::test]
async fn a_contract_that_ends_in_five_real_seconds_cuts_a_download() {
    let folder = tempfile::tempdir().unwrap();
    let installation = Installation::start(&folder.path().join("data"));
    let operator = installation.operator();
    let machine = Machine::new(&installation, "late-machine");
    let bystander = Machine::new(&installation, "calm-machine");
    let ends = jiff::Timestamp::now() + Duration::from_secs(5);
    let manifests = [
        route(upstream().await),
        vendor("late", &ends.to_string()),
        vendor("calm", "2099-12-31"),
        format!("---\n{}\n---\n{}", machine.manifest("late-read"), bystander.manifest("calm-read")),
    ];
    operator.must_apply(&manifests.concat()).await;
    let token = machine.must_token().await;
    let calm_token = bystander.must_token().await;
    let mut download = machine.get("/records?records=100000&pace=10", &token).await.unwrap();
    assert_eq!(download.status(), 200);
    let mut calm = bystander.get("/records?records=600&pace=10", &calm_token).await.unwrap();

    let cut_after = loop {
        match download.chunk().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the download came to a regular end"),
            Err(_) => break jiff::Timestamp::now().duration_since(ends),
        }
    };
    assert!(cut_after >= jiff::SignedDuration::ZERO, "cut before its end, by {cut_after}");
    assert!(cut_after < jiff::SignedDuration::from_millis(500), "cut {cut_after} after the end");

    // The token lived as long as the contract and no longer, and a new one isn't given.
    let refused = machine.get("/records", &token).await.unwrap();
    assert_eq!(refused.status(), 401);
    let problem: serde_json::Value = refused.json().await.unwrap();
    assert_eq!(problem["reasons"][0], "token_expired");
    let (status, answer) = machine.token().await.unwrap();
    assert_eq!(status, 400, "{answer}");
    assert_eq!(answer["reasons"][0], "contract_not_in_force", "{answer}");

    // Another vendor's download goes on to its end.
    let started = Instant::now();
    while calm.chunk().await.expect("the other vendor is not disturbed").is_some() {
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}
