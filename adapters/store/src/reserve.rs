//! The file that takes severances when the ledger can't.
//!
//! All its blocks exist from the start, so writing a slot needs no space. A
//! slot is 24 bytes of header and the entry; the header's CRC-32 covers
//! everything after it, so a slot that a crash tore is known as torn.
//!
//! | bytes | what, little-endian |
//! | --- | --- |
//! | 4 | `RSV1`; zeros in a free slot |
//! | 4 | CRC-32 of all that follows, up to the entry's end |
//! | 4 | the slot's index |
//! | 4 | the entry's length |
//! | 8 | the entry's ordinal: entries are replayed in this order |
//!
//! Everything here **blocks**, on purpose: a severance is worth waiting for a
//! sync, and the reserve must work when nothing else does. Call it from a
//! thread that may block. On a copy-on-write file system a slot may need space
//! after all: keep this file on another one.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::files::Files;

/// How many slots [`ReserveFile::open`] is usually given.
pub const SLOTS: usize = 64;

/// How large a slot usually is.
pub const SLOT_BYTES: usize = 4_096;

const SLOT_MAGIC: [u8; 4] = *b"RSV1";
const FILE_MAGIC: [u8; 8] = *b"PCRSVF01";
const HEADER_BYTES: usize = 24;
const FILE_BYTES_MAX: usize = 64 << 20;

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(usize);

/// Why the reserve can't take or give an entry.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    #[error(
        "all `{slots}` slots of the reserve are taken\nhint: make the ledger writable, its replay frees them"
    )]
    Full { slots: usize },
    #[error("the entry has `{bytes}` bytes, a slot takes `{max}`")]
    TooLarge { bytes: usize, max: usize },
    #[error("a reserve of `{slots}` slots of `{slot_bytes}` bytes can't be made")]
    Size { slots: usize, slot_bytes: usize },
    #[error("`{}` is not a reserve of this version\nhint: look into it before moving it away: it may hold severances", path.display())]
    Foreign { path: PathBuf },
    #[error("the reserve has no slot `{slot}`")]
    NoSlot { slot: usize },
    #[error("`{}` can't be used", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// The preallocated file.
pub struct ReserveFile {
    files: Files,
    path: PathBuf,
    file: File,
    slot_bytes: usize,
    torn: Vec<Slot>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The ordinal of each taken slot.
    taken: Vec<Option<u64>>,
    next_ordinal: u64,
}

impl ReserveFile {
    /// Opens the file, or makes it with `slots` slots of `slot_bytes` each,
    /// every block written and synced. An existing file keeps its own sizes.
    ///
    /// # Errors
    /// [`ReserveError::Size`], [`ReserveError::Foreign`], [`ReserveError::Io`].
    pub fn open(path: impl Into<PathBuf>, slots: usize, slot_bytes: usize) -> Result<Self, ReserveError> {
        Self::open_with(Files::default(), path.into(), slots, slot_bytes)
    }

