//! What a vendor read, minute by minute, until it was cut: from the decision log.

use std::collections::HashSet;
use std::ops::ControlFlow;

use jiff::{SignedDuration, Timestamp};
use portcullis_api::incidents::ReadingView;
use portcullis_archive::{Brief, Hour};
use portcullis_decision_log::Reader;
use portcullis_domain::decision::{DecisionId, OUTCOME_KIND, OutcomeRecord, is_payload_version};
use portcullis_domain::ids::VendorId;
use portcullis_domain::state::State;
use portcullis_incident::Incident;

use crate::control::Control;

/// How much is shown before the cut, or before now.
const MINUTES: i64 = 60;
/// No response lives longer than a day (`stream_seconds_max`): what ended in the window was decided so long before it at
/// most. The rest is for a request's own time.
const LIFE: SignedDuration = SignedDuration::from_hours(25);
/// Rows that are looked at: some seconds of one processor.
const ROWS_MAX: u64 = 3_000_000;

/// Adds up what ended in the window.
struct Counting {
    vendor: VendorId,
    /// When the first exchange that may have ended in the window began.
    began: Timestamp,
    from: Timestamp,
    to: Timestamp,
    rows: u64,
    view: ReadingView,
    /// An outcome may stand in a segment and in a file.
    counted: HashSet<DecisionId>,
}

impl Control {
    /// None for an incident without a vendor. **Blocks**: call it from a thread that may.
    pub(super) fn reading_of(
        &self,
        state: &State,
        incident: &Incident,
        now: Timestamp,
    ) -> Option<ReadingView> {
        let vendor = incident.vendor?;
        let cut = incident.cut_at;
        let ended = incident.closed.as_ref().map(|closing| closing.at);
        let to = cut.or(ended).unwrap_or(now).min(now);
        let from = to.checked_sub(SignedDuration::from_mins(MINUTES)).unwrap_or(to);
        let mut counting = Counting {
            vendor,
            began: from.checked_sub(LIFE).unwrap_or(from),
            from,
            // What was cut ends a moment after it was told to end.
            to: to.checked_add(SignedDuration::from_secs(2)).unwrap_or(to).min(now.max(to)),
            rows: 0,
            view: ReadingView {
                from,
                to,
                cut: cut.is_some(),
                minutes: vec![0; usize::try_from(MINUTES).unwrap_or(1)],
                ..ReadingView::default()
            },
            counted: HashSet::new(),
        };
        counting.sealed(self, state);
        counting.segments(self);
        let mut view = counting.view;
        if view.exchanges == 0 {
            view.minutes.clear();
        }
        Some(view)
    }
}

impl Counting {
    /// The newest hours first: should there be too much, what is nearest to the cut is there.
    fn sealed(&mut self, control: &Control, state: &State) {
        let vendor = self.vendor;
        let (first, last) = (Hour::of(self.began), Hour::of(self.to));
        for hour in (first.0..=last.0).rev().map(Hour) {
            if self.rows > ROWS_MAX {
                self.view.partial = true;
                return;
            }
            let visit = &mut |brief: Brief| {
                self.rows += 1;
                match brief {
                    Brief::Decision { outcome: Some(outcome), .. } => self.take(&outcome),
                    Brief::Decision { .. } => {}
                    Brief::LateOutcome(late) => self.take(&late.outcome),
                }
            };
            let unreadable = control.archive().briefs_of_vendor(&state.sealed, hour, vendor, visit);
            self.view.partial |= !unreadable.is_empty();
        }
    }

    /// What was decided in the window comes first, for the same reason.
    fn segments(&mut self, control: &Control) {
        let at_ms = |at: Timestamp| u64::try_from(at.as_millisecond()).unwrap_or(0);
        let (began, from, to) = (at_ms(self.began), at_ms(self.from), at_ms(self.to).saturating_add(1));
        let reader = Reader::new(control.decision_log());
        self.scan(&reader, from, to);
        self.scan(&reader, began, from);
    }

    /// Outcomes of decisions of this time. They may stand alone: their decisions are sealed, and gone from the log.
    fn scan(&mut self, reader: &Reader, since_ms: u64, until_ms: u64) {
        let vendor = *self.vendor.0.as_bytes();
        let scanned = reader.scan(since_ms, until_ms, &mut |frame| {
            self.rows += 1;
            if self.rows > ROWS_MAX {
                self.view.partial = true;
                return ControlFlow::Break(());
            }
            if frame.kind == OUTCOME_KIND && frame.vendor == vendor {
                let outcome = is_payload_version(frame.version)
                    .then(|| OutcomeRecord::of_version(frame.version, &frame.payload).ok());
                match outcome.flatten() {
                    Some(outcome) => self.take(&outcome),
                    None => self.view.partial = true,
                }
            }
            ControlFlow::Continue(())
        });
        match scanned {
            Ok(damage) => self.view.partial |= !damage.is_empty(),
            Err(error) => {
                tracing::warn!(%error, "what a vendor read can't be read from the decision log");
                self.view.partial = true;
            }
        }
    }

    fn take(&mut self, outcome: &OutcomeRecord) {
        if outcome.time < self.from || outcome.time > self.to || !self.counted.insert(outcome.id) {
            return;
        }
        self.view.exchanges += 1;
        self.view.records += outcome.records;
        self.view.bytes += outcome.response_bytes;
        let minute = outcome.time.duration_since(self.from).as_secs() / 60;
        let last = self.view.minutes.len().saturating_sub(1);
        let minute = usize::try_from(minute).unwrap_or(0).min(last);
        if let Some(records) = self.view.minutes.get_mut(minute) {
            *records += outcome.records;
        }
    }
}
