//! Control on a real store, with gates that are played by the tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and is its own shell"
)]

mod applying;
mod arms;
mod client_keys;
mod decisions;
mod disk_full;
mod executing;
mod folding;
mod issuers;
mod keys;
mod packing;
mod reading;
mod restoring;
mod sealing;
mod severing;
mod world;
