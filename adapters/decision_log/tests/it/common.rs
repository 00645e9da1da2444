//! A directory of segments, its syncer, and frames to put in.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use portcullis_decision_log::{Frame, Options, Reader, SegmentWriter};

pub const NOW_MS: u64 = 1_790_000_000_000;
pub const HEADER_BYTES: usize = 64;

pub fn small() -> Options {
    Options { segment_bytes: 4096, bytes_max: 1 << 30, vendor_bytes_max: 1 << 30, ..Options::default() }
}

/// An id of that time, with a number that tells it apart.
pub fn id(at_ms: u64, number: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id[..6].copy_from_slice(&at_ms.to_be_bytes()[2..]);
    id[8..].copy_from_slice(&number.to_be_bytes());
    id
}

pub fn vendor(number: u8) -> [u8; 16] {
    [number; 16]
}

pub fn append(writer: &mut SegmentWriter, id: [u8; 16], payload: &[u8]) {
    writer.append(1, 1, id, vendor(9), payload, NOW_MS).unwrap();
}

pub fn scan(directory: &Path) -> Vec<Frame> {
    let mut frames = Vec::new();
    let damage = Reader::new(directory)
        .scan(0, u64::MAX, &mut |frame| {
            frames.push(frame.clone());
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(damage, []);
    frames
}

pub fn segments(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "segment"))
        .collect();
    paths.sort();
    paths
}

/// Of the first two cores. By name: a listing may miss what is just being renamed.
pub fn journals(directory: &Path) -> Vec<PathBuf> {
    let named = (0..2).map(|core| directory.join(format!("core-{core:05}.journal")));
    named.filter(|path| path.exists()).collect()
}

/// What another process would find if this one died now.
pub fn crash(directory: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_into(&copy, journals(directory));
    // Listed later: a segment is there before its journal says so.
    copy_into(&copy, segments(directory));
    copy
}

pub fn copy_into(copy: &tempfile::TempDir, paths: Vec<PathBuf>) {
    for path in paths {
        // The syncer may rename or remove a prepared one meanwhile.
        let _ = std::fs::copy(&path, copy.path().join(path.file_name().unwrap()));
    }
}

/// Waits for a condition that another thread brings about.
pub fn wait_until(mut condition: impl FnMut() -> bool) {
    let (_sender, never) = mpsc::channel::<()>();
    for _ in 0..5_000 {
        if condition() {
            return;
        }
        let _ = never.recv_timeout(Duration::from_millis(2));
    }
    panic!("the condition never came about");
}
