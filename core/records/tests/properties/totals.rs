//! The total is what a model counts that knows the whole body.

use std::num::NonZeroU64;

use portcullis_records::{CountError, Counter, Format, JsonPointer};
use proptest::collection::vec;
use proptest::prelude::{any, prop_assert_eq, proptest};
use serde_json::{Deserializer, Value};

use crate::bodies::{events_body, json_body, lines_body, pointed_body, rows_body};
use crate::total;

/// The rule, on parsed documents.
pub fn records_of(document: &Value, pointer: Option<&str>) -> u64 {
    let elements = match pointer {
        None => in_outermost_arrays(document),
        Some(pointer) => {
            document.pointer(pointer).and_then(Value::as_array).map_or(0, |array| array.len() as u64)
        }
    };
    let may_be_none = document.is_array() && pointer.is_none_or(str::is_empty);
    if may_be_none { elements } else { elements.max(1) }
}

fn in_outermost_arrays(value: &Value) -> u64 {
    match value {
        Value::Array(elements) => elements.len() as u64,
        Value::Object(members) => members.values().map(in_outermost_arrays).sum(),
        _ => 0,
    }
}

proptest! {
    #[test]
    fn json((documents, body) in json_body()) {
        let expect: u64 = documents.iter().map(|document| records_of(document, None)).sum();
        let parsed: Result<Vec<Value>, _> =
            Deserializer::from_str(body.text.trim_start_matches('\u{feff}')).into_iter().collect();
        let parsed = parsed.expect("the writer spells JSON");
        prop_assert_eq!(parsed.iter().map(|document| records_of(document, None)).sum::<u64>(), expect);
        prop_assert_eq!(body.records.len() as u64, expect);
        prop_assert_eq!(total(&Counter::new(Format::Json), &[body.text.as_bytes()]), Ok(expect));
    }

    #[test]
    fn json_at_a_pointer((pointer, documents, body) in pointed_body()) {
        let expect: u64 = documents.iter().map(|document| records_of(document, Some(&pointer))).sum();
        let counter = Counter::at_pointer(Format::Json, JsonPointer::parse(&pointer).unwrap());
        prop_assert_eq!(body.records.len() as u64, expect);
        prop_assert_eq!(total(&counter, &[body.text.as_bytes()]), Ok(expect));
    }

    #[test]
    fn lines(body in lines_body()) {
        let text = body.text.trim_start_matches('\u{feff}');
        let expect = text.split(['\n', '\r']).filter(|line| !line.trim_matches([' ', '\t']).is_empty()).count();
        prop_assert_eq!(total(&Counter::new(Format::NdJson), &[body.text.as_bytes()]), Ok(expect as u64));
    }

    #[test]
    fn events(body in events_body()) {
        let text = body.text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
        let is_event = |block: &&str| block.lines().any(|line| !line.is_empty() && !line.starts_with(':'));
        let expect = text.split("\n\n").filter(is_event).count();
        prop_assert_eq!(total(&Counter::new(Format::Sse), &[body.text.as_bytes()]), Ok(expect as u64));
    }

    #[test]
    fn rows((body, is_open) in rows_body()) {
        let rows = body.records.len() as u64;
        let open = Err(CountError::Truncated { offset: body.text.len() as u64 });
        let text = [body.text.as_bytes()];
        let counted = total(&Counter::new(Format::Csv { has_header: false }), &text);
        prop_assert_eq!(counted, if is_open { open } else { Ok(rows) });
        let counted = total(&Counter::new(Format::Csv { has_header: true }), &text);
        prop_assert_eq!(counted, if is_open { open } else { Ok(rows.saturating_sub(1)) });
    }

    #[test]
    fn messages(messages in vec((0..2_u8, vec(any::<u8>(), 0..40)), 0..20)) {
        let framed: Vec<u8> = messages.iter().flat_map(|(flag, bytes)| {
            [&[*flag, 0, 0, 0, bytes.len() as u8][..], bytes].concat()
        }).collect();
        prop_assert_eq!(total(&Counter::new(Format::Grpc), &[&framed]), Ok(messages.len() as u64));
    }

    #[test]
    fn pieces(bytes in 0..200_usize, record_bytes in 1..20_u64) {
        let counter = Counter::by_bytes(NonZeroU64::new(record_bytes).unwrap());
        let expect = (0..bytes as u64).filter(|place| place % record_bytes == 0).count();
        prop_assert_eq!(total(&counter, &[&vec![0; bytes]]), Ok(expect as u64));
    }
}
