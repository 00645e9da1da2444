//! Signatures that others' libraries have made over documents of invented firms.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests; the helpers beside them aren't known as such to the lint"
)]

mod common;
mod jws;
mod pdf;
