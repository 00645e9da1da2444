//! The world of a test: a gate between a client and an upstream, with a hand-made control end.

pub mod basics;
pub mod bystander;
pub mod client;
pub mod clock;
pub mod grpc;
pub mod identity;
pub mod idp;
pub mod known;
pub mod party;
pub mod seen;
pub mod tap;
pub mod upstream;
pub mod websocket;
pub mod world;

pub use basics::{listen, soon};
