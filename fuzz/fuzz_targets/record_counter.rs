//! Any body, in any chunks: the count does not depend on them, and JSON that a parser takes is
//! counted at least as high as the parser finds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_records::{Counter, Format};
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let format = match choice % 3 {
        0 => Format::Json,
        1 => Format::NdJson,
        _ => Format::Sse,
    };
    let step = usize::from(choice / 3) + 1;
    let whole = count(format, std::iter::once(body));
    assert_eq!(count(format, body.chunks(step)), whole, "chunks must not matter");
    if format == Format::Json
        && let (Ok(value), Some(counted)) = (serde_json::from_slice::<Value>(body), whole)
    {
        assert!(counted >= outermost(&value).max(u64::from(!value.is_array())), "{counted} of {value}");
    }
});

fn count<'a>(format: Format, chunks: impl Iterator<Item = &'a [u8]>) -> Option<u64> {
    let mut counter = Counter::new(format);
    let mut records = 0;
    for chunk in chunks {
        records += counter.push(chunk, u64::MAX).ok()?.records;
    }
    Some(records + counter.finish().ok()?)
}

/// Elements of the arrays that lie in no other array.
fn outermost(value: &Value) -> u64 {
    match value {
        Value::Array(items) => items.len() as u64,
        Value::Object(members) => members.values().map(outermost).sum(),
        _ => 0,
    }
}
