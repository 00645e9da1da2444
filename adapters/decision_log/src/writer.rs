use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::frame::{self, Frames, PAYLOAD_BYTES_MAX};
use crate::recovery::recover_core;
use crate::segment::{self, HEADER_BYTES, Header, Listed, SEGMENT_BYTES_MAX, SUFFIX_DAMAGED, Segment, State};
use crate::syncer::{Next, Shared, Slot, Syncer, lock};
use crate::vendor_shares::VendorShares;
use crate::{AppendError, LogError, Missing, Recovered, journal};

const HOUR_MS: u64 = 3_600_000;
/// More than there is time for.
const SEQUENCE_MAX: u64 = 1 << 62;

/// Appends the decisions of one core.
pub struct SegmentWriter {
    shared: Arc<Shared>,
    slot: Arc<Slot>,
    active: Arc<Segment>,
    offset_bytes: usize,
    /// In which the active segment was taken, since the Unix epoch.
    hour: u64,
    shares: VendorShares,
    buffer: Vec<u8>,
    recovered: Vec<Recovered>,
    missing: Vec<Missing>,
    /// Dropped last, when everything of this core is closed.
    _core_lock: File,
}

impl SegmentWriter {
    /// Recovers what a crash left of this core, counts the vendors' shares, and starts a new segment.
    ///
    /// # Errors
    /// [`LogError::CoreInUse`] when this core has a writer already, here or in another process;
    /// [`LogError::NoSpace`], [`LogError::ForeignVersion`], [`LogError::Io`].
    pub fn open(syncer: &Syncer, core: u16, now_ms: u64) -> Result<Self, LogError> {
        let shared = Arc::clone(syncer.shared());
        let Some(core_lock) = segment::lock_core(&shared.directory, core)? else {
            return Err(LogError::CoreInUse { directory: shared.directory.clone(), core });
        };
        let disk = &shared.options.disk;
        // Before anything is removed here.
        let missing = journal::notice(disk, &shared.directory, core, now_ms).unwrap_or_else(|error| {
            journal::warn_unless(Err(error), &shared.directory);
            Vec::new()
        });
        let recovered = recover_core(disk, &shared.directory, core)?;
        segment::remove_unfinished(disk, &shared.directory, core)?;
        let (shares, sequence) = count_shares(&shared, core)?;
        // A missing one's name stays free: somebody may put it back. A journal that says more than can be is not followed.
        let named = missing.iter().map(|missing| missing.sequence).filter(|named| *named < SEQUENCE_MAX);
        let sequence = named.map(|named| named + 1).max().unwrap_or(0).max(sequence);
        let active = Arc::new(shared.make_segment(core, sequence, now_ms)?);
        active.mark(State::Active);
        let next = Next { sequence: sequence + 1, spare: None, wanted_at_ms: Some(now_ms), gone: false };
        let slot = Arc::new(Slot {
            core,
            active: Mutex::new(Arc::clone(&active)),
            retired: Mutex::default(),
            next: Mutex::new(next),
            deleted: Mutex::default(),
            syncing: Mutex::default(),
            failed: AtomicBool::new(false),
        });
        shared.attach(Arc::clone(&slot));
        let buffer = Vec::new();
        Ok(Self {
            shared,
            slot,
            active,
            offset_bytes: HEADER_BYTES,
            hour: now_ms / HOUR_MS,
            shares,
            buffer,
            recovered,
            missing,
            _core_lock: core_lock,
        })
    }

    /// What was recovered when this was opened.
    pub fn recovered(&self) -> &[Recovered] {
        &self.recovered
    }

    /// The segments of this core that were missing when this was opened, those told before too.
    pub fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// Records one frame. When this returns, the frame is in the kernel: it survives the process, and with the
    /// next sync a power loss. `now_ms` is milliseconds since the Unix epoch; it dates a new segment.
    ///
    /// # Errors
    /// [`AppendError`]; nothing was recorded then.
    pub fn append(
        &mut self,
        kind: u8,
        version: u8,
        id: [u8; 16],
        vendor: [u8; 16],
        payload: &[u8],
        now_ms: u64,
    ) -> Result<(), AppendError> {
        if self.shared.stopped() {
            return Err(AppendError::Stopped);
        }
        if self.slot.failed.load(Ordering::Acquire) {
            return Err(AppendError::Io(io::Error::other("an earlier sync failed")));
        }
        let payload_bytes_max = self.payload_bytes_max();
        if payload.len() > payload_bytes_max {
            return Err(AppendError::TooLarge { payload_bytes: payload.len(), payload_bytes_max });
        }
        let bytes = frame::frame_bytes(payload.len());
        self.check_share(&vendor, bytes)?;
        if self.offset_bytes + bytes > self.shared.options.segment_bytes || self.hour_has_turned(now_ms) {
            self.take_next(now_ms)?;
        }
        frame::encode(&mut self.buffer, kind, version, &id, &vendor, payload);
        self.active.write(self.offset_bytes, &self.buffer, frame::id_ms(&id));
        self.offset_bytes += bytes;
        self.shares.add(self.active.sequence, &vendor, bytes as u64);
        Ok(())
    }

