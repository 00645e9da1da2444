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
    /// Where wall time stands above monotonic time while the machine's clock is behind what was given out.
    base: Arc<AtomicI64>,
}

/// The machine's clock and the time that is given out, at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reading {
    /// What the machine's clock says.
    pub wall: Timestamp,
    /// What is given out: later than `wall` after the machine's clock went back.
    pub given: Timestamp,
    pub monotonic: Duration,
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
            base: Arc::new(AtomicI64::new(i64::MIN)),
        }
    }

    /// Wall time; never earlier than what it gave before. When the machine's clock has gone back it goes on
    /// by monotonic time, until the clock has come up: deadlines fire when they would have.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let read = (self.wall)();
        let before = self.latest.fetch_max(read.as_microsecond(), Ordering::Relaxed);
        if before <= read.as_microsecond() { read } else { self.beyond(before).unwrap_or(read) }
    }

    /// Both clocks at one moment.
    #[must_use]
    pub fn reading(&self) -> Reading {
        Reading { wall: (self.wall)(), given: self.now(), monotonic: (self.monotonic)() }
    }

    /// The time after `before`, which the machine's clock is behind of.
    fn beyond(&self, before: i64) -> Option<Timestamp> {
        let monotonic = i64::try_from((self.monotonic)().as_micros()).unwrap_or(i64::MAX);
        let base = before.saturating_sub(monotonic);
        let base = self.base.fetch_max(base, Ordering::Relaxed).max(base);
        let now = base.saturating_add(monotonic);
        let now = self.latest.fetch_max(now, Ordering::Relaxed).max(now);
        Timestamp::from_microsecond(now).ok()
    }

    /// Time since some fixed moment.
    #[must_use]
    pub fn monotonic(&self) -> Duration {
        (self.monotonic)()
    }
}

/// A duration as reports tell it; what is longer than half a million years is told as that.
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
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

    #[test]
    fn wall_time_goes_on_while_the_machine_s_clock_is_behind() {
        let (hand, since_start) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
        let (wall, monotonic) = (Arc::clone(&hand), Arc::clone(&since_start));
        let clock = Clock::new(
            move || Timestamp::from_second(wall.load(Ordering::Relaxed)).unwrap(),
            move || Duration::from_secs(monotonic.load(Ordering::Relaxed).unsigned_abs()),
        );
        // At each step: what the machine's clock says, seconds since the start, and what is given out.
        for (says, passed, expect) in [
            (1_000, 0, 1_000),
            // An hour back: a deadline ten seconds ahead fires in ten seconds all the same.
            (1_000 - 3_600, 0, 1_000),
            (1_000 - 3_599, 1, 1_001),
            (1_000 - 3_591, 10, 1_010),
            // Put right again.
            (1_012, 12, 1_012),
            // A year ahead for a moment: what was given out stays, and time goes on from there.
            (1_012 + 31_536_000, 13, 1_012 + 31_536_000),
            (1_015, 15, 1_012 + 31_536_000),
            (1_020, 20, 1_017 + 31_536_000),
        ] {
            hand.store(says, Ordering::Relaxed);
            since_start.store(passed, Ordering::Relaxed);
            assert_eq!(clock.now().as_second(), expect, "{says} {passed}");
        }
    }
}
