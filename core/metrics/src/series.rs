//! What is kept of one vendor, integration or route.

use portcullis_domain::decision::{Ending, OutcomeRecord, Verdict};
use portcullis_domain::reason::Reason;

use crate::counts::Counts;
use crate::rolling::{Rolling, Totals};
use crate::sketch::Bucket;

/// Upper bounds of the histogram for Prometheus, in microseconds.
pub const HISTOGRAM_US: [u64; 13] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000,
];

/// An answer that opens a tunnel lasts as long as the tunnel: that is no latency.
const SWITCHING_PROTOCOLS: u16 = 101;

/// What an outcome comes to: found once, for all the series that it counts in.
#[derive(Clone, Copy, Debug)]
pub struct EndedExchange {
    counts: Counts,
    latency: Option<Latency>,
}

#[derive(Clone, Copy, Debug)]
struct Latency {
    us: u64,
    bucket: Bucket,
    /// In the histogram.
    place: usize,
}

impl EndedExchange {
    #[must_use]
    pub fn of(outcome: &OutcomeRecord) -> Self {
        let mut counts = Counts::default();
        counts.ended(outcome);
        let is_latency = outcome.ending == Ending::Complete && outcome.status != SWITCHING_PROTOCOLS;
        let us = outcome.duration_us;
        let latency = is_latency.then(|| Latency {
            us,
            bucket: Bucket::of(us),
            place: HISTOGRAM_US.partition_point(|bound| *bound < us),
        });
        Self { counts, latency }
    }

    /// Counts it in a window's sums.
    pub fn add_to(&self, totals: &mut Totals) {
        totals.counts.merge(&self.counts);
        if let Some(latency) = self.latency {
            totals.latencies.add_in(latency.bucket);
        }
    }
}

#[derive(Clone, Default, Debug)]
pub struct Series {
    /// Since the process started.
    pub counts: Counts,
    /// Latencies up to each bound of [`HISTOGRAM_US`] and above that of the one before; the last is of longer ones.
    pub histogram: [u64; HISTOGRAM_US.len() + 1],
    pub latency_sum_us: u64,
    /// Allowed and not ended.
    pub open: u64,
    pub rolling: Rolling,
}

impl Series {
    pub fn decided(&mut self, verdict: Verdict, reason: Reason, now: u64) {
        self.counts.decided(verdict, reason);
        self.rolling.at(now).counts.decided(verdict, reason);
        if verdict.passes() {
            self.open += 1;
        }
    }

    /// The authorization server has answered.
    pub fn answered(&mut self, now: u64) {
        self.counts.tokens += 1;
        self.rolling.at(now).counts.tokens += 1;
    }

    pub fn ended(&mut self, ended: &EndedExchange, now: u64) {
        self.open = self.open.saturating_sub(1);
        self.counts.merge(&ended.counts);
        ended.add_to(self.rolling.at(now));
        if let Some(latency) = ended.latency {
            if let Some(bucket) = self.histogram.get_mut(latency.place) {
                *bucket += 1;
            }
            self.latency_sum_us = self.latency_sum_us.saturating_add(latency.us);
        }
    }
}
