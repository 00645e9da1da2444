//! Copies for backups, of files that another process may be writing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use portcullis_ledger::checkpoint::Checkpoint;
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;

use super::file;
use crate::StoreError;

/// How often a file that changes while it is copied is copied again.
const ATTEMPTS: usize = 100;

/// Copies a ledger as of one moment: SQLite's `VACUUM INTO`, which reads every page. Gives the head of the copy,
/// which nobody has verified yet.
///
/// # Errors
/// The file can't be read, or a page of it is damaged; the copy can't be written.
pub async fn copy_ledger(ledger: &Path, copy: &Path) -> Result<Checkpoint, StoreError> {
    let failed = |error| StoreError::from_sqlx(ledger, error);
    let mut connection = SqliteConnection::connect_with(&file::reading(ledger)).await.map_err(failed)?;
    file::check(&mut connection, ledger, &file::LEDGER).await?;
    let name = copy.to_str().ok_or_else(|| {
        StoreError::from_io(copy, io::Error::new(io::ErrorKind::InvalidInput, "the path is not UTF-8"))
    })?;
    sqlx::query("VACUUM INTO ?").bind(name).execute(&mut connection).await.map_err(failed)?;
    connection.close().await.map_err(failed)?;
    let mut connection = SqliteConnection::connect_with(&file::reading(copy)).await.map_err(failed)?;
    let head = head(&mut connection, copy).await;
    connection.close().await.map_err(failed)?;
    head
}

/// How many events a ledger's file says that it has.
///
/// # Errors
/// It can't be read.
pub async fn ledger_size(ledger: &Path) -> Result<u64, StoreError> {
    let failed = |error| StoreError::from_sqlx(ledger, error);
    let mut connection = SqliteConnection::connect_with(&file::reading(ledger)).await.map_err(failed)?;
    let head = head(&mut connection, ledger).await?;
    connection.close().await.map_err(failed)?;
    Ok(head.size)
}

async fn head(connection: &mut SqliteConnection, ledger: &Path) -> Result<Checkpoint, StoreError> {
    let note: Option<String> = sqlx::query_scalar("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1")
        .fetch_optional(connection)
        .await
        .map_err(|error| StoreError::from_sqlx(ledger, error))?;
    let note = note.ok_or_else(|| StoreError::corrupt(ledger, None, "it has no checkpoint"))?;
    let text = note.split_once("\n\n").map(|(text, _)| format!("{text}\n")).unwrap_or_default();
    Checkpoint::parse(&text).map_err(|error| StoreError::corrupt(ledger, None, error))
}

/// Copies the subjects' keys. The store holds the file's exclusive lock, so it is copied as it lies: a transaction
/// under way shows in the journal, which is zeros between transactions, and one in between in the bytes themselves.
///
/// # Errors
/// It can't be read or written, or it never stands still.
pub fn copy_subject_keys(keys: &Path, copy: &Path) -> Result<(), StoreError> {
    let failed = |error| StoreError::from_io(keys, error);
    let mut journal = keys.to_owned().into_os_string();
    journal.push("-journal");
    let journal = PathBuf::from(journal);
    for _ in 0..ATTEMPTS {
        let before = is_quiet(&journal).map_err(failed)?;
        let bytes = fs::read(keys).map_err(failed)?;
        let again = fs::read(keys).map_err(failed)?;
        if before && bytes == again && is_quiet(&journal).map_err(failed)? {
            return fs::write(copy, bytes).map_err(|error| StoreError::from_io(copy, error));
        }
    }
    Err(failed(io::Error::new(io::ErrorKind::ResourceBusy, "it is being written all the time; try again")))
}

fn is_quiet(journal: &Path) -> io::Result<bool> {
    match fs::read(journal) {
        Ok(bytes) => Ok(bytes.iter().all(|byte| *byte == 0)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}
