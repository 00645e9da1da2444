//! A segment that vanishes is named, and nothing else is: over stops, crashes between any two steps, and sealing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use portcullis_decision_log::{
    Disk, Fault, Faults, Missing, Operation, Options, SegmentWriter, Syncer, acknowledge_missing, missing,
    survey, unsealed,
};

use crate::common::{NOW_MS, append, crash, id, journals, scan, segments, small, vendor, wait_until};

const MINUTE_MS: u64 = 60_000;

struct Log {
    writer: SegmentWriter,
    syncer: Syncer,
    at_ms: u64,
    number: u64,
}

impl Log {
    fn open(directory: &Path, at_ms: u64, options: Options) -> Self {
        let syncer = Syncer::start(directory, options).unwrap();
        let writer = SegmentWriter::open(&syncer, 0, at_ms).unwrap();
        Self { writer, syncer, at_ms, number: 0 }
    }

    /// A minute passes with each segment that is begun.
    fn fill(&mut self, segments: usize) {
        for _ in 0..segments {
            for _ in 0..21 {
                self.number += 1;
                let id = id(self.at_ms, self.number);
                self.writer.append(1, 1, id, vendor(1), &[0; 150], self.at_ms).unwrap();
            }
            self.at_ms += MINUTE_MS;
        }
    }

    fn close(self) {
        drop(self.writer);
        drop(self.syncer);
    }
}

fn named(directory: &Path) -> Vec<(u64, u64, Option<u64>)> {
    let found = missing(directory).unwrap();
    found
        .iter()
        .map(|missing| (missing.sequence, minutes(missing.since_ms), missing.until_ms.map(minutes)))
        .collect()
}

fn minutes(at_ms: u64) -> u64 {
    (at_ms - NOW_MS) / MINUTE_MS
}

fn path(directory: &Path, sequence: u64) -> PathBuf {
    directory.join(Missing { core: 0, sequence, since_ms: 0, until_ms: None }.file_name())
}

fn seal(directory: &Path, sequence: u64) {
    let all = unsealed(directory).unwrap();
    let segment = all.iter().find(|segment| segment.key.sequence == sequence).unwrap();
    assert!(segment.mark_sealed().unwrap());
}

/// What a start of the log names.
fn opened(directory: &Path) -> Vec<u64> {
    let log = Log::open(directory, NOW_MS + 600 * MINUTE_MS, small());
    let named = log.writer.missing().iter().map(|missing| missing.sequence).collect();
    log.close();
    named
}

#[test]
fn a_vanished_closed_segment_is_named_until_it_is_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = Log::open(directory.path(), NOW_MS, small());
    log.fill(6);
    log.syncer.sync().unwrap();
    let frames = scan(directory.path());
    let lost: Vec<_> = frames.iter().filter(|frame| frame.place.sequence == 2).collect();
    fs::remove_file(path(directory.path(), 2)).unwrap();
    // At once, from outside; and all that was in it was decided at that time.
    let [(2, since, Some(until))] = named(directory.path())[..] else {
        panic!("{:?}", named(directory.path()))
    };
    assert!(lost.iter().all(|frame| (since..=until).contains(&minutes(frame.id_ms()))) && lost.len() == 21);
    assert!((1..=2).contains(&since) && (3..=4).contains(&until), "{since} {until}");
    log.close();
    for _ in 0..3 {
        assert_eq!(opened(directory.path()), [2]);
        assert_eq!(named(directory.path()), [(2, since, Some(until))]);
        assert_eq!(survey(directory.path()).unwrap().missing, missing(directory.path()).unwrap());
    }
    let acknowledged = acknowledge_missing(directory.path()).unwrap();
    assert_eq!(acknowledged.iter().map(|missing| missing.sequence).collect::<Vec<_>>(), [2]);
    assert_eq!(acknowledge_missing(directory.path()).unwrap(), []);
    assert_eq!(opened(directory.path()), [0; 0]);
    // The others are watched over still.
    fs::remove_file(path(directory.path(), 3)).unwrap();
    assert_eq!(opened(directory.path()), [3]);
}