    fn open_with(files: Files, path: PathBuf, slots: usize, slot_bytes: usize) -> Result<Self, ReserveError> {
        let failed = |source| ReserveError::Io { path: path.clone(), source };
        let open = || OpenOptions::new().read(true).write(true).open(&path);
        let file = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if slots == 0
                    || slot_bytes < 2 * HEADER_BYTES
                    || slots.saturating_add(1).saturating_mul(slot_bytes) > FILE_BYTES_MAX
                {
                    return Err(ReserveError::Size { slots, slot_bytes });
                }
                create(&files, &path, slots, slot_bytes).and_then(|()| open()).map_err(failed)?
            }
            other => other.map_err(failed)?,
        };
        let (slots, slot_bytes) =
            geometry(&file).map_err(failed)?.ok_or_else(|| ReserveError::Foreign { path: path.clone() })?;
        let mut state = State { taken: vec![None; slots], next_ordinal: 0 };
        let mut torn = Vec::new();
        for (index, taken) in state.taken.iter_mut().enumerate() {
            match read_slot(&file, index, slot_bytes).map_err(failed)? {
                Content::Free => {}
                Content::Torn => torn.push(Slot(index)),
                Content::Entry { ordinal, .. } => {
                    *taken = Some(ordinal);
                    state.next_ordinal = state.next_ordinal.max(ordinal.saturating_add(1));
                }
            }
        }
        Ok(Self { files, path, file, slot_bytes, torn, state: Mutex::new(state) })
    }

    /// Slots that were neither free nor whole when the file was opened: their
    /// writing was cut off, so nobody was told that it succeeded. They count
    /// as free; whoever opens the file should log them.
    #[must_use]
    pub fn torn(&self) -> &[Slot] {
        &self.torn
    }

    /// The most bytes of an entry.
    #[must_use]
    pub fn entry_bytes_max(&self) -> usize {
        self.slot_bytes.saturating_sub(HEADER_BYTES)
    }

    /// Writes an entry into a free slot and returns once it is on the disk.
    ///
    /// # Errors
    /// [`ReserveError::Full`], [`ReserveError::TooLarge`], [`ReserveError::Io`].
    /// After the last the entry may still be found when the file is opened
    /// again, so replaying it must do no harm.
    pub fn put(&self, bytes: &[u8]) -> Result<Slot, ReserveError> {
        let too_large = || ReserveError::TooLarge { bytes: bytes.len(), max: self.entry_bytes_max() };
        if bytes.len() > self.entry_bytes_max() {
            return Err(too_large());
        }
        let length = u32::try_from(bytes.len()).map_err(|_| too_large())?;
        let mut state = self.state();
        let slots = state.taken.len();
        let index = state.taken.iter().position(Option::is_none).ok_or(ReserveError::Full { slots })?;
        let ordinal = state.next_ordinal;
        let record = encode(u32::try_from(index).unwrap_or(u32::MAX), length, ordinal, bytes);
        self.write(index, &record)?;
        state.next_ordinal += 1;
        if let Some(taken) = state.taken.get_mut(index) {
            *taken = Some(ordinal);
        }
        Ok(Slot(index))
    }

    /// Frees a slot, once its entry is in the ledger. Freeing it again does nothing.
    ///
    /// # Errors
    /// [`ReserveError::NoSlot`], [`ReserveError::Io`]; the slot then stays taken.
    pub fn clear(&self, slot: Slot) -> Result<(), ReserveError> {
        let mut state = self.state();
        let taken = state.taken.get_mut(slot.0).ok_or(ReserveError::NoSlot { slot: slot.0 })?;
        if taken.is_some() {
            self.write(slot.0, &[0; HEADER_BYTES])?;
            *taken = None;
        }
        Ok(())
    }

    /// All entries, in the order in which they were put.
    ///
    /// # Errors
    /// [`ReserveError::Io`].
    pub fn entries(&self) -> Result<Vec<(Slot, Vec<u8>)>, ReserveError> {
        let state = self.state();
        let mut entries = Vec::new();
        for (index, _) in state.taken.iter().enumerate().filter(|(_, taken)| taken.is_some()) {
            let content = read_slot(&self.file, index, self.slot_bytes).map_err(|e| self.failed(e))?;
            if let Content::Entry { ordinal, bytes } = content {
                entries.push((ordinal, Slot(index), bytes));
            }
        }
        entries.sort_by_key(|(ordinal, ..)| *ordinal);
        Ok(entries.into_iter().map(|(_, slot, bytes)| (slot, bytes)).collect())
    }

    fn write(&self, index: usize, record: &[u8]) -> Result<(), ReserveError> {
        // Whole, and again after a failed sync: the kernel then takes pages for clean that never got to the disk.
        self.files
            .write_all_at(&self.file, record, offset(index, self.slot_bytes))
            .and_then(|()| self.files.sync(&self.file))
            .map_err(|error| self.failed(error))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, source: io::Error) -> ReserveError {
        ReserveError::Io { path: self.path.clone(), source }
    }
}

