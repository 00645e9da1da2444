//! No bytes make it stop: each file is read, or refused with a reason, and what was read can be judged.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use portcullis_assurance::intake::{Options, judge, rejects};
use portcullis_assurance::questionnaire::table::answers;
use portcullis_assurance::sheet::ROWS_MAX;
use proptest::prelude::*;

const WORKBOOK: &[u8] = include_bytes!("../../../portcullis/tests/sheets/vendors.xlsx");
const TEXT: &str = "Vendor;Country;LEI;Contract start;Contract end;Records;E-mail;Data\nAcme Ltd;UK;5493001KJTIIGC8Y1R12;03/04/2026;=1+1;1.5M;a@b.example;pii\n\"Two\nlines\";DE;;46347;31.12.2027;;;\n";

fn look(bytes: &[u8]) {
    match portcullis_sheets::read(bytes, None) {
        Ok(sheet) => {
            assert!(sheet.rows.len() <= ROWS_MAX && sheet.rows.is_sorted_by_key(|row| row.number));
            if let Ok(judgement) = judge(&sheet, &[], &BTreeSet::new(), &Options::default()) {
                assert!(!rejects::table(&sheet, &judgement).is_empty());
            }
            let _ = answers(&sheet, &[], None);
        }
        Err(error) => assert!(error.to_string().len() < 2_000, "{error}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn changed_bytes_of_a_workbook(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = WORKBOOK.to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        look(&bytes);
    }

    #[test]
    fn changed_text(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        let mut bytes = TEXT.as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        look(&bytes);
    }

    #[test]
    fn cells_of_any_text(cells in prop::collection::vec("\\PC{0,30}", 8)) {
        let quoted: Vec<String> = cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
        look(format!("{}{}\n", TEXT, quoted.join(";")).as_bytes());
    }
}
