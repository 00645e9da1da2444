//! What is counted of vendors, integrations and routes, from the stream of decisions and outcomes.
//!
//! What was decided before this process started is read from the decision log in the background, into a
//! registry of its own: windows are sums, so the two never have to be put together.

mod exposition;
mod history;
mod promises;
mod view;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use portcullis_domain::decision::{DECISION_KIND, DecisionGlance, OUTCOME_KIND, OutcomeRecord, PayloadError};
use portcullis_domain::state::State;
pub use portcullis_metrics::registry::SERIES_MAX;
use portcullis_metrics::registry::{Family, Key, Registry};
use portcullis_metrics::rolling::{Totals, Window};
use portcullis_policy::link::LogBatch;

pub(crate) use exposition::Surroundings;
pub use exposition::{FAMILIES, Metric, write_metric};
pub(crate) use promises::PromiseStanding;

/// How often what doesn't exist any more is forgotten.
const TIDY_SECONDS: u64 = 60;

pub(crate) struct Metrics {
    series_max: usize,
    live: Mutex<Registry>,
    /// From before the start.
    history: Mutex<Registry>,
    /// From when on everything is counted, in milliseconds since the Unix epoch.
    since_ms: AtomicU64,
    tidied: AtomicU64,
}

impl Metrics {
    /// With at most `series_max` series of each family; counting since `now`.
    pub fn new(series_max: Option<usize>, now: Timestamp) -> Self {
        let series_max = series_max.unwrap_or(SERIES_MAX);
        Self {
            series_max,
            live: Mutex::new(Registry::new(series_max)),
            history: Mutex::new(Registry::new(series_max)),
            since_ms: AtomicU64::new(u64::try_from(now.as_millisecond()).unwrap_or(0)),
            tidied: AtomicU64::new(0),
        }
    }

    /// Counts a batch.
    pub fn take(&self, batch: &LogBatch) {
        let mut live = lock(&self.live);
        for entry in batch.entries() {
            if let Err(error) = count(&mut live, entry.kind, entry.payload) {
                tracing::error!(%error, "a gate reports what is no decision");
                return;
            }
        }
    }

    /// Forgets what isn't declared any more, once a minute.
    pub fn tidy(&self, state: &State, now: Timestamp) {
        let now = seconds(now);
        let before = self.tidied.load(Ordering::Relaxed);
        if now.saturating_sub(before) < TIDY_SECONDS {
            return;
        }
        self.tidied.store(now, Ordering::Relaxed);
        let ids: std::collections::HashSet<_> =
            state.resources.values().map(|resource| resource.id).collect();
        let exists = |key: &Key| {
            ids.contains(&key.vendor.0)
                && key.integration.is_none_or(|id| ids.contains(&id.0))
                && key.route.is_none_or(|id| ids.contains(&id.0))
        };
        lock(&self.live).tidy(exists, now);
        lock(&self.history).tidy(exists, now);
    }

    /// From when on everything is counted.
    pub fn since(&self) -> Timestamp {
        let since = i64::try_from(self.since_ms.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
        Timestamp::from_millisecond(since).unwrap_or(Timestamp::MAX)
    }

    /// What is in the windows of these series, together.
    fn totals(&self, family: Family, keys: &[Key], window: Window, now: u64) -> Totals {
        let mut totals = Totals::default();
        for registry in [&self.live, &self.history] {
            let registry = lock(registry);
            for key in keys {
                registry.add_window(family, *key, window, now, &mut totals);
            }
        }
        totals
    }

    /// Exchanges of a series that are under way.
    fn open(&self, family: Family, key: Key) -> u64 {
        lock(&self.live).find(family, key).map_or(0, |series| series.open)
    }
}

fn count(registry: &mut Registry, kind: u8, payload: &[u8]) -> Result<(), PayloadError> {
    match kind {
        DECISION_KIND => registry.decided(&DecisionGlance::from_bytes(payload)?),
        OUTCOME_KIND => registry.ended(&OutcomeRecord::from_bytes(payload)?),
        _ => {}
    }
    Ok(())
}

fn lock(registry: &Mutex<Registry>) -> MutexGuard<'_, Registry> {
    registry.lock().unwrap_or_else(PoisonError::into_inner)
}

fn seconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_second()).unwrap_or(0)
}
