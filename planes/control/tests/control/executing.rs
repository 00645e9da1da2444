use std::time::Duration;

use futures_util::future::join_all;
use portcullis_control::{ExecuteError, FoldError, StartError};
use portcullis_domain::command::{Command, Refusal};
use portcullis_domain::personal::Personal;
use portcullis_policy::link::{FromGate, RelayRequest, ToGate};
use portcullis_store::{EventStore as _, NewEvent};
use serde_json::json;
use uuid::Uuid;

use crate::world::{Fault, FaultyStore, ISSUER, World, acme, kinds, until};

fn operator(name: &str) -> Command {
    Command::AddOperator { name: Personal::Plain(name.to_owned()), token_sha256: "0".repeat(64) }
}

#[tokio::test]
async fn the_first_start_founds_and_later_ones_add_nothing() {
    let world = World::new();
    let process = world.start().await;
    assert_eq!(
        kinds(&*process.store).await,
        ["installation_founded", "signing_key_published", "signing_key_activated"]
    );
    let state = process.control.state();
    assert_eq!(state.installation.as_ref().unwrap().issuer, ISSUER);
    process.stop().await;
    let process = world.start().await;
    assert_eq!(*process.control.state(), *state);
}

#[tokio::test]
async fn commands_in_flight_share_commits_and_are_answered_after_their_own() {
    let world = World::new();
    let process = world.start().await;
    let before = process.store.inner.commits();
    let added = join_all((0..100).map(|number| {
        let control = process.control.clone();
        async move {
            let executed = control.execute(operator(&format!("op-{number}"))).await.unwrap();
            // Readers see it by then, and never more than is committed.
            assert!(control.state().size >= executed.size);
            assert!(control.state().operator_named(&format!("op-{number}")).is_some());
            executed.size
        }
    }))
    .await;
    let mut sizes = added.clone();
    sizes.sort_unstable();
    sizes.dedup();
    assert_eq!(sizes.len(), 100, "each has its own place");
    assert!(process.store.inner.commits() - before < 50, "{}", process.store.inner.commits() - before);
    let twice = process.control.execute(operator("op-7")).await;
    assert!(matches!(twice, Err(ExecuteError::Refused(Refusal::OperatorExists(_)))));
}

#[tokio::test]
async fn what_was_decided_on_a_failed_command_fails_with_it_and_the_store_may_recover() {
    let world = World::new();
    let process = world.start().await;
    let state = process.control.state();
    process.store.set(Fault::Full);
    let failed = join_all([
        process.control.execute(Command::Apply { resources: acme() }),
        process.control.execute(operator("ann")),
        // Decided on the one before: it exists already, if that succeeds.
        process.control.execute(operator("bob")),
    ])
    .await;
    for failed in failed {
        assert!(matches!(failed, Err(ExecuteError::Store(_))), "{failed:?}");
    }
    assert_eq!(process.control.state(), state);
    process.store.set(Fault::None);
    process.control.execute(operator("ann")).await.unwrap();
    assert_eq!(process.control.state().size, state.size + 1);
}

#[tokio::test]
async fn another_writer_is_read_and_the_command_is_decided_anew() {
    let world = World::new();
    let process = world.start().await;
    process.operator("ann").await;
    // Another process removes what nobody else could know of.
    let ann = process.control.state().operator_named("ann").unwrap().id;
    process.operator("bob").await;
    let foreign = |kind: &str, version, payload| NewEvent {
        time: world.now(),
        kind: kind.to_owned(),
        aggregate: ann.0,
        version,
        payload,
    };
    let size = process.control.state().size;
    let removed = foreign("operator_removed", 1, json!({ "event": "operator_removed", "id": ann }));
    process.store.inner.append(size, vec![removed]).await.unwrap();
    let alone = process.control.execute(Command::RemoveOperator { name: "bob".into() }).await;
    assert!(matches!(alone, Err(ExecuteError::Refused(Refusal::LastOperator(_)))), "{alone:?}");
    process.operator("ann").await;
    assert_eq!(process.control.state().operators.len(), 2);

    // What can't be understood stops every later decision, and the next start.
    let size = process.control.state().size;
    let unknown = foreign("vendor_married", 1, json!({ "event": "vendor_married" }));
    process.store.inner.append(size, vec![unknown]).await.unwrap();
    let blind = process.control.execute(operator("eve")).await;
    assert!(
        matches!(blind, Err(ExecuteError::Store(_) | ExecuteError::Fold(FoldError::Kind { .. }))),
        "{blind:?}"
    );
    let blind = process.control.execute(operator("eve")).await;
    assert!(matches!(blind, Err(ExecuteError::Fold(FoldError::Kind { .. }))), "{blind:?}");
    process.stop().await;
    let store = std::sync::Arc::new(FaultyStore::new(world.store().await));
    match world.try_start_on(store).await {
        Err(StartError::Fold(FoldError::Kind { sequence, kind })) => {
            assert_eq!((sequence, kind.as_str()), (size, "vendor_married"));
        }
        other => panic!("{:?}", other.map(|_| ())),
    }
}

