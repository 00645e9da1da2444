//! What can go wrong with an event store, and whose move it is.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_ledger::LedgerError;

/// The cause of a storage error. Shared, because one failed commit fails
/// every append in it.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// An error of an event store.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Somebody else appended first. Nothing was written: read on from
    /// `expected`, decide again, and append at `actual`.
    #[error("the ledger has `{actual}` events, not `{expected}` as expected")]
    Conflict { expected: u64, actual: u64 },
    /// The caller's event can't be stored. Nothing was written.
    #[error("the event of kind `{kind}` can't be stored: {what}")]
    Invalid { kind: String, what: String },
    /// More than the limits allow in one append.
    #[error("the append is too large: `{found}` {unit}, at most `{max}`\nhint: append in parts")]
    TooLarge { found: usize, max: usize, unit: &'static str },
    /// The file was written by another version of this program.
    #[error(
        "`{}` has format version `{found}`, this program reads `{expected}`\nhint: {}", file.display(),
        if found > expected { "use the newer program that wrote it, or restore a backup" }
        else { "export it with the older program that wrote it, and import it here" }
    )]
    ForeignVersion { file: PathBuf, found: i64, expected: i64 },
    /// The file is a database of something else.
    #[error("`{}` isn't ours: {what}\nhint: is the path right?", file.display())]
    ForeignFile { file: PathBuf, what: String },
    /// The file's checkpoint isn't by the key that was handed in.
    #[error(
        "the checkpoint in `{}` isn't of `{origin}`\nhint: start with the key and the origin that the ledger was founded with", file.display()
    )]
    ForeignSigner {
        file: PathBuf,
        origin: String,
        #[source]
        source: LedgerError,
    },
    /// What is stored contradicts itself. `sequence` names the event, where known.
    #[error(
        "`{}` is damaged{}: {what}\nhint: run `portcullis ledger verify`, then restore a backup", file.display(),
        sequence.map(|sequence| format!(" at event `{sequence}`")).unwrap_or_default()
    )]
    Corrupt { file: PathBuf, sequence: Option<u64>, what: String },
    /// Nothing can be written now. The same store works again once the
    /// obstacle is gone; no restart is needed.
    #[error("`{}` can't be written: {obstacle}\nhint: {}", file.display(), obstacle.hint())]
    Unwritable {
        file: PathBuf,
        obstacle: Obstacle,
        #[source]
        source: Cause,
    },
    /// The database failed in another way.
    #[error("`{}` can't be used", file.display())]
    Database {
        file: PathBuf,
        #[source]
        source: Cause,
    },
    /// A proof or a leaf that the tree doesn't have.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The system gives no random bytes, so no key can be made.
    #[error("the system gives no random bytes")]
    Entropy,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// Why nothing can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The disk or the quota is full.
    Full,
    /// The file or its file system is read-only, or the rights are missing.
    ReadOnly,
    /// Another process holds the file.
    Locked,
    /// The device reports errors.
    Device,
}

impl Obstacle {
    /// The next step.
    #[must_use]
    pub fn hint(self) -> &'static str {
        match self {
            Self::Full => "free some space; writing works again at once",
            Self::ReadOnly => "make the file and its directory writable for this user",
            Self::Locked => "end the other process that has it open",
            Self::Device => "look at the device's health, and at the system log",
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Full => "the disk is full",
            Self::ReadOnly => "it is read-only",
            Self::Locked => "it is locked",
            Self::Device => "the device fails",
        })
    }
}

impl StoreError {
    pub(crate) fn corrupt(file: &Path, sequence: Option<u64>, what: impl fmt::Display) -> Self {
        Self::Corrupt { file: file.to_owned(), sequence, what: what.to_string() }
    }

    pub(crate) fn from_io(file: &Path, error: io::Error) -> Self {
        let file = file.to_owned();
        let obstacle = io_obstacle(&error);
        Self::Unwritable { file, obstacle, source: Arc::new(error) }
    }

    pub(crate) fn from_sqlx(file: &Path, error: sqlx::Error) -> Self {
        let owned = file.to_owned();
        match &error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::RowNotFound => {
                return Self::corrupt(file, None, error);
            }
            _ => {}
        }
        // The low byte of SQLite's extended code is the primary one: https://sqlite.org/rescode.html
        let code = error.as_database_error().and_then(|database| database.code()?.parse::<i32>().ok());
        let obstacle = match code.map(|code| code & 0xff) {
            Some(11 | 26) => return Self::corrupt(file, None, error),
            Some(13) => Obstacle::Full,
            Some(3 | 8 | 14) => Obstacle::ReadOnly,
            Some(5 | 6) => Obstacle::Locked,
            Some(10) => Obstacle::Device,
            _ => return Self::Database { file: owned, source: Arc::new(error) },
        };
        Self::Unwritable { file: owned, obstacle, source: Arc::new(error) }
    }
}

pub(crate) fn io_obstacle(error: &io::Error) -> Obstacle {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Obstacle::Full
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::NotFound => {
            Obstacle::ReadOnly
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::ResourceBusy => Obstacle::Locked,
        _ => Obstacle::Device,
    }
}
