//! Packs, written and verified, and what verification finds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod counting;
mod reporting;
mod verifying;
mod world;
