use portcullis_domain::command::{Command, Refusal, Seen};
use portcullis_domain::decision::DecisionId;
use portcullis_domain::event::Cause;
use portcullis_domain::spec::Kind;
use portcullis_domain::target::{Target, TargetName};

use serde_json::json;

use crate::case::{Case, apply, client, given, prepared, restoration, severance};

fn cut(case: &Case, client: &str, keys: &[&str]) -> Command {
    Command::CutKey {
        client: case.client(client),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        decision: DecisionId::new(1, [2; 10]),
    }
}

#[test]
fn each_target_closes_its_keys_under_a_new_epoch() {
    let case = given();
    let seen =
        |keys: &[&str]| Seen { keys: keys.iter().map(|key| (*key).into()).collect(), session_of: None };
    for (target, keys, epoch) in [
        ("vendor/acme", vec!["key-1", "key-2", "seen"], 2),
        ("integration/feed", vec!["key-1", "key-2", "seen"], 2),
        ("client/robot", vec!["key-1", "seen"], 2),
        ("key/key-1", vec!["key-1", "seen"], 0),
    ] {
        let command = case.sever_seen(target, seen(&["seen", "key-1", "seen"]));
        let found = severance(case.when(command));
        assert_eq!((&found.keys.iter().map(String::as_str).collect::<Vec<_>>(), found.epoch), (&keys, epoch));
        assert_eq!(
            found.cause,
            Cause::Operator { operator: case.operator("ann"), reason: "theft".into(), tell: None }
        );
        assert_eq!(found.time, case.now);
    }
}

#[test]
fn a_session_closes_no_key() {
    let case = given();
    let robot = case.client("robot");
    let seen = Seen { keys: vec!["seen".into()], session_of: Some(robot) };
    let command = case.sever_seen("session/s-1", seen);
    let found = severance(case.when(command.clone()));
    assert_eq!(found.target, Target::Session { client: robot, session: "s-1".into() });
    assert!(found.keys.is_empty());
    let case = case.after(command.clone());
    assert!(matches!(case.when(command), Err(Refusal::AlreadySevered { .. })));
    // Its client need not be known to restore it.
    let restored = restoration(case.when(case.propose("session/s-1", "ann")));
    assert_eq!(restored.target, found.target);
    let case = case.proposed("session/s-1", "ann");
    assert_eq!(case.state.lifted["s-1"], case.state.size);
    let again = case.sever_seen("session/s-1", Seen { keys: vec![], session_of: Some(robot) });
    assert!(case.after(again).state.lifted.is_empty());
}

#[test]
fn a_client_trusted_through_its_authority_is_closed_whole_by_a_record_cut() {
    let subject = json!({ "certificate_authority": "PEM", "san_dns": "robot.acme.example" });
    let spec = json!({ "integration": "feed", "subject": subject });
    let case = given().after(apply(&[prepared("Client", "by-subject", spec, json!({}), &[])]));
    let found = severance(case.when(cut(&case, "by-subject", &["leaf-1"])));
    assert_eq!(found.target, Target::Client { id: case.client("by-subject") });
    assert_eq!((found.epoch, found.keys), (2, vec!["leaf-1".to_owned()]));
}

#[test]
fn a_severed_vendor_is_not_deleted_and_declared_anew() {
    let delete = |kind: Kind, name: &str| Command::Delete { kind, name: name.into() };
    let mut case = given().severed("vendor/acme").severed("integration/feed");
    let clients: Vec<String> = case.state.of_kind(Kind::Client).map(|(name, _)| name.to_owned()).collect();
    for name in clients {
        case = case.after(delete(Kind::Client, &name));
    }
    assert!(matches!(case.when(delete(Kind::Integration, "feed")), Err(Refusal::Severed { .. })));
    assert!(matches!(case.when(delete(Kind::Vendor, "acme")), Err(Refusal::InUse { .. })));
    let open = given();
    let clients: Vec<String> = open.state.of_kind(Kind::Client).map(|(name, _)| name.to_owned()).collect();
    let open = clients.iter().fold(open, |case, name| case.after(delete(Kind::Client, name)));
    assert!(open.when(delete(Kind::Integration, "feed")).is_ok());
}

#[test]
fn severing_twice_and_without_a_reason_is_refused() {
    let case = given().severed("client/robot");
    assert!(matches!(case.when(case.sever("client/robot")), Err(Refusal::AlreadySevered { .. })));
    // What it belongs to is another target.
    assert!(case.when(case.sever("integration/feed")).is_ok());
    let silent = Command::Sever {
        target: TargetName::Client("other".into()),
        by: case.operator("ann").into(),
        reason: " \n".into(),
        tell: None,
        seen: Seen::default(),
    };
    assert!(matches!(case.when(silent), Err(Refusal::ReasonMissing)));
    for unknown in ["vendor/x", "integration/x", "client/x", "key/x", "session/x"] {
        assert!(matches!(case.when(case.sever(unknown)), Err(Refusal::Unknown { .. })), "{unknown}");
    }
}

#[test]
fn epochs_only_grow() {
    let mut case = given();
    let id = case.client("robot").0;
    assert_eq!(case.state.epoch(id), 1);
    for round in 0..3 {
        case = case.severed("client/robot");
        assert_eq!(case.state.epoch(id), 2 + 2 * round);
        case = case.proposed("client/robot", "ann");
        assert_eq!(case.state.epoch(id), 3 + 2 * round);
    }
    // An older event that comes late lowers nothing.
    let first = case.events.iter().find(|event| event.kind() == "severed").unwrap().clone();
    case.state.apply(&first);
    assert_eq!(case.state.epoch(id), 7);
}

#[test]
fn a_record_cut_closes_keys_that_are_open_still() {
    let case = given();
    let found = severance(case.when(cut(&case, "robot", &["key-1", "another", "key-1"])));
    let robot = case.client("robot");
    assert_eq!(found.target, Target::Key { client: robot, thumbprint: "key-1".into() });
    assert_eq!(found.keys, ["key-1", "another"], "the registered one first, each once");
    let command = cut(&case, "robot", &["key-1", "another"]);
    let case = case.after(command.clone());
    assert_eq!(case.when(command).unwrap(), []);
    assert_eq!(case.when(cut(&case, "robot", &[])).unwrap(), []);
    // Each of its keys names it.
    for key in ["key/key-1", "key/another"] {
        let restored = restoration(case.when(case.propose(key, "ann")));
        assert_eq!(restored.keys, ["key-1", "another"]);
    }
    // So does the client.
    assert_eq!(restoration(case.when(case.propose("client/robot", "ann"))).keys, ["key-1", "another"]);
    assert!(matches!(case.when(case.propose("client/other", "ann")), Err(Refusal::NotSevered(_))));
}

#[test]
fn a_severed_key_can_be_registered_by_nobody() {
    let case = given().severed("client/robot");
    for (name, keys) in [("third", vec!["key-1"]), ("other", vec!["key-2", "key-1"])] {
        assert!(matches!(case.when(apply(&[client(name, &keys)])), Err(Refusal::Invalid(_))), "{name}");
    }
    // Not even by the same name after the client was deleted.
    let gone = Command::Delete { kind: Kind::Client, name: "robot".into() };
    let case = case.after(gone);
    assert!(matches!(case.when(apply(&[client("robot", &["key-1"])])), Err(Refusal::Invalid(_))));
    // Declaring what is known already lifts nothing.
    let case = given().severed("client/robot").after(apply(&[client("robot", &["key-1"])]));
    assert_eq!(case.state.severances.len(), 1);
    assert_eq!(case.refused_keys(), ["key-1"]);
}
