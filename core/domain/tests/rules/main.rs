//! Given what happened, when somebody commands, then these events follow, or this refusal.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod access;
mod applying;
mod auditors;
mod case;
mod ceilings;
mod client_keys;
mod doors;
mod erasing;
mod exercises;
mod incidents;
mod issuers;
mod keyring_model;
mod network;
mod operators;
mod pages;
mod posture;
mod restoring;
mod severing;
mod signing;
mod stops;
mod telling;
mod tunnels;
