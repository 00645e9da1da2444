//! The counter against naive models that see the whole body at once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bodies;
mod chunking;
mod hostile;
mod json_text;
mod line_text;
mod release;
mod totals;

use std::ops::Range;

use portcullis_records::{CountError, Counter, Format};

const FORMATS: [Format; 6] = [
    Format::Json,
    Format::NdJson,
    Format::Csv { has_header: true },
    Format::Csv { has_header: false },
    Format::Sse,
    Format::Grpc,
];

/// A body whose records are known from the way it was made.
#[derive(Clone, Debug)]
struct Body {
    text: String,
    /// Each record's bytes, in order.
    records: Vec<Range<usize>>,
}

/// Cuts `bytes` into chunks of these sizes, over and over.
fn chunked<'bytes>(bytes: &'bytes [u8], sizes: &[usize]) -> Vec<&'bytes [u8]> {
    let mut rest = bytes;
    let mut chunks = Vec::new();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, after) = rest.split_at((*size).min(rest.len()));
        chunks.push(chunk);
        rest = after;
    }
    chunks
}

fn total(counter: &Counter, chunks: &[&[u8]]) -> Result<u64, CountError> {
    let mut counter = counter.clone();
    let mut records = 0;
    for chunk in chunks {
        let progress = counter.push(chunk, u64::MAX)?;
        assert_eq!(progress.consumed, chunk.len());
        records += progress.records;
    }
    Ok(records + counter.finish()?)
}
