//! Time as a value that is handed in: the shell makes it from the machine's clocks, a test by hand.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

/// Wall time for deadlines and records, monotonic time for intervals.
#[derive(Clone)]
pub struct Clock {
    wall: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    monotonic: Arc<dyn Fn() -> Duration + Send + Sync>,
    /// Latest wall time given out, in microseconds: it never goes back.
    latest: Arc<AtomicI64>,
}

impl Clock {
    pub fn new(
        wall: impl Fn() -> Timestamp + Send + Sync + 'static,
        monotonic: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self {
            wall: Arc::new(wall),
            monotonic: Arc::new(monotonic),
            latest: Arc::new(AtomicI64::new(i64::MIN)),
        }
    }

    /// Wall time; never earlier than what it gave before.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let read = (self.wall)();
        let before = self.latest.fetch_max(read.as_microsecond(), Ordering::Relaxed);
        if before <= read.as_microsecond() {
            read
        } else {
            Timestamp::from_microsecond(before).unwrap_or(read)
        }
    }

    /// Time since some fixed moment.
    #[must_use]
    pub fn monotonic(&self) -> Duration {
        (self.monotonic)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_never_goes_back() {
        let hand = Arc::new(AtomicI64::new(1_000_000));
        let seen = Arc::clone(&hand);
        let clock = Clock::new(
            move || Timestamp::from_microsecond(seen.load(Ordering::Relaxed)).unwrap(),
            || Duration::ZERO,
        );
        assert_eq!(clock.now().as_microsecond(), 1_000_000);
        hand.store(500_000, Ordering::Relaxed);
        assert_eq!(clock.now().as_microsecond(), 1_000_000);
        hand.store(2_000_000, Ordering::Relaxed);
        assert_eq!(clock.now().as_microsecond(), 2_000_000);
    }
}
