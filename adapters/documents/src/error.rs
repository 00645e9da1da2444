//! What can go wrong with documents.

use std::io;
use std::path::PathBuf;

use portcullis_ids::ids::VendorId;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the document has {bytes} bytes, hint: at most {bytes_max} are kept")]
    TooLong { bytes: u64, bytes_max: u64 },
    #[error(
        "the vendor's documents would have {bytes} bytes, hint: at most {bytes_max} are kept; withdraw old ones"
    )]
    VendorFull { bytes: u64, bytes_max: u64 },
    #[error("the vendor has {documents} documents, hint: no more are kept; withdraw old ones")]
    TooMany { documents: usize },
    #[error("`{text}` names no document, hint: give its SHA-256 as 64 lower-case hexadecimal digits")]
    Name { text: String },
    #[error(
        "there is no document `{sha256}` of this vendor, hint: was it withdrawn, or is a backup older than it?"
    )]
    Missing { vendor: VendorId, sha256: String },
    /// What lies there isn't what was taken in.
    #[error(
        "the document `{sha256}` was changed: {why}, hint: bring it back from a backup, and look who could write there"
    )]
    Changed {
        vendor: VendorId,
        sha256: String,
        /// Digest of what is there now, if it opens at all.
        found: Option<String>,
        why: &'static str,
    },
    #[error(
        "the vendor's documents were shredded, hint: register the vendor anew to keep documents of it again"
    )]
    Shredded { vendor: VendorId },
    #[error(
        "the documents are sealed under another key, hint: restore `keys/documents.key` from the same backup"
    )]
    OtherKey,
    #[error("the disk of `{path}` is full, hint: nothing was kept; make room and try again")]
    DiskFull { path: PathBuf },
    #[error("can't {doing} `{path}`: {source}")]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

impl Error {
    pub(crate) fn io(doing: &'static str, path: &std::path::Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { path: path.to_owned() }
            }
            _ => Self::Io { doing, path: path.to_owned(), source },
        }
    }
}
