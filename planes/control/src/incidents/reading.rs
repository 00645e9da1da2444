//! What a vendor read, minute by minute, until it was cut: from the decision log.

use std::collections::HashSet;
use std::ops::ControlFlow;

use jiff::{SignedDuration, Timestamp};
use portcullis_api::incidents::ReadingView;
use portcullis_archive::{Brief, Hour};
use portcullis_decision_log::Reader;
use portcullis_domain::decision::{
    DECISION_KIND, DecisionGlance, DecisionId, OUTCOME_KIND, OutcomeRecord, is_payload_version,
};
use portcullis_domain::ids::VendorId;
use portcullis_domain::state::State;
use portcullis_incident::Incident;

use crate::control::Control;

/// How much is shown before the cut, or before now.
const MINUTES: i64 = 60;
/// Rows that are looked at: some seconds of one processor.
const ROWS_MAX: u64 = 3_000_000;

/// Adds up what ended in the window.
struct Counting {
    vendor: VendorId,
    from: Timestamp,
    to: Timestamp,
    rows: u64,
    view: ReadingView,
    /// A decision may stand in a segment and in a file.
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
    fn sealed(&mut self, control: &Control, state: &State) {
        let (mut hour, last) = (Hour::of(self.from), Hour::of(self.to));
        loop {
            let unreadable = control.archive().briefs(&state.sealed, hour, &mut |brief| match brief {
                Brief::Decision { id, vendor, outcome: Some(outcome), .. } if vendor == Some(self.vendor) => {
                    self.take(id, &outcome);
                }
                // Whose it is stands with its decision, which was sealed before.
                Brief::Decision { .. } | Brief::LateOutcome(_) => self.rows += 1,
            });
            self.view.partial |= !unreadable.is_empty();
            if hour >= last || self.rows > ROWS_MAX {
                break;
            }
            hour = Hour::of_ms(hour.end_ms());
        }
        self.view.partial |= self.rows > ROWS_MAX;
    }

    fn segments(&mut self, control: &Control) {
        let at_ms = |at: Timestamp| u64::try_from(at.as_millisecond()).unwrap_or(0);
        let reader = Reader::new(control.decision_log());
        let mut open: Option<DecisionId> = None;
        let scanned = reader.scan(at_ms(self.from), at_ms(self.to).saturating_add(1), &mut |frame| {
            self.rows += 1;
            if self.rows > ROWS_MAX || !is_payload_version(frame.version) {
                self.view.partial = true;
                return if self.rows > ROWS_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            }
            match frame.kind {
                DECISION_KIND => {
                    let glance = DecisionGlance::from_bytes(&frame.payload);
                    let ours = glance.is_ok_and(|glance| glance.vendor == Some(self.vendor));
                    open = ours.then_some(DecisionId(frame.id));
                }
                OUTCOME_KIND if open == Some(DecisionId(frame.id)) => {
                    match OutcomeRecord::of_version(frame.version, &frame.payload) {
                        Ok(outcome) => self.take(outcome.id, &outcome),
                        Err(_) => self.view.partial = true,
                    }
                }
                _ => {}
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

    fn take(&mut self, id: DecisionId, outcome: &OutcomeRecord) {
        self.rows += 1;
        if outcome.time < self.from || outcome.time > self.to || !self.counted.insert(id) {
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
