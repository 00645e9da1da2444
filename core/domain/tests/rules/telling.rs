//! Who at a vendor is told of what was closed, once.

use portcullis_domain::command::{Command, Seen};
use portcullis_domain::decision::DecisionId;
use portcullis_domain::event::{Cause, Event};
use portcullis_domain::exercise::SeveredBy;
use portcullis_domain::ids::{SubjectId, VendorId};
use portcullis_domain::spec::Kind;
use portcullis_domain::state::State;
use portcullis_domain::state::telling::{Asked, Matter, Telling};
use portcullis_domain::target::Target;
use portcullis_domain::telling::TellingOutcome::{self, GivenUp, Told};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::case::{Case, apply, given, prepared, vendor};
use crate::exercises::with_canary;

fn with(contacts: Value) -> Case {
    given().after(apply(&[vendor(json!({ "contacts": contacts }))]))
}

fn people() -> Value {
    json!([
        { "name": "Sec", "role": "Security officer", "email": "sec@acme.example" },
        { "name": "Law", "role": "contract", "email": "law@acme.example" },
        { "name": "Any", "email": " any@acme.example " },
        { "name": "Ops", "role": "on-call operations", "email": "SEC@acme.example" },
        { "name": "Tel", "role": "security", "phone": "+49 30 1" },
    ])
}

fn asked(case: &Case, target: &str) -> Vec<Asked> {
    let target = case.state.target(&target.parse().unwrap()).unwrap();
    let vendor = VendorId(case.state.resource(Kind::Vendor, "acme").unwrap().id);
    case.state.contacts_for(vendor, &target).iter().map(|recipient| recipient.asked).collect()
}

fn newest(case: &Case) -> &Telling {
    case.state.tellings.values().max_by_key(|telling| telling.time).unwrap()
}

fn id_of(telling: &Telling) -> Uuid {
    match &telling.matter {
        Matter::Severed { severance } => severance.0,
        Matter::Restored { restoration, .. } => restoration.0,
    }
}

fn told(matter: Uuid, contact: SubjectId, outcome: TellingOutcome) -> Command {
    Command::RecordTold { matter, contact, outcome }
}

#[test]
fn of_the_whole_vendor_everybody_hears_and_of_less_those_whose_work_it_is() {
    let case = with(people());
    let (yes, none, other, same) = (Asked::Yes, Asked::NoAddress, Asked::OtherRole, Asked::SameAddress);
    assert_eq!(asked(&case, "vendor/acme"), [yes, yes, yes, same, none]);
    for target in ["integration/feed", "client/robot", "key/key-1"] {
        assert_eq!(asked(&case, target), [yes, other, yes, same, none], "{target}");
    }
    // Where it is nobody's work, it is everybody's.
    let case = with(json!([{ "name": "Law", "role": "contract", "email": "law@acme.example" },
        { "name": "Tel", "role": "security", "phone": "1" }]));
    assert_eq!(asked(&case, "client/robot"), [yes, none]);
    // Whoever has no place among twenty is known to have none, and an address that is told takes none.
    let many: Vec<Value> = (0..26)
        .map(|number| json!({ "name": format!("N{number}"), "email": format!("n{}@acme.example", number % 25) }))
        .collect();
    let case = with(Value::Array(many));
    let expect = [vec![Asked::Yes; 20], vec![Asked::Beyond; 5], vec![Asked::SameAddress]].concat();
    assert_eq!(asked(&case, "vendor/acme"), expect);
    assert_eq!(asked(&given(), "vendor/acme"), []);
}

#[test]
fn whoever_is_forgotten_is_told_nothing() {
    let case = with(people());
    let vendor = VendorId(case.state.resource(Kind::Vendor, "acme").unwrap().id);
    let target = Target::Vendor { id: vendor };
    let subject = case.state.contacts_for(vendor, &target)[0].subject;
    let case = case.after(Command::EraseSubject { subject });
    let first = case.state.contacts_for(vendor, &target)[0];
    assert_eq!((first.asked, first.address()), (Asked::NoAddress, None));
}

