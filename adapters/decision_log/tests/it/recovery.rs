use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use portcullis_decision_log::{
    Cut, Frame, LogError, Options, Outcome, Reader, Recovered, SegmentWriter, Survey, Syncer, recover, survey,
};
use proptest::prelude::*;

use crate::common::{HEADER_BYTES, NOW_MS, append, crash, id, scan, segments, small};

const PAYLOAD: &[u8; 27] = b"the last words of a process";
const FRAME_BYTES: usize = 72;
const DIES_IN: &str = "PORTCULLIS_TEST_DIES_IN";

/// A segment of three frames whose writer died, and the three frames.
fn crashed() -> (tempfile::TempDir, Vec<u8>, Vec<Frame>) {
    let directory = tempfile::tempdir().unwrap();
    let syncer = Syncer::start(directory.path(), small()).unwrap();
    let mut writer = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
    for number in 0..3 {
        append(&mut writer, id(NOW_MS + number, number), PAYLOAD);
    }
    let copy = tempfile::tempdir().unwrap();
    let bytes = fs::read(&segments(directory.path())[0]).unwrap();
    (copy, bytes, scan(directory.path()))
}

fn put(directory: &Path, bytes: &[u8]) -> std::path::PathBuf {
    let path = directory.join("core-00000-00000000000000000000.segment");
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn a_crash_loses_nothing_that_was_appended() {
    let (copy, bytes, frames) = crashed();
    let path = put(copy.path(), &bytes);
    assert_eq!(scan(copy.path()), frames, "readable before it is recovered");
    let left = survey(copy.path()).unwrap();
    assert_eq!((left.segments, left.bytes, left.open), (1, 4096, vec![path.clone()]));
    let expect = Recovered { path, frames: 3, cut: None, outcome: Outcome::Closed };
    assert_eq!(recover(copy.path()).unwrap(), [expect]);
    assert_eq!(recover(copy.path()).unwrap(), [], "once is enough");
    assert_eq!(survey(copy.path()).unwrap().open, [] as [std::path::PathBuf; 0]);
    assert_eq!(scan(copy.path()), frames);
}

/// Not a test of its own: what the next one runs in another process. It dies without any farewell.
#[test]
fn dies_after_its_last_append() {
    let Some(directory) = std::env::var_os(DIES_IN) else { return };
    let options = Options { sync_interval: Duration::MAX, ..small() };
    let syncer = Syncer::start(directory, options).unwrap();
    let mut writer = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
    for number in 0..100 {
        append(&mut writer, id(NOW_MS, number), PAYLOAD);
    }
    std::process::abort();
}

#[test]
fn a_process_that_dies_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let died = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "recovery::dies_after_its_last_append"])
        .env(DIES_IN, directory.path())
        .output()
        .unwrap();
    assert_eq!(died.status.code(), None, "{died:?}");
    let frames = scan(directory.path());
    assert_eq!(frames.len(), 100);
    let recovered = recover(directory.path()).unwrap();
    assert!(recovered.iter().all(|recovered| recovered.cut.is_none()), "{recovered:?}");
    assert_eq!(scan(directory.path()), frames);
}

#[test]
fn a_writer_recovers_its_own_core_when_it_opens() {
    let (copy, bytes, frames) = crashed();
    put(copy.path(), &bytes[..bytes.len() - 100]);
    fs::write(copy.path().join("core-00000-00000000000000000001.segment.new"), b"half").unwrap();
    let syncer = Syncer::start(copy.path(), small()).unwrap();
    let mut writer = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
    assert_eq!(writer.recovered().iter().map(|recovered| recovered.frames).collect::<Vec<_>>(), [3]);
    append(&mut writer, id(NOW_MS + 9, 9), b"");
    assert_eq!(scan(copy.path()).len(), frames.len() + 1);
    assert_eq!(recover(copy.path()).unwrap(), [], "what is being written is left alone");
    append(&mut writer, id(NOW_MS + 10, 10), b"");
    assert_eq!(scan(copy.path()).len(), frames.len() + 2);
}

#[test]
fn the_tail_may_tear_at_every_byte() {
    let (copy, bytes, frames) = crashed();
    let start = HEADER_BYTES + 2 * FRAME_BYTES;
    // The payload's last byte, before the padding.
    let end = start + 42 + PAYLOAD.len();
    for kept in start..end {
        let mut torn = bytes.clone();
        torn[kept..].fill(0);
        let path = put(copy.path(), &torn);
        assert_eq!(scan(copy.path()), frames[..2], "{kept}");
        let last = torn.iter().rposition(|&byte| byte != 0).unwrap();
        let cut = (last >= start).then(|| Cut { offset_bytes: start, bytes: last + 1 - start });
        let expect = Recovered { path: path.clone(), frames: 2, cut, outcome: Outcome::Closed };
        assert_eq!(recover(copy.path()).unwrap(), [expect], "{kept}");
        assert!(fs::read(&path).unwrap()[start..].iter().all(|&byte| byte == 0));
        assert_eq!(scan(copy.path()), frames[..2], "{kept}");
    }
    for flipped in start..end {
        let mut torn = bytes.clone();
        torn[flipped] ^= 0x10;
        let path = put(copy.path(), &torn);
        let cut = Some(Cut { offset_bytes: start, bytes: end - start });
        let expect = Recovered { path, frames: 2, cut, outcome: Outcome::Closed };
        assert_eq!(recover(copy.path()).unwrap(), [expect], "{flipped}");
        assert_eq!(scan(copy.path()), frames[..2], "{flipped}");
    }
    for length in HEADER_BYTES..end {
        put(copy.path(), &bytes[..length]);
        // The last three bytes of a frame are padding: nothing is lost with them.
        let whole = (length - HEADER_BYTES + 3) / FRAME_BYTES;
        let recovered = recover(copy.path()).unwrap();
        assert_eq!(recovered[0].frames, whole, "{length}");
        let empty = length == HEADER_BYTES;
        assert_eq!(recovered[0].outcome, if empty { Outcome::Removed } else { Outcome::Closed }, "{length}");
        assert_eq!(scan(copy.path()), frames[..whole], "{length}");
    }
}

