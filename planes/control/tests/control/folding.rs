//! Folding the ledger anew gives what is live, whatever was commanded.

use std::time::Duration;

use portcullis_api::severing::SeverAnswer;
use portcullis_control::ExecuteError;
use portcullis_domain::command::{Command, Prepared};
use portcullis_domain::decision::DecisionId;
use portcullis_domain::event::Event;
use portcullis_domain::ids::ClientId;
use portcullis_domain::personal::{ERASED, Personal};
use portcullis_domain::spec::{Kind, Spec};
use portcullis_policy::facts::SnapshotFacts;
use portcullis_store::EventStore as _;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::json;
use uuid::Uuid;

use crate::world::{Fault, Process, World, client, prepared};

#[derive(Clone, Debug)]
enum Step {
    Vendor { name: usize, contact: usize },
    Client { name: usize, key: usize },
    Delete { name: usize },
    Operator { name: usize },
    RemoveOperator { name: usize },
    Sever { target: usize },
    SeverWhileFull { target: usize },
    CutKey { name: usize, key: usize },
    Restore { target: usize },
    Confirm,
    Revoke { token: usize },
    Erase { which: usize },
    Pass,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let few = 0..3_usize;
    let step = prop_oneof![
        2 => (0..2_usize, few.clone()).prop_map(|(name, contact)| Step::Vendor { name, contact }),
        4 => (few.clone(), 0..5_usize).prop_map(|(name, key)| Step::Client { name, key }),
        1 => few.clone().prop_map(|name| Step::Delete { name }),
        1 => few.clone().prop_map(|name| Step::Operator { name }),
        1 => few.clone().prop_map(|name| Step::RemoveOperator { name }),
        4 => (0..6_usize).prop_map(|target| Step::Sever { target }),
        1 => (0..6_usize).prop_map(|target| Step::SeverWhileFull { target }),
        2 => (few.clone(), 0..5_usize).prop_map(|(name, key)| Step::CutKey { name, key }),
        4 => (0..6_usize).prop_map(|target| Step::Restore { target }),
        2 => Just(Step::Confirm),
        1 => few.prop_map(|token| Step::Revoke { token }),
        2 => any::<usize>().prop_map(|which| Step::Erase { which }),
        1 => Just(Step::Pass),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..40)
}

#[test]
fn the_fold_equals_what_is_live() {
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&steps(), |steps| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(check(steps));
            Ok(())
        })
        .unwrap();
}

async fn check(steps: Vec<Step>) {
    let world = World::new();
    let mut process = world.start().await;
    process.operator("name-0").await;
    process.acme().await;
    for step in steps {
        process = match step {
            Step::Restart => restarted(&world, process).await,
            Step::Pass => {
                world.pass(Duration::from_secs(4 * 3_600));
                process
            }
            step => {
                carry_out(&world, &process, step).await;
                process
            }
        };
    }
    restarted(&world, process).await.stop().await;
}

/// The state and the snapshot of the next process are those of this one.
async fn restarted(world: &World, process: Process) -> Process {
    let (state, facts) = (process.control.state(), process.control.snapshot_facts());
    process.stop().await;
    let process = world.start().await;
    assert_eq!(*process.control.state(), *state);
    assert_eq!(without_revisions(process.control.snapshot_facts()), without_revisions(facts));
    process
}

/// A start's own count of what it was told of machines begins at its time.
fn without_revisions(facts: SnapshotFacts) -> SnapshotFacts {
    let mut facts = facts;
    for client in &mut facts.clients {
        client.posture.revision = 0;
    }
    facts
}

