//! Any bytes end in a count or an error, and never in too low a count.

use portcullis_records::{Counter, Format};
use proptest::collection::vec;
use proptest::prelude::{any, prop_assert, proptest};
use proptest::sample::select;
use serde_json::{Deserializer, Value};

use crate::bodies::json_body;
use crate::totals::records_of;
use crate::{FORMATS, total};

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

    /// The same around and inside of records, where the blocks are looked at.
    #[test]
    fn parts_of_records(parts in vec(select(&PARTS[..]), 0..9), others in vec(select(&PARTS[..]), 0..9)) {
        let text = format!("[{{{}{}", parts.concat(), others.concat());
        check(text.as_bytes());
        check(format!("{text}}}]").as_bytes());
        check(format!("[{{\"a\":[{}]}},{}]", parts.concat(), others.concat()).as_bytes());
    }

    /// JSON with one byte changed: what a parser still takes is counted, as high as it finds.
    #[test]
    fn damaged_json((_, body) in json_body(), place in any::<usize>(), byte in any::<u8>()) {
        let mut bytes = body.text.into_bytes();
        if let Some(place) = place.checked_rem(bytes.len()) {
            bytes[place] = byte;
        }
        check(&bytes);
    }

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..400), records_max in 0..5_u64) {
        check(&bytes);
        for format in FORMATS {
            if let Ok(progress) = Counter::new(format).push(&bytes, records_max) {
                prop_assert!(progress.records <= records_max && progress.consumed <= bytes.len());
            }
        }
    }
}

/// Every pattern is read once: a few megabytes would take hours if a scanner went back.
#[test]
fn long_bodies() {
    for part in [
        "[", "[]", "{\"a\":", "\"", "\\", "\"\\u", " ", "1", "1 ", "\n", "\r", ":", "data\n\n", "\u{feff}",
        ",", "[{},", "\"\"", "{}",
    ] {
        let text = part.repeat((1 << 20) / part.len());
        for format in FORMATS {
            if let Ok(progress) = Counter::new(format).push(text.as_bytes(), u64::MAX) {
                assert_eq!(progress.consumed, text.len(), "{part:?}");
            }
        }
    }
}
