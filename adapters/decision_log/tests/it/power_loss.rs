//! What a power loss may leave: any pages of what was not synced, in any order, torn at sectors.
//!
//! The simulated disk looks at each sync and keeps what is promised to be on the disk from then on. A power
//! loss makes a directory of it, in which everything not promised is there or not, by chance. A failed sync is as on
//! Linux: the pages count as clean and are not written by the next one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use portcullis_decision_log::{
    Disk, Fault, Faults, Frame, Operation, Options, Recovered, SegmentWriter, Syncer, recover,
};
use proptest::prelude::*;

use crate::common::{NOW_MS, copy_into, id, journals, scan, segments, small, vendor};

const PAGE_BYTES: usize = 4096;
const SECTOR_BYTES: usize = 512;
const SEGMENT_BYTES: usize = 4 * PAGE_BYTES;

/// What is promised to be on the disk.
#[derive(Default)]
struct Promised {
    /// By path, which is unique: no segment's name is used twice in a life.
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// Those whose name is promised too.
    names: BTreeSet<PathBuf>,
    /// Pages that the kernel takes for clean although they never got to the disk.
    lost: BTreeSet<(PathBuf, usize)>,
    /// Journals that were replaced, until their directory is synced: what they were before.
    replaced: BTreeMap<PathBuf, Vec<u8>>,
}

#[derive(Default)]
struct SimulatedDisk {
    promised: Mutex<Promised>,
    syncs_fail: Mutex<bool>,
}

impl SimulatedDisk {
    /// Everything in the directory counts as promised.
    fn of(directory: &Path) -> Arc<Self> {
        let this = Self::default();
        {
            let mut promised = this.promised.lock().unwrap();
            for path in segments(directory).into_iter().chain(journals(directory)) {
                promised.files.insert(path.clone(), fs::read(&path).unwrap());
                promised.names.insert(path);
            }
        }
        Arc::new(this)
    }

    fn options(self: &Arc<Self>) -> Options {
        let disk = Disk::failing(Arc::clone(self) as Arc<dyn Faults>);
        Options { segment_bytes: SEGMENT_BYTES, disk, ..small() }
    }

    fn fail_syncs(&self, fail: bool) {
        *self.syncs_fail.lock().unwrap() = fail;
    }

    /// What the next start finds. `chance` decides about everything that isn't promised.
    fn power_loss(&self, directory: &Path, chance: &mut Chance) -> tempfile::TempDir {
        // Held to the end: the thread stops at its next sync, and what it does after one is in step.
        let promised = self.promised.lock().unwrap();
        let after = workspace();
        for path in journals(directory) {
            // Written whole before it got its name.
            let new = promised.names.contains(&path) || chance.flip();
            let new = promised.files.get(&path).filter(|_| new);
            let old = promised.replaced.get(&path);
            if let Some(bytes) = old.filter(|_| chance.flip()).or(new) {
                fs::write(after.path().join(path.file_name().unwrap()), bytes).unwrap();
            }
        }
        for path in segments(directory) {
            let Some(kept) = promised.files.get(&path) else { continue };
            if !promised.names.contains(&path) && chance.flip() {
                continue;
            }
            let Ok(cached) = fs::read(&path) else { continue };
            let mut left = kept.clone();
            left.resize(cached.len(), 0);
            for (page, bytes) in left.chunks_mut(PAGE_BYTES).enumerate() {
                if promised.lost.contains(&(path.clone(), page)) || chance.flip() {
                    continue;
                }
                let whole = chance.flip();
                for (sector, bytes) in bytes.chunks_mut(SECTOR_BYTES).enumerate() {
                    if whole || chance.flip() {
                        let start = page * PAGE_BYTES + sector * SECTOR_BYTES;
                        bytes.copy_from_slice(&cached[start..start + bytes.len()]);
                    }
                }
            }
            fs::write(after.path().join(path.file_name().unwrap()), left).unwrap();
        }
        after
    }
}

