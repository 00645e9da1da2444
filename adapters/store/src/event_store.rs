//! The narrow trait that control builds on, and the types that cross it.

use std::pin::Pin;

use jiff::Timestamp;
use portcullis_ledger::Hash;
use portcullis_ledger::note::NoteVerifier;
use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

use crate::StoreError;

/// A future in a box, so that the trait can be an object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The most events of one append.
pub const APPEND_EVENTS_MAX: usize = 1_024;

/// The most payload bytes of one event, in canonical form and before sealing.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// The most payload bytes of one append, in canonical form and before sealing.
pub const APPEND_BYTES_MAX: usize = 8 << 20;

/// The most events that one [`EventStore::read`] gives.
pub const READ_EVENTS_MAX: usize = 1_024;

/// An append-only book of events under a Merkle tree.
pub trait EventStore: Send + Sync {
    /// Appends `events` as numbers `expected_size`, `expected_size + 1`, … —
    /// all of them or none — and answers once they are on the disk.
    ///
    /// `expected_size` must be the ledger's size at the moment this append's
    /// turn comes. Appends that wait together see each other in order and
    /// share one commit, so callers may pipeline. When that commit fails, all
    /// of them fail. A caller that drops the future may find the events
    /// appended or not. No events: nothing is written, but a conflict is told.
    ///
    /// # Errors
    /// [`StoreError::Conflict`], [`StoreError::Invalid`], [`StoreError::TooLarge`],
    /// [`StoreError::Unwritable`]. After the last the ledger may still turn out
    /// to hold the events: look at the head before appending again.
    fn append(
        &self,
        expected_size: u64,
        events: Vec<NewEvent>,
    ) -> BoxFuture<'_, Result<Committed, StoreError>>;

    /// Up to `limit` events from number `from` on, personal texts opened. At
    /// most [`READ_EVENTS_MAX`] come at once, so only an empty answer means
    /// the end. Each event is checked against its leaf.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] names the event that doesn't fit.
    fn read(&self, from: u64, limit: usize) -> BoxFuture<'_, Result<Vec<StoredEvent>, StoreError>>;

    /// As [`Self::read`], but the stored bytes, personal texts sealed: what an
    /// export holds and an auditor hashes.
    ///
    /// # Errors
    /// As [`Self::read`].
    fn read_raw(&self, from: u64, limit: usize) -> BoxFuture<'_, Result<Vec<RawEvent>, StoreError>>;

    /// The newest durable head.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    fn head(&self) -> BoxFuture<'_, Result<Head, StoreError>>;

    /// The newest durable head, and a wake-up for each later one.
    fn watch(&self) -> watch::Receiver<Head>;

    /// The public key that its checkpoints verify with.
    fn verifier(&self) -> &NoteVerifier;

    /// A C2SP signed note of a text that is no checkpoint, by the key of the checkpoints.
    ///
    /// # Errors
    /// [`StoreError::Ledger`] for a text that no note may have, or that could be read as a checkpoint.
    fn sign_statement(&self, text: &str) -> Result<String, StoreError>;

    /// The proof that event `sequence` is in the tree of `size` events.
    ///
    /// # Errors
    /// [`StoreError::Ledger`] for numbers outside the ledger.
    fn prove_inclusion(&self, sequence: u64, size: u64) -> BoxFuture<'_, Result<Vec<Hash>, StoreError>>;

    /// The proof that the tree of `old_size` events is the beginning of that of `size`.
    ///
    /// # Errors
    /// [`StoreError::Ledger`] for numbers outside the ledger.
    fn prove_consistency(&self, old_size: u64, size: u64) -> BoxFuture<'_, Result<Vec<Hash>, StoreError>>;

    /// Computes everything anew from the stored bytes and compares. A finding
    /// is not an error: it stands in the report. Streams, so memory stays bounded.
    ///
    /// # Errors
    /// When the storage can't be read at all.
    fn verify<'a>(
        &'a self,
        progress: &'a mut (dyn FnMut(Progress) + Send),
    ) -> BoxFuture<'a, Result<Report, StoreError>>;

    /// Destroys the key of a subject, durably. Its texts read as erased from
    /// now on; head and proofs stay as they are. Doing it again does nothing,
    /// so whoever records an erasure may repeat it after a crash.
    ///
    /// # Errors
    /// [`StoreError::Unwritable`]: the key may still be there, try again.
    fn erase(&self, subject: Uuid) -> BoxFuture<'_, Result<(), StoreError>>;
}

