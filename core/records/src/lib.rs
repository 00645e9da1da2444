//! Counts the records of a response body while it streams by, so that the gate can reserve them
//! before a single byte of them leaves.
//!
//! Every format charges a record at its **first byte**: what [`Counter::push`] says it consumed
//! never holds a byte of a record that wasn't counted. A body that can't be counted is an error,
//! and the gate refuses it.
//!
//! The state has a fixed size and owns no heap memory (a pointer is shared), so that a clone is a
//! copy of fewer than 300 bytes: the gate counts a chunk on a clone first, and keeps it if all records
//! of the chunk could be reserved.

mod blocks;
mod counter;
mod error;
mod events;
mod format;
mod json;
mod lines;
mod messages;
mod meter;
mod pieces;
mod pointer;
mod rows;

pub use counter::{Counter, Progress};
pub use error::CountError;
pub use format::Format;
pub use json::DEPTH_MAX;
pub use messages::MESSAGE_BYTES_MAX;
pub use pointer::{JsonPointer, POINTER_BYTES_MAX, PointerError};
