//! Ceilings of integrations: each names something that exists, or is told what is wrong with it.

use portcullis_domain::command::Refusal;
use portcullis_domain::spec::{IntegrationSpec, Spec};
use serde_json::{Value, json};

use crate::case::{apply, given, integration};

/// The faults of such ceilings: place below `/spec/ceilings`, and how the message begins.
fn check(ceilings: Value, expect: &[(&str, &str)]) {
    let found = match given().when(apply(&[integration(json!({ "ceilings": ceilings }))])) {
        Ok(_) => Vec::new(),
        Err(Refusal::Invalid(faults)) => faults,
        Err(other) => panic!("{ceilings}: {other}"),
    };
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), expect.len(), "{ceilings}: {shown:?}");
    for (fault, (pointer, message)) in found.iter().zip(expect) {
        assert_eq!(fault.pointer, format!("/spec/ceilings/{pointer}"), "{ceilings}");
        assert!(fault.message.starts_with(message), "{ceilings}: {fault}");
    }
}

#[test]
fn ceilings_name_what_exists() {
    check(json!({}), &[]);
    check(
        json!({ "records_per_day": 20_000, "routes": ["parcels"], "countries": ["DE", "AT"],
            "networks": ["192.0.2.0/24", "2001:db8::/32", "AS64500"] }),
        &[],
    );
    check(json!({ "records_per_day": 0 }), &[("records_per_day", "that is no number of records a day")]);
    check(
        json!({ "records_per_day": 1_000_000_000_001_u64 }),
        &[("records_per_day", "that is no number of records a day")],
    );
    for list in ["routes", "countries", "networks"] {
        check(json!({ list: [] }), &[(list, "the list names nothing, so nothing would pass")]);
    }
    check(
        json!({ "routes": ["parcels", "payslips", "parcels"] }),
        &[("routes/1", "route `payslips` is not among"), ("routes/2", "`parcels` is named twice")],
    );
    check(
        json!({ "countries": ["UK", "de", "DE", "DE", "Germany"] }),
        &[
            ("countries/0", "`UK` is not a country"),
            ("countries/1", "`de` is not a country"),
            ("countries/3", "`DE` is named twice"),
            ("countries/4", "`Germany` is not a country"),
        ],
    );
    check(
        json!({ "networks": ["192.0.2.7/24", "192.0.2.7", "64500", "0.0.0.0/33"] }),
        &[
            (
                "networks/0",
                "`192.0.2.7/24` is not a network: bits behind the prefix are set: the network is `192.0.2.0/24`",
            ),
            ("networks/1", "`192.0.2.7` is not a network: it is neither"),
            ("networks/2", "`64500` is not a network"),
            ("networks/3", "`0.0.0.0/33` is not a network: a prefix of such addresses has at most 32 bits"),
        ],
    );
    let many: Vec<String> = (0..257).map(|number| format!("AS{}", number + 1)).collect();
    check(json!({ "networks": many }), &[("networks", "the list names more than 256")]);
}

#[test]
fn hints_say_what_was_meant() {
    let hint = |ceilings: Value| {
        let refused = given().when(apply(&[integration(json!({ "ceilings": ceilings }))]));
        let Err(Refusal::Invalid(faults)) = refused else { panic!("{refused:?}") };
        faults[0].hint.clone().unwrap()
    };
    assert_eq!(hint(json!({ "countries": ["UK"] })), "the code of the United Kingdom is `GB` (ISO 3166-1)");
    assert_eq!(hint(json!({ "countries": ["de"] })), "write `DE`");
    assert_eq!(
        hint(json!({ "networks": ["10.1.0.0/8"] })),
        "write `10.0.0.0/8`, or all bits for one address"
    );
}

/// What earlier versions wrote has none, and what has none is written as they did.
#[test]
fn a_spec_without_ceilings_reads_and_writes_as_before() {
    let old = json!({ "contract": "c", "purpose": "p", "routes": ["r"], "scopes": ["s"] });
    let spec: IntegrationSpec = serde_json::from_value(old).unwrap();
    assert!(spec.ceilings.is_none());
    let written = serde_json::to_value(&spec).unwrap();
    assert!(written.get("ceilings").is_none(), "{written}");
    let case = given().after(apply(&[integration(json!({ "ceilings": { "records_per_day": 5 } }))]));
    let known = case.state.resource(portcullis_domain::spec::Kind::Integration, "feed").unwrap();
    let Spec::Integration(spec) = &known.declaration.spec else { panic!() };
    assert_eq!(spec.ceilings.records_per_day, Some(5));
}
