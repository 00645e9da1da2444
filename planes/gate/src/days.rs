//! What integrations have taken of their day's records, kept over restarts: one small file, a slot for each integration.
//!
//! A slot is written, into the kernel, before the records that it counts leave: the death of the process forgets none. The file
//! is synced each second, so a power loss may forget that much. A file that can't be read is kept aside, and said.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use portcullis_domain::ids::IntegrationId;
use portcullis_policy::day::DayBook;
use uuid::Uuid;

const FILE: &str = "days";
const MAGIC: [u8; 16] = *b"portcullis-days1";
/// Id, day, records, and a check over the three.
const SLOT_BYTES: usize = 40;
/// Integrations beyond these aren't kept, so their records don't leave.
const SLOTS_MAX: usize = 100_000;
/// Slots of days before these are given to others at the next start: a clock may be a day behind.
const DAYS_KEPT: i64 = 1;

/// The counts that an earlier process kept: day and records.
pub type Kept = HashMap<IntegrationId, (i64, u64)>;

/// The file in use.
#[derive(Debug)]
pub struct DayFile {
    file: File,
    /// The place of each integration's slot. Held while a slot gets its place, and no longer.
    places: Mutex<HashMap<IntegrationId, u64>>,
    unsynced: AtomicBool,
}

impl DayFile {
    /// Opens the file in `folder`, which exists, and reads what is kept in it for `today`.
    ///
    /// # Errors
    /// It can't be opened or written.
    pub fn open(folder: &Path, today: i64) -> io::Result<(Self, Kept)> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let path = folder.join(FILE);
        let mut kept = match fs::read(&path) {
            Ok(bytes) => read(&bytes).or_else(|| {
                let aside = path.with_extension("damaged");
                tracing::error!(path = %aside.display(), "what integrations have taken of this day can't be read: it is kept aside, and the day's ceilings begin anew");
                let _ = fs::rename(&path, aside);
                None
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        }
        .unwrap_or_default();
        kept.retain(|_, (day, _)| *day >= today - DAYS_KEPT);
        let mut bytes = MAGIC.to_vec();
        let mut places = HashMap::new();
        for (integration, (day, records)) in &kept {
            places.insert(*integration, bytes.len() as u64);
            bytes.extend(slot(*integration, *day, *records));
        }
        let beside = path.with_extension("new");
        fs::write(&beside, &bytes)?;
        fs::rename(&beside, &path)?;
        let file = File::options().write(true).mode(0o600).open(&path)?;
        file.sync_all()?;
        Ok((Self { file, places: Mutex::new(places), unsynced: AtomicBool::new(false) }, kept))
    }

    /// Brings to the disk what isn't there. **Blocks.**
    pub fn sync(&self) {
        if self.unsynced.swap(false, Ordering::SeqCst)
            && let Err(error) = self.file.sync_data()
        {
            self.unsynced.store(true, Ordering::SeqCst);
            tracing::warn!(%error, "what integrations have taken of this day can't be synced");
        }
    }

    fn place(&self, integration: IntegrationId) -> Option<u64> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get(&integration) {
            return Some(*place);
        }
        let slots = places.len();
        if slots >= SLOTS_MAX {
            return None;
        }
        let place = (MAGIC.len() + slots * SLOT_BYTES) as u64;
        places.insert(integration, place);
        Some(place)
    }
}

impl DayBook for DayFile {
    fn note(&self, integration: IntegrationId, day: i64, records: u64) -> bool {
        let Some(place) = self.place(integration) else { return false };
        let written = self.file.write_all_at(&slot(integration, day, records), place);
        self.unsynced.store(true, Ordering::SeqCst);
        if let Err(error) = &written {
            tracing::error!(%error, "what an integration takes of its day can't be kept, so it doesn't leave");
        }
        written.is_ok()
    }
}

fn slot(integration: IntegrationId, day: i64, records: u64) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    let words = [day.to_le_bytes(), records.to_le_bytes(), check(integration, day, records).to_le_bytes()];
    let (id, rest) = bytes.split_at_mut(16);
    id.copy_from_slice(integration.0.as_bytes());
    for (to, word) in rest.chunks_exact_mut(8).zip(words) {
        to.copy_from_slice(&word);
    }
    bytes
}

/// All slots; nothing if any isn't one.
fn read(bytes: &[u8]) -> Option<Kept> {
    let slots = bytes.strip_prefix(&MAGIC)?.chunks(SLOT_BYTES);
    slots
        .map(|slot| {
            let (id, rest) = slot.split_first_chunk::<16>()?;
            let mut words = rest.chunks(8).map(|word| <[u8; 8]>::try_from(word).ok());
            let day = i64::from_le_bytes(words.next()??);
            let records = u64::from_le_bytes(words.next()??);
            let checked = u64::from_le_bytes(words.next()??);
            let integration = IntegrationId(Uuid::from_bytes(*id));
            (checked == check(integration, day, records)).then_some((integration, (day, records)))
        })
        .collect()
}

/// FNV-1a: against damage, not against people, who could write the file as a whole.
fn check(integration: IntegrationId, day: i64, records: u64) -> u64 {
    let id = integration.0.as_u64_pair();
    [id.0, id.1, day.cast_unsigned(), records]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::*;

    fn id(number: u128) -> IntegrationId {
        IntegrationId(Uuid::from_u128(number))
    }

    #[test]
    fn what_was_noted_is_known_at_the_next_start_unless_its_day_is_long_over() {
        let folder = tempfile::tempdir().unwrap();
        let (file, kept) = DayFile::open(folder.path(), 100).unwrap();
        assert!(kept.is_empty());
        for (number, day, records) in [(1, 100, 5), (2, 97, 7), (1, 100, 9), (3, 99, 1)] {
            assert!(file.note(id(number), day, records));
        }
        file.sync();
        // Without a word at the end: the process was killed.
        drop(file);
        let (file, kept) = DayFile::open(folder.path(), 100).unwrap();
        assert_eq!(kept, HashMap::from([(id(1), (100, 9)), (id(3), (99, 1))]));
        assert!(file.note(id(4), 100, 2) && file.note(id(3), 100, 3));
        let (_, kept) = DayFile::open(folder.path(), 100).unwrap();
        assert_eq!(kept, HashMap::from([(id(1), (100, 9)), (id(3), (100, 3)), (id(4), (100, 2))]));
    }

    #[test]
    fn a_damaged_file_is_kept_aside() {
        let folder = tempfile::tempdir().unwrap();
        let (path, aside) = (folder.path().join(FILE), folder.path().join("days.damaged"));
        let (file, _) = DayFile::open(folder.path(), 100).unwrap();
        assert!(file.note(id(1), 100, 5));
        let whole = fs::read(&path).unwrap();
        assert_eq!(whole.len(), MAGIC.len() + SLOT_BYTES);
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            broken[at] ^= 1;
            assert_eq!(read(&broken), None, "{at}");
            assert!(at < MAGIC.len() || at == MAGIC.len() || read(&whole[..at]).is_none(), "{at}");
        }
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let (_, kept) = DayFile::open(folder.path(), 100).unwrap();
        assert!(kept.is_empty() && aside.exists());
    }
}
