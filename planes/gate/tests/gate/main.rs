//! A gate, real clients and a real upstream in one process, over the loopback interface.
//!
//! One binary for all of it: each test has a world of its own, linking is paid for once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints its figures"
)]

mod allocations;
mod ceilings;
mod challenges;
mod changes;
mod counting;
mod doors;
mod events;
mod fapi;
mod faults;
mod grpc;
mod handshakes;
mod issuers;
mod key_terms;
mod listening;
mod passing;
mod records;
mod refusing;
mod reloading;
mod severing;
mod shares;
mod signing;
mod signing_out;
mod stalling;
mod support;
mod svids;
mod terms;
mod tunnels;
mod unwritable;
mod websocket;
