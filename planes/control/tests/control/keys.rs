//! Signing keys: turned by schedule, rotated and withdrawn on command.

use std::time::Duration;

use portcullis_api::keys::{SigningKeyStage, Withdrawn};
use portcullis_control::keys::{KeyRing as _, MemoryRing};
use portcullis_control::{Control, ExecuteError, StartError};
use portcullis_domain::command::Refusal;
use portcullis_domain::state::signing_keys::KeyStage;

use crate::world::{FakeGate, Fault, FaultyStore, Manners, PLAN, World, kinds, until};

const DAY: Duration = Duration::from_secs(86_400);

fn active(control: &Control) -> String {
    control.state().active_signing_key().unwrap().kid.clone()
}

fn kids(facts: &portcullis_policy::facts::SnapshotFacts) -> Vec<String> {
    facts.signing_keys.iter().map(|key| key.kid.clone()).collect()
}

fn held(ring: &MemoryRing) -> usize {
    ring.keys().unwrap().len()
}

#[tokio::test]
async fn the_schedule_publishes_activates_and_retires() {
    let world = World::new();
    let process = world.start().await;
    let control = &process.control;
    let gate = process.gate("gate");
    let first = active(control);
    until("a snapshot", || kids(&gate.newest()) == [first.clone()]).await;
    assert_eq!(
        control.turn_signing_keys().await.unwrap(),
        Some(world.now() + PLAN.life - PLAN.publish_ahead)
    );

    world.pass(30 * DAY - Duration::from_secs(3_600));
    let due = control.turn_signing_keys().await.unwrap().unwrap();
    assert_eq!(due, world.now() + PLAN.publish_ahead);
    let second = control.state().waiting_signing_key().unwrap().kid.clone();
    assert_eq!(active(control), first);
    until("the gate knows it before it is used", || kids(&gate.newest()) == [first.clone(), second.clone()])
        .await;

    // A gate that hangs delays the change, and fails nothing.
    let slow = FakeGate::link(control, "slow", Manners { uses_snapshots: false, ..Manners::default() });
    world.pass(Duration::from_secs(3_600));
    let again = control.turn_signing_keys().await.unwrap().unwrap();
    assert_eq!((active(control), again), (first.clone(), world.now() + jiff::SignedDuration::from_secs(10)));
    slow.manners.send_replace(Manners::default());
    process.operator("a word that makes a snapshot").await;
    until("both know it", || control.gates().iter().all(|gate| gate.snapshot == Some(control.state().size)))
        .await;
    let retire = control.turn_signing_keys().await.unwrap().unwrap();
    assert_eq!(active(control), second);
    assert_eq!(retire, world.now() + jiff::SignedDuration::from_secs(660));
    until("the gate knows the second", || {
        gate.newest().signing_keys.iter().any(|key| key.refused_from == Some(retire.as_second()))
    })
    .await;
    assert_eq!(held(&world.key_ring), 2, "a backup taken now would be whole");

    world.pass(Duration::from_secs(660));
    control.turn_signing_keys().await.unwrap();
    until("it is gone", || kids(&gate.newest()) == [second.clone()]).await;
    assert_eq!(held(&world.key_ring), 1);
    process.stop().await;

    // A restart knows all of it.
    let process = world.start().await;
    assert_eq!(active(&process.control), second);
    assert_eq!(
        kinds(&*process.store).await[1..],
        [
            "signing_key_published",
            "signing_key_activated",
            "signing_key_published",
            "operator_added",
            "signing_key_activated",
            "signing_key_retired"
        ]
    );
}

#[tokio::test]
async fn a_rotation_now_waits_for_gates_only() {
    let world = World::new();
    let process = world.start().await;
    let control = &process.control;
    let first = active(control);
    let _gate = process.gate("gate");
    let answer = control.rotate_signing_key(false).await.unwrap();
    assert_eq!(
        (answer.key.stage, answer.replaces.as_deref()),
        (SigningKeyStage::Published, Some(first.as_str()))
    );
    assert_eq!(answer.key.signs_from, Some(world.now() + PLAN.publish_ahead));
    let again = control.rotate_signing_key(false).await.unwrap_err();
    assert!(matches!(again, ExecuteError::Refused(Refusal::KeyWaits { .. })), "{again}");
    let now = control.rotate_signing_key(true).await.unwrap();
    assert_eq!((now.key.kid.as_str(), now.key.stage), (answer.key.kid.as_str(), SigningKeyStage::Active));
    assert_eq!(now.refused_from, Some(world.now() + jiff::SignedDuration::from_secs(660)));
    let shown = control.keys().signing;
    assert_eq!(
        shown.iter().map(|key| key.stage).collect::<Vec<_>>(),
        [SigningKeyStage::Active, SigningKeyStage::Replaced]
    );

    let slow = FakeGate::link(control, "slow", Manners { uses_snapshots: false, ..Manners::default() });
    let behind = control.rotate_signing_key(true).await.unwrap();
    assert_eq!(
        (behind.key.stage, &behind.gates_behind[..]),
        (SigningKeyStage::Published, &["slow".to_owned()][..])
    );
    assert_eq!(active(control), answer.key.kid);
    drop(slow);
}