#[tokio::test]
async fn an_event_of_a_newer_version_stops_the_start() {
    let world = World::new();
    let process = world.start().await;
    let size = process.control.state().size;
    let newer = NewEvent {
        time: world.now(),
        kind: "severed".into(),
        aggregate: Uuid::from_u128(1),
        version: 2,
        payload: json!({ "event": "severed" }),
    };
    process.store.inner.append(size, vec![newer]).await.unwrap();
    process.stop().await;
    let store = std::sync::Arc::new(FaultyStore::new(world.store().await));
    let error = world.try_start_on(store).await.err().unwrap();
    assert!(matches!(error, StartError::Fold(FoldError::Version { version: 2, known: 1, .. })), "{error}");
}

#[tokio::test]
async fn snapshots_are_coalesced_and_revocations_are_told_at_once() {
    let world = World::new();
    let process = world.start().await;
    process.acme().await;
    let gate = process.gate("gate");
    until("its first", || gate.newest().version == process.control.state().size).await;
    let token_id = "t-1".to_owned();
    let expires_at = world.now() + Duration::from_secs(60);
    let client = process.client("robot");
    process.control.execute(Command::RevokeToken { client, token_id, expires_at }).await.unwrap();
    until("the word", || !gate.others.lock().unwrap().is_empty()).await;
    let expires = expires_at.as_second();
    assert_eq!(
        gate.others.lock().unwrap()[..],
        [ToGate::RevokeToken { order: 0, token_id: "t-1".into(), expires_at: expires }]
    );
    until("the snapshot", || gate.newest().revoked_tokens == [("t-1".to_owned(), expires)]).await;
    join_all((0..200).map(|number| process.control.execute(operator(&format!("op-{number}"))))).await;
    until("the newest", || gate.newest().version == process.control.state().size).await;
    let versions: Vec<u64> = gate.snapshots.lock().unwrap().iter().map(|facts| facts.version).collect();
    assert!(versions.is_sorted() && versions.len() < 150, "{}", versions.len());
    world.pass(Duration::from_secs(61));
    assert!(process.control.snapshot_facts().revoked_tokens.is_empty(), "expired ones are left out");
}

#[tokio::test]
async fn tokens_of_operators_are_known_by_their_digest() {
    let world = World::new();
    let process = world.start().await;
    let ann = process.operator("ann").await;
    assert_eq!(process.control.operator_by_token("ann").unwrap().id, ann);
    assert!(process.control.operator_by_token("bob").is_none());
    assert!(process.control.operator_by_token("").is_none());
}

#[tokio::test]
async fn a_relayed_request_is_answered_under_its_number() {
    let world = World::new();
    let process = world.start().await;
    let gate = process.gate("gate");
    for relay in [7, 9] {
        let request = RelayRequest {
            relay,
            method: "GET".into(),
            path: "/.well-known/oauth-authorization-server".into(),
            content_type: None,
            authorization: None,
            body: Vec::new(),
            certificates: Vec::new(),
            ja4_context: None,
            address: "192.0.2.1".into(),
            network: None,
            through: None,
            door: None,
            proof_key: None,
        };
        gate.to_control.send(FromGate::Relay(request)).await.unwrap();
    }
    until("both answers", || gate.others.lock().unwrap().len() == 2).await;
    let mut numbers = Vec::new();
    for message in gate.others.lock().unwrap().iter() {
        let ToGate::RelayAnswer(answer) = message else { panic!("{message:?}") };
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, body["issuer"].as_str()), (200, Some(ISSUER)));
        numbers.push(answer.relay);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, [7, 9]);
}
