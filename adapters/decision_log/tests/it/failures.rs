//! Single operations on files that fail: a decision is recorded whole or refused, and what was recorded stays.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use portcullis_decision_log::{
    AppendError, Disk, Fault, Faults, LogError, Operation, Options, SegmentWriter, Syncer, recover,
};

use crate::common::{NOW_MS, append, id, scan, segments, small, vendor, wait_until};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;
const EOPNOTSUPP: i32 = 95;

type Decide = dyn FnMut(Operation, &Path) -> Option<Fault> + Send;

/// Asks a closure, which the test may change.
struct Plan(Mutex<Box<Decide>>);

impl Plan {
    fn new(decide: impl FnMut(Operation, &Path) -> Option<Fault> + Send + 'static) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Box::new(decide))))
    }

    fn change(&self, decide: impl FnMut(Operation, &Path) -> Option<Fault> + Send + 'static) {
        *self.0.lock().unwrap() = Box::new(decide);
    }
}

impl Faults for Plan {
    fn meet(&self, operation: Operation, path: &Path) -> Option<Fault> {
        (self.0.lock().unwrap())(operation, path)
    }
}

fn options(plan: &Arc<Plan>) -> Options {
    Options { disk: Disk::failing(Arc::clone(plan) as Arc<dyn Faults>), ..small() }
}

fn kind(operation: Operation) -> Operation {
    match operation {
        Operation::Write { .. } => Operation::Write { offset_bytes: 0, bytes: 0 },
        Operation::SyncMapped { .. } => Operation::SyncMapped { offset_bytes: 0, bytes: 0 },
        other => other,
    }
}

const WRITE: Operation = Operation::Write { offset_bytes: 0, bytes: 0 };
const SYNC_MAPPED: Operation = Operation::SyncMapped { offset_bytes: 0, bytes: 0 };

/// Fails every operation of one kind on files whose name ends so.
fn every(
    failing: Operation,
    suffix: &'static str,
    number: i32,
) -> impl FnMut(Operation, &Path) -> Option<Fault> {
    move |operation, path| {
        let meant = kind(operation) == failing && path.to_string_lossy().ends_with(suffix);
        meant.then_some(Fault::Error(number))
    }
}

#[test]
fn a_segment_that_can_not_be_made_refuses_the_decision_and_leaves_nothing() {
    for (failing, suffix) in [
        (Operation::Create, ".new"),
        (Operation::Allocate, ".new"),
        (WRITE, ".new"),
        (Operation::Sync, ".new"),
        (Operation::Rename, ".new"),
        (Operation::SyncDirectory, ""),
    ] {
        for number in [EIO, ENOSPC, EROFS] {
            let directory = tempfile::tempdir().unwrap();
            let directories = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&directories);
            let plan = Plan::new(move |operation, _| {
                counted.fetch_add(usize::from(operation == Operation::SyncDirectory), Ordering::SeqCst);
                None
            });
            let syncer = Syncer::start(directory.path(), options(&plan)).unwrap();
            let mut writer = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
            // The directory itself, the active segment and its line, and the prepared one's at its last step.
            wait_until(|| directories.load(Ordering::SeqCst) == 5);
            plan.change(every(failing, suffix, number));
            let mut recorded = 0;
            // The active segment and the prepared one are there already.
            let error = loop {
                match writer.append(1, 1, id(NOW_MS, recorded), vendor(1), &[0; 150], NOW_MS) {
                    Ok(()) => recorded += 1,
                    Err(error) => break error,
                }
                assert!(recorded <= 42, "{failing:?}");
            };
            assert_eq!(recorded, 42, "{failing:?}");
            match error {
                AppendError::NoSpace => assert_eq!(number, ENOSPC, "{failing:?}"),
                AppendError::Io(error) => assert_eq!(error.raw_os_error(), Some(number), "{failing:?}"),
                other => panic!("{other:?}"),
            }
            let opened = SegmentWriter::open(&syncer, 1, NOW_MS);
            assert!(matches!(opened, Err(LogError::NoSpace { .. } | LogError::Io { .. })), "{failing:?}");
            // The thread may be trying, too.
            wait_until(|| {
                let mut names = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path());
                !names.any(|path| path.extension().is_some_and(|end| end == "new"))
            });
            assert_eq!(scan(directory.path()).len(), 42, "{failing:?}");

            // No restart: the next one finds the disk well again.
            plan.change(|_, _| None);
            append(&mut writer, id(NOW_MS, 99), &[0; 150]);
            drop(writer);
            assert_eq!(scan(directory.path()).len(), 43, "{failing:?}");
            recover(directory.path()).unwrap();
            assert_eq!(scan(directory.path()).len(), 43, "{failing:?}");
        }
    }
}

