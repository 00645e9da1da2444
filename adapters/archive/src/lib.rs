//! The sealed part of the decision log: Parquet files by the hour, each with its digest in the ledger.
//!
//! Rows come in as payloads of the write-ahead segments ([`Gathered`]), are written once ([`Archive::write`]) and never
//! changed: what is kept long enough is left out of a new file ([`Archive::without`]). A file is good when it has the digest
//! that the ledger recorded, and **no byte of a file is given to the Parquet reader before that was found**, once
//! in a process for each file as it stands on the disk. So a reader that is careful with files, and this one tries
//! to be, meets only what this code has written.
//!
//! The layout of folder and files is that of `docs/reference/decision-log.md`.

use std::path::PathBuf;

pub use archive::{Archive, Listing, Proof};
pub use brief::Brief;
pub use gather::{Gathered, Part};
pub use name::{FileName, Hour};
pub use query::{Filter, Found, Unreadable, chain};
pub use row::{LateOutcome, Row};
pub use schema::{SCHEMA_VERSION, message};
pub use summary::{Counts, VendorCounts};
pub use vendor::Sealed;
pub use write::Sealable;

mod archive;
mod brief;
mod check;
mod decode;
mod expire;
mod gather;
mod looks;
mod name;
mod open;
mod query;
mod risk;
mod row;
mod schema;
mod summary;
mod vendor;
mod visit;
mod write;

/// Rows of one file at most: what is sorted in memory at once, some hundred megabytes of it.
pub const PART_ROWS_MAX: usize = 1 << 18;

/// Why a file can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("can't {doing} `{}`", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// It is not what the ledger says, or not what this code writes.
    #[error("`{}` is damaged: {why}\nhint: put the file back from a copy; its digest tells the right one", path.display())]
    Damaged { path: PathBuf, why: String },
    #[error("`{}` is missing\nhint: put the file back from a copy; the ledger holds its digest", path.display())]
    Missing { path: PathBuf },
    #[error(
        "`{}` has schema `{schema}`, and this program reads `{SCHEMA_VERSION}`\nhint: read it with the version that wrote it", path.display()
    )]
    ForeignSchema { path: PathBuf, schema: String },
    #[error("`{0}` is no name of a sealed file")]
    Name(String),
    #[error("can't {doing} `{}`", path.display())]
    Parquet {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: parquet::errors::ParquetError,
    },
    #[error("a record of the decision log can't be sealed")]
    Payload(#[from] portcullis_domain::decision::PayloadError),
    #[error("a row can't be written as a leaf")]
    Leaf(#[from] portcullis_ledger::LedgerError),
    #[error("`{0}` rows are more than a file takes")]
    TooManyRows(usize),
    #[error("it was given up, to be begun anew")]
    GivenUp,
}

impl ArchiveError {
    pub(crate) fn io(doing: &'static str, path: &std::path::Path) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }

    pub(crate) fn parquet<E: Into<parquet::errors::ParquetError>>(
        doing: &'static str,
        path: &std::path::Path,
    ) -> impl Fn(E) -> Self {
        move |source| Self::Parquet { doing, path: path.to_owned(), source: source.into() }
    }

    pub(crate) fn damaged(path: &std::path::Path, why: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), why: why.into() }
    }
}
