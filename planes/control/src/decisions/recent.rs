//! The newest decisions, as the gates wrote them: what nobody asks for is never read.

use std::collections::{HashMap, VecDeque};

use portcullis_domain::decision::{DECISION_KIND, DecisionId, DecisionRecord, OUTCOME_KIND, OutcomeRecord};
use portcullis_policy::link::LogBatch;

use super::Recent;

/// Bytes of batches that are kept: some twenty thousand decisions with their outcomes.
const RECENT_BYTES_MAX: usize = 4 * 1024 * 1024;

#[derive(Default)]
pub struct RecentLog {
    batches: VecDeque<LogBatch>,
    bytes: usize,
    /// The newest decision that went out: it and what is older is on disk only.
    floor: Option<DecisionId>,
}

impl RecentLog {
    pub fn push(&mut self, batch: LogBatch) {
        self.bytes += batch.bytes();
        self.batches.push_back(batch);
        while self.bytes > RECENT_BYTES_MAX
            && let Some(batch) = self.batches.pop_front()
        {
            self.bytes -= batch.bytes();
            let newest =
                batch.entries().filter(|entry| entry.kind == DECISION_KIND).map(|entry| entry.id).max();
            self.floor = self.floor.max(newest);
        }
    }

    /// The decision of this id, with its outcome if that is known.
    pub fn find(&self, id: DecisionId) -> Option<Recent> {
        let record = self.record(id)?;
        let outcome =
            self.payload(OUTCOME_KIND, id).and_then(|payload| OutcomeRecord::from_bytes(payload).ok());
        Some(Recent { record, outcome })
    }

    pub fn record(&self, id: DecisionId) -> Option<DecisionRecord> {
        DecisionRecord::from_bytes(self.payload(DECISION_KIND, id)?).ok()
    }

    fn payload(&self, kind: u8, id: DecisionId) -> Option<&[u8]> {
        let newest_first = self.batches.iter().rev();
        newest_first
            .flat_map(LogBatch::entries)
            .find(|entry| entry.kind == kind && entry.id == id)
            .map(|entry| entry.payload)
    }

    /// All of them, the newest first.
    pub fn decisions(&self) -> Vec<Recent> {
        let mut outcomes = HashMap::new();
        let mut decisions = Vec::new();
        for entry in self.batches.iter().flat_map(LogBatch::entries) {
            match entry.kind {
                DECISION_KIND if self.floor.is_none_or(|floor| entry.id > floor) => {
                    decisions.extend(DecisionRecord::from_bytes(entry.payload).ok());
                }
                OUTCOME_KIND => {
                    outcomes.extend(
                        OutcomeRecord::from_bytes(entry.payload).ok().map(|outcome| (entry.id, outcome)),
                    );
                }
                _ => {}
            }
        }
        decisions.sort_unstable_by_key(|decision| std::cmp::Reverse(decision.id));
        let with_outcome = |record: DecisionRecord| Recent { outcome: outcomes.remove(&record.id), record };
        decisions.into_iter().map(with_outcome).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_out_is_left_to_the_disk() {
        let mut log = RecentLog::default();
        let id = |time_ms: u64| DecisionId::new(time_ms, [0; 10]);
        let payload = vec![0; 1 << 20];
        for time_ms in 1..=6 {
            let mut batch = LogBatch::default();
            batch.push_decision(id(time_ms), portcullis_domain::decision::Verdict::Allow, &payload);
            log.push(batch);
        }
        assert!(log.bytes <= RECENT_BYTES_MAX);
        assert_eq!(log.floor, Some(id(3)));
        assert!(log.payload(DECISION_KIND, id(3)).is_none());
        assert!(log.payload(DECISION_KIND, id(4)).is_some());
    }
}
