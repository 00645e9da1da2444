//! What is released never holds a byte of a record that wasn't counted.

use portcullis_records::{Counter, Format, JsonPointer};
use proptest::prelude::proptest;

use crate::bodies::{chunk_sizes, events_body, json_body, lines_body, pointed_body, rows_body};
use crate::{Body, chunked};

fn check(counter: &Counter, body: &Body, records_max: usize, sizes: &[usize]) {
    let text = body.text.as_bytes();
    let mark = if body.text.starts_with('\u{feff}') { 3 } else { 0 };
    let ended =
        records_max.checked_sub(1).map_or(mark, |last| body.records.get(last).map_or(0, |record| record.end));
    let fits = records_max >= body.records.len();

    // In one chunk: exactly to the end of the last record that fits.
    let progress = counter.clone().push(text, records_max as u64).unwrap();
    assert_eq!(progress.consumed, if fits { text.len() } else { ended });
    assert_eq!(progress.records, records_max.min(body.records.len()) as u64);

    // In chunks: at least to that end, and to no byte of the next record.
    let released = released(counter, text, records_max as u64, sizes);
    if fits {
        assert_eq!(released, text.len());
    } else {
        let next = body.records[records_max].start;
        assert!(released <= next, "released {released} bytes, record {records_max} starts at {next}");
        assert!(released >= ended, "released {released} bytes, the last record ends at {ended}");
    }
}

/// What the gate does: counts on a clone, and cuts where the records run out.
fn released(counter: &Counter, text: &[u8], mut granted: u64, sizes: &[usize]) -> usize {
    let mut counter = counter.clone();
    let mut released = 0;
    for chunk in chunked(text, sizes) {
        let mut probe = counter.clone();
        let seen = probe.push(chunk, u64::MAX).unwrap();
        if seen.records > granted {
            let part = counter.push(chunk, granted).unwrap();
            assert!(part.records <= granted);
            return released + part.consumed;
        }
        granted -= seen.records;
        released += seen.consumed;
        counter = probe;
    }
    released
}

proptest! {
    #[test]
    fn json((_, body) in json_body(), records_max in 0..8_usize, sizes in chunk_sizes()) {
        check(&Counter::new(Format::Json), &body, records_max, &sizes);
    }

    #[test]
    fn json_at_a_pointer(
        (pointer, _, body) in pointed_body(),
        records_max in 0..8_usize,
        sizes in chunk_sizes()
    ) {
        let pointer = JsonPointer::parse(&pointer).unwrap();
        check(&Counter::at_pointer(Format::Json, pointer), &body, records_max, &sizes);
    }

    #[test]
    fn lines(body in lines_body(), records_max in 0..8_usize, sizes in chunk_sizes()) {
        check(&Counter::new(Format::NdJson), &body, records_max, &sizes);
    }

    #[test]
    fn events(body in events_body(), records_max in 0..8_usize, sizes in chunk_sizes()) {
        check(&Counter::new(Format::Sse), &body, records_max, &sizes);
    }

    #[test]
    fn rows((body, _) in rows_body(), records_max in 0..8_usize, sizes in chunk_sizes()) {
        check(&Counter::new(Format::Csv { has_header: false }), &body, records_max, &sizes);
    }
}