#[test]
fn frames_behind_a_gap_are_cut() {
    let (copy, mut bytes, frames) = crashed();
    bytes[HEADER_BYTES + FRAME_BYTES..HEADER_BYTES + 2 * FRAME_BYTES].fill(0);
    put(copy.path(), &bytes);
    let cut = recover(copy.path()).unwrap()[0].cut.unwrap();
    assert_eq!(cut.offset_bytes, HEADER_BYTES + FRAME_BYTES);
    assert_eq!(cut.bytes, FRAME_BYTES + 42 + PAYLOAD.len());
    assert_eq!(scan(copy.path()), frames[..1]);
}

#[test]
fn what_was_never_written_to_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let syncer = Syncer::start(directory.path(), small()).unwrap();
    let _writer = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
    let copy = crash(directory.path());
    fs::write(copy.path().join("core-00007-00000000000000000000.segment"), [0; 4096]).unwrap();
    let recovered = recover(copy.path()).unwrap();
    assert!(recovered.len() >= 2);
    assert!(recovered.iter().all(|recovered| recovered.outcome == Outcome::Removed), "{recovered:?}");
    assert_eq!(segments(copy.path()).len(), 0);
}

#[test]
fn a_foreign_version_is_named_and_left_alone() {
    let (copy, mut bytes, _) = crashed();
    bytes[8] = 2;
    let path = put(copy.path(), &bytes);
    let check = |result: Result<(), LogError>| match result {
        Err(error @ LogError::ForeignVersion { version: 2, .. }) => {
            assert!(error.to_string().contains(path.to_str().unwrap()));
        }
        other => panic!("{other:?}"),
    };
    check(recover(copy.path()).map(drop));
    check(Reader::new(copy.path()).find(id(NOW_MS, 0)).map(drop));
    let syncer = Syncer::start(copy.path(), small()).unwrap();
    check(SegmentWriter::open(&syncer, 0, NOW_MS).map(drop));
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn an_unreadable_header_is_set_aside() {
    let (copy, bytes, _) = crashed();
    for place in [0, 10, 20, 40, 44] {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0x80;
        let path = put(copy.path(), &damaged);
        let recovered = recover(copy.path()).unwrap();
        let aside = copy.path().join("core-00000-00000000000000000000.segment.damaged");
        assert_eq!(recovered[0].outcome, Outcome::SetAside { path: aside.clone() }, "{place}");
        assert!(!path.exists());
        assert_eq!(fs::read(&aside).unwrap(), damaged);
        assert_eq!(survey(copy.path()).unwrap(), Survey { set_aside: vec![aside], ..Survey::default() });
    }
}

#[test]
fn damage_in_a_closed_segment_is_told() {
    let (copy, bytes, frames) = crashed();
    let path = put(copy.path(), &bytes);
    recover(copy.path()).unwrap();
    let mut closed = fs::read(&path).unwrap();
    closed[HEADER_BYTES + FRAME_BYTES + 50] ^= 1;
    put(copy.path(), &closed);
    let mut seen = Vec::new();
    let damage = Reader::new(copy.path())
        .scan(0, u64::MAX, &mut |frame| {
            seen.push(frame.clone());
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(seen, frames[..1]);
    assert_eq!(damage.len(), 1);
    assert_eq!((&damage[0].path, damage[0].offset_bytes), (&path, HEADER_BYTES + FRAME_BYTES));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn corrupt_files_never_panic_and_never_invent_a_frame(
        changes in prop::collection::vec((0_usize..400, any::<u8>()), 0..12),
        length in prop_oneof![3 => Just(4096_usize), 1 => 0_usize..4096],
        replaced in prop::option::weighted(0.1, prop::collection::vec(any::<u8>(), 0..300)),
    ) {
        let (copy, mut bytes, frames) = crashed();
        for (place, value) in changes {
            bytes[place] = value;
        }
        bytes.truncate(length);
        put(copy.path(), replaced.as_deref().unwrap_or(&bytes));
        for _ in 0..2 {
            let mut seen = Vec::new();
            let result = Reader::new(copy.path()).scan(0, u64::MAX, &mut |frame| {
                seen.push(frame.clone());
                ControlFlow::Continue(())
            });
            let expected = matches!(result, Ok(_) | Err(LogError::ForeignVersion { .. }));
            prop_assert!(expected, "{:?}", result.err());
            prop_assert!(seen.iter().all(|frame| frames.contains(frame)));
            let _ = Reader::new(copy.path()).find(id(NOW_MS, 0));
            let recovered = recover(copy.path());
            let expected = matches!(recovered, Ok(_) | Err(LogError::ForeignVersion { .. }));
            prop_assert!(expected, "{:?}", recovered.err());
        }
    }
}
