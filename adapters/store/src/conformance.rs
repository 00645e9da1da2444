//! What every event store must do, as one suite: `tests/` runs it on SQLite,
//! and another database runs it as it is.
//!
//! A [`World`] opens the store, again and again, on the same files; each check
//! is handed a fresh one. The suite wants Tokio's current-thread runtime, which
//! starts tasks in their order. Failing, a check panics with what it saw.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::join_all;
use jiff::Timestamp;
use portcullis_ledger::leaf::Envelope;
use portcullis_ledger::note::NoteVerifier;
use portcullis_ledger::{sha256, tree};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::StoreError;
use crate::event_store::{APPEND_EVENTS_MAX, BoxFuture, EventStore, Head, NewEvent, Report, replay};

/// A store that a suite has opened.
pub struct Opened {
    pub store: Arc<dyn EventStore>,
    /// How many transactions it has committed since it was opened.
    pub commits: Box<dyn Fn() -> u64 + Send + Sync>,
    /// Closes it, so that it can be opened again.
    pub close: Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>,
}

/// A way to change what is stored, behind the store's back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tamper {
    /// Flip a bit of the payload at this byte.
    Payload { sequence: u64, byte: usize },
    /// Flip a bit of the envelope at this byte.
    Envelope { sequence: u64, byte: usize },
    /// Flip a bit of the leaf hash at this byte.
    LeafHash { sequence: u64, byte: usize },
    /// Delete an event.
    Delete { sequence: u64 },
    /// Let two events change places.
    Swap { one: u64, other: u64 },
    /// Another payload, with envelope and leaf hash made to fit it.
    Rewrite { sequence: u64 },
    /// Repeat the last event once more.
    Surplus,
}

/// Where a store lives.
pub trait World: Send + Sync {
    /// Opens the store on this world's files, founding them at first.
    fn open(&self) -> BoxFuture<'_, Opened>;
    /// All files that a store keeps bytes in.
    fn files(&self) -> Vec<PathBuf>;
    /// Changes what is stored while the store is open.
    fn tamper(&self, change: Tamper) -> BoxFuture<'_, ()>;
    /// The key that checkpoints verify with.
    fn verifier(&self) -> NoteVerifier;
}

/// An event to append, recognisable by its number.
#[must_use]
pub fn numbered(number: u64) -> NewEvent {
    NewEvent {
        time: Timestamp::from_microsecond(1_772_000_000_000_000 + i64::try_from(number).unwrap()).unwrap(),
        kind: "conformance_counted".to_owned(),
        aggregate: Uuid::from_u128(u128::from(number)),
        version: 1,
        payload: json!({ "number": number, "text": format!("event number {number}") }),
    }
}

fn personal(subject: Uuid, text: &str) -> NewEvent {
    NewEvent {
        payload: json!({ "who": { "$personal": { "subject": subject, "text": text } } }),
        ..numbered(0)
    }
}

/// Runs every check, each on a world of its own.
pub async fn run_all<W: World>(world: impl Fn() -> W) {
    appends_read_back_in_order(&world()).await;
    an_append_is_whole_or_nothing(&world()).await;
    conflicts_tell_the_size(&world()).await;
    waiting_appends_share_commits(&world()).await;
    reopening_keeps_everything(&world()).await;
    proofs_verify(&world()).await;
    erasing_leaves_no_text_and_all_proofs(&world()).await;
    erasing_is_final_for_a_text_but_not_for_a_person(&world()).await;
    verification_finds(&world).await;
}

async fn fill(store: &dyn EventStore, count: u64) -> Head {
    let size = store.head().await.unwrap().size;
    for number in size..size + count {
        store.append(number, vec![numbered(number)]).await.unwrap();
    }
    store.head().await.unwrap()
}

async fn verified(store: &dyn EventStore) -> Report {
    let mut last = 0;
    let report = store.verify(&mut |progress| last = progress.done).await.unwrap();
    assert!(last <= report.size);
    report
}

