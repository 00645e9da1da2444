//! Where a body is cut into chunks, and what instructions the machine has, never changes what is counted, nor which fault is found where.

use std::num::NonZeroU64;

use portcullis_records::{Counter, Format, JsonPointer};
use proptest::collection::vec;
use proptest::prelude::{any, prop_assert_eq, proptest};
use proptest::sample::select;

use crate::bodies::{chunk_sizes, events_body, json_body, lines_body, pointed_body, rows_body};
use crate::{FORMATS, chunked, total};

fn check(counter: &Counter, body: &[u8], sizes: &[usize]) {
    let whole = total(counter, &[body]);
    assert_eq!(total(counter, &chunked(body, sizes)), whole);
    // Nor does the machine.
    assert_eq!(total(&counter.clone().portable(), &chunked(body, sizes)), whole);
}

/// Mostly JSON; `~` becomes white space and letters.
const PARTS: [&str; 30] = [
    "{",
    "}",
    "},{",
    "},{",
    "[",
    "]",
    "\"a\":",
    "\"b\":",
    ",",
    "1",
    "null",
    "\"x~\"",
    "\"~\"",
    "\"\"",
    "~",
    " ",
    "\n",
    "\\\\",
    "\\\"",
    "\\u00e9",
    "\"\\\"\"",
    "\"\\\\\"",
    "\"},{\"",
    "\"\\u12aF\\n\"",
    "[{}]",
    "[[]]",
    "},7,{",
    "é",
    "\"",
    "'",
];

proptest! {
    #[test]
    fn json((pointer, _, body) in pointed_body(), sizes in chunk_sizes()) {
        check(&Counter::new(Format::Json), body.text.as_bytes(), &sizes);
        let pointer = JsonPointer::parse(&pointer).unwrap();
        check(&Counter::at_pointer(Format::Json, pointer), body.text.as_bytes(), &sizes);
    }

    #[test]
    fn lines(body in lines_body(), sizes in chunk_sizes()) {
        check(&Counter::new(Format::NdJson), body.text.as_bytes(), &sizes);
    }

    #[test]
    fn events(body in events_body(), sizes in chunk_sizes()) {
        check(&Counter::new(Format::Sse), body.text.as_bytes(), &sizes);
    }

    /// An early stop is the same too, as far as the chunks allow: the same records have begun.
    #[test]
    fn stops((_, body) in json_body(), sizes in chunk_sizes(), records_max in 0..6_u64) {
        let mut counter = Counter::new(Format::Json);
        let mut records = 0;
        for chunk in chunked(body.text.as_bytes(), &sizes) {
            let progress = counter.push(chunk, records_max - records).unwrap();
            records += progress.records;
            if progress.consumed < chunk.len() {
                break;
            }
        }
        prop_assert_eq!(records, records_max.min(body.records.len() as u64));
    }

    #[test]
    fn damaged_json(
        (_, body) in json_body(),
        place in any::<usize>(),
        byte in select(&b"\"\\[]{},:0-. \n\0u\xff"[..]),
        sizes in chunk_sizes()
    ) {
        let mut bytes = body.text.into_bytes();
        if let Some(place) = place.checked_rem(bytes.len()) {
            bytes[place] = byte;
        }
        check(&Counter::new(Format::Json), &bytes, &sizes);
    }

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..200), sizes in chunk_sizes()) {
        for format in FORMATS {
            check(&Counter::new(format), &bytes, &sizes);
        }
        check(&Counter::by_bytes(NonZeroU64::new(7).unwrap()), &bytes, &sizes);
    }

    /// The inside of a record, of parts that are JSON and parts that aren't: the same count or the
    /// same fault, at any place of the blocks, and where the records run out the same cut.
    #[test]
    fn inside_of_records(
        parts in vec(select(&PARTS[..]), 0..120),
        repeated in 1..40_usize,
        sizes in chunk_sizes(),
        records_max in 0..6_u64
    ) {
        let body = format!("[{{{}", parts.concat().replace('~', &" x".repeat(repeated)));
        check(&Counter::new(Format::Json), body.as_bytes(), &sizes);
        let pointer = JsonPointer::parse("/0/a").unwrap();
        check(&Counter::at_pointer(Format::Json, pointer), body.as_bytes(), &sizes);
        let cut = Counter::new(Format::Json).push(body.as_bytes(), records_max);
        prop_assert_eq!(Counter::new(Format::Json).portable().push(body.as_bytes(), records_max), cut);
    }

    #[test]
    fn rows((body, _) in rows_body(), sizes in chunk_sizes()) {
        check(&Counter::new(Format::Csv { has_header: true }), body.text.as_bytes(), &sizes);
    }
}