#[tokio::test]
async fn a_withdrawn_key_is_refused_everywhere_and_another_signs() {
    let world = World::new();
    let process = world.start().await;
    let control = &process.control;
    let admin = process.operator("admin").await;
    let gate = FakeGate::link(control, "gate", Manners { cuts: 2, ..Manners::default() });
    let first = active(control);
    let withdraw = async |kid: &str, reason: &str| {
        control.withdraw_signing_key(kid.to_owned(), admin, reason.to_owned()).await
    };
    for (kid, reason) in [("x", "theft"), (first.as_str(), " ")] {
        assert!(matches!(withdraw(kid, reason).await, Err(ExecuteError::Refused(_))), "{kid}");
    }
    assert_eq!((active(control), held(&world.key_ring)), (first.clone(), 1), "nothing has changed");

    let answer = withdraw(&first, "theft").await.unwrap();
    assert_eq!((answer.answer, answer.gates[0].connections.len()), (Withdrawn::Withdrawn, 2));
    assert_eq!(answer.successor.as_deref(), Some(active(control).as_str()));
    assert_ne!(active(control), first);
    assert_eq!(gate.orders()[0].keys, std::slice::from_ref(&first));
    until("a snapshot", || kids(&gate.newest()) == [active(control)]).await;
    assert!(gate.newest().refused_keys.contains(&first));
    assert_eq!(held(&world.key_ring), 1, "its private half is destroyed");
    assert!(matches!(withdraw(&first, "again").await, Err(ExecuteError::Refused(Refusal::KeyGone { .. }))));

    // A gate that says nothing, and a ledger that takes nothing, are told.
    gate.manners.send_replace(Manners { reports: false, ..Manners::default() });
    let silent = withdraw(&active(control), "theft").await.unwrap();
    assert_eq!(
        (silent.answer, &silent.gates_silent[..]),
        (Withdrawn::RecordedNotConfirmed, &["gate".to_owned()][..])
    );
    gate.manners.send_replace(Manners::default());
    process.store.set(Fault::Full);
    let third = active(control);
    let unrecorded = withdraw(&third, "theft").await.unwrap();
    assert_eq!((unrecorded.answer, unrecorded.successor), (Withdrawn::NotRecorded, None));
    process.store.set(Fault::None);
    until("another signs", || control.state().active_signing_key().is_some()).await;
    assert_ne!(active(control), third);
    let last = active(control);
    process.stop().await;
    let process = world.start().await;
    assert_eq!(active(&process.control), last);
    assert_eq!(process.control.state().former_signing_keys.len(), 3);
}

/// The gates and the token endpoint act by it at once, the process goes on trying, and a restart knows it.
#[tokio::test]
async fn a_withdrawal_that_is_not_recorded_holds_and_is_recorded_later() {
    for (fault, restarts) in [(Fault::Full, false), (Fault::Full, true), (Fault::Hang, false)] {
        let world = World::new();
        let process = world.start().await;
        let admin = process.operator("admin").await;
        let gate = process.gate("gate");
        let stolen = active(&process.control);
        let withdraw = async |process: &crate::world::Process| {
            process.control.withdraw_signing_key(stolen.clone(), admin, "theft".to_owned()).await.unwrap()
        };
        process.store.set(fault);
        let answer = withdraw(&process).await;
        assert_eq!((answer.answer, answer.gates.len()), (Withdrawn::NotRecorded, 1), "{fault:?}");
        assert!(answer.notes.iter().any(|note| note.contains("after a restart too")), "{:?}", answer.notes);
        assert_eq!(gate.orders()[0].keys, std::slice::from_ref(&stolen));
        let holds = |control: &Control| {
            let facts = control.snapshot_facts();
            control.state().active_signing_key().is_none()
                && facts.refused_keys.contains(&stolen)
                && kids(&facts).is_empty()
        };
        assert!(holds(&process.control), "a gate that comes now refuses it, and nothing is signed");
        until("the gate's next snapshot", || gate.newest().refused_keys.contains(&stolen)).await;
        assert_eq!(withdraw(&process).await.answer, Withdrawn::NotRecorded, "said again, it is the same");
        assert_eq!(process.control.keys().signing[0].stage, SigningKeyStage::Withdrawn);
        let process = match restarts {
            false => process,
            true => {
                process.stop().await;
                let store = std::sync::Arc::new(FaultyStore::new(world.store().await));
                store.set(fault);
                let process = world.try_start_on(store).await.unwrap();
                assert!(holds(&process.control), "over a restart");
                process
            }
        };
        process.store.set(Fault::None);
        until("another signs", || process.control.state().active_signing_key().is_some()).await;
        assert_ne!(active(&process.control), stolen);
        until("its private half is gone", || held(&world.key_ring) == 1).await;
        until("its mark is gone", || world.key_ring.withdrawn().unwrap().is_empty()).await;
        assert!(process.control.state().former_signing_keys[&stolen].withdrawn);
        assert_eq!(
            kinds(&*process.store).await.iter().filter(|kind| *kind == "signing_key_withdrawn").count(),
            1
        );
        process.stop().await;
    }
}

#[tokio::test]
async fn a_start_without_the_key_that_signs_says_so() {
    let world = World::new();
    let process = world.start().await;
    let kid = active(&process.control);
    process.stop().await;
    world.key_ring.destroy(&kid).unwrap();
    let store = std::sync::Arc::new(FaultyStore::new(world.store().await));
    let error = world.try_start_on(store).await.err().unwrap();
    assert!(matches!(&error, StartError::SigningKeyLost { kid: lost } if *lost == kid));
    assert!(error.to_string().contains("hint: "), "{error}");
}

#[tokio::test]
async fn what_a_crash_left_is_taken_up() {
    let world = World::new();
    let process = world.start().await;
    // Made, and never published.
    let left = world.key_ring.make().unwrap();
    process.stop().await;
    let process = world.start().await;
    let answer = process.control.rotate_signing_key(true).await.unwrap();
    assert_eq!(answer.key.kid, left.kid());
    assert!(matches!(process.control.state().active_signing_key().unwrap().stage, KeyStage::Active { .. }));
}
