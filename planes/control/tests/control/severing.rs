use std::sync::Arc;
use std::time::Duration;

use portcullis_api::severing::SeverAnswer;
use portcullis_control::ExecuteError;
use portcullis_domain::command::{Command, Refusal};
use portcullis_domain::decision::DecisionId;
use portcullis_domain::event::Cause;
use portcullis_domain::reason::Reason;
use portcullis_domain::spec::Kind;
use portcullis_domain::target::Target;
use portcullis_policy::link::FromGate;

use crate::world::{FakeGate, Fault, FaultyStore, Manners, World, client, entries, kinds, until};

#[tokio::test]
async fn a_severance_is_told_to_every_gate_recorded_and_receipted() {
    let world = World::new();
    let process = world.start().await;
    let admin = process.operator("admin").await;
    process.acme().await;
    let first = process.gate("first");
    let second = FakeGate::link(&process.control, "second", Manners { cuts: 2, ..Manners::default() });
    until("snapshots", || !first.snapshots.lock().unwrap().is_empty()).await;
    // Certificates that were seen are closed too, and only those of the target's clients.
    let robot = process.client("robot");
    for number in 0..20 {
        let thumbprint = format!("seen-{number}");
        let seen = FromGate::CertificateSeen { client: robot, thumbprint };
        first.to_control.send(seen).await.unwrap();
    }
    tokio::time::timeout(Duration::from_secs(5), async {
        while first.to_control.capacity() < first.to_control.max_capacity() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    tokio::task::yield_now().await;
    let receipt = process.control.sever("vendor/acme".parse().unwrap(), admin, "theft".into()).await.unwrap();
    assert_eq!(receipt.answer, SeverAnswer::Severed);
    assert_eq!(receipt.target, "vendor/acme");
    assert_eq!(receipt.by, "admin");
    assert_eq!(receipt.gates.iter().map(|gate| gate.gate.as_str()).collect::<Vec<_>>(), ["first", "second"]);
    assert_eq!((receipt.connections_total, receipt.exchanges_total), (2, 2));
    assert!(receipt.gates_silent.is_empty());
    assert!(receipt.single_operator);
    assert_eq!(receipt.recorded.ledger_sequence, Some(process.control.state().size - 1));
    let keys = &receipt.keys_refused;
    assert!(keys.contains(&"key-1".to_owned()) && keys.contains(&"key-2".to_owned()));
    assert_eq!(keys.iter().filter(|key| key.starts_with("seen-")).count(), 16, "the newest sixteen");
    assert!(keys.contains(&"seen-19".to_owned()) && !keys.contains(&"seen-3".to_owned()));
    for gate in [&first, &second] {
        let [order] = &gate.orders()[..] else { panic!("one order") };
        assert_eq!((order.severance, order.epoch, &order.keys), (receipt.severance, 2, keys));
    }
    until("snapshot", || first.newest().severed.len() == 1).await;
    assert_eq!(first.newest().version, process.control.state().size);
    assert_eq!(first.newest().refused_keys.len(), 18);
}

#[tokio::test]
async fn severing_again_tells_the_gates_again_and_records_nothing_new() {
    let world = World::new();
    let process = world.start().await;
    let admin = process.operator("admin").await;
    process.acme().await;
    let gate = process.gate("gate");
    let sever = || process.control.sever("client/robot".parse().unwrap(), admin, "theft".into());
    let first = sever().await.unwrap();
    let size = process.control.state().size;
    let second = sever().await.unwrap();
    assert_eq!(second.severance, first.severance);
    assert_eq!(second.answer, SeverAnswer::Severed);
    assert!(second.notes.iter().any(|note| note.contains("already")), "{:?}", second.notes);
    assert_eq!(process.control.state().size, size);
    assert_eq!(gate.orders().len(), 2);
}

#[tokio::test]
async fn a_refusal_closes_nothing() {
    let world = World::new();
    let process = world.start().await;
    let admin = process.operator("admin").await;
    process.acme().await;
    let gate = process.gate("gate");
    let refusal = |target: &str, reason: &str| {
        let (control, target, reason) = (process.control.clone(), target.parse().unwrap(), reason.to_owned());
        async move {
            match control.sever(target, admin, reason).await {
                Err(ExecuteError::Refused(refusal)) => refusal,
                other => panic!("{other:?}"),
            }
        }
    };
    assert!(matches!(refusal("vendor/nobody", "theft").await, Refusal::Unknown { .. }));
    assert!(matches!(refusal("session/unseen", "theft").await, Refusal::Unknown { .. }));
    assert!(matches!(refusal("vendor/acme", " ").await, Refusal::ReasonMissing));
    assert!(gate.orders().is_empty());
    assert!(process.control.state().severances.is_empty());
    let preview = process.control.sever_preview(&"integration/feed".parse().unwrap()).unwrap();
    assert_eq!(preview.clients, ["other", "robot"]);
    assert_eq!(preview.routes, ["parcels"]);
    assert!(preview.restore_needs_two && preview.single_operator && preview.open.is_empty());
}

#[tokio::test]
async fn while_the_ledger_is_full_the_reserve_holds_it_and_the_ledger_takes_it_later() {
    let world = World::new();
    let process = world.start().await;
    let admin = process.operator("admin").await;
    process.acme().await;
    let gate = process.gate("gate");
    let size = process.control.state().size;
    process.store.set(Fault::Full);
    let failed = process.control.execute(Command::Delete { kind: Kind::Client, name: "other".into() }).await;
    assert!(matches!(failed, Err(ExecuteError::Store(_))), "{failed:?}");
    let receipt = process.control.sever("vendor/acme".parse().unwrap(), admin, "theft".into()).await.unwrap();
    assert_eq!(receipt.answer, SeverAnswer::SeveredReserved);
    assert_eq!(receipt.recorded.ledger_sequence, None);
    assert_eq!(entries(world.directory.path()), 1);
    assert_eq!(gate.orders().len(), 1);
    let state = process.control.state();
    assert_eq!(state.size, size, "the ledger holds nothing new");
    assert!(state.severances.contains_key(&receipt.severance), "and yet it is in force");
    assert!(state.refused_keys.contains_key("key-1"));
    // Severing again finds it, and needs no second slot.
    let again = process.control.sever("vendor/acme".parse().unwrap(), admin, "theft".into()).await.unwrap();
    assert_eq!((again.severance, again.answer), (receipt.severance, SeverAnswer::SeveredReserved));
    assert_eq!(entries(world.directory.path()), 1);
    process.store.set(Fault::None);
    until("recorded", || process.control.state().size == size + 1).await;
    until("the slot is free", || entries(world.directory.path()) == 0).await;
    assert_eq!(kinds(&*process.store).await.last().unwrap(), "severed");
    assert!(process.control.state().severances.contains_key(&receipt.severance));
    // Commands work again, and the one that failed left nothing.
    assert!(process.control.state().resource(Kind::Client, "other").is_some());
    process.control.execute(Command::Delete { kind: Kind::Client, name: "other".into() }).await.unwrap();
}

#[tokio::test]
async fn a_command_that_finds_the_ledger_well_again_brings_the_severance_with_it() {
    let world = World::new();
    let process = world.start().await;
    let admin = process.operator("admin").await;
    process.acme().await;
    process.store.set(Fault::Full);
    process.control.sever("client/robot".parse().unwrap(), admin, "theft".into()).await.unwrap();
    process.store.set(Fault::None);
    // It would be wrong to judge this without the severance.
    let refused = process.control.execute(Command::Apply { resources: vec![client("third", "key-1")] }).await;
    assert!(matches!(refused, Err(ExecuteError::Refused(Refusal::Invalid(_)))), "{refused:?}");
    process.operator("second").await;
    let kinds = kinds(&*process.store).await;
    assert_eq!(kinds[kinds.len() - 2..], ["severed", "operator_added"]);
}

#[tokio::test]
async fn a_slow_ledger_holds_up_no_gate_and_the_reserve_takes_over_after_a_second() {
    let world = World::new();
    let process = world.start().await;
    let admin = process.operator("admin").await;
    process.acme().await;
    let gate = process.gate("gate");
    process.store.set(Fault::Hang);
    // A command hangs before it.
    let control = process.control.clone();
    let hanging = tokio::spawn(async move {
        control.execute(Command::Delete { kind: Kind::Client, name: "other".into() }).await
    });
    tokio::task::yield_now().await;
    let control = process.control.clone();
    let severing =
        tokio::spawn(async move { control.sever("vendor/acme".parse().unwrap(), admin, "x".into()).await });
    let begun = std::time::Instant::now();
    until("the order", || !gate.orders().is_empty()).await;
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
    assert_eq!(process.control.state().severances.len(), 1, "in force before anything is written");
    let receipt = severing.await.unwrap().unwrap();
    assert_eq!(receipt.answer, SeverAnswer::SeveredReserved);
    assert_eq!(entries(world.directory.path()), 1);
    process.store.set(Fault::None);
    hanging.await.unwrap().unwrap();
    until("the slot is free", || entries(world.directory.path()) == 0).await;
    let kinds = kinds(&*process.store).await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "severed").count(), 1);
}

