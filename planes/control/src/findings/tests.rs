use jiff::Timestamp;
use portcullis_api::findings::{FindingCode, Severity};
use portcullis_domain::event::{Cause, Event, KeyForm, PublicKey, RegisteredKey, Severance};
use portcullis_domain::ids::{ClientId, OperatorId, SeveranceId, VendorId};
use portcullis_domain::personal::Personal;
use portcullis_domain::state::State;
use portcullis_domain::target::Target;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Runtime, findings};

/// A state of these operators, contacts' roles, and last days of contract and grant.
pub fn state(operators: usize, role: &str, contract_ends: &str, grant_ends: Option<&str>) -> State {
    let mut state = State::default();
    for number in 1..=operators {
        state.apply(&Event::OperatorAdded {
            id: OperatorId(Uuid::from_u128(900 + number as u128)),
            name: Personal::Plain(format!("operator {number}")),
            token_sha256: String::new(),
        });
    }
    let contacts = json!([{ "name": "Ann", "role": role }]);
    define(&mut state, 1, "Vendor", json!({ "legal_name": "Acme", "contacts": contacts }));
    let term = json!({ "vendor": "acme", "starts": "2026-01-01", "ends": contract_ends, "time_zone": "UTC" });
    define(&mut state, 2, "Contract", term);
    let mut grant = json!({ "contract": "acme", "purpose": "x", "routes": ["acme"], "scopes": ["acme"] });
    if let Some(ends) = grant_ends {
        grant["ends"] = ends.into();
    }
    define(&mut state, 3, "Integration", grant);
    state
}