/// Events come back as they went in, with the leaf hashes of their envelopes.
pub async fn appends_read_back_in_order(world: &dyn World) {
    let Opened { store, .. } = world.open().await;
    let founded = store.head().await.unwrap();
    assert_eq!((founded.size, founded.root), (0, tree::empty_root()));
    assert_eq!(store.read(0, 10).await.unwrap(), []);

    let committed = store.append(0, vec![numbered(0), numbered(1)]).await.unwrap();
    assert_eq!((committed.first, committed.size), (0, 2));
    let late = NewEvent { time: "2026-03-01T00:00:00.123456789Z".parse().unwrap(), ..numbered(2) };
    let committed = store.append(2, vec![late]).await.unwrap();
    assert_eq!((committed.first, committed.size), (2, 3));

    let events = store.read(0, 10).await.unwrap();
    assert_eq!(events.iter().map(|event| event.sequence).collect::<Vec<_>>(), [0, 1, 2]);
    for (event, new) in events.iter().zip([numbered(0), numbered(1)]) {
        assert_eq!(
            (event.time, &event.kind, event.aggregate, event.version, &event.payload),
            (new.time, &new.kind, new.aggregate, new.version, &new.payload)
        );
    }
    assert_eq!(events[2].time.to_string(), "2026-03-01T00:00:00.123456Z");
    assert_eq!(store.read(1, 1).await.unwrap(), [events[1].clone()]);
    assert_eq!(store.read(3, 1).await.unwrap(), []);
    assert_eq!(store.read(u64::MAX, 1).await.unwrap(), []);

    let raw = store.read_raw(0, 10).await.unwrap();
    for (raw, event) in raw.iter().zip(&events) {
        let envelope = Envelope::parse(&raw.envelope).unwrap();
        assert_eq!(envelope.sequence, event.sequence);
        assert_eq!(envelope.payload_sha256, sha256(&raw.payload));
        assert_eq!(tree::leaf_hash(&raw.envelope), event.leaf_hash);
    }
    let head = store.head().await.unwrap();
    let hashes: Vec<_> = events.iter().map(|event| event.leaf_hash).collect();
    assert_eq!((head.size, head.root), (3, tree::root(&hashes)));
    assert_eq!(committed.root, head.root);
    let checkpoint = world.verifier().verify(&head.checkpoint).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (head.size, head.root));
    assert_eq!(*store.watch().borrow(), head);
}

/// One event that can't be stored keeps all others of its append out.
pub async fn an_append_is_whole_or_nothing(world: &dyn World) {
    let Opened { store, .. } = world.open().await;
    let bad_payload = |payload: Value| NewEvent { payload, ..numbered(1) };
    for bad in [
        NewEvent { kind: "no kind".to_owned(), ..numbered(1) },
        NewEvent { time: Timestamp::MIN, ..numbered(1) },
        bad_payload(json!({ "$sealed": {} })),
        bad_payload(json!({ "$personal": "Anna" })),
        bad_payload(json!(u64::MAX)),
        bad_payload((0..100).fold(json!(1), |inner, _| json!([inner]))),
    ] {
        let refused = store.append(0, vec![numbered(0), bad]).await;
        assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{refused:?}");
    }
    let huge = bad_payload(json!("x".repeat(1 << 20)));
    assert!(matches!(store.append(0, vec![huge]).await, Err(StoreError::TooLarge { .. })));
    let many = vec![numbered(0); APPEND_EVENTS_MAX + 1];
    assert!(matches!(store.append(0, many).await, Err(StoreError::TooLarge { .. })));
    assert_eq!(store.head().await.unwrap().size, 0);
    assert_eq!(store.read(0, 10).await.unwrap(), []);
    // And at the limit it works, in one piece.
    let most = (0..APPEND_EVENTS_MAX as u64).map(numbered).collect();
    assert_eq!(store.append(0, most).await.unwrap().size, APPEND_EVENTS_MAX as u64);
}

