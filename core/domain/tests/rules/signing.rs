//! The life of signing keys.

use jiff::SignedDuration;
use portcullis_domain::command::{Command, NewKey, Refusal};
use portcullis_domain::event::Event;
use portcullis_domain::state::signing_keys::{KEYS_MAX, KeyStep, SigningPlan};
use serde_json::json;

use crate::case::{Case, given};

const PLAN: SigningPlan =
    SigningPlan { life: SignedDuration::from_hours(720), publish_ahead: SignedDuration::from_hours(1) };

fn key(kid: &str) -> NewKey {
    NewKey { kid: kid.into(), jwk: json!({ "kid": kid }) }
}

fn publish(kid: &str) -> Command {
    Command::PublishSigningKey { key: key(kid) }
}

fn activate(kid: &str) -> Command {
    Command::ActivateSigningKey { kid: kid.into() }
}

fn retire(kid: &str) -> Command {
    Command::RetireSigningKey { kid: kid.into() }
}

fn withdraw(case: &Case, kid: &str, successor: Option<&str>) -> Command {
    Command::WithdrawSigningKey {
        kid: kid.into(),
        by: Some(case.operator("ann")),
        reason: "stolen".into(),
        successor: successor.map(key),
    }
}

fn signing() -> Case {
    given().after(publish("a")).after(activate("a"))
}

fn kids(case: &Case) -> Vec<&str> {
    case.state.signing_keys.iter().map(|key| key.kid.as_str()).collect()
}

#[test]
fn one_signs_and_what_it_signed_runs_out() {
    let case = signing().later(SignedDuration::from_hours(1)).after(publish("b"));
    assert_eq!(case.state.active_signing_key().unwrap().kid, "a");
    assert_eq!(case.state.waiting_signing_key().unwrap().kid, "b");
    assert!(matches!(case.when(publish("c")), Err(Refusal::KeyWaits { .. })));
    let case = case.after(activate("b"));
    assert_eq!(case.state.active_signing_key().unwrap().kid, "b");
    assert_eq!(case.when(activate("b")).unwrap(), []);
    assert!(matches!(case.when(activate("a")), Err(Refusal::KeyGone { .. })), "it never signs again");
    assert!(matches!(case.when(retire("b")), Err(Refusal::KeySigns { .. })));
    let refused_from = case.state.signing_key("a").unwrap().refused_from().unwrap();
    assert_eq!(refused_from, case.now + SignedDuration::from_secs(660));
    let early = case.clone().later(SignedDuration::from_secs(659));
    assert_eq!(early.when(retire("a")).unwrap(), []);
    let case = case.later(SignedDuration::from_secs(660)).after(retire("a"));
    assert_eq!(kids(&case), ["b"]);
    assert_eq!(case.when(retire("a")).unwrap(), []);
    assert!(matches!(case.when(publish("a")), Err(Refusal::KeyGone { .. })));
}

#[test]
fn a_refused_second_is_never_early() {
    let part = SignedDuration::from_millis(1);
    let case = signing().later(part).after(publish("b")).after(activate("b"));
    let refused_from = case.state.signing_key("a").unwrap().refused_from().unwrap();
    assert_eq!(refused_from, case.now + SignedDuration::from_secs(661) - part);
}

#[test]
fn a_withdrawn_key_is_gone_at_once_and_another_signs() {
    let case = signing();
    let none = withdraw(&case, "a", None);
    assert!(matches!(case.when(none), Err(Refusal::KeySigns { .. })));
    let events = case.when(withdraw(&case, "a", Some("b"))).unwrap();
    assert!(
        matches!(
            &events[..],
            [
                Event::SigningKeyPublished { kid: published, .. },
                Event::SigningKeyActivated { kid: activated, .. },
                Event::SigningKeyWithdrawn { kid: withdrawn, by: Some(_), .. },
            ] if published == "b" && activated == "b" && withdrawn == "a"
        ),
        "{events:?}"
    );
    let command = withdraw(&case, "a", Some("b"));
    let case = case.after(command);
    assert_eq!(kids(&case), ["b"]);
    assert!(case.state.former_signing_keys["a"].withdrawn);
    let again = withdraw(&case, "a", Some("c"));
    assert!(matches!(case.when(again), Err(Refusal::KeyGone { .. })));
    let back = withdraw(&case, "b", Some("a"));
    assert!(matches!(case.when(back), Err(Refusal::KeyGone { .. })), "it never comes back");
    let unknown = withdraw(&case, "x", None);
    assert!(matches!(case.when(unknown), Err(Refusal::Unknown { kind: "signing key", .. })));
    // One that waits, and one that was replaced, need no successor.
    let case = case.after(publish("c")).after(activate("c")).after(publish("d"));
    for kid in ["b", "d"] {
        let command = withdraw(&case, kid, None);
        assert!(matches!(&case.when(command).unwrap()[..], [Event::SigningKeyWithdrawn { .. }]));
    }
    let silent =
        Command::WithdrawSigningKey { kid: "c".into(), by: None, reason: " ".into(), successor: None };
    assert!(matches!(case.when(silent), Err(Refusal::ReasonMissing)));
}

#[test]
fn so_many_verify_and_no_more() {
    let mut case = signing();
    for number in 1..KEYS_MAX {
        let kid = number.to_string();
        case = case.after(publish(&kid)).after(activate(&kid));
    }
    assert!(matches!(case.when(publish("more")), Err(Refusal::KeysMany { most: KEYS_MAX })));
    let case = case.later(SignedDuration::from_secs(660)).after(retire("1"));
    assert_eq!(case.when(publish("more")).unwrap().len(), 1);
}

/// Turned by hand for two years, at any pace: always one signs, and nothing signs before it was
/// published for as long as the plan says, or goes before its tokens have run out.
#[test]
fn the_schedule_keeps_its_promises() {
    for pace_seconds in [1_000, 40_000, 700_000, 9_000_000_i64] {
        let mut case = signing();
        let (mut made, mut activations) = (0, Vec::new());
        let end = case.now + SignedDuration::from_hours(2 * 365 * 24);
        while case.now < end {
            while let Some((due, step)) = case.state.key_steps(&PLAN).into_iter().next()
                && due <= case.now
            {
                let command = match step {
                    KeyStep::Publish => {
                        made += 1;
                        publish(&format!("key-{made}"))
                    }
                    KeyStep::Activate { kid } => {
                        let published = case.state.signing_key(&kid).unwrap().published_at.unwrap();
                        assert!(case.now - PLAN.publish_ahead >= published);
                        activations.push(case.now);
                        activate(&kid)
                    }
                    KeyStep::Retire { kid } => {
                        let refused_from = case.state.signing_key(&kid).unwrap().refused_from().unwrap();
                        assert!(case.now >= refused_from);
                        retire(&kid)
                    }
                };
                let before = case.state.size;
                case = case.after(command);
                assert!(case.state.size > before, "a step that changes nothing would be due for ever");
                assert!(case.state.active_signing_key().is_some());
                assert!(case.state.signing_keys.len() <= 3);
            }
            case = case.later(SignedDuration::from_secs(pace_seconds));
        }
        let life = PLAN.life.as_secs();
        let gaps = activations.windows(2).map(|pair| (pair[1] - pair[0]).total(jiff::Unit::Second).unwrap());
        for gap in gaps {
            let late = gap - life as f64;
            assert!(late >= -(pace_seconds as f64) && late <= 2.0 * pace_seconds as f64, "{late}");
        }
        assert!(activations.len() as i64 >= 2 * 365 * 86_400 / (life + 2 * pace_seconds) - 1);
    }
}
