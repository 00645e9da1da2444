//! Subjects' keys wrapped at rest, by whoever holds the key that wraps them.

use std::path::Path;

use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use crate::StoreError;

/// Wraps the keys of subjects for the disk. The same arguments give the same bytes; what is
/// unwrapped wrongly opens nothing, since texts are sealed with authentication.
pub trait SubjectKeyWrapper: Send + Sync {
    fn wrap(&self, subject: Uuid, key_id: Uuid, key: &[u8; 32]) -> [u8; 32];
    fn unwrap(&self, subject: Uuid, key_id: Uuid, wrapped: &[u8; 32]) -> [u8; 32];
}

/// Row, subject, key id, key.
type Row = (i64, Vec<u8>, Vec<u8>, Vec<u8>);

/// Has the file wrapped, if a wrapper is there, or finds that this one is not its own.
pub(super) async fn check(
    connection: &mut SqliteConnection,
    path: &Path,
    wrapper: Option<&dyn SubjectKeyWrapper>,
) -> Result<(), StoreError> {
    let failed = |error| StoreError::from_sqlx(path, error);
    let version: i64 =
        sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await.map_err(failed)?;
    let is_wrapped = version == super::file::WRAPPED;
    let Some(wrapper) = wrapper else {
        let what = "its keys are wrapped, and the key that wraps them was not given";
        return if is_wrapped { Err(StoreError::corrupt(path, None, what)) } else { Ok(()) };
    };
    let sample = wrapper.wrap(Uuid::nil(), Uuid::nil(), &[0; 32]);
    if !is_wrapped {
        return wrap_all(connection, wrapper, &sample).await.map_err(failed);
    }
    let known: Vec<u8> = sqlx::query_scalar("SELECT sample FROM wrapping")
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    if known != sample {
        return Err(StoreError::corrupt(path, None, "its keys are wrapped by another key"));
    }
    Ok(())
}

/// All of them, or none: one transaction. What stood there is overwritten, as at an erasure.
async fn wrap_all(
    connection: &mut SqliteConnection,
    wrapper: &dyn SubjectKeyWrapper,
    sample: &[u8; 32],
) -> Result<(), sqlx::Error> {
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    let rows: Vec<Row> =
        sqlx::query_as("SELECT id, subject, key_id, key FROM subject_keys WHERE destroyed = 0")
            .fetch_all(&mut *connection)
            .await?;
    for (row, subject, key_id, key) in rows {
        let parsed = Uuid::from_slice(&subject).ok().zip(Uuid::from_slice(&key_id).ok());
        let Some(((subject, key_id), key)) = parsed.zip(<[u8; 32]>::try_from(key).ok()) else { continue };
        let wrapped = wrapper.wrap(subject, key_id, &key);
        sqlx::query("UPDATE subject_keys SET key = ? WHERE id = ?")
            .bind(wrapped.as_slice())
            .bind(row)
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query("CREATE TABLE wrapping (sample BLOB NOT NULL) STRICT").execute(&mut *connection).await?;
    sqlx::query("INSERT INTO wrapping (sample) VALUES (?)")
        .bind(sample.as_slice())
        .execute(&mut *connection)
        .await?;
    // Earlier programs refuse the file from here on.
    sqlx::query("PRAGMA user_version = 2").execute(&mut *connection).await?;
    sqlx::query("COMMIT").execute(&mut *connection).await?;
    Ok(())
}