#[test]
fn a_vanished_active_segment_is_named_after_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = Log::open(directory.path(), NOW_MS, small());
    log.fill(2);
    append(&mut log.writer, id(NOW_MS, 99), b"the last one");
    let sequence = scan(directory.path()).iter().map(|frame| frame.place.sequence).max().unwrap();
    let copy = crash(directory.path());
    fs::remove_file(path(copy.path(), sequence)).unwrap();
    assert_eq!(opened(copy.path()), [sequence]);
    // Up to the time when it was noticed. Its name stays free for it.
    assert!(matches!(named(copy.path())[..], [(_, _, Some(600))]), "{:?}", named(copy.path()));
    assert_eq!(opened(copy.path()), [sequence]);
    // While it is written, too, and acknowledged then.
    fs::remove_file(path(directory.path(), sequence)).unwrap();
    assert_eq!(missing(directory.path()).unwrap().len(), 1);
    assert_eq!(acknowledge_missing(directory.path()).unwrap().len(), 1);
    assert_eq!(missing(directory.path()).unwrap(), []);
}

#[test]
fn what_was_sealed_or_never_used_is_not_missed() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = Log::open(directory.path(), NOW_MS, small());
    log.fill(5);
    log.syncer.sync().unwrap();
    // One goes by hand once it is sealed, the other by the log itself; a third can't be read and is set aside.
    seal(directory.path(), 0);
    let _ = fs::remove_file(path(directory.path(), 0));
    seal(directory.path(), 1);
    assert_eq!(named(directory.path()), []);
    let copy = crash(directory.path());
    log.close();
    assert_eq!(named(directory.path()), [], "the spare was removed");
    let active = scan(copy.path()).iter().map(|frame| frame.place.sequence).max().unwrap();
    let mut damaged = fs::read(path(copy.path(), active)).unwrap();
    damaged[0] = 0;
    fs::write(path(copy.path(), active), damaged).unwrap();
    let log = Log::open(copy.path(), NOW_MS, small());
    assert!(log.writer.recovered().len() >= 2, "the spare and what was set aside");
    assert_eq!(log.writer.missing(), []);
    wait_until(|| !path(copy.path(), 1).exists());
    assert_eq!(named(copy.path()), []);
    log.close();
    assert_eq!(opened(copy.path()), [0; 0]);
}

#[test]
fn a_directory_from_before_raises_no_alarm_and_is_watched_from_then_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = Log::open(directory.path(), NOW_MS, small());
    log.fill(4);
    log.close();
    fs::remove_file(&journals(directory.path())[0]).unwrap();
    seal(directory.path(), 0);
    fs::remove_file(path(directory.path(), 1)).unwrap();
    assert_eq!(named(directory.path()), []);
    assert_eq!(opened(directory.path()), [0; 0]);
    fs::remove_file(path(directory.path(), 2)).unwrap();
    assert_eq!(opened(directory.path()), [2]);
    assert_eq!(missing(directory.path().join("none")).unwrap(), []);
}

