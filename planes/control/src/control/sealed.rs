//! What control does with sealed decisions.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use portcullis_api::decisions::{FilesReport, SealAnswer, SealedFileView};
use portcullis_archive::{ArchiveError, Proof};
use portcullis_domain::decision::DecisionId;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::Control;
use crate::sealing::thread::{Stop, Wanted};
use crate::sealing::{SealError, Sealer, SealingSettings, verify};

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
    pub(crate) fn seal_by(&self, wanted: Sender<Option<Wanted>>) {
        // A second one is only not heard of.
        let _ = self.0.sealing.set(wanted);
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.0.core.runtime
    }

    /// Seals every decision that stands in the log.
    ///
    /// # Errors
    /// [`SealError`]; what was sealed until then stays so.
    pub async fn seal_now(&self) -> Result<SealAnswer, SealError> {
        let wanted = self.0.sealing.get().ok_or(SealError::NotRunning)?;
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

    /// Whether every sealed file is what the ledger says. **Blocks** while it reads them all.
    ///
    /// # Errors
    /// The folder can't be listed; what is wrong with a file stands in the report.
    pub fn verify_decisions(&self) -> Result<FilesReport, SealError> {
        verify::verify(self.0.decisions.archive(), &self.state().sealed)
    }

    /// That a sealed decision stands in its file; the file's event proves the rest. **Blocks.**
    ///
    /// # Errors
    /// A file that may hold it can't be read.
    pub fn prove_decision(&self, id: DecisionId) -> Result<Option<Proof>, ArchiveError> {
        self.0.decisions.archive().prove(&self.state().sealed, id)
    }
}
