//! The one task that writes the ledger.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_ledger::checkpoint::Checkpoint;
use portcullis_ledger::leaf::{Envelope, check_kind, whole_microseconds};
use portcullis_ledger::note::{NoteSigner, NoteVerifier};
use portcullis_ledger::tree::{self, Frontier};
use portcullis_ledger::{Hash, LedgerError, canonical, sha256};
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use super::subject_keys::SubjectKeys;
use super::{BATCH_APPENDS_MAX, file};
use crate::StoreError;
use crate::event_store::{APPEND_BYTES_MAX, APPEND_EVENTS_MAX, Committed, Head, NewEvent, PAYLOAD_BYTES_MAX};
use crate::personal::{self, PersonalError, SubjectKey};

/// The most payload bytes that one transaction takes on before it is closed.
const BATCH_BYTES_MAX: usize = 4 * APPEND_BYTES_MAX;

pub(super) type Answer = oneshot::Sender<Result<Committed, StoreError>>;
type Keys = HashMap<Uuid, Arc<SubjectKey>>;

/// What the store asks of the writer.
pub(super) enum Request {
    Append(Append),
    Close(oneshot::Sender<()>),
}

/// An append that waits for its turn.
pub(super) struct Append {
    pub expected_size: u64,
    pub draft: Draft,
    pub answer: Answer,
}

/// Events that have passed every check that needs no sequence number.
pub(super) struct Draft {
    events: Vec<NewEvent>,
    subjects: BTreeSet<Uuid>,
    bytes: usize,
}

impl Draft {
    pub fn from_events(mut events: Vec<NewEvent>) -> Result<Self, StoreError> {
        too_large(events.len(), APPEND_EVENTS_MAX, "events")?;
        let (mut subjects, mut bytes) = (BTreeSet::new(), 0);
        for event in &mut events {
            event.time = whole_microseconds(event.time);
            let payload =
                check(event).map_err(|what| StoreError::Invalid { kind: event.kind.clone(), what })?;
            too_large(payload.bytes, PAYLOAD_BYTES_MAX, "payload bytes")?;
            subjects.extend(payload.subjects);
            bytes += payload.bytes;
        }
        too_large(bytes, APPEND_BYTES_MAX, "payload bytes")?;
        Ok(Self { events, subjects, bytes })
    }
}

fn too_large(found: usize, max: usize, unit: &'static str) -> Result<(), StoreError> {
    if found > max { Err(StoreError::TooLarge { found, max, unit }) } else { Ok(()) }
}

struct Checked {
    bytes: usize,
    subjects: BTreeSet<Uuid>,
}

fn check(event: &NewEvent) -> Result<Checked, String> {
    let told = |error: LedgerError| error.to_string();
    check_kind(&event.kind).map_err(told)?;
    // Number 0 stands for any other: only kind and time can be refused.
    envelope(event, 0, [0; 32]).to_bytes().map_err(told)?;
    let bytes = canonical::to_bytes(&event.payload).map_err(told)?.len();
    let subjects = personal::subjects(&event.payload).map_err(|error| error.to_string())?;
    Ok(Checked { bytes, subjects })
}

fn envelope(event: &NewEvent, sequence: u64, payload_sha256: Hash) -> Envelope {
    Envelope {
        sequence,
        time: event.time,
        kind: event.kind.clone(),
        aggregate: event.aggregate,
        version: event.version,
        payload_sha256,
    }
}

/// A row of `events`.
struct Row {
    sequence: u64,
    envelope: Vec<u8>,
    payload: Vec<u8>,
    leaf_hash: Hash,
}

pub(super) struct Writer {
    ledger: PathBuf,
    signer: Arc<NoteSigner>,
    verifier: NoteVerifier,
    keys: Arc<SubjectKeys>,
    /// `None` after a failure that even a reload didn't survive.
    connection: Option<SqliteConnection>,
    /// The tree as it is on the disk.
    frontier: Frontier,
    head: watch::Sender<Head>,
    commits: Arc<AtomicU64>,
}

