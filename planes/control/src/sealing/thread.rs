//! The thread that seals, beside everything else and after it.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use portcullis_archive::Hour;
use thread_priority::unix::{NormalThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id};
use thread_priority::{ThreadPriority, ThreadSchedulePolicy};
use tokio::sync::oneshot;

use super::{Pace, SealError, SealReport, Sealer, SealingSettings, Which};
use crate::control::Control;

/// Between two looks whether something is due.
const LOOK: Duration = Duration::from_secs(10);
/// Of the scheduler's scale: a busy gate has nine times as much of a core.
const NICE: i32 = 10;

/// Somebody wants everything sealed now.
pub(crate) type Wanted = oneshot::Sender<Result<SealReport, SealError>>;

/// The running thread; dropping it stops it, after the file that is being written.
pub struct Sealing {
    stop: Arc<Stop>,
    wanted: Sender<Option<Wanted>>,
    thread: Option<JoinHandle<()>>,
}

impl Sealing {
    /// Seals what is due from now on. Once for each installation.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(control: Control, settings: SealingSettings) -> std::io::Result<Self> {
        let stop = Arc::new(Stop::default());
        let (wanted, waiting) = mpsc::channel();
        control.seal_by(wanted.clone(), settings);
        let sealer = control.sealer_with(settings, Arc::clone(&stop));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("decision-archive".to_owned())
            .spawn(move || run(sealer, &waiting, &stopped))?;
        Ok(Self { stop, wanted, thread: Some(thread) })
    }
}

impl Drop for Sealing {
    fn drop(&mut self) {
        self.stop.set();
        // Wakes it, if it waits.
        let _ = self.wanted.send(None);
        if let Some(thread) = self.thread.take() {
            // It doesn't panic; if it did, what it wrote is taken up by the next start.
            let _ = thread.join();
        }
    }
}

fn run(mut sealer: Sealer, waiting: &Receiver<Option<Wanted>>, stop: &Stop) {
    // On Linux this is the thread's own; where it isn't allowed, sealing is only less polite.
    let _ = rustix::process::nice(NICE);
    let mut begun = false;
    let (mut sealed_before, mut expired_on) = (None::<Hour>, None);
    while !stop.is_set() {
        if !begun {
            begun = told("sealed files can't be brought together with the ledger", sealer.begin()).is_some();
            if begun {
                sealer.look_at_all();
            }
        }
        if begun {
            let due = sealer.due_before();
            if (sealed_before != Some(due) || sealer.is_pressed())
                && told(
                    "decisions can't be sealed; they wait in their segments",
                    seal(&mut sealer, Which::Due),
                )
                .is_some()
            {
                sealed_before = Some(due);
            }
            let today = due.0 / 24;
            if expired_on != Some(today) && told("decisions can't expire", sealer.expire()).is_some() {
                expired_on = Some(today);
            }
        }
        match waiting.recv_timeout(LOOK) {
            // Whoever asked may have gone.
            Ok(Some(answer)) => drop(answer.send(seal(&mut sealer, Which::Everything))),
            Ok(None) => return,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Seals behind all other work: even a thread that has just been woken goes first, whatever slice of time this one had left.
/// Where the log outgrows that, sealing goes on beside the others.
fn seal(sealer: &mut Sealer, which: Which) -> Result<SealReport, SealError> {
    if !sealer.is_pressed() {
        match seal_idle(sealer, which) {
            Err(SealError::Behind) => {
                tracing::warn!("sealing fell behind the gate, and stands back no longer")
            }
            sealed => return sealed,
        }
    }
    sealer.seal(which, Pace::Hurried)
}

/// In a thread of its own: a thread that once stood back can't come forward again without a right to.
fn seal_idle(sealer: &mut Sealer, which: Which) -> Result<SealReport, SealError> {
    let idle = || {
        let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        // Where it can't be had, the thread has its parent's low priority.
        let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy);
        sealer.seal(which, Pace::StandingBack)
    };
    std::thread::scope(|scope| {
        let made = std::thread::Builder::new().name("decision-sealer".to_owned()).spawn_scoped(scope, idle);
        // It doesn't panic; if it did, the next run takes up what it wrote.
        made.map_err(SealError::Thread)?.join().unwrap_or(Err(SealError::NotRunning))
    })
}

fn told<T>(what: &str, done: Result<T, SealError>) -> Option<T> {
    done.inspect_err(|error| tracing::error!(error = error as &(dyn std::error::Error + 'static), "{what}"))
        .ok()
}

/// Says when to stop, to somebody who pauses.
#[derive(Default)]
pub(crate) struct Stop {
    set: Mutex<bool>,
    wake: Condvar,
}

impl Stop {
    pub fn is_set(&self) -> bool {
        *self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until the time is over, or it is time to stop.
    pub fn pause(&self, time: Duration) {
        if !time.is_zero() {
            let set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = self.wake.wait_timeout_while(set, time, |set| !*set);
        }
    }

    fn set(&self) {
        *self.set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.wake.notify_all();
    }
}
