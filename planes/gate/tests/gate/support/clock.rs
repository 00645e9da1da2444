//! A clock that a test sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use portcullis_policy::clock::Clock;

/// Runs with the machine's clock, ahead of it by as much as the test says; or stands still.
#[derive(Clone)]
pub struct HandClock {
    started: Instant,
    start_us: i64,
    ahead_us: Arc<AtomicI64>,
    monotonic_ms: Arc<AtomicU64>,
    stands: Arc<AtomicBool>,
}

impl HandClock {
    /// Begins at the machine's wall time.
    #[expect(clippy::disallowed_methods, reason = "the test's own edge: here time comes in")]
    pub fn real() -> Self {
        Self::starting(Timestamp::now())
    }

    /// Begins at `wall`.
    #[expect(clippy::disallowed_methods, reason = "the test's own edge: here time comes in")]
    pub fn starting(wall: Timestamp) -> Self {
        Self {
            started: Instant::now(),
            start_us: wall.as_microsecond(),
            ahead_us: Arc::default(),
            monotonic_ms: Arc::default(),
            stands: Arc::default(),
        }
    }

    pub fn clock(&self) -> Clock {
        let (wall, monotonic) = (self.clone(), self.clone());
        Clock::new(move || wall.wall(), move || monotonic.monotonic())
    }

    pub fn wall(&self) -> Timestamp {
        let elapsed = i64::try_from(self.started.elapsed().as_micros()).unwrap();
        Timestamp::from_microsecond(self.start_us + elapsed + self.ahead_us.load(Ordering::SeqCst)).unwrap()
    }

    fn monotonic(&self) -> Duration {
        let ahead = Duration::from_millis(self.monotonic_ms.load(Ordering::SeqCst));
        if self.stands.load(Ordering::SeqCst) { ahead } else { self.started.elapsed() + ahead }
    }

    /// Wall time jumps to `wall`.
    pub fn jump_to(&self, wall: Timestamp) {
        let by = wall.as_microsecond() - self.wall().as_microsecond();
        self.ahead_us.fetch_add(by, Ordering::SeqCst);
    }

    /// Monotonic time stands still from now on, but for [`HandClock::advance_ms`].
    pub fn stand(&self) {
        self.monotonic_ms.store(1_000_000, Ordering::SeqCst);
        self.stands.store(true, Ordering::SeqCst);
    }

    pub fn advance_ms(&self, by_ms: u64) {
        self.monotonic_ms.fetch_add(by_ms, Ordering::SeqCst);
    }
}
