//! Reading events, and leaf hashes for proofs.

use std::ops::Range;
use std::path::Path;

use futures_util::TryStreamExt as _;
use portcullis_ledger::canonical::INTEGER_MAX;
use portcullis_ledger::leaf::Envelope;
use portcullis_ledger::tree::{self, Frontier};
use portcullis_ledger::{Hash, LedgerError, sha256};
use sqlx::sqlite::SqliteConnection;

use super::SqliteStore;
use crate::StoreError;
use crate::event_store::{FaultKind, READ_EVENTS_MAX, RawEvent, StoredEvent};
use crate::personal;

/// Leaf hashes that are fetched at once. Short reads, so that a checkpoint of
/// the WAL never waits long for a reader.
const PAGE_HASHES: u64 = 4_096;

type RawRow = (i64, Vec<u8>, Vec<u8>, Vec<u8>);

impl SqliteStore {
    pub(super) async fn read_opened(&self, from: u64, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        let raw = self.read_bytes(from, limit).await?;
        raw.into_iter().map(|event| self.open_event(event)).collect()
    }

    pub(super) async fn read_bytes(&self, from: u64, limit: usize) -> Result<Vec<RawEvent>, StoreError> {
        if from > INTEGER_MAX {
            return Ok(Vec::new()); // Beyond every leaf.
        }
        let mut connection = self.readers.acquire().await.map_err(|error| self.reading_failed(error))?;
        let events = page(&mut connection, from, limit.min(READ_EVENTS_MAX))
            .await
            .map_err(|error| self.reading_failed(error))?;
        for (expected, event) in (from..).zip(&events) {
            if event.sequence != expected {
                return Err(StoreError::corrupt(&self.ledger, Some(expected), FaultKind::Missing));
            }
            fits(event).map_err(|fault| StoreError::corrupt(&self.ledger, Some(expected), fault))?;
        }
        Ok(events)
    }

    fn open_event(&self, raw: RawEvent) -> Result<StoredEvent, StoreError> {
        let envelope = Envelope::parse(&raw.envelope)
            .map_err(|error| StoreError::corrupt(&self.ledger, Some(raw.sequence), error))?;
        let mut payload = serde_json::from_slice(&raw.payload)
            .map_err(|error| StoreError::corrupt(&self.ledger, Some(raw.sequence), error))?;
        personal::open(&mut payload, raw.sequence, &|subject| self.keys.key(subject))
            .map_err(|error| StoreError::corrupt(&self.ledger, Some(raw.sequence), error))?;
        let Envelope { sequence, time, kind, aggregate, version, .. } = envelope;
        Ok(StoredEvent { sequence, time, kind, aggregate, version, payload, leaf_hash: raw.leaf_hash })
    }

    /// The root of each range of leaves, in a tree of `size` that we have.
    pub(super) async fn range_roots(
        &self,
        size: u64,
        ranges: Vec<Range<u64>>,
    ) -> Result<Vec<Hash>, StoreError> {
        let have = self.head.borrow().size;
        if size > have {
            return Err(LedgerError::Range { from: size, size: have }.into());
        }
        let mut connection = self.readers.acquire().await.map_err(|error| self.reading_failed(error))?;
        let mut roots = Vec::with_capacity(ranges.len());
        for range in ranges {
            roots.push(range_root(&mut connection, &self.ledger, range).await?);
        }
        Ok(roots)
    }
}

async fn range_root(
    connection: &mut SqliteConnection,
    ledger: &Path,
    range: Range<u64>,
) -> Result<Hash, StoreError> {
    let mut frontier = Frontier::default();
    let mut next = range.start;
    while next < range.end {
        let end = range.end.min(next.saturating_add(PAGE_HASHES));
        let mut rows = sqlx::query_as::<_, (i64, Vec<u8>)>(
            "SELECT sequence, leaf_hash FROM events WHERE sequence >= ? AND sequence < ? ORDER BY sequence",
        )
        .bind(signed(next))
        .bind(signed(end))
        .fetch(&mut *connection);
        while let Some((sequence, hash)) =
            rows.try_next().await.map_err(|error| StoreError::from_sqlx(ledger, error))?
        {
            let hash = Hash::try_from(hash.as_slice()).ok().filter(|_| sequence == signed(next));
            let missing = || StoreError::corrupt(ledger, Some(next), FaultKind::Missing);
            frontier.append(hash.ok_or_else(missing)?);
            next += 1;
        }
        if next < end {
            return Err(StoreError::corrupt(ledger, Some(next), FaultKind::Missing));
        }
    }
    Ok(frontier.root())
}

/// Up to `limit` stored events from number `from` on, in order, unchecked.
pub(super) async fn page(
    connection: &mut SqliteConnection,
    from: u64,
    limit: usize,
) -> Result<Vec<RawEvent>, sqlx::Error> {
    let rows: Vec<RawRow> = sqlx::query_as(
        "SELECT sequence, envelope, payload, leaf_hash FROM events WHERE sequence >= ? ORDER BY sequence LIMIT ?",
    )
    .bind(signed(from))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(raw_event).collect()
}

fn raw_event((sequence, envelope, payload, leaf_hash): RawRow) -> Result<RawEvent, sqlx::Error> {
    let sequence =
        u64::try_from(sequence).map_err(|_| sqlx::Error::Decode("a sequence number is negative".into()))?;
    // A hash of another length fits no envelope, and no envelope has this one.
    let leaf_hash = leaf_hash.as_slice().try_into().unwrap_or([0; 32]);
    Ok(RawEvent { sequence, envelope, payload, leaf_hash })
}

/// Whether the parts of an event fit each other.
pub(super) fn fits(event: &RawEvent) -> Result<(), FaultKind> {
    if tree::leaf_hash(&event.envelope) != event.leaf_hash {
        return Err(FaultKind::LeafHash);
    }
    let envelope =
        Envelope::parse(&event.envelope).map_err(|error| FaultKind::Envelope { what: error.to_string() })?;
    if envelope.sequence != event.sequence {
        return Err(FaultKind::Order { found: envelope.sequence });
    }
    if envelope.payload_sha256 != sha256(&event.payload) {
        return Err(FaultKind::Payload);
    }
    Ok(())
}

/// Numbers that SQLite can't hold are beyond every event.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
