//! Signs of shells: facts, each with its figure; what honest firms do is none.

use jiff::Timestamp;
use jiff::civil::{Date, date};
use portcullis_assurance::entity::{Address, EntityRecord, EntitySource, EntityStanding};
use portcullis_assurance::shell::{Sign, signs};

const TODAY: Date = date(2026, 11, 21);

#[test]
fn an_agents_address_alone_is_no_sign() {
    let agent = Address { registered_agent: true, shared_by: Some(285_000), ..address("1209 Agent Street") };
    let record = EntityRecord { registered_address: Some(agent.clone()), ..record("Northgale Payroll Inc.") };
    assert_eq!(signs(&record, Some("Northgale Payroll Inc."), TODAY), []);
    let office = EntityRecord { head_office: Some(address("40 Mill Road")), ..record.clone() };
    assert_eq!(signs(&office, Some("Northgale Payroll, Incorporated"), TODAY), []);
    // Said to be led from there, it is one.
    let behind = EntityRecord { head_office: Some(agent), ..record };
    assert_eq!(signs(&behind, None, TODAY), [Sign::NoHeadOffice]);
}

#[test]
fn a_mail_drop_is_one_with_its_figure_until_a_head_office_is_known() {
    let drop = Address { shared_by: Some(412), ..address("Box 7, 5 Harbour Lane") };
    let record = EntityRecord {
        registered_address: Some(drop.clone()),
        formed: Some(date(2026, 10, 3)),
        ..record("Tarn & Ashby Consulting LLC")
    };
    let found = signs(&record, Some("Tarn and Ashby Consulting LLC"), TODAY);
    assert_eq!(found, [Sign::MailDrop { firms: 412 }, Sign::NoHeadOffice, Sign::FormedRecently { days: 49 }]);
    assert_eq!(found[0].to_string(), "its registered address is shared by 412 firms");
    let office = EntityRecord { head_office: Some(address("40 Mill Road")), ..record.clone() };
    assert_eq!(signs(&office, None, TODAY), [Sign::FormedRecently { days: 49 }]);
    let same = EntityRecord { head_office: Some(Address { shared_by: None, ..drop }), ..record };
    assert!(signs(&same, None, TODAY).contains(&Sign::NoHeadOffice));
}

#[test]
fn names_and_forms_that_differ_from_the_contract_are_told_apart() {
    let record = record("Quillmere Logistics GmbH");
    let of = |contract| signs(&record, Some(contract), TODAY);
    assert_eq!(of("Quillmere Logistics Gesellschaft mit beschränkter Haftung"), []);
    assert!(matches!(&of("Quillmere Logistics AG")[..], [Sign::FormDiffers { .. }]));
    assert!(matches!(&of("Harrowfield Analytics GmbH")[..], [Sign::NameDiffers { .. }]));
}

#[test]
fn a_year_is_counted_in_days() {
    for (formed, expected) in [
        (date(2025, 11, 22), Some(364)),
        (date(2025, 11, 21), None),
        (date(2026, 11, 21), Some(0)),
        (date(2027, 1, 1), Some(0)),
        (date(1900, 2, 28), None),
    ] {
        let record = EntityRecord { formed: Some(formed), ..record("Brightwater Ltd") };
        let days = expected.map(|days| Sign::FormedRecently { days });
        assert_eq!(signs(&record, None, TODAY), Vec::from_iter(days), "{formed}");
    }
}

fn address(line: &str) -> Address {
    Address {
        lines: vec![line.to_owned()],
        city: Some("Wilmington".to_owned()),
        country: Some("US".to_owned()),
        ..Address::default()
    }
}

fn record(name: &str) -> EntityRecord {
    EntityRecord {
        source: EntitySource::Registry { name: "companies".to_owned() },
        at: Timestamp::UNIX_EPOCH,
        legal_name: name.to_owned(),
        lei: None,
        lei_status: None,
        registry_number: None,
        jurisdiction: None,
        standing: EntityStanding::Active,
        formed: None,
        legal_form: None,
        registered_address: None,
        head_office: None,
        officers: Vec::new(),
        parent: None,
        ultimate_parent: None,
    }
}
