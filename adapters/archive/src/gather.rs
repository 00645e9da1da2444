//! Rows in the making: payloads as the segments held them, in one piece of memory, sorted when all are there.

use std::collections::{BTreeMap, HashSet};

use portcullis_domain::decision::{DecisionId, DecisionRecord, OutcomeRecord};
use portcullis_domain::ids::VendorId;
use uuid::Uuid;

use crate::name::Hour;
use crate::row::{LateOutcome, Row};
use crate::{ArchiveError, PART_ROWS_MAX};

/// Decisions and outcomes, by the hour of the decision.
#[derive(Default)]
pub struct Gathered {
    hours: BTreeMap<Hour, Part>,
    rows: usize,
}

/// Those of one hour.
#[derive(Default)]
pub struct Part {
    arena: Vec<u8>,
    decisions: Vec<Entry>,
    outcomes: Vec<Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    vendor: [u8; 16],
    id: DecisionId,
    /// Of the payload.
    version: u8,
    start: usize,
    length: usize,
}

impl Gathered {
    /// Takes a decision's payload of this version.
    pub fn decision(&mut self, id: DecisionId, vendor: [u8; 16], version: u8, payload: &[u8]) {
        self.rows += 1;
        let part = self.hours.entry(Hour::of_ms(id.time_ms())).or_default();
        let entry = part.keep(id, vendor, version, payload);
        part.decisions.push(entry);
    }

    /// Takes an outcome's payload of this version: joined to its decision, if that is taken too.
    pub fn outcome(&mut self, id: DecisionId, vendor: [u8; 16], version: u8, payload: &[u8]) {
        self.rows += 1;
        let part = self.hours.entry(Hour::of_ms(id.time_ms())).or_default();
        let entry = part.keep(id, vendor, version, payload);
        part.outcomes.push(entry);
    }

    /// Whether no more should be taken before a part is written.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.rows >= PART_ROWS_MAX
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The oldest hour's.
    pub fn pop(&mut self) -> Option<(Hour, Part)> {
        let (hour, part) = self.hours.pop_first()?;
        self.rows -= part.decisions.len() + part.outcomes.len();
        Some((hour, part))
    }
}

impl Part {
    /// Every id in it, of decisions and of outcomes.
    pub fn ids(&self) -> impl Iterator<Item = DecisionId> {
        self.decisions.iter().chain(&self.outcomes).map(|entry| entry.id)
    }

    /// Leaves out what is sealed already.
    pub fn leave_out(&mut self, decisions: &HashSet<DecisionId>, outcomes: &HashSet<DecisionId>) {
        self.decisions.retain(|entry| !decisions.contains(&entry.id));
        self.outcomes.retain(|entry| !outcomes.contains(&entry.id));
    }

    /// The decisions in a file's order, each with its outcome; and the outcomes whose decisions aren't here.
    pub fn into_rows(
        mut self,
    ) -> (impl ExactSizeIterator<Item = Result<Row, ArchiveError>>, Vec<Result<LateOutcome, ArchiveError>>)
    {
        self.decisions.sort_unstable_by_key(|entry| (entry.vendor, entry.id));
        // A payload that was appended twice is one row.
        self.decisions.dedup_by_key(|entry| (entry.vendor, entry.id));
        self.outcomes.sort_by_key(|entry| entry.id);
        self.outcomes.dedup_by_key(|entry| entry.id);
        let decided: HashSet<_> = self.decisions.iter().map(|entry| entry.id).collect();
        let late = self.outcomes.iter().filter(|outcome| !decided.contains(&outcome.id));
        let late = late.map(|entry| Ok(LateOutcome::new(entry.vendor(), self.end(entry)?))).collect();
        let decisions = std::mem::take(&mut self.decisions);
        let rows = decisions.into_iter().map(move |entry| {
            let record = DecisionRecord::of_version(entry.version, self.payload(&entry))?;
            let place = self.outcomes.binary_search_by_key(&entry.id, |outcome| outcome.id);
            let outcome = place.ok().and_then(|place| self.outcomes.get(place));
            Ok(Row::new(record, outcome.map(|outcome| self.end(outcome)).transpose()?))
        });
        (rows, late)
    }

    fn keep(&mut self, id: DecisionId, vendor: [u8; 16], version: u8, payload: &[u8]) -> Entry {
        let start = self.arena.len();
        self.arena.extend_from_slice(payload);
        Entry { vendor, id, version, start, length: payload.len() }
    }

    fn payload(&self, entry: &Entry) -> &[u8] {
        self.arena.get(entry.start..entry.start + entry.length).unwrap_or_default()
    }

    fn end(&self, entry: &Entry) -> Result<OutcomeRecord, ArchiveError> {
        Ok(OutcomeRecord::of_version(entry.version, self.payload(entry))?)
    }
}

impl Entry {
    fn vendor(&self) -> Option<VendorId> {
        (self.vendor != [0; 16]).then(|| VendorId(Uuid::from_bytes(self.vendor)))
    }
}
