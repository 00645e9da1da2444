use std::fs;

use super::*;

fn open(path: &Path) -> ReserveFile {
    ReserveFile::open(path, 4, 128).unwrap()
}

fn texts(reserve: &ReserveFile) -> Vec<String> {
    let entries = reserve.entries().unwrap();
    entries.into_iter().map(|(_, bytes)| String::from_utf8(bytes).unwrap()).collect()
}

#[test]
fn entries_come_back_in_their_order_after_reopening() {
    let world = tempfile::tempdir().unwrap();
    let path = world.path().join("reserve");
    let reserve = open(&path);
    let first = reserve.put(b"one").unwrap();
    reserve.put(b"two").unwrap();
    reserve.clear(first).unwrap();
    reserve.clear(first).unwrap();
    // Takes the first slot again, but comes last.
    assert_eq!(reserve.put(b"three").unwrap(), first);
    reserve.put(b"").unwrap();
    assert_eq!(texts(&reserve), ["two", "three", ""]);
    drop(reserve);
    let reserve = open(&path);
    assert_eq!(texts(&reserve), ["two", "three", ""]);
    reserve.put(b"four").unwrap();
    assert_eq!(texts(&reserve), ["two", "three", "", "four"]);
    assert!(reserve.torn().is_empty());
}

#[test]
fn limits_are_told() {
    let world = tempfile::tempdir().unwrap();
    let reserve = open(&world.path().join("reserve"));
    assert_eq!(reserve.entry_bytes_max(), 104);
    assert!(matches!(reserve.put(&[1; 105]), Err(ReserveError::TooLarge { bytes: 105, max: 104 })));
    for _ in 0..4 {
        reserve.put(&[1; 104]).unwrap();
    }
    assert!(matches!(reserve.put(b"x"), Err(ReserveError::Full { slots: 4 })));
    assert!(matches!(reserve.clear(Slot(4)), Err(ReserveError::NoSlot { slot: 4 })));
    for (slots, slot_bytes) in [(0, 4_096), (4, 24), (usize::MAX, 4_096), (1 << 20, 4_096)] {
        let made = ReserveFile::open(world.path().join("other"), slots, slot_bytes);
        assert!(matches!(made, Err(ReserveError::Size { .. })));
    }
}

#[test]
fn torn_slots_are_skipped_reported_and_used_again() {
    let world = tempfile::tempdir().unwrap();
    let path = world.path().join("reserve");
    // Each place within the record, cut off or changed.
    for place in 0..HEADER_BYTES + 9 {
        let _ = fs::remove_file(&path);
        let reserve = open(&path);
        reserve.put(b"kept").unwrap();
        reserve.put(b"torn away").unwrap();
        let place = offset(1, 128) + place as u64;
        let mut byte = [0];
        reserve.file.read_exact_at(&mut byte, place).unwrap();
        reserve.file.write_all_at(&[byte[0] ^ 0x40], place).unwrap();
        drop(reserve);
        let reserve = open(&path);
        assert_eq!(reserve.torn(), [Slot(1)], "byte {place}");
        assert_eq!(texts(&reserve), ["kept"]);
        assert_eq!(reserve.put(b"again").unwrap(), Slot(1));
        assert_eq!(texts(&reserve), ["kept", "again"]);
    }
}

#[test]
fn every_block_exists_from_the_start() {
    use std::os::unix::fs::MetadataExt as _;
    let world = tempfile::tempdir().unwrap();
    let path = world.path().join("reserve");
    ReserveFile::open(&path, SLOTS, SLOT_BYTES).unwrap();
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!(metadata.len(), (SLOTS as u64 + 1) * SLOT_BYTES as u64);
    assert!(metadata.blocks() * 512 >= metadata.len());
    assert_eq!(metadata.mode() & 0o777, 0o600);
}

