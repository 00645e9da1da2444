//! What vendors may have: held by an operator's word, released by another one, and nothing grows meanwhile.

use jiff::SignedDuration;
use portcullis_domain::access::Access;
use portcullis_domain::command::{Command, Refusal};
use portcullis_domain::event::Event;
use portcullis_domain::ids::VendorId;
use portcullis_domain::spec::Kind;
use portcullis_domain::state::State;

use portcullis_assurance::stops::{Stop, StopMode};
use portcullis_domain::command::NewClient;
use portcullis_domain::spec::Spec;
use serde_json::json;

use crate::case::{
    Case, acme, apply, client, contract, empty, given, integration, operator, prepared, route, upstream,
    vendor,
};

fn hold(case: &Case, level: Access, reason: &str) -> Command {
    Command::HoldVendor { vendor: "acme".into(), level, by: case.operator("ann"), reason: reason.into() }
}

fn release(case: &Case) -> Command {
    Command::ReleaseVendor { vendor: "acme".into(), by: case.operator("bob"), reason: String::new() }
}

fn vendor_id(case: &Case) -> VendorId {
    VendorId(case.state.resource(Kind::Vendor, "acme").unwrap().id)
}

#[test]
fn the_newest_word_counts_and_a_release_takes_it_back() {
    let mut case = given();
    let acme = vendor_id(&case);
    assert_eq!(case.state.access(acme, case.now).level, Access::Clear);
    let steps = [
        (Access::Limited, "no tested exit", None),
        (Access::Held, "a clause is missing", None),
        // Only this one ends tokens; saying it anew, with another reason, ends them no second time.
        (Access::Blocked, "a breach", Some(2)),
        (Access::Blocked, "a breach, confirmed", None),
        (Access::Limited, "mended", None),
        (Access::Blocked, "not mended", Some(3)),
    ];
    for (level, reason, epoch) in steps {
        let command = hold(&case, level, reason);
        let events = case.when(command.clone()).unwrap();
        let [Event::VendorHeld(held)] = &events[..] else { panic!("{events:?}") };
        assert_eq!((held.level, held.epoch), (level, epoch), "{reason}");
        case = case.after(command.clone());
        // The same word again is none.
        assert_eq!(case.when(command).unwrap(), []);
        let access = case.state.access(acme, case.now);
        let said: Vec<_> = access.reasons.iter().map(|reason| (&*reason.code, &*reason.sentence)).collect();
        assert_eq!((access.level, said), (level, vec![("manual_hold", reason)]));
    }
    assert_eq!(case.state.epoch(acme.0), 3);
    assert_eq!(case.state.cut_off(acme.0), Some(case.now));
    let case = {
        let command = release(&case);
        case.later(SignedDuration::from_secs(9)).after(command)
    };
    assert_eq!(case.state.access(acme, case.now), portcullis_domain::access::VendorAccess::default());
    // Tokens that ended stay dead.
    assert_eq!(case.state.epoch(acme.0), 3);
    let mut folded = State::default();
    case.events.iter().for_each(|event| folded.apply(event));
    assert_eq!(folded, case.state);
}

#[test]
fn what_is_no_hold_is_refused() {
    let case = given();
    let by = case.operator("ann");
    let of = |vendor: &str, level, reason: &str| Command::HoldVendor {
        vendor: vendor.into(),
        level,
        by,
        reason: reason.into(),
    };
    let check = |command: Command, expect: &str| {
        let refusal = case.when(command).unwrap_err().to_string();
        assert!(refusal.starts_with(expect), "{refusal}");
    };
    check(of("acme", Access::Held, " "), "a reason is needed");
    check(of("acme", Access::Held, &"x".repeat(1_001)), "the reason is longer than 1000 bytes");
    check(of("nobody", Access::Held, "why"), "there is no vendor `nobody`");
    check(
        of("acme", Access::Clear, "why"),
        "vendor `acme` can't be held at `clear`\nhint: `portcullis vendor release",
    );
    check(release(&case), "vendor `acme` is not held");
}

