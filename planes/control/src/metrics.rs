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

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use portcullis_domain::archive::DECISIONS_DAYS_DEFAULT;
use portcullis_domain::decision::{DECISION_KIND, DecisionGlance, OUTCOME_KIND, OutcomeRecord, PayloadError};
use portcullis_domain::state::State;
pub use portcullis_metrics::registry::SERIES_MAX;
use portcullis_metrics::registry::{Family, Key, Registry};
use portcullis_metrics::rolling::{Totals, Window};
use portcullis_policy::link::LogBatch;
use uuid::Uuid;

pub(crate) use exposition::Surroundings;
pub use exposition::{FAMILIES, Metric, write_metric};
pub(crate) use history::Past;
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
    /// From when on anything is counted: of the time between the two, something is missing.
    reach_ms: AtomicU64,
    started_ms: u64,
    tidied: AtomicU64,
}

impl Metrics {
    /// With at most `series_max` series of each family; counting since `now`.
    pub fn new(series_max: Option<usize>, now: Timestamp) -> Self {
        let series_max = series_max.unwrap_or(SERIES_MAX);
        let started_ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
        Self {
            series_max,
            live: Mutex::new(Registry::new(series_max)),
            history: Mutex::new(Registry::new(series_max)),
            since_ms: AtomicU64::new(started_ms),
            reach_ms: AtomicU64::new(started_ms),
            started_ms,
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
        let existing = Existing::of(state);
        let exists = |key: &Key| existing.has(key);
        lock(&self.live).tidy(exists, now);
        lock(&self.history).tidy(exists, now);
    }

    /// From when on everything is counted.
    pub fn since(&self) -> Timestamp {
        instant(self.since_ms.load(Ordering::Relaxed))
    }

    /// From when on everything is counted of a vendor whose decisions are kept so many days.
    fn since_kept(&self, days: Option<u32>) -> Timestamp {
        let kept_ms = u64::from(days.unwrap_or(DECISIONS_DAYS_DEFAULT)) * 86_400_000;
        // What was older at the start may have been taken out; since then nothing is forgotten by age.
        self.since().max(instant(self.started_ms.saturating_sub(kept_ms)))
    }

    /// From when on anything is counted.
    fn reach(&self) -> Timestamp {
        instant(self.reach_ms.load(Ordering::Relaxed))
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

/// Ids of all that is declared.
struct Existing(HashSet<Uuid>);

impl Existing {
    fn of(state: &State) -> Self {
        Self(state.resources.iter().map(|(_, resource)| resource.id).collect())
    }

    fn has(&self, key: &Key) -> bool {
        self.0.contains(&key.vendor.0)
            && key.integration.is_none_or(|id| self.0.contains(&id.0))
            && key.route.is_none_or(|id| self.0.contains(&id.0))
    }
}

fn count(registry: &mut Registry, kind: u8, payload: &[u8]) -> Result<(), PayloadError> {
    match kind {
        DECISION_KIND => registry.decided(&DecisionGlance::from_bytes(payload)?),
        OUTCOME_KIND => registry.ended(&OutcomeRecord::glance(payload)?),
        _ => {}
    }
    Ok(())
}

fn lock(registry: &Mutex<Registry>) -> MutexGuard<'_, Registry> {
    registry.lock().unwrap_or_else(PoisonError::into_inner)
}

fn instant(ms: u64) -> Timestamp {
    i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(Timestamp::MAX)
}

fn seconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_second()).unwrap_or(0)
}
