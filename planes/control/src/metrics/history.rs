//! What was decided before the start, from the decision log.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use portcullis_archive::Archive;
use portcullis_decision_log::{LogError, Reader};
use portcullis_domain::archive::SealedFiles;
use portcullis_domain::decision::{DECISION_KIND, OUTCOME_KIND, PAYLOAD_VERSION};
use portcullis_metrics::registry::Registry;

use super::{Metrics, count, lock};

/// How far back is read at most.
const SPAN_MS: u64 = 24 * 3_600_000;
/// What is read first, to see how much there is.
const FIRST_MS: u64 = 600_000;
/// Records that a start reads at most, as far as the first ten minutes tell: some seconds of one processor.
const RECORDS_MAX: u64 = 4_000_000;

/// The sealed part of the log, as the ledger knows it.
type Sealed<'a> = (&'a Archive, &'a SealedFiles);

impl Metrics {
    /// Counts what the log holds of the time before `start`. **Blocks** for seconds: call it from a thread that
    /// may. Until it is done, [`Metrics::since`] says the start.
    ///
    /// # Errors
    /// The log can't be read.
    pub fn read_history(&self, log: &Reader, sealed: Sealed<'_>, start: Timestamp) -> Result<(), LogError> {
        let until_ms = u64::try_from(start.as_millisecond()).unwrap_or(0);
        let (_, newest) = self.read(log, sealed, until_ms.saturating_sub(FIRST_MS), until_ms)?;
        let room = RECORDS_MAX
            .checked_div(newest.records)
            .map_or(SPAN_MS, |times| times.saturating_mul(FIRST_MS).min(SPAN_MS));
        let since_ms = until_ms.saturating_sub(room.max(FIRST_MS));
        let (registry, read) = self.read(log, sealed, since_ms, until_ms)?;
        *lock(&self.history) = registry;
        // A log that is younger than that holds all there is.
        let oldest_ms = read.oldest_ms.map_or(until_ms, |oldest| oldest.max(since_ms));
        self.since_ms.store(oldest_ms, Ordering::Relaxed);
        tracing::info!(records = read.records, since = %self.since(), "metrics reach back by the decision log");
        Ok(())
    }

    fn read(
        &self,
        log: &Reader,
        (archive, files): Sealed<'_>,
        since_ms: u64,
        until_ms: u64,
    ) -> Result<(Registry, Read), LogError> {
        let mut registry = Registry::new(self.series_max);
        let mut read = Read::default();
        // Between sealing and the end of its segment a decision is in both.
        let mut counted = HashMap::new();
        archive.scan(files, since_ms, until_ms, &mut |row| {
            read.records += 1;
            let at_ms = row.record.id.time_ms();
            read.oldest_ms = Some(read.oldest_ms.map_or(at_ms, |oldest| oldest.min(at_ms)));
            counted.insert(row.record.id.0, row.outcome.is_some());
            if let Ok(payload) = row.record.to_bytes() {
                let _ = count(&mut registry, DECISION_KIND, &payload);
            }
            if let Some(payload) = row.outcome.as_ref().and_then(|outcome| outcome.to_bytes().ok()) {
                read.records += 1;
                let _ = count(&mut registry, OUTCOME_KIND, &payload);
            }
            if read.records < RECORDS_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        log.scan(since_ms, until_ms, &mut |frame| {
            let known = counted.get(&frame.id).is_some_and(|ended| *ended || frame.kind == DECISION_KIND);
            if frame.version == PAYLOAD_VERSION && !known {
                read.records += 1;
                read.oldest_ms = read.oldest_ms.or(Some(frame.id_ms()));
                // What can't be read is told by those who look for it.
                let _ = count(&mut registry, frame.kind, &frame.payload);
            }
            ControlFlow::Continue(())
        })?;
        Ok((registry, read))
    }
}

#[derive(Default)]
struct Read {
    records: u64,
    oldest_ms: Option<u64>,
}