#[test]
fn a_vendor_that_is_held_gets_no_clients_and_keeps_those_that_it_has() {
    for level in Access::ALL.into_iter().skip(1) {
        let case = given();
        let command = hold(&case, level, "why");
        let case = case.after(command);
        let grows = level < Access::Held;
        let new = case.when(apply(&[client("newcomer", &["key-9"])]));
        match &new {
            Err(Refusal::Invalid(faults)) => {
                assert!(!grows);
                assert_eq!(faults.len(), 1);
                assert_eq!((&*faults[0].name, &*faults[0].pointer), ("newcomer", "/spec/integration"));
                assert!(faults[0].message.contains("gets no new clients"), "{}", faults[0]);
            }
            other => assert!(grows && other.is_ok(), "{level:?} {other:?}"),
        }
        // What is there may be declared as it is, or otherwise.
        assert!(case.when(apply(&[client("robot", &["key-1"])])).is_ok());
        let released = release(&case);
        assert!(case.after(released).when(apply(&[client("newcomer", &["key-9"])])).is_ok());
    }
}

#[test]
fn a_deleted_vendor_leaves_no_hold_behind() {
    let case = given();
    let acme = vendor_id(&case);
    let command = hold(&case, Access::Limited, "why");
    let mut case = case.after(command);
    for (kind, name) in [
        (Kind::Client, "robot"),
        (Kind::Client, "other"),
        (Kind::Integration, "feed"),
        (Kind::Contract, "acme-2026"),
        (Kind::Vendor, "acme"),
    ] {
        case = case.after(Command::Delete { kind, name: name.into() });
    }
    assert!(case.state.vendor_holds.is_empty());
    assert_eq!(case.state.access(acme, case.now).level, Access::Clear);
}

/// What an installation that enforces says of vendors that nobody has admitted.
fn founded(stops: Option<StopMode>) -> Case {
    empty()
        .after(Command::Found { issuer: "https://gate.example".into(), stops })
        .after(operator("ann"))
        .after(operator("bob"))
}

#[test]
fn a_ledger_without_a_word_on_stops_cuts_nobody_and_one_that_enforces_lets_only_admitted_vendors_grow() {
    let papers = || {
        vec![
            integration(json!({})),
            route(json!({})),
            upstream(json!({})),
            contract(json!({})),
            vendor(json!({})),
        ]
    };
    for stops in [None, Some(StopMode::Observe)] {
        let case = founded(stops).after(apply(&acme()));
        let acme = vendor_id(&case);
        assert_eq!(case.state.access(acme, case.now).level, Access::Clear);
        let shown = case.state.stops_at(acme, case.now);
        assert!(shown.iter().any(|held| held.stop == Stop::Admission && held.mode == StopMode::Observe));
    }
    let case = founded(Some(StopMode::Enforce));
    // A vendor with its machine at once: it is not admitted yet.
    let Err(Refusal::Invalid(faults)) = case.when(apply(&acme())) else { panic!("it was taken") };
    assert!(faults.iter().all(|fault| fault.message.contains("isn't admitted")), "{faults:?}");
    assert_eq!(faults.len(), 2);
    // Unless a policy of the same batch says otherwise.
    let policy = json!({ "stops": { "default": "observe" } });
    let easy = prepared("Policy", "easy", policy, json!({}), &[]);
    assert!(case.when(apply(&[acme(), vec![easy]].concat())).is_ok());
    let mut case = case.after(apply(&papers()));
    let acme = vendor_id(&case);
    let access = case.state.access(acme, case.now);
    assert_eq!((access.level, &*access.reasons[0].code), (Access::Blocked, "stop_admission"));
    let Err(Refusal::Invalid(faults)) = case.when(apply(&[client("robot", &["key-1"])])) else {
        panic!("it was taken")
    };
    assert!(faults[0].message.contains("not approved yet: `entity_check`"), "{}", faults[0].message);
    let open = |case: &Case| Command::OpenEnrolment {
        name: "robot".into(),
        new: match client("robot", &[]).declaration.spec {
            Spec::Client(mut spec) => {
                spec.jwks = None;
                Some(Box::new(NewClient { spec, labels: Default::default() }))
            }
            _ => None,
        },
        code_sha256: "digest".into(),
        expires_at: case.now + SignedDuration::from_hours(1),
        by: case.operator("ann"),
    };
    assert!(case.when(open(&case)).is_err());
    for (stop, mode) in [("admission", "off"), ("clause", "observe")] {
        let one =
            prepared("Policy", stop, json!({ "vendors": ["acme"], "stops": { stop: mode } }), json!({}), &[]);
        case = case.after(apply(&[one]));
    }
    assert_eq!(case.state.access(acme, case.now).level, Access::Clear);
    assert!(case.when(open(&case)).is_ok());
    assert!(case.when(apply(&[client("robot", &["key-1"])])).is_ok());
}
