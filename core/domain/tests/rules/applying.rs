use portcullis_domain::command::{Command, Prepared, Refusal};
use portcullis_domain::event::Event;
use portcullis_domain::spec::Kind;
use serde_json::json;

use crate::case::{
    acme, apply, client, contract, empty, given, integration, prepared, route, upstream, vendor,
};

fn kinds(events: &[Event]) -> Vec<Kind> {
    let kind = |event: &Event| match event {
        Event::ResourceDefined { declaration, .. } => declaration.spec.kind(),
        other => panic!("{other:?}"),
    };
    events.iter().map(kind).collect()
}

#[test]
fn a_batch_is_taken_in_the_order_of_its_references() {
    let events = empty().when(apply(&acme())).unwrap();
    let order = [
        Kind::Vendor,
        Kind::Contract,
        Kind::Upstream,
        Kind::Route,
        Kind::Integration,
        Kind::Client,
        Kind::Client,
    ];
    assert_eq!(kinds(&events), order);
}

#[test]
fn what_is_known_already_makes_no_event() {
    let case = given();
    assert_eq!(case.when(apply(&acme())).unwrap(), []);
    let mut some = acme();
    some[6] = vendor(json!({ "legal_name": "Acme GmbH" }));
    let events = case.when(apply(&some)).unwrap();
    let [Event::ResourceDefined { id, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(*id, case.state.resource(Kind::Vendor, "acme").unwrap().id, "it keeps its id");
    let case = case.after(apply(&some));
    assert_eq!(case.when(apply(&some)).unwrap(), []);
    assert_eq!(case.state.resource(Kind::Vendor, "acme").unwrap().version, case.state.size);
}

#[test]
fn a_name_that_is_given_again_gets_a_new_id() {
    let case = given();
    let old = case.client("robot");
    let case = case.after(Command::Delete { kind: Kind::Client, name: "robot".into() });
    let case = case.after(apply(&[client("robot", &["key-9"])]));
    assert_ne!(case.client("robot"), old);
}

#[test]
fn one_fault_refuses_the_batch_and_all_faults_are_told_at_once() {
    let check = |resources: &[Prepared], expect: &[&str]| {
        let case = given();
        match case.when(apply(resources)) {
            Err(Refusal::Invalid(faults)) => {
                let found: Vec<String> = faults
                    .iter()
                    .map(|fault| format!("{} {} {}", fault.kind, fault.name, fault.pointer))
                    .collect();
                assert_eq!(found, expect, "{faults:?}");
            }
            other => panic!("{expect:?}: {other:?}"),
        }
    };
    let named = |name: &str| prepared("Vendor", name, json!({ "legal_name": "A" }), json!({}), &[]);
    let good = vendor(json!({ "purpose": "new" }));
    check(&[good.clone(), named("Upper"), named("-a")], &["Vendor Upper /name", "Vendor -a /name"]);
    check(&[good.clone(), good], &["Vendor acme /name"]);
    check(&[vendor(json!({ "legal_name": " " }))], &["Vendor acme /spec/legal_name"]);
    check(&[vendor(json!({ "records_max": 1_u64 << 53 }))], &["Vendor acme /spec/records_max"]);
    check(
        &[contract(json!({ "vendor": "nobody" }))],
        &["Contract acme-2026 /spec/vendor", "Contract acme-2026 /spec/vendor"],
    );
    check(&[contract(json!({ "ends": "2025-12-31" }))], &["Contract acme-2026 /spec/ends"]);
    check(&[contract(json!({ "time_zone": "Mars/Olympus" }))], &["Contract acme-2026 /spec/time_zone"]);
    for url in ["tracking", "ftp://a", "http://", "http://a/path", "http://user@a"] {
        check(&[upstream(json!({ "url": url }))], &["Upstream tracking /spec/url"]);
    }
    check(&[upstream(json!({ "tls": {} }))], &["Upstream tracking /spec/tls"]);
    for path in ["parcels", "/a/{}", "/a//b", "/{*rest}/a", "/a/../b"] {
        check(&[route(json!({ "path": path }))], &["Route parcels /spec/path"]);
    }
    for path in ["/oauth", "/oauth/token", "/.well-known/x"] {
        check(&[route(json!({ "path": path }))], &["Route parcels /spec/path"]);
    }
    check(&[route(json!({ "methods": ["GET", "CONNECT"] }))], &["Route parcels /spec/methods/1"]);
    check(&[route(json!({ "methods": [] }))], &["Route parcels /spec/methods"]);
    let second = |path: &str| {
        prepared(
            "Route",
            "second",
            json!({ "upstream": "tracking", "methods": ["GET"],
        "path": path, "scope": "read" }),
            json!({}),
            &[],
        )
    };
    check(&[second("/parcels/{number}")], &["Route second /spec/path"]);
    // Other methods don't help: the router could not tell which parameter is meant.
    let posting = |path: &str| {
        let spec = json!({ "upstream": "tracking", "methods": ["POST"], "path": path, "scope": "read" });
        prepared("Route", "second", spec, json!({}), &[])
    };
    check(&[posting("/parcels/{number}")], &["Route second /spec/path"]);
    check(&[route(json!({ "page_max": 60_000 }))], &["Route parcels /spec/page_max"]);
    check(&[route(json!({ "record_bytes": 0 }))], &["Route parcels /spec/record_bytes"]);
    check(&[route(json!({ "websocket": true, "methods": ["POST"] }))], &["Route parcels /spec/websocket"]);
    for pointer in ["data", "/a~2", "/a~"] {
        check(&[route(json!({ "records": pointer }))], &["Route parcels /spec/records"]);
    }
    check(&[integration(json!({ "scopes": ["write"] }))], &["Integration feed /spec/routes/0"]);
    check(&[integration(json!({ "scopes": ["read", "a b"] }))], &["Integration feed /spec/scopes/1"]);
    check(&[integration(json!({ "token_seconds": 601 }))], &["Integration feed /spec/token_seconds"]);
    check(
        &[integration(json!({ "limits": { "concurrency": 0 } }))],
        &["Integration feed /spec/limits/concurrency"],
    );
    check(
        &[prepared("Client", "bare", json!({ "integration": "feed" }), json!({}), &[])],
        &["Client bare /spec"],
    );
    check(&[client("thief", &["key-1"])], &["Client thief /spec"]);
    check(&[client("a", &["key-3"]), client("b", &["key-3"])], &["Client b /spec"]);
    // Two clients may swap their keys in one batch.
    assert!(given().when(apply(&[client("robot", &["key-2"]), client("other", &["key-1"])])).is_ok());
}

#[test]
fn nothing_goes_over_to_another_vendor() {
    let case = given().after(apply(&[
        prepared("Vendor", "umbrella", json!({ "legal_name": "Umbrella" }), json!({}), &[]),
        prepared(
            "Contract",
            "umbrella-2026",
            json!({ "vendor": "umbrella", "starts": "2026-01-01",
            "ends": "2026-12-31", "time_zone": "UTC" }),
            json!({}),
            &[],
        ),
        prepared(
            "Integration",
            "second",
            json!({ "contract": "acme-2026", "purpose": "x", "routes": [],
            "scopes": [] }),
            json!({}),
            &[],
        ),
    ]));
    let moved = [
        contract(json!({ "vendor": "umbrella" })),
        integration(json!({ "contract": "umbrella-2026" })),
        prepared("Client", "robot", json!({ "integration": "second", "jwks": {} }), json!({}), &["key-1"]),
    ];
    for moved in moved {
        assert!(
            matches!(case.when(apply(std::slice::from_ref(&moved))), Err(Refusal::Invalid(_))),
            "{moved:?}"
        );
    }
}

#[test]
fn what_is_used_stays() {
    let case = given();
    let delete = |kind, name: &str| Command::Delete { kind, name: name.into() };
    for (kind, name, user) in [
        (Kind::Vendor, "acme", "Contract `acme-2026`"),
        (Kind::Contract, "acme-2026", "Integration `feed`"),
        (Kind::Upstream, "tracking", "Route `parcels`"),
        (Kind::Route, "parcels", "Integration `feed`"),
        (Kind::Integration, "feed", "Client `other`, Client `robot`"),
    ] {
        match case.when(delete(kind, name)) {
            Err(Refusal::InUse { used_by, .. }) => assert_eq!(used_by, user),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(case.when(delete(Kind::Client, "nobody")), Err(Refusal::Unknown { .. })));
    let id = case.client("robot").0;
    let removed = Event::ResourceRemoved { id, kind: Kind::Client, name: "robot".into() };
    assert_eq!(case.when(delete(Kind::Client, "robot")).unwrap(), [removed]);
}
