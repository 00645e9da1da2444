//! The subjects' keys, one row each, and their destruction.
//!
//! A key is on the disk before the event that uses it, and when it is
//! destroyed no file holds its bytes any more: the row is overwritten in
//! place, and the rollback journal, which keeps the pages as they were, is
//! overwritten after every transaction. What lies beneath the file system —
//! snapshots, copy-on-write, the spare blocks of a flash disk — is out of a
//! program's reach: keep this file on a disk without snapshots.

use std::collections::{BTreeSet, HashMap};
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::file;
use super::wrapping::{self, SubjectKeyWrapper};
use crate::StoreError;
use crate::personal::SubjectKey;

pub(super) struct SubjectKeys {
    file: PathBuf,
    /// The keys that live; 64 bytes for each subject.
    live: RwLock<HashMap<Uuid, Arc<SubjectKey>>>,
    wrapper: Option<Arc<dyn SubjectKeyWrapper>>,
    /// `None` once closed.
    connection: Mutex<Option<SqliteConnection>>,
}

impl SubjectKeys {
    pub async fn open(path: &Path, wrapper: Option<Arc<dyn SubjectKeyWrapper>>) -> Result<Self, StoreError> {
        let mut connection = file::open(path, file::keeping_keys(path), &file::SUBJECT_KEYS).await?;
        // SQLite has rolled back by now what a crash left unfinished.
        wrapping::check(&mut connection, path, wrapper.as_deref()).await?;
        let live = load(&mut connection, path, wrapper.as_deref()).await?;
        scrub_journal(path).await?;
        let (live, connection) = (RwLock::new(live), Mutex::new(Some(connection)));
        Ok(Self { file: path.to_owned(), live, wrapper, connection })
    }

    /// The key of a subject, unless it has none or it was destroyed.
    pub fn key(&self, subject: Uuid) -> Option<Arc<SubjectKey>> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).get(&subject).cloned()
    }

    /// The keys of all `subjects`; new ones are on the disk when this returns.
    pub async fn ensure(
        &self,
        subjects: &BTreeSet<Uuid>,
    ) -> Result<HashMap<Uuid, Arc<SubjectKey>>, StoreError> {
        let mut guard = self.connection.lock().await;
        let connection = guard.as_mut().ok_or(StoreError::Closed)?;
        let (mut keys, mut fresh) = (HashMap::new(), HashMap::new());
        for &subject in subjects {
            match self.key(subject) {
                Some(key) => keys.insert(subject, key),
                None => {
                    let key = SubjectKey::random().map_err(|_| StoreError::Entropy)?;
                    fresh.insert(subject, Arc::new(key))
                }
            };
        }
        if !fresh.is_empty() {
            if let Err(error) = insert(connection, &fresh, self.wrapper.as_deref()).await {
                self.recover(connection).await;
                return Err(StoreError::from_sqlx(&self.file, error));
            }
            self.live.write().unwrap_or_else(PoisonError::into_inner).extend(fresh.clone());
            scrub_journal(&self.file).await?;
            keys.extend(fresh);
        }
        Ok(keys)
    }

    /// Destroys the subject's key, if it has one.
    pub async fn erase(&self, subject: Uuid) -> Result<(), StoreError> {
        let mut guard = self.connection.lock().await;
        let connection = guard.as_mut().ok_or(StoreError::Closed)?;
        sqlx::query(
            "UPDATE subject_keys SET key = zeroblob(32), destroyed = 1 WHERE subject = ? AND destroyed = 0",
        )
        .bind(subject.as_bytes().as_slice())
        .execute(&mut *connection)
        .await
        .map_err(|error| StoreError::from_sqlx(&self.file, error))?;
        self.live.write().unwrap_or_else(PoisonError::into_inner).remove(&subject);
        // Even without a row: an earlier attempt may have failed right here.
        scrub_journal(&self.file).await
    }

    /// After a failure the disk knows best: even a failed commit may be there.
    /// What fails here fails the next attempt too, and is told then.
    async fn recover(&self, connection: &mut SqliteConnection) {
        let _ = sqlx::query("ROLLBACK").execute(&mut *connection).await;
        if let Ok(live) = load(connection, &self.file, self.wrapper.as_deref()).await {
            *self.live.write().unwrap_or_else(PoisonError::into_inner) = live;
            let _ = scrub_journal(&self.file).await;
        }
    }

    pub async fn close(&self) {
        if let Some(connection) = self.connection.lock().await.take() {
            // Every transaction is finished; closing has nothing left to lose.
            let _ = connection.close().await;
        }
    }
}

async fn load(
    connection: &mut SqliteConnection,
    path: &Path,
    wrapper: Option<&dyn SubjectKeyWrapper>,
) -> Result<HashMap<Uuid, Arc<SubjectKey>>, StoreError> {
    let rows: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)> =
        sqlx::query_as("SELECT subject, key_id, key FROM subject_keys WHERE destroyed = 0")
            .fetch_all(connection)
            .await
            .map_err(|error| StoreError::from_sqlx(path, error))?;
    rows.into_iter()
        .map(|(subject, key_id, key)| {
            let parsed = Uuid::from_slice(&subject).ok().zip(Uuid::from_slice(&key_id).ok());
            let ((subject, key_id), key) = parsed
                .zip(<[u8; 32]>::try_from(key.as_slice()).ok())
                .ok_or_else(|| StoreError::corrupt(path, None, "a subject key is malformed"))?;
            let key = wrapper.map_or(key, |wrapper| wrapper.unwrap(subject, key_id, &key));
            Ok((subject, Arc::new(SubjectKey::new(key_id, key))))
        })
        .collect()
}

async fn insert(
    connection: &mut SqliteConnection,
    keys: &HashMap<Uuid, Arc<SubjectKey>>,
    wrapper: Option<&dyn SubjectKeyWrapper>,
) -> Result<(), sqlx::Error> {
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    for (subject, key) in keys {
        let bytes = *key.bytes();
        let stored = wrapper.map_or(bytes, |wrapper| wrapper.wrap(*subject, key.id, &bytes));
        sqlx::query("INSERT INTO subject_keys (subject, key_id, key, destroyed) VALUES (?, ?, ?, 0)")
            .bind(subject.as_bytes().as_slice())
            .bind(key.id.as_bytes().as_slice())
            .bind(stored.as_slice())
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query("COMMIT").execute(&mut *connection).await?;
    Ok(())
}

/// Overwrites the journal with zeros where it stands. Between transactions
/// SQLite doesn't read it: its header is zero already.
async fn scrub_journal(path: &Path) -> Result<(), StoreError> {
    let mut journal = path.to_owned().into_os_string();
    journal.push("-journal");
    let journal = PathBuf::from(journal);
    let failed = |error| StoreError::from_io(path, error);
    // A sync may take long: not on the runtime's own thread.
    match tokio::task::spawn_blocking(move || overwrite(&journal)).await {
        Ok(done) => done.map_err(failed),
        Err(error) => Err(failed(io::Error::other(error))),
    }
}

fn overwrite(journal: &Path) -> io::Result<()> {
    let mut file = match OpenOptions::new().write(true).open(journal) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut left = file.metadata()?.len();
    let zeros = [0; 4_096];
    while left > 0 {
        let part = left.min(zeros.len() as u64);
        file.write_all(zeros.get(..usize::try_from(part).unwrap_or(0)).unwrap_or(&[]))?;
        left -= part;
    }
    file.sync_data()
}
