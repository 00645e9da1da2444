//! The SQLite store against the suite, and what is SQLite's own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod disk_full;
mod failing_disk;
mod kill;
mod world;

use std::collections::HashMap;
use std::fs;

use portcullis_ledger::note::NoteSigner;
use portcullis_store::conformance::{self, Opened, Tamper, World, numbered};
use portcullis_store::event_store::FaultKind;
use portcullis_store::{NewEvent, SqliteOptions, SqliteStore, StoreError, verify_file};
use serde_json::json;
use uuid::Uuid;
use world::{ORIGIN, SqliteWorld, signer};

macro_rules! conforms {
    ($($check:ident),* $(,)?) => {
        $(#[tokio::test]
        async fn $check() {
            conformance::$check(&SqliteWorld::new()).await;
        })*
    };
}

conforms!(
    appends_read_back_in_order,
    an_append_is_whole_or_nothing,
    conflicts_tell_the_size,
    waiting_appends_share_commits,
    reopening_keeps_everything,
    proofs_verify,
    erasing_leaves_no_text_and_all_proofs,
    erasing_is_final_for_a_text_but_not_for_a_person,
);

#[tokio::test]
async fn verification_finds() {
    conformance::verification_finds(&SqliteWorld::new).await;
}

/// A consistent rewrite passes every check of the event itself: only the
/// kept checkpoints can tell where it was.
#[tokio::test]
async fn a_rewritten_event_is_found_between_two_checkpoints() {
    let world = SqliteWorld::new();
    let Opened { store, .. } = world.open().await;
    for size in (0..30).step_by(10) {
        store.append(size, (size..size + 10).map(numbered).collect()).await.unwrap();
    }
    world.tamper(Tamper::Rewrite { sequence: 13 }).await;
    let fault = store.verify(&mut |_| {}).await.unwrap().fault.unwrap();
    assert_eq!((fault.sequence, fault.last, fault.kind), (10, 19, FaultKind::Root));
}

#[tokio::test]
async fn a_forged_checkpoint_is_found_and_refused() {
    let world = SqliteWorld::new();
    let opened = world.open().await;
    opened.store.append(0, vec![numbered(0)]).await.unwrap();
    (opened.close)().await;
    let sql = "UPDATE checkpoints SET note = replace(note, char(10) || '1' || char(10), char(10) || '2' || char(10))";
    world.execute(sql).await;
    let report = verify_file(&world.ledger(), &signer().verifier(), &mut |_| {}).await.unwrap();
    assert!(matches!(report.fault.unwrap().kind, FaultKind::Checkpoint { .. }));
    let refused = SqliteStore::open(world.options()).await.err().unwrap();
    assert!(matches!(refused, StoreError::ForeignSigner { .. }), "{refused}");
}

#[tokio::test]
async fn a_tail_cut_off_is_refused_at_opening_and_found_by_verifying_the_file() {
    let world = SqliteWorld::new();
    let opened = world.open().await;
    opened.store.append(0, vec![numbered(0), numbered(1)]).await.unwrap();
    (opened.close)().await;
    world.tamper(Tamper::Delete { sequence: 1 }).await;
    let refused = SqliteStore::open(world.options()).await.err().unwrap();
    assert!(matches!(&refused, StoreError::Corrupt { file, .. } if *file == world.ledger()), "{refused}");
    let report = verify_file(&world.ledger(), &signer().verifier(), &mut |_| {}).await.unwrap();
    assert_eq!(report.fault.unwrap().sequence, 1);
}

#[tokio::test]
async fn reading_checks_each_event() {
    for change in [
        Tamper::Payload { sequence: 1, byte: 3 },
        Tamper::Envelope { sequence: 1, byte: 3 },
        Tamper::Delete { sequence: 1 },
        Tamper::Swap { one: 1, other: 2 },
    ] {
        let world = SqliteWorld::new();
        let Opened { store, .. } = world.open().await;
        store.append(0, (0..3).map(numbered).collect()).await.unwrap();
        world.tamper(change).await;
        assert_eq!(store.read(0, 1).await.unwrap().len(), 1);
        let error = store.read(0, 3).await.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { sequence: Some(1), .. }), "{change:?}: {error}");
    }
}

#[tokio::test]
async fn the_ledger_cannot_be_changed_by_mistake() {
    let world = SqliteWorld::new();
    let Opened { store, .. } = world.open().await;
    store.append(0, vec![numbered(0)]).await.unwrap();
    let mut connection = world.connect().await;
    for sql in ["DELETE FROM events", "UPDATE events SET payload = x'00'"] {
        assert!(sqlx::query(sql).execute(&mut connection).await.is_err(), "{sql}");
    }
}

