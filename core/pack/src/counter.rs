//! Decisions and outcomes as they come, joined and counted.

use std::collections::{BTreeSet, HashMap};

use portcullis_domain::decision::{DecisionId, DecisionRecord, OutcomeRecord};
use portcullis_domain::ids::VendorId;

use crate::Window;
use crate::tally::{Counted, Names, Tally};

/// Decisions that wait for their outcomes, and outcomes that wait for their decisions.
const WAITING_MAX: usize = 1 << 20;

/// Counts the decisions of a window. Whoever feeds it the same in the same order counts the same.
///
/// An exchange may end after its decision was sealed: then its outcome comes apart from it, sooner or later than itself. What is
/// in memory is bounded by the groups that are counted and by what waits.
pub struct Counter {
    window: Window,
    tally: Tally,
    open: HashMap<DecisionId, DecisionRecord>,
    late: HashMap<DecisionId, OutcomeRecord>,
    rows: u64,
}

impl Counter {
    /// `wanted` are decisions that are told one by one, whatever they are.
    #[must_use]
    pub fn new(window: Window, wanted: BTreeSet<DecisionId>) -> Self {
        Self { window, tally: Tally::new(wanted), open: HashMap::new(), late: HashMap::new(), rows: 0 }
    }

    /// Whose decisions it counts.
    #[must_use]
    pub fn vendor(&self) -> VendorId {
        self.window.vendor
    }

    /// Whether this decision is one of the window.
    #[must_use]
    pub fn takes(&self, record: &DecisionRecord) -> bool {
        record.vendor == Some(self.window.vendor) && self.window.holds(record.time)
    }

    /// Whether a decision of this id may be one of the window: the time in an id is cut to the millisecond.
    #[must_use]
    pub fn may_take(&self, id: DecisionId) -> bool {
        let ms = |time: jiff::Timestamp| u64::try_from(time.as_millisecond()).unwrap_or(0);
        (ms(self.window.from)..=ms(self.window.to)).contains(&id.time_ms())
    }

    /// Decisions that were counted.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// A decision of the window, with its outcome if that stands beside it.
    pub fn decision(&mut self, record: DecisionRecord, outcome: Option<OutcomeRecord>) {
        self.rows += 1;
        let outcome = outcome.or_else(|| self.late.remove(&record.id));
        // What didn't pass has come to its end.
        if outcome.is_none() && record.verdict.passes() && self.open.len() < WAITING_MAX {
            self.open.insert(record.id, record);
            return;
        }
        self.tally.count(&record, outcome.as_ref());
    }

    /// An outcome that stands apart from its decision, which may be none of the window.
    pub fn outcome(&mut self, outcome: OutcomeRecord) {
        if let Some(record) = self.open.remove(&outcome.id) {
            self.tally.count(&record, Some(&outcome));
        } else if self.late.len() < WAITING_MAX {
            self.late.insert(outcome.id, outcome);
        }
    }

    #[must_use]
    pub fn finish(mut self, names: &Names) -> Counted {
        let mut open: Vec<_> = self.open.into_values().collect();
        open.sort_unstable_by_key(|record| record.id);
        for record in &open {
            self.tally.count(record, None);
        }
        self.tally.finish(names)
    }
}
