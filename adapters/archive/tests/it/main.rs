//! The archive against files on a disk.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;
mod damage;
mod old_schema;
mod properties;
mod proving;
mod queries;
mod writing;
