use jiff::SignedDuration;
use portcullis_domain::command::{Command, NewKey, Refusal};
use portcullis_domain::event::Event;
use portcullis_domain::ids::{ClientId, IssuerId};
use portcullis_domain::spec::Kind;
use serde_json::json;
use uuid::Uuid;

use crate::case::{Case, apply, given, operator, prepared};

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
    let again = given().when(Command::Found { issuer: "https://other.example".into(), stops: None });
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
    assert_eq!(left, ["new"]);
}

/// Our own token of that id, if there is one, and those of each issuer that speaks for the client.
#[test]
fn a_token_that_is_revoked_by_its_id_is_dead_as_long_as_it_may_live() {
    let issuer = |name: &str, client: &str| {
        let spec = json!({ "vendor": "acme", "issuer": format!("https://{name}.example"),
            "algorithms": ["ES256"], "jwks": { "keys": [] },
            "clients": [{ "client": client, "claims": { "azp": client } }] });
        prepared("Issuer", name, spec, json!({}), &[])
    };
    let case = given().after(apply(&[issuer("idp", "robot"), issuer("idq", "other")]));
    let of = |client: &str, id: &str| Command::RevokeTokenOf { client: client.into(), token_id: id.into() };
    let known = |name: &str| IssuerId(case.state.resource(Kind::Issuer, name).unwrap().id);
    let (idp, idq) = (known("idp"), known("idq"));
    assert!(matches!(case.when(of("nobody", "t")), Err(Refusal::Unknown { .. })));
    let case = case.after(of("robot", "t")).after(of("other", &idq.token("u")));
    let dead: Vec<_> = case.state.revoked_tokens.keys().cloned().collect();
    let mut expected = vec!["t".to_owned(), idp.token("t"), idq.token("u"), idq.token("u")];
    expected.sort();
    expected.dedup();
    assert_eq!(dead, expected, "an id that says its issuer is taken as it is");
    assert_eq!(case.when(of("robot", "t")).unwrap(), [], "dead already");
    // A token may be given for a day from a minute ahead of now; others that are revoked change nothing of it.
    let case = case.later(SignedDuration::from_secs(86_459)).after(of("other", "v"));
    assert!(case.state.revoked_tokens.contains_key(&idp.token("t")));
    assert!(!case.state.revoked_tokens.contains_key("t"), "ours is long expired");
    let case = case.later(SignedDuration::from_secs(1)).after(of("other", "w"));
    assert!(!case.state.revoked_tokens.contains_key(&idp.token("t")));
}
