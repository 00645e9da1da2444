//! The decision log in the data folder: sealed files and segments, also while the server runs.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use jiff::{SignedDuration, Timestamp};
use portcullis_archive::{Archive, Filter};
use portcullis_decision_log::Reader;
use portcullis_domain::archive::SealedFiles;
use portcullis_domain::decision::{DECISION_KIND, DecisionId, DecisionRecord, OUTCOME_KIND, OutcomeRecord};
use portcullis_domain::ids::{ClientId, VendorId};
use portcullis_replay::redecide::{Redecider, TooMany};
use portcullis_risk::ClientRisk;

use super::super::replay::Progress;
use super::recorded::Recorded;

const DAY_SECONDS: i64 = 86_400;
/// Rows of an hour of sealed files.
const ROWS_MAX: usize = 2_000_000;

pub(super) struct Log {
    archive: Archive,
    files: SealedFiles,
    segments: PathBuf,
    /// What the gate knew of its clients at the end of each of the last days.
    copies: PathBuf,
    recorded: Recorded,
    notes: Vec<String>,
    first: Option<Timestamp>,
}

pub(super) struct Begins {
    /// From where on the log is gone through.
    pub from: Timestamp,
    pub said: String,
}

#[derive(Default)]
pub(super) struct Read {
    pub without_risk: u64,
    pub notes: Vec<String>,
}

impl Log {
    pub fn open(directory: &Path) -> Result<Self> {
        let archive = Archive::new(directory.join("archive"));
        let (mut files, mut notes) = (SealedFiles::new(), Vec::new());
        let listing = archive.list().context("can't list the sealed files")?;
        for name in listing.files {
            // Each has its digest beside it; whether the ledger has the same, `decisions verify` says.
            match archive.adopt(name) {
                Ok(sealed) => {
                    files.insert((sealed.hour, sealed.file.clone()), sealed);
                }
                Err(error) => notes.push(format!("`{name}` can not be read and is left out: {error}")),
            }
        }
        let segments = directory.join("decisions");
        let mut first = files.keys().next().map(|(hour, _)| *hour);
        let mut earliest_ms = None;
        Reader::new(&segments).scan(0, u64::MAX, &mut |frame| {
            earliest_ms = Some(DecisionId(frame.id).time_ms());
            ControlFlow::Break(())
        })?;
        if let Some(earliest) =
            earliest_ms.and_then(|ms| Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok())
        {
            first = Some(first.map_or(earliest, |first| first.min(earliest)));
        }
        let copies = directory.join("gate-risk/days");
        let recorded = Recorded::of(directory.join("gate-risk"));
        Ok(Self { archive, files, segments, copies, recorded, notes, first })
    }

    /// Where states of clients are known: in the gate's copy of the last day that ended before `since`, or before the log's
    /// first decision.
    pub fn begin(
        &self,
        redecider: &mut Redecider<'_>,
        since: Timestamp,
        wanted: Option<ClientId>,
    ) -> Result<Begins> {
        let first = self.first.unwrap_or(since);
        let since_day = since.as_second().div_euclid(DAY_SECONDS);
        let copies = std::fs::read_dir(&self.copies).into_iter().flatten().flatten();
        let days = copies.filter_map(|entry| entry.file_name().to_str()?.parse::<i64>().ok());
        // The copy of a day is what was known at its end.
        self.recorded.peers(redecider)?;
        let Some(day) = days.filter(|day| *day < since_day).max() else {
            // The start before the log's first decision is where it begins.
            self.recorded.starts(redecider, first.as_microsecond())?;
            let said = match self.first {
                Some(first) => format!("states begin with the log, on {}", super::time::instant(first)),
                None => "the log is empty".to_owned(),
            };
            return Ok(Begins { from: first, said });
        };
        let folder = self.copies.join(day.to_string());
        let mut states = 0;
        for entry in
            std::fs::read_dir(&folder).with_context(|| format!("can't list `{}`", folder.display()))?
        {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(client) = name.strip_suffix(".risk").and_then(|id| id.parse().ok()).map(ClientId) else {
                continue;
            };
            if wanted.is_some_and(|wanted| wanted != client) {
                continue;
            }
            let bytes = std::fs::read(&path).with_context(|| format!("can't read `{}`", path.display()))?;
            let state = ClientRisk::from_bytes(&bytes)
                .with_context(|| format!("`{}` is no state", path.display()))?;
            redecider.begin(client, None, state);
            states += 1;
        }
        let from = Timestamp::from_second((day + 1) * DAY_SECONDS)?.max(first);
        let copied = self.recorded.copied(day)?;
        for (client, one) in copied.under_way {
            if wanted.is_none_or(|wanted| wanted == client) {
                redecider.begin_under_way(client, one.decision, one.ticket, one.rules);
            }
        }
        self.recorded.starts(redecider, copied.at_us.unwrap_or(from.as_microsecond()))?;
        let said = format!(
            "states begin with the gate's copy of {states} clients at {}",
            super::time::instant(from)
        );
        Ok(Begins { from, said })
    }