/// The first slot's room is the file's header.
fn offset(index: usize, slot_bytes: usize) -> u64 {
    (index as u64 + 1) * slot_bytes as u64
}

/// Appears under its name only when whole.
fn create(files: &Files, path: &Path, slots: usize, slot_bytes: usize) -> io::Result<()> {
    let mut name = path.to_owned().into_os_string();
    name.push(".new");
    let temporary = PathBuf::from(name);
    let file = files.create(&temporary)?;
    let mut header = vec![0; slot_bytes];
    let fields = [FILE_MAGIC, (slots as u64).to_le_bytes(), (slot_bytes as u64).to_le_bytes()].concat();
    for (byte, field) in header.iter_mut().zip(fields) {
        *byte = field;
    }
    files.allocate(&file, offset(slots, slot_bytes))?;
    files.write_all_at(&file, &header, 0)?;
    for index in 0..slots {
        // Promised blocks may still need an extent split; written ones don't.
        files.write_all_at(&file, &vec![0; slot_bytes], offset(index, slot_bytes))?;
    }
    files.sync(&file)?;
    files.rename(&temporary, path)
}

/// The number of slots and their size, of a whole reserve of this version.
fn geometry(file: &File) -> io::Result<Option<(usize, usize)>> {
    let mut header = [0; 24];
    match file.read_exact_at(&mut header, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let (fields, _) = header.as_chunks::<8>();
    let &[magic, slots, slot_bytes] = fields else { return Ok(None) };
    let (slots, slot_bytes) = (u64::from_le_bytes(slots), u64::from_le_bytes(slot_bytes));
    let bytes = slots.checked_add(1).and_then(|all| all.checked_mul(slot_bytes));
    let whole = magic == FILE_MAGIC
        && slot_bytes >= 2 * HEADER_BYTES as u64
        && bytes == Some(file.metadata()?.len())
        && bytes <= Some(FILE_BYTES_MAX as u64);
    let sizes = usize::try_from(slots).ok().zip(usize::try_from(slot_bytes).ok());
    Ok(sizes.filter(|_| whole))
}

fn encode(index: u32, length: u32, ordinal: u64, bytes: &[u8]) -> Vec<u8> {
    let mut covered = Vec::with_capacity(HEADER_BYTES + bytes.len());
    covered.extend_from_slice(&index.to_le_bytes());
    covered.extend_from_slice(&length.to_le_bytes());
    covered.extend_from_slice(&ordinal.to_le_bytes());
    covered.extend_from_slice(bytes);
    [&SLOT_MAGIC, &crc32fast::hash(&covered).to_le_bytes(), covered.as_slice()].concat()
}

enum Content {
    Free,
    Torn,
    Entry { ordinal: u64, bytes: Vec<u8> },
}

fn read_slot(file: &File, index: usize, slot_bytes: usize) -> io::Result<Content> {
    let mut slot = vec![0; slot_bytes];
    file.read_exact_at(&mut slot, offset(index, slot_bytes))?;
    // A cleared slot keeps its old entry behind a header of zeros.
    if slot.iter().take(HEADER_BYTES).all(|&byte| byte == 0) {
        return Ok(Content::Free);
    }
    Ok(decode(&slot, index).unwrap_or(Content::Torn))
}

fn decode(slot: &[u8], index: usize) -> Option<Content> {
    let (magic, rest) = slot.split_first_chunk::<4>()?;
    let (crc, covered) = rest.split_first_chunk::<4>()?;
    let (found_index, rest) = covered.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (ordinal, entry) = rest.split_first_chunk::<8>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let bytes = entry.get(..length)?.to_vec();
    let covered = covered.get(..16 + length)?;
    let whole = *magic == SLOT_MAGIC
        && u32::from_le_bytes(*found_index) as usize == index
        && crc32fast::hash(covered) == u32::from_le_bytes(*crc);
    whole.then_some(Content::Entry { ordinal: u64::from_le_bytes(*ordinal), bytes })
}

#[cfg(test)]
mod tests;
