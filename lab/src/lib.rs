//! Networks of our own for tests and measurements: hosts in network namespaces, links between them, real
//! tunnels, the real binary, and traffic that counts every byte with its time.
//!
//! Everything here goes with the process that made it, however that ends: namespaces have no names, so nothing
//! of them is left when their last thread is gone, and programs are killed by the kernel together with the thread
//! that started them. Nothing touches the machine's own namespace.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a laboratory is part of a test, and a test fails by panicking"
)]

pub mod available;
pub mod bystander;
pub mod clock;
pub mod enforcer;
pub mod folder;
pub mod host;
pub mod installation;
pub mod kernel;
pub mod links;
pub mod machine;
pub mod meter;
pub mod operator;
pub mod process;
pub mod random;
pub mod raw;
pub mod severance;
pub mod stage;
pub mod strongswan;
pub mod tls;
pub mod traffic;
pub mod upstream;
pub mod websocket;
pub mod wireguard;
pub mod world;
