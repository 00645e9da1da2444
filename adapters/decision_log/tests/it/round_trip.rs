use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use portcullis_decision_log::{AppendError, LogError, Options, Place, Reader, SegmentWriter, Syncer};
use proptest::prelude::*;

use crate::common::{NOW_MS, append, id, scan, segments, small, vendor, wait_until};

#[test]
fn what_is_appended_is_read_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let syncer = Syncer::start(directory.path(), small()).unwrap();
    let mut writer = SegmentWriter::open(&syncer, 3, NOW_MS).unwrap();
    let wanted = id(NOW_MS, 7);
    writer.append(1, 2, wanted, vendor(5), b"decision", NOW_MS).unwrap();
    writer.append(1, 2, id(NOW_MS, 8), vendor(5), b"", NOW_MS).unwrap();
    writer.append(2, 1, wanted, [0; 16], b"outcome", NOW_MS).unwrap();

    let found = Reader::new(directory.path()).find(wanted).unwrap();
    let shape: Vec<_> = found
        .iter()
        .map(|frame| (frame.kind, frame.version, frame.vendor, frame.payload.as_slice()))
        .collect();
    assert_eq!(shape, [(1, 2, vendor(5), &b"decision"[..]), (2, 1, [0; 16], b"outcome")]);
    assert_eq!(found[0].place, Place { core: 3, sequence: 0, offset_bytes: 64 });
    assert_eq!(found[0].id_ms(), NOW_MS);
    assert_eq!(Reader::new(directory.path()).find(id(NOW_MS, 9)).unwrap(), []);
}

