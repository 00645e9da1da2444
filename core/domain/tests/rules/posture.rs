use jiff::SignedDuration;
use portcullis_domain::command::{Command, Refusal};
use portcullis_domain::event::Event;
use portcullis_domain::posture::{Held, Judged, PushedWord};
use serde_json::{Value, json};

use crate::case::{Case, apply, given, integration, prepared};

fn pointers(prepared: portcullis_domain::command::Prepared) -> Vec<String> {
    match given().when(apply(&[prepared])) {
        Err(Refusal::Invalid(faults)) => faults.into_iter().map(|fault| fault.pointer).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_asked_of_machines_is_bounded_and_readable() {
    let check = |posture: Value, expect: &str| {
        assert_eq!(pointers(integration(json!({ "posture": posture }))), [expect], "{posture}");
    };
    check(json!({ "age_seconds_max": 59 }), "/spec/posture/age_seconds_max");
    check(json!({ "age_seconds_max": 86_401 }), "/spec/posture/age_seconds_max");
    check(json!({ "software": { "a b": ["a".repeat(64)] } }), "/spec/posture/software/a b");
    check(json!({ "software": { "a/b": [] } }), "/spec/posture/software/a~1b");
    check(json!({ "software": { "agent": ["A".repeat(64)] } }), "/spec/posture/software/agent");
    check(json!({ "hardening": ["fine", "Disk"] }), "/spec/posture/hardening/1");
    check(json!({ "hardening": vec!["x"; 129] }), "/spec/posture");
    let spec = json!({ "integration": "feed", "jwks": { "keys": [] } });
    let client =
        |ja4: Value| prepared("Client", "robot", spec.clone(), json!({ "tls": { "ja4": ja4 } }), &["key-1"]);
    assert_eq!(pointers(client(json!(["t13d*", "python"]))), ["/spec/tls/ja4/1"]);
    assert_eq!(pointers(client(json!(vec!["t13d*"; 17]))), ["/spec/tls/ja4"]);
}

fn stated(case: &Case, failing: &[&str], good_for: i64, was_stale: bool) -> Command {
    let good_until = case.now + SignedDuration::from_secs(good_for);
    let failing = failing.iter().map(|what| (*what).to_owned()).collect();
    Command::StatePosture {
        client: case.client("robot"),
        judged: Judged { failing, good_until },
        signed_by: "key-1".into(),
        sha256: "00".into(),
        was_stale,
    }
}

fn push(case: &Case, word: PushedWord, reason: &str) -> Command {
    let by = case.state.operators.keys().next().copied().unwrap();
    Command::PushPosture { client: "robot".into(), word, by, reason: reason.into() }
}

fn held(case: &Case) -> Held {
    case.state.held_posture(&case.state.standing("robot").unwrap(), None)
}

#[test]
fn only_another_word_is_an_event() {
    let case = given().after(apply(&[integration(json!({ "posture": {} }))]));
    assert_eq!(held(&case), Held::Absent);
    let good = stated(&case, &[], 60, false);
    let case = case.after(good);
    assert!(matches!(case.events.last(), Some(Event::PostureChanged(_))));
    assert_eq!(held(&case), Held::Good { until: case.now + SignedDuration::from_secs(60) });
    assert_eq!(case.when(stated(&case, &[], 90, false)).unwrap(), []);
    assert_eq!(case.when(stated(&case, &[], 90, true)).unwrap().len(), 1);
    assert_eq!(case.when(stated(&case, &["hardening/x"], 90, false)).unwrap().len(), 1);
    assert_eq!(case.when(push(&case, PushedWord::Withdrawn, "x")).unwrap(), [], "nothing to take back");
    assert!(matches!(case.when(push(&case, PushedWord::Failing, " ")), Err(Refusal::ReasonMissing)));
    let failing = push(&case, PushedWord::Failing, "malware");
    let case = case.after(failing.clone());
    assert_eq!(case.when(failing).unwrap(), []);
    assert_eq!(held(&case), Held::Failing { what: vec!["pushed".into()] });
    let far = PushedWord::Good { until: case.now + SignedDuration::from_hours(24 * 365) };
    let far = push(&case, far, "clean");
    let case = case.after(far);
    assert_eq!(
        held(&case),
        Held::Good { until: case.now + SignedDuration::from_hours(24 * 30) },
        "a month at most"
    );
    let taken_back = push(&case, PushedWord::Withdrawn, "over");
    let case = case.after(taken_back);
    assert_eq!(held(&case), Held::Good { until: case.now + SignedDuration::from_secs(60) });
}