impl Writer {
    pub async fn open(
        ledger: PathBuf,
        signer: Arc<NoteSigner>,
        keys: Arc<SubjectKeys>,
        commits: Arc<AtomicU64>,
    ) -> Result<(Self, watch::Receiver<Head>), StoreError> {
        let verifier = signer.verifier();
        let mut connection = file::open(&ledger, file::writing(&ledger), &file::LEDGER).await?;
        found(&mut connection, &signer).await.map_err(|error| error.at(&ledger))?;
        let (frontier, head) = load(&mut connection, &ledger, &verifier).await?;
        let (head, watched) = watch::channel(head);
        let connection = Some(connection);
        Ok((Self { ledger, signer, verifier, keys, connection, frontier, head, commits }, watched))
    }

    /// Serves requests until the store is closed or dropped.
    pub async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        while let Some(first) = requests.recv().await {
            let (batch, close) = drain(first, &mut requests);
            if !batch.is_empty() {
                self.append_all(batch).await;
            }
            if let Some(done) = close {
                requests.close();
                if let Some(connection) = self.connection.take() {
                    // Every transaction is finished; closing has nothing left to lose.
                    let _ = connection.close().await;
                }
                // The caller may have gone: then nobody waits.
                let _ = done.send(());
                return;
            }
        }
    }

    /// Applies a batch in one transaction, and answers each append.
    async fn append_all(&mut self, batch: Vec<Append>) {
        if let Err(error) = self.connect().await {
            return answer_all(batch.into_iter().map(|append| (append.answer, Err(error.clone()))));
        }
        let keys = self.ensure_keys(&batch).await;
        let mut frontier = self.frontier.clone();
        let (mut rows, mut outcomes) = (Vec::new(), Vec::new());
        for Append { expected_size, draft, answer } in batch {
            let staged = stage(expected_size, draft, &frontier, &keys);
            outcomes.push((
                answer,
                staged.map(|(grown, staged)| {
                    frontier = grown;
                    rows.extend(staged.rows);
                    staged.committed
                }),
            ));
        }
        if !rows.is_empty()
            && let Err(error) = self.commit(&frontier, rows).await
        {
            // A conflict with events that failed is no answer either.
            return answer_all(outcomes.into_iter().map(|(answer, outcome)| {
                let failed = match outcome {
                    Ok(_) | Err(StoreError::Conflict { .. }) => error.clone(),
                    Err(own) => own,
                };
                (answer, Err(failed))
            }));
        }
        answer_all(outcomes);
    }

    /// The keys of all subjects in the batch, on the disk. Failing, it fails
    /// those appends only that need keys: a severance has none.
    async fn ensure_keys(&self, batch: &[Append]) -> Result<Keys, StoreError> {
        let subjects: BTreeSet<Uuid> =
            batch.iter().flat_map(|append| &append.draft.subjects).copied().collect();
        if subjects.is_empty() { Ok(Keys::new()) } else { self.keys.ensure(&subjects).await }
    }

    async fn commit(&mut self, frontier: &Frontier, rows: Vec<Row>) -> Result<(), StoreError> {
        let Some(connection) = self.connection.as_mut() else { return Err(StoreError::Closed) };
        match write(connection, &self.signer, frontier, rows).await {
            Ok(head) => {
                self.frontier = frontier.clone();
                self.commits.fetch_add(1, Ordering::Relaxed);
                self.head.send_replace(head);
                Ok(())
            }
            Err(error) => {
                let error = error.at(&self.ledger);
                tracing::warn!(file = %self.ledger.display(), %error, "an append failed");
                self.recover().await;
                Err(error)
            }
        }
    }

    /// After a failure the disk knows best: even a failed commit may be there.
    async fn recover(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        // Fails when SQLite has rolled back by itself.
        let _ = sqlx::query("ROLLBACK").execute(&mut connection).await;
        if let Ok(loaded) = load(&mut connection, &self.ledger, &self.verifier).await {
            self.resume(connection, loaded);
        }
    }

    async fn connect(&mut self) -> Result<(), StoreError> {
        if self.connection.is_none() {
            let mut connection = file::open(&self.ledger, file::writing(&self.ledger), &file::LEDGER).await?;
            let loaded = load(&mut connection, &self.ledger, &self.verifier).await?;
            self.resume(connection, loaded);
        }
        Ok(())
    }

    fn resume(&mut self, connection: SqliteConnection, (frontier, head): (Frontier, Head)) {
        self.connection = Some(connection);
        self.frontier = frontier;
        self.head.send_if_modified(|known| {
            let changed = *known != head;
            *known = head;
            changed
        });
    }
}

