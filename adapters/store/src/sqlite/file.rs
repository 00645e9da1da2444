//! Opening SQLite files: how each connection is set up, and whether a file is ours.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteLockingMode, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::StoreError;

/// What a file holds: its number in SQLite's header, its version, its tables.
pub(super) struct Format {
    pub application_id: i64,
    pub version: i64,
    /// The newest version that is read.
    pub newest: i64,
    /// Makes the tables, and sets the two numbers, in one transaction.
    pub schema: &'static str,
}

/// The ledger. `events` never changes: the triggers stop a mistake, not an
/// attacker — him `verify` finds.
pub(super) const LEDGER: Format = Format {
    application_id: 0x5043_4c47, // "PCLG"
    version: 1,
    newest: 1,
    schema: "
        BEGIN IMMEDIATE;
        CREATE TABLE events (
            sequence INTEGER PRIMARY KEY,
            envelope BLOB NOT NULL,
            payload BLOB NOT NULL,
            leaf_hash BLOB NOT NULL CHECK (length(leaf_hash) = 32)
        ) STRICT;
        CREATE TABLE checkpoints (size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT;
        CREATE TABLE frontier (only INTEGER PRIMARY KEY CHECK (only = 0), bytes BLOB NOT NULL) STRICT;
        CREATE TRIGGER events_are_never_updated BEFORE UPDATE ON events
            BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
        CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
            BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
        PRAGMA application_id = 0x50434c47;
        PRAGMA user_version = 1;
        COMMIT;
    ",
};

/// The subjects' keys. Rows are only ever added at the end, and a key is
/// overwritten where it stands: no page is split or merged with keys in it,
/// so no copy of a key stays in the free part of a page.
pub(super) const SUBJECT_KEYS: Format = Format {
    application_id: 0x5043_4b59, // "PCKY"
    version: 1,
    newest: WRAPPED,
    schema: "
        BEGIN IMMEDIATE;
        CREATE TABLE subject_keys (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            subject BLOB NOT NULL CHECK (length(subject) = 16),
            key_id BLOB NOT NULL CHECK (length(key_id) = 16),
            key BLOB NOT NULL CHECK (length(key) = 32),
            destroyed INTEGER NOT NULL CHECK (destroyed IN (0, 1))
        ) STRICT;
        CREATE UNIQUE INDEX one_key_for_each_subject ON subject_keys (subject) WHERE destroyed = 0;
        PRAGMA application_id = 0x50434b59;
        PRAGMA user_version = 1;
        COMMIT;
    ",
};

/// `user_version` of keys that are wrapped.
pub(super) const WRAPPED: i64 = 2;

const BUSY: Duration = Duration::from_secs(5);

fn base(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        // Few rows wait between SQLite's thread and ours: a payload may have a megabyte.
        .row_buffer_size(8)
        .disable_statement_logging()
}

/// The one connection that writes the ledger.
pub(super) fn writing(file: &Path) -> SqliteConnectOptions {
    base(file)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", "ON")
}

/// Connections that read the ledger.
pub(super) fn reading(file: &Path) -> SqliteConnectOptions {
    base(file).read_only(true)
}

/// The one connection to the keys. A persistent journal stays where it is on
/// the disk, so that it can be overwritten after each transaction; a deleted
/// or truncated one would leave keys in free blocks, and a WAL keeps them for
/// as long as it likes. The exclusive lock makes that overwriting safe.
pub(super) fn keeping_keys(file: &Path) -> SqliteConnectOptions {
    base(file)
        .locking_mode(SqliteLockingMode::Exclusive)
        .journal_mode(SqliteJournalMode::Persist)
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", "ON")
        .pragma("temp_store", "MEMORY")
}

/// Connects, after making the file for this user alone if it is missing, and
/// founds the format in an empty file.
pub(super) async fn open(
    file: &Path,
    options: SqliteConnectOptions,
    format: &Format,
) -> Result<SqliteConnection, StoreError> {
    create_private(file)?;
    let failed = |error| StoreError::from_sqlx(file, error);
    let mut connection = SqliteConnection::connect_with(&options).await.map_err(failed)?;
    if is_empty(&mut connection).await.map_err(failed)? {
        sqlx::raw_sql(format.schema).execute(&mut connection).await.map_err(failed)?;
    }
    check(&mut connection, file, format).await?;
    Ok(connection)
}

/// Whether the file has the format that this program reads.
pub(super) async fn check(
    connection: &mut SqliteConnection,
    file: &Path,
    format: &Format,
) -> Result<(), StoreError> {
    let application_id = number(connection, "PRAGMA application_id", file).await?;
    if application_id != format.application_id {
        let what = format!("its application id is `{application_id}`, not `{}`", format.application_id);
        return Err(StoreError::ForeignFile { file: file.to_owned(), what });
    }
    let found = number(connection, "PRAGMA user_version", file).await?;
    if !(format.version..=format.newest).contains(&found) {
        let expected = format.version;
        return Err(StoreError::ForeignVersion { file: file.to_owned(), found, expected });
    }
    Ok(())
}

async fn number(
    connection: &mut SqliteConnection,
    sql: &'static str,
    file: &Path,
) -> Result<i64, StoreError> {
    sqlx::query_scalar(sql).fetch_one(connection).await.map_err(|error| StoreError::from_sqlx(file, error))
}

async fn is_empty(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_master").fetch_one(&mut *connection).await?;
    let application_id: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await?;
    Ok(tables == 0 && application_id == 0)
}

/// SQLite's own files get the rights of the main one.
fn create_private(file: &Path) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::from_io(file, error)),
    }
}