/// Only the append that saw the ledger as it is goes through.
pub async fn conflicts_tell_the_size(world: &dyn World) {
    let Opened { store, .. } = world.open().await;
    fill(&*store, 2).await;
    for expected in [0, 1, 3, u64::MAX] {
        for events in [vec![], vec![numbered(9)]] {
            let conflict = store.append(expected, events).await.unwrap_err();
            assert!(
                matches!(conflict, StoreError::Conflict { expected: told, actual: 2 } if told == expected)
            );
        }
    }
    let nothing = store.append(2, vec![]).await.unwrap();
    assert_eq!((nothing.first, nothing.size), (2, 2));
    // Ten at once for one place: one gets it.
    let race = join_all((0..10).map(|number| store.append(2, vec![numbered(number)]))).await;
    assert_eq!(race.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(store.head().await.unwrap().size, 3);
}

/// Appends that wait at the same time see each other, and need far fewer
/// commits than there are of them.
pub async fn waiting_appends_share_commits(world: &dyn World) {
    const APPENDS: u64 = 512;
    let Opened { store, commits, .. } = world.open().await;
    // Tasks, since many futures in one task are not polled in their order.
    let appends = (0..APPENDS).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.append(number, vec![numbered(number)]).await })
    });
    let outcomes = join_all(appends.collect::<Vec<_>>()).await;
    for (number, outcome) in (0..).zip(outcomes) {
        let committed = outcome.unwrap().unwrap();
        assert_eq!((committed.first, committed.size), (number, number + 1));
    }
    assert!(commits() <= APPENDS / 16, "{} commits for {APPENDS} appends", commits());
    assert!(verified(&*store).await.is_sound());
    let mut next = 0;
    let end = replay::<StoreError>(&*store, 0, |event| {
        assert_eq!(event.payload["number"], next);
        next += 1;
        Ok(())
    });
    assert_eq!(end.await.unwrap(), APPENDS);
}

/// What was acknowledged is there after closing and opening, and goes on.
pub async fn reopening_keeps_everything(world: &dyn World) {
    let opened = world.open().await;
    fill(&*opened.store, 5).await;
    let anna = Uuid::from_u128(0xa11a);
    opened.store.append(5, vec![personal(anna, "Anna Lindqvist")]).await.unwrap();
    let (head, events) = (opened.store.head().await.unwrap(), opened.store.read(0, 10).await.unwrap());
    (opened.close)().await;
    assert!(matches!(opened.store.append(6, vec![numbered(6)]).await, Err(StoreError::Closed)));
    assert!(matches!(opened.store.read(0, 1).await, Err(StoreError::Closed)));

    let Opened { store, .. } = world.open().await;
    assert_eq!(store.head().await.unwrap(), head);
    assert_eq!(store.read(0, 10).await.unwrap(), events);
    assert_eq!(events[5].payload["who"]["$personal"]["text"], "Anna Lindqvist");
    assert_eq!(store.append(6, vec![numbered(6)]).await.unwrap().size, 7);
    assert!(verified(&*store).await.is_sound());
}

/// Every event is proven in the newest tree, and every older tree a part of it.
pub async fn proofs_verify(world: &dyn World) {
    let Opened { store, .. } = world.open().await;
    let mut roots = vec![store.head().await.unwrap().root];
    for _ in 0..21 {
        roots.push(fill(&*store, 1).await.root);
    }
    let (size, root) = (21, roots[21]);
    for event in store.read(0, 100).await.unwrap() {
        let proof = store.prove_inclusion(event.sequence, size).await.unwrap();
        tree::verify_inclusion(&event.leaf_hash, event.sequence, size, &proof, &root).unwrap();
    }
    for (old_size, old_root) in (0..).zip(&roots) {
        let proof = store.prove_consistency(old_size, size).await.unwrap();
        tree::verify_consistency(old_size, size, &proof, old_root, &root).unwrap();
    }
    assert!(matches!(store.prove_inclusion(21, 21).await, Err(StoreError::Ledger(_))));
    assert!(matches!(store.prove_inclusion(0, 22).await, Err(StoreError::Ledger(_))));
    assert!(matches!(store.prove_consistency(3, 22).await, Err(StoreError::Ledger(_))));
}

