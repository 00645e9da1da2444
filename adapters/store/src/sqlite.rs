//! The event store on SQLite.
//!
//! Two files. The **ledger** is in WAL mode with `synchronous=FULL`: one task
//! writes, many connections read. The **subject keys** are apart, outside of
//! any backup of the ledger: see [`subject_keys`].
//!
//! The writer drains its queue into one transaction, up to
//! [`BATCH_APPENDS_MAX`] appends: under load many appends share one sync of
//! the disk, and a lone append waits for nobody. A transaction holds its
//! events, the tree's new frontier and the signed checkpoint, so they can't
//! come apart.

mod copy;
mod file;
mod read;
mod subject_keys;
mod verify;
mod wrapping;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use portcullis_ledger::Hash;
use portcullis_ledger::note::{NoteSigner, NoteVerifier};
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use crate::event_store::{
    BoxFuture, Committed, EventStore, Head, NewEvent, Progress, RawEvent, Report, StoredEvent,
};
use crate::{Obstacle, StoreError};
use subject_keys::SubjectKeys;
use writer::{Append, Draft, Request, Writer};

pub use copy::{copy_ledger, copy_subject_keys, ledger_size};
pub use verify::verify_file;
pub use wrapping::SubjectKeyWrapper;

/// The most appends that share a commit.
pub const BATCH_APPENDS_MAX: usize = 256;

/// The most appends that wait; further callers wait for a place.
pub const QUEUE_APPENDS_MAX: usize = 1_024;

const READERS_MAX: u32 = 4;
const READER_WAIT: Duration = Duration::from_secs(30);

/// Where the files are, and who signs.
#[derive(Debug)]
pub struct SqliteOptions {
    /// The ledger's file; made if missing.
    pub ledger: PathBuf,
    /// The file of the subjects' keys; made if missing. Keep it out of backups.
    pub subject_keys: PathBuf,
    /// The log's identity in checkpoints, kept from the first start on. It
    /// must be the signer's name.
    pub origin: String,
    /// The key that signs checkpoints.
    pub signer: NoteSigner,
}

/// The event store on SQLite. Dropping it ends the writer after what is
/// queued; [`Self::close`] waits for that.
pub struct SqliteStore {
    ledger: PathBuf,
    signer: Arc<NoteSigner>,
    verifier: NoteVerifier,
    requests: mpsc::Sender<Request>,
    readers: SqlitePool,
    keys: Arc<SubjectKeys>,
    head: watch::Receiver<Head>,
    commits: Arc<AtomicU64>,
}

impl SqliteStore {
    /// Opens or founds the two files and starts the writer on the current
    /// Tokio runtime, which needs its timer.
    ///
    /// # Errors
    /// [`StoreError::ForeignVersion`], [`StoreError::ForeignFile`],
    /// [`StoreError::ForeignSigner`], [`StoreError::Corrupt`] and
    /// [`StoreError::Unwritable`], each naming the file.
    pub async fn open(options: SqliteOptions) -> Result<Self, StoreError> {
        Self::open_wrapped(options, None).await
    }

    /// The same, with the subjects' keys wrapped at rest. A file that wasn't is from now on.
    ///
    /// # Errors
    /// As [`Self::open`]; [`StoreError::Corrupt`] for another wrapper than the file's own.
    pub async fn open_wrapped(
        options: SqliteOptions,
        wrapper: Option<Arc<dyn SubjectKeyWrapper>>,
    ) -> Result<Self, StoreError> {
        let SqliteOptions { ledger, subject_keys, origin, signer } = options;
        if signer.name() != origin {
            let found = signer.name().to_owned();
            let source = portcullis_ledger::LedgerError::Origin { found, expected: origin.clone() };
            return Err(StoreError::ForeignSigner { file: ledger, origin, source });
        }
        let signer = Arc::new(signer);
        let verifier = signer.verifier();
        let keys = Arc::new(SubjectKeys::open(&subject_keys, wrapper).await?);
        let commits = Arc::new(AtomicU64::new(0));
        let (writer, head) =
            Writer::open(ledger.clone(), Arc::clone(&signer), Arc::clone(&keys), Arc::clone(&commits))
                .await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .acquire_timeout(READER_WAIT)
            .connect_lazy_with(file::reading(&ledger));
        let (requests, queue) = mpsc::channel(QUEUE_APPENDS_MAX);
        tokio::spawn(writer.run(queue));
        Ok(Self { ledger, signer, verifier, requests, readers, keys, head, commits })
    }

