//! Rows as people bring them.

use std::collections::BTreeSet;

use jiff::civil::date;

use super::columns::Field;
use super::{Entity, IntakeError, Judgement, Known, Options, Verdict, judge};
use crate::sheet::{Row, Sheet, Value};

fn sheet(text: &str) -> Sheet {
    let rows = text.lines().zip(1..).map(|(line, number)| Row {
        number,
        values: line.split('|').map(|cell| Value::Text(cell.trim().to_owned())).collect(),
        heading: false,
    });
    Sheet { rows: rows.filter(|row| row.filled() > 0).collect(), ..Sheet::default() }
}

fn options() -> Options {
    Options { today: date(2026, 11, 21), ..Options::default() }
}

fn judged(text: &str, known: &[Known]) -> Judgement {
    judge(&sheet(text), known, &BTreeSet::new(), &options()).unwrap()
}

fn words(judgement: &Judgement) -> Vec<(u32, &'static str)> {
    judgement.rows.iter().map(|judged| (judged.row, judged.verdict.word())).collect()
}

fn reasons(judgement: &Judgement, row: u32) -> String {
    let judged = judgement.rows.iter().find(|judged| judged.row == row).unwrap();
    judged.verdict.reasons().join("\n")
}

fn vendor(judgement: &Judgement, row: u32) -> &super::Candidate {
    match &judgement.rows.iter().find(|judged| judged.row == row).unwrap().verdict {
        Verdict::New { vendor } => vendor,
        other => panic!("{other:?}"),
    }
}

fn known(name: &str, legal_name: &str, lei: Option<&str>) -> Known {
    let entity = Entity {
        legal_name: legal_name.to_owned(),
        jurisdiction: Some("GB".to_owned()),
        lei: lei.map(str::to_owned),
        ..Entity::default()
    };
    Known { name: name.to_owned(), entity }
}

#[test]
fn the_header_is_found_and_shown() {
    let text = "Vendor register 2026\n\nNo. | Vendor Name | Country * | LEI code | Business Owner | Contract End (MM/DD/YYYY) | Notes\n1 | Acme Ltd | UK | | jo | |";
    let judgement = judged(text, &[]);
    assert_eq!(judgement.columns.header_row, 3);
    let used: Vec<_> =
        judgement.columns.used.iter().map(|column| (column.letter.as_str(), column.field.word())).collect();
    assert_eq!(used, [("B", "name"), ("C", "country"), ("D", "lei"), ("E", "owner"), ("F", "contract_end")]);
    assert_eq!(judgement.columns.unused, ["No.", "Notes"]);
    assert_eq!(
        judgement.columns.of(Field::ContractEnd).unwrap().order.map(super::DayOrder::word),
        Some("mdy")
    );
    assert_eq!(words(&judgement), [(4, "new")]);
    assert_eq!(vendor(&judgement, 4).name, "acme");
}

