//! Files of segments: their names, their header, and how one is made.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::map::{SegmentMap, WORD_BYTES};
use crate::{Disk, LogError};

pub(crate) const HEADER_BYTES: usize = 64;
pub(crate) const SEGMENT_BYTES_MAX: usize = 256 << 20;
pub(crate) const SUFFIX: &str = ".segment";
/// Of segments that recovery could make nothing of.
pub(crate) const SUFFIX_DAMAGED: &str = ".segment.damaged";
const SUFFIX_NEW: &str = ".segment.new";

const MAGIC: [u8; 8] = *b"PCDLSEG\0";
const FORMAT_VERSION: u16 = 1;
const FIXED_BYTES: usize = 40;
const NO_ID_MS: u64 = u64::MAX;
pub(crate) const STATE_OFFSET_BYTES: usize = 44;
pub(crate) const SEALED: u32 = 3;

const WORD_STATE: usize = 5;
const WORD_ID_MS_MIN: usize = 6;
const WORD_ID_MS_MAX: usize = 7;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Prepared,
    Active,
    Closed,
    /// Closed, and all that it holds is in sealed files too: it may go.
    Sealed,
}

impl State {
    /// Whether nobody writes to the segment any more, and it is whole.
    pub(crate) fn is_closed(self) -> bool {
        matches!(self, Self::Closed | Self::Sealed)
    }
}

/// What the first 64 bytes of a segment say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) core: u16,
    pub(crate) sequence: u64,
    pub(crate) created_ms: u64,
    pub(crate) segment_bytes: u64,
    pub(crate) state: State,
    /// Times of the ids in the segment; exact when it is closed.
    pub(crate) id_ms: Option<RangeInclusive<u64>>,
}

pub(crate) enum HeaderFault {
    ForeignVersion(u16),
    Unreadable,
}

impl Header {
    pub(crate) fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut fixed = Vec::with_capacity(HEADER_BYTES);
        fixed.extend_from_slice(&MAGIC);
        fixed.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        fixed.extend_from_slice(&self.core.to_le_bytes());
        fixed.extend_from_slice(&[0; 4]);
        fixed.extend_from_slice(&self.sequence.to_le_bytes());
        fixed.extend_from_slice(&self.created_ms.to_le_bytes());
        fixed.extend_from_slice(&self.segment_bytes.to_le_bytes());
        let checksum = crc32fast::hash(&fixed);
        fixed.extend_from_slice(&checksum.to_le_bytes());
        let state: u32 = match self.state {
            State::Prepared => 0,
            State::Active => 1,
            State::Closed => 2,
            State::Sealed => SEALED,
        };
        fixed.extend_from_slice(&state.to_le_bytes());
        let (first, last) = self.id_ms.as_ref().map_or((NO_ID_MS, 0), |range| (*range.start(), *range.end()));
        fixed.extend_from_slice(&first.to_le_bytes());
        fixed.extend_from_slice(&last.to_le_bytes());
        fixed.try_into().unwrap_or([0; HEADER_BYTES])
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, HeaderFault> {
        let header = bytes.first_chunk::<HEADER_BYTES>().ok_or(HeaderFault::Unreadable)?;
        let (fixed, rest) = header.split_at(FIXED_BYTES);
        let mut fixed_rest = fixed.strip_prefix(&MAGIC).ok_or(HeaderFault::Unreadable)?;
        let version = u16::from_le_bytes(take(&mut fixed_rest)?);
        // Before the checksum: another version may have another layout.
        if version != FORMAT_VERSION {
            return Err(HeaderFault::ForeignVersion(version));
        }
        let core = u16::from_le_bytes(take(&mut fixed_rest)?);
        let _zero: [u8; 4] = take(&mut fixed_rest)?;
        let sequence = u64::from_le_bytes(take(&mut fixed_rest)?);
        let created_ms = u64::from_le_bytes(take(&mut fixed_rest)?);
        let segment_bytes = u64::from_le_bytes(take(&mut fixed_rest)?);
        let mut rest = rest;
        if u32::from_le_bytes(take(&mut rest)?) != crc32fast::hash(fixed) {
            return Err(HeaderFault::Unreadable);
        }
        let state = match u32::from_le_bytes(take(&mut rest)?) {
            0 => State::Prepared,
            1 => State::Active,
            2 => State::Closed,
            SEALED => State::Sealed,
            _ => return Err(HeaderFault::Unreadable),
        };
        let first = u64::from_le_bytes(take(&mut rest)?);
        let last = u64::from_le_bytes(take(&mut rest)?);
        let id_ms = (first <= last).then_some(first..=last);
        Ok(Self { core, sequence, created_ms, segment_bytes, state, id_ms })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], HeaderFault> {
    let (taken, rest) = bytes.split_first_chunk().ok_or(HeaderFault::Unreadable)?;
    *bytes = rest;
    Ok(*taken)
}

/// A segment that one writer fills and the syncer brings to the disk. Locked as long as it lives.
pub(crate) struct Segment {
    pub(crate) sequence: u64,
    pub(crate) path: PathBuf,
    disk: Disk,
    file: File,
    map: SegmentMap,
    header: Header,
    written_bytes: AtomicUsize,
    synced_bytes: AtomicUsize,
    /// A sync failed: what the disk holds is unknown.
    broken: AtomicBool,
}

impl Segment {
    /// Makes the file under another name, and gives it its own when it is complete and locked: nobody ever
    /// sees half a header.
    pub(crate) fn create(
        disk: &Disk,
        directory: &Path,
        core: u16,
        sequence: u64,
        segment_bytes: usize,
        created_ms: u64,
    ) -> io::Result<Self> {
        let path_new = directory.join(name(core, sequence, SUFFIX_NEW));
        let made = Self::create_as(disk, &path_new, directory, core, sequence, segment_bytes, created_ms);
        if made.is_err() {
            // Nothing more can be done about it; the next opening of this core tries again.
            let _ = disk.remove(&path_new);
        }
        made
    }

