//! Load for the gate and for what it is compared with.
//!
//! The engine is one `epoll` loop for each thread with HTTP/1.1 written by hand, so that the
//! generator costs less than what it measures; HTTP/2 is the `h2` crate's.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is what it is for")]

pub mod client;
pub mod comparison;
pub mod connection;
pub mod engine;
pub mod exchange;
pub mod figures;
pub mod http2;
pub mod keys;
pub mod oauth;
pub mod others;
pub mod phases;
pub mod portcullis;
pub mod process;
pub mod proofs;
pub mod reply;
pub mod report;
pub mod stand;
pub mod tls;
pub mod upstream;
