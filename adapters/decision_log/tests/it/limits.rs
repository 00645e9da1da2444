use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use portcullis_decision_log::{AppendError, LogError, Options, SegmentWriter, Syncer, unsealed};

use crate::common::{NOW_MS, append, crash, id, scan, segments, small, vendor, wait_until};

#[test]
fn a_spent_share_closes_that_vendor_only_and_comes_back_with_room() {
    let directory = tempfile::tempdir().unwrap();
    // Six segments, of which one vendor may take about one.
    let options = Options { bytes_max: 6 * 4096, vendor_bytes_max: 4000, ..small() };
    let syncer = Syncer::start(directory.path(), options).unwrap();
    let mut writer = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
    let mut number = 0;
    let mut append = |writer: &mut SegmentWriter, vendor| {
        number += 1;
        writer.append(1, 1, id(NOW_MS, number), vendor, &[0; 150], NOW_MS)
    };
    for _ in 0..20 {
        append(&mut writer, vendor(1)).unwrap();
    }
    let spent = append(&mut writer, vendor(1));
    assert!(matches!(spent, Err(AppendError::VendorShareSpent { bytes_max: 4000 })), "{spent:?}");
    append(&mut writer, vendor(2)).unwrap();

    // The share is counted again when the log is opened.
    drop(writer);
    let mut writer = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
    assert!(append(&mut writer, vendor(1)).is_err());
    append(&mut writer, vendor(2)).unwrap();

    // Others fill the log; when the oldest segment is sealed it goes, and with it what the vendor had spent.
    for _ in 0..200 {
        if append(&mut writer, [0; 16]).is_err() {
            seal(directory.path());
            append(&mut writer, [0; 16]).unwrap();
        }
    }
    // The share is back as soon as the segment is gone.
    wait_until(|| {
        seal(directory.path());
        append(&mut writer, vendor(1)).is_ok()
    });
}

/// Says that all closed segments are in sealed files.
fn seal(directory: &Path) -> usize {
    let all = unsealed(directory).unwrap();
    all.iter().filter(|segment| segment.mark_sealed().unwrap()).count()
}

#[test]
fn what_is_not_sealed_is_never_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let syncer = Syncer::start(directory.path(), Options { bytes_max: 4 * 4096, ..small() }).unwrap();
    let mut writer = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
    let mut recorded = 0;
    let refused = loop {
        match writer.append(1, 1, id(NOW_MS, recorded), vendor(1), &[0; 150], NOW_MS) {
            Ok(()) => recorded += 1,
            Err(error) => break error,
        }
        assert!(recorded < 1_000);
    };
    assert!(matches!(refused, AppendError::NoSpace), "{refused:?}");
    assert_eq!(scan(directory.path()).len() as u64, recorded);
    syncer.sync().unwrap();
    let sealed = seal(directory.path());
    assert!(sealed > 0);
    // Readers pass over what is sealed, and there is room for more.
    let left = scan(directory.path()).len() as u64;
    assert!(left < recorded, "{left} of {recorded}");
    writer.append(1, 1, id(NOW_MS, recorded), vendor(1), &[0; 150], NOW_MS).unwrap();
    assert!(!segments(directory.path()).is_empty());
}

#[test]
fn each_hour_begins_a_segment() {
    let directory = tempfile::tempdir().unwrap();
    let syncer = Syncer::start(directory.path(), small()).unwrap();
    let mut writer = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
    let hour_ms = 3_600_000;
    let mut appended = 0;
    append_at(&mut writer, id(NOW_MS, 0), NOW_MS);
    // A clock that goes back begins one too, and loses nothing.
    for (turn, at_ms) in [NOW_MS + hour_ms, NOW_MS + 2 * hour_ms, NOW_MS].into_iter().enumerate() {
        wait_until(|| {
            // Where the next segment isn't ready yet, the old one does.
            appended += 1;
            append_at(&mut writer, id(at_ms, appended), at_ms);
            segments(directory.path()).len() == turn + 3
        });
    }
    let counts: Vec<_> = unsealed(directory.path())
        .unwrap()
        .iter()
        .map(|segment| {
            let mut frames = 0;
            segment.visit(|_| frames += 1).unwrap();
            frames
        })
        .collect();
    assert!(counts.iter().filter(|frames| **frames > 0).count() >= 4, "{counts:?}");
    assert_eq!(counts.iter().sum::<u64>(), appended + 1);
}

fn append_at(writer: &mut SegmentWriter, id: [u8; 16], now_ms: u64) {
    writer.append(1, 1, id, vendor(1), b"x", now_ms).unwrap();
}