    fn create_as(
        disk: &Disk,
        path_new: &Path,
        directory: &Path,
        core: u16,
        sequence: u64,
        segment_bytes: usize,
        created_ms: u64,
    ) -> io::Result<Self> {
        let file = disk.create(path_new)?;
        file.try_lock()?;
        disk.allocate(&file, path_new, segment_bytes)?;
        let header = Header {
            core,
            sequence,
            created_ms,
            segment_bytes: segment_bytes as u64,
            state: State::Prepared,
            id_ms: None,
        };
        disk.write_all_at(&file, path_new, &header.to_bytes(), 0)?;
        let map = SegmentMap::new(&file, segment_bytes)?;
        disk.sync(&file, path_new)?;
        let path = directory.join(name(core, sequence, SUFFIX));
        disk.rename(path_new, &path)?;
        let (written_bytes, synced_bytes) = (AtomicUsize::new(HEADER_BYTES), AtomicUsize::new(HEADER_BYTES));
        let (disk, broken) = (disk.clone(), AtomicBool::new(false));
        Ok(Self { sequence, path, disk, file, map, header, written_bytes, synced_bytes, broken })
    }

    /// Writes a whole frame. Only the one writer calls this; it has checked that the frame fits.
    pub(crate) fn write(&self, offset_bytes: usize, frame: &[u8], id_ms: u64) {
        // Before the frame: whoever sees it may rely on the range.
        self.fold_header_word(WORD_ID_MS_MIN, id_ms, u64::min);
        self.fold_header_word(WORD_ID_MS_MAX, id_ms, u64::max);

        let places = self.map.words().get(offset_bytes / WORD_BYTES..).unwrap_or_default();
        let (values, _) = frame.as_chunks::<WORD_BYTES>();
        let mut pairs = places.iter().zip(values.iter().map(|value| u64::from_ne_bytes(*value)));
        let Some((first_place, first_value)) = pairs.next() else { return };
        pairs.for_each(|(place, value)| place.store(value, Ordering::Relaxed));
        first_place.store(first_value, Ordering::Release);
        self.written_bytes.store(offset_bytes + frame.len(), Ordering::Release);
    }

    pub(crate) fn mark(&self, state: State) {
        let bytes = Header { state, ..self.header.clone() }.to_bytes();
        let (words, _) = bytes.as_chunks::<WORD_BYTES>();
        if let Some((place, value)) = self.map.words().get(WORD_STATE).zip(words.get(WORD_STATE)) {
            place.store(u64::from_ne_bytes(*value), Ordering::Release);
        }
    }

    /// Brings what was written since the last time to the disk. Once that has failed it always fails.
    pub(crate) fn flush(&self) -> io::Result<()> {
        let written_bytes = self.written_bytes.load(Ordering::Acquire);
        let synced_bytes = self.synced_bytes.load(Ordering::Acquire);
        if written_bytes > synced_bytes {
            self.sync(synced_bytes, written_bytes - synced_bytes)?;
            self.synced_bytes.fetch_max(written_bytes, Ordering::AcqRel);
        }
        Ok(())
    }

