//! A process that is killed while it appends loses nothing it has acknowledged.
//!
//! This shows what survives the process, not what survives a power loss: for
//! that, SQLite's `synchronous=FULL` and the disk answer.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use portcullis_store::conformance::numbered;
use portcullis_store::{EventStore as _, NewEvent, SqliteStore, StoreError, replay};
use serde_json::json;
use uuid::Uuid;

use crate::world::options;

const ROUNDS: u32 = 10;
const DIRECTORY: &str = "PORTCULLIS_STORE_KILL_DIRECTORY";
const WAITING: usize = 24;

/// Event `number`: every fifth is about somebody new.
fn event(number: u64) -> NewEvent {
    if number.is_multiple_of(5) {
        let who = json!({ "$personal": { "subject": Uuid::from_u128(u128::from(number)), "text": "Anna" } });
        NewEvent { payload: json!({ "number": number, "who": who }), ..numbered(number) }
    } else {
        numbered(number)
    }
}

#[tokio::test]
async fn acknowledged_events_survive_a_kill() {
    let world = tempfile::tempdir().unwrap();
    let mut size = 0;
    for round in 0..ROUNDS {
        let acknowledged = append_until_killed(world.path(), 1 + random() % 300);
        let store = SqliteStore::open(options(world.path())).await.unwrap();
        let head = store.head().await.unwrap();
        assert!(head.size > acknowledged, "round {round}: `{acknowledged}` of `{}` is lost", head.size);
        assert!(head.size > size, "round {round} appended nothing");
        size = head.size;
        let mut next = 0;
        replay::<StoreError>(&store, 0, |stored| {
            assert_eq!((stored.sequence, &stored.payload), (next, &event(next).payload), "round {round}");
            next += 1;
            Ok(())
        })
        .await
        .unwrap();
        assert_eq!(next, size);
        let report = store.verify(&mut |_| {}).await.unwrap();
        assert_eq!((report.fault, report.root), (None, head.root), "round {round}");
        store.close().await;
    }
}

/// Kills the appending process after it has told of `patience` events, and
/// tells the last number that it acknowledged.
fn append_until_killed(directory: &Path, patience: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::appending_process", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .map(Reaped)
        .unwrap();
    let lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let (mut told, mut last) = (0, None);
    for line in lines {
        // The last line may be cut.
        let Some(number) =
            line.unwrap().strip_prefix("appended ").and_then(|rest| rest.strip_suffix('.')?.parse().ok())
        else {
            continue;
        };
        last = Some(number);
        told += 1;
        if told == patience {
            child.0.kill().unwrap();
            // And on reading: what was told before the end counts.
        }
    }
    last.expect("the process acknowledged something")
}

/// Never outlives its test.
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The process that is killed; it would append for ever.
#[tokio::test]
#[ignore = "started and killed by `acknowledged_events_survive_a_kill`"]
async fn appending_process() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let store = SqliteStore::open(options(Path::new(&directory))).await.unwrap();
    let mut next = store.head().await.unwrap().size;
    let mut waiting = VecDeque::new();
    let store = std::sync::Arc::new(store);
    loop {
        while waiting.len() < WAITING {
            let (store, number) = (std::sync::Arc::clone(&store), next);
            waiting.push_back(tokio::spawn(async move { store.append(number, vec![event(number)]).await }));
            next += 1;
        }
        let committed = waiting.pop_front().unwrap().await.unwrap().unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nappended {}.", committed.first).unwrap();
        out.flush().unwrap();
    }
}
