//! Bodies and the counts they must have, as tables. Every body is counted whole and byte by byte.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod cuts;
mod events;
mod frames;
mod inside;
mod json;
mod lines;
mod pointers;
mod rows;

use portcullis_records::{CountError, Counter};

/// Records of the whole body, the same whole and byte by byte, with vector instructions and without.
fn total(counter: &Counter, body: &[u8]) -> Result<u64, CountError> {
    let whole = total_in_chunks(counter, [body]);
    let bytes = total_in_chunks(counter, body.chunks(1));
    assert_eq!(whole, bytes, "chunks change the count of `{}`", body.escape_ascii());
    let portable = total_in_chunks(&counter.clone().portable(), [body]);
    assert_eq!(whole, portable, "the machine changes the count of `{}`", body.escape_ascii());
    whole
}

fn total_in_chunks<'body>(
    counter: &Counter,
    chunks: impl IntoIterator<Item = &'body [u8]>,
) -> Result<u64, CountError> {
    let mut counter = counter.clone();
    let mut records = 0;
    for chunk in chunks {
        let progress = counter.push(chunk, u64::MAX)?;
        assert_eq!(progress.consumed, chunk.len());
        records += progress.records;
    }
    Ok(records + counter.finish()?)
}
