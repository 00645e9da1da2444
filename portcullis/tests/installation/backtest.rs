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
