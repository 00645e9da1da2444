//! kill -9 under load: what was acknowledged is there, and the severed stay severed.

use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portcullis_decision_log::Reader;
use portcullis_domain::decision::DecisionId;
use serde_json::json;

use crate::support::{Installation, Machine, Operator, PATIENCE, route, upstream, vendor};

/// How many kills; without it there are 20.
const ROUNDS: &str = "PORTCULLIS_CRASH_ROUNDS";
/// Answered in each round before its end may come.
const DECISIONS_MIN: usize = 20;

/// What control has answered with success.
#[derive(Default)]
struct Acknowledged {
    vendors: Mutex<BTreeSet<String>>,
    severed: Mutex<BTreeSet<String>>,
    /// Sent, and maybe done although no answer came.
    asked_to_sever: Mutex<BTreeSet<String>>,
    count: AtomicU64,
    /// Decisions whose answers came, since the last start and of all time.
    decisions: Mutex<Vec<DecisionId>>,
    decisions_before: Mutex<Vec<DecisionId>>,
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9_at_random_moments() {
    let rounds = std::env::var(ROUNDS).map_or(20, |rounds| rounds.parse().expect("a number of rounds"));
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let mut random = Random::new();
    let known = Arc::new(Acknowledged::default());
    let started = Instant::now();
    let mut installation = Installation::start(&directory);
    installation.operator().must_apply(&route(upstream().await)).await;
    // One vendor whose machine runs all the time and one that is severed half way.
    let machine = Arc::new(Machine::new(&installation, "loaded-machine"));
    let severed = Arc::new(Machine::new(&installation, "severed-machine"));
    for (name, machine) in [("loaded", &machine), ("severed", &severed)] {
        let manifests =
            format!("{}---\n{}", vendor(name, "2099-12-31"), machine.manifest(&format!("{name}-read")));
        installation.operator().must_apply(&manifests).await;
    }
    for round in 0..rounds {
        if round == rounds / 2 {
            sever(&installation.operator(), &known, "severed").await;
        }
        let load = load(&installation, [&machine, &severed], &known, round);
        let target = known.count.load(Ordering::SeqCst) + 1 + random.below(25);
        let moment = Instant::now() + Duration::from_micros(random.below(200_000));
        let deadline = Instant::now() + PATIENCE;
        let mut look = tokio::time::interval(Duration::from_millis(1));
        while known.count.load(Ordering::SeqCst) < target
            || known.decisions.lock().unwrap().len() < DECISIONS_MIN
            || Instant::now() < moment
        {
            assert!(Instant::now() < deadline, "round {round}: no progress under load");
            look.tick().await;
        }
        installation.kill();
        for task in load {
            task.abort();
        }
        installation = Installation::start(&directory);
        check(&installation, [&machine, &severed], &known, round).await;
    }
    let (status, report) = installation.operator().post("/v1/ledger/verify", json!({})).await.unwrap();
    assert_eq!(status, 200, "{report}");
    assert_eq!(report["good"], true, "{report}");
    let decisions = known.decisions_before.lock().unwrap();
    assert_recorded(&directory, &decisions, "at the end");
    eprintln!(
        "{rounds} kills in {:.0} s: {} acknowledged vendors, {} severances and {} decisions, none lost; {} events verify",
        started.elapsed().as_secs_f32(),
        known.vendors.lock().unwrap().len(),
        known.severed.lock().unwrap().len(),
        decisions.len(),
        report["events_checked"],
    );
}

/// The first start founds the ledger, makes keys and certificates, and the first operator: killed anywhere in
/// it, the next one takes it up. An answer comes only from a start that got to its end.
#[tokio::test]
async fn a_first_start_that_is_killed_anywhere_is_taken_up_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::new();
    for round in 0..5 {
        let directory = folder.path().join(format!("data-{round}"));
        for _ in 0..3 {
            Installation::kill_while_it_starts(&directory, Duration::from_micros(random.below(400_000)));
        }
        let installation = Installation::start(&directory);
        let (status, report) = installation.operator().post("/v1/ledger/verify", json!({})).await.unwrap();
        assert_eq!((status, &report["good"]), (200, &json!(true)), "{report}");
        installation.operator().must_apply("kind: Vendor\nname: first\nspec: { legal_name: First }\n").await;
    }
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
    machines: [&Arc<Machine>; 2],
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
    for machine in machines.into_iter().chain(machines) {
        let (machine, known) = (Arc::clone(machine), Arc::clone(known));
        tasks.push(tokio::spawn(async move {
            let Ok((200, answer)) = machine.token().await else { return };
            let token = answer["access_token"].as_str().unwrap_or_default().to_owned();
            while let Ok(response) = machine.get("/records?records=50", &token).await {
                // The head is enough: the decision was recorded before the request went upstream.
                let id = response.headers()["portcullis-decision"].to_str().unwrap().parse().unwrap();
                known.decisions.lock().unwrap().push(id);
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

/// Each of these decisions is in the decision log.
fn assert_recorded(directory: &Path, decisions: &[DecisionId], when: &str) {
    let Some(first) = decisions.iter().map(|id| id.0).min() else { return };
    let since_ms = u64::from_be_bytes([0, 0, first[0], first[1], first[2], first[3], first[4], first[5]]);
    let mut found = HashSet::new();
    let damage = Reader::new(directory.join("decisions")).scan(since_ms, u64::MAX, &mut |frame| {
        found.insert(frame.id);
        ControlFlow::Continue(())
    });
    assert_eq!(damage.unwrap(), [], "{when}");
    for id in decisions {
        assert!(found.contains(&id.0), "{when}: decision `{id}` is lost, one of {}", decisions.len());
    }
}

async fn check(installation: &Installation, machines: [&Arc<Machine>; 2], known: &Acknowledged, round: u64) {
    let decisions = std::mem::take(&mut *known.decisions.lock().unwrap());
    assert!(!decisions.is_empty(), "round {round}: nothing was decided");
    assert_recorded(&installation.directory, &decisions, &format!("round {round}"));
    known.decisions_before.lock().unwrap().extend(decisions);
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
    for (name, machine) in ["loaded", "severed"].into_iter().zip(machines) {
        let severed = known.asked_to_sever.lock().unwrap().contains(name);
        let (status, answer) = machine.token().await.unwrap();
        assert_eq!(status == 200, !severed, "round {round}: {name} {status} {answer}");
    }
}