#[test]
fn the_oldest_sealed_segments_go_first_and_never_an_active_one() {
    let directory = tempfile::tempdir().unwrap();
    let bytes_max = 8 * 4096;
    let options = Options { bytes_max, ..small() };
    let syncer = Syncer::start(directory.path(), options).unwrap();
    let mut idle = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
    append(&mut idle, id(NOW_MS, 0), b"oldest, but its segment is active");
    let mut busy = SegmentWriter::open(&syncer, 1, NOW_MS).unwrap();
    for number in 1..1_000 {
        let mut more =
            || busy.append(1, 1, id(NOW_MS + number, number), vendor(1), &[0; 150], NOW_MS + number);
        if more().is_err() {
            assert!(seal_oldest(directory.path()));
            more().unwrap();
        }
        let bytes: u64 = segments(directory.path())
            .iter()
            .map(|path| std::fs::metadata(path).map_or(0, |data| data.len()))
            .sum();
        assert!(bytes <= bytes_max);
    }
    let kept: BTreeSet<_> = scan(directory.path()).iter().map(|frame| frame.id_ms() - NOW_MS).collect();
    assert!(kept.contains(&0));
    let first = *kept.iter().nth(1).unwrap();
    assert!(first > 800, "{first}");
    assert!(kept.iter().skip(1).copied().eq(first..1_000), "only the oldest are missing");
}

fn seal_oldest(directory: &Path) -> bool {
    unsealed(directory).unwrap().iter().any(|segment| segment.mark_sealed().unwrap())
}

/// A segment is as large for one decision as for thousands: what it doesn't use goes back.
#[test]
fn restarts_do_not_push_the_history_over_the_limit() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { bytes_max: 4 * 4096, ..small() };
    for start in 0..30 {
        let syncer = Syncer::start(directory.path(), options.clone()).unwrap();
        let mut writer = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
        append(&mut writer, id(NOW_MS, start), &[0; 150]);
        // Every other process dies.
        if start % 2 == 0 {
            let copy = crash(directory.path());
            drop(writer);
            drop(syncer);
            for path in segments(copy.path()) {
                std::fs::copy(&path, directory.path().join(path.file_name().unwrap())).unwrap();
            }
        }
    }
    let kept: Vec<_> = scan(directory.path()).iter().map(|frame| frame.id[15]).collect();
    assert_eq!(kept, (0..30).collect::<Vec<_>>());
}

#[test]
fn without_anything_to_delete_it_is_full_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let syncer = Syncer::start(directory.path(), Options { bytes_max: 2 * 4096, ..small() }).unwrap();
    let _first = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
    let second = SegmentWriter::open(&syncer, 1, NOW_MS);
    let third = SegmentWriter::open(&syncer, 2, NOW_MS);
    // Either the second core or the first one's prepared segment has taken the last place.
    assert!(matches!(third, Err(LogError::NoSpace { .. })), "{:?}", third.err());
    drop(second);
}

#[test]
fn a_full_disk_is_an_error_and_never_a_fault() {
    let directory = tempfile::tempdir().unwrap();
    let Some(_mounted) = Mounted::tmpfs(directory.path(), 64 * 1024) else {
        eprintln!("skipped: a tmpfs can't be mounted here");
        return;
    };
    let syncer = Syncer::start(directory.path(), small()).unwrap();
    let mut writer = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
    let mut recorded = 0;
    let error = loop {
        match writer.append(1, 1, id(NOW_MS, recorded), vendor(1), &[0; 150], NOW_MS) {
            Ok(()) => recorded += 1,
            Err(error) => break error,
        }
        assert!(recorded < 1_000);
    };
    assert!(matches!(error, AppendError::NoSpace), "{error:?}");
    assert_eq!(scan(directory.path()).len() as u64, recorded);
    assert!(matches!(SegmentWriter::open(&syncer, 1, NOW_MS), Err(LogError::NoSpace { .. })));

    // Room again: it goes on where it stopped.
    std::fs::remove_file(&segments(directory.path())[0]).unwrap();
    // Its pages are free once the syncer has let go of it.
    wait_until(|| writer.append(1, 1, id(NOW_MS, recorded), vendor(1), &[0; 150], NOW_MS).is_ok());
    drop(writer);
    drop(syncer);
}

struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn tmpfs(directory: &'a Path, bytes: usize) -> Option<Self> {
        let options = format!("size={bytes}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(directory)
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self(directory))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).output();
    }
}