#[test]
fn a_scan_merges_cores_by_time_within_its_bounds() {
    let directory = tempfile::tempdir().unwrap();
    let syncer = Syncer::start(directory.path(), small()).unwrap();
    let mut writers: Vec<_> =
        (0..3).map(|core| SegmentWriter::open(&syncer, core, NOW_MS).unwrap()).collect();
    for number in 0..300 {
        append(&mut writers[number as usize % 3], id(NOW_MS + number, number), &[0; 40]);
    }
    let numbers: Vec<_> = scan(directory.path()).iter().map(|frame| frame.id_ms() - NOW_MS).collect();
    assert_eq!(numbers, (0..300).collect::<Vec<_>>());
    drop(writers);

    let check = |since, until, take: usize, expect: std::ops::Range<u64>| {
        let mut numbers = Vec::new();
        Reader::new(directory.path())
            .scan(NOW_MS + since, NOW_MS + until, &mut |frame| {
                numbers.push(frame.id_ms() - NOW_MS);
                if numbers.len() == take { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap();
        assert_eq!(numbers, expect.collect::<Vec<_>>());
    };
    check(0, 1_000, usize::MAX, 0..300);
    check(10, 20, usize::MAX, 10..20);
    check(299, 300, usize::MAX, 299..300);
    check(300, 400, usize::MAX, 0..0);
    check(100, 300, 5, 100..105);
}

#[test]
fn full_segments_are_followed_by_prepared_ones() {
    let directory = tempfile::tempdir().unwrap();
    let syncer = Syncer::start(directory.path(), small()).unwrap();
    let mut writer = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
    wait_until(|| segments(directory.path()).len() == 2);
    for number in 0..200 {
        append(&mut writer, id(NOW_MS, number), &[7; 150]);
    }
    // 21 frames of 192 bytes fit in each.
    wait_until(|| segments(directory.path()).len() == 11);
    assert_eq!(scan(directory.path()).len(), 200);
    drop(writer);
    assert_eq!(segments(directory.path()).len(), 10, "the prepared one is gone");
    let places: Vec<_> = scan(directory.path()).iter().map(|frame| frame.place.sequence).collect();
    assert_eq!(places, (0..200).map(|number| number / 21).collect::<Vec<_>>());
}

#[test]
fn a_core_has_one_writer_and_goes_on_where_the_last_ended() {
    let directory = tempfile::tempdir().unwrap();
    let syncer = Syncer::start(directory.path(), small()).unwrap();
    for round in 0..20 {
        let mut writer = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
        assert_eq!(writer.recovered(), []);
        assert!(matches!(SegmentWriter::open(&syncer, 0, NOW_MS), Err(LogError::CoreInUse { core: 0, .. })));
        for number in 0..30 {
            append(&mut writer, id(NOW_MS + round, number), &[1; 150]);
        }
    }
    assert_eq!(scan(directory.path()).len(), 600);
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_no_trace() {
    let directory = tempfile::tempdir().unwrap();
    let syncer = Syncer::start(directory.path(), small()).unwrap();
    let mut writer = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
    let bytes_max = writer.payload_bytes_max();
    assert_eq!(bytes_max, 4096 - 64 - 42);
    let refused = writer.append(1, 1, id(NOW_MS, 1), vendor(1), &vec![1; bytes_max + 1], NOW_MS);
    assert!(matches!(refused, Err(AppendError::TooLarge { .. })), "{refused:?}");
    append(&mut writer, id(NOW_MS, 2), &vec![2; bytes_max]);
    append(&mut writer, id(NOW_MS, 3), &vec![3; bytes_max]);
    assert_eq!(scan(directory.path()).len(), 2);

    drop(syncer);
    let refused = writer.append(1, 1, id(NOW_MS, 4), vendor(1), b"", NOW_MS);
    assert!(matches!(refused, Err(AppendError::Stopped)), "{refused:?}");
    drop(writer);
    assert_eq!(scan(directory.path()).len(), 2);
}

#[test]
fn impossible_sizes_are_a_fault_of_configuration() {
    let directory = tempfile::tempdir().unwrap();
    for (segment_bytes, bytes_max) in [(0, 1 << 30), (4097, 1 << 30), (512 << 20, 4 << 30), (8192, 8192)] {
        let options = Options { segment_bytes, bytes_max, ..small() };
        assert!(
            matches!(Syncer::start(directory.path(), options), Err(LogError::Options { .. })),
            "{segment_bytes} {bytes_max}"
        );
    }
}

#[test]
fn a_reader_sees_whole_frames_while_they_are_written() {
    const FRAMES: u64 = 20_000;
    let directory = tempfile::tempdir().unwrap();
    let syncer = Syncer::start(directory.path(), Options { segment_bytes: 64 << 10, ..small() }).unwrap();
    let mut writer = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
    let appended = AtomicU64::new(0);
    let failed = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..FRAMES {
                let payload = vec![number as u8; number as usize % 90];
                append(&mut writer, id(NOW_MS + number / 10, number), &payload);
                appended.store(number + 1, Ordering::Release);
                if failed.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        let mut scans = 0;
        loop {
            let before = appended.load(Ordering::Acquire);
            let frames = scan(directory.path());
            let mut numbers = frames.iter().map(|frame| {
                let number = u64::from_be_bytes(frame.id[8..].try_into().unwrap());
                assert_eq!(frame.payload, vec![number as u8; number as usize % 90]);
                number
            });
            let seen: Vec<_> = numbers.by_ref().collect();
            let complete = seen.iter().take(before as usize).copied().eq(0..before);
            let ordered = seen.is_sorted_by(|one, other| one < other);
            failed.store(!complete || !ordered, Ordering::Relaxed);
            assert!(complete && ordered, "{before} were there, {} seen", seen.len());
            scans += 1;
            if before == FRAMES {
                break;
            }
        }
        assert!(scans > 1);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn reads_the_same_as_a_naive_model(
        steps in prop::collection::vec((0_u16..3, 0_u64..50, 0_u64..4, 0_usize..600, 0_u8..20), 1..120),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let syncer = Syncer::start(directory.path(), small()).unwrap();
        let mut writers = BTreeMap::new();
        let mut model: Vec<([u8; 16], u8, Vec<u8>)> = Vec::new();
        for (count, (core, at, number, bytes, action)) in steps.into_iter().enumerate() {
            let writer = match writers.entry(core) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    entry.insert(SegmentWriter::open(&syncer, core, NOW_MS).unwrap())
                }
            };
            // One id stays with one core, as a decision and its outcome do.
            let id = id(NOW_MS + at, number * 3 + u64::from(core));
            let payload = vec![count as u8; bytes];
            writer.append(count as u8, 1, id, vendor(1), &payload, NOW_MS).unwrap();
            model.push((id, count as u8, payload));
            if action == 0 {
                writers.remove(&core);
            }
        }
        let reader = Reader::new(directory.path());
        for (id, ..) in &model {
            let expect: Vec<_> = model.iter().filter(|(other, ..)| other == id).cloned().collect();
            let found: Vec<_> =
                reader.find(*id).unwrap().into_iter().map(|frame| (frame.id, frame.kind, frame.payload)).collect();
            prop_assert_eq!(found, expect);
        }
        model.sort_by_key(|(id, ..)| *id);
        let all: Vec<_> =
            scan(directory.path()).into_iter().map(|frame| (frame.id, frame.kind, frame.payload)).collect();
        prop_assert_eq!(all, model);
    }
}