#[test]
fn a_journal_that_can_not_be_read_is_set_aside_and_recording_goes_on() {
    let made = tempfile::tempdir().unwrap();
    let mut log = Log::open(made.path(), NOW_MS, small());
    log.fill(2);
    log.close();
    let whole = fs::read(&journals(made.path())[0]).unwrap();
    let mut broken: Vec<Vec<u8>> = (0..whole.len()).map(|length| whole[..length].to_vec()).collect();
    broken.extend((0..whole.len()).map(|place| {
        let mut flipped = whole.clone();
        flipped[place] ^= 0x01;
        flipped
    }));
    let signed = |body: &str| format!("{body}crc32 {:08x}\n", crc32(body.as_bytes())).into_bytes();
    broken.push(vec![0xff; 1 << 10]);
    broken.push(signed("portcullis-segments 2\nmade 0 0\n"));
    broken.push(signed("portcullis-segments 1\nmade 18446744073709551616 0\n"));
    broken.push(signed("portcullis-segments 1\nmade -1 0\n"));
    broken.push(signed("portcullis-segments 1\nmissing 1 2\n"));
    broken.push(signed(&format!("portcullis-segments 1\n{}", "made 0 0\n".repeat(2 << 20))));
    let segments = segments(made.path());
    for bytes in broken {
        let copy = tempfile::tempdir().unwrap();
        for segment in &segments {
            fs::copy(segment, copy.path().join(segment.file_name().unwrap())).unwrap();
        }
        let journal = copy.path().join("core-00000.journal");
        fs::write(&journal, &bytes).unwrap();
        assert_eq!(missing(copy.path()).unwrap(), []);
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(100)]).into_owned();
        let mut log = Log::open(copy.path(), NOW_MS, small());
        assert_eq!(log.writer.missing(), [], "{shown}");
        append(&mut log.writer, id(NOW_MS, 99), b"goes on");
        let aside = survey(copy.path()).unwrap().set_aside;
        assert_eq!(aside, [journal.with_added_extension("damaged")], "{shown}");
        log.close();
        fs::remove_file(path(copy.path(), 1)).unwrap();
        assert_eq!(opened(copy.path()), [1], "{shown}");
    }
    // What says more than there can be is believed, and stops nothing.
    let extreme =
        signed("portcullis-segments 1\nmade 18446744073709551615 18446744073709551615\nmissing 0 9 1\n");
    fs::write(made.path().join("core-00000.journal"), extreme).unwrap();
    assert_eq!(opened(made.path()), [0, u64::MAX]);
    assert_eq!(opened(made.path()), [0, u64::MAX]);
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

/// Fails all that is done to journals.
struct NoJournal;

impl Faults for NoJournal {
    fn meet(&self, _: Operation, path: &Path) -> Option<Fault> {
        path.to_string_lossy().contains(".journal").then_some(Fault::Error(5))
    }
}

#[test]
fn a_journal_that_can_not_be_written_stops_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { disk: Disk::failing(Arc::new(NoJournal)), ..small() };
    let mut log = Log::open(directory.path(), NOW_MS, options.clone());
    log.fill(4);
    log.close();
    let mut log = Log::open(directory.path(), NOW_MS, options);
    log.fill(1);
    log.close();
    assert_eq!(scan(directory.path()).len(), 5 * 21);
    assert_eq!(opened(directory.path()), [0; 0]);
    fs::remove_file(path(directory.path(), 1)).unwrap();
    assert_eq!(opened(directory.path()), [1], "it is watched over since it could be written again");
}

/// Keeps what the next start would find, before each operation.
#[derive(Default)]
struct Snapshots {
    directory: Mutex<Option<PathBuf>>,
    kept: Mutex<Vec<(String, tempfile::TempDir)>>,
}

impl Snapshots {
    fn watch(&self, directory: Option<&Path>) {
        *self.directory.lock().unwrap() = directory.map(Path::to_owned);
    }

    fn keep(&self, before: String) {
        let directory = self.directory.lock().unwrap();
        let Some(directory) = directory.as_ref() else { return };
        self.kept.lock().unwrap().push((before, copy(directory)));
    }
}

impl Faults for Snapshots {
    fn meet(&self, operation: Operation, path: &Path) -> Option<Fault> {
        self.keep(format!("{operation:?} {}", path.display()));
        None
    }
}

fn copy(directory: &Path) -> tempfile::TempDir {
    let files = || {
        let file = |entry: std::io::Result<fs::DirEntry>| {
            let entry = entry.unwrap();
            // What is gone meanwhile has no length, and another listing won't have it.
            let found = entry.metadata().ok().map(|found| (found.len(), found.modified().unwrap()));
            (entry.file_name(), found)
        };
        let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(file).collect();
        files.sort();
        files
    };
    loop {
        let copy = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let before = files();
        let copied =
            before.iter().all(|(name, _)| fs::copy(directory.join(name), copy.path().join(name)).is_ok());
        // Another thread may have been in the middle of a step; at its next one it waits.
        if copied && before == files() {
            return copy;
        }
    }
}