#[tokio::test]
async fn without_ledger_and_reserve_the_cut_stays_and_is_recorded_later() {
    let mut world = World::new();
    world.reserve_slots = 1;
    let process = world.start().await;
    let admin = process.operator("admin").await;
    process.acme().await;
    process.store.set(Fault::Full);
    let sever = |target: &str| process.control.sever(target.parse().unwrap(), admin, "theft".into());
    assert_eq!(sever("client/robot").await.unwrap().answer, SeverAnswer::SeveredReserved);
    let receipt = sever("client/other").await.unwrap();
    assert_eq!(receipt.answer, SeverAnswer::CutNotRecorded);
    assert_eq!(process.control.state().severances.len(), 2);
    process.store.set(Fault::None);
    until("both recorded", || {
        entries(world.directory.path()) == 0
            && process.store.inner.commits() > 0
            && process.control.state().severances.len() == 2
    })
    .await;
    let again = sever("client/other").await.unwrap();
    assert_eq!((again.severance, again.answer), (receipt.severance, SeverAnswer::Severed));
}

#[tokio::test]
async fn a_restart_keeps_what_was_severed_wherever_it_was_held() {
    let world = World::new();
    let process = world.start().await;
    let admin = process.operator("admin").await;
    process.acme().await;
    let sever = |target: &str| process.control.sever(target.parse().unwrap(), admin, "theft".into());
    let recorded = sever("client/robot").await.unwrap();
    process.store.set(Fault::Full);
    let reserved = sever("vendor/acme").await.unwrap();
    assert_eq!(reserved.answer, SeverAnswer::SeveredReserved);
    process.stop().await;

    // The ledger still can't be written: it is in force before `start` returns all the same.
    let store = Arc::new(FaultyStore::new(world.store().await));
    store.set(Fault::Full);
    let process = world.try_start_on(store).await.unwrap();
    let state = process.control.state();
    assert_eq!(
        state.severances.keys().copied().collect::<std::collections::BTreeSet<_>>(),
        [recorded.severance, reserved.severance].into()
    );
    let facts = process.control.snapshot_facts();
    assert_eq!(facts.severed.len(), 2);
    assert_eq!(facts.refused_keys, ["key-1", "key-2"]);
    assert_eq!(entries(world.directory.path()), 1);
    process.stop().await;

    // Now it can.
    let process = world.start().await;
    let open: Vec<_> = process.control.state().severances.keys().copied().collect();
    assert_eq!(open.len(), 2);
    assert_eq!(kinds(&*process.store).await.iter().filter(|kind| *kind == "severed").count(), 2);
    until("the slot is free", || entries(world.directory.path()) == 0).await;
    process.stop().await;
    let process = world.start().await;
    assert_eq!(process.control.state().severances.len(), 2);
    assert_eq!(kinds(&*process.store).await.iter().filter(|kind| *kind == "severed").count(), 2);
}

