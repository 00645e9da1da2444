use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::retention;
use crate::segment::{HEADER_BYTES, Listed, SEGMENT_BYTES_MAX, Segment, io_error, is_no_space};
use crate::{AppendError, LogError, Options, journal};

/// What the documentation promises at most.
const SYNC_INTERVAL_MAX: Duration = Duration::from_millis(50);
/// Some seconds: listing a directory is not for every sync.
const ROUNDS_BETWEEN_SWEEPS: u64 = 200;

/// Owns the thread that brings all writers' segments to the disk and prepares their next ones.
///
/// Dropping it syncs everything once more; appends are then refused as
/// [`Stopped`](crate::AppendError::Stopped).
pub struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

pub(crate) struct Shared {
    pub(crate) directory: PathBuf,
    pub(crate) options: Options,
    slots: Mutex<Vec<Arc<Slot>>>,
    signal: Mutex<Signal>,
    wake: Condvar,
    stopped: AtomicBool,
    /// Held while segments are counted, deleted and made: two at once would overdraw the limit.
    room: Mutex<()>,
}

#[derive(Default)]
struct Signal {
    stop: bool,
    work: bool,
}

/// What one writer and the thread share.
pub(crate) struct Slot {
    pub(crate) core: u16,
    pub(crate) active: Mutex<Arc<Segment>>,
    /// Full, not yet on the disk.
    pub(crate) retired: Mutex<Vec<Arc<Segment>>>,
    pub(crate) next: Mutex<Next>,
    /// Sequences of this core's segments that were deleted for room.
    pub(crate) deleted: Mutex<Vec<u64>>,
    /// Held while segments are brought to the disk, so that who asks for it afterwards finds it done.
    pub(crate) syncing: Mutex<()>,
    pub(crate) failed: AtomicBool,
}

/// The segment after the active one.
pub(crate) struct Next {
    pub(crate) sequence: u64,
    pub(crate) spare: Option<Segment>,
    /// The time of the append that asked for it; taken by the attempt to make it.
    pub(crate) wanted_at_ms: Option<u64>,
    /// The writer is gone.
    pub(crate) gone: bool,
}

impl Syncer {
    /// Makes the directory if it isn't there, and starts the thread.
    ///
    /// # Errors
    /// [`LogError::Options`] or [`LogError::Io`].
    pub fn start(directory: impl AsRef<Path>, options: Options) -> Result<Self, LogError> {
        let directory = directory.as_ref().to_owned();
        let &Options { segment_bytes, bytes_max, .. } = &options;
        let sized = segment_bytes > HEADER_BYTES
            && segment_bytes.is_multiple_of(4096)
            && segment_bytes <= SEGMENT_BYTES_MAX;
        if !sized || bytes_max / 2 < segment_bytes as u64 {
            return Err(LogError::Options { segment_bytes, bytes_max });
        }
        fs::create_dir_all(&directory)
            .and_then(|()| options.disk.sync_directory(&directory))
            .map_err(io_error("make", &directory))?;
        let shared = Arc::new(Shared {
            directory,
            options,
            slots: Mutex::default(),
            signal: Mutex::default(),
            wake: Condvar::new(),
            stopped: AtomicBool::new(false),
            room: Mutex::default(),
        });
        let run = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("decision-log".to_owned())
            .spawn(move || run.run())
            .map_err(io_error("start a thread for", &shared.directory))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Brings everything that was appended before this call to the disk, and answers when it is there. The
    /// thread does the same without being asked.
    ///
    /// # Errors
    /// [`AppendError::Io`] when a writer's sync failed, now or earlier.
    pub fn sync(&self) -> Result<(), AppendError> {
        let slots = lock(&self.shared.slots).clone();
        slots.iter().for_each(|slot| slot.sync());
        if slots.iter().any(|slot| slot.failed.load(Ordering::Acquire)) {
            return Err(AppendError::Io(io::Error::other("a sync failed")));
        }
        Ok(())
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        // First, so that the last sync finds everything that was accepted.
        self.shared.stopped.store(true, Ordering::SeqCst);
        lock(&self.shared.signal).stop = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // It doesn't panic; if it did, the writers' own drops still sync.
            let _ = thread.join();
        }
    }
}

impl Shared {
    pub(crate) fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    pub(crate) fn attach(&self, slot: Arc<Slot>) {
        lock(&self.slots).push(slot);
        self.wake();
    }

    pub(crate) fn detach(&self, slot: &Arc<Slot>) {
        lock(&self.slots).retain(|other| !Arc::ptr_eq(other, slot));
    }

    /// Has the thread work now and not only after the interval.
    pub(crate) fn wake(&self) {
        lock(&self.signal).work = true;
        self.wake.notify_one();
    }

