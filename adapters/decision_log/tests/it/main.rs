//! The decision log through its public interface.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says when it skips"
)]

mod common;
mod failures;
mod limits;
mod missing;
mod power_loss;
mod recovery;
mod round_trip;