#[tokio::test]
async fn a_reserved_severance_that_the_ledger_holds_too_is_not_taken_twice() {
    let world = World::new();
    let process = world.start().await;
    let admin = process.operator("admin").await;
    process.operator("second").await;
    process.acme().await;
    process.store.set(Fault::Full);
    process.control.sever("client/robot".parse().unwrap(), admin, "theft".into()).await.unwrap();
    let reserve = std::fs::read(world.directory.path().join("reserve")).unwrap();
    process.store.set(Fault::None);
    until("the slot is free", || entries(world.directory.path()) == 0).await;
    process.control.propose_restore("client/robot".parse().unwrap(), admin).await.unwrap();
    process.stop().await;
    // As if freeing the slot had failed.
    std::fs::write(world.directory.path().join("reserve"), reserve).unwrap();
    let process = world.start().await;
    assert!(process.control.state().severances.is_empty(), "what was restored stays restored");
    until("the slot is free", || entries(world.directory.path()) == 0).await;
}

#[tokio::test]
async fn a_severance_too_large_for_a_slot_still_closes_every_registered_key_after_a_restart() {
    let world = World::new();
    let process = world.start().await;
    let admin = process.operator("admin").await;
    process.acme().await;
    let many = (0..60).map(|number| client(&format!("c{number}"), &format!("{number:043}"))).collect();
    process.control.execute(Command::Apply { resources: many }).await.unwrap();
    process.store.set(Fault::Full);
    let receipt =
        process.control.sever("vendor/acme".parse().unwrap(), admin, "é".repeat(200)).await.unwrap();
    assert_eq!(receipt.answer, SeverAnswer::SeveredReserved);
    assert_eq!(receipt.keys_refused.len(), 62);
    process.stop().await;
    let process = world.start().await;
    assert_eq!(process.control.state().refused_keys.len(), 62);
}

