//! Six invented vendors with planted facts, and what must come out of them.

use portcullis_assurance::Access::{Blocked, Clear, Held, Limited};
use portcullis_assurance::change::Change;
use portcullis_assurance::contract::ClauseKind;
use portcullis_assurance::entity::{Address, EntityRecord};
use portcullis_assurance::evidence::{Content, Evidence, Opinion};
use portcullis_assurance::exposure::{DataClass, DataHeld, Exposed, Reach, tier};
use portcullis_assurance::stops::outlook;
use portcullis_assurance::vulnerability::Exploitability;
use portcullis_ids::ids::FindingId;
use uuid::Uuid;

use crate::world::{
    World, contract, date, entity, evidence, exit_test, penetration_test, screening, soc2, time, weakness,
};

fn vendor(name: &str, data: &[(DataClass, u64)], reach: Reach, lateral: u64) -> World {
    let data = data.iter().map(|(class, records)| DataHeld { class: *class, records: *records }).collect();
    let exposed =
        Exposed { data, reach, outage_per_hour: None, recovery_hours: None, lateral: Some(lateral) };
    let mut world = World { legal_name: name.into(), tier: tier(&[exposed], None).0, ..World::empty() };
    world.does(Change::EntityChecked { record: Box::new(entity(name)) });
    world
}

#[test]
fn northgale_is_clear_until_its_contract_ends() {
    let mut world =
        vendor("Northgale Payroll Inc.", &[(DataClass::Pii, 48_000)], Reach::ScopedWrite, 250_000);
    let agent = Address { registered_agent: true, shared_by: Some(4_000), ..Address::default() };
    let office = Address { lines: vec!["1 Mill Lane".into()], ..Address::default() };
    let record = EntityRecord {
        registered_address: Some(agent),
        head_office: Some(office),
        ..entity("Northgale Payroll Inc.")
    };
    world.does(Change::EntityChecked { record: Box::new(record) });
    world.files("SOC 2", "2026-02-01", soc2(Opinion::Unqualified, 25, None));
    world.files("ISO 27001", "2025-05-01", Content::Iso27001 { certificate: "17".into() });
    world.files("penetration test", "2025-11-13", penetration_test());
    world.files("exit test", "2026-03-01", exit_test());
    world.contracts = vec![contract("2026-01-01T00:00:00Z", "2026-07-11T04:00:00Z")];
    let world = world.admits();
    assert_eq!(world.numbers(world.now), [], "a registered agent's address alone is no shell company");
    let ahead = outlook(&world.known(), world.now, time("2026-12-01T00:00:00Z"));
    let turns: Vec<_> = ahead.iter().map(|stretch| (stretch.from.to_string(), stretch.access)).collect();
    assert_eq!(turns, [(world.now.to_string(), Clear), ("2026-07-11T04:00:00Z".into(), Blocked)]);
}

#[test]
fn harrowfield_is_blocked_by_its_auditors_exception_and_limited_by_vex() {
    let data = [(DataClass::Pii, 210_000), (DataClass::Confidential, 90_000)];
    let mut world = vendor("Harrowfield Analytics Ltd", &data, Reach::Bulk, 200_000);
    let row = weakness("CVE-2026-4711", Some("2026-04-15T00:00:00Z"));
    world.files("SOC 2", "2026-05-01", soc2(Opinion::Unqualified, 25, Some(row)));
    world.files("exit test", "2026-03-01", exit_test());
    let mut world = world.admits();
    assert_eq!(world.numbers(world.now), [(4, Blocked)]);
    world.does(Change::ExploitabilityStated {
        vulnerability: "CVE-2026-4711".into(),
        word: Exploitability::NotAffected,
        justification: "the code isn't reachable".into(),
        evidence: None,
    });
    assert_eq!(world.numbers(world.now), [(4, Limited)]);
}

#[test]
fn quillmere_is_clear_until_its_old_report_lapses() {
    let mut world = vendor(
        "Quillmere Logistics GmbH",
        &[(DataClass::Pii, 12_000), (DataClass::Internal, 500_000)],
        Reach::ScopedWrite,
        550_000,
    );
    // 430 days old.
    world.files_this(Evidence {
        period_to: Some(date("2025-03-28")),
        ..evidence("SOC 2", "2025-05-01", soc2(Opinion::Unqualified, 25, None))
    });
    world.files("bridge letter", "2026-04-01", Content::BridgeLetter { until: date("2026-09-30") });
    let world = world.admits();
    assert_eq!(world.tier.number(), 2);
    assert_eq!(world.numbers(world.now), []);
    // A letter by the vendor is no test: on day 456 its evidence lapses.
    assert_eq!(world.numbers(time("2026-06-27T00:00:00Z")), [(12, Limited)]);
    assert_eq!(world.numbers(time("2026-07-27T00:00:00Z")), [(12, Blocked)]);
}

#[test]
fn bluewick_is_clear() {
    let mut world = vendor("Bluewick Card Services SA", &[(DataClass::Pci, 900_000)], Reach::PushOnly, 0);
    world.files("PCI ROC", "2026-03-01", Content::PciRoc { version: "4.0".into() });
    world.files("SOC 2", "2026-03-01", soc2(Opinion::Unqualified, 25, None));
    world.files("penetration test", "2026-03-01", penetration_test());
    let world = world.admits();
    assert_eq!(world.numbers(world.now), []);
}

#[test]
fn tarn_and_ashby_is_blocked_and_held() {
    let data = [(DataClass::Confidential, 4_000), (DataClass::Secret, 12)];
    let name = "Tarn & Ashby Consulting LLC";
    let mut world = vendor(name, &data, Reach::Bulk, 20_000_000);
    world.contracts[0].signers = vec!["Quentin Ashby".into()];
    world.does(Change::Screened { screening: screening("ofac-sdn", 830, None) });
    let questionnaire = Content::Questionnaire {
        name: "default".into(),
        answered: 120,
        unanswered: 0,
        not_applicable: 0,
        rows: Vec::new(),
    };
    world.files("questionnaire", "2026-05-27", questionnaire);
    world.files("exit test", "2026-03-01", exit_test());
    let world = world.admits();
    assert_eq!(world.numbers(world.now), [(12, Blocked), (1, Held), (3, Held)]);
    assert_eq!(world.access(world.now), Blocked);
}

#[test]
fn oakspire_is_held_by_a_notice_at_hour_31() {
    let mut world =
        vendor("Oakspire Health Exchange", &[(DataClass::Phi, 65_000)], Reach::ScopedRead, 50_000);
    world.files("SOC 2", "2026-01-01", soc2(Opinion::Unqualified, 25, None));
    world.files("exit test", "2026-03-01", exit_test());
    world.does(Change::BreachNoticed {
        id: FindingId(Uuid::from_u128(9)),
        aware: time("2026-05-29T00:00:00Z"),
        noticed: time("2026-05-30T07:00:00Z"),
        what: "its message relay was breached".into(),
        window_hours: None,
    });
    let world = world.admits();
    assert_eq!(world.numbers(world.now), [(8, Held)]);
    assert!(world.held(world.now)[0].fact.contains("31 hours"));
    assert!(world.contracts[0].clauses.iter().any(|clause| clause.kind == ClauseKind::IncidentReporting));
}
