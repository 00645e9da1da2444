//! Keys that clients register by themselves, through the ledger: raced, and after a restart.

use futures_util::future::join_all;
use portcullis_control::error::ExecuteError;
use portcullis_domain::command::{Command, KeyRefusal, Refusal};
use portcullis_domain::event::{KeyForm, PublicKey};
use portcullis_domain::state::State;
use serde_json::json;

use crate::world::World;

fn next(thumbprint: &str) -> PublicKey {
    PublicKey { thumbprint: thumbprint.into(), form: KeyForm::Jwk, public: json!({ "is": thumbprint }) }
}

#[tokio::test]
async fn of_rotations_that_race_one_is_taken_and_a_restart_knows_the_same() {
    let world = World::new();
    let process = world.start().await;
    process.acme().await;
    let client = process.client("robot");
    let current = process.control.state().keyring(client).unwrap().keys[0].thumbprint.clone();
    let rotations = (0..8).map(|number| {
        let next = next(if number % 2 == 0 { "one" } else { "two" });
        process.control.execute(Command::RotateKey { client, current: current.clone(), next })
    });
    let mut outcomes = [0; 2];
    for outcome in join_all(rotations).await {
        match outcome {
            // The first, and its repetitions.
            Ok(_) => outcomes[0] += 1,
            Err(ExecuteError::Refused(Refusal::Key(KeyRefusal::Theft))) => outcomes[1] += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(outcomes, [4, 4]);
    let facts = process.control.snapshot_facts();
    let facts = facts.clients.iter().find(|facts| facts.id == client).unwrap();
    assert_eq!(facts.keys.len(), 2);
    let before = State::clone(&process.control.state());
    process.stop().await;
    let process = world.start().await;
    assert_eq!(process.control.state().keyrings, before.keyrings);
    assert_eq!(process.control.state().spent_keys, before.spent_keys);
    process.stop().await;
}
