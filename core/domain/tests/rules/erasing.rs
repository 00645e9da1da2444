use portcullis_domain::command::{Command, Refusal};
use portcullis_domain::event::Event;
use portcullis_domain::ids::SubjectId;
use portcullis_domain::personal::{ERASED, Personal};
use portcullis_domain::spec::{Kind, Spec, VendorSpec};
use serde_json::json;

use crate::case::{Case, apply, given, vendor};

fn with_contacts(contacts: serde_json::Value) -> Command {
    apply(&[vendor(json!({ "contacts": contacts }))])
}

fn acme(case: &Case) -> VendorSpec {
    match &case.state.resource(Kind::Vendor, "acme").unwrap().declaration.spec {
        Spec::Vendor(spec) => spec.clone(),
        other => panic!("{other:?}"),
    }
}

fn subject(case: &Case, contact: usize) -> SubjectId {
    acme(case).contacts[contact].name.subject().unwrap()
}

fn ann_and_bob() -> serde_json::Value {
    json!([{ "name": "Ann", "email": "ann@acme.example" }, { "name": "Bob", "phone": "1" }])
}

#[test]
fn a_person_is_one_subject_and_keeps_it() {
    let case = given().after(with_contacts(ann_and_bob()));
    let (ann, bob) = (subject(&case, 0), subject(&case, 1));
    assert_ne!(ann, bob);
    assert_eq!(acme(&case).contacts[0].email.as_ref().unwrap().subject(), Some(ann));
    // Moved, and with another address.
    let changed = json!([{ "name": "Bob", "phone": "2" }, { "name": "Ann", "email": "a@acme.example" }]);
    let case = case.after(with_contacts(changed));
    assert_eq!((subject(&case, 0), subject(&case, 1)), (bob, ann));
    assert_eq!(acme(&case).contacts[1].email.as_ref().unwrap().subject(), Some(ann));
}

#[test]
fn an_erasure_redacts_one_person_for_good() {
    let case = given().after(with_contacts(ann_and_bob()));
    let ann = subject(&case, 0);
    let erase = Command::EraseSubject { subject: ann };
    assert_eq!(case.when(erase.clone()).unwrap(), [Event::SubjectErased { subject: ann }]);
    let case = case.after(erase.clone());
    let contact = acme(&case).contacts[0].clone();
    assert_eq!(contact.name, Personal::Erased { subject: ann });
    assert_eq!(contact.email, Some(Personal::Erased { subject: ann }));
    assert_eq!(acme(&case).contacts[1].name.text(), "Bob");
    assert!(matches!(case.when(erase), Err(Refusal::Unknown { kind: "subject", .. })));
    // What is shown can be declared again and changes nothing, or something else.
    let shown = json!([{ "name": ERASED, "email": ERASED }, { "name": "Bob", "phone": "1" }]);
    assert_eq!(case.when(with_contacts(shown)).unwrap(), []);
    let changed = json!([{ "name": ERASED, "email": ERASED }, { "name": "Bob", "phone": "3" }]);
    let case = case.after(with_contacts(changed));
    assert_eq!(acme(&case).contacts[0].name, Personal::Erased { subject: ann });
    // The same name, given anew, is somebody new.
    let case = case.after(with_contacts(json!([{ "name": "Ann" }])));
    assert_ne!(subject(&case, 0), ann);
}

#[test]
fn people_whom_no_resource_names_any_more_can_be_erased_too() {
    let case = given().after(with_contacts(ann_and_bob()));
    let ann = subject(&case, 0);
    let case = case.after(with_contacts(json!([])));
    assert_eq!(case.when(Command::EraseSubject { subject: ann }).unwrap().len(), 1);
    let nobody = SubjectId(uuid::Uuid::from_u128(1_u128 << 100));
    assert!(matches!(case.when(Command::EraseSubject { subject: nobody }), Err(Refusal::Unknown { .. })));
}

#[test]
fn folding_events_that_come_back_erased_gives_the_same() {
    let case = given().after(with_contacts(ann_and_bob()));
    let ann = subject(&case, 0);
    let case =
        case.after(Command::EraseSubject { subject: ann }).after(with_contacts(json!([{ "name": "Eve" }])));
    let mut fold = portcullis_domain::state::State::default();
    for mut event in case.events.clone() {
        if let Event::ResourceDefined { declaration, .. } = &mut event {
            for personal in declaration.spec.personal_mut() {
                personal.erase(ann);
            }
        }
        fold.apply(&event);
    }
    assert_eq!(fold, case.state);
}