    /// How many transactions the writer has committed since it was opened.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Writes what is queued and closes both files. Later calls get
    /// [`StoreError::Closed`].
    pub async fn close(&self) {
        // The writer goes last: only it can move what is in the log beside the file into the file.
        self.readers.close().await;
        let (done, closed) = oneshot::channel();
        if self.requests.send(Request::Close(done)).await.is_ok() {
            // An error means that the writer has ended, which is what we wait for.
            let _ = closed.await;
        }
        self.keys.close().await;
    }

    async fn append_drafts(
        &self,
        expected_size: u64,
        events: Vec<NewEvent>,
    ) -> Result<Committed, StoreError> {
        let draft = Draft::from_events(events)?;
        let (answer, answered) = oneshot::channel();
        let request = Request::Append(Append { expected_size, draft, answer });
        self.requests.send(request).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// A failing read is no obstacle to writing; only its cause is told.
    fn reading_failed(&self, error: sqlx::Error) -> StoreError {
        if matches!(error, sqlx::Error::PoolClosed) {
            return StoreError::Closed;
        }
        match StoreError::from_sqlx(&self.ledger, error) {
            StoreError::Unwritable { file, source, obstacle: Obstacle::Device } => {
                StoreError::Database { file, source }
            }
            other => other,
        }
    }
}

impl EventStore for SqliteStore {
    fn append(
        &self,
        expected_size: u64,
        events: Vec<NewEvent>,
    ) -> BoxFuture<'_, Result<Committed, StoreError>> {
        Box::pin(self.append_drafts(expected_size, events))
    }

    fn read(&self, from: u64, limit: usize) -> BoxFuture<'_, Result<Vec<StoredEvent>, StoreError>> {
        Box::pin(self.read_opened(from, limit))
    }

    fn read_raw(&self, from: u64, limit: usize) -> BoxFuture<'_, Result<Vec<RawEvent>, StoreError>> {
        Box::pin(self.read_bytes(from, limit))
    }

    fn head(&self) -> BoxFuture<'_, Result<Head, StoreError>> {
        Box::pin(async {
            let closed = self.requests.is_closed();
            if closed { Err(StoreError::Closed) } else { Ok(self.head.borrow().clone()) }
        })
    }

    fn watch(&self) -> watch::Receiver<Head> {
        self.head.clone()
    }

    fn verifier(&self) -> &NoteVerifier {
        &self.verifier
    }

    fn sign_statement(&self, text: &str) -> Result<String, StoreError> {
        Ok(self.signer.sign_statement(text)?)
    }

    fn prove_inclusion(&self, sequence: u64, size: u64) -> BoxFuture<'_, Result<Vec<Hash>, StoreError>> {
        Box::pin(async move {
            self.range_roots(size, portcullis_ledger::tree::inclusion_ranges(sequence, size)?).await
        })
    }

    fn prove_consistency(&self, old_size: u64, size: u64) -> BoxFuture<'_, Result<Vec<Hash>, StoreError>> {
        Box::pin(async move {
            self.range_roots(size, portcullis_ledger::tree::consistency_ranges(old_size, size)?).await
        })
    }

    fn verify<'a>(
        &'a self,
        progress: &'a mut (dyn FnMut(Progress) + Send),
    ) -> BoxFuture<'a, Result<Report, StoreError>> {
        Box::pin(async {
            let mut connection = self.readers.acquire().await.map_err(|error| self.reading_failed(error))?;
            verify::verify(&mut connection, &self.ledger, &self.verifier, progress).await
        })
    }

    fn erase(&self, subject: Uuid) -> BoxFuture<'_, Result<(), StoreError>> {
        let keys = Arc::clone(&self.keys);
        // A task of its own: a caller that goes away must not leave the key
        // half destroyed, gone from the table but not from the journal.
        Box::pin(async move {
            tokio::spawn(async move { keys.erase(subject).await }).await.map_err(|_| StoreError::Closed)?
        })
    }
}