    /// The largest payload that [`append`](Self::append) takes.
    pub fn payload_bytes_max(&self) -> usize {
        let room_bytes = self.shared.options.segment_bytes - HEADER_BYTES - frame::HEADER_BYTES;
        room_bytes.min(PAYLOAD_BYTES_MAX)
    }

    /// Each hour begins a segment, where one is ready: so that what is sealed by the hour goes by the hour too.
    fn hour_has_turned(&mut self, now_ms: u64) -> bool {
        let hour = now_ms / HOUR_MS;
        if hour == self.hour {
            return false;
        }
        if self.offset_bytes == HEADER_BYTES {
            self.hour = hour;
            return false;
        }
        // Never waited for: until there is one, the old segment does.
        self.slot.next.try_lock().is_ok_and(|next| next.spare.is_some())
    }

    fn check_share(&mut self, vendor: &[u8; 16], bytes: usize) -> Result<(), AppendError> {
        if self.shares.has_room(vendor, bytes as u64) {
            return Ok(());
        }
        self.give_back_deleted();
        if self.shares.has_room(vendor, bytes as u64) {
            Ok(())
        } else {
            Err(AppendError::VendorShareSpent { bytes_max: self.shared.options.vendor_bytes_max })
        }
    }

    /// Changes to the next segment; when there is none, everything stays as it was.
    fn take_next(&mut self, now_ms: u64) -> Result<(), AppendError> {
        let mut next = lock(&self.slot.next);
        let segment = match next.spare.take() {
            Some(spare) => spare,
            None => self.shared.make_segment(self.slot.core, next.sequence, now_ms).map_err(not_appended)?,
        };
        next.sequence += 1;
        next.wanted_at_ms = Some(now_ms);
        drop(next);

        let segment = Arc::new(segment);
        segment.mark(State::Active);
        let old = std::mem::replace(&mut self.active, Arc::clone(&segment));
        // Retired before it is replaced: the thread always finds it in one of the two.
        lock(&self.slot.retired).push(old);
        *lock(&self.slot.active) = segment;
        self.offset_bytes = HEADER_BYTES;
        self.hour = now_ms / HOUR_MS;
        self.shared.wake();
        self.give_back_deleted();
        Ok(())
    }

    fn give_back_deleted(&mut self) {
        for sequence in std::mem::take(&mut *lock(&self.slot.deleted)) {
            self.shares.give_back(sequence);
        }
    }
}

impl Drop for SegmentWriter {
    fn drop(&mut self) {
        self.shared.detach(&self.slot);
        let mut next = lock(&self.slot.next);
        next.gone = true;
        if let Some(spare) = next.spare.take() {
            // If it stays, the next opening removes it.
            let listed = Listed { core: self.slot.core, sequence: spare.sequence, path: spare.path.clone() };
            let _ = journal::remove(&self.shared.options.disk, &listed);
        }
        drop(next);
        self.slot.sync();
        self.slot.note(self.active.close(), &self.active);
        self.active.unlock();
    }
}

/// The shares in the segments that are there, and the sequence after theirs and after those that were set aside.
fn count_shares(shared: &Shared, core: u16) -> Result<(VendorShares, u64), LogError> {
    let mut shares = VendorShares::new(shared.options.vendor_bytes_max);
    let aside = segment::list_suffixed(&shared.directory, SUFFIX_DAMAGED)?;
    let aside = aside.iter().filter(|listed| listed.core == core);
    let mut sequence = aside.map(|listed| listed.sequence.saturating_add(1)).max().unwrap_or(0);
    for listed in segment::list(&shared.directory)? {
        if listed.core != core {
            continue;
        }
        sequence = sequence.max(listed.sequence.saturating_add(1));
        let Some(file) = segment::open(&listed.path, true)? else { continue };
        let bytes = segment::read(&file, &listed.path, SEGMENT_BYTES_MAX)?;
        let mut frames = Frames::new(&bytes);
        for frame in frames.by_ref() {
            shares.add(listed.sequence, frame.vendor, frame::frame_bytes(frame.payload.len()) as u64);
        }
        trim(&file, &bytes, &frames);
    }
    Ok((shares, sequence))
}

/// Gives back what a closed segment never used. Otherwise each restart would leave whole segments that are
/// all but empty, and a process that starts over and over would push its own history over the limit.
fn trim(file: &File, bytes: &[u8], frames: &Frames<'_>) {
    let closed = Header::parse(bytes).is_ok_and(|header| header.state.is_closed());
    let rest = bytes.get(frames.offset_bytes()..).unwrap_or_default();
    // Locked by nobody: then nobody has it mapped either.
    if closed && rest.iter().all(|&byte| byte == 0) && file.try_lock().is_ok() {
        // If it fails, the file is only larger than it must be.
        let _ = file.set_len(frames.offset_bytes().min(bytes.len()) as u64);
    }
}

fn not_appended(error: LogError) -> AppendError {
    match error {
        LogError::NoSpace { .. } => AppendError::NoSpace,
        LogError::Io { source, .. } => AppendError::Io(source),
        other => AppendError::Io(io::Error::other(other)),
    }
}

/// Each core's thread owns its writer.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<SegmentWriter>();
};