#[tokio::test]
async fn other_versions_files_and_keys_are_told_apart() {
    let world = SqliteWorld::new();
    (world.open().await.close)().await;
    let options = |origin: &str, signer| SqliteOptions { origin: origin.into(), signer, ..world.options() };
    let other_key = NoteSigner::from_seed(ORIGIN, &[9; 32]).unwrap();
    let other_origin = NoteSigner::from_seed("other.example", &[7; 32]).unwrap();
    for options in [
        options(ORIGIN, other_key),
        options("other.example", other_origin),
        options("other.example", signer()),
    ] {
        let error = SqliteStore::open(options).await.err().unwrap();
        assert!(matches!(error, StoreError::ForeignSigner { .. }), "{error}");
    }
    for (version, hint) in [(2, "newer program"), (0, "older program")] {
        world.execute(&format!("PRAGMA user_version = {version}")).await;
        let error = SqliteStore::open(world.options()).await.err().unwrap();
        assert!(
            matches!(&error, StoreError::ForeignVersion { file, found, expected: 1 }
                if *file == world.ledger() && *found == version),
            "{error}"
        );
        assert!(error.to_string().contains(hint), "{error}");
    }
    world.execute("PRAGMA application_id = 1").await;
    let error = SqliteStore::open(world.options()).await.err().unwrap();
    assert!(matches!(error, StoreError::ForeignFile { .. }), "{error}");
}

#[tokio::test]
async fn damaged_files_are_named() {
    for damaged in ["ledger.sqlite", "subject_keys.sqlite"] {
        let world = SqliteWorld::new();
        let opened = world.open().await;
        opened.store.append(0, vec![numbered(0)]).await.unwrap();
        (opened.close)().await;
        let file = world.directory().join(damaged);
        let mut bytes = fs::read(&file).unwrap();
        bytes[..100].fill(b'x');
        fs::write(&file, bytes).unwrap();
        let error = SqliteStore::open(world.options()).await.err().unwrap();
        assert!(matches!(&error, StoreError::Corrupt { file: named, .. } if *named == file), "{error}");
    }
}

/// Many subjects, so that their rows fill many pages; then each key is looked
/// for in the raw bytes of every file.
#[tokio::test]
async fn destroyed_keys_are_in_no_file() {
    const SUBJECTS: u128 = 400;
    let world = SqliteWorld::new();
    let opened = world.open().await;
    let event = |subject: u128| NewEvent {
        payload: json!({ "$personal": { "subject": Uuid::from_u128(subject), "text": "text" } }),
        ..numbered(0)
    };
    // Singly and together: both grow the table and its journal.
    for subject in 0..40 {
        opened.store.append(u64::try_from(subject).unwrap(), vec![event(subject)]).await.unwrap();
    }
    opened.store.append(40, (40..SUBJECTS).map(event).collect()).await.unwrap();
    (opened.close)().await;
    let keys = world.keys().await;
    assert_eq!(keys.len(), usize::try_from(SUBJECTS).unwrap());
    assert_eq!(places(&world, &keys), vec![1; keys.len()]);
    let opened = world.open().await;
    for subject in (0..SUBJECTS).filter(|subject| subject % 3 != 0) {
        opened.store.erase(Uuid::from_u128(subject)).await.unwrap();
    }
    // While the store is open: not only after a tidy end.
    let expect: Vec<_> = (0..keys.len()).map(|subject| usize::from(subject % 3 == 0)).collect();
    assert_eq!(places(&world, &keys), expect);
    let events = opened.store.read(0, 1_000).await.unwrap();
    for (subject, event) in events.iter().enumerate() {
        assert_eq!(event.payload["$personal"].get("text").is_some(), subject % 3 == 0);
    }
}

/// In how many places of all files each key stands.
fn places(world: &SqliteWorld, keys: &[Vec<u8>]) -> Vec<usize> {
    let mut places: HashMap<&[u8], usize> = keys.iter().map(|key| (key.as_slice(), 0)).collect();
    for file in world.files() {
        for window in fs::read(file).unwrap().windows(32) {
            if let Some(count) = places.get_mut(window) {
                *count += 1;
            }
        }
    }
    keys.iter().map(|key| places[key.as_slice()]).collect()
}
