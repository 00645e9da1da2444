//! The decision log of a real gate, decided again.

use crate::support::{Installation, Machine, must, portcullis, route, upstream, vendor};

#[tokio::test]
async fn the_gates_own_log_comes_out_to_the_bit_and_flips_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let installation = Installation::start(&directory);
    let operator = installation.operator();
    let machine = Machine::new(&installation, "acme-machine");
    let manifests = [
        route(upstream().await),
        vendor("acme", "2099-12-31"),
        format!("---\n{}", machine.manifest("acme-read")),
    ];
    operator.must_apply(&manifests.concat()).await;
    let token = machine.must_token().await;
    for number in 0..30 {
        let answer = machine.get(&format!("/records?records={}", number % 7), &token).await.unwrap();
        let status = answer.status();
        assert!(status == 200 || status == 401, "{status}");
        answer.bytes().await.unwrap();
    }

    let report = must(&directory, &["backtest", "--since", "1h"]);
    let (decisions, ends) = (report["decisions"].as_u64().unwrap(), report["ends"].as_u64().unwrap());
    assert!(decisions >= 30, "{report:#}");
    assert!(ends >= 20, "{report:#}");
    assert_eq!(report["differences"], serde_json::json!([]), "{report:#}");
    assert_eq!(report["gaps"], serde_json::json!([]), "{report:#}");
    assert_eq!(report["same"].as_u64().unwrap(), decisions + ends);

    // What is sealed and what is in segments are one log.
    must(&directory, &["decisions", "seal"]);
    machine.get("/records?records=3", &token).await.unwrap().bytes().await.unwrap();
    let later = must(&directory, &["backtest", "--since", "1h", "--client", "acme-machine"]);
    assert!(later["decisions"].as_u64().unwrap() > decisions, "{later:#}");
    assert_eq!(later["differences"], serde_json::json!([]), "{later:#}");

    let policy = folder.path().join("policy.yaml");
    let write = |text: &str| std::fs::write(&policy, text).unwrap();
    let path = policy.to_str().unwrap();
    write("kind: Policy\nname: all\nspec: { mode: enforce, money: { lateral: 1000000 } }\n");
    let tried = must(&directory, &["backtest", "--since", "1h", "-f", path]);
    assert_eq!(tried["differences"], serde_json::json!([]), "{tried:#}");
    let flips = &tried["flips"];
    assert_eq!(
        flips["total"].as_u64().unwrap(),
        flips["items"].as_array().unwrap().len() as u64,
        "{tried:#}"
    );

    // With everything off nothing would have been asked.
    write("kind: Policy\nname: all\nspec: { mode: off }\n");
    let off = must(&directory, &["backtest", "--since", "1h", "-f", path]);
    let items = off["flips"]["items"].as_array().unwrap();
    assert!(items.iter().all(|flip| flip["to"] == "allow"), "{off:#}");

    write("kind: Policy\nname: all\nspec: { vendors: [nobody] }\n");
    let (status, said) = portcullis(&directory, &["backtest", "-f", path]);
    assert_eq!(status, Some(1));
    assert!(said.contains("`nobody`"), "{said}");
}

/// What belongs to no decision is recorded beside: an analyst's word, a question that was asked ahead, a start with older states.
#[tokio::test]
async fn words_restarts_and_a_crash_leave_no_gap_and_no_other_bit() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let mut installation = Installation::start(&directory);
    let mut machine = Machine::new(&installation, "acme-machine");
    let manifests = [
        route(upstream().await),
        vendor("acme", "2099-12-31"),
        format!("---\n{}", machine.manifest("acme-read")),
    ];
    installation.operator().must_apply(&manifests.concat()).await;
    let mut number = 0;
    for round in 0..3 {
        let token = machine.must_token().await;
        for _ in 0..15 {
            number += 1;
            let answer = machine.get(&format!("/records?records={}", number % 7), &token).await.unwrap();
            answer.bytes().await.unwrap();
        }
        if round == 0 {
            let listed = must(&directory, &["decisions", "--limit", "1"]);
            let id = listed["items"][0]["id"].as_str().unwrap_or_else(|| panic!("{listed:#}")).to_owned();
            must(&directory, &["decisions", "verdict", &id, "malicious", "--reason", "a test"]);
            let calls = directory.join("gate-risk/calls");
            let judged = || {
                let files = std::fs::read_dir(&calls).into_iter().flatten().flatten();
                files
                    .filter_map(|file| std::fs::read_to_string(file.path()).ok())
                    .any(|text| text.contains("judged"))
            };
            let begun = std::time::Instant::now();
            while !judged() {
                assert!(begun.elapsed().as_secs() < 60, "the word is in no record");
                std::thread::park_timeout(std::time::Duration::from_millis(5));
            }
        }
        // The first time in good order, the second time not: states are older then than the last decisions.
        if round == 0 {
            installation.signal("TERM");
            installation.ended();
        } else if round == 1 {
            installation.kill();
        } else {
            break;
        }
        installation = Installation::start(&directory);
        machine = machine.again(&installation);
    }
    let report = must(&directory, &["backtest", "--since", "1h"]);
    assert_eq!(report["differences"], serde_json::json!([]), "{report:#}");
    assert_eq!(report["gaps"], serde_json::json!([]), "{report:#}");
    let (decisions, ends) = (report["decisions"].as_u64().unwrap(), report["ends"].as_u64().unwrap());
    assert_eq!(report["same"].as_u64().unwrap(), decisions + ends);
    assert!(decisions >= 45, "{report:#}");

    // Without its records it would be another log.
    std::fs::remove_dir_all(directory.join("gate-risk/calls")).unwrap();
    let (_, said) = portcullis(&directory, &["backtest", "--since", "1h", "-o", "json"]);
    let without: serde_json::Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
    assert!(
        without["gaps"] != serde_json::json!([]) || without["differences"] != serde_json::json!([]),
        "{without:#}"
    );
}
