//! kill -9 under load: what was acknowledged is there, and the severed stay severed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Installation, Machine, Operator, PATIENCE, route, upstream, vendor};

const ROUNDS: u64 = 20;

/// What control has answered with success.
#[derive(Default)]
struct Acknowledged {
    vendors: Mutex<BTreeSet<String>>,
    severed: Mutex<BTreeSet<String>>,
    /// Sent, and maybe done although no answer came.
    asked_to_sever: Mutex<BTreeSet<String>>,
    count: AtomicU64,
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9_at_twenty_random_moments() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let mut random = Random::new();
    let known = Arc::new(Acknowledged::default());
    let mut installation = Installation::start(&directory);
    installation.operator().must_apply(&route(upstream().await)).await;
    // One vendor whose machine runs all the time, and is severed half way.
    let machine = Arc::new(Machine::new(&installation, "loaded-machine"));
    let manifests = format!("{}---\n{}", vendor("loaded", "2099-12-31"), machine.manifest("loaded-read"));
    installation.operator().must_apply(&manifests).await;

    for round in 0..ROUNDS {
        if round == ROUNDS / 2 {
            sever(&installation.operator(), &known, "loaded").await;
        }
        let load = load(&installation, &machine, &known, round);
        let target = known.count.load(Ordering::SeqCst) + 1 + random.below(25);
        let moment = Instant::now() + Duration::from_micros(random.below(200_000));
        let deadline = Instant::now() + PATIENCE;
        while known.count.load(Ordering::SeqCst) < target || Instant::now() < moment {
            assert!(Instant::now() < deadline, "round {round}: no progress under load");
            tokio::task::yield_now().await;
        }
        installation.kill();
        for task in load {
            task.abort();
        }
        installation = Installation::start(&directory);
        check(&installation, &machine, &known, round).await;
    }
    let (status, report) = installation.operator().post("/v1/ledger/verify", json!({})).await.unwrap();
    assert_eq!(status, 200, "{report}");
    assert_eq!(report["good"], true, "{report}");
    eprintln!(
        "{ROUNDS} kills: {} acknowledged vendors and {} severances, none lost",
        known.vendors.lock().unwrap().len(),
        known.severed.lock().unwrap().len(),
    );
}

/// SplitMix64 (Steele, Lea, Flood 2014); the seed is printed, so that a failing run can be told of.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let seed = jiff::Timestamp::now().as_nanosecond() as u64;
        eprintln!("seed {seed}");
        Self(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Requests, declarations and severances, all at the same time, until it is killed.
fn load(
    installation: &Installation,
    machine: &Arc<Machine>,
    known: &Arc<Acknowledged>,
    round: u64,
) -> Vec<tokio::task::JoinHandle<()>> {
    let mut tasks = Vec::new();
    for writer in 0..4 {
        let (operator, known) = (installation.operator(), Arc::clone(known));
        tasks.push(tokio::spawn(async move {
            for number in 0.. {
                let name = format!("v{round}-{writer}-{number}");
                let text = format!("kind: Vendor\nname: {name}\nspec: {{ legal_name: {name} }}\n");
                let Ok((200, _)) = operator.apply(&text).await else { return };
                known.vendors.lock().unwrap().insert(name.clone());
                known.count.fetch_add(1, Ordering::SeqCst);
                if number % 5 == 4 {
                    sever(&operator, &known, &name).await;
                }
            }
        }));
    }
    for _ in 0..2 {
        let machine = Arc::clone(machine);
        tasks.push(tokio::spawn(async move {
            let Ok((200, answer)) = machine.token().await else { return };
            let token = answer["access_token"].as_str().unwrap_or_default().to_owned();
            while let Ok(response) = machine.get("/records?records=50", &token).await {
                let _ = response.bytes().await;
            }
        }));
    }
    tasks
}

async fn sever(operator: &Operator, known: &Acknowledged, vendor: &str) {
    known.asked_to_sever.lock().unwrap().insert(vendor.to_owned());
    let body = json!({ "target": format!("vendor/{vendor}"), "reason": "drill" });
    if let Ok((200, receipt)) = operator.post("/v1/sever", body).await
        && receipt["answer"] == "severed"
    {
        known.severed.lock().unwrap().insert(vendor.to_owned());
        known.count.fetch_add(1, Ordering::SeqCst);
    }
}

async fn check(installation: &Installation, machine: &Machine, known: &Acknowledged, round: u64) {
    let operator = installation.operator();
    let mut found = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let (status, page) = operator.get(&format!("/v1/resources/Vendor?limit=500{cursor}")).await;
        assert_eq!(status, 200, "{page}");
        let items = page["items"].as_array().unwrap();
        found.extend(items.iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    for vendor in known.vendors.lock().unwrap().iter() {
        assert!(found.contains(vendor), "round {round}: acknowledged vendor `{vendor}` is lost");
    }
    let (status, severances) = operator.get("/v1/severances").await;
    assert_eq!(status, 200, "{severances}");
    let text = severances.to_string();
    for vendor in known.severed.lock().unwrap().iter() {
        assert!(text.contains(&format!("\"vendor/{vendor}\"")), "round {round}: `{vendor}` is open again");
    }
    let severed = known.asked_to_sever.lock().unwrap().contains("loaded");
    let (status, answer) = machine.token().await.unwrap();
    assert_eq!(status == 200, !severed, "round {round}: {status} {answer}");
}