    /// Closes a segment that is no longer written to. The frames go first: a segment that says it is closed
    /// is whole, even after a power loss.
    pub(crate) fn close(&self) -> io::Result<()> {
        self.flush()?;
        self.check_sound()?;
        self.mark(State::Closed);
        self.sync(0, HEADER_BYTES)
    }

    fn sync(&self, offset_bytes: usize, bytes: usize) -> io::Result<()> {
        self.check_sound()?;
        self.disk
            .sync_mapped(&self.map, &self.path, offset_bytes, bytes)
            .inspect_err(|_| self.broken.store(true, Ordering::Release))
    }

    fn check_sound(&self) -> io::Result<()> {
        let broken = self.broken.load(Ordering::Acquire);
        if broken { Err(io::Error::other("an earlier sync failed")) } else { Ok(()) }
    }

    /// Lets others take the file, though the syncer may still hold this value for a moment.
    pub(crate) fn unlock(&self) {
        // An error leaves it locked until the value is dropped: safe, only later.
        let _ = self.file.unlock();
    }

    fn fold_header_word(&self, word: usize, value: u64, fold: fn(u64, u64) -> u64) {
        if let Some(place) = self.map.words().get(word) {
            let old = u64::from_le(place.load(Ordering::Relaxed));
            place.store(fold(old, value).to_le(), Ordering::Relaxed);
        }
    }
}

/// A segment's file in a directory, by its name.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) core: u16,
    pub(crate) sequence: u64,
    pub(crate) path: PathBuf,
}

/// All segments of a directory, sorted by core and sequence.
pub(crate) fn list(directory: &Path) -> Result<Vec<Listed>, LogError> {
    list_suffixed(directory, SUFFIX)
}

/// Removes what a crash left of segments of this core in the making. Only for who holds its lock.
pub(crate) fn remove_unfinished(disk: &Disk, directory: &Path, core: u16) -> Result<(), LogError> {
    for listed in list_suffixed(directory, SUFFIX_NEW)? {
        if listed.core == core {
            disk.remove(&listed.path).map_err(io_error("remove", &listed.path))?;
        }
    }
    Ok(())
}

pub(crate) fn list_suffixed(directory: &Path, suffix: &str) -> Result<Vec<Listed>, LogError> {
    let failed = io_error("list", directory);
    let mut listed = Vec::new();
    for entry in fs::read_dir(directory).map_err(&failed)? {
        let entry = entry.map_err(&failed)?;
        let name = entry.file_name();
        if let Some((core, sequence)) = name.to_str().and_then(|name| parse_name(name, suffix)) {
            listed.push(Listed { core, sequence, path: entry.path() });
        }
    }
    listed.sort_by_key(|listed| (listed.core, listed.sequence));
    Ok(listed)
}

/// Opens a segment; `None` when it was deleted since it was listed.
pub(crate) fn open(path: &Path, write: bool) -> Result<Option<File>, LogError> {
    match OpenOptions::new().read(true).write(write).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error("open", path)(error)),
    }
}

/// The whole file, up to the largest size a segment may have.
pub(crate) fn read(file: &File, path: &Path, bytes_max: usize) -> Result<Vec<u8>, LogError> {
    let failed = io_error("read", path);
    let length = file.metadata().map_err(&failed)?.len();
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(bytes_max).min(bytes_max)];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Takes a core for as long as the file lives; `None` when somebody else has it.
pub(crate) fn lock_core(directory: &Path, core: u16) -> Result<Option<File>, LogError> {
    let path = directory.join(format!("core-{core:05}.lock"));
    let failed = io_error("lock", &path);
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(&failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

pub(crate) fn io_error(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> LogError {
    move |source| LogError::Io { doing, path: path.to_owned(), source }
}

pub(crate) fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

pub(crate) fn name(core: u16, sequence: u64, suffix: &str) -> String {
    format!("{}{suffix}", stem(core, sequence))
}

fn stem(core: u16, sequence: u64) -> String {
    format!("core-{core:05}-{sequence:020}")
}

fn parse_name(name: &str, suffix: &str) -> Option<(u16, u64)> {
    let (core, sequence) = name.strip_prefix("core-")?.strip_suffix(suffix)?.split_once('-')?;
    let (core, sequence) = (core.parse().ok()?, sequence.parse().ok()?);
    // One name for each segment: no signs, no missing zeros.
    (name.strip_suffix(suffix) == Some(&stem(core, sequence))).then_some((core, sequence))
}
