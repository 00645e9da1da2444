//! Bringing the decision log's segments into sealed files, and taking out what was kept long enough.
//!
//! Nothing is remembered that the files and the ledger don't say: a process that dies anywhere leaves either a file
//! without its event, which the next one records, or frames without a file, which the next one seals. Frames that may be in
//! a file already, after a start or a failure, are looked for in the files of their hour.

mod expire;
mod frames;
mod start;
pub(crate) mod thread;
pub(crate) mod verify;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis_archive::{Archive, ArchiveError, Gathered, Hour, LateOutcome, Part, Row};
use portcullis_decision_log::{LogError, SegmentKey, unsealed};
use portcullis_domain::archive::{Content, SealedFile};
use portcullis_domain::command::Command;
use serde::{Deserialize, Serialize};

use crate::control::Control;
use crate::error::ExecuteError;
use frames::{Due, Progress};
pub use thread::Sealing;
use thread::Stop;

/// Ids further ahead than this are of a clock that had jumped: their hours won't be waited for.
const FUTURE_MS: u64 = 3_600_000;

/// When decisions are sealed, and how fast.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SealingSettings {
    /// After an hour's end, for frames that are on their way.
    pub grace_seconds: u64,
    /// At most, so that the gate keeps the machine; not held to while segments wait.
    pub rows_per_second: u32,
    /// Of closed segments: with more, they are sealed before their hour is over, and without pausing.
    pub waiting_bytes_max: u64,
}

impl Default for SealingSettings {
    fn default() -> Self {
        Self { grace_seconds: 300, rows_per_second: 50_000, waiting_bytes_max: 1 << 30 }
    }
}

/// Why decisions can't be sealed now. They stay in their segments, and it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("the decision log can't be read")]
    Log(#[from] LogError),
    #[error("sealed files can't be written")]
    Archive(#[from] ArchiveError),
    #[error("the ledger did not take a sealed file")]
    Ledger(#[from] ExecuteError),
    #[error("decisions are not sealed by this process")]
    NotRunning,
    #[error("there is no thread to seal in")]
    Thread(#[source] std::io::Error),
    #[error("decisions come faster than they are sealed behind all other work")]
    Behind,
}

/// What a run has done.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SealReport {
    pub files: Vec<SealedFile>,
    pub rows: u64,
    /// Segments that may go now.
    pub segments: usize,
    /// Frames of no known version or kind: their segments stay.
    pub unreadable: u64,
}

/// Which frames are sealed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// Of hours that are over; of all closed segments while many wait.
    Due,
    /// All that stand in the log now.
    Everything,
}

/// How a run shares the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// It ends with [`SealError::Behind`] when too much waits.
    StandingBack,
    Hurried,
}

/// Seals in the thread that calls it, which must be none of the runtime's own.
pub struct Sealer {
    control: Control,
    archive: Arc<Archive>,
    log: PathBuf,
    settings: SealingSettings,
    progress: HashMap<SegmentKey, Progress>,
    /// Frames may be in files already.
    unsure: bool,
    /// Written, and not in the ledger for all we know.
    unrecorded: Vec<SealedFile>,
    stop: Arc<Stop>,
    begun: Duration,
    paced_rows: u64,
    pace: Pace,
    /// Too much waits by now for a run that stands back: rows that are still to come are not written.
    behind: Arc<AtomicBool>,
}

impl Sealer {
    pub(crate) fn new(
        control: Control,
        archive: Arc<Archive>,
        log: PathBuf,
        settings: SealingSettings,
        stop: Arc<Stop>,
    ) -> Self {
        Self {
            control,
            archive,
            log,
            settings,
            progress: HashMap::new(),
            unsure: true,
            unrecorded: Vec::new(),
            stop,
            begun: Duration::ZERO,
            paced_rows: 0,
            pace: Pace::Hurried,
            behind: Arc::default(),
        }
    }

    /// The hour that isn't due yet: all before it are.
    pub(crate) fn due_before(&self) -> Hour {
        Hour::of_ms(self.control.now_ms().saturating_sub(self.settings.grace_seconds * 1_000))
    }

    /// Whether so much waits in closed segments that none of it should wait for its hour.
    pub(crate) fn is_pressed(&self) -> bool {
        let segments = unsealed(&self.log).unwrap_or_default();
        let waiting = segments.iter().filter(|segment| segment.closed).map(|segment| segment.bytes);
        waiting.sum::<u64>() > self.settings.waiting_bytes_max
    }

    /// # Errors
    /// What was sealed until then stays so; the rest stays in its segments.
    pub fn seal(&mut self, which: Which, pace: Pace) -> Result<SealReport, SealError> {
        self.pace = pace;
        self.behind.store(false, Ordering::Relaxed);
        let sealed = self.seal_now(which);
        let sealed = if self.behind.load(Ordering::Relaxed) { Err(SealError::Behind) } else { sealed };
        // After a failure nobody knows what is in the files.
        self.unsure = sealed.is_err();
        if sealed.is_err() {
            self.progress.clear();
        }
        sealed
    }