impl Faults for SimulatedDisk {
    fn meet(&self, operation: Operation, path: &Path) -> Option<Fault> {
        let mut promised = self.promised.lock().unwrap();
        let pages = |offset_bytes: usize, bytes: usize| {
            (offset_bytes / PAGE_BYTES..(offset_bytes + bytes).div_ceil(PAGE_BYTES)).collect::<Vec<_>>()
        };
        match operation {
            // What is written anew is dirty again.
            Operation::Write { offset_bytes, bytes } => {
                for page in pages(offset_bytes, bytes) {
                    promised.lost.remove(&(path.to_owned(), page));
                }
            }
            Operation::Sync => {
                let bytes = fs::metadata(path).unwrap().len() as usize;
                return self.sync(&mut promised, path, &pages(0, bytes));
            }
            Operation::SyncMapped { offset_bytes, bytes } => {
                return self.sync(&mut promised, path, &pages(offset_bytes, bytes));
            }
            Operation::Rename => {
                let to = path.with_extension("");
                let file = promised.files.remove(path).unwrap_or_default();
                if let Some(old) = promised.files.insert(to.clone(), file)
                    && promised.names.contains(&to)
                {
                    promised.replaced.entry(to).or_insert(old);
                }
            }
            Operation::SyncDirectory => {
                promised.names = promised.files.keys().cloned().collect();
                promised.replaced.clear();
            }
            Operation::Create | Operation::Allocate | Operation::Remove => {}
        }
        None
    }
}

