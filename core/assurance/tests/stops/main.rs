//! The fifteen hard stops: each boundary, the traps, six vendors, and what must hold of all of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod boundaries;
mod judging;
mod properties;
mod six;
mod world;
