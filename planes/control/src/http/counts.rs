//! How many decisions were made, by verdict.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_api::decisions::DecisionView;
use portcullis_domain::decision::Verdict;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

const VERDICTS: [Verdict; 4] = [Verdict::Allow, Verdict::Challenge, Verdict::Deny, Verdict::Sever];

/// Counters that go on from the start of the process.
#[derive(Clone, Default)]
pub struct Counts(Arc<[AtomicU64; 4]>);

impl Counts {
    pub fn by_verdict(&self) -> impl Iterator<Item = (&'static str, u64)> {
        VERDICTS
            .iter()
            .zip(self.0.iter())
            .map(|(verdict, count)| (verdict.as_str(), count.load(Ordering::Relaxed)))
    }

    /// Counts until control is gone. A decision is told again with its outcome, and counts once.
    pub async fn follow(self, mut followed: Receiver<Arc<DecisionView>>) {
        loop {
            match followed.recv().await {
                Ok(decision) if decision.outcome.is_none() => self.add(decision.record.verdict),
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "decisions were not counted"),
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn add(&self, verdict: Verdict) {
        let place = VERDICTS.iter().position(|known| *known == verdict);
        if let Some(count) = place.and_then(|place| self.0.get(place)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}