#[test]
fn each_is_told_once_of_a_severance_and_of_its_restoration() {
    let case = with(people()).severed("vendor/acme");
    let telling = newest(&case).clone();
    let vendor = telling.vendor;
    let people = case.state.contacts_for(vendor, &telling.target);
    let (sec, law) = (people[0].subject, people[1].subject);
    assert!(telling.by_hand && telling.words.is_empty());
    let severance = id_of(&telling);
    let case = case.clone().after(told(severance, law, GivenUp)).after(told(severance, sec, Told));
    for again in [Told, GivenUp] {
        assert_eq!(case.when(told(severance, sec, again)).unwrap(), []);
    }
    assert_eq!(case.when(told(severance, law, GivenUp)).unwrap(), []);
    assert_eq!(case.when(told(Uuid::from_u128(1), sec, Told)).unwrap(), [], "nobody knows what it is about");
    assert!(case.state.told_last(vendor, sec).is_some() && case.state.told_last(vendor, law).is_none());
    // The address was mended.
    let case = case.after(told(severance, law, Told));
    assert_eq!(case.state.tellings[&severance].words[&law].0, Told);

    let case = case.proposed("vendor/acme", "ann").confirmed("vendor/acme", "bob");
    let opened = newest(&case);
    assert!(matches!(&opened.matter, Matter::Restored { keys_again: false, closed_at, severances, .. }
        if *closed_at == telling.time && severances.iter().map(|one| one.0).eq([severance])));
    assert!(opened.words.is_empty() && opened.by_hand);
    let mut folded = State::default();
    case.events.iter().for_each(|event| folded.apply(event));
    assert_eq!(folded, case.state);
}

#[test]
fn one_who_restores_a_client_says_that_its_keys_are_good_again() {
    let case = with(people()).severed("client/robot").proposed("client/robot", "ann");
    assert!(matches!(newest(&case).matter, Matter::Restored { keys_again: true, .. }));
}

#[test]
fn what_gates_cut_is_told_and_what_exercises_cut_is_not() {
    let case = with(people());
    let cut = Command::CutKey {
        client: case.client("robot"),
        keys: vec!["key-1".into()],
        decision: DecisionId([1; 16]),
    };
    let case = case.after(cut);
    assert!(!newest(&case).by_hand);
    let spec = json!({ "legal_name": "Nobody", "canary": true, "contacts": people() });
    let case = with_canary().after(apply(&[prepared("Vendor", "canary", spec, json!({}), &[])]));
    let (target, seen, run) = ("vendor/canary".parse().unwrap(), Seen::default(), Uuid::from_u128(7));
    let by = SeveredBy::Exercise { run, operator: None };
    let bird = case.client("bird");
    let drilled = case
        .clone()
        .after(Command::Sever { target, by, reason: "drill".into(), tell: None, seen })
        .after(Command::RestoreCanary { vendor: "canary".into(), run, by: None });
    assert!(drilled.state.tellings.is_empty());
    let by_gate =
        Command::CutKey { client: bird, keys: vec!["bird-2".into()], decision: DecisionId([1; 16]) };
    assert!(drilled.after(by_gate).state.tellings.is_empty(), "the gate stops a thief of an exercise");
    // Somebody tries whether letters arrive.
    assert_eq!(case.severed("vendor/canary").state.tellings.len(), 1);
}

#[test]
fn words_for_the_vendor_are_bounded_and_no_reason_to_refuse_a_severance() {
    let case = with(people());
    let sever = |tell: &str| {
        let (target, seen) = ("vendor/acme".parse().unwrap(), Seen::default());
        let by = case.operator("ann").into();
        let command =
            Command::Sever { target, by, reason: "theft".into(), tell: Some(tell.to_owned()), seen };
        match &case.when(command).unwrap()[..] {
            [Event::Severed(severance)] => match &severance.cause {
                Cause::Operator { tell, .. } => tell.clone(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(sever(" call us\u{7} \n"), Some("call us".to_owned()));
    assert_eq!(sever(" \n"), None);
    assert_eq!(sever(&"x".repeat(100_000)).unwrap().len(), 2_000);
}
