//! The ledger as auditors ask for it: its head, its stored bytes, its proofs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_api::ledger::{
    LedgerConsistency, LedgerEntries, LedgerEntry, LedgerHead, LedgerProof, LedgerReport, RestoredView,
};
use portcullis_ledger::proof::InclusionProof;
use portcullis_policy::clock::micros;
use portcullis_store::{Head, RawEvent, StoreError};

use super::Control;

/// What the proof of an event calls itself.
const PROOF_FORMAT: &str = "portcullis-ledger-proof/1";

/// A page of stored events ends after so many bytes.
const PAGE_BYTES_MAX: usize = 4 << 20;

/// Events that are read at once: each may have a megabyte.
const READ_EVENTS: usize = 64;

impl Control {
    /// # Errors
    /// The store is closed.
    pub async fn head(&self) -> Result<LedgerHead, StoreError> {
        let head = self.0.core.store.head().await?;
        Ok(LedgerHead {
            size: head.size,
            root: STANDARD.encode(head.root),
            checkpoint: Some(head.checkpoint),
            key: Some(self.0.core.store.verifier().to_string()),
            posted: self.process().map(|process| (process.postings)()).unwrap_or_default(),
            restored: self.state().from_backup.as_ref().map(|from| RestoredView {
                backup_time: from.backup_time,
                size: from.size,
                known_later: from.known_later,
                restored_at: from.time,
            }),
        })
    }

    /// Computes the ledger anew from its stored bytes.
    ///
    /// # Errors
    /// It can't be read at all; what doesn't fit stands in the report.
    pub async fn verify_ledger(&self) -> Result<LedgerReport, StoreError> {
        let begun = self.clock().monotonic();
        let mut checked = 0;
        let report = self.0.core.store.verify(&mut |progress| checked = progress.done).await?;
        let took = self.clock().monotonic().saturating_sub(begun);
        Ok(LedgerReport {
            good: report.is_sound(),
            size: report.size,
            root: STANDARD.encode(report.root),
            events_checked: if report.is_sound() { report.size } else { checked },
            took_us: micros(took),
            faults: report.fault.iter().map(ToString::to_string).collect(),
        })
    }

    /// Stored events from number `from` on: up to `limit`, and not many more bytes than 4 MiB.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] names the event that doesn't fit.
    pub async fn ledger_entries(&self, from: u64, limit: usize) -> Result<LedgerEntries, StoreError> {
        let (mut entries, mut bytes) = (Vec::new(), 0);
        while entries.len() < limit && bytes < PAGE_BYTES_MAX {
            let next = from.saturating_add(entries.len() as u64);
            let events = self.0.core.store.read_raw(next, READ_EVENTS.min(limit - entries.len())).await?;
            if events.is_empty() {
                break;
            }
            for event in events {
                bytes += event.envelope.len() + event.payload.len();
                entries.push(entry(event)?);
            }
        }
        Ok(LedgerEntries { from, entries })
    }

    /// The proof of an event up to the newest checkpoint; none for an event that isn't there yet.
    ///
    /// # Errors
    /// As [`Self::ledger_entries`].
    pub async fn prove_event(&self, sequence: u64) -> Result<Option<LedgerProof>, StoreError> {
        let head = self.0.core.store.head().await?;
        self.prove_event_in(sequence, &head).await
    }

    /// The proof of an event up to the checkpoint of this head.
    ///
    /// # Errors
    /// As [`Self::ledger_entries`].
    pub(crate) async fn prove_event_in(
        &self,
        sequence: u64,
        head: &Head,
    ) -> Result<Option<LedgerProof>, StoreError> {
        let store = &self.0.core.store;
        if sequence >= head.size {
            return Ok(None);
        }
        let Some(event) = store.read_raw(sequence, 1).await?.into_iter().next() else { return Ok(None) };
        let hashes = store.prove_inclusion(sequence, head.size).await?;
        let proof = InclusionProof { index: sequence, hashes, checkpoint: head.checkpoint.clone() };
        Ok(Some(LedgerProof {
            format: PROOF_FORMAT.to_owned(),
            key: store.verifier().to_string(),
            entry: entry(event)?,
            proof: proof.text(),
            row: None,
        }))
    }

    /// The proof that the ledger of `from` events is the beginning of the newest; none if that one is shorter.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub async fn prove_consistency(&self, from: u64) -> Result<Option<LedgerConsistency>, StoreError> {
        let store = &self.0.core.store;
        let head = store.head().await?;
        if from > head.size {
            return Ok(None);
        }
        let hashes = store.prove_consistency(from, head.size).await?;
        let hashes = hashes.iter().map(|hash| STANDARD.encode(hash)).collect();
        Ok(Some(LedgerConsistency { from, checkpoint: head.checkpoint, hashes }))
    }
}

/// What the store gave has the digests of its leaf, so it is the JSON that was written.
fn entry(event: RawEvent) -> Result<LedgerEntry, StoreError> {
    let sequence = event.sequence;
    let text = |bytes: Vec<u8>| {
        String::from_utf8(bytes).map_err(|error| StoreError::Corrupt {
            file: "ledger".into(),
            sequence: Some(sequence),
            what: error.to_string(),
        })
    };
    Ok(LedgerEntry { envelope: text(event.envelope)?, payload: text(event.payload)? })
}
