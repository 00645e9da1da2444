//! The enforcer: a process with `CAP_NET_ADMIN` and nothing else, that control tells over a local socket which
//! networks and tunnels may be open, and which have to go now.
//!
//! It keeps what was cut in a folder of its own, so that a cut survives its death at any moment, and is driven to its
//! end at the next start, with or without control. Only control's word that a severance was lifted takes a cut back.

mod answer;
pub mod client;
mod drive;
mod frame;
mod journal;
mod keeper;
pub mod privileges;
pub mod server;

pub use frame::FrameError;
pub use journal::JournalError;
