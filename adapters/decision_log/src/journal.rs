//! Which segments of a core there must be, so that one which vanishes is noticed and named.
//!
//! `core-CCCCC.journal` lies beside the segments. It is small text, written whole under another name and renamed, so it
//! is never half of anything:
//!
//! ```text
//! portcullis-segments 1
//! made 12 1790000000000
//! missing 11 1789999990000 1790000001000
//! crc32 0a1b2c3d
//! ```
//!
//! `made SEQUENCE CREATED` must be there; `missing SEQUENCE CREATED UNTIL` was, and is named until somebody says that it
//! is known. Times are milliseconds since the Unix epoch; the CRC-32 (IEEE) is of the lines before it. The order of the steps keeps
//! it right over crashes: a segment is made, then its line, then it may be written to; a line goes before its file does.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use crate::segment::{self, HEADER_BYTES, Header, Listed, SUFFIX, SUFFIX_DAMAGED, State, io_error};
use crate::{Disk, LogError};

const SUFFIX_JOURNAL: &str = ".journal";
const SUFFIX_DAMAGED_JOURNAL: &str = ".journal.damaged";
const HEAD: &str = "portcullis-segments 1\n";
const CHECKSUM: &str = "crc32 ";
/// Room for hundreds of thousands of segments.
const BYTES_MAX: usize = 16 << 20;

/// A segment that must be there and isn't: nobody has sealed it, and no part of this program has removed it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Missing {
    pub core: u16,
    pub sequence: u64,
    /// Its decisions were made since then, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// They were made before then. `None` while nobody has noticed it at a start: until now.
    pub until_ms: Option<u64>,
}

impl Missing {
    /// Name of its file in the directory of segments.
    #[must_use]
    pub fn file_name(&self) -> String {
        segment::name(self.core, self.sequence, SUFFIX)
    }
}

/// Names all segments that are missing, of all cores, also while they are being written. Changes nothing.
///
/// # Errors
/// [`LogError::Io`]. A directory that isn't there misses none.
pub fn missing(directory: impl AsRef<Path>) -> Result<Vec<Missing>, LogError> {
    let directory = directory.as_ref();
    let mut all = Vec::new();
    for core in cores(directory, SUFFIX_JOURNAL)? {
        let parsed =
            || Ok::<_, LogError>(read(directory, core)?.and_then(|bytes| Journal::parse(core, &bytes)));
        let Some(before) = parsed()? else { continue };
        let gone = before.gone(directory);
        // A line goes before its file: one that still stands after its file was looked for in vain is of a missing one.
        let now = if gone.is_empty() { before.clone() } else { parsed()?.unwrap_or(Journal::of(core)) };
        let still = gone.iter().filter(|sequence| now.made.get(sequence) == before.made.get(sequence));
        all.extend(still.filter_map(|&sequence| before.as_missing(sequence, None)));
        all.extend(now.missing.iter().filter(|missing| !now.is_back(directory, missing)).cloned());
    }
    all.sort_unstable();
    Ok(all)
}

/// Says that the missing segments are known: they are named no more. Answers which these are.
///
/// # Errors
/// [`LogError::Io`].
pub fn acknowledge_missing(directory: impl AsRef<Path>) -> Result<Vec<Missing>, LogError> {
    let directory = directory.as_ref();
    let disk = Disk::default();
    let mut all = Vec::new();
    for core in cores(directory, SUFFIX_JOURNAL)? {
        let _lock = lock(directory)?;
        let Some(mut journal) = load(&disk, directory, core)? else { continue };
        let gone = journal.gone(directory);
        let acknowledged = all.len();
        all.append(&mut journal.missing);
        all.extend(gone.iter().filter_map(|&sequence| journal.as_missing(sequence, None)));
        journal.made.retain(|sequence, _| !gone.contains(sequence));
        if all.len() > acknowledged {
            journal.write(&disk, directory)?;
        }
    }
    all.sort_unstable();
    Ok(all)
}

/// Compares the journal with what is there, when a core is opened, and writes down what is missing. Answers all that are
/// named, from earlier starts too. Where there is no journal yet, what is there is taken for all there was.
pub(crate) fn notice(
    disk: &Disk,
    directory: &Path,
    core: u16,
    now_ms: u64,
) -> Result<Vec<Missing>, LogError> {
    let _lock = lock(directory)?;
    let stored = load(disk, directory, core)?.unwrap_or(Journal::of(core));
    let mut journal = stored.clone();
    let gone = journal.gone(directory);
    let noticed = gone.iter().filter_map(|&sequence| stored.as_missing(sequence, Some(now_ms)));
    // Somebody had a copy, and has put it back.
    journal.missing.retain(|missing| !stored.is_back(directory, missing));
    journal.missing.extend(noticed);
    journal.missing.sort_unstable();
    journal.missing.dedup();
    let there = |sequence, created_ms| stored.look(directory, sequence, created_ms) == Found::There;
    journal.made.retain(|sequence, created_ms| !gone.contains(sequence) && there(*sequence, *created_ms));
    journal.add_what_is_there(directory)?;
    for missing in &journal.missing {
        tracing::error!(
            core,
            sequence = missing.sequence,
            since_ms = missing.since_ms,
            until_ms = missing.until_ms,
            "a segment of the decision log is missing: decisions of that time which were not sealed are lost"
        );
    }
    if stored != journal {
        warn_unless(journal.write(disk, directory), &path(directory, core));
    }
    Ok(journal.missing)
}

