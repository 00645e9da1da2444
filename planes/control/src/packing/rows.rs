//! The rows of a pack: out of sealed files, hour by hour, then out of what is not sealed yet.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::{ControlFlow, Range};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_archive::{Archive, ArchiveError, FileName, Hour, LateOutcome, Row, Sealed};
use portcullis_decision_log::{Frame, Reader, unsealed};
use portcullis_domain::archive::{Content, SealedFile};
use portcullis_domain::decision::{DECISION_KIND, DecisionId, DecisionRecord, OUTCOME_KIND, OutcomeRecord};
use portcullis_ledger::ranges;
use portcullis_pack::evidence::{Ranges, SealedLine, Unreadable};
use portcullis_pack::write::WriteError;
use portcullis_pack::{Counter, UNSEALED};

use super::out::Spool;
use super::{PackError, Packer, chain, event_member};
use crate::error::DecisionsError;

/// Ids that are remembered of hours of which not all is sealed.
const KNOWN_MAX: usize = 32 << 20;

/// What stands in sealed files of hours that also have frames in the log: those frames may be the same rows.
#[derive(Default)]
struct Known {
    hours: BTreeSet<Hour>,
    decided: HashSet<DecisionId>,
    ended: HashSet<DecisionId>,
}

impl Known {
    fn holds(&self, id: DecisionId) -> bool {
        self.hours.contains(&Hour::of_ms(id.time_ms()))
    }
}

/// Rows of a file that were taken.
#[derive(Default)]
struct Taken {
    runs: Vec<Range<u64>>,
    rows: u64,
}

impl Taken {
    fn add(&mut self, index: u64) {
        self.rows += 1;
        match self.runs.last_mut().filter(|run| run.end == index) {
            Some(run) => run.end += 1,
            None => self.runs.push(index..index + 1),
        }
    }
}

