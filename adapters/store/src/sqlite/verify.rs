//! Verification of a whole ledger from its stored bytes.
//!
//! Every event is checked against its own leaf, the leaves against every
//! checkpoint that was kept, and the last of these against the key. So a
//! changed byte is found at its event, and a change that was carried through
//! payload, envelope and leaf hash is found between two checkpoints.

use std::collections::VecDeque;
use std::path::Path;

use portcullis_ledger::checkpoint::Checkpoint;
use portcullis_ledger::note::NoteVerifier;
use portcullis_ledger::tree::Frontier;
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;

use super::file;
use super::read::{fits, page, signed};
use crate::StoreError;
use crate::event_store::{Fault, FaultKind, Progress, Report};

/// Events that are looked at between two calls of `progress`. A payload may
/// have a megabyte, so this bounds the memory too.
const PAGE_EVENTS: usize = 64;

/// Verifies a ledger's file without opening it as a store: for one that a
/// store refuses to open, or that another process writes.
///
/// # Errors
/// When the file can't be read, or isn't a ledger of this version.
pub async fn verify_file(
    ledger: &Path,
    verifier: &NoteVerifier,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Report, StoreError> {
    let failed = |error| StoreError::from_sqlx(ledger, error);
    let mut connection = SqliteConnection::connect_with(&file::reading(ledger)).await.map_err(failed)?;
    file::check(&mut connection, ledger, &file::LEDGER).await?;
    let report = verify(&mut connection, ledger, verifier, progress).await?;
    connection.close().await.map_err(failed)?;
    Ok(report)
}

pub(super) async fn verify(
    connection: &mut SqliteConnection,
    ledger: &Path,
    verifier: &NoteVerifier,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Report, StoreError> {
    let head = stored_head(connection).await.map_err(|error| StoreError::from_sqlx(ledger, error))?;
    let mut walk = Walk::default();
    let signed = match verifier.verify(&head.note) {
        Ok(signed) => signed,
        Err(error) => {
            let fault = Fault {
                sequence: 0,
                last: head.events.saturating_sub(1),
                kind: FaultKind::Checkpoint { what: error.to_string() },
            };
            return Ok(walk.report(0, Some(fault)));
        }
    };
    let size = signed.size;
    while walk.frontier.size() < size {
        let result = walk.next_page(connection, size, verifier).await;
        match result.map_err(|error| StoreError::from_sqlx(ledger, error))? {
            Ok(()) => progress(Progress { done: walk.frontier.size(), size }),
            Err(fault) => return Ok(walk.report(size, Some(fault))),
        }
    }
    let fault = walk.finish(&signed, &head);
    Ok(walk.report(size, fault))
}

/// What the file says of itself, in one read.
struct StoredHead {
    note: String,
    frontier: Vec<u8>,
    /// One more than the largest sequence number.
    events: u64,
}

async fn stored_head(connection: &mut SqliteConnection) -> Result<StoredHead, sqlx::Error> {
    let (note, frontier, events): (Option<String>, Option<Vec<u8>>, i64) = sqlx::query_as(
        "SELECT (SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1), (SELECT bytes FROM frontier),
                (SELECT coalesce(max(sequence) + 1, 0) FROM events)",
    )
    .fetch_one(connection)
    .await?;
    let events = u64::try_from(events).unwrap_or(0);
    Ok(StoredHead { note: note.unwrap_or_default(), frontier: frontier.unwrap_or_default(), events })
}

#[derive(Default)]
struct Walk {
    frontier: Frontier,
    /// Up to this size the events have a root that was signed.
    sound: u64,
    /// Checkpoints to come, by size.
    checkpoints: VecDeque<(u64, String)>,
}

impl Walk {
    /// Checks the next events, up to `size`.
    async fn next_page(
        &mut self,
        connection: &mut SqliteConnection,
        size: u64,
        verifier: &NoteVerifier,
    ) -> Result<Result<(), Fault>, sqlx::Error> {
        let from = self.frontier.size();
        let left = usize::try_from(size - from).unwrap_or(usize::MAX);
        let events = page(connection, from, left.min(PAGE_EVENTS)).await?;
        let end = events.last().map_or(from, |event| event.sequence.saturating_add(1));
        self.checkpoints = checkpoints(connection, from, end).await?;
        if events.is_empty() {
            return Ok(Err(at(from, FaultKind::Missing)));
        }
        for event in &events {
            let expected = self.frontier.size();
            if event.sequence != expected {
                return Ok(Err(at(expected, FaultKind::Missing)));
            }
            if let Err(kind) = fits(event) {
                return Ok(Err(at(expected, kind)));
            }
            self.frontier.append(event.leaf_hash);
            if let Err(fault) = self.compare_checkpoint(verifier) {
                return Ok(Err(fault));
            }
        }
        Ok(Ok(()))
    }

    /// The kept checkpoint of this size, if there is one. Its signature is
    /// looked at only when the root differs: the last one's is what counts.
    fn compare_checkpoint(&mut self, verifier: &NoteVerifier) -> Result<(), Fault> {
        let size = self.frontier.size();
        let Some((_, note)) = self.checkpoints.pop_front_if(|(at, _)| *at == size) else { return Ok(()) };
        let (sequence, last) = (self.sound, size - 1);
        let text = note.split_once("\n\n").map(|(text, _)| format!("{text}\n")).unwrap_or_default();
        if Checkpoint::parse(&text).is_ok_and(|kept| kept.size == size && kept.root == self.frontier.root()) {
            self.sound = size;
            return Ok(());
        }
        let kind = match verifier.verify(&note) {
            Ok(kept) if kept.size == size => FaultKind::Root,
            Ok(_) => FaultKind::Checkpoint { what: "it is of another size".to_owned() },
            Err(error) => FaultKind::Checkpoint { what: error.to_string() },
        };
        Err(Fault { sequence, last, kind })
    }

    fn finish(&self, signed: &Checkpoint, head: &StoredHead) -> Option<Fault> {
        let last = signed.size.saturating_sub(1);
        if self.frontier.root() != signed.root {
            return Some(Fault { sequence: self.sound, last, kind: FaultKind::Root });
        }
        if head.frontier != self.frontier.to_bytes() {
            return Some(at(last, FaultKind::Frontier));
        }
        (head.events > signed.size).then(|| at(signed.size, FaultKind::Surplus))
    }

    fn report(&self, size: u64, fault: Option<Fault>) -> Report {
        Report { size, root: self.frontier.root(), fault }
    }
}

fn at(sequence: u64, kind: FaultKind) -> Fault {
    Fault { sequence, last: sequence, kind }
}

/// The checkpoints after `from`, up to and with `end`: at most one for each event of a page.
async fn checkpoints(
    connection: &mut SqliteConnection,
    from: u64,
    end: u64,
) -> Result<VecDeque<(u64, String)>, sqlx::Error> {
    let rows: Vec<(i64, String)> = sqlx::query_as(
        "SELECT size, note FROM checkpoints WHERE size > ? AND size <= ? ORDER BY size LIMIT ?",
    )
    .bind(signed(from))
    .bind(signed(end))
    .bind(i64::try_from(PAGE_EVENTS).unwrap_or(i64::MAX))
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().filter_map(|(size, note)| Some((u64::try_from(size).ok()?, note))).collect())
}
