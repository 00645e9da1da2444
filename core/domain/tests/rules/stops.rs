//! What stops look at, gathered from what is declared, and the rules for them.

use portcullis_assurance::Access;
use portcullis_assurance::assessment::{Step, StepState};
use portcullis_assurance::change::Change;
use portcullis_assurance::exposure::Tier;
use portcullis_assurance::order::Order;
use portcullis_assurance::stops::{self, Stop, StopMode};
use portcullis_domain::command::{Command, Prepared, Refusal};
use portcullis_domain::ids::VendorId;
use portcullis_domain::spec::Kind;
use portcullis_domain::state::State;
use serde_json::json;

use crate::case::{Case, apply, contract, empty, given, integration, prepared, route, vendor};

fn acme(state: &State) -> VendorId {
    VendorId(state.resource(Kind::Vendor, "acme").unwrap().id)
}

fn policy(name: &str, spec: serde_json::Value) -> Prepared {
    prepared("Policy", name, json!({}), spec, &[])
}

fn faults(case: &Case, resource: Prepared) -> Vec<String> {
    match case.when(apply(&[resource])) {
        Err(Refusal::Invalid(faults)) => faults.into_iter().map(|fault| fault.pointer).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn modes_come_from_the_most_specific_policy_then_the_founding_then_observe() {
    assert_eq!(given().state.stop_rules("acme").otherwise, StopMode::Observe);
    let founded = |stops| empty().after(Command::Found { issuer: "https://gate.example".into(), stops });
    assert_eq!(founded(Some(StopMode::Enforce)).state.stop_rules("acme").otherwise, StopMode::Enforce);
    let case = given()
        .after(apply(&[policy(
            "all",
            json!({ "stops": { "default": "enforce", "exit": "off", "clause": "observe" } }),
        )]))
        .after(apply(&[policy(
            "acme",
            json!({ "vendors": ["acme"], "stops": { "exit": "enforce" }, "mandatory_clauses": ["deletion"] }),
        )]))
        .after(apply(&[policy("scores", json!({ "integrations": ["feed"], "mode": "off" }))]));
    let rules = case.state.stop_rules("acme");
    assert_eq!(rules.otherwise, StopMode::Enforce);
    let modes = [Stop::Exit, Stop::Clause, Stop::Contract].map(|stop| rules.mode(stop));
    assert_eq!(modes, [StopMode::Enforce, StopMode::Observe, StopMode::Enforce]);
    assert_eq!(rules.clauses.len(), 1);
    let others = case.state.stop_rules("another");
    assert_eq!((others.mode(Stop::Exit), others.clauses.len()), (StopMode::Off, 8));
    // Two that are equally specific can't disagree, and stops are about vendors as a whole.
    assert_eq!(
        faults(&case, policy("more", json!({ "stops": { "default": "off" } }))),
        ["/spec/stops/default"]
    );
    assert_eq!(
        faults(&case, policy("more", json!({ "vendors": ["acme"], "mandatory_clauses": ["insurance"] }))),
        ["/spec/mandatory_clauses"]
    );
    let narrow =
        policy("more", json!({ "routes": ["parcels"], "stops": { "exit": "off" }, "mandatory_clauses": [] }));
    assert_eq!(faults(&case, narrow), ["/spec/stops", "/spec/mandatory_clauses"]);
}

#[test]
fn what_is_known_is_gathered_from_what_is_declared() {
    let case = given().after(apply(&[
        contract(json!({
            "ends": "2026-10-25", "time_zone": "Europe/Berlin", "vendor_name": "Acme Limited",
            "signed_by": [{ "name": "Jane Doe" }, { "name": "Our Chief", "for_vendor": false }],
            "clauses": [{ "kind": "incident_reporting", "report_hours": 24 }],
        })),
        route(json!({ "impact": "critical" })),
    ]));
    let known = case.state.known(acme(&case.state)).unwrap();
    assert_eq!(known.contracts.len(), 1);
    // A day of 25 hours.
    assert_eq!(known.contracts[0].ends, "2026-10-25T23:00:00Z".parse().unwrap());
    assert_eq!(known.contracts[0].signers, ["Jane Doe"]);
    assert_eq!(
        (known.tier, known.inherent),
        (Tier::Two, 50.0),
        "the route's impact says what nobody declares"
    );
    let case = case.after(apply(&[integration(
        json!({ "exposure": { "data": [{ "class": "phi", "records": 1_000_000 }], "lateral": 0 } }),
    )]));
    assert_eq!(case.state.known(acme(&case.state)).unwrap().tier, Tier::One);
    let case = case.after(apply(&[
        integration(json!({ "exposure": { "lateral": 0 } })),
        vendor(json!({ "tier_raised": "two" })),
    ]));
    let known = case.state.known(acme(&case.state)).unwrap();
    assert_eq!(known.tier, Tier::Two);
    assert_eq!(stops::access(&stops::at(&known.known(), case.now)), Access::Clear, "observing limits nobody");
}

#[test]
fn a_vendor_that_is_declared_anew_starts_with_nothing_approved() {
    let case = empty()
        .after(Command::Found { issuer: "https://gate.example".into(), stops: Some(StopMode::Enforce) })
        .after(crate::case::operator("ann"))
        .after(apply(&[vendor(json!({})), contract(json!({}))]));
    let by = Some(case.operator("ann"));
    let approved =
        Change::StepDecided { step: Step::Contract, state: StepState::Approved, reason: "seen".into() };
    let case = case.after(Command::ChangeDossiers(vec![("acme".into(), Order { change: approved, by })]));
    let first = acme(&case.state);
    assert_eq!(case.state.dossier(first).step(Step::Contract), StepState::Approved);
    let case = case
        .after(Command::Delete { kind: Kind::Contract, name: "acme-2026".into() })
        .after(Command::Delete { kind: Kind::Vendor, name: "acme".into() })
        .after(apply(&[vendor(json!({})), contract(json!({}))]));
    let known = case.state.known(acme(&case.state)).unwrap();
    assert_eq!(known.dossier.step(Step::Contract), StepState::Open);
    assert_eq!(stops::access(&stops::at(&known.known(), case.now)), Access::Blocked);
    assert_eq!(case.state.known(first), None);
    assert_eq!(case.state.dossier(first).step(Step::Contract), StepState::Approved, "nothing is lost");
}

#[test]
fn what_is_declared_for_assurance_is_judged_with_its_place() {
    let case = given();
    for (resource, pointers) in [
        (
            vendor(json!({ "domains": ["acme.example", "ACME.example", "acme"] })),
            vec!["/spec/domains/1", "/spec/domains/2"],
        ),
        (vendor(json!({ "aliases": [" "], "owner": "" })), vec!["/spec/aliases/0", "/spec/owner"]),
        (
            contract(json!({ "clauses": [
                { "kind": "encryption", "tls_min": "1.1" },
                { "kind": "encryption" },
                { "kind": "incident_reporting", "report_hours": 0 },
                { "kind": "data_handling", "countries": ["de"] },
            ] })),
            vec![
                "/spec/clauses/0/tls_min",
                "/spec/clauses/1/kind",
                "/spec/clauses/2/report_hours",
                "/spec/clauses/3/countries",
            ],
        ),
        (
            contract(json!({ "notice_days": 4_000, "amendments": [{ "date": "2026-02-01", "what": "" }] })),
            vec!["/spec/notice_days", "/spec/amendments/0/what"],
        ),
        (
            integration(
                json!({ "exposure": { "data": [{ "class": "pii", "records": 1 }, { "class": "pii", "records": 2 }], "recovery_hours": 9_000 } }),
            ),
            vec!["/spec/exposure/data/1/class", "/spec/exposure/recovery_hours"],
        ),
    ] {
        assert_eq!(faults(&case, resource), pointers);
    }
}

#[test]
fn a_second_contract_ends_the_first_ones_gap() {
    let next = |starts: &str| {
        let spec = json!({ "vendor": "acme", "starts": starts, "ends": "2027-12-31", "time_zone": "UTC" });
        prepared("Contract", "acme-2027", spec, json!({}), &[])
    };
    for (starts, stretches) in [("2027-01-01", 1), ("2027-01-02", 3)] {
        let case = given().after(apply(&[
            next(starts),
            policy("one", json!({ "stops": { "default": "off", "contract": "enforce" } })),
        ]));
        let known = case.state.known(acme(&case.state)).unwrap();
        let ahead = stops::outlook(&known.known(), case.now, "2027-12-31T23:59:59Z".parse().unwrap());
        assert_eq!(ahead.len(), stretches, "{ahead:#?}");
    }
}