impl SimulatedDisk {
    fn sync(&self, promised: &mut Promised, path: &Path, pages: &[usize]) -> Option<Fault> {
        let fails = *self.syncs_fail.lock().unwrap();
        let cached = fs::read(path).unwrap();
        for &page in pages {
            if fails {
                promised.lost.insert((path.to_owned(), page));
            } else if !promised.lost.contains(&(path.to_owned(), page)) {
                let file = promised.files.entry(path.to_owned()).or_default();
                file.resize(cached.len(), 0);
                let range = page * PAGE_BYTES..cached.len().min((page + 1) * PAGE_BYTES);
                file[range.clone()].copy_from_slice(&cached[range]);
            }
        }
        fails.then_some(Fault::Error(5))
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Chance(u64);

impl Chance {
    fn flip(&mut self) -> bool {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) & 1 == 1
    }
}

/// In memory where there is such a place: the syncs are simulated anyway.
fn workspace() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn number(frame: &Frame) -> u64 {
    u64::from_be_bytes(frame.id[8..].try_into().unwrap())
}

fn append(writer: &mut SegmentWriter, number: u64, bytes: usize) {
    append_at(writer, number, bytes, NOW_MS);
}

fn append_at(writer: &mut SegmentWriter, number: u64, bytes: usize, now_ms: u64) {
    let payload = vec![number as u8; bytes];
    writer.append(1, 1, id(NOW_MS + number, number), vendor(1), &payload, now_ms).unwrap();
}

/// Nothing synced is cut, and only in the segment that it names.
fn cut_only_what_was_not_synced(recovered: &[Recovered], synced: &[Frame]) {
    for recovered in recovered {
        let Some(cut) = recovered.cut else { continue };
        let name = recovered.path.file_name().unwrap().to_str().unwrap();
        for frame in synced {
            let of = format!("core-{:05}-{:020}.segment", frame.place.core, frame.place.sequence);
            let end = frame.place.offset_bytes + 42 + frame.payload.len();
            assert!(of != name || end <= cut.offset_bytes, "{name}: {cut:?} reaches into {:?}", frame.place);
        }
    }
}

#[test]
fn the_end_may_tear_at_every_byte_behind_the_last_sync() {
    let directory = workspace();
    let disk = SimulatedDisk::of(directory.path());
    let syncer = Syncer::start(directory.path(), disk.options()).unwrap();
    let mut writer = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
    for number in 0..4 {
        append(&mut writer, number, 30 + number as usize);
    }
    syncer.sync().unwrap();
    let synced = scan(directory.path());
    for number in 4..8 {
        append(&mut writer, number, 30 + number as usize);
    }
    let frames = scan(directory.path());
    let ends: Vec<_> =
        frames.iter().map(|frame| frame.place.offset_bytes + 42 + frame.payload.len()).collect();
    let bytes = fs::read(&segments(directory.path())[0]).unwrap();
    let (start, end) = (ends[3].next_multiple_of(8), ends[7]);
    let check = |torn: &[u8], what: &str, offset: usize, whole: usize| {
        let after = workspace();
        fs::write(after.path().join("core-00000-00000000000000000000.segment"), torn).unwrap();
        let recovered = recover(after.path()).unwrap();
        let left = scan(after.path());
        assert_eq!(left, frames[..whole], "{what} at {offset}");
        assert_eq!(recovered[0].frames, whole, "{what} at {offset}");
        cut_only_what_was_not_synced(&recovered, &synced);
        // It says where and how much: all that stood behind the last whole frame.
        let from = left
            .last()
            .map_or(64, |last| (last.place.offset_bytes + 42 + last.payload.len()).next_multiple_of(8));
        let last = torn.iter().rposition(|&byte| byte != 0).unwrap();
        let expect = (last >= from).then(|| (from, last + 1 - from));
        assert_eq!(recovered[0].cut.map(|cut| (cut.offset_bytes, cut.bytes)), expect, "{what} at {offset}");
    };
    for offset in start..end {
        let whole = ends.iter().filter(|&&end| end <= offset).count();
        let mut torn = bytes.clone();
        torn[offset..].fill(0);
        check(&torn, "zeros", offset, whole);
        check(&bytes[..offset], "cut off", offset, whole);
        // Padding between frames belongs to none.
        let hit =
            frames.iter().zip(&ends).find(|(frame, end)| (frame.place.offset_bytes..**end).contains(&offset));
        let Some((hit, _)) = hit else { continue };
        let before = number(hit) as usize;
        for change in [0x01, 0x80, 0xff] {
            let mut torn = bytes.clone();
            torn[offset] ^= change;
            check(&torn, "garbled", offset, before);
        }
        let mut torn = bytes.clone();
        torn[offset..end].fill(0xa5);
        check(&torn, "overwritten", offset, before);
    }
}

#[test]
fn lost_pages_cost_only_what_was_not_synced() {
    let directory = workspace();
    let disk = SimulatedDisk::of(directory.path());
    let syncer = Syncer::start(directory.path(), disk.options()).unwrap();
    let mut writer = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
    for number in 0..20 {
        append(&mut writer, number, 300);
    }
    syncer.sync().unwrap();
    let synced = scan(directory.path());
    let kept = disk.promised.lock().unwrap().files.clone();
    for number in 20..40 {
        append(&mut writer, number, 300);
    }
    let frames = scan(directory.path());
    let path = &segments(directory.path())[0];
    let cached = fs::read(path).unwrap();
    // Each set of pages that got to the disk, in whatever order.
    for arrived in 0..1_usize << (SEGMENT_BYTES / PAGE_BYTES) {
        let after = workspace();
        let mut left = kept[path].clone();
        for page in (0..SEGMENT_BYTES / PAGE_BYTES).filter(|page| arrived >> page & 1 == 1) {
            let range = page * PAGE_BYTES..(page + 1) * PAGE_BYTES;
            left[range.clone()].copy_from_slice(&cached[range]);
        }
        fs::write(after.path().join(path.file_name().unwrap()), left).unwrap();
        let recovered = recover(after.path()).unwrap();
        let found = scan(after.path());
        assert!(
            found.len() >= synced.len() && found == frames[..found.len()],
            "{arrived:b}: {}",
            found.len()
        );
        cut_only_what_was_not_synced(&recovered, &synced);
    }
}

/// Recovery writes anew what it keeps: the kernel would not, after a failed sync.
#[test]
fn what_a_failed_sync_left_in_the_kernel_is_on_the_disk_after_the_next_start() {
    let directory = workspace();
    let disk = SimulatedDisk::of(directory.path());
    let syncer = Syncer::start(directory.path(), disk.options()).unwrap();
    let mut writer = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
    append(&mut writer, 0, 100);
    syncer.sync().unwrap();
    disk.fail_syncs(true);
    // One frame over several pages; with more, the thread might have met the fault in between.
    append(&mut writer, 1, 2 * PAGE_BYTES);
    assert!(syncer.sync().is_err());
    disk.fail_syncs(false);
    // A second sync says that all is well. What is lost is not there for all that.
    let _ = syncer.sync();
    drop(writer);
    drop(syncer);
    let after = disk.power_loss(directory.path(), &mut Chance(1));
    recover(after.path()).unwrap();
    assert_eq!(scan(after.path()).len(), 1, "the test loses what it should");

    let syncer = Syncer::start(directory.path(), disk.options()).unwrap();
    let writer = SegmentWriter::open(&syncer, 0, NOW_MS).unwrap();
    assert_eq!(writer.recovered()[0].frames, 2);
    let after = disk.power_loss(directory.path(), &mut Chance(2));
    recover(after.path()).unwrap();
    assert_eq!(scan(after.path()).len(), 2);
}

#[derive(Clone, Debug)]
enum Step {
    Append {
        core: u16,
        bytes: usize,
    },
    Sync,
    FailedSync,
    /// The process dies; the kernel lives.
    Kill,
    /// And somebody takes a segment with decisions away.
    KillAndTake {
        which: usize,
    },
    PowerLoss {
        seed: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => (0_u16..2, 0_usize..3_000).prop_map(|(core, bytes)| Step::Append { core, bytes }),
        6 => Just(Step::Sync),
        1 => Just(Step::FailedSync),
        2 => Just(Step::Kill),
        1 => any::<usize>().prop_map(|which| Step::KillAndTake { which }),
        3 => any::<u64>().prop_map(|seed| Step::PowerLoss { seed }),
    ]
}

/// One life of the process, and what the model knows of all lives.
struct World {
    disk: Arc<SimulatedDisk>,
    writers: Vec<SegmentWriter>,
    syncer: Syncer,
    /// By core: the numbers that must be there, and those that may.
    must: [Vec<u64>; 2],
    may: [Vec<u64>; 2],
    /// By core: segments that somebody took away, and that must be named; none else may be.
    taken: [BTreeSet<u64>; 2],
    /// Of the life, so that a sequence which comes again has another time.
    now_ms: u64,
    /// Dropped last: the log closes its files before.
    directory: tempfile::TempDir,
}

fn open(directory: &Path, now_ms: u64) -> (Arc<SimulatedDisk>, Syncer, Vec<SegmentWriter>) {
    let disk = SimulatedDisk::of(directory);
    let syncer = Syncer::start(directory, disk.options()).unwrap();
    let writers = (0..2).map(|core| SegmentWriter::open(&syncer, core, now_ms).unwrap()).collect();
    (disk, syncer, writers)
}

impl World {
    fn new() -> Self {
        let directory = workspace();
        let (disk, syncer, writers) = open(directory.path(), NOW_MS);
        Self {
            directory,
            disk,
            writers,
            syncer,
            must: Default::default(),
            may: Default::default(),
            taken: Default::default(),
            now_ms: NOW_MS,
        }
    }

