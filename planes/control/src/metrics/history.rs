//! What was decided before the start, from the decision log: segments and sealed files.
//!
//! Twice: first the newest hours, for the alarms; then all that the longest window looks at. A decision may stand in a segment
//! and in a file, and even in two files: by its id it is counted once.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use portcullis_archive::{Archive, Brief, Hour, chain};
use portcullis_decision_log::{Frame, LogError, Reader};
use portcullis_domain::archive::{Content, SealedFile};
use portcullis_domain::decision::{
    DECISION_KIND, DecisionGlance, DecisionId, OUTCOME_KIND, OutcomeRecord, is_payload_version,
};
use portcullis_domain::ids::{IntegrationId, RouteId, VendorId};
use portcullis_domain::state::State;
use portcullis_metrics::registry::{Backfill, Key};
use portcullis_metrics::rolling::DAYS_MAX;

use super::{Existing, Metrics, lock};

const DAY_MS: u64 = 24 * 3_600_000;
/// What is read of segments first, to see how much there is.
const GLANCE_MS: u64 = 600_000;
/// Records of the newest hours that are read at most: some seconds of one processor.
const RECORDS_FIRST_MAX: u64 = 4_000_000;
/// Records that are read at most: some minutes of one processor that nobody else wants.
const RECORDS_MAX: u64 = 100_000_000;
/// Decisions of one hour whose ids are kept, some 70 MB.
const IDS_MAX: u64 = 2_000_000;

/// Where the past stands.
pub(crate) struct Past<'a> {
    pub log: &'a Reader,
    pub archive: &'a Archive,
    /// What is in force now; nothing once the reading has no purpose any more.
    pub state: &'a dyn Fn() -> Option<Arc<State>>,
}

impl Metrics {
    /// Counts what the log holds of the time before `start`. **Blocks** for seconds, or minutes where there is much: call it from
    /// a thread that may. Until it is done, [`Metrics::since`] says how far it is.
    ///
    /// # Errors
    /// The segments can't be read.
    pub fn read_history(&self, past: &Past<'_>, start: Timestamp) -> Result<(), LogError> {
        let until_ms = u64::try_from(start.as_millisecond()).unwrap_or(0);
        let glance = past.frames(until_ms.saturating_sub(GLANCE_MS), until_ms)?;
        let room_ms = RECORDS_FIRST_MAX
            .checked_div(glance)
            .map_or(DAY_MS, |times| times.saturating_mul(GLANCE_MS).clamp(GLANCE_MS, DAY_MS));
        // A window of days begins with a day.
        let days_ms = (until_ms - until_ms % DAY_MS).saturating_sub(u64::from(DAYS_MAX) * DAY_MS);
        for (since_ms, records_max) in
            [(until_ms.saturating_sub(room_ms), RECORDS_FIRST_MAX), (days_ms, RECORDS_MAX)]
        {
            let Some(state) = (past.state)() else { return Ok(()) };
            let since_ms = reach(&state, since_ms, records_max);
            drop(state);
            let Some(read) = self.read(past, since_ms, until_ms, records_max)? else { return Ok(()) };
            let (since_ms, reach_ms) = (read.whole_ms(until_ms), read.oldest_ms.unwrap_or(until_ms));
            let records = read.records;
            *lock(&self.history) = read.backfill.finish();
            self.since_ms.store(since_ms, Ordering::Relaxed);
            self.reach_ms.store(reach_ms, Ordering::Relaxed);
            tracing::info!(records, since = %self.since(), "metrics reach back by the decision log");
        }
        Ok(())
    }

    /// `None` when it isn't worth the trouble any more, or there is too much.
    fn read(
        &self,
        past: &Past<'_>,
        since_ms: u64,
        until_ms: u64,
        records_max: u64,
    ) -> Result<Option<Read>, LogError> {
        let Some(existing) = (past.state)().map(|state| Existing::of(&state)) else { return Ok(None) };
        let exists: Exists = Box::new(move |key| existing.has(key));
        let mut read = Read {
            since_ms,
            until_ms,
            next: Hour::of_ms(since_ms),
            ids: HashSet::new(),
            leave_hour: None,
            backfill: Backfill::new(self.series_max, until_ms / 1_000, exists),
            records: 0,
            oldest_ms: None,
            broken_ms: 0,
        };
        let mut goes_on = true;
        // The segments are opened before the files are looked up: what is in no segment is in files by then.
        past.log.scan(since_ms, until_ms, &mut |frame| {
            let hour = Hour::of_ms(frame.id_ms());
            goes_on = read.files_until(past, hour) && read.records < records_max;
            if !goes_on {
                return ControlFlow::Break(());
            }
            if read.leave_hour != Some(hour) {
                read.frame(frame);
            }
            ControlFlow::Continue(())
        })?;
        let last = Hour::of_ms(until_ms.saturating_sub(1));
        // No frame of those hours comes any more.
        let done = goes_on && read.hours(past, last, false) && read.records < records_max;
        Ok(done.then_some(read))
    }
}

impl Past<'_> {
    fn frames(&self, since_ms: u64, until_ms: u64) -> Result<u64, LogError> {
        let mut frames = 0;
        self.log.scan(since_ms, until_ms, &mut |_| {
            frames += 1;
            ControlFlow::Continue(())
        })?;
        Ok(frames)
    }
}