/// The first request and those that already wait behind it.
fn drain(
    first: Request,
    requests: &mut mpsc::Receiver<Request>,
) -> (Vec<Append>, Option<oneshot::Sender<()>>) {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    let mut next = Some(first);
    while let Some(request) = next {
        match request {
            Request::Append(append) => {
                bytes += append.draft.bytes;
                batch.push(append);
            }
            Request::Close(done) => return (batch, Some(done)),
        }
        let full = batch.len() >= BATCH_APPENDS_MAX || bytes >= BATCH_BYTES_MAX;
        next = if full { None } else { requests.try_recv().ok() };
    }
    (batch, None)
}

struct Staged {
    rows: Vec<Row>,
    committed: Committed,
}

/// What an append becomes on top of `frontier`, in memory.
fn stage(
    expected: u64,
    draft: Draft,
    frontier: &Frontier,
    keys: &Result<Keys, StoreError>,
) -> Result<(Frontier, Staged), StoreError> {
    let actual = frontier.size();
    if expected != actual {
        return Err(StoreError::Conflict { expected, actual });
    }
    let no_keys = Keys::new();
    let keys = match keys {
        Err(error) if !draft.subjects.is_empty() => return Err(error.clone()),
        Err(_) => &no_keys,
        Ok(keys) => keys,
    };
    let mut frontier = frontier.clone();
    let mut rows = Vec::with_capacity(draft.events.len());
    for event in draft.events {
        let row = row(event, frontier.size(), keys)?;
        frontier.append(row.leaf_hash);
        rows.push(row);
    }
    let committed = Committed { first: actual, size: frontier.size(), root: frontier.root() };
    Ok((frontier, Staged { rows, committed }))
}

fn row(mut event: NewEvent, sequence: u64, keys: &Keys) -> Result<Row, StoreError> {
    personal::seal(&mut event.payload, sequence, &|subject| keys.get(&subject)).map_err(
        |error| match error {
            PersonalError::Entropy => StoreError::Entropy,
            other => StoreError::Invalid { kind: event.kind.clone(), what: other.to_string() },
        },
    )?;
    let payload = canonical::to_bytes(&event.payload)?;
    let envelope = envelope(&event, sequence, sha256(&payload)).to_bytes()?;
    let leaf_hash = tree::leaf_hash(&envelope);
    Ok(Row { sequence, envelope, payload, leaf_hash })
}

/// Why a transaction failed.
enum WriteError {
    Database(sqlx::Error),
    Ledger(LedgerError),
}

impl WriteError {
    fn at(self, file: &Path) -> StoreError {
        match self {
            Self::Database(error) => StoreError::from_sqlx(file, error),
            Self::Ledger(error) => error.into(),
        }
    }
}