    fn synced(&mut self) {
        for (must, may) in self.must.iter_mut().zip(&mut self.may) {
            must.append(may);
        }
    }

    /// Starts again on what was left, and checks it.
    fn start_again(self, after: tempfile::TempDir) -> Self {
        let Self { directory, disk, writers, syncer, must, may, taken, now_ms } = self;
        let now_ms = now_ms + 1_000;
        let synced: Vec<_> = scan(directory.path())
            .into_iter()
            .filter(|frame| must[usize::from(frame.place.core)].contains(&number(frame)))
            .collect();
        drop(writers);
        drop((syncer, disk));
        let (disk, syncer, writers) = open(after.path(), now_ms);
        writers.iter().for_each(|writer| cut_only_what_was_not_synced(writer.recovered(), &synced));
        for (writer, taken) in writers.iter().zip(&taken) {
            let missing: BTreeSet<_> = writer.missing().iter().map(|missing| missing.sequence).collect();
            assert_eq!(missing, *taken);
        }
        let found = scan(after.path());
        let mut left: [Vec<u64>; 2] = Default::default();
        for frame in &found {
            assert!(frame.payload.iter().all(|&byte| byte == number(frame) as u8));
            left[usize::from(frame.place.core)].push(number(frame));
        }
        for (left, (must, may)) in left.iter().zip(must.iter().zip(&may)) {
            assert!(left.starts_with(must), "synced: {must:?}, left: {left:?}");
            let mut may = may.iter();
            assert!(left[must.len()..].iter().all(|number| may.any(|other| other == number)), "{left:?}");
        }
        // Recovered is synced.
        Self { directory: after, disk, writers, syncer, must: left, may: Default::default(), taken, now_ms }
    }