    /// Makes room, and in it a segment.
    pub(crate) fn make_segment(&self, core: u16, sequence: u64, now_ms: u64) -> Result<Segment, LogError> {
        let _room = lock(&self.room);
        let &Options { segment_bytes, bytes_max, ref disk, .. } = &self.options;
        let slots = lock(&self.slots).clone();
        let make_room = || {
            retention::make_room(disk, &self.directory, segment_bytes, bytes_max, |deleted| {
                tracing::info!(path = %deleted.path.display(), "a sealed segment was deleted to make room");
                tell_deleted(&slots, deleted);
            })
        };
        make_room().or_else(|error| match error {
            LogError::NoSpace { .. } => {
                // Full segments may only wait to be brought to the disk; then they can go.
                slots.iter().for_each(|slot| slot.sync());
                make_room()
            }
            other => Err(other),
        })?;
        let made = Segment::create(disk, &self.directory, core, sequence, segment_bytes, now_ms);
        let made = made.map_err(|error| {
            if is_no_space(&error) {
                LogError::NoSpace { directory: self.directory.clone() }
            } else {
                io_error("make a segment in", &self.directory)(error)
            }
        })?;
        journal::warn_unless(journal::made(disk, &self.directory, core, sequence, now_ms), &made.path);
        Ok(made)
    }

    fn run(&self) {
        for round in 0_u64.. {
            let stop = self.wait();
            let slots = lock(&self.slots).clone();
            slots.iter().for_each(|slot| slot.sync());
            if stop {
                return;
            }
            if round.is_multiple_of(ROUNDS_BETWEEN_SWEEPS) {
                self.sweep(&slots);
            }
            for slot in &slots {
                if self.prepare(slot) {
                    // Making a file takes its time; the others' decisions shall not wait for several.
                    slots.iter().for_each(|slot| slot.sync());
                }
            }
        }
    }

    /// Deletes what is in sealed files too, so that vendors get their shares back.
    fn sweep(&self, slots: &[Arc<Slot>]) {
        let _room = lock(&self.room);
        let swept = retention::remove_sealed(&self.options.disk, &self.directory, |deleted| {
            tracing::debug!(path = %deleted.path.display(), "a sealed segment was deleted");
            tell_deleted(slots, deleted);
        });
        if let Err(error) = swept {
            tracing::warn!(
                error = &error as &(dyn std::error::Error + 'static),
                "sealed segments can't be deleted"
            );
        }
    }

    /// Until the interval is over or there is work; says whether to stop.
    fn wait(&self) -> bool {
        let signal = lock(&self.signal);
        let idle = |signal: &mut Signal| !signal.stop && !signal.work;
        let (mut signal, _) = self
            .wake
            .wait_timeout_while(signal, self.options.sync_interval.min(SYNC_INTERVAL_MAX), idle)
            .unwrap_or_else(PoisonError::into_inner);
        signal.work = false;
        signal.stop
    }

    /// Says whether there was anything to do.
    fn prepare(&self, slot: &Slot) -> bool {
        // Held while the segment is made: a writer that needs it now would have to make it just the same.
        let mut next = lock(&slot.next);
        if next.gone || next.spare.is_some() {
            return false;
        }
        let Some(wanted_at_ms) = next.wanted_at_ms.take() else { return false };
        match self.make_segment(slot.core, next.sequence, wanted_at_ms) {
            Ok(spare) => next.spare = Some(spare),
            // Not lost yet: the writer tries again itself when it needs the segment, and then says so.
            Err(error) => tracing::warn!(
                error = &error as &(dyn std::error::Error + 'static),
                core = slot.core,
                "the next segment of the decision log can't be prepared"
            ),
        }
        true
    }
}

impl Slot {
    /// Brings everything of this writer to the disk; a failure closes the writer.
    pub(crate) fn sync(&self) {
        let _syncing = lock(&self.syncing);
        let retired = std::mem::take(&mut *lock(&self.retired));
        let active = Arc::clone(&lock(&self.active));
        for segment in retired {
            self.note(segment.close(), &segment);
        }
        self.note(active.flush(), &active);
    }

    pub(crate) fn note(&self, flushed: io::Result<()>, segment: &Segment) {
        // Told once: a broken segment fails again at each interval.
        if let Err(error) = flushed
            && !self.failed.swap(true, Ordering::AcqRel)
        {
            tracing::error!(
                error = &error as &(dyn std::error::Error + 'static),
                path = %segment.path.display(),
                "decisions can't be brought to the disk; this core records none any more"
            );
        }
    }
}

fn tell_deleted(slots: &[Arc<Slot>], deleted: &Listed) {
    for slot in slots.iter().filter(|slot| slot.core == deleted.core) {
        lock(&slot.deleted).push(deleted.sequence);
    }
}

/// A panic of another thread leaves nothing half done under these locks.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
