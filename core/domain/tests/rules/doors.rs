//! Doors of integrations: a port each, and nobody else's.

use portcullis_domain::command::{Command, Refusal};
use portcullis_domain::spec::integration::DOORS_MAX;
use serde_json::json;

use crate::case::{Case, apply, given, integration, prepared};

/// A second integration of the same vendor.
fn other(name: &str, door: u16) -> portcullis_domain::command::Prepared {
    let spec =
        json!({ "contract": "acme-2026", "purpose": "more", "routes": ["parcels"], "scopes": ["read"] });
    prepared("Integration", name, spec, json!({ "door": door }), &[])
}

#[track_caller]
fn refused(case: &Case, command: Command, expect: &[(&str, &str)]) {
    let Err(Refusal::Invalid(faults)) = case.when(command) else { panic!("it is taken") };
    let found: Vec<_> = faults.iter().map(|fault| (fault.name.as_str(), fault.message.as_str())).collect();
    assert_eq!(found, expect);
    assert!(faults.iter().all(|fault| fault.pointer == "/spec/door" && fault.hint.is_some()), "{faults:?}");
}

#[test]
fn a_door_is_a_port_of_one_integration_alone() {
    let case = given();
    refused(&case, apply(&[integration(json!({ "door": 0 }))]), &[("feed", "`0` is no port")]);
    let both = [integration(json!({ "door": 8451 })), other("more", 8451)];
    let each = [("feed", "door 8451 is integration `more`'s"), ("more", "door 8451 is integration `feed`'s")];
    refused(&case, apply(&both), &each);
    let case = case.after(apply(&[integration(json!({ "door": 8451 }))]));
    refused(&case, apply(&[other("more", 8451)]), &[("more", "door 8451 is integration `feed`'s")]);
    // The same again, another one, two that change places, and one that was left.
    let case = case.after(apply(&[integration(json!({ "door": 8451 })), other("more", 8452)]));
    let case = case.after(apply(&[integration(json!({ "door": 8452 })), other("more", 8451)]));
    let case = case.after(apply(&[integration(json!({}))]));
    case.after(apply(&[other("more", 8452)]));
}

#[test]
fn there_are_no_more_doors_than_gates_open() {
    let many: Vec<_> = (0..DOORS_MAX).map(|at| other(&format!("more-{at}"), 10_000 + at as u16)).collect();
    let case = given().after(apply(&many));
    let message = "there would be 1001 doors, more than 1000";
    refused(&case, apply(&[integration(json!({ "door": 8451 }))]), &[("feed", message)]);
    // What is there may be changed.
    case.after(apply(&[other("more-7", 8451)]));
}

#[test]
fn what_was_declared_without_a_door_reads_as_it_was() {
    let plain = integration(json!({})).declaration;
    assert!(!serde_json::to_string(&plain).unwrap().contains("door"));
    let with = integration(json!({ "door": 8451 })).declaration;
    assert_eq!(serde_json::from_value::<portcullis_domain::spec::Declaration>(json!(with)).unwrap(), with);
}