    /// Somebody takes a segment with decisions out of what the next start finds.
    fn take_one(&mut self, after: &Path, which: usize) {
        let frames = scan(after);
        let places: BTreeSet<_> =
            frames.iter().map(|frame| (frame.place.core, frame.place.sequence)).collect();
        let Some(&(core, sequence)) = places.iter().nth(which % places.len().max(1)) else { return };
        let name = format!("core-{core:05}-{sequence:020}.segment");
        fs::remove_file(after.join(name)).unwrap();
        let core = usize::from(core);
        self.taken[core].insert(sequence);
        let place =
            |frame: &&Frame| (usize::from(frame.place.core), frame.place.sequence) == (core, sequence);
        let gone: BTreeSet<_> = frames.iter().filter(place).map(number).collect();
        for numbers in [&mut self.must[core], &mut self.may[core]] {
            numbers.retain(|number| !gone.contains(number));
        }
    }

    fn kill(mut self, take: Option<usize>) -> Self {
        let after = workspace();
        copy_into(&after, journals(self.directory.path()));
        // Listed later: a segment is there before its journal says so.
        copy_into(&after, segments(self.directory.path()));
        // The kernel has everything.
        self.synced();
        if let Some(which) = take {
            self.take_one(after.path(), which);
        }
        self.start_again(after)
    }

    fn power_loss(self, seed: u64) -> Self {
        let after = self.disk.power_loss(self.directory.path(), &mut Chance(seed));
        self.start_again(after)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_was_synced_is_there_after_any_crashes(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for (next, step) in (0_u64..).zip(steps) {
            match step {
                Step::Append { core, bytes } => {
                    append_at(&mut world.writers[usize::from(core)], next, bytes, world.now_ms);
                    world.may[usize::from(core)].push(next);
                }
                Step::Sync => {
                    world.syncer.sync().unwrap();
                    world.synced();
                }
                // The log is closed from there on: the process is started again, with a kernel that has
                // everything, or after the power has failed too.
                Step::FailedSync => {
                    world.disk.fail_syncs(true);
                    let _ = world.syncer.sync();
                    world = if next % 2 == 0 { world.kill(None) } else { world.power_loss(next) };
                }
                Step::Kill => world = world.kill(None),
                Step::KillAndTake { which } => world = world.kill(Some(which)),
                Step::PowerLoss { seed } => world = world.power_loss(seed),
            }
        }
        let _ = world.power_loss(7);
    }
}