/// Refusals are as good as events here: neither may make a difference.
async fn carry_out(world: &World, process: &Process, step: Step) {
    let control = &process.control;
    let state = control.state();
    let operator = *state.operators.keys().next().unwrap();
    let target = |number: usize| {
        let names =
            ["vendor/acme", "integration/feed", "client/robot", "client/other", "key/key-1", "key/key-3"];
        names[number].parse().unwrap()
    };
    let command = match step {
        Step::Vendor { name, contact } => apply(vendor(["acme", "umbrella"][name], contact)),
        Step::Client { name, key } => apply(client(client_name(name), &format!("key-{key}"))),
        Step::Delete { name } => Command::Delete { kind: Kind::Client, name: client_name(name).into() },
        Step::Operator { name } => Command::AddOperator {
            name: Personal::Plain(format!("name-{name}")),
            token_sha256: format!("{name:064}"),
        },
        Step::RemoveOperator { name } => Command::RemoveOperator { name: format!("name-{name}") },
        Step::Sever { target: number } => {
            let _ = control.sever(target(number), operator, "drill".into()).await;
            return;
        }
        Step::SeverWhileFull { target: number } => {
            process.store.set(Fault::Full);
            let severed = control.sever(target(number), operator, "drill".into()).await;
            process.store.set(Fault::None);
            // Any command takes the ledger up again, and the severance with it.
            let _ = control.execute(Command::Delete { kind: Kind::Vendor, name: "nobody".into() }).await;
            assert!(!matches!(severed, Ok(receipt) if receipt.answer == SeverAnswer::CutNotRecorded));
            crate::world::until("recorded", || crate::world::entries(world.directory.path()) == 0).await;
            return;
        }
        Step::CutKey { name, key } => Command::CutKey {
            client: state
                .resource(Kind::Client, client_name(name))
                .map_or(ClientId(Uuid::nil()), |found| ClientId(found.id)),
            keys: vec![format!("key-{key}"), format!("proof-{key}")],
            decision: DecisionId::new(1, [0; 10]),
        },
        Step::Restore { target: number } => Command::ProposeRestore { target: target(number), by: operator },
        Step::Confirm => {
            let Some(open) = state.proposals.values().next() else { return };
            let target = state.name_of(&open.target).parse().unwrap();
            let by = state.operators.keys().copied().find(|by| *by != open.proposed_by).unwrap_or(operator);
            Command::ConfirmRestore { proposal: open.id, target, by }
        }
        Step::Revoke { token } => Command::RevokeToken {
            client: ClientId(Uuid::nil()),
            token_id: format!("token-{token}"),
            expires_at: world.now() + Duration::from_secs(3_600),
        },
        Step::Erase { which } => {
            let known: Vec<_> = state.subjects.iter().copied().collect();
            let Some(subject) = known.get(which % known.len().max(1)).copied() else { return };
            Command::EraseSubject { subject }
        }
        Step::Pass | Step::Restart => return,
    };
    let _ = control.execute(command).await;
}

fn client_name(number: usize) -> &'static str {
    ["robot", "other", "third"][number]
}

fn apply(prepared: Prepared) -> Command {
    Command::Apply { resources: vec![prepared] }
}

fn vendor(name: &str, contact: usize) -> Prepared {
    let contacts = match contact {
        0 => json!([]),
        1 => json!([{ "name": "Ann Onymous", "email": "ann@acme.example" }]),
        _ => json!([{ "name": ERASED, "phone": "+44 20 7946 0000" }, { "name": "Bob" }]),
    };
    prepared("Vendor", name, json!({ "legal_name": "A Ltd", "contacts": contacts }), &[])
}

#[tokio::test]
async fn an_erasure_survives_a_crash_before_the_key_was_destroyed() {
    let world = World::new();
    let process = world.start().await;
    process.operator("admin").await;
    process.acme().await;
    let contact = |process: &Process| {
        let state = process.control.state();
        let mut spec = state.resource(Kind::Vendor, "acme").unwrap().declaration.spec.clone();
        let Spec::Vendor(vendor) = &mut spec else { panic!() };
        vendor.contacts.remove(0)
    };
    let person = contact(&process);
    let subject = person.name.subject().unwrap();
    assert_eq!(person.email.unwrap().subject(), Some(subject), "one person, one key");
    // The event alone, as if the process had died right after it.
    let event = Event::SubjectErased { subject };
    let stored = portcullis_store::NewEvent {
        time: world.now(),
        kind: event.kind().to_owned(),
        aggregate: event.aggregate(),
        version: Event::VERSION,
        payload: serde_json::to_value(&event).unwrap(),
    };
    process.store.inner.append(process.control.state().size, vec![stored]).await.unwrap();
    process.stop().await;
    let process = world.start().await;
    assert_eq!(contact(&process).name, Personal::Erased { subject });
    // The start destroys the key: nobody can read the old event any more.
    until_gone(&process, "Ann Onymous").await;
    assert!(process.control.verify_ledger().await.unwrap().good);
}

#[tokio::test]
async fn a_key_that_cannot_be_destroyed_is_told_and_tried_again() {
    let world = World::new();
    let process = world.start().await;
    process.operator("ann").await;
    process.acme().await;
    let subject = process.control.state().operator_named("ann").unwrap().name.subject().unwrap();
    process.store.set(Fault::Keys);
    let erased = process.control.execute(Command::EraseSubject { subject }).await;
    assert!(matches!(erased, Err(ExecuteError::Erasure { .. })), "{erased:?}");
    assert!(process.control.state().operator_named("ann").is_none(), "it is in force here");
    process.store.set(Fault::None);
    until_gone(&process, r#""text":"ann""#).await;
}

/// No event can be read any more that holds `text`.
async fn until_gone(process: &Process, text: &str) {
    let gone = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            let events = process.store.inner.read(0, 100).await.unwrap();
            if !events.iter().any(|event| event.payload.to_string().contains(text)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(gone.await.is_ok(), "{text}");
}
