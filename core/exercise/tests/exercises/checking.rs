use portcullis_exercise::check::check;
use portcullis_exercise::spec::ExerciseSpec;
use serde_json::{Value, json};

use super::scenario;

/// The faults of the scenario with the value at `pointer` replaced, as `POINTER: MESSAGE`.
fn faults(pointer: &str, value: Value) -> Vec<String> {
    let mut whole = serde_json::to_value(scenario()).unwrap();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let parent = whole.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(items) => items[field.parse::<usize>().unwrap()] = value,
        other => other[field] = value,
    }
    let spec: ExerciseSpec = serde_json::from_value(whole).unwrap();
    check(&spec).into_iter().map(|fault| format!("{}: {}", fault.pointer, fault.message)).collect()
}

#[test]
fn a_scenario_that_holds_together_has_no_fault() {
    assert_eq!(check(&scenario()), []);
}

#[test]
fn each_fault_has_its_place() {
    for (pointer, value, expect) in [
        ("/title", json!(" "), "/title: it is empty"),
        ("/story", json!("x".repeat(4_001)), "/story: it has more than 4000 bytes"),
        ("/roles", json!(["on-call", "legal", "legal"]), "/roles/2: role `legal` is there twice"),
        ("/roles", json!(["On Call", "on-call", "legal"]), "/roles/0: this can't be a role"),
        ("/injects/0/at", json!("1m"), "/injects/0/at: the first inject is not at the beginning"),
        ("/injects/1/id", json!("page"), "/injects/1/id: id `page` is there twice"),
        (
            "/injects/1/after",
            json!("tell"),
            "/injects/1/after: `tell` is expected after inject `call`, which comes later",
        ),
        ("/injects/1/after", json!("call"), "/injects/1/after: nothing named `call` comes before"),
        ("/injects/1/to", json!("cook"), "/injects/1/to: there is no role `cook`"),
        ("/expect/0/within", json!("0s"), "/expect/0/within: nobody can do anything in no time"),
        ("/expect/0/recognise", json!([]), "/expect/0/recognise: no answer could be it"),
        ("/expect/0/recognise", json!(["look", "-?-"]), "/expect/0/recognise/1: it has no word"),
        ("/expect/0/milestone", json!("sever"), "/expect/1/milestone: `sever` is reached twice"),
        ("/expect/0/after", json!("cal"), "/expect/0/after: there is no inject `cal`"),
        ("/expect/0/points", json!(0), "/expect/0/points: it must be 1 to 100"),
        ("/grades", json!({ "A": 101 }), "/grades/A: it must be 0 to 100"),
        ("/grades", json!({ "A": 90, "B": 90 }), "/grades: two grades begin at the same points"),
        ("/live/steps/0/records", json!(4), "/live/steps/0/records: `work` has no `records`"),
        ("/live/steps/0/expect", json!("mismatch"), "/live/steps/0/expect: `work` compares nothing"),
        ("/live/steps/4", json!({ "do": "stream" }), "/live/steps: it doesn't sever and then verify"),
        ("/live/steps/0", json!({ "do": "lose_control" }), "/live/steps: control stays lost"),
        ("/live/steps/1", json!({ "do": "restore" }), "/live/steps: `restore` is there twice"),
        ("/live/leave", json!("severed"), "/live/leave: a step restores what is to be left severed"),
    ] {
        let found = faults(pointer, value);
        assert!(found.iter().any(|fault| fault == expect), "{pointer}: {found:?}");
    }
    let empty = json!({ "title": "t", "story": "s", "scope": "s" });
    let empty: ExerciseSpec = serde_json::from_value(empty).unwrap();
    assert_eq!(check(&empty).len(), 1);
}

#[test]
fn limits_hold() {
    let many = |item: Value, count: usize| Value::Array(vec![item; count]);
    for (pointer, value, expect) in [
        ("/roles", many(json!("on-call"), 21), "/roles: there are 21, and at most 20"),
        (
            "/injects",
            many(json!({ "id": "page", "text": "x" }), 51),
            "/injects: there are 51, and at most 50",
        ),
        ("/live/steps", many(json!({ "do": "work" }), 41), "/live/steps: there are 41, and at most 40"),
    ] {
        assert!(faults(pointer, value).iter().any(|fault| fault == expect), "{pointer}");
    }
}
