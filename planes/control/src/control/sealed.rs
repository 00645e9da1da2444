//! What control does with sealed decisions.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use portcullis_api::decisions::{FilesReport, MissingSegment, SealAnswer, SealedFileView};
use portcullis_api::ledger::{LedgerProof, RowProof};
use portcullis_archive::{Archive, Hour, Proof};
use portcullis_domain::decision::DecisionId;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

use super::Control;
use crate::error::{DecisionsError, ProveError};
use crate::missing;
use crate::packing::Turns;
use crate::sealing::thread::{Stop, Wanted};
use crate::sealing::{SealError, Sealer, SealingSettings, verify};

/// What the proof of a decision calls itself.
const DECISION_PROOF_FORMAT: &str = "portcullis-decision-proof/1";

/// The thread that seals, as the others know it.
pub(super) struct SealingThread {
    wanted: Sender<Option<Wanted>>,
    grace_seconds: u64,
}

/// What there is to prove a decision with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProvedDecision {
    Sealed(LedgerProof),
    /// It is in no file yet.
    Waits {
        due: Timestamp,
    },
    /// Never made here, or kept no longer.
    Unknown,
}

impl Control {
    /// Seals in the caller's thread. One at a time for each installation; [`Sealing`](crate::sealing::Sealing) is a thread that
    /// does.
    #[must_use]
    pub fn sealer(&self, settings: SealingSettings) -> Sealer {
        self.sealer_with(settings, Arc::default())
    }

    pub(crate) fn sealer_with(&self, settings: SealingSettings, stop: Arc<Stop>) -> Sealer {
        let decisions = &self.0.decisions;
        Sealer::new(self.clone(), Arc::clone(decisions.archive()), decisions.log().to_owned(), settings, stop)
    }

    /// Where those are heard who want everything sealed now.
    pub(crate) fn seal_by(&self, wanted: Sender<Option<Wanted>>, settings: SealingSettings) {
        // A second one is only not heard of.
        let _ = self.0.sealing.set(SealingThread { wanted, grace_seconds: settings.grace_seconds });
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.0.core.runtime
    }

    pub(crate) fn archive(&self) -> Arc<Archive> {
        Arc::clone(self.0.decisions.archive())
    }

    /// Where the gate writes its segments.
    pub(crate) fn decision_log(&self) -> &Path {
        self.0.decisions.log()
    }

    /// Whose turn it is to make an evidence pack.
    pub(crate) fn packing_turns(&self) -> &Turns {
        &self.0.packing
    }

    /// Whose turn it is to look up what a vendor read.
    pub(crate) fn reading_turn(&self) -> Arc<Semaphore> {
        Arc::clone(&self.0.reading)
    }

    /// Seals every decision that stands in the log.
    ///
    /// # Errors
    /// [`SealError`]; what was sealed until then stays so.
    pub async fn seal_now(&self) -> Result<SealAnswer, SealError> {
        let wanted = &self.0.sealing.get().ok_or(SealError::NotRunning)?.wanted;
        let (answer, answered) = oneshot::channel();
        wanted.send(Some(answer)).map_err(|_| SealError::NotRunning)?;
        let report = answered.await.map_err(|_| SealError::NotRunning)??;
        let state = self.state();
        // As the ledger holds them, with the places of their events.
        let recorded = report.files.iter().map(|sealed| {
            SealedFileView::from(state.sealed.get(&(sealed.hour, sealed.file.clone())).unwrap_or(sealed))
        });
        Ok(SealAnswer {
            files: recorded.collect(),
            rows: report.rows,
            segments: report.segments as u64,
            unreadable: report.unreadable,
        })
    }

    /// Whether every sealed file is what the ledger says, and no segment is missing. **Blocks** while it reads them all.
    ///
    /// # Errors
    /// The folder can't be listed; what is wrong with a file stands in the report.
    pub fn verify_decisions(&self) -> Result<FilesReport, SealError> {
        let mut report = verify::verify(self.0.decisions.archive(), &self.state().sealed)?;
        report.missing_segments = missing::named(self.0.decisions.log())?;
        report.good &= report.missing_segments.is_empty();
        Ok(report)
    }

    /// Somebody knows about the segments that are missing: they are named no more. **Blocks** for a sync.
    ///
    /// # Errors
    /// The log's directory can't be read or written.
    pub fn acknowledge_missing(&self) -> Result<Vec<MissingSegment>, SealError> {
        Ok(missing::acknowledge(self.0.decisions.log())?)
    }

    /// That a decision stands in its sealed file, and the file's event in the ledger.
    ///
    /// # Errors
    /// A file that may hold it, or the ledger, can't be read.
    pub async fn prove_decision(&self, id: DecisionId) -> Result<ProvedDecision, ProveError> {
        let control = self.clone();
        let row = tokio::task::spawn_blocking(move || control.row_of(id)).await??;
        let Some(Proof { file, index, leaf, path }) = row else {
            let control = self.clone();
            let waits = tokio::task::spawn_blocking(move || control.explain(id)).await??.is_some();
            let due = self.sealed_at(id);
            return Ok(if waits { ProvedDecision::Waits { due } } else { ProvedDecision::Unknown });
        };
        let event = match file.event {
            Some(event) => self.prove_event(event).await?,
            None => None,
        };
        let event = event.ok_or(ProveError::NoEvent(file.file))?;
        let path = path.iter().map(|hash| STANDARD.encode(hash)).collect();
        let row = RowProof { leaf: String::from_utf8(leaf)?, index, path };
        Ok(ProvedDecision::Sealed(LedgerProof {
            format: DECISION_PROOF_FORMAT.to_owned(),
            row: Some(row),
            ..event
        }))
    }

    fn row_of(&self, id: DecisionId) -> Result<Option<Proof>, DecisionsError> {
        let archive = self.0.decisions.archive();
        let sealed = Arc::clone(&self.state().sealed);
        let found = archive.prove(&sealed, id);
        let now = Arc::clone(&self.state().sealed);
        // It may have been written anew under the reader's hands.
        let found = if Arc::ptr_eq(&sealed, &now) { found } else { archive.prove(&now, id) };
        Ok(found?)
    }

    /// When a decision that is in no file yet is due: after its hour, or with the next one if it came late.
    fn sealed_at(&self, id: DecisionId) -> Timestamp {
        let grace_seconds = match self.0.sealing.get() {
            Some(sealing) => sealing.grace_seconds,
            None => SealingSettings::default().grace_seconds,
        };
        let grace_ms = grace_seconds.saturating_mul(1_000);
        let running = Hour::of_ms(self.now_ms().saturating_sub(grace_ms));
        let due_ms = running.max(Hour::of_ms(id.time_ms())).end_ms().saturating_add(grace_ms);
        let due = i64::try_from(due_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        due.unwrap_or(Timestamp::MAX)
    }
}
