//! Where events are kept: the [`EventStore`] trait, and [`SqliteStore`].
//!
//! An event is two things apart. Its **leaf** is a small canonical envelope
//! that the ledger's Merkle tree is built on ([`portcullis_ledger::leaf`]);
//! its **payload** is canonical JSON whose digest the envelope holds. Personal
//! fields are sealed before that digest is taken ([`personal`]), so that a
//! destroyed key erases them while every proof still verifies.
//!
//! Beside the events live the two things that a gate needs when the disk
//! fails it: the lock on its data directory ([`DataDirectory`]) and the
//! preallocated file that takes severances when the ledger can't
//! ([`ReserveFile`]).

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod data_directory;
pub mod error;
pub mod event_store;
mod files;
pub mod personal;
pub mod reserve;
pub mod sqlite;

pub use data_directory::{DataDirectory, DataDirectoryError};
pub use error::{Obstacle, StoreError};
pub use event_store::{
    BoxFuture, Committed, EventStore, Fault, FaultKind, Head, NewEvent, Progress, RawEvent, Report,
    StoredEvent, replay,
};
pub use reserve::{ReserveError, ReserveFile, Slot};
pub use sqlite::{
    SqliteOptions, SqliteStore, SubjectKeyWrapper, copy_ledger, copy_subject_keys, ledger_size, verify_file,
};