impl From<sqlx::Error> for WriteError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<LedgerError> for WriteError {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

async fn write(
    connection: &mut SqliteConnection,
    signer: &NoteSigner,
    frontier: &Frontier,
    rows: Vec<Row>,
) -> Result<Head, WriteError> {
    let head = sign(signer, frontier)?;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    for row in rows {
        sqlx::query("INSERT INTO events (sequence, envelope, payload, leaf_hash) VALUES (?, ?, ?, ?)")
            .bind(integer(row.sequence)?)
            .bind(row.envelope)
            .bind(row.payload)
            .bind(row.leaf_hash.as_slice())
            .execute(&mut *connection)
            .await?;
    }
    put_head(connection, frontier, &head).await?;
    sqlx::query("COMMIT").execute(&mut *connection).await?;
    Ok(head)
}

fn sign(signer: &NoteSigner, frontier: &Frontier) -> Result<Head, LedgerError> {
    let (size, root) = (frontier.size(), frontier.root());
    let checkpoint = Checkpoint { origin: signer.name().to_owned(), size, root }.sign(signer)?;
    Ok(Head { size, root, checkpoint })
}

async fn put_head(
    connection: &mut SqliteConnection,
    frontier: &Frontier,
    head: &Head,
) -> Result<(), WriteError> {
    sqlx::query("INSERT INTO checkpoints (size, note) VALUES (?, ?)")
        .bind(integer(head.size)?)
        .bind(head.checkpoint.as_str())
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO frontier (only, bytes) VALUES (0, ?) ON CONFLICT DO UPDATE SET bytes = excluded.bytes",
    )
    .bind(frontier.to_bytes())
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// SQLite's integers are signed; leaves end long before at 2^53.
fn integer(number: u64) -> Result<i64, LedgerError> {
    i64::try_from(number).map_err(|_| LedgerError::Sequence { sequence: number })
}

/// Signs the head of the empty tree in a new file, so that there always is one.
async fn found(connection: &mut SqliteConnection, signer: &NoteSigner) -> Result<(), WriteError> {
    let empty: bool = sqlx::query_scalar(
        "SELECT NOT EXISTS (SELECT 1 FROM events UNION ALL SELECT 1 FROM checkpoints UNION ALL SELECT 1 FROM frontier)",
    )
    .fetch_one(&mut *connection)
    .await?;
    if empty {
        write(connection, signer, &Frontier::default(), Vec::new()).await?;
    }
    Ok(())
}

/// The tree as it is on the disk, after checking that its parts fit.
async fn load(
    connection: &mut SqliteConnection,
    ledger: &Path,
    verifier: &NoteVerifier,
) -> Result<(Frontier, Head), StoreError> {
    let row: Option<(String, Vec<u8>, i64)> = sqlx::query_as(
        "SELECT note, bytes, (SELECT coalesce(max(sequence) + 1, 0) FROM events)
         FROM checkpoints, frontier ORDER BY size DESC LIMIT 1",
    )
    .fetch_optional(connection)
    .await
    .map_err(|error| StoreError::from_sqlx(ledger, error))?;
    let corrupt = |what: &str| StoreError::corrupt(ledger, None, what);
    let (checkpoint, bytes, events) = row.ok_or_else(|| corrupt("it has no checkpoint"))?;
    let signed = verifier.verify(&checkpoint).map_err(|source| {
        let (file, origin) = (ledger.to_owned(), verifier.name().to_owned());
        StoreError::ForeignSigner { file, origin, source }
    })?;
    let frontier = Frontier::from_bytes(&bytes)?;
    if (frontier.size(), frontier.root()) != (signed.size, signed.root) {
        return Err(corrupt("its frontier doesn't fit its checkpoint"));
    }
    if u64::try_from(events).ok() != Some(signed.size) {
        return Err(corrupt(&format!("it has `{events}` events, and a checkpoint for `{}`", signed.size)));
    }
    Ok((frontier, Head { size: signed.size, root: signed.root, checkpoint }))
}

fn answer_all(answers: impl IntoIterator<Item = (Answer, Result<Committed, StoreError>)>) {
    for (answer, outcome) in answers {
        // A caller that has gone doesn't need its answer.
        let _ = answer.send(outcome);
    }
}