    /// Goes through the log by days, so that what is held at once is bounded.
    pub fn decide(
        &self,
        redecider: &mut Redecider<'_>,
        (from, since, until): (Timestamp, Timestamp, Timestamp),
        wanted: Option<ClientId>,
        progress: &Progress,
    ) -> Result<Read> {
        let mut read = Read { without_risk: 0, notes: self.notes.clone() };
        let mut day = from.as_second().div_euclid(DAY_SECONDS);
        let last = until.as_second().div_euclid(DAY_SECONDS);
        // What comes before is computed for the states alone.
        redecider.count_from(since.as_microsecond());
        while day <= last {
            let begin = Timestamp::from_second(day * DAY_SECONDS)?.max(from);
            let end = Timestamp::from_second((day + 1) * DAY_SECONDS)?.min(until);
            progress.tell(&format!("deciding again: {}", begin.strftime("%Y-%m-%d")));
            self.recorded.calls(redecider, day, wanted)?;
            self.day(redecider, (begin, end), wanted, &mut read)?;
            redecider.run_day(day);
            day += 1;
        }
        Ok(read)
    }

    fn day(
        &self,
        redecider: &mut Redecider<'_>,
        (begin, end): (Timestamp, Timestamp),
        wanted: Option<ClientId>,
        read: &mut Read,
    ) -> Result<()> {
        let mut hour = begin;
        while hour < end && !self.files.is_empty() {
            let next = (hour + SignedDuration::from_hours(1)).min(end);
            let filter = Filter { client: wanted, since: Some(hour), until: Some(next), ..Filter::default() };
            let found = self.archive.newest(&self.files, &filter, ROWS_MAX);
            read.notes.extend(
                found.unreadable.iter().map(|file| format!("`{}` can not be read: {}", file.file, file.why)),
            );
            for row in found.rows {
                read.without_risk += u64::from(row.record.risk.is_none());
                redecider.take(row.record, row.outcome)?;
            }
            hour = next;
        }
        self.segments(redecider, (begin, end), wanted, read)
    }

    fn segments(
        &self,
        redecider: &mut Redecider<'_>,
        (begin, end): (Timestamp, Timestamp),
        wanted: Option<ClientId>,
        read: &mut Read,
    ) -> Result<()> {
        let ms = |time: Timestamp| u64::try_from(time.as_millisecond()).unwrap_or(0);
        let mut whose: HashMap<DecisionId, (ClientId, Option<VendorId>)> = HashMap::new();
        let mut early: Vec<OutcomeRecord> = Vec::new();
        let (mut full, mut broken) = (None::<TooMany>, 0_u64);
        let damage = Reader::new(&self.segments).scan(ms(begin), ms(end), &mut |frame| {
            let taken = match frame.kind {
                DECISION_KIND => match DecisionRecord::of_version(frame.version, &frame.payload) {
                    Ok(record) if wanted.is_none_or(|wanted| record.client == Some(wanted)) => {
                        read.without_risk += u64::from(record.risk.is_none());
                        if let Some(client) = record.client {
                            whose.insert(record.id, (client, record.vendor));
                        }
                        redecider.take(record, None)
                    }
                    Ok(_) => Ok(()),
                    Err(_) => {
                        broken += 1;
                        Ok(())
                    }
                },
                OUTCOME_KIND => match OutcomeRecord::of_version(frame.version, &frame.payload) {
                    Ok(outcome) => match whose.get(&outcome.id) {
                        Some((client, vendor)) => redecider.take_end(*client, *vendor, outcome),
                        None => {
                            early.push(outcome);
                            Ok(())
                        }
                    },
                    Err(_) => {
                        broken += 1;
                        Ok(())
                    }
                },
                _ => Ok(()),
            };
            match taken {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    full = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        if let Some(full) = full {
            return Err(full.into());
        }
        // Of one millisecond, an end may be merged before its decision.
        for outcome in early {
            if let Some((client, vendor)) = whose.get(&outcome.id) {
                redecider.take_end(*client, *vendor, outcome)?;
            }
        }
        for damage in damage {
            read.notes.push(format!(
                "`{}` is damaged behind byte {}",
                damage.path.display(),
                damage.offset_bytes
            ));
        }
        if broken > 0 {
            read.notes.push(format!("{broken} frames are none that this version reads"));
        }
        Ok(())
    }
}