/// Segments with decisions that are in no sealed file.
fn with_decisions(directory: &Path) -> BTreeMap<u64, PathBuf> {
    let mut found = BTreeMap::new();
    for segment in unsealed(directory).unwrap() {
        let mut frames = 0;
        segment.visit(|_| frames += 1).unwrap();
        if frames > 0 {
            found.insert(segment.key.sequence, segment.path.clone());
        }
    }
    found
}

#[test]
fn a_crash_between_any_two_steps_raises_no_false_alarm_and_hides_no_true_one() {
    let directory = tempfile::tempdir().unwrap();
    let snapshots = Arc::new(Snapshots::default());
    snapshots.watch(Some(directory.path()));
    let disk = Disk::failing(Arc::clone(&snapshots) as Arc<dyn Faults>);
    // Room for six: the sealed ones are deleted for others.
    let options = Options { bytes_max: 6 * 4096, disk, ..small() };
    let mut log = Log::open(directory.path(), NOW_MS, options.clone());
    log.fill(4);
    log.syncer.sync().unwrap();
    for sequence in [0, 1, 2] {
        // Between line and mark it is sealed, and doesn't look it: that is looked at apart.
        snapshots.watch(None);
        let before = copy(directory.path());
        seal(directory.path(), sequence);
        // The line is written, the mark not yet.
        for journal in journals(directory.path()) {
            fs::copy(&journal, before.path().join(journal.file_name().unwrap())).unwrap();
        }
        assert_eq!(opened(before.path()), [0; 0]);
        snapshots.watch(Some(directory.path()));
        snapshots.keep(format!("{sequence} is sealed"));
    }
    log.fill(3);
    // Killed: an empty segment is removed at the next start, and one that can't be read set aside.
    let killed = copy(directory.path());
    snapshots.watch(Some(killed.path()));
    log.close();
    let last = *with_decisions(killed.path()).last_key_value().unwrap().0;
    let mut damaged = fs::read(path(killed.path(), last)).unwrap();
    damaged[0] = 0;
    fs::write(path(killed.path(), last), damaged).unwrap();
    let mut log = Log::open(killed.path(), NOW_MS + 60 * MINUTE_MS, options);
    log.fill(1);
    log.close();
    let kept = std::mem::take(&mut *snapshots.kept.lock().unwrap());
    assert!(kept.len() > 60, "{}", kept.len());
    assert!(kept.iter().any(|(before, _)| before.starts_with("Remove") && before.ends_with("0.segment")));
    for (before, snapshot) in &kept {
        let directory = snapshot.path();
        assert_eq!(named(directory), [], "before {before}");
        assert_eq!(opened(copy(directory).path()), [0; 0], "before {before}");
        for (sequence, path) in with_decisions(directory) {
            let without = copy(directory);
            fs::remove_file(without.path().join(path.file_name().unwrap())).unwrap();
            assert_eq!(opened(without.path()), [sequence], "{sequence} before {before}");
        }
    }
}

/// Looking takes no lock: it must never take a segment that goes as it should for a missing one.
#[test]
fn who_looks_while_segments_come_and_go_sees_none_missing() {
    let directory = tempfile::tempdir().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let (place, stopped) = (directory.path().to_owned(), Arc::clone(&stop));
    let looks = std::thread::spawn(move || {
        let mut looks = 0_u64;
        while !stopped.load(Ordering::SeqCst) {
            assert_eq!(missing(&place).unwrap(), []);
            looks += 1;
        }
        looks
    });
    let mut log = Log::open(directory.path(), NOW_MS, Options { bytes_max: 8 * 4096, ..small() });
    for _ in 0..100 {
        log.fill(1);
        log.syncer.sync().unwrap();
        for segment in unsealed(directory.path()).unwrap() {
            segment.mark_sealed().unwrap();
        }
    }
    log.close();
    stop.store(true, Ordering::SeqCst);
    assert!(looks.join().unwrap() > 20);
}