impl Packer<'_> {
    pub(super) fn count(&mut self, counter: &mut Counter) -> Result<(), PackError> {
        let mut known = Known { hours: self.unsealed_hours()?, ..Known::default() };
        let mut done = BTreeSet::new();
        self.sealed(counter, &mut known, &mut done)?;
        self.unsealed(counter, &mut known)?;
        // What was sealed meanwhile has left the log, and may never have been seen in it.
        self.state = self.control.state();
        self.sealed(counter, &mut known, &mut done)?;
        self.sources.expired = self.expired();
        Ok(())
    }

    /// Hours of which frames of this vendor are in the log; that of the window's end always, for it may still grow.
    fn unsealed_hours(&self) -> Result<BTreeSet<Hour>, PackError> {
        let vendor = *self.window.vendor.0.as_bytes();
        let mut hours = BTreeSet::from([Hour::of(self.window.to)]);
        for segment in unsealed(self.control.decision_log()).map_err(DecisionsError::Log)? {
            let visited = segment.visit(|frame| {
                if frame.vendor == vendor {
                    hours.insert(Hour::of_ms(frame.id_ms()));
                }
            });
            visited.map_err(DecisionsError::Log)?;
        }
        Ok(hours)
    }

    fn sealed(
        &mut self,
        counter: &mut Counter,
        known: &mut Known,
        done: &mut BTreeSet<(Hour, Content, u32)>,
    ) -> Result<(), PackError> {
        let archive = self.control.archive();
        let (first, last) = (Hour::of(self.window.from), Hour::of(self.window.to));
        let files: Vec<SealedFile> = self
            .state
            .sealed
            .range((first.start(), String::new())..=(last.start(), "~".to_owned()))
            .map(|(_, sealed)| sealed.clone())
            .collect();
        let mut hours: BTreeMap<Hour, Vec<SealedFile>> = BTreeMap::new();
        for sealed in files {
            hours.entry(Hour::of(sealed.hour)).or_default().push(sealed);
        }
        for mut files in hours.into_values() {
            // An outcome that stands apart is there when its decision comes.
            files.sort_by_key(|sealed| (sealed.content == Content::Decisions, sealed.file.clone()));
            for sealed in files {
                // A file that lost rows meanwhile is the same part once more.
                let part = sealed.file.parse::<FileName>().ok();
                let part = part.map(|name| (name.hour, name.content, name.part));
                if part.is_some_and(|part| done.contains(&part)) {
                    continue;
                }
                match self.file(&archive, &sealed, counter, known) {
                    Ok(()) => done.extend(part),
                    Err(PackError::Decisions(DecisionsError::Archive(error))) => {
                        // Retention may have written it anew under the reader's hands: then its successor comes.
                        let now = self.control.state();
                        if now.sealed.contains_key(&(sealed.hour, sealed.file.clone())) {
                            done.extend(part);
                            let why = chain(&error);
                            self.sources.unreadable.push(Unreadable { file: sealed.file, why });
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Counts a file's rows of this vendor, and says which they are.
    fn file(
        &mut self,
        archive: &Archive,
        sealed: &SealedFile,
        counter: &mut Counter,
        known: &mut Known,
    ) -> Result<(), PackError> {
        let read = |error: ArchiveError| PackError::Decisions(DecisionsError::Archive(error));
        let vendor = self.window.vendor;
        if !archive.may_hold(sealed, vendor).map_err(read)? {
            return Ok(());
        }
        // Damage is found before the first row is counted: this reads the whole file.
        let hashes = match self.order.rows {
            true => archive.leaf_hashes(sealed).map_err(read)?,
            false => Vec::new(),
        };
        let mut spool = match self.order.rows {
            true => Some(Spool::new(archive.folder(), self.control.new_id()).map_err(PackError::Spool)?),
            false => None,
        };
        let (mut taken, mut leaf) = (Taken::default(), Vec::new());
        let mut failed = None;
        let visited = archive.rows_of(sealed, vendor, &mut |index, row| {
            if !takes(counter, known, &row) {
                return true;
            }
            if let Some(spool) = &mut spool {
                leaf.clear();
                let laid = row.leaf(&mut leaf).map_err(read);
                let laid = laid.and_then(|()| spool.line(&leaf).map_err(PackError::Spool));
                if let Err(error) = laid {
                    failed = Some(error);
                    return false;
                }
            }
            taken.add(index);
            if known.decided.len() + known.ended.len() > KNOWN_MAX {
                failed = Some(PackError::TooManyUnsealed);
                return false;
            }
            give(counter, row);
            true
        });
        if let Some(error) = failed {
            return Err(error);
        }
        if let Err(error) = visited {
            // Some of its rows are counted, and no proof would hold for them.
            return Err(match taken.rows {
                0 => read(error),
                _ => PackError::Event(format!(
                    "a sealed file became unreadable while it was read: {}",
                    chain(&error)
                )),
            });
        }
        if taken.rows == 0 {
            return Ok(());
        }
        self.tell_file(archive, sealed, &taken, &hashes, spool)
    }

    fn tell_file(
        &mut self,
        archive: &Archive,
        sealed: &SealedFile,
        taken: &Taken,
        hashes: &[portcullis_ledger::Hash],
        spool: Option<Spool>,
    ) -> Result<(), PackError> {
        let event = sealed.event.ok_or_else(|| {
            PackError::Event(format!("the sealed file `{}` has no event in the ledger", sealed.file))
        })?;
        let base = sealed.file.rsplit('/').next().unwrap_or_default().trim_end_matches(".parquet");
        let proof = match spool {
            Some(_) => {
                ranges::prove(hashes, &taken.runs).map_err(|error| PackError::Event(error.to_string()))?
            }
            None => Vec::new(),
        };
        let ranges = Ranges {
            file: sealed.file.clone(),
            rows: sealed.rows,
            rows_root: sealed.rows_root.clone(),
            ranges: taken.runs.iter().map(|run| (run.start, run.end)).collect(),
            hashes: proof.iter().map(|hash| STANDARD.encode(hash)).collect(),
        };
        let ranges_member = format!("files/{base}.json");
        let bytes = serde_json::to_vec(&ranges).map_err(WriteError::Json)?;
        self.writer.member(&ranges_member, &bytes)?;
        let mut line = SealedLine {
            file: sealed.file.clone(),
            content: sealed.content,
            sha256: sealed.sha256.clone(),
            bytes: sealed.bytes,
            rows: sealed.rows,
            rows_root: sealed.rows_root.clone(),
            event,
            proof: event_member(event),
            rows_counted: taken.rows,
            member: None,
            ranges: Some(ranges_member),
            whole: None,
        };
        if let Some(spool) = spool {
            let member = format!("rows/{base}.jsonl");
            let (mut file, bytes) = spool.read().map_err(PackError::Spool)?;
            self.writer.member_from(&member, bytes, &mut file)?;
            line.member = Some(member);
        }
        if self.order.files {
            let whole = format!("sealed/{}", sealed.file);
            let mut file = archive.whole(sealed).map_err(DecisionsError::Archive)?;
            self.writer.member_from(&whole, sealed.bytes, &mut file)?;
            line.whole = Some(whole);
        }
        self.sources.sealed.push(line);
        Ok(())
    }

    /// What stands in the log's segments and in no sealed file that was read.
    fn unsealed(&mut self, counter: &mut Counter, known: &mut Known) -> Result<(), PackError> {
        let ms = |time: jiff::Timestamp| u64::try_from(time.as_millisecond()).unwrap_or(0);
        let vendor = *self.window.vendor.0.as_bytes();
        let mut spool = match self.order.rows {
            true => Some(
                Spool::new(self.control.archive().folder(), self.control.new_id())
                    .map_err(PackError::Spool)?,
            ),
            false => None,
        };
        let mut found = Unsealed { counter, known, spool: spool.as_mut(), pending: None, rows: 0, lines: 0 };
        let mut failed = None;
        let reader = Reader::new(self.control.decision_log());
        let (from, to) = (ms(self.window.from), ms(self.window.to).saturating_add(1));
        let scanned = reader.scan(from, to, &mut |frame| {
            if frame.vendor != vendor {
                return ControlFlow::Continue(());
            }
            match found.frame(frame) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        for damage in scanned.map_err(DecisionsError::Log)? {
            let file = damage.path.file_name().unwrap_or_default().display().to_string();
            let why = format!("something at byte {} is no record", damage.offset_bytes);
            self.sources.unreadable.push(Unreadable { file, why });
        }
        found.settle()?;
        let (rows, lines) = (found.rows, found.lines);
        self.sources.unsealed_rows = rows;
        if let Some(spool) = spool.filter(|_| lines > 0) {
            let (mut file, bytes) = spool.read().map_err(PackError::Spool)?;
            self.writer.member_from(UNSEALED, bytes, &mut file)?;
        }
        Ok(())
    }

    /// Files out of which rows of this vendor may have gone: those of hours that it need not keep any longer.
    fn expired(&self) -> Vec<String> {
        let state = &self.state;
        if state.holds.contains_key(&self.window.vendor) {
            return Vec::new();
        }
        let days = i64::from(state.decisions_days(Some(self.window.vendor)));
        let kept = jiff::SignedDuration::from_hours(24 * days);
        let kept_from = self.control.clock().now().checked_sub(kept).ok();
        let (first, last) = (Hour::of(self.window.from), Hour::of(self.window.to));
        let gone = |name: &&String| {
            name.parse::<FileName>().is_ok_and(|name| {
                (first..=last).contains(&name.hour)
                    && kept_from.is_some_and(|kept_from| name.hour.start() < kept_from)
            })
        };
        state.expired.iter().filter(gone).cloned().collect()
    }
}

/// Whether a row belongs into the pack, and isn't there already.
fn takes(counter: &Counter, known: &mut Known, row: &Sealed) -> bool {
    match row {
        Sealed::Decision(row) => {
            let id = row.record.id;
            if !counter.takes(&row.record) {
                return false;
            }
            if known.holds(id) {
                if row.outcome.is_some() {
                    known.ended.insert(id);
                }
                return known.decided.insert(id);
            }
            true
        }
        Sealed::Outcome(late) => {
            let id = late.outcome.id;
            counter.may_take(id) && (!known.holds(id) || known.ended.insert(id))
        }
    }
}

fn give(counter: &mut Counter, row: Sealed) {
    match row {
        Sealed::Decision(row) => counter.decision(row.record, row.outcome),
        Sealed::Outcome(late) => counter.outcome(late.outcome),
    }
}

/// Frames of the log as rows: a decision waits for its outcome, which comes right after it.
struct Unsealed<'a> {
    counter: &'a mut Counter,
    known: &'a mut Known,
    spool: Option<&'a mut Spool>,
    pending: Option<DecisionRecord>,
    /// Decisions.
    rows: u64,
    lines: u64,
}

impl Unsealed<'_> {
    fn frame(&mut self, frame: &Frame) -> Result<(), PackError> {
        let payload = |error| PackError::Decisions(DecisionsError::Payload(error));
        let id = DecisionId(frame.id);
        match frame.kind {
            DECISION_KIND => {
                self.settle()?;
                let record = DecisionRecord::of_version(frame.version, &frame.payload).map_err(payload)?;
                if !self.known.decided.contains(&id) {
                    self.pending = Some(record);
                }
            }
            OUTCOME_KIND => {
                let outcome = OutcomeRecord::of_version(frame.version, &frame.payload).map_err(payload)?;
                match self.pending.take_if(|record| record.id == id) {
                    Some(record) => self.row(Sealed::Decision(Box::new(Row::new(record, Some(outcome)))))?,
                    // Its decision is sealed: this is the outcome that came later, or the same once more.
                    None if self.known.decided.contains(&id) => {
                        let late = LateOutcome::new(self.counter.vendor().into(), outcome);
                        self.row(Sealed::Outcome(late))?;
                    }
                    None => {}
                }
            }
            // Counts of refusals before anybody was identified: no decisions.
            _ => {}
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<(), PackError> {
        match self.pending.take() {
            Some(record) => self.row(Sealed::Decision(Box::new(Row::new(record, None)))),
            None => Ok(()),
        }
    }

    fn row(&mut self, row: Sealed) -> Result<(), PackError> {
        if !takes(self.counter, self.known, &row) {
            return Ok(());
        }
        if self.known.decided.len() + self.known.ended.len() > KNOWN_MAX {
            return Err(PackError::TooManyUnsealed);
        }
        if let Some(spool) = &mut self.spool {
            let mut leaf = Vec::new();
            row.leaf(&mut leaf).map_err(DecisionsError::Archive)?;
            spool.line(&leaf).map_err(PackError::Spool)?;
        }
        self.lines += 1;
        self.rows += u64::from(matches!(row, Sealed::Decision(_)));
        give(self.counter, row);
        Ok(())
    }
}