/// How far back sealed files hold no more than `records_max` rows: `since_ms`, or the begin of an hour after it.
fn reach(state: &State, since_ms: u64, records_max: u64) -> u64 {
    let mut rows = 0_u64;
    for sealed in state.sealed.values().rev() {
        let hour = Hour::of(sealed.hour);
        if hour.end_ms() <= since_ms {
            break;
        }
        // A row is a decision, and often an outcome.
        rows = rows.saturating_add(sealed.rows.saturating_mul(2));
        if rows >= records_max {
            return hour.end_ms();
        }
    }
    since_ms
}

type Exists = Box<dyn Fn(&Key) -> bool>;

struct Read {
    since_ms: u64,
    until_ms: u64,
    /// The hour whose files are read next.
    next: Hour,
    /// Decisions of the hour before that, as far as the like of them may still come.
    ids: HashSet<DecisionId>,
    /// An hour too large for that: its frames are left out.
    leave_hour: Option<Hour>,
    backfill: Backfill<Exists>,
    records: u64,
    oldest_ms: Option<u64>,
    /// Before then something is missing.
    broken_ms: u64,
}

impl Read {
    /// From when on everything is counted: a log that is younger than what is asked for holds all there is.
    fn whole_ms(&self, until_ms: u64) -> u64 {
        self.oldest_ms.unwrap_or(until_ms).max(self.since_ms).max(self.broken_ms).min(until_ms)
    }

    /// Files of the hours up to that of the frames that come now.
    fn files_until(&mut self, past: &Past<'_>, hour: Hour) -> bool {
        let before = hour.0.checked_sub(1).map(Hour);
        before.is_none_or(|before| self.hours(past, before, false)) && self.hours(past, hour, true)
    }

    fn hours(&mut self, past: &Past<'_>, last: Hour, frames_follow: bool) -> bool {
        while self.next <= last {
            let Some(state) = (past.state)() else { return false };
            let hour = self.next;
            self.next = Hour(hour.0 + 1);
            self.ids = HashSet::new();
            self.backfill.advance(hour.start_ms() / 1_000);
            self.files(past, &state, hour, frames_follow);
        }
        true
    }

    fn files(&mut self, past: &Past<'_>, state: &State, hour: Hour, frames_follow: bool) {
        let range = (hour.start(), String::new())..=(hour.start(), "~".to_owned());
        let decisions: Vec<&SealedFile> = state
            .sealed
            .range(range)
            .map(|(_, sealed)| sealed)
            .filter(|sealed| sealed.content == Content::Decisions)
            .collect();
        let fits = decisions.iter().map(|sealed| sealed.rows).sum::<u64>() <= IDS_MAX;
        if frames_follow && !fits {
            self.leave_hour = Some(hour);
            self.broken_ms = hour.end_ms();
        }
        let remember = fits && (frames_follow || decisions.len() > 1);
        let failed = past.archive.briefs(&state.sealed, hour, &mut |brief| self.brief(brief, remember));
        for (sealed, error) in failed {
            self.broken_ms = hour.end_ms();
            tracing::error!(
                file = sealed.file,
                error = chain(&error),
                "a sealed file can't be read: metrics of before don't know of it"
            );
        }
    }

    fn brief(&mut self, brief: Brief, remember: bool) {
        match brief {
            Brief::LateOutcome(late) => self.ended(&late.outcome),
            Brief::Decision { id, vendor, integration, route, verdict, reason, outcome } => {
                if !(self.since_ms..self.until_ms).contains(&id.time_ms()) || remember && !self.ids.insert(id)
                {
                    return;
                }
                self.seen(id);
                self.backfill.decided(id, key(vendor, integration, route), verdict, reason);
                if let Some(outcome) = outcome {
                    self.ended(&outcome);
                }
            }
        }
    }

    /// What can't be read is told by those who look for it.
    fn frame(&mut self, frame: &Frame) {
        let id = DecisionId(frame.id);
        match (frame.version, frame.kind) {
            (version, DECISION_KIND) if is_payload_version(version) && !self.ids.contains(&id) => {
                let Ok(glance) = DecisionGlance::from_bytes(&frame.payload) else { return };
                let DecisionGlance { vendor, integration, route, verdict, reason, .. } = glance;
                self.seen(id);
                self.backfill.decided(id, key(vendor, integration, route), verdict, reason);
            }
            // The end of a decision that is sealed with it counts nowhere.
            (version, OUTCOME_KIND) => {
                if let Ok(outcome) = OutcomeRecord::of_version(version, &frame.payload) {
                    self.ended(&outcome);
                }
            }
            _ => {}
        }
    }

    fn ended(&mut self, outcome: &OutcomeRecord) {
        self.records += 1;
        self.backfill.ended(outcome);
    }

    fn seen(&mut self, id: DecisionId) {
        self.records += 1;
        self.oldest_ms = Some(self.oldest_ms.map_or(id.time_ms(), |oldest| oldest.min(id.time_ms())));
    }
}

fn key(vendor: Option<VendorId>, integration: Option<IntegrationId>, route: Option<RouteId>) -> Option<Key> {
    Some(Key { vendor: vendor?, integration, route })
}