#[test]
fn short_writes_are_continued() {
    let directory = tempfile::tempdir().unwrap();
    // No blocks can be promised, so the zeros are written too, in parts that fit no boundary.
    let plan = Plan::new(|operation, _| match operation {
        Operation::Allocate => Some(Fault::Error(EOPNOTSUPP)),
        Operation::Write { bytes, .. } => Some(Fault::Short((bytes / 3).max(1))),
        _ => None,
    });
    let syncer = Syncer::start(directory.path(), options(&plan)).unwrap();
    let mut writer = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
    append(&mut writer, id(NOW_MS, 0), b"whole");
    assert_eq!(scan(directory.path())[0].payload, b"whole");
    drop(writer);
    assert_eq!(fs::metadata(&segments(directory.path())[0]).unwrap().len(), 4096);
}

/// A mapped page without a block behind it would be a SIGBUS on a full disk.
#[test]
fn every_page_has_its_block_before_it_is_mapped() {
    for promise in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let plan = Plan::new(move |operation, _| {
            (operation == Operation::Allocate && !promise).then_some(Fault::Error(EOPNOTSUPP))
        });
        let options = Options { segment_bytes: 1 << 20, ..options(&plan) };
        let syncer = Syncer::start(directory.path(), options).unwrap();
        let _writer = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
        let metadata = fs::metadata(&segments(directory.path())[0]).unwrap();
        assert_eq!(metadata.len(), 1 << 20);
        assert!(metadata.blocks() * 512 >= metadata.len(), "{} blocks", metadata.blocks());
    }
}

#[test]
fn zeros_that_can_not_all_be_written_are_no_segment() {
    let directory = tempfile::tempdir().unwrap();
    // The disk fills in the middle of the zeros, and in the middle of a write.
    let plan = Plan::new(|operation, _| match operation {
        Operation::Allocate => Some(Fault::Error(EOPNOTSUPP)),
        Operation::Write { offset_bytes: 0..2000, .. } => Some(Fault::Short(1000)),
        Operation::Write { .. } => Some(Fault::Error(ENOSPC)),
        _ => None,
    });
    let syncer = Syncer::start(directory.path(), options(&plan)).unwrap();
    let opened = SegmentWriter::open(&syncer, 0, NOW_MS);
    assert!(matches!(opened, Err(LogError::NoSpace { .. })), "{:?}", opened.err());
    assert_eq!(segments(directory.path()).len(), 0);
}

#[test]
fn after_a_failed_sync_the_core_records_nothing_until_it_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let plan = Plan::new(|_, _| None);
    let syncer = Syncer::start(directory.path(), options(&plan)).unwrap();
    let mut writer = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
    let mut other = SegmentWriter::open(&syncer, 1, NOW_MS).unwrap();
    append(&mut writer, id(NOW_MS, 0), b"synced");
    syncer.sync().unwrap();
    plan.change(every(SYNC_MAPPED, "core-00000-00000000000000000000.segment", EIO));
    append(&mut writer, id(NOW_MS, 1), b"in the kernel only");
    assert!(matches!(syncer.sync(), Err(AppendError::Io(_))));
    // The disk seems well again: it isn't believed.
    plan.change(|_, _| None);
    for _ in 0..3 {
        assert!(syncer.sync().is_err());
        let refused = writer.append(1, 1, id(NOW_MS, 2), vendor(1), b"", NOW_MS);
        assert!(matches!(refused, Err(AppendError::Io(_))), "{refused:?}");
    }
    // The other core's segments are other files.
    append(&mut other, id(NOW_MS, 3), b"other");

    drop(writer);
    let mut writer = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
    let recovered: Vec<_> =
        writer.recovered().iter().map(|recovered| (recovered.frames, recovered.cut)).collect();
    assert_eq!(recovered, [(2, None)], "it was never called closed");
    append(&mut writer, id(NOW_MS, 4), b"again");
    syncer.sync().unwrap();
    assert_eq!(scan(directory.path()).len(), 4);
}

