//! Nothing that can be read in two ways reaches an upstream, and no answer reaches another client.
//!
//! Hostile requests, frames and answers as tables of raw bytes, against a gate in this process: over TLS,
//! with good credentials, so that each would pass if it were well-formed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints its figures"
)]

mod http2;
mod line;
mod recorder;
mod requests;
mod responses;
mod speech;

/// The world of the gate's other tests.
#[path = "../gate/support"]
#[allow(dead_code, reason = "made for the gate's other tests, which use all of it")]
mod support {
    pub mod basics;
    pub mod bystander;
    pub mod client;
    pub mod clock;
    pub mod identity;
    pub mod known;
    pub mod seen;
    pub mod tap;
    pub mod upstream;
    pub mod world;

    pub use basics::{listen, soon};
}
