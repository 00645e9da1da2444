use jiff::SignedDuration;
use portcullis_domain::command::{Command, NewKey, Refusal};
use portcullis_domain::event::Event;
use portcullis_domain::ids::ClientId;
use serde_json::json;
use uuid::Uuid;

use crate::case::{Case, given, operator};

#[test]
fn one_operator_stays() {
    let case = given();
    let remove = |name: &str| Command::RemoveOperator { name: name.into() };
    assert!(matches!(case.when(operator("ann")), Err(Refusal::OperatorExists(_))));
    assert!(matches!(case.when(remove("eve")), Err(Refusal::Unknown { .. })));
    let case = case.after(remove("ann"));
    assert!(matches!(case.when(remove("bob")), Err(Refusal::LastOperator(_))));
    assert!(case.state.operator_by_token("digest of ann").is_none());
    assert!(case.state.operator_by_token("digest of bob").is_some());
}

#[test]
fn an_installation_is_founded_once() {
    let again = given().when(Command::Found { issuer: "https://other.example".into() });
    assert!(matches!(again, Err(Refusal::AlreadyFounded)));
}

#[test]
fn publishing_and_revoking_again_change_nothing() {
    let case = given();
    let publish = Command::PublishSigningKey { key: NewKey { kid: "k".into(), jwk: json!({}) } };
    let case = case.after(publish.clone());
    assert_eq!(case.when(publish).unwrap(), []);
    let revoke = |case: &Case, seconds| Command::RevokeToken {
        client: case.client("robot"),
        token_id: "t".into(),
        expires_at: case.now + SignedDuration::from_secs(seconds),
    };
    assert_eq!(case.when(revoke(&case, 0)).unwrap(), [], "dead already");
    let first = case.when(revoke(&case, 1)).unwrap();
    assert!(matches!(first[..], [Event::TokenRevoked { .. }]));
    let command = revoke(&case, 1);
    let case = case.after(command);
    assert_eq!(case.when(revoke(&case, 60)).unwrap(), []);
}

#[test]
fn revoked_tokens_are_forgotten_when_they_have_long_expired() {
    let revoked = |case: Case, token: &str, minutes: i64| {
        let command = Command::RevokeToken {
            client: ClientId(Uuid::from_u128(1)),
            token_id: token.to_owned(),
            expires_at: case.now + SignedDuration::from_mins(minutes),
        };
        case.after(command)
    };
    let case = revoked(revoked(given(), "short", 1), "long", 10);
    assert_eq!(case.state.revoked_tokens.len(), 2, "both are good still");
    let case = revoked(case.later(SignedDuration::from_mins(61)), "new", 5);
    let left: Vec<_> = case.state.revoked_tokens.keys().map(String::as_str).collect();
    assert_eq!(left, ["long", "new"]);
}
