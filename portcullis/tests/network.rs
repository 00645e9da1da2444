//! The real binary in a network of its own: severed vendors, seen from their own hosts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

#[path = "network/closed.rs"]
mod closed;
#[path = "network/doors.rs"]
mod doors;
#[path = "network/killing.rs"]
mod killing;
#[path = "network/outside.rs"]
mod outside;
#[path = "network/recording.rs"]
mod recording;
#[path = "network/rehearsing.rs"]
mod rehearsing;
#[path = "network/sabotage.rs"]
mod sabotage;
#[path = "network/severing.rs"]
mod severing;
#[path = "network/tunnelled.rs"]
mod tunnelled;
