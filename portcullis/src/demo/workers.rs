//! Rightful machines at work while something happens to others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::cast::Cast;
use super::habit::Habit;
use super::scenes::{BODY_BYTES_MAX, get};
use crate::machine::{Call, Machine};

/// Machines that work until they are told to stop.
pub struct Workers {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<(u64, Option<String>)>>,
}

/// What was done.
pub struct Done {
    pub requests: u64,
    pub errors: u64,
    /// The last decision about one of them.
    pub last: Option<String>,
}

impl Workers {
    /// Northgale's and bluewick's machine, without a rest.
    pub fn busy(cast: &Cast) -> Self {
        let mut workers = Self::none();
        for (machine, path) in [(&cast.northgale, "/payslips"), (&cast.bluewick, "/card-payments")] {
            workers.add(machine, move || (get(path), Duration::from_millis(20)));
        }
        workers
    }

    /// Larkhill's machine, on one of its rounds.
    pub fn habitual(cast: &Cast) -> Self {
        let mut habit = Habit::new(1);
        let mut workers = Self::none();
        workers.add(&cast.larkhill, move || {
            let step = habit.next();
            (step.ask.call(), step.pause)
        });
        workers
    }

    fn none() -> Self {
        Self { stop: Arc::default(), done: Arc::default(), tasks: Vec::new() }
    }

    fn add(&mut self, machine: &Arc<Machine>, mut next: impl FnMut() -> (Call, Duration) + Send + 'static) {
        let (machine, stop, done) = (Arc::clone(machine), Arc::clone(&self.stop), Arc::clone(&self.done));
        self.tasks.push(tokio::spawn(async move {
            let (mut errors, mut last) = (0, None);
            while !stop.load(Ordering::Relaxed) {
                let (call, pause) = next();
                let good = match machine.request(&call).await {
                    Ok(mut answer) => {
                        last = answer.decision().map(str::to_owned);
                        answer.status().is_success() && answer.body(BODY_BYTES_MAX).await.is_ok()
                    }
                    Err(_) => false,
                };
                errors += u64::from(!good);
                done.fetch_add(1, Ordering::Relaxed);
                rest(pause, &stop).await;
            }
            (errors, last)
        }));
    }

    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Waits until `more` requests are done.
    pub async fn wait_for(&self, more: u64) {
        let until = self.done() + more;
        let mut look = tokio::time::interval(Duration::from_millis(5));
        while self.done() < until {
            look.tick().await;
        }
    }

    pub async fn stop(self) -> Done {
        self.stop.store(true, Ordering::Relaxed);
        let (mut errors, mut last) = (0, None);
        for task in self.tasks {
            if let Ok((failed, decision)) = task.await {
                errors += failed;
                last = decision.or(last);
            }
        }
        Done { requests: self.done.load(Ordering::Relaxed), errors, last }
    }
}

/// A pause that a stop ends.
async fn rest(pause: Duration, stop: &AtomicBool) {
    let mut look = tokio::time::interval(Duration::from_millis(5));
    let ends = tokio::time::Instant::now() + pause;
    while tokio::time::Instant::now() < ends && !stop.load(Ordering::Relaxed) {
        look.tick().await;
    }
}
