use portcullis_api::apply::Action;
use portcullis_control::ExecuteError;
use portcullis_domain::command::Refusal;
use portcullis_domain::spec::Kind;
use serde_json::json;

use crate::world::{FakeGate, Manners, World, acme, prepared};

#[tokio::test]
async fn apply_tells_what_it_changes_and_waits_for_the_gates() {
    let world = World::new();
    let process = world.start().await;
    let prompt = process.gate("prompt");
    let report = process.control.apply(acme(), true).await.unwrap();
    assert!(report.dry_run && report.changes.iter().all(|change| change.action == Action::Created));
    assert!(process.control.state().resources.is_empty());

    let report = process.control.apply(acme(), false).await.unwrap();
    assert_eq!(report.changes.len(), 7);
    assert_eq!(report.ledger_size, process.control.state().size);
    assert!(report.gates_behind.is_empty());
    assert_eq!(prompt.newest().version, report.ledger_size, "it decides by it already");

    let again = process.control.apply(acme(), false).await.unwrap();
    assert!(again.changes.iter().all(|change| change.action == Action::Unchanged && change.diff.is_empty()));
    assert_eq!(again.ledger_size, report.ledger_size);

    let _behind =
        FakeGate::link(&process.control, "behind", Manners { uses_snapshots: false, ..Manners::default() });
    let vendor = prepared("Vendor", "acme", json!({ "legal_name": "Acme GmbH" }), &[]);
    let report = process.control.apply(vec![vendor], false).await.unwrap();
    assert_eq!(report.gates_behind, ["behind"]);
    let [change] = &report.changes[..] else { panic!() };
    assert_eq!((change.kind, change.name.as_str(), change.action), (Kind::Vendor, "acme", Action::Changed));
    assert!(change.diff.contains("-  legal_name: Acme Ltd"), "{}", change.diff);
    assert!(change.diff.contains("+  legal_name: Acme GmbH"), "{}", change.diff);
    assert!(change.diff.contains("Ann Onymous"), "texts about people are shown to operators");
}

#[tokio::test]
async fn all_or_nothing() {
    let world = World::new();
    let process = world.start().await;
    let mut resources = acme();
    resources.push(prepared("Vendor", "Bad Name", json!({ "legal_name": " " }), &[]));
    resources.push(prepared("Client", "lost", json!({ "integration": "nowhere" }), &[]));
    let size = process.control.state().size;
    match process.control.apply(resources, false).await {
        Err(ExecuteError::Refused(Refusal::Invalid(faults))) => {
            let places: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
            assert_eq!(places, ["/name", "/spec/legal_name", "/spec/integration", "/spec"]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(process.control.state().size, size);
}

#[tokio::test]
async fn what_is_in_use_is_not_deleted() {
    let world = World::new();
    let process = world.start().await;
    process.acme().await;
    let used = process.control.delete(Kind::Route, "parcels", false).await;
    assert!(matches!(used, Err(ExecuteError::Refused(Refusal::InUse { .. }))));
    let dry = process.control.delete(Kind::Client, "robot", true).await.unwrap();
    assert_eq!(dry.changes[0].action, Action::Deleted);
    assert!(process.control.state().resource(Kind::Client, "robot").is_some());
    let report = process.control.delete(Kind::Client, "robot", false).await.unwrap();
    assert_eq!(report.changes[0].action, Action::Deleted);
    assert!(
        report.changes[0].diff.lines().skip(3).all(|line| line.starts_with('-')),
        "{}",
        report.changes[0].diff
    );
    assert!(process.control.state().resource(Kind::Client, "robot").is_none());
}