pub fn define(state: &mut State, id: u128, kind: &str, spec: Value) {
    let declaration = json!({ "name": "acme", "kind": kind, "spec": spec });
    let declaration = serde_json::from_value(declaration).unwrap();
    state.apply(&Event::ResourceDefined {
        id: Uuid::from_u128(id),
        declaration,
        keys: Vec::new(),
        time: None,
    });
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn found(state: &State, now: &str) -> Vec<(Severity, &'static str, String)> {
    let found = findings(state, &Runtime::default(), at(now));
    found.into_iter().map(|finding| (finding.severity, finding.code.as_str(), finding.about)).collect()
}

#[test]
fn nothing_is_found_where_all_is_well() {
    assert_eq!(found(&state(2, "Security", "2026-12-31", None), "2026-06-01T00:00:00Z"), []);
}

#[test]
fn people_who_are_missing_are_told() {
    assert_eq!(
        found(&state(1, "contract", "2026-12-31", None), "2026-06-01T00:00:00Z"),
        [
            (Severity::Medium, "one_operator", "installation".to_owned()),
            (Severity::Low, "security_contact_missing", "vendor/acme".to_owned()),
        ]
    );
}

#[test]
fn what_ends_is_told_of_in_time_and_pressingly() {
    let check = |contract: &str, grant: Option<&str>, now: &str, expect: &[(Severity, &str)]| {
        let found = found(&state(2, "security", contract, grant), now);
        let found: Vec<_> = found.iter().map(|(severity, code, _)| (*severity, *code)).collect();
        assert_eq!(found, expect, "{contract} {grant:?} {now}");
    };
    check("2026-12-31", None, "2026-12-01T23:59:59Z", &[]);
    check("2026-12-31", None, "2026-12-02T00:00:00Z", &[(Severity::Low, "contract_ends")]);
    check("2026-12-31", None, "2026-12-25T00:00:00Z", &[(Severity::Medium, "contract_ends")]);
    // The last day still counts.
    check("2026-12-31", None, "2026-12-31T23:59:59Z", &[(Severity::Medium, "contract_ends")]);
    check("2026-12-31", None, "2027-01-01T00:00:00Z", &[(Severity::High, "contract_ends")]);
    check("2026-12-31", Some("2026-06-30"), "2026-06-20T00:00:00Z", &[(Severity::Low, "grant_ends")]);
    check("2026-12-31", Some("2026-12-31"), "2026-12-30T00:00:00Z", &[(Severity::Medium, "contract_ends")]);
    check(
        "2026-07-05",
        Some("2026-06-30"),
        "2026-07-01T00:00:00Z",
        &[(Severity::High, "grant_ends"), (Severity::Medium, "contract_ends")],
    );
}

#[test]
fn keys_that_lapse_and_signs_of_theft_are_told() {
    let mut state = state(2, "security", "2099-12-31", None);
    let declaration = json!({ "name": "robot", "kind": "Client", "spec": { "integration": "acme" } });
    let client = ClientId(Uuid::from_u128(9));
    state.apply(&Event::ResourceDefined {
        id: client.0,
        declaration: serde_json::from_value(declaration).unwrap(),
        keys: vec![RegisteredKey { thumbprint: "k".into(), form: KeyForm::Jwk }],
        time: Some(at("2026-01-01T00:00:00Z")),
    });
    let about = || "client/robot".to_owned();
    let lapses = |severity| (severity, "client_key_lapses", about());
    // 90 days, and 14 of warning.
    assert_eq!(found(&state, "2026-03-17T23:59:59Z"), []);
    assert_eq!(found(&state, "2026-03-18T00:00:00Z"), [lapses(Severity::Medium)]);
    assert_eq!(found(&state, "2026-04-01T00:00:00Z"), [lapses(Severity::High)]);
    let public =
        |thumbprint: &str| PublicKey { thumbprint: thumbprint.into(), form: KeyForm::Jwk, public: json!({}) };
    let time = at("2026-03-20T00:00:00Z");
    state.apply(&Event::ClientKeyRegistered {
        client,
        key: public("next"),
        replaces: "k".into(),
        replaced_ends_at: time,
        time,
    });
    assert_eq!(found(&state, "2026-04-01T00:00:00Z"), [], "the newest key is good");
    let by = OperatorId(Uuid::from_u128(901));
    let code = || "c".to_owned();
    state.apply(&Event::EnrolmentOpened {
        client,
        code_sha256: code(),
        expires_at: time,
        recovery: true,
        by,
        time,
    });
    state.apply(&Event::EnrolmentUsed { client, key: public("third"), time });
    state.apply(&Event::EnrolmentReused { client, thumbprint: "thief".into(), time });
    let reused = (Severity::Critical, "enrolment_reused", about());
    assert_eq!(found(&state, "2026-04-01T00:00:00Z"), std::slice::from_ref(&reused));
    state.apply(&Event::Severed(Severance {
        id: SeveranceId(Uuid::from_u128(7)),
        target: Target::Client { id: client },
        epoch: 2,
        keys: vec!["third".into()],
        cause: Cause::KeyTheft { key: "k".into(), next_key: "thief".into() },
        time: at("2026-04-01T00:00:00Z"),
    }));
    let theft = (Severity::Critical, "client_key_theft", about());
    assert_eq!(found(&state, "2026-04-01T00:00:00Z"), [reused, theft]);
}

#[test]
fn a_severance_that_stays_is_told_after_a_day() {
    let mut state = state(2, "security", "2026-12-31", None);
    state.apply(&Event::Severed(Severance {
        id: SeveranceId(Uuid::from_u128(7)),
        target: Target::Vendor { id: VendorId(Uuid::from_u128(1)) },
        epoch: 2,
        keys: Vec::new(),
        cause: Cause::Operator {
            operator: OperatorId(Uuid::from_u128(901)),
            reason: "theft".into(),
            tell: None,
        },
        time: at("2026-06-01T00:00:00Z"),
    }));
    assert_eq!(found(&state, "2026-06-01T23:59:59Z"), []);
    let told = findings(&state, &Runtime::default(), at("2026-06-03T00:00:00Z"));
    assert_eq!((told[0].code, told[0].about.as_str()), (FindingCode::SeveranceOpen, "vendor/acme"));
    assert_eq!(told[0].message, "`vendor/acme` has been severed for 2 days");
    assert_eq!(told[0].hint, "when the cause is gone, `portcullis restore vendor/acme`");
}
