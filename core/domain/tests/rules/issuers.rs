use jiff::SignedDuration;
use portcullis_domain::command::{Command, Prepared, Refusal};
use portcullis_domain::decision::DecisionId;
use portcullis_domain::event::{Event, ExternalKeys};
use portcullis_domain::spec::Kind;
use portcullis_domain::state::KeysOrigin;
use portcullis_domain::target::Target;
use serde_json::{Value, json};

use crate::case::{Case, apply, given, prepared, route, severance, vendor};

fn issuer(with: Value) -> Prepared {
    let spec = json!({ "vendor": "acme", "issuer": "https://idp.acme.example", "algorithms": ["RS256"],
        "clients": [{ "client": "robot", "claims": { "azp": "exports" } }] });
    prepared("Issuer", "acme-idp", spec, with, &[])
}

fn trust_domain(with: Value) -> Prepared {
    let spec = json!({ "vendor": "acme", "trust_domain": "prod.acme.example", "bundle": { "keys": [] },
        "clients": [{ "client": "robot", "spiffe_id": "spiffe://prod.acme.example/exports" }] });
    prepared("TrustDomain", "acme-prod", spec, with, &[])
}

/// Another vendor with one client, `foreign`.
fn beside() -> Vec<Prepared> {
    let named = |mut prepared: Prepared, name: &str| {
        prepared.declaration.name = name.to_owned();
        prepared
    };
    let contract =
        json!({ "vendor": "beta", "starts": "2026-01-01", "ends": "2026-12-31", "time_zone": "UTC" });
    let feed = json!({ "contract": "beta-2026", "purpose": "x", "routes": ["parcels"], "scopes": ["read"] });
    let client = json!({ "integration": "beta-feed", "jwks": { "keys": [] } });
    vec![
        named(vendor(json!({})), "beta"),
        prepared("Contract", "beta-2026", contract, json!({}), &[]),
        prepared("Integration", "beta-feed", feed, json!({}), &[]),
        prepared("Client", "foreign", client, json!({}), &["key-9"]),
    ]
}

