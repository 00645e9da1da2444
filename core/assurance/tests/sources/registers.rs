//! Registers and lists, on recorded answers about invented firms.

use jiff::Timestamp;
use jiff::civil::date;
use portcullis_assurance::entity::{EntityStanding, LeiStatus};
use portcullis_assurance::lei::{Lei, check_digits};
use portcullis_assurance::screening::identifier::IdentifierKind;
use portcullis_assurance::sources::lists::{self, Columns};
use portcullis_assurance::sources::{companies_house, gleif, golden_copy, ofac, open_corporates};

const AT: Timestamp = Timestamp::UNIX_EPOCH;

#[test]
fn a_company_and_its_officers_are_read() {
    let profile = include_bytes!("../fixtures/companies_house_profile.json");
    let officers = include_bytes!("../fixtures/companies_house_officers.json");
    let record = companies_house::record(profile, Some(officers), AT).unwrap();
    assert_eq!(record.legal_name, "HARROWFIELD ANALYTICS LTD");
    assert_eq!((record.standing, record.formed), (EntityStanding::Active, Some(date(2014, 2, 28))));
    let officers: Vec<_> = record.officers.iter().map(|officer| officer.name.text()).collect();
    assert_eq!(officers, ["OKORO-LINDQVIST, Amara Jane", "VELE, Tomas"], "who has resigned isn't one");
    assert!(!format!("{record:?}").contains("VELE"), "names of people are not printed");

    let record =
        open_corporates::record(include_bytes!("../fixtures/open_corporates_company.json"), AT).unwrap();
    assert_eq!(
        (record.legal_name.as_str(), record.jurisdiction.as_deref()),
        ("TARN & ASHBY CONSULTING LLC", Some("US-DE"))
    );
    assert_eq!((record.standing, record.officers.len()), (EntityStanding::Active, 1));
    assert_eq!(record.registered_address.unwrap().lines, ["5 Harbour Lane", "Box 7"]);
}

#[test]
fn rows_of_the_golden_copy_are_picked_out() {
    let (one, other) = (lei("000100HARROWFIELDX"), lei("000200QUILLMERELOG"));
    let file = format!(
        "LEI,Entity.LegalName,Entity.LegalAddress.FirstAddressLine,Entity.LegalAddress.Country,Entity.EntityStatus,\
         Entity.EntityCreationDate,Entity.EntityExpirationReason,Registration.RegistrationStatus\n\
         {one},\"Harrowfield \"\"Analytics\"\" Ltd\",1 Mill Road,GB,ACTIVE,2014-02-28T00:00:00Z,,LAPSED\n\
         {other},Quillmere Logistics GmbH,,DE,INACTIVE,,DISSOLVED,RETIRED\n"
    );
    let found = golden_copy::records(file.as_bytes(), &[one.clone()].into(), AT).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].legal_name.as_str(), found[0].lei_status),
        ("Harrowfield \"Analytics\" Ltd", Some(LeiStatus::Lapsed))
    );
    let found = golden_copy::records(file.as_bytes(), &[].into(), AT).unwrap();
    assert_eq!((found.len(), found[1].standing), (2, EntityStanding::Dissolved));
    let cut = &file.as_bytes()[..file.len() - 20];
    let error = golden_copy::records(cut, &[].into(), AT).unwrap_err().to_string();
    assert!(error.contains("line 3"), "{error}");
}

#[test]
fn circles_of_parents_are_found() {
    let leis: Vec<Lei> = (0..6).map(|number| lei(&format!("00010000000000000{number}"))).collect();
    // 0 → 1 → 2 → 0 is a circle, 3 → 2 leads into it, 4 owns itself, 5 → nobody.
    let pairs = [(0, 1), (1, 2), (2, 0), (3, 2), (4, 4), (5, 3)];
    let rows: Vec<_> =
        pairs.iter().map(|(child, parent)| relationship(&leis[*child], &leis[*parent])).collect();
    let found = gleif::relationships(format!("{{\"data\":[{}]}}", rows.join(",")).as_bytes()).unwrap();
    let circles = gleif::circles(&found);
    assert_eq!(circles, [vec![leis[0].clone(), leis[1].clone(), leis[2].clone()], vec![leis[4].clone()]]);
    assert!(gleif::circles(&found[3..4]).is_empty());
}

#[test]
fn lists_of_any_table_are_read() {
    let file = "id,schema,name,aliases,birth_date,countries,addresses,identifiers,sanctions,phones,emails,dataset\n\
        NK-1,Company,Tarn Holdings LLC,\"Tarn Group;Tarn & Co\",,us,\"Box 7, 5 Harbour Lane, Dover;Dover\",529900T8BM49AURSDO55;HRB 12345,,,info@tarn.example,x\n\
        NK-2,Person,Jane Doe,,,,,,,,,x\n";
    let list = lists::open_sanctions(file.as_bytes()).unwrap();
    assert_eq!((list.entries.len(), list.left_out), (1, 1));
    assert_eq!(list.entries[0].names, ["Tarn Holdings LLC", "Tarn Group", "Tarn & Co"]);
    let kinds: Vec<_> = list.entries[0].identifiers.iter().map(|identifier| identifier.kind).collect();
    let expected =
        [IdentifierKind::Lei, IdentifierKind::Number, IdentifierKind::Address, IdentifierKind::Domain];
    assert_eq!(kinds, expected);

    let columns = Columns {
        id: "Nr".to_owned(),
        name: "Firma".to_owned(),
        aliases: Vec::new(),
        identifiers: vec![(IdentifierKind::BankAccount, "Konto".to_owned())],
        left_out: None,
        separator: '|',
    };
    let list =
        lists::table("Nr,Firma,Konto\n7,Tarn GmbH,DE02120300000000202051\n".as_bytes(), &columns).unwrap();
    assert_eq!((list.entries[0].id.as_str(), list.entries[0].identifiers.len()), ("7", 1));
    let error = lists::table("Nr,Name\n7,Tarn\n".as_bytes(), &columns).unwrap_err().to_string();
    assert!(error.contains("no column `Firma`") && error.contains("`Nr`, `Name`"), "{error}");
}

#[test]
fn the_original_list_of_ofac_has_no_header_and_a_mark_at_its_end() {
    let file = "36,\"TARN AIRLINES\",-0- ,\"CUBA\",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,\"a.k.a. 'TARNAIR'; Registration ID 464933 (Latvia); Website www.tarn.example.\"\r\n\
        37,\"DOE, Jane\",\"individual\",\"CUBA\",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \r\n\x1a";
    let list = ofac::entries(file.as_bytes()).unwrap();
    assert_eq!((list.entries.len(), list.left_out), (1, 1));
    assert_eq!(list.entries[0].names, ["TARN AIRLINES", "TARNAIR"]);
    assert_eq!(list.entries[0].identifiers.len(), 2);
}

fn lei(body: &str) -> Lei {
    Lei::parse(&format!("{body}{}", check_digits(body))).unwrap()
}

fn relationship(child: &Lei, parent: &Lei) -> String {
    format!(
        r#"{{"attributes":{{"relationship":{{"startNode":{{"id":"{child}"}},"endNode":{{"id":"{parent}"}},"type":"IS_DIRECTLY_CONSOLIDATED_BY","status":"ACTIVE"}}}}}}"#
    )
}
