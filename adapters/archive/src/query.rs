//! Queries: hour by hour, the newest first, and of each file only the columns and pages that are needed.
//!
//! A file is passed over by what its summary says; within a file the page index says which pages hold a vendor. First
//! only the columns that are filtered by are read, then all columns of the rows that are wanted. What is in memory is
//! bounded by one file: some bytes for each row that fits, and the rows of one page of the answer.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use arrow_array::types::TimestampMicrosecondType;
use jiff::Timestamp;
use portcullis_domain::archive::{Content, SealedFile, SealedFiles};
use portcullis_domain::decision::{DecisionId, DecisionText, OutcomeRecord, Verdict};
use portcullis_domain::ids::{ClientId, TunnelId, VendorId};
use portcullis_domain::reason::Reason;

use crate::archive::by_hour;
use crate::decode::{self, Columns};
use crate::looks::Looks;
use crate::name::Hour;
use crate::row::{LateOutcome, Row};
use crate::{Archive, ArchiveError};

/// Names that are told of files that can't be read.
const UNREADABLE_MAX: usize = 20;

/// Which decisions are wanted. Everything that is set must hold.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Filter {
    pub vendor: Option<VendorId>,
    pub client: Option<ClientId>,
    pub verdict: Option<Verdict>,
    /// Of the decision, or of its outcome.
    pub reason: Option<Reason>,
    /// Only those of which observed stops would have made something worse.
    pub would_stop: bool,
    /// Only those that came through it.
    pub tunnel: Option<TunnelId>,
    /// Key × context × network, as the decisions name it.
    pub session: Option<String>,
    /// From then on.
    pub since: Option<Timestamp>,
    /// Before then.
    pub until: Option<Timestamp>,
    /// Only those older than this one.
    pub below: Option<DecisionId>,
}

/// What was found, and what could not be looked into.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Found {
    /// The newest first.
    pub rows: Vec<Row>,
    pub unreadable: Vec<Unreadable>,
}

/// A file that is missing or damaged: what it holds is not in the answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unreadable {
    pub file: String,
    pub why: String,
}

pub(crate) type Late = HashMap<DecisionId, OutcomeRecord>;

impl Archive {
    /// At most `limit` decisions, the newest first. A file that can't be read is named, and the others are searched.
    #[must_use]
    pub fn newest(&self, files: &SealedFiles, filter: &Filter, limit: usize) -> Found {
        let mut found = Found::default();
        let newest = filter.below.map(|below| Hour::of_ms(below.time_ms()));
        let until = filter.until.map(Hour::of);
        for (hour, files) in by_hour(files) {
            if newest.is_some_and(|newest| hour > newest) || until.is_some_and(|until| hour > until) {
                continue;
            }
            if found.rows.len() >= limit || filter.since.is_some_and(|since| hour < Hour::of(since)) {
                break;
            }
            let room = limit - found.rows.len();
            self.newest_of_hour(&files, filter, room, &mut found);
        }
        found
    }

    /// The decision of this id with its outcome, from the files of its hour.
    ///
    /// # Errors
    /// It was not found, and a file that may hold it can't be read.
    pub fn find(&self, files: &SealedFiles, id: DecisionId) -> Result<Option<Row>, ArchiveError> {
        Ok(match self.place(files, id)? {
            Some((sealed, index)) => self.row_at(files, sealed, index, id)?,
            None => None,
        })
    }

    /// The outcome of this id that came after its decision had been sealed.
    ///
    /// # Errors
    /// A file of its hour can't be read.
    pub fn late_outcome(
        &self,
        files: &SealedFiles,
        id: DecisionId,
    ) -> Result<Option<OutcomeRecord>, ArchiveError> {
        for sealed in of_hour(files, Hour::of_ms(id.time_ms())) {
            if sealed.content != Content::Outcomes || !(sealed.first..=sealed.last).contains(&id) {
                continue;
            }
            let late = self.late_of(sealed)?.into_iter().find(|late| late.outcome.id == id);
            if let Some(late) = late {
                return Ok(Some(late.outcome));
            }
        }
        Ok(None)
    }

