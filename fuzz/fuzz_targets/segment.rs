//! A decision-log segment as a crash or a bad disk may leave it: recovered or set aside, never a
//! panic, never a frame that was not there before, and recovering again changes nothing.
#![no_main]

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use portcullis_decision_log::{Frame, Options, Outcome, Reader, SegmentWriter, Syncer, recover, survey};

const NAME: &str = "core-00000-00000000000000000000.segment";

/// A whole segment of six frames, and the frames.
static WRITTEN: LazyLock<(Vec<u8>, Vec<Frame>)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let syncer = Syncer::start(folder.path(), Options { segment_bytes: 4096, ..Options::default() }).unwrap();
    let mut writer = SegmentWriter::open(&syncer, 0, 1).unwrap();
    for number in 0..6_u8 {
        let payload = vec![number; usize::from(number) * 40];
        writer.append(number, 1, [number; 16], [7; 16], &payload, 1).unwrap();
    }
    (std::fs::read(folder.path().join(NAME)).unwrap(), frames(folder.path()).unwrap())
});

fuzz_target!(|data: &[u8]| match data.split_first() {
    // Two of three bytes say where in the written segment the third stands, the first how much is cut off.
    Some((&cut, changes)) if cut & 1 == 1 => {
        let (bytes, written) = &*WRITTEN;
        let mut bytes = bytes.clone();
        for change in changes.chunks_exact(3) {
            let place = usize::from(u16::from_le_bytes([change[0], change[1]])) % 1024;
            bytes[place] = change[2];
        }
        bytes.truncate(bytes.len() - usize::from(cut >> 1) * 32);
        for frame in check(&bytes) {
            assert!(written.iter().any(|other| (other.id, &other.payload) == (frame.id, &frame.payload)));
        }
    }
    _ => drop(check(data)),
});

fn check(data: &[u8]) -> Vec<Frame> {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = folder.path().join(NAME);
    std::fs::write(&path, data).unwrap();
    let Some(before) = frames(folder.path()) else { return Vec::new() };
    let recovered = recover(folder.path()).unwrap();
    for recovered in &recovered {
        assert!(recovered.frames <= data.len() / 42);
        let Some(cut) = recovered.cut else { continue };
        assert_eq!(recovered.outcome, Outcome::Closed);
        assert!(cut.bytes > 0 && cut.offset_bytes + cut.bytes <= data.len());
        // What was kept is what was there, and the cut is gone.
        let after = std::fs::read(&path).unwrap();
        assert_eq!(after[64..cut.offset_bytes], data[64..cut.offset_bytes]);
        assert!(after[cut.offset_bytes..].iter().all(|&byte| byte == 0));
    }
    let after = frames(folder.path()).unwrap();
    assert_eq!(before, after);
    assert_eq!(recover(folder.path()).unwrap(), []);
    // One in sixteen: a writer takes the directory over, counts the shares and trims the segment.
    if data.len() % 16 == 0 {
        let options = Options { segment_bytes: 4096, ..Options::default() };
        let syncer = Syncer::start(folder.path(), options).unwrap();
        drop(SegmentWriter::open(&syncer, 0, 1).unwrap());
        assert_eq!(frames(folder.path()).unwrap(), before);
        survey(folder.path()).unwrap();
    }
    after
}

/// None for another version's file, which nobody touches.
fn frames(directory: &Path) -> Option<Vec<Frame>> {
    let mut frames = Vec::new();
    let scanned = Reader::new(directory).scan(0, u64::MAX, &mut |frame| {
        frames.push(frame.clone());
        ControlFlow::Continue(())
    });
    scanned.ok().map(|_| frames)
}
