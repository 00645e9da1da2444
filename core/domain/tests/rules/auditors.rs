//! Whose signatures count: registered by name, one key under one name, and removed with all of them.

use portcullis_domain::auditor::{AUDITOR_KEYS_MAX, AuditorRefusal};
use portcullis_domain::command::{Command, Refusal};
use portcullis_domain::event::{Event, KeyForm, PublicKey};
use portcullis_domain::state::State;
use serde_json::json;

use crate::case::{Case, given};

fn register(case: &Case, name: &str, keys: &[&str]) -> Command {
    let key = |thumbprint: &&str| PublicKey {
        thumbprint: (*thumbprint).to_owned(),
        form: KeyForm::Jwk,
        public: json!({}),
    };
    Command::RegisterAuditor {
        name: name.into(),
        keys: keys.iter().map(key).collect(),
        by: case.operator("ann"),
    }
}

fn remove(case: &Case, name: &str) -> Command {
    Command::RemoveAuditor { name: name.into(), by: case.operator("bob"), reason: String::new() }
}

#[test]
fn keys_are_registered_once_each_under_one_name_and_go_with_it() {
    let case = given();
    let first = register(&case, "Redfern Labs", &["key-1", "key-1", "root-1"]);
    let case = case.after(first.clone());
    assert_eq!(case.when(first).unwrap(), [], "again is no news");
    let known = &case.state.auditors["Redfern Labs"];
    let held: Vec<_> = known.keys.iter().map(|known| (&*known.key.thumbprint, known.by)).collect();
    assert_eq!(held, [("key-1", case.operator("ann")), ("root-1", case.operator("ann"))]);
    let id = known.id;
    // Another name for the same key would let one firm sign as two.
    let taken = case.when(register(&case, "Thistlewood", &["key-2", "root-1"]));
    let Err(Refusal::Auditor(refusal)) = taken else { panic!("{taken:?}") };
    let expected = AuditorRefusal::Taken { thumbprint: "root-1".into(), auditor: "Redfern Labs".into() };
    assert_eq!(refusal, expected);
    // A further key is news by itself, under the same id.
    let further = register(&case, "Redfern Labs", &["key-1", "key-2"]);
    let [Event::AuditorRegistered(further)] = &case.when(further).unwrap()[..] else { panic!("one event") };
    assert_eq!((further.id, further.keys.len()), (id, 1));
    let gone = remove(&case, "Redfern Labs");
    let case = case.after(gone.clone());
    assert!(case.state.auditors.is_empty());
    assert!(matches!(case.when(gone), Err(Refusal::Unknown { kind: "auditor", .. })));
    let command = register(&case, "Thistlewood", &["root-1"]);
    let case = case.after(command);
    assert!(case.state.auditors.contains_key("Thistlewood"), "a key is free again");
    let mut folded = State::default();
    case.events.iter().for_each(|event| folded.apply(event));
    assert_eq!(folded, case.state);
}

#[test]
fn what_is_no_auditor_is_refused() {
    let case = given();
    let check = |name: &str, keys: &[&str], expect: &str| {
        let refusal = case.when(register(&case, name, keys)).unwrap_err().to_string();
        assert!(refusal.contains(expect), "{name:?}: {refusal}");
    };
    for name in ["", " Redfern", "Red/fern", "Red\nfern", &"x".repeat(101)] {
        check(name, &["key-1"], "can't be an auditor's name");
    }
    check("Redfern", &[], "no key and no root");
    let many: Vec<String> = (0..=AUDITOR_KEYS_MAX).map(|at| at.to_string()).collect();
    check("Redfern", &many.iter().map(String::as_str).collect::<Vec<_>>(), "more than 16 keys");
}
