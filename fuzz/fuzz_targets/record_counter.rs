//! Any body, in any chunks: neither they nor the machine's instructions change the count, JSON that a
//! parser takes is counted at least as high as the parser finds, and the other formats exactly as a
//! model counts that sees the whole body at once.
#![no_main]

use std::num::NonZeroU64;

use libfuzzer_sys::fuzz_target;
use portcullis_records::{Counter, Format, JsonPointer, MESSAGE_BYTES_MAX};
use serde_json::{Deserializer, Value};

fuzz_target!(|data: &[u8]| {
    let [choice, step, records_max, body @ ..] = data else { return };
    let counter = match choice % 9 {
        0 | 1 => Counter::new(Format::Json),
        // Inside of a record, where most bytes of bodies are.
        2 => return inside(*step, *records_max, body),
        3 => Counter::at_pointer(Format::Json, JsonPointer::parse("/0/a").expect("a pointer")),
        4 => Counter::new(Format::NdJson),
        5 => Counter::new(Format::Csv { has_header: step % 2 == 0 }),
        6 => Counter::new(Format::Sse),
        7 => Counter::new(Format::Grpc),
        _ => Counter::by_bytes(NonZeroU64::MIN.saturating_add(u64::from(*records_max))),
    };
    check(&counter, *step, *records_max, body);
    let counted = count(counter, &mut std::iter::once(body));
    match choice % 9 {
        0 | 1 => at_least_what_a_parser_finds(body, counted, outermost),
        3 => at_least_what_a_parser_finds(body, counted, pointed),
        5 => assert_eq!(counted, rows(body, step % 2 == 0)),
        7 => assert_eq!(counted, messages(body)),
        8 => assert_eq!(counted, Some((body.len() as u64).div_ceil(u64::from(*records_max) + 1))),
        _ => {}
    }
});

fn inside(step: u8, records_max: u8, body: &[u8]) {
    for start in [&b"[{"[..], b"[{},{\"a\":["] {
        let body = [start, body].concat();
        check(&Counter::new(Format::Json), step, records_max, &body);
        let counted = count(Counter::new(Format::Json), &mut std::iter::once(&body[..]));
        at_least_what_a_parser_finds(&body, counted, outermost);
    }
}

/// Chunks and instructions must not matter, and a cut must never let a record out that wasn't counted.
fn check(counter: &Counter, step: u8, records_max: u8, body: &[u8]) {
    let whole = count(counter.clone(), &mut std::iter::once(body));
    let chunks = || body.chunks(usize::from(step) + 1);
    assert_eq!(count(counter.clone(), &mut chunks()), whole, "chunks");
    assert_eq!(count(counter.clone().portable(), &mut std::iter::once(body)), whole, "instructions");

    let cut = counter.clone().push(body, u64::from(records_max));
    assert_eq!(counter.clone().portable().push(body, u64::from(records_max)), cut, "instructions and a cut");
    if let Ok(progress) = cut {
        let left = counter.clone().push(&body[..progress.consumed], u64::MAX).expect("it was counted");
        assert_eq!((left.records, left.consumed), (progress.records, progress.consumed));
        assert!(left.records <= u64::from(records_max));
    }
}

fn count<'a>(mut counter: Counter, chunks: &mut dyn Iterator<Item = &'a [u8]>) -> Option<u64> {
    let mut records = 0;
    for chunk in chunks {
        records += counter.push(chunk, u64::MAX).ok()?.records;
    }
    Some(records + counter.finish().ok()?)
}

fn at_least_what_a_parser_finds(body: &[u8], counted: Option<u64>, records_of: fn(&Value) -> u64) {
    let documents: Result<Vec<Value>, _> = Deserializer::from_slice(body).into_iter().collect();
    // Its own limit of depth is far below ours.
    if let Ok(documents) = documents {
        let least: u64 = documents.iter().map(records_of).sum();
        assert!(counted.is_some_and(|records| records >= least), "{counted:?}, but {least}");
    }
}

/// Elements of the arrays that lie in no other array; a document that isn't an array is at least one.
fn outermost(document: &Value) -> u64 {
    fn elements(value: &Value) -> u64 {
        match value {
            Value::Array(items) => items.len() as u64,
            Value::Object(members) => members.values().map(elements).sum(),
            _ => 0,
        }
    }
    elements(document).max(u64::from(!document.is_array()))
}

fn pointed(document: &Value) -> u64 {
    document.pointer("/0/a").and_then(Value::as_array).map_or(1, |items| items.len().max(1) as u64)
}

/// CSV, letter by letter.
fn rows(body: &[u8], has_header: bool) -> Option<u64> {
    let body = match body {
        [0xef, 0xbb, 0xbf, rest @ ..] => rest,
        // Half a mark is refused.
        [0xef, ..] => return None,
        _ => body,
    };
    let (mut rows, mut is_blank, mut in_quotes, mut means_nothing) = (0_u64, true, false, false);
    for (place, byte) in body.iter().enumerate() {
        let before = place.checked_sub(1).map(|before| body[before]);
        let next = body.get(place + 1);
        if *byte == b'"' && !means_nothing {
            let fits = if in_quotes {
                matches!(next, None | Some(b',' | b'\n' | b'\r' | b'"'))
            } else {
                matches!(before, None | Some(b',' | b'\n' | b'\r' | b'"'))
            };
            means_nothing = !fits;
            in_quotes = fits && !in_quotes;
        }
        let is_end = !in_quotes && matches!(byte, b'\n' | b'\r');
        rows += u64::from(is_blank && !is_end);
        is_blank = is_end;
    }
    (!in_quotes).then(|| rows.saturating_sub(u64::from(has_header)))
}

fn messages(mut body: &[u8]) -> Option<u64> {
    let mut messages = 0;
    while let [flag, one, two, three, four, rest @ ..] = body {
        let bytes = u32::from_be_bytes([*one, *two, *three, *four]);
        if *flag > 1 || bytes > MESSAGE_BYTES_MAX {
            return None;
        }
        body = rest.get(bytes as usize..)?;
        messages += 1;
    }
    body.is_empty().then_some(messages)
}
