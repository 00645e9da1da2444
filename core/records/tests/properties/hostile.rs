//! Any bytes end in a count or an error, and never in too low a count.

use portcullis_records::{Counter, Format};
use proptest::collection::vec;
use proptest::prelude::{any, prop_assert, proptest};
use proptest::sample::select;
use serde_json::{Deserializer, Value};

use crate::total;
use crate::totals::records_of;

const PARTS: [&str; 22] = [
    "[", "]", "{", "}", ",", ":", "\"", "\\", "\\u00", "4", "0", "-", ".", "e", "true", "null", "\"a\"",
    "\"a\":", " ", "\n", "[1,2]", "{}",
];

/// What a parser accepts must be counted, and at least as high: a member that is there twice is one
/// to the parser.
fn check(text: &[u8]) {
    let parsed: Result<Vec<Value>, _> = Deserializer::from_slice(text).into_iter().collect();
    let counted = total(&Counter::new(Format::Json), &[text]);
    if let Ok(documents) = parsed {
        let least: u64 = documents.iter().map(|document| records_of(document, None)).sum();
        assert!(
            counted.is_ok_and(|records| records >= least),
            "{counted:?}, but {least} in {}",
            text.escape_ascii()
        );
    }
}

proptest! {
    #[test]
    fn parts_of_json(parts in vec(select(&PARTS[..]), 0..9)) {
        check(parts.concat().as_bytes());
    }

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..400), records_max in 0..5_u64) {
        check(&bytes);
        for format in [Format::Json, Format::NdJson, Format::Sse] {
            if let Ok(progress) = Counter::new(format).push(&bytes, records_max) {
                prop_assert!(progress.records <= records_max && progress.consumed <= bytes.len());
            }
        }
    }
}

/// Every pattern is read once: a few megabytes would take hours if a scanner went back.
#[test]
fn long_bodies() {
    for part in
        ["[", "[]", "{\"a\":", "\"", "\\", "\"\\u", " ", "1", "1 ", "\n", "\r", ":", "data\n\n", "\u{feff}"]
    {
        let text = part.repeat((1 << 20) / part.len());
        for format in [Format::Json, Format::NdJson, Format::Sse] {
            if let Ok(progress) = Counter::new(format).push(text.as_bytes(), u64::MAX) {
                assert_eq!(progress.consumed, text.len(), "{part:?}");
            }
        }
    }
}