/// Writes down that a segment is there. Before anything is written to it.
pub(crate) fn made(
    disk: &Disk,
    directory: &Path,
    core: u16,
    sequence: u64,
    created_ms: u64,
) -> Result<(), LogError> {
    let _lock = lock(directory)?;
    let mut journal = match load(disk, directory, core)? {
        Some(journal) => journal,
        None => {
            let mut journal = Journal::of(core);
            journal.add_what_is_there(directory)?;
            journal
        }
    };
    journal.made.insert(sequence, created_ms);
    journal.write(disk, directory)
}

/// Writes down that a segment need not be there any more. Before it is removed.
pub(crate) fn may_go(disk: &Disk, directory: &Path, core: u16, sequence: u64) -> Result<(), LogError> {
    let _lock = lock(directory)?;
    let Some(mut journal) = load(disk, directory, core)? else { return Ok(()) };
    if journal.made.remove(&sequence).is_some() { journal.write(disk, directory) } else { Ok(()) }
}

/// Removes a segment, after its line. On a full disk the line may need the room that the segment gives.
pub(crate) fn remove(disk: &Disk, listed: &Listed) -> io::Result<()> {
    let directory = listed.path.parent().unwrap_or(Path::new("."));
    let told = may_go(disk, directory, listed.core, listed.sequence);
    disk.remove(&listed.path)?;
    if told.is_err() {
        warn_unless(may_go(disk, directory, listed.core, listed.sequence), &listed.path);
    }
    Ok(())
}

