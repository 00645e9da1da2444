//! Where a body is cut into chunks never changes what is counted, nor which fault is found where.

use portcullis_records::{Counter, Format, JsonPointer};
use proptest::collection::vec;
use proptest::prelude::{any, prop_assert_eq, proptest};
use proptest::sample::select;

use crate::bodies::{chunk_sizes, events_body, json_body, lines_body, pointed_body};
use crate::{chunked, total};

fn check(counter: &Counter, body: &[u8], sizes: &[usize]) {
    assert_eq!(total(counter, &chunked(body, sizes)), total(counter, &[body]));
}

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
        for format in [Format::Json, Format::NdJson, Format::Sse] {
            check(&Counter::new(format), &bytes, &sizes);
        }
    }
}