    /// The file and the row in which a decision stands.
    pub(crate) fn place<'a>(
        &self,
        files: &'a SealedFiles,
        id: DecisionId,
    ) -> Result<Option<(&'a SealedFile, usize)>, ArchiveError> {
        let mut failed = None;
        for sealed in of_hour(files, Hour::of_ms(id.time_ms())) {
            if sealed.content != Content::Decisions || !(sealed.first..=sealed.last).contains(&id) {
                continue;
            }
            match self.place_in(sealed, id) {
                Ok(Some(index)) => return Ok(Some((sealed, index))),
                Ok(None) => {}
                // Another file may hold it.
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(None), Err)
    }

    /// Every id of a file, in its order.
    pub(crate) fn ids_of(&self, sealed: &SealedFile) -> Result<Vec<DecisionId>, ArchiveError> {
        let opened = self.open(sealed)?;
        let mut ids = Vec::new();
        opened.visit(None, Some(&["id"]), &mut |_, batch| {
            let column = Columns(batch).texts("id")?;
            for at in 0..batch.num_rows() {
                ids.push(decode::decision_id(decode::text(column, at)?)?);
            }
            Ok(())
        })?;
        Ok(ids)
    }

    /// Those of `wanted` that the files of an hour hold already, as decisions and as outcomes.
    ///
    /// What stands in a file that can't be read is held by none: sealed once more, it is saved.
    #[must_use]
    pub fn held(
        &self,
        files: &SealedFiles,
        hour: Hour,
        wanted: &HashSet<DecisionId>,
    ) -> [HashSet<DecisionId>; 2] {
        let mut held = [HashSet::new(), HashSet::new()];
        for sealed in of_hour(files, hour) {
            if let Err(error) = self.held_by(sealed, wanted, &mut held) {
                tracing::error!(file = sealed.file, error = chain(&error), "a sealed file can't be read");
            }
        }
        held
    }

    fn held_by(
        &self,
        sealed: &SealedFile,
        wanted: &HashSet<DecisionId>,
        held: &mut [HashSet<DecisionId>; 2],
    ) -> Result<(), ArchiveError> {
        let [decisions, outcomes] = held;
        if sealed.content == Content::Outcomes {
            outcomes.extend(self.ids_of(sealed)?.into_iter().filter(|id| wanted.contains(id)));
            return Ok(());
        }
        self.open(sealed)?.visit(None, Some(&["id", "outcome_time"]), &mut |_, batch| {
            let columns = Columns(batch);
            let (id, ended) =
                (columns.texts("id")?, columns.numbers::<TimestampMicrosecondType>("outcome_time")?);
            for at in 0..batch.num_rows() {
                let id = decode::decision_id(decode::text(id, at)?)?;
                if wanted.contains(&id) {
                    decisions.insert(id);
                    if decode::number(ended, at).is_ok() {
                        outcomes.insert(id);
                    }
                }
            }
            Ok(())
        })
    }

    fn newest_of_hour(&self, files: &[&SealedFile], filter: &Filter, room: usize, found: &mut Found) {
        let mut unreadable = |sealed: &SealedFile, error: &ArchiveError| {
            if found.unreadable.len() < UNREADABLE_MAX {
                found.unreadable.push(Unreadable { file: sealed.file.clone(), why: chain(error) });
            }
        };
        let mut late = Late::new();
        for sealed in files.iter().filter(|sealed| sealed.content == Content::Outcomes) {
            match self.late_of(sealed) {
                Ok(rows) => late.extend(rows.into_iter().map(|row| (row.outcome.id, row.outcome))),
                Err(error) => unreadable(sealed, &error),
            }
        }
        let mut places: Vec<(DecisionId, usize, usize)> = Vec::new();
        for (part, sealed) in files.iter().enumerate() {
            if sealed.content != Content::Decisions || filter.below.is_some_and(|below| sealed.first >= below)
            {
                continue;
            }
            match self.search(sealed, filter, &late) {
                Ok(matches) => places.extend(matches.into_iter().map(|(id, row)| (id, part, row))),
                Err(error) => unreadable(sealed, &error),
            }
            places.sort_unstable_by(|one, other| other.cmp(one));
            // Sealed twice, because the first file could not be read at the time.
            places.dedup_by_key(|place| place.0);
            places.truncate(room);
        }
        let mut rows: Vec<Row> = Vec::with_capacity(places.len());
        for (part, sealed) in files.iter().enumerate() {
            let wanted: Vec<_> = places.iter().filter(|place| place.1 == part).map(|place| place.2).collect();
            if wanted.is_empty() {
                continue;
            }
            match self.rows_at(sealed, wanted) {
                Ok(some) => rows.extend(some),
                Err(error) => unreadable(sealed, &error),
            }
        }
        for row in &mut rows {
            if let Some(outcome) = late.get(&row.record.id).filter(|_| row.outcome.is_none()) {
                row.outcome = Some(outcome.clone());
            }
        }
        rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.record.id));
        found.rows.extend(rows);
    }

    /// Ids and places of the rows that are wanted.
    fn search(
        &self,
        sealed: &SealedFile,
        filter: &Filter,
        late: &Late,
    ) -> Result<Vec<(DecisionId, usize)>, ArchiveError> {
        let summary = self.summary(sealed)?;
        if !summary.may_hold(filter, !late.is_empty()) {
            return Ok(Vec::new());
        }
        let opened = self.open(sealed)?;
        let few = summary.few_vendors(filter, !late.is_empty());
        let ranges = few.map(|vendors| opened.rows_of_vendors(&vendors));
        let looks = Looks::new(sealed, filter);
        let mut matches = Vec::new();
        opened.visit(ranges.as_deref(), Some(&looks.columns), &mut |first, batch| {
            looks.look(batch, late, &mut |id, at| matches.push((id, first(at))))
        })?;
        Ok(matches)
    }

    /// The rows at these places of a file.
    fn rows_at(&self, sealed: &SealedFile, mut places: Vec<usize>) -> Result<Vec<Row>, ArchiveError> {
        places.sort_unstable();
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for place in places {
            match ranges.last_mut().filter(|range| range.end == place) {
                Some(range) => range.end += 1,
                None => ranges.push(place..place + 1),
            }
        }
        let opened = self.open(sealed)?;
        let mut rows = Vec::new();
        opened.visit(Some(&ranges), None, &mut |_, batch| {
            rows.extend(decode::rows(batch)?);
            Ok(())
        })?;
        Ok(rows)
    }

    fn row_at(
        &self,
        files: &SealedFiles,
        sealed: &SealedFile,
        index: usize,
        id: DecisionId,
    ) -> Result<Option<Row>, ArchiveError> {
        let Some(mut row) = self.rows_at(sealed, vec![index])?.pop() else { return Ok(None) };
        if row.outcome.is_none() {
            row.outcome = self.late_outcome(files, id)?;
        }
        Ok(Some(row))
    }

    fn late_of(&self, sealed: &SealedFile) -> Result<Vec<LateOutcome>, ArchiveError> {
        let mut rows = Vec::new();
        self.open(sealed)?.visit(None, None, &mut |_, batch| {
            rows.extend(decode::late_outcomes(batch)?);
            Ok(())
        })?;
        Ok(rows)
    }

    fn place_in(&self, sealed: &SealedFile, id: DecisionId) -> Result<Option<usize>, ArchiveError> {
        let opened = self.open(sealed)?;
        let text = DecisionText::of(id);
        let mut place = None;
        let mut start = 0;
        for group in 0..opened.metadata.metadata().num_row_groups() {
            let rows = opened.group_rows(group);
            let range = start..start + rows;
            start = range.end;
            // The id is the first column.
            let bloom =
                opened.reader().get_row_group_column_bloom_filter(group, 0).map_err(opened.failed())?;
            if bloom.is_some_and(|bloom| !bloom.check(&text.as_str())) {
                continue;
            }
            opened.visit(Some(&[range]), Some(&["id"]), &mut |first, batch| {
                let column = Columns(batch).texts("id")?;
                for at in 0..batch.num_rows() {
                    if decode::text(column, at)? == text.as_str() {
                        place = Some(first(at));
                    }
                }
                Ok(())
            })?;
            if place.is_some() {
                break;
            }
        }
        Ok(place)
    }
}

pub(crate) fn of_hour(files: &SealedFiles, hour: Hour) -> impl Iterator<Item = &SealedFile> {
    let start = hour.start();
    files.range((start, String::new())..=(start, "~".to_owned())).map(|(_, sealed)| sealed)
}

/// The error with its causes, in a line.
#[must_use]
pub fn chain(error: &ArchiveError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    text
}

/// For those who count.
impl Archive {
    /// The rows of each vendor that is known, over all files that can be read.
    pub fn rows_by_vendor(&self, files: &SealedFiles) -> BTreeMap<Option<VendorId>, u64> {
        let mut rows = BTreeMap::new();
        for sealed in files.values() {
            let Ok(summary) = self.summary(sealed) else { continue };
            for (vendor, count) in summary.vendors().zip(&summary.rows_by_vendor) {
                *rows.entry(vendor).or_default() += count;
            }
        }
        rows
    }
}