/// An event to append.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// When it was decided; kept to the microsecond.
    pub time: Timestamp,
    /// 1 to 128 ASCII letters, digits, `_`, `-` or `.`, a letter first.
    pub kind: String,
    /// The random id of what it happened to.
    pub aggregate: Uuid,
    /// The version of this kind's payload.
    pub version: u16,
    /// JSON; personal fields as [`crate::personal`] tells.
    pub payload: Value,
}

/// An event as it was appended.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Its number, from 0: the leaf's place in the tree.
    pub sequence: u64,
    pub time: Timestamp,
    pub kind: String,
    pub aggregate: Uuid,
    pub version: u16,
    /// The payload with personal texts opened, or marked as erased.
    pub payload: Value,
    /// The leaf's hash in the tree.
    pub leaf_hash: Hash,
}

/// An event's bytes as they are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawEvent {
    pub sequence: u64,
    /// The leaf: see [`portcullis_ledger::leaf`].
    pub envelope: Vec<u8>,
    /// Canonical JSON, personal texts sealed.
    pub payload: Vec<u8>,
    pub leaf_hash: Hash,
}

/// The answer to an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The number of the first event of this append.
    pub first: u64,
    /// The ledger's size right after this append.
    pub size: u64,
    /// The tree's root at that size.
    pub root: Hash,
}

/// The newest state of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub size: u64,
    pub root: Hash,
    /// A C2SP `tlog-checkpoint`: a signed note of origin, size and root.
    pub checkpoint: String,
}

/// How far a verification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub done: u64,
    pub size: u64,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The size by the stored checkpoint, 0 if that can't be read.
    pub size: u64,
    /// The root over the leaves that were checked.
    pub root: Hash,
    /// The first thing that doesn't fit.
    pub fault: Option<Fault>,
}

impl Report {
    /// Whether everything fits.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.fault.is_none()
    }
}

/// A thing that doesn't fit, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event `{sequence}`{}: {kind}", if last > sequence { format!(" to `{last}`") } else { String::new() })]
pub struct Fault {
    /// The first event that may be affected.
    pub sequence: u64,
    /// The last one: the same where the event itself contradicts its leaf.
    pub last: u64,
    pub kind: FaultKind,
}

/// Which check failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// The row is gone.
    #[error("it is missing")]
    Missing,
    /// There are rows beyond the signed size.
    #[error("it lies beyond the signed size")]
    Surplus,
    /// The stored leaf hash isn't that of the envelope.
    #[error("the envelope doesn't have the stored leaf hash")]
    LeafHash,
    /// The envelope isn't a canonical leaf.
    #[error("{what}")]
    Envelope { what: String },
    /// The envelope belongs to another place.
    #[error("the envelope is that of event `{found}`")]
    Order { found: u64 },
    /// The payload isn't the one that the envelope names.
    #[error("the payload doesn't have the digest in its envelope")]
    Payload,
    /// Each event fits its own leaf, but together they miss the signed root.
    #[error("the events don't have the root that was signed")]
    Root,
    /// The checkpoint itself was changed.
    #[error("the checkpoint is not genuine: {what}")]
    Checkpoint { what: String },
    /// The stored frontier of the tree was changed.
    #[error("the stored frontier doesn't fit the checkpoint")]
    Frontier,
}

/// Feeds every event from number `from` on to `each`, up to the head, and
/// tells the number after the last.
///
/// # Errors
/// Those of [`EventStore::read`], and what `each` fails with.
pub async fn replay<E: From<StoreError>>(
    store: &dyn EventStore,
    from: u64,
    mut each: impl FnMut(StoredEvent) -> Result<(), E>,
) -> Result<u64, E> {
    let mut next = from;
    loop {
        let events = store.read(next, READ_EVENTS_MAX).await?;
        if events.is_empty() {
            return Ok(next);
        }
        for event in events {
            next = event.sequence + 1;
            each(event)?;
        }
    }
}