#[test]
fn foreign_and_cut_files_are_refused_and_kept() {
    let world = tempfile::tempdir().unwrap();
    let path = world.path().join("reserve");
    for content in [b"".as_slice(), b"something else entirely, 40 bytes long!!"] {
        fs::write(&path, content).unwrap();
        assert!(matches!(ReserveFile::open(&path, 4, 128), Err(ReserveError::Foreign { .. })));
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    fs::remove_file(&path).unwrap();
    drop(open(&path));
    OpenOptions::new().write(true).open(&path).unwrap().set_len(300).unwrap();
    assert!(matches!(ReserveFile::open(&path, 4, 128), Err(ReserveError::Foreign { .. })));
}

mod failures {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::files::{Fault, Step};

    const ENOSPC: i32 = 28;
    const EIO: i32 = 5;

    /// Fails the `fails_at`th operation, a write in its middle, and all that follow; counts them.
    fn from_the(fails_at: usize, number: i32) -> (Files, Arc<AtomicUsize>) {
        let met = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&met);
        let plan = move |step| {
            let now = counted.fetch_add(1, Ordering::SeqCst);
            match step {
                _ if now < fails_at => None,
                Step::Write { bytes, .. } if now == fails_at => Some(Fault::Short(bytes / 2)),
                _ => Some(Fault::Error(number)),
            }
        };
        (Files { plan: Some(Arc::new(plan)) }, met)
    }

    #[test]
    fn a_reserve_that_can_not_be_made_whole_is_not_there_and_is_made_at_the_next_start() {
        // Its file, its blocks, header and four slots, a sync, its name, the name's sync.
        for fails_at in 0..10 {
            for number in [ENOSPC, EIO] {
                let world = tempfile::tempdir().unwrap();
                let path = world.path().join("reserve");
                let (files, _) = from_the(fails_at, number);
                let made = ReserveFile::open_with(files, path.clone(), 4, 128);
                assert!(matches!(made, Err(ReserveError::Io { .. })), "{fails_at}");
                assert_eq!(path.exists(), fails_at == 9, "{fails_at}: only its name's sync came after");
                let reserve = open(&path);
                assert_eq!((reserve.torn(), texts(&reserve)), (&[][..], Vec::new()), "{fails_at}");
            }
        }
        let world = tempfile::tempdir().unwrap();
        let (files, met) = from_the(usize::MAX, EIO);
        ReserveFile::open_with(files, world.path().join("reserve"), 4, 128).unwrap();
        assert_eq!(met.load(Ordering::SeqCst), 10, "each of them failed once above");
    }

    #[test]
    fn an_entry_is_whole_or_refused_and_the_others_stay() {
        for fails_at in 0..3 {
            let world = tempfile::tempdir().unwrap();
            let path = world.path().join("reserve");
            open(&path).put(b"kept").unwrap();
            // A write, its rest, a sync.
            let (files, _) = from_the(fails_at, EIO);
            let reserve = ReserveFile::open_with(files, path.clone(), 4, 128).unwrap();
            let put = reserve.put(b"refused, or whole");
            assert_eq!(put.is_ok(), fails_at == 2, "{fails_at}: {put:?}");
            drop(reserve);
            let reserve = open(&path);
            match texts(&reserve).as_slice() {
                [kept] => assert_eq!(kept, "kept"),
                // The sync failed: it may be there all the same.
                [kept, other] => assert_eq!((kept.as_str(), other.as_str()), ("kept", "refused, or whole")),
                other => panic!("{fails_at}: {other:?}"),
            }
            assert_eq!(reserve.torn().len(), usize::from(fails_at == 0), "{fails_at}");
        }
    }

    #[test]
    fn short_writes_are_continued() {
        let world = tempfile::tempdir().unwrap();
        let path = world.path().join("reserve");
        let plan = |step| matches!(step, Step::Write { .. }).then_some(Fault::Short(1));
        let files = Files { plan: Some(Arc::new(plan)) };
        let reserve = ReserveFile::open_with(files, path.clone(), 4, 128).unwrap();
        let slot = reserve.put(b"byte by byte").unwrap();
        reserve.put(b"the other").unwrap();
        reserve.clear(slot).unwrap();
        assert_eq!(texts(&open(&path)), ["the other"]);
    }

    /// After a failed sync the kernel takes the pages for clean: only bytes that are written anew reach the disk.
    #[test]
    fn after_a_failed_sync_the_whole_entry_is_written_again() {
        let world = tempfile::tempdir().unwrap();
        let path = world.path().join("reserve");
        open(&path);
        let written = Arc::new(Mutex::new(Vec::new()));
        let (seen, syncs) = (Arc::clone(&written), AtomicUsize::new(0));
        let plan = move |step| {
            match step {
                Step::Write { offset_bytes, bytes } => seen.lock().unwrap().push((offset_bytes, bytes)),
                Step::Sync if syncs.fetch_add(1, Ordering::SeqCst) == 0 => return Some(Fault::Error(EIO)),
                _ => {}
            }
            None
        };
        let files = Files { plan: Some(Arc::new(plan)) };
        let reserve = ReserveFile::open_with(files, path.clone(), 4, 128).unwrap();
        assert!(reserve.put(b"severed").is_err());
        reserve.put(b"severed").unwrap();
        assert_eq!(*written.lock().unwrap(), [(128, HEADER_BYTES + 7); 2]);
        assert_eq!(texts(&open(&path)), ["severed"]);
    }
}
