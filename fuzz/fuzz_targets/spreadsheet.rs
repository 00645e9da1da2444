//! Any file as a spreadsheet of vendors: read or refused within its limits; what is new has a name of its own, and nothing
//! that is left over runs when it is opened.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use portcullis_assurance::intake::{Options, Verdict, judge, rejects};
use portcullis_assurance::sheet::ROWS_MAX;

fuzz_target!(|bytes: &[u8]| {
    let Ok(sheet) = portcullis_sheets::read(bytes, None) else { return };
    assert!(sheet.rows.len() <= ROWS_MAX && sheet.rows.is_sorted_by_key(|row| row.number));
    let taken = BTreeSet::from(["acme".to_owned()]);
    let Ok(judgement) = judge(&sheet, &[], &taken, &Options::default()) else { return };
    let mut names = taken;
    for judged in &judgement.rows {
        if let Verdict::New { vendor } = &judged.verdict {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            assert!(vendor.name.len() <= 63 && vendor.name.bytes().all(plain));
            assert!(names.insert(vendor.name.clone()), "{}", vendor.name);
        }
    }
    for cell in rejects::table(&sheet, &judgement).iter().flatten() {
        assert!(!cell.starts_with(['=', '@']) || cell.len() == 1, "{cell}");
    }
});