#[test]
fn columns_that_cannot_be_told_are_a_question() {
    let check = |text: &str, options: &Options, expect: &str| {
        let error = judge(&sheet(text), &[], &BTreeSet::new(), options).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    check("a | b\n1 | 2", &options(), "no row names columns");
    check("Country | LEI\nDE | ", &options(), "no row names columns");
    check("Vendor | Land | Land\nAcme | DE | DE", &options(), "may both be `country`");
    let mapped = Options { mapped: vec![(Field::Lei, "Kennung".to_owned())], ..options() };
    check("Vendor | LEI\nAcme |", &mapped, "no column is called `Kennung`");
    check("", &options(), "the sheet is empty");
    let row = Options { header_row: Some(9), ..options() };
    check("Vendor | LEI\nAcme |", &row, "row 9 is not there");
    let by_letter =
        Options { mapped: vec![(Field::LegalName, "A".to_owned())], header_row: Some(1), ..options() };
    let judgement = judge(&sheet("x | y\nAcme | z"), &[], &BTreeSet::new(), &by_letter).unwrap();
    assert_eq!(words(&judgement), [(2, "new")]);
}

#[test]
fn all_that_is_wrong_with_a_row_is_said_at_once() {
    let text = "Legal name | Country | LEI | Email | Start | End | Data | Records\n\
        Bolt AG | Atlantis | 529900T8BM49AURSDO56 | jo at bolt | 03/04/2026 | 31.02.2027 | everything | many\n\
        | DE | | | | | | \n\
        Cube AG | #N/A | 5.299E+19 | | | evergreen | |";
    let judgement = judged(text, &[]);
    assert_eq!(words(&judgement), [(2, "wrong"), (3, "wrong"), (4, "wrong")]);
    let all = reasons(&judgement, 2);
    for expect in [
        "B `Country`: `Atlantis` is no country",
        "55 would be expected",
        "D `Email`: there is no address",
        "E `Start`: `03/04/2026` may be two days",
        "F `End`: there is no day `31.02.2027`",
        "G `Data`: `everything` is no class",
        "H `Records`: `many` is no number",
    ] {
        assert!(all.contains(expect), "{expect} in {all}");
    }
    assert_eq!(reasons(&judgement, 3), "A `Legal name`: the name is missing");
    let all = reasons(&judgement, 4);
    for expect in ["could not reckon", "was rounded", "write the last day of the present term"] {
        assert!(all.contains(expect), "{expect} in {all}");
    }
}

#[test]
fn totals_headings_and_headers_are_no_vendors() {
    let text = "Vendor | Country | Records\nAcme Ltd | GB | 5\nVendor | Country | Records\nTotal | | 5\nTotal Energies SE | FR | 7\nsum: | | \nLonely Ltd | |";
    let judgement = judged(text, &[]);
    assert_eq!(
        words(&judgement),
        [(2, "new"), (3, "skipped"), (4, "skipped"), (5, "new"), (6, "skipped"), (7, "wrong")]
    );
}

#[test]
fn the_same_firm_is_not_made_twice() {
    let lei = "5493001KJTIIGC8Y1R12";
    let other = "529900T8BM49AURSDO55";
    let there = [known("acme", "Acme Widgets Limited", Some(lei)), known("bolt", "Bolt Freight Ltd", None)];
    let text = format!(
        "Legal name | Country | LEI | Company number\n\
        ACME WIDGETS LTD. | UK | {lei} |\n\
        Acme Widgets Ltd | UK | |\n\
        Acme Widgets Ltd | UK | {other} |\n\
        Something Else GmbH | DE | {lei} |\n\
        Bolt Freight Holdings Ltd | GB | |\n\
        Cube Data BV | NL | | 12345678\n\
        CUBE DATA B.V. | NL | | 0012345678\n\
        Cube Dota BV | NL | | 99999999\n\
        Dune Fund III LP | US | |\n\
        Dune Fund IV LP | US | |"
    );
    let judgement = judged(&text, &there);
    assert_eq!(
        words(&judgement),
        [
            (2, "there"),
            (3, "there"),
            (4, "decide"),
            (5, "wrong"),
            (6, "decide"),
            (7, "new"),
            (8, "repeated"),
            (9, "new"),
            (10, "new"),
            (11, "decide"),
        ],
        "{:#?}",
        judgement.rows
    );
    assert!(reasons(&judgement, 2).contains("it is vendor `acme`: the same LEI"));
    assert!(reasons(&judgement, 4).contains("another LEI"), "{}", reasons(&judgement, 4));
    assert!(reasons(&judgement, 5).contains("the same LEI under a name"));
    // What somebody has decided counts, but no decision makes a second vendor of one LEI.
    let decided = Options { as_new: BTreeSet::from([2, 3, 6, 11]), ..options() };
    let judgement = judge(&sheet(&text), &there, &BTreeSet::new(), &decided).unwrap();
    let word = |row: u32| words(&judgement).iter().find(|(number, _)| *number == row).unwrap().1;
    assert_eq!([2, 3, 6, 11].map(word), ["there", "new", "new", "new"]);
}

#[test]
fn an_identifier_of_two_rows_under_two_names_spoils_both() {
    let lei = "5493001KJTIIGC8Y1R12";
    let text = format!("Legal name | Country | LEI\nAcme Ltd | GB | {lei}\nZebra Foods SA | FR | {lei}");
    let judgement = judged(&text, &[]);
    assert_eq!(words(&judgement), [(2, "wrong"), (3, "wrong")]);
    assert!(reasons(&judgement, 2).contains("row 3 has the same LEI"));
    // A wrong row is nobody's original: the good one behind it is taken.
    let text = "Legal name | Country | LEI\nAcme Ltd | Atlantis |\nAcme Ltd | GB |";
    assert_eq!(words(&judged(text, &[])), [(2, "wrong"), (3, "new")]);
}

#[test]
fn what_was_left_can_be_mended_and_comes_back() {
    let text =
        "Legal name | Country | Phone\nAcme Ltd | Atlantis | =1+1\nBolt Ltd | GB |\nBolt Limited | IE |";
    let source = sheet(text);
    let judgement = judge(&source, &[], &BTreeSet::new(), &options()).unwrap();
    assert_eq!(words(&judgement), [(2, "wrong"), (3, "new"), (4, "decide")]);
    let table = super::rejects::table(&source, &judgement);
    assert_eq!(
        table[0],
        ["Legal name", "Country", "Phone", "portcullis_row", "portcullis_reasons", "portcullis_decision"]
    );
    assert_eq!(table[1][..4], ["Acme Ltd", "Atlantis", "'=1+1", "2"]);
    assert_eq!(table.len(), 3);
    let mended = "Legal name | Country | Phone | portcullis_row | portcullis_reasons | portcullis_decision\n\
        Acme Ltd | US | | 2 | x |\nBolt Limited | IE | | 4 | y | new\nCube | DE | | 5 | | skip\nDune | DE | | 6 | | maybe";
    let there = [known("bolt", "Bolt Ltd", None)];
    let judgement = judged(mended, &there);
    assert_eq!(words(&judgement), [(2, "new"), (3, "new"), (4, "skipped"), (5, "wrong")]);
    assert!(judgement.columns.unused.is_empty());
}

#[test]
fn every_fact_of_a_good_row_is_kept() {
    let text = "Vendor | Legal name | Country | State | Company number | BU | Owner | Contact | Email | Website | Start | End | Contract no | Data | Records\n\
        Acme | Acme Widgets Inc. | USA | Delaware | 00123456 | Logistics | jo | Pat Roe | pat@acme.example; soc@acme.example | https://www.Acme.example/x | 2026-01-01 | 31 Dec 2027 | C-7 | PII, card data | 1.5M";
    let judgement = judged(text, &[]);
    let vendor = vendor(&judgement, 2);
    assert_eq!(vendor.entity.aliases, ["Acme"]);
    assert_eq!(vendor.entity.jurisdiction.as_deref(), Some("US-DE"));
    assert_eq!(vendor.entity.registry_number.as_deref(), Some("00123456"));
    assert_eq!(vendor.domains, ["acme.example"]);
    assert_eq!(vendor.contacts.len(), 2);
    assert_eq!(vendor.contacts[0].name, "Pat Roe");
    assert_eq!(vendor.term.map(|term| term.ends), Some(date(2027, 12, 31)));
    assert_eq!((vendor.data.len(), vendor.records), (2, Some(1_500_000)));
    // Nobody is named in what is logged or shown.
    assert!(
        !format!("{vendor:?}").contains("Pat") && !serde_json::to_string(vendor).unwrap().contains("pat@")
    );
}

#[test]
fn too_many_are_refused_whole() {
    let rows: String = (0..2_001).map(|number| format!("Firm{number:05} Zx{number} | DE\n")).collect();
    let text = format!("Legal name | Country\n{rows}");
    // Numbers alone tell them apart here, and that is asked about: all are forced.
    let forced = Options { as_new: (0..3_000).collect(), ..options() };
    let error = judge(&sheet(&text), &[], &BTreeSet::new(), &forced).unwrap_err();
    assert_eq!(error, IntakeError::TooMany);
}
