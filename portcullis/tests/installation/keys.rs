//! Keys that change under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Installation, Machine, portcullis, serving};

const MACHINES: u64 = 20;
/// Of each machine: a thousand together.
const PER_SECOND: u64 = 50;

/// Machines that never stop, and what became of their requests.
struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<(u64, Vec<String>)>>,
    done: Arc<AtomicU64>,
    began: Instant,
}

impl Load {
    async fn start(installation: &Installation) -> Self {
        let operator = installation.operator();
        let limits = json!({ "requests": { "per_second": 100_000, "burst": 100_000 }, "concurrency": 1_000,
            "records": { "per_client": 1_000_000, "per_integration": 1_000_000 } });
        let (_, integration) = operator.get("/v1/resources/integration/acme-read").await;
        let mut spec = integration["spec"].clone();
        spec["limits"] = limits;
        let integration = json!({ "kind": "Integration", "name": "acme-read", "spec": spec });
        operator.must_apply(&integration.to_string()).await;
        let vendor = json!({ "kind": "Vendor", "name": "acme",
            "spec": { "legal_name": "acme Ltd", "records_max": 1_000_000 } });
        operator.must_apply(&vendor.to_string()).await;
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = Vec::new();
        for number in 0..MACHINES {
            let machine = Machine::new(installation, &format!("machine-{number}"));
            operator.must_apply(&machine.manifest("acme-read")).await;
            let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
            tasks.push(tokio::spawn(async move { work(machine, &stop, &done).await }));
        }
        Self { stop, tasks, done, began: Instant::now() }
    }

    /// Until so many requests more were answered.
    async fn go_on_for(&self, requests: u64) {
        let goal = self.done.load(Ordering::Relaxed) + requests;
        let mut look = tokio::time::interval(Duration::from_millis(5));
        let patience = Instant::now() + Duration::from_secs(60);
        while self.done.load(Ordering::Relaxed) < goal {
            look.tick().await;
            assert!(Instant::now() < patience, "the load stands still");
        }
    }

    /// How many were answered, and how many a second.
    async fn end(self) -> (u64, f64) {
        self.stop.store(true, Ordering::Relaxed);
        let (mut answered, mut failures) = (0, Vec::new());
        let seconds = self.began.elapsed().as_secs_f64();
        for task in self.tasks {
            let (own, failed) = task.await.unwrap();
            answered += own;
            failures.extend(failed);
        }
        assert!(
            failures.is_empty(),
            "{} of {answered} failed: {:?}",
            failures.len(),
            &failures[..failures.len().min(5)]
        );
        (answered, answered as f64 / seconds)
    }
}

async fn work(machine: Machine, stop: &AtomicBool, done: &AtomicU64) -> (u64, Vec<String>) {
    let (mut answered, mut failures) = (0, Vec::new());
    let mut pace = tokio::time::interval(Duration::from_micros(1_000_000 / PER_SECOND));
    let mut token = machine.must_token().await;
    while !stop.load(Ordering::Relaxed) {
        pace.tick().await;
        if answered % 25 == 24 {
            token = machine.must_token().await;
        }
        match machine.get("/records?records=1", &token).await {
            Ok(response) if response.status() == 200 => match response.bytes().await {
                Ok(_) => {}
                Err(error) => failures.push(format!("{error:?}")),
            },
            Ok(response) => failures.push(format!("{}: {:?}", response.status(), response.text().await)),
            Err(error) => failures.push(format!("{error:?}")),
        }
        answered += 1;
        done.fetch_add(1, Ordering::Relaxed);
    }
    (answered, failures)
}

#[tokio::test]
async fn signing_keys_rotate_under_load_and_no_request_fails() {
    let (_folder, installation) = serving().await;
    let load = Load::start(&installation).await;
    let operator = installation.operator();
    load.go_on_for(500).await;
    const ROTATIONS: usize = 8;
    for _ in 0..ROTATIONS {
        let (status, answer) = operator.post("/v1/keys/rotate", json!({ "now": true })).await.unwrap();
        assert_eq!((status, &answer["key"]["stage"]), (200, &json!("active")), "{answer}");
        load.go_on_for(250).await;
    }
    let (answered, per_second) = load.end().await;
    let (_, keys) = operator.get("/v1/keys").await;
    assert_eq!(keys["signing"].as_array().unwrap().len(), ROTATIONS + 1);
    eprintln!("{ROTATIONS} rotations, {answered} requests at {per_second:.0} a second: 0 failed");
}

#[tokio::test]
async fn a_withdrawn_key_voids_its_tokens_and_clients_get_new_ones() {
    let (_folder, installation) = serving().await;
    let directory = installation.directory.clone();
    let operator = installation.operator();
    let machine = Machine::new(&installation, "machine");
    operator.must_apply(&machine.manifest("acme-read")).await;
    let token = machine.must_token().await;
    assert_eq!(machine.get("/records", &token).await.unwrap().status(), 200);
    let (_, keys) = operator.get("/v1/keys").await;
    let kid = keys["signing"][0]["kid"].as_str().unwrap().to_owned();
    let (code, words) = portcullis(&directory, &["keys", "withdraw", &kid, "--reason", "stolen"]);
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains(&format!("WITHDRAWN {kid}")) && words.contains("refused after"), "{words}");
    let refused = loop {
        // The connection that it came on was reset.
        if let Ok(response) = machine.get("/records", &token).await {
            break response;
        }
    };
    assert_eq!(refused.status(), 401);
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["reasons"][0], "token_revoked", "{problem}");
    let token = machine.must_token().await;
    assert_eq!(machine.get("/records", &token).await.unwrap().status(), 200);
    let (code, words) = portcullis(&directory, &["keys", "list"]);
    assert!(code == Some(0) && words.contains("withdrawn") && words.contains("active"), "{words}");
    let (code, words) = portcullis(&directory, &["keys", "withdraw", &kid, "--reason", "again"]);
    assert!(code == Some(1) && words.contains("is gone since") && words.contains("hint: "), "{words}");
}