/// An erased text is in no file, reads as erased, and every proof stays good.
pub async fn erasing_leaves_no_text_and_all_proofs(world: &dyn World) {
    let opened = world.open().await;
    let store = opened.store;
    let (anna, bert) = (Uuid::from_u128(0xa11a), Uuid::from_u128(0xbe27));
    fill(&*store, 3).await;
    let events = vec![personal(anna, "Anna Lindqvist"), personal(bert, "Bert Öztürk")];
    store.append(3, events).await.unwrap();
    let (head, before) = (store.head().await.unwrap(), store.read(0, 10).await.unwrap());
    let proof = store.prove_inclusion(3, 5).await.unwrap();
    assert_eq!(before[3].payload["who"]["$personal"]["text"], "Anna Lindqvist");

    store.erase(anna).await.unwrap();
    store.erase(anna).await.unwrap();
    store.erase(Uuid::from_u128(0x404)).await.unwrap();
    let check = async |store: &dyn EventStore| {
        let after = store.read(0, 10).await.unwrap();
        assert_eq!(after[3].payload, json!({ "who": { "$personal": { "subject": anna, "erased": true } } }));
        assert_eq!(after[3].leaf_hash, before[3].leaf_hash);
        assert_eq!((&after[..3], &after[4]), (&before[..3], &before[4]));
        assert_eq!(store.head().await.unwrap(), head);
        assert_eq!(store.prove_inclusion(3, 5).await.unwrap(), proof);
        tree::verify_inclusion(&after[3].leaf_hash, 3, 5, &proof, &head.root).unwrap();
        assert!(verified(store).await.is_sound());
    };
    check(&*store).await;
    // Neither text ever was in a file, erased or not.
    for text in ["Lindqvist", "Öztürk"] {
        assert_eq!(files_with(world, text.as_bytes()), Vec::<PathBuf>::new());
    }
    assert_ne!(files_with(world, b"event number 2"), Vec::<PathBuf>::new());
    (opened.close)().await;
    let opened = world.open().await;
    check(&*opened.store).await;
}

/// A new text of an erased person is readable; the old one stays erased.
pub async fn erasing_is_final_for_a_text_but_not_for_a_person(world: &dyn World) {
    let Opened { store, .. } = world.open().await;
    let anna = Uuid::from_u128(0xa11a);
    store.append(0, vec![personal(anna, "first")]).await.unwrap();
    store.erase(anna).await.unwrap();
    store.append(1, vec![personal(anna, "second")]).await.unwrap();
    let events = store.read(0, 10).await.unwrap();
    assert_eq!(events[0].payload["who"]["$personal"], json!({ "subject": anna, "erased": true }));
    assert_eq!(events[1].payload["who"]["$personal"]["text"], "second");
    // What was erased may be copied into a later event.
    let copy = NewEvent { payload: events[0].payload.clone(), ..numbered(2) };
    store.append(2, vec![copy]).await.unwrap();
    assert_eq!(store.read(2, 1).await.unwrap()[0].payload, events[0].payload);
}

/// The files that hold these bytes anywhere.
#[must_use]
pub fn files_with(world: &dyn World, needle: &[u8]) -> Vec<PathBuf> {
    let holds = |file: &PathBuf| {
        let bytes = std::fs::read(file).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle)
    };
    world.files().into_iter().filter(holds).collect()
}

/// Verification names the first event that doesn't fit, whatever was changed.
pub async fn verification_finds<W: World>(world: &impl Fn() -> W) {
    use Tamper::{Delete, Envelope, LeafHash, Payload, Rewrite, Surplus, Swap};
    for (change, first) in [
        (Payload { sequence: 0, byte: 0 }, 0),
        (Payload { sequence: 77, byte: 5 }, 77),
        (Envelope { sequence: 77, byte: 0 }, 77),
        (Envelope { sequence: 98, byte: 60 }, 98),
        (LeafHash { sequence: 77, byte: 31 }, 77),
        (Delete { sequence: 0 }, 0),
        (Delete { sequence: 64 }, 64),
        (Delete { sequence: 98 }, 98),
        (Swap { one: 5, other: 77 }, 5),
        (Rewrite { sequence: 70 }, 70),
        (Surplus, 99),
    ] {
        let world = world();
        let Opened { store, .. } = world.open().await;
        let head = fill(&*store, 99).await;
        let sound = verified(&*store).await;
        assert_eq!((sound.size, sound.root, &sound.fault), (head.size, head.root, &None));
        world.tamper(change).await;
        let fault = verified(&*store).await.fault.unwrap_or_else(|| panic!("{change:?} was not found"));
        assert_eq!(fault.sequence, first, "{change:?}: {fault}");
    }
}