/// The same where the segment was full: the failure comes when it is closed, and while the next is in use.
#[test]
fn a_full_segment_whose_sync_fails_is_not_closed() {
    let directory = tempfile::tempdir().unwrap();
    let first = "core-00000-00000000000000000000.segment";
    let plan = Plan::new(every(SYNC_MAPPED, first, EIO));
    let syncer = Syncer::start(directory.path(), options(&plan)).unwrap();
    let mut writer = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
    let mut recorded = 0;
    while writer.append(1, 1, id(NOW_MS, recorded), vendor(1), &[0; 150], NOW_MS).is_ok() {
        recorded += 1;
        assert!(recorded < 10_000);
    }
    plan.change(|_, _| None);
    drop(writer);
    let recovered = recover(directory.path()).unwrap();
    assert!(recovered.iter().any(|recovered| recovered.path.ends_with(first)), "{recovered:?}");
    assert_eq!(scan(directory.path()).len() as u64, recorded);
}

/// Recovery is tried again at the next start, wherever it failed, and finds the same.
#[test]
fn a_recovery_that_fails_anywhere_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let syncer = Syncer::start(directory.path(), small()).unwrap();
    let mut writer = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
    for number in 0..3 {
        append(&mut writer, id(NOW_MS, number), b"kept");
    }
    let mut torn = fs::read(&segments(directory.path())[0]).unwrap();
    torn[64 + 3 * 48..][..5].copy_from_slice(b"start");
    let mut failed_at = Vec::new();
    for fails_at in 0_usize.. {
        let copy = tempfile::tempdir().unwrap();
        fs::write(copy.path().join("core-00000-00000000000000000000.segment"), &torn).unwrap();
        let mut met = 0;
        let plan = Plan::new(move |operation, path| {
            let in_recovery = path.to_string_lossy().ends_with("0.segment")
                && matches!(operation, Operation::Write { .. } | Operation::Sync);
            met += usize::from(in_recovery);
            // Writes fail in their middle.
            match operation {
                _ if !in_recovery || met <= fails_at => None,
                Operation::Write { bytes, .. } if met == fails_at + 1 => Some(Fault::Short(bytes / 2)),
                _ => Some(Fault::Error(EIO)),
            }
        });
        let syncer = Syncer::start(copy.path(), options(&plan)).unwrap();
        let opened = SegmentWriter::open(&syncer, 0, NOW_MS);
        let Err(error) = opened else {
            assert_eq!(
                failed_at.len(),
                5,
                "kept frames, the torn end, a sync, the header, a sync: {failed_at:?}"
            );
            break;
        };
        assert!(matches!(error, LogError::Io { doing: "recover", .. }), "{error:?}");
        failed_at.push(fails_at);
        drop(syncer);
        recover(copy.path()).unwrap();
        assert_eq!(scan(copy.path()).len(), 3, "{fails_at}");
    }
}

#[test]
fn a_disk_that_takes_no_writes_stops_the_start_with_a_word() {
    let directory = tempfile::tempdir().unwrap();
    let plan = Plan::new(|operation, _| (operation == Operation::Create).then_some(Fault::Error(EROFS)));
    let syncer = Syncer::start(directory.path(), options(&plan)).unwrap();
    match SegmentWriter::open(&syncer, 0, NOW_MS) {
        Err(LogError::Io { source, .. }) => assert_eq!(source.kind(), io::ErrorKind::ReadOnlyFilesystem),
        other => panic!("{:?}", other.err()),
    }
}