#[tokio::test]
async fn keys_that_a_gate_has_cut_are_recorded_and_closed_at_the_others() {
    let world = World::new();
    let process = world.start().await;
    process.acme().await;
    let first = process.gate("first");
    let second = process.gate("second");
    let robot = process.client("robot");
    let decision = DecisionId::new(5, [1; 10]);
    let cut = |keys: &[&str]| FromGate::KeysCut {
        client: robot,
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        decision,
    };
    first.to_control.send(cut(&["dpop", "key-1"])).await.unwrap();
    until("the order", || second.orders().len() == 1).await;
    until("recorded", || process.control.state().severances.len() == 1).await;
    let state = process.control.state();
    let severance = state.severances.values().next().unwrap();
    assert_eq!(severance.target, Target::Key { client: robot, thumbprint: "dpop".into() });
    assert_eq!(severance.cause, Cause::RecordLimit { decision });
    assert_eq!(second.orders()[0].keys, ["dpop", "key-1"]);
    // A retransmission makes no second one; through the reserve it goes the same way.
    process.store.set(Fault::Full);
    first.to_control.send(cut(&["dpop"])).await.unwrap();
    first.to_control.send(cut(&["another"])).await.unwrap();
    until("reserved", || entries(world.directory.path()) == 1).await;
    assert_eq!(process.control.state().severances.len(), 2);
}

#[tokio::test]
async fn a_session_that_a_gate_has_cut_is_recorded_closed_at_the_others_and_restored_by_name() {
    let world = World::new();
    let process = world.start().await;
    let admin = process.operator("admin").await;
    process.acme().await;
    let first = process.gate("first");
    let second = process.gate("second");
    let robot = process.client("robot");
    let decision = DecisionId::new(5, [1; 10]);
    let cut = |session: &str, reason| FromGate::SessionCut {
        client: robot,
        session: session.to_owned(),
        decision,
        reason,
    };
    first.to_control.send(cut("stolen", Reason::ChallengeFailed)).await.unwrap();
    until("the order", || second.orders().len() == 1).await;
    until("recorded", || process.control.state().severances.len() == 1).await;
    let state = process.control.state();
    let severance = state.severances.values().next().unwrap();
    let target = Target::Session { client: robot, session: "stolen".into() };
    assert_eq!(severance.target, target);
    assert_eq!(severance.cause, Cause::Risk { decision, reason: Reason::ChallengeFailed });
    let order = second.orders().remove(0);
    assert_eq!((order.target, order.closed_by, order.keys.len()), (target, Some(decision), 0));
    let in_the_ledger = async {
        while !kinds(&*process.store).await.iter().any(|kind| kind == "severed") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), in_the_ledger).await.expect("it is written, too");
    // A retransmission makes no second one, and other sessions of the client stand.
    first.to_control.send(cut("stolen", Reason::ChallengeFailed)).await.unwrap();
    first.to_control.send(cut("another", Reason::RiskSevered)).await.unwrap();
    until("recorded", || process.control.state().severances.len() == 2).await;
    until("a snapshot", || first.newest().refused_sessions.len() == 2).await;
    // One operator restores it, without a second word.
    let restored = process.control.propose_restore("session/stolen".parse().unwrap(), admin).await;
    restored.unwrap();
    until("a snapshot", || first.newest().refused_sessions.len() == 1).await;
}

#[tokio::test]
async fn a_silent_gate_is_named() {
    let world = World::new();
    let process = world.start().await;
    let admin = process.operator("admin").await;
    process.acme().await;
    let _loud = process.gate("loud");
    let silent = FakeGate::link(&process.control, "silent", Manners { reports: false, ..Manners::default() });
    let control = process.control.clone();
    let severing =
        tokio::spawn(async move { control.sever("vendor/acme".parse().unwrap(), admin, "x".into()).await });
    until("the order", || silent.orders().len() == 1).await;
    let receipt = severing.await.unwrap().unwrap();
    assert_eq!(receipt.answer, SeverAnswer::RecordedNotConfirmed);
    assert_eq!(receipt.gates_silent, ["silent"]);
    assert_eq!(receipt.gates.len(), 1);
    assert!(receipt.took_us >= 4_900_000, "it waits five seconds");
}

#[tokio::test]
async fn a_gate_that_is_linked_later_learns_of_it_from_its_first_snapshot() {
    let world = World::new();
    let process = world.start().await;
    let admin = process.operator("admin").await;
    process.acme().await;
    process.store.set(Fault::Full);
    let receipt = process.control.sever("vendor/acme".parse().unwrap(), admin, "theft".into()).await.unwrap();
    assert!(receipt.notes.iter().any(|note| note.contains("no gate is linked")));
    let gate = process.gate("late");
    until("its snapshot", || !gate.snapshots.lock().unwrap().is_empty()).await;
    assert_eq!(gate.snapshots.lock().unwrap()[0].severed.len(), 1);
}
