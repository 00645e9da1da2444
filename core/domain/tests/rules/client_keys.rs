use jiff::{SignedDuration, Timestamp};
use portcullis_domain::command::{Command, EnrolmentRefusal, KeyRefusal, NewClient, Refusal};
use portcullis_domain::event::{Cause, Event, KeyForm, PublicKey};
use portcullis_domain::spec::Kind;
use portcullis_domain::state::{KeyEnd, RECOVERIES_MAX};
use serde_json::json;

use crate::case::{Case, apply, client, given, integration, prepared, severance};

pub fn public(thumbprint: &str) -> PublicKey {
    PublicKey { thumbprint: thumbprint.into(), form: KeyForm::Jwk, public: json!({ "is": thumbprint }) }
}

fn rotate(case: &Case, current: &str, next: &str) -> Command {
    Command::RotateKey { client: case.client("robot"), current: current.into(), next: public(next) }
}

fn rotated(case: Case, current: &str, next: &str) -> Case {
    let command = rotate(&case, current, next);
    case.after(command)
}

fn refusal(case: &Case, command: Command) -> KeyRefusal {
    match case.when(command) {
        Err(Refusal::Key(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

/// What each of the client's keys says now: `live`, `ended`, `lapsed`.
fn shown(case: &Case) -> Vec<String> {
    let standing = case.state.standing("robot").unwrap();
    let word = |term: portcullis_domain::state::KeyTerm| match (case.now < term.until, term.lapses) {
        (true, _) => "live",
        (false, true) => "lapsed",
        (false, false) => "ended",
    };
    let terms = case.state.key_terms(&standing);
    terms.map(|(key, term)| format!("{} {}", key.thumbprint, word(term))).collect()
}

#[test]
fn a_key_is_replaced_and_both_are_live_for_the_overlap() {
    let case = rotated(given(), "key-1", "next");
    assert_eq!(shown(&case), ["key-1 live", "next live"]);
    assert_eq!(shown(&case.clone().later(seconds(86_399))), ["key-1 live", "next live"]);
    assert_eq!(shown(&case.clone().later(seconds(86_400))), ["key-1 ended", "next live"]);
    // Both are the client's: a severance closes both.
    let closed = severance(case.when(case.sever("client/robot")));
    assert_eq!(closed.keys, ["key-1", "next"]);
    let third = refusal(&case, rotate(&case, "next", "third"));
    assert_eq!(third, KeyRefusal::TooMany(Some(case.now + seconds(86_400))));
    let case = case.later(seconds(86_400));
    assert!(case.when(rotate(&case, "next", "third")).is_ok());
}

#[test]
fn what_was_closed_meanwhile_registers_no_other_key() {
    for target in ["key/key-1", "client/robot", "integration/feed", "vendor/acme"] {
        let case = given().severed(target);
        assert_eq!(refusal(&case, rotate(&case, "key-1", "next")), KeyRefusal::Ended, "{target}");
    }
}

#[test]
fn a_lost_answer_is_repeated_inside_the_window_and_is_theft_after_it() {
    let case = rotated(given(), "key-1", "next");
    let inside = case.clone().later(seconds(599));
    assert_eq!(inside.when(rotate(&inside, "key-1", "next")).unwrap(), []);
    let outside = case.clone().later(seconds(600));
    assert_eq!(refusal(&outside, rotate(&outside, "key-1", "next")), KeyRefusal::Theft);
    // Another key is theft at any time, and also when the old one has ended.
    assert_eq!(refusal(&case, rotate(&case, "key-1", "other")), KeyRefusal::Theft);
    let ended = case.clone().later(seconds(90_000));
    assert_eq!(refusal(&ended, rotate(&ended, "key-1", "other")), KeyRefusal::Theft);
}

#[test]
fn theft_severs_the_client_and_no_restoration_opens_its_keys() {
    let case = rotated(given(), "key-1", "next");
    let theft =
        Command::SuspectTheft { client: case.client("robot"), key: "key-1".into(), next_key: "other".into() };
    let closed = severance(case.when(theft.clone()));
    assert_eq!(closed.keys, ["key-1", "next"]);
    assert!(matches!(closed.cause, Cause::KeyTheft { .. }));
    let case = case.after(theft.clone());
    assert!(matches!(case.when(theft), Err(Refusal::AlreadySevered { .. })), "once");
    let case = case.proposed("client/robot", "ann");
    assert!(case.state.severances.is_empty(), "the client is open");
    assert_eq!(case.refused_keys(), ["key-1", "next"], "its keys are not");
}

#[test]
fn a_key_counts_from_its_first_registration() {
    let case = given().later(seconds(89 * 86_400));
    let registered = |case: &Case, key: &str| {
        case.state.keyring(case.client("robot")).unwrap().key(key).unwrap().registered_at
    };
    let first = registered(&case, "key-1");
    let case = case.after(apply(&[client("robot", &["key-1", "key-9"])]));
    assert_eq!(registered(&case, "key-1"), first);
    assert_eq!(registered(&case, "key-9"), case.now);
    // Taken out and put back, it is as old as it is.
    let case = case.after(apply(&[client("robot", &["key-9"])]));
    assert_eq!(shown(&case), ["key-1 ended", "key-9 live"]);
    let case = case.after(apply(&[client("robot", &["key-1", "key-9"])]));
    assert_eq!(registered(&case, "key-1"), first);
    assert_eq!(shown(&case), ["key-1 live", "key-9 live"]);
    let case = case.later(seconds(86_400));
    assert_eq!(shown(&case), ["key-1 lapsed", "key-9 live"]);
    assert_eq!(refusal(&case, rotate(&case, "key-1", "next")), KeyRefusal::Lapsed);
    // Older rules are the integration's, and hold at once.
    let case = case.after(apply(&[integration(json!({ "keys": { "age_days_max": 91 } }))]));
    assert_eq!(shown(&case), ["key-1 live", "key-9 live"]);
}

#[test]
fn what_was_replaced_does_not_come_back_by_an_old_manifest() {
    let case = rotated(given(), "key-1", "next").later(seconds(90_000));
    assert_eq!(case.when(apply(&[client("robot", &["key-1"])])).unwrap(), [], "nothing is new in it");
    let labelled = |keys: &[&str]| {
        let mut client = client("robot", keys);
        client.declaration.labels.insert("team".into(), "parcels".into());
        client
    };
    let case = case.after(apply(&[labelled(&["key-1"])]));
    assert_eq!(shown(&case), ["key-1 ended", "next live"], "the rest of it holds");
    // The new key may be declared, and then the old one is not taken any more.
    let case = case.after(apply(&[labelled(&["next"])]));
    assert_eq!(shown(&case), ["key-1 ended", "next live"]);
    let other = apply(&[client("other", &["key-1"])]);
    assert!(matches!(case.when(other), Err(Refusal::Invalid(_))), "by nobody");
    assert_eq!(refusal(&case, rotate(&case, "next", "key-1")), KeyRefusal::Taken);
    assert_eq!(refusal(&case, rotate(&case, "next", "key-2")), KeyRefusal::Taken, "of another client");
    assert_eq!(refusal(&case, rotate(&case, "next", "next")), KeyRefusal::Same);
    assert!(matches!(refusal(&case, rotate(&case, "key-2", "x")), KeyRefusal::NotRegistered(_)));
}

fn open(case: &Case, name: &str, code: &str, new: bool) -> Command {
    let declared = prepared("Client", name, json!({ "integration": "feed" }), json!({}), &[]);
    let portcullis_domain::spec::Spec::Client(spec) = declared.declaration.spec else { panic!() };
    Command::OpenEnrolment {
        name: name.into(),
        new: new.then(|| Box::new(NewClient { spec, labels: Default::default() })),
        code_sha256: code.into(),
        expires_at: case.now + seconds(3_600),
        by: case.operator("ann"),
    }
}

fn enrol(name: &str, code: &str, key: &str) -> Command {
    Command::UseEnrolment { name: name.into(), code_sha256: code.into(), key: public(key) }
}

fn not_enrolled(case: &Case, command: Command) -> EnrolmentRefusal {
    match case.when(command) {
        Err(Refusal::Enrolment(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_code_is_good_once_for_the_first_key_and_for_a_short_time() {
    let case = given();
    let command = open(&case, "fresh", "code", true);
    let case = case.after(command);
    assert!(case.state.resource(Kind::Client, "fresh").unwrap().keys.is_empty());
    for (name, code) in [("fresh", "edoc"), ("robot", "code"), ("nobody", "code")] {
        assert_eq!(not_enrolled(&case, enrol(name, code, "k")), EnrolmentRefusal::NotOpen, "{name} {code}");
    }
    let expired = case.clone().later(seconds(3_600));
    assert_eq!(not_enrolled(&expired, enrol("fresh", "code", "k")), EnrolmentRefusal::NotOpen);
    assert!(matches!(case.when(enrol("fresh", "code", "key-1")), Err(Refusal::Key(KeyRefusal::Taken))));
    let mut case = case.after(enrol("fresh", "code", "k"));
    assert_eq!(case.state.resource(Kind::Client, "fresh").unwrap().keys[0].thumbprint, "k");
    assert_eq!(case.when(enrol("fresh", "code", "k")).unwrap(), [], "the answer was lost");
    let late = case.clone().later(seconds(600));
    assert_eq!(not_enrolled(&late, enrol("fresh", "code", "k")), EnrolmentRefusal::NotOpen);
    // A thief, or the one who was robbed: an operator is told, and not for ever.
    for attempt in 0..3 {
        let events = case.when(enrol("fresh", "code", "thief")).unwrap();
        assert!(matches!(&events[..], [Event::EnrolmentReused { .. }]), "{attempt}");
        case = case.after(enrol("fresh", "code", "thief"));
    }
    assert_eq!(not_enrolled(&case, enrol("fresh", "code", "thief")), EnrolmentRefusal::Reused);
    assert_eq!(case.state.resource(Kind::Client, "fresh").unwrap().keys.len(), 1);
    // Its manifest, without keys, may be applied.
    let own = prepared(
        "Client",
        "fresh",
        json!({ "integration": "feed" }),
        json!({ "assertion_audience": "token_endpoint" }),
        &[],
    );
    assert!(case.when(apply(&[own])).is_ok());
    let none = prepared("Client", "bare", json!({ "integration": "feed" }), json!({}), &[]);
    assert!(matches!(case.when(apply(&[none])), Err(Refusal::Invalid(_))));
}

#[test]
fn recoveries_end_the_old_keys_and_are_numbered() {
    let mut case = given();
    for number in 0..RECOVERIES_MAX {
        let code = format!("code-{number}");
        let command = open(&case, "robot", &code, false);
        case = case.after(command);
        assert!(shown(&case).iter().all(|key| key.ends_with(" ended")), "{:?}", shown(&case));
        assert!(case.state.resource(Kind::Client, "robot").unwrap().keys.is_empty());
        case = case.after(enrol("robot", &code, &format!("k-{number}")));
    }
    assert_eq!(shown(&case).last().unwrap(), &format!("k-{} live", RECOVERIES_MAX - 1));
    let refused = not_enrolled(&case, open(&case, "robot", "code", false));
    assert_eq!(refused, EnrolmentRefusal::Spent { name: "robot".into(), given: RECOVERIES_MAX });
    let old = apply(&[client("other", &["key-1"])]);
    assert!(matches!(case.when(old), Err(Refusal::Invalid(_))), "left behind for good");
    let ring = case.state.keyring(case.client("robot")).unwrap();
    assert_eq!(ring.key("key-1").unwrap().end, Some(KeyEnd::Recovered));
}

#[test]
fn a_revoked_key_is_refused_for_good_and_the_client_is_not() {
    let revoke = |case: &Case, key: Option<&str>| Command::RevokeKeys {
        client: "robot".into(),
        key: key.map(str::to_owned),
        by: case.operator("ann"),
        reason: "lost laptop".into(),
        seen: Default::default(),
    };
    let case = rotated(given(), "key-1", "next");
    assert!(matches!(case.when(revoke(&case, Some("key-2"))), Err(Refusal::Key(_))), "another client's");
    let one = severance(case.when(revoke(&case, Some("next"))));
    assert_eq!((one.keys.as_slice(), one.epoch), (&["next".to_owned()][..], 0));
    let command = revoke(&case, Some("next"));
    let case = case.after(command.clone());
    assert_eq!(case.refused_keys(), ["next"]);
    assert!(matches!(case.when(command), Err(Refusal::AlreadySevered { .. })));
    // Severed by somebody else and restored, it stays revoked.
    assert!(matches!(case.when(case.propose("client/robot", "ann")), Err(Refusal::NotSevered(_))));
    let case = case.severed("client/robot").proposed("client/robot", "ann");
    assert_eq!(case.refused_keys(), ["next"]);
    let all = severance(case.when(revoke(&case, None)));
    assert_eq!(all.keys, ["key-1", "next"]);
}

#[test]
fn signing_out_raises_an_epoch_and_closes_nothing() {
    let sign_out = |case: &Case, target: &str, reason: &str| Command::SignOut {
        target: target.parse().unwrap(),
        by: case.operator("ann"),
        reason: reason.into(),
    };
    let case = given();
    for target in ["vendor/acme", "integration/feed", "client/robot"] {
        let command = sign_out(&case, target, "leak");
        let after = case.clone().after(command);
        let id = after.state.target(&target.parse().unwrap()).unwrap().id();
        assert_eq!((after.state.epoch(id), after.state.severances.len()), (2, 0), "{target}");
    }
    assert!(matches!(case.when(sign_out(&case, "key/key-1", "leak")), Err(Refusal::NoTokens(_))));
    assert!(matches!(case.when(sign_out(&case, "vendor/acme", " ")), Err(Refusal::ReasonMissing)));
    let severed = case.severed("vendor/acme");
    assert!(matches!(
        severed.when(sign_out(&severed, "vendor/acme", "x")),
        Err(Refusal::AlreadySevered { .. })
    ));
    assert!(severed.when(sign_out(&severed, "client/robot", "x")).is_ok());
}

#[test]
fn ages_are_bounded() {
    for (keys, pointer) in [
        (json!({ "age_days_max": 0 }), "/spec/keys/age_days_max"),
        (json!({ "age_days_max": 3_651 }), "/spec/keys/age_days_max"),
        (json!({ "warn_days": 3_651 }), "/spec/keys/warn_days"),
        (json!({ "overlap_seconds": 604_801 }), "/spec/keys/overlap_seconds"),
        (json!({ "overlap_seconds": 0 }), "/spec/keys/overlap_seconds"),
    ] {
        match given().when(apply(&[integration(json!({ "keys": keys }))])) {
            Err(Refusal::Invalid(faults)) => assert_eq!(faults[0].pointer, pointer),
            other => panic!("{other:?}"),
        }
    }
    let _: Timestamp = given().now;
}

/// However short the overlap is, a client doesn't make the ledger grow without end.
#[test]
fn a_client_puts_24_new_keys_in_place_within_a_day() {
    let mut case = given().after(apply(&[integration(json!({ "keys": { "overlap_seconds": 1 } }))]));
    let mut current = "key-1".to_owned();
    let first = case.now;
    for number in 0..24 {
        let next = format!("next-{number}");
        case = rotated(case, &current, &next).later(seconds(2));
        current = next;
    }
    let after = first + seconds(86_400);
    let refused = refusal(&case, rotate(&case, &current, "another"));
    assert_eq!(refused, KeyRefusal::TooOften { most: 24, after });
    assert!(refused.to_string().contains("hint: try again after"), "{refused}");
    // What was lost on the way is repeated all the same, and theft is told as such.
    assert_eq!(case.when(rotate(&case, "next-22", "next-23")).unwrap(), []);
    assert_eq!(refusal(&case, rotate(&case, "next-21", "another")), KeyRefusal::Theft);
    case.now = after;
    let case = rotated(case, &current, "another").later(seconds(1));
    let refused = refusal(&case, rotate(&case, "another", "more"));
    assert_eq!(refused, KeyRefusal::TooOften { most: 24, after: after + seconds(2) });
}

#[test]
fn keys_end_at_whole_seconds() {
    let case = given().later(SignedDuration::from_millis(700));
    let case = rotated(case, "key-1", "next");
    let standing = case.state.standing("robot").unwrap();
    for (key, term) in case.state.key_terms(&standing) {
        assert_eq!(term.until.subsec_nanosecond(), 0, "{}", key.thumbprint);
    }
}