    fn seal_now(&mut self, which: Which) -> Result<SealReport, SealError> {
        self.record_again()?;
        self.begun = self.control.clock().monotonic();
        self.paced_rows = 0;
        let segments = unsealed(&self.log)?;
        let known: HashSet<_> = segments.iter().map(|segment| segment.key).collect();
        self.progress.retain(|key, _| known.contains(key));
        let waiting: u64 =
            segments.iter().filter(|segment| segment.closed).map(|segment| segment.bytes).sum();
        let pressed = waiting > self.settings.waiting_bytes_max;
        let (now_ms, due_before) = (self.control.now_ms(), self.due_before());
        let mut report = SealReport::default();
        let mut gathered = Gathered::default();
        let mut read = Vec::new();
        for segment in &segments {
            let of_future = segment.latest_ms > now_ms.saturating_add(FUTURE_MS);
            let whole = which == Which::Everything || segment.closed && (pressed || of_future);
            let due = Due { before: if whole { Hour(u64::MAX) } else { due_before } };
            let seen = self.progress.get(&segment.key).copied();
            if seen.is_some_and(|seen| seen.rests && seen.due.before >= due.before) {
                continue;
            }
            let mut failed = None;
            let visited = frames::gather(segment, due, seen, &mut gathered, &mut |gathered| {
                if failed.is_none() {
                    failed = self.flush(gathered, pressed, &mut report).err();
                }
                failed.is_none()
            })?;
            if let Some(error) = failed {
                return Err(error);
            }
            report.unreadable += visited.unreadable;
            read.push((segment, due, visited));
        }
        self.flush(&mut gathered, pressed, &mut report)?;
        for (segment, due, visited) in read {
            let rests = segment.closed && !visited.is_done();
            self.progress.insert(segment.key, Progress { end_bytes: visited.end_bytes, due, rests });
            if visited.is_done() && segment.closed && segment.mark_sealed()? {
                report.segments += 1;
            }
        }
        Ok(report)
    }

    /// Writes what has gathered, hour by hour, and records each file before the next.
    fn flush(
        &mut self,
        gathered: &mut Gathered,
        pressed: bool,
        report: &mut SealReport,
    ) -> Result<(), SealError> {
        while let Some((hour, mut part)) = gathered.pop() {
            self.leave_out_sealed(hour, &mut part);
            let (rows, late) = part.into_rows();
            let state = self.control.state();
            let name = self.archive.next_name(hour, Content::Decisions, &state.sealed);
            let (archive, behind) = (Arc::clone(&self.archive), Arc::clone(&self.behind));
            let rows = rows.map(|row| match behind.load(Ordering::Relaxed) {
                true => Err(ArchiveError::GivenUp),
                false => row,
            });
            let decisions = archive.write::<Row>(name, rows, &mut |rows| self.pace(rows, pressed))?;
            let name = archive.next_name(hour, Content::Outcomes, &state.sealed);
            let outcomes = archive.write::<LateOutcome>(name, late, &mut |rows| self.pace(rows, pressed));
            for sealed in decisions.into_iter().chain(outcomes?) {
                report.rows += sealed.rows;
                report.files.push(sealed.clone());
                self.unrecorded.push(sealed);
            }
            self.record_again()?;
        }
        Ok(())
    }

    fn leave_out_sealed(&self, hour: Hour, part: &mut Part) {
        if self.unsure {
            let wanted = part.ids().collect();
            let [decisions, outcomes] = self.archive.held(&self.control.state().sealed, hour, &wanted);
            part.leave_out(&decisions, &outcomes);
        }
    }

    /// Gives the ledger what it doesn't hold yet, as often as it takes.
    fn record_again(&mut self) -> Result<(), SealError> {
        while let Some(sealed) = self.unrecorded.first() {
            self.execute(Command::RecordSealed(sealed.clone()))?;
            self.unrecorded.remove(0);
        }
        Ok(())
    }

    fn execute(&self, command: Command) -> Result<(), ExecuteError> {
        self.control.handle().block_on(self.control.execute(command)).map(|_| ())
    }

    /// Waits until no more rows were written than may be in the time since the run began.
    fn pace(&mut self, rows: usize, pressed: bool) {
        self.paced_rows += rows as u64;
        if self.pace == Pace::StandingBack && self.is_pressed() {
            self.behind.store(true, Ordering::Relaxed);
        }
        if pressed {
            return;
        }
        let micros = self.paced_rows * 1_000_000 / u64::from(self.settings.rows_per_second.max(1));
        let spent = self.control.clock().monotonic().saturating_sub(self.begun);
        self.stop.pause(Duration::from_micros(micros).saturating_sub(spent));
    }
}