#[track_caller]
fn check(case: &Case, resources: &[Prepared], pointer: &str, message: &str) {
    match case.when(apply(resources)) {
        Err(Refusal::Invalid(faults)) => {
            let found =
                faults.iter().any(|fault| fault.pointer == pointer && fault.message.contains(message));
            assert!(found, "{faults:#?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_issuer_says_one_thing_about_one_vendor() {
    let case = given().after(apply(&beside()));
    let bad = |with: Value, pointer: &str, message: &str| check(&case, &[issuer(with)], pointer, message);
    let map = |clients: Value| json!({ "clients": clients });
    bad(json!({ "vendor": "nobody" }), "/spec/vendor", "no Vendor `nobody`");
    bad(json!({ "issuer": "http://idp.acme.example" }), "/spec/issuer", "not an `https` address");
    bad(json!({ "issuer": "https://idp.acme.example?x" }), "/spec/issuer", "neither query");
    bad(json!({ "issuer": "https://gate.example" }), "/spec/issuer", "the gate's own");
    bad(json!({ "jwks_uri": "ftp://x" }), "/spec/jwks_uri", "not an `https` address");
    bad(json!({ "jwks_uri": "https://a@b/" }), "/spec/jwks_uri", "not an `https` address");
    bad(json!({ "jwks_uri": "https://x", "jwks": {} }), "/spec/jwks_uri", "given twice");
    bad(json!({ "algorithms": [] }), "/spec/algorithms", "no algorithm");
    bad(json!({ "token_types": [] }), "/spec/token_types", "no type");
    bad(json!({ "audiences": [""] }), "/spec/audiences/0", "1 to 1024");
    bad(json!({ "scopes": { "a": "b c" } }), "/spec/scopes", "not a scope");
    bad(json!({ "stale_seconds": 59 }), "/spec/stale_seconds", "60 to");
    bad(json!({ "refresh_seconds": 600, "stale_seconds": 300 }), "/spec/stale_seconds", "stale before");
    bad(map(json!([])), "/spec/clients", "no client");
    let nobody = json!([{ "client": "nobody", "claims": { "azp": "x" } }]);
    bad(map(nobody), "/spec/clients/0/client", "no Client `nobody`");
    bad(map(json!([{ "client": "robot", "claims": {} }])), "/spec/clients/0/claims", "1 to 8 claims");
    let foreign = json!([{ "client": "foreign", "claims": { "azp": "x" } }]);
    bad(map(foreign), "/spec/clients/0/client", "of vendor `beta`");
    let twins = json!([{ "client": "robot", "claims": { "azp": "x" } }, { "client": "other", "claims": { "sub": "y" } }]);
    bad(map(twins), "/spec/clients/1/claims", "mapping 0 as well");
    let twins = json!([{ "client": "robot", "claims": { "azp": "x", "sub": "y" } }, { "client": "other", "claims": { "azp": "z", "sub": "y" } }]);
    let case = case.after(apply(&[issuer(map(twins))]));
    let mut second = issuer(json!({}));
    second.declaration.name = "twin".into();
    check(&case, &[second], "/spec/issuer", "`acme-idp` is the same one");
    assert!(matches!(
        case.when(Command::Delete { kind: Kind::Client, name: "other".into() }),
        Err(Refusal::InUse { .. })
    ));
}

#[test]
fn a_trust_domain_maps_its_own_workloads() {
    let case = given().after(apply(&beside()));
    let bad =
        |with: Value, pointer: &str, message: &str| check(&case, &[trust_domain(with)], pointer, message);
    let map = |client: &str, id: &str| json!({ "clients": [{ "client": client, "spiffe_id": id }] });
    bad(json!({ "trust_domain": "Prod" }), "/spec/trust_domain", "not a trust domain");
    bad(json!({ "bundle": null }), "/spec", "no bundle");
    bad(json!({ "bundle_uri": "https://x" }), "/spec/bundle_uri", "twice");
    bad(map("robot", "spiffe://other.example/x"), "/spec/clients/0/spiffe_id", "not a workload of this");
    bad(map("foreign", "spiffe://prod.acme.example/x"), "/spec/clients/0/client", "of vendor `beta`");
    let id = "spiffe://prod.acme.example/x";
    let twice = json!({ "clients": [{ "client": "robot", "spiffe_id": id }, { "client": "other", "spiffe_id": id }] });
    bad(twice, "/spec/clients/1/spiffe_id", "another client's");
    let case = case.after(apply(&[trust_domain(json!({}))]));
    let mut second = trust_domain(json!({}));
    second.declaration.name = "twin".into();
    check(&case, &[second], "/spec/trust_domain", "`acme-prod` is the same one");
}

#[test]
fn tokens_that_are_bound_to_nothing_are_for_low_impact_only() {
    let case = given();
    check(&case, &[route(json!({ "unbound": "allow" }))], "/spec/unbound", "low impact only");
    check(
        &case,
        &[route(json!({ "unbound": "allow", "impact": "high" }))],
        "/spec/unbound",
        "low impact only",
    );
    assert!(case.when(apply(&[route(json!({ "unbound": "allow", "impact": "low" }))])).is_ok());
}

#[test]
fn a_client_without_a_key_needs_somebody_who_vouches_for_it() {
    let case = given();
    let keyless = prepared("Client", "machine", json!({ "integration": "feed" }), json!({}), &[]);
    check(&case, std::slice::from_ref(&keyless), "/spec", "no way to prove");
    let clients = json!({ "clients": [{ "client": "machine", "claims": { "azp": "m" } }] });
    let case = case.after(apply(&[keyless, issuer(clients)]));
    // It could come back with another key at once: a record cut closes the client itself.
    let client = case.client("machine");
    let cut = Command::CutKey { client, keys: vec!["seen".into()], decision: DecisionId::new(1, [2; 10]) };
    let found = severance(case.when(cut));
    assert_eq!((found.target, found.epoch), (Target::Client { id: client }, 2));
    // For the same reason, revoking all its keys does.
    let revoke = Command::RevokeKeys {
        client: "machine".into(),
        key: None,
        by: case.operator("ann"),
        reason: "lost laptop".into(),
        seen: Default::default(),
    };
    let found = severance(case.when(revoke));
    assert_eq!((found.target, found.epoch), (Target::Client { id: client }, 2));
}

#[test]
fn keys_are_recorded_when_they_change_and_not_more_often_than_once_a_minute() {
    let keys = |kid: &str| ExternalKeys { jwks: vec![json!({ "kid": kid })], roots: vec![] };
    let fetched = |case: &Case, kid: &str| {
        let found = case.state.resource(Kind::Issuer, "acme-idp").unwrap();
        let origin = KeysOrigin::of(&found.declaration.spec).unwrap();
        Command::ChangeIssuerKeys { issuer: found.id, origin, keys: keys(kid) }
    };
    let case = given().after(apply(&[issuer(json!({}))]));
    let first = fetched(&case, "a");
    let case = case.after(first);
    let id = case.state.resource(Kind::Issuer, "acme-idp").unwrap().id;
    assert_eq!(case.state.issuer_keys[&id].keys, keys("a"));
    assert_eq!(case.when(fetched(&case, "b")).unwrap(), [], "too soon");
    let case = case.later(SignedDuration::from_secs(60));
    assert_eq!(case.when(fetched(&case, "a")).unwrap(), [], "nothing new");
    let [Event::IssuerKeysChanged(change)] = &case.when(fetched(&case, "b")).unwrap()[..] else { panic!() };
    assert_eq!((change.issuer, change.time), (id, case.now));
    // Other words about it change nothing; another place does.
    let case = case.after(apply(&[issuer(json!({ "audiences": ["x"] }))]));
    assert!(case.state.issuer_keys.contains_key(&id));
    for elsewhere in [
        json!({ "issuer": "https://other.example" }),
        json!({ "jwks_uri": "https://other.example/jwks" }),
        json!({ "certificate_authority": "PEM" }),
    ] {
        let moved = case.clone().after(apply(&[issuer(elsewhere)]));
        assert!(moved.state.issuer_keys.is_empty());
        assert_eq!(moved.when(fetched(&case, "c")).unwrap(), [], "fetched where they were before");
        assert_eq!(moved.when(fetched(&moved, "c")).unwrap().len(), 1);
    }
    let declared = case.clone().after(apply(&[issuer(json!({ "jwks": { "keys": [] } }))]));
    let late = fetched(&case, "d");
    assert_eq!(declared.when(late.clone()).unwrap(), [], "keys of a manifest aren't fetched");
    let gone = case.after(Command::Delete { kind: Kind::Issuer, name: "acme-idp".into() });
    assert!(gone.state.issuer_keys.is_empty());
    assert_eq!(gone.when(late).unwrap(), [], "it is gone");
}

#[test]
fn severing_and_restoring_cut_off_what_was_issued_elsewhere() {
    let case = given().severed("client/robot");
    let robot = case.client("robot").0;
    assert_eq!(case.state.cut_off(robot), Some(case.now));
    let case = case.later(SignedDuration::from_secs(60)).proposed("client/robot", "ann");
    assert_eq!(case.state.cut_off(robot), Some(case.now));
    assert_eq!(case.state.cut_off(case.client("other").0), None);
}