/// The journal watches over the log and never stops it.
pub(crate) fn warn_unless(told: Result<(), LogError>, segment: &Path) {
    if let Err(error) = told {
        tracing::warn!(
            error = &error as &(dyn std::error::Error + 'static),
            path = %segment.display(),
            "the journal of segments can't be written: whether this one is missing some day will not be told rightly"
        );
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Journal {
    core: u16,
    /// When those were made that must be there, by their sequence.
    made: BTreeMap<u64, u64>,
    missing: Vec<Missing>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    There,
    /// It is in sealed files, or was set aside, which is told already.
    NotNeeded,
    Gone,
}

impl Journal {
    fn of(core: u16) -> Self {
        Self { core, made: BTreeMap::new(), missing: Vec::new() }
    }

    /// `None` for what is cut, damaged, of another version or not ours.
    fn parse(core: u16, bytes: &[u8]) -> Option<Self> {
        let text = str::from_utf8(bytes).ok()?;
        let (body, checksum) = text.rsplit_once(CHECKSUM)?;
        let checksum = checksum.strip_suffix('\n').filter(|digits| digits.len() == 8)?;
        if u32::from_str_radix(checksum, 16).ok()? != crc32fast::hash(body.as_bytes()) {
            return None;
        }
        let mut journal = Self::of(core);
        for line in body.strip_prefix(HEAD)?.lines() {
            let words: Vec<&str> = line.splitn(5, ' ').collect();
            match *words.as_slice() {
                ["made", sequence, created_ms] => {
                    journal.made.insert(sequence.parse().ok()?, created_ms.parse().ok()?);
                }
                ["missing", sequence, since_ms, until_ms] => journal.missing.push(Missing {
                    core,
                    sequence: sequence.parse().ok()?,
                    since_ms: since_ms.parse().ok()?,
                    until_ms: Some(until_ms.parse().ok()?),
                }),
                _ => return None,
            }
        }
        Some(journal)
    }

    fn to_text(&self) -> String {
        let mut text = HEAD.to_owned();
        for (sequence, created_ms) in &self.made {
            text.push_str(&format!("made {sequence} {created_ms}\n"));
        }
        for Missing { sequence, since_ms, until_ms, .. } in &self.missing {
            let until_ms = until_ms.unwrap_or(*since_ms);
            text.push_str(&format!("missing {sequence} {since_ms} {until_ms}\n"));
        }
        let checksum = crc32fast::hash(text.as_bytes());
        text.push_str(&format!("{CHECKSUM}{checksum:08x}\n"));
        text
    }

    /// The old one or the new one, at every moment.
    fn write(&self, disk: &Disk, directory: &Path) -> Result<(), LogError> {
        let path = path(directory, self.core);
        let new = path.with_added_extension("new");
        let written = disk
            .create(&new)
            .and_then(|file| {
                disk.write_all_at(&file, &new, self.to_text().as_bytes(), 0)?;
                disk.sync(&file, &new)
            })
            .and_then(|()| disk.rename(&new, &path));
        written.map_err(|error| {
            // Nothing more can be done about it; the next attempt writes over it.
            let _ = disk.remove(&new);
            io_error("write", &path)(error)
        })
    }

    /// Those that must be there and aren't.
    fn gone(&self, directory: &Path) -> Vec<u64> {
        let gone = |sequence, created_ms| self.look(directory, sequence, created_ms) == Found::Gone;
        self.made
            .iter()
            .filter(|(made, created_ms)| gone(**made, **created_ms))
            .map(|(made, _)| *made)
            .collect()
    }

    fn look(&self, directory: &Path, sequence: u64, created_ms: u64) -> Found {
        let at = |suffix| directory.join(segment::name(self.core, sequence, suffix));
        let file = match segment::open(&at(SUFFIX), false) {
            Ok(Some(file)) => file,
            Ok(None) if at(SUFFIX_DAMAGED).exists() => return Found::NotNeeded,
            Ok(None) => return Found::Gone,
            // It is there.
            Err(_) => return Found::There,
        };
        let header =
            segment::read(&file, &at(SUFFIX), HEADER_BYTES).ok().and_then(|bytes| Header::parse(&bytes).ok());
        match header {
            Some(header) if header.created_ms != created_ms => Found::Gone,
            Some(header) if header.state == State::Sealed => Found::NotNeeded,
            // One that can't be read is there all the same: recovery judges it.
            _ => Found::There,
        }
    }

    /// A sequence may come again, but not with the same time.
    fn is_back(&self, directory: &Path, missing: &Missing) -> bool {
        let path = directory.join(missing.file_name());
        let file = segment::open(&path, false).ok().flatten();
        let header = file.and_then(|file| segment::read(&file, &path, HEADER_BYTES).ok());
        let header = header.and_then(|bytes| Header::parse(&bytes).ok());
        header.is_some_and(|header| header.created_ms == missing.since_ms)
    }

    /// A segment is made when the one before it is begun, so it has ended when the second after it is made.
    fn as_missing(&self, sequence: u64, now_ms: Option<u64>) -> Option<Missing> {
        let since_ms = *self.made.get(&sequence)?;
        let later = self
            .made
            .range((Bound::Excluded(sequence.saturating_add(1)), Bound::Unbounded))
            .map(|(_, created_ms)| *created_ms);
        let until_ms = later.filter(|later_ms| *later_ms >= since_ms).min().or(now_ms);
        Some(Missing { core: self.core, sequence, since_ms, until_ms })
    }

    /// Of a directory from before there were journals, or whose journal can't be read.
    fn add_what_is_there(&mut self, directory: &Path) -> Result<(), LogError> {
        for listed in segment::list(directory)?.into_iter().filter(|listed| listed.core == self.core) {
            let Some(file) = segment::open(&listed.path, false)? else { continue };
            let header = Header::parse(&segment::read(&file, &listed.path, HEADER_BYTES)?);
            if let Ok(header) = header
                && header.state != State::Sealed
            {
                self.made.insert(listed.sequence, header.created_ms);
            }
        }
        Ok(())
    }
}

/// `None` where there is none. One that can't be read is set aside, and told by `doctor` like a damaged segment.
fn load(disk: &Disk, directory: &Path, core: u16) -> Result<Option<Journal>, LogError> {
    let Some(bytes) = read(directory, core)? else { return Ok(None) };
    let journal = Journal::parse(core, &bytes);
    if journal.is_none() {
        let path = path(directory, core);
        let aside = path.with_added_extension("damaged");
        disk.rename(&path, &aside).map_err(io_error("rename", &path))?;
        tracing::error!(
            path = %aside.display(),
            "a journal of segments can't be read, and is set aside: which were missing until now is not known"
        );
    }
    Ok(journal)
}

fn read(directory: &Path, core: u16) -> Result<Option<Vec<u8>>, LogError> {
    let path = path(directory, core);
    // One byte more shows that it is too large: then its checksum isn't at its end.
    segment::open(&path, false)?.map(|file| segment::read(&file, &path, BYTES_MAX + 1)).transpose()
}

fn path(directory: &Path, core: u16) -> PathBuf {
    directory.join(format!("core-{core:05}{SUFFIX_JOURNAL}"))
}

/// Journals that could not be read.
pub(crate) fn set_aside(directory: &Path) -> Result<Vec<PathBuf>, LogError> {
    let cores = cores(directory, SUFFIX_DAMAGED_JOURNAL)?;
    Ok(cores.into_iter().map(|core| path(directory, core).with_added_extension("damaged")).collect())
}

/// Of which cores there are journals; of a directory that isn't there, none.
fn cores(directory: &Path, suffix: &str) -> Result<Vec<u16>, LogError> {
    let failed = io_error("list", directory);
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(&failed)?,
    };
    let mut cores = Vec::new();
    for entry in entries {
        let path = entry.map_err(&failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let core = name.strip_prefix("core-").and_then(|rest| rest.strip_suffix(suffix));
        cores.extend(core.filter(|core| core.len() == 5).and_then(|core| core.parse::<u16>().ok()));
    }
    cores.sort_unstable();
    Ok(cores)
}

/// One change at a time, of all threads and processes: the log, who seals, and who acknowledges. Readers need none.
fn lock(directory: &Path) -> Result<File, LogError> {
    let failed = io_error("lock", directory);
    let file = File::open(directory).map_err(&failed)?;
    file.lock().map_err(&failed)?;
    Ok(file)
}
