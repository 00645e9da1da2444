//! Whether the machine's clock jumps: wall time is held against monotonic time once a second.
//!
//! What is decided by wall time stays right either way: it never goes back, and goes on by monotonic time while
//! the machine's clock is behind (`portcullis_policy::clock`). But somebody should know.

use std::sync::{Mutex, PoisonError, Weak};
use std::time::Duration;

use jiff::Timestamp;
use portcullis_policy::clock::{Clock, Reading};

/// How often the clocks are compared.
const INTERVAL: Duration = Duration::from_secs(1);
/// A time service that slews moves less than this between two looks.
const JUMP_US_MIN: i64 = 2_000_000;

/// What was seen of the clocks since the start.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub(crate) struct ClockSeen {
    pub jumps: u64,
    pub last: Option<Jump>,
    /// How far the time that is given out is ahead of the machine's clock, in microseconds.
    pub ahead_us: i64,
    previous: Option<Reading>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Jump {
    /// By the time that is given out.
    pub at: Timestamp,
    /// Forwards, or back if it is negative.
    pub by_us: i64,
}

#[derive(Default, Debug)]
pub(crate) struct ClockWatch(Mutex<ClockSeen>);

impl ClockWatch {
    pub fn seen(&self) -> ClockSeen {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks for as long as somebody asks what was seen.
pub(crate) async fn watch(watch: Weak<ClockWatch>, clock: Clock) {
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        interval.tick().await;
        let Some(watch) = watch.upgrade() else { return };
        let jump = watch.0.lock().unwrap_or_else(PoisonError::into_inner).look(clock.reading());
        if let Some(jump) = jump {
            let seconds = jump.by_us as f64 / 1e6;
            tracing::warn!(seconds, "the machine's clock has jumped; the time that decides never goes back");
        }
    }
}

impl ClockSeen {
    /// Takes a reading; answers the jump since the one before, if there was one.
    fn look(&mut self, reading: Reading) -> Option<Jump> {
        let previous = self.previous.replace(reading);
        self.ahead_us = reading.given.as_microsecond().saturating_sub(reading.wall.as_microsecond());
        let previous = previous?;
        let wall_us = reading.wall.as_microsecond().saturating_sub(previous.wall.as_microsecond());
        let passed = reading.monotonic.saturating_sub(previous.monotonic);
        let by_us = wall_us.saturating_sub(i64::try_from(passed.as_micros()).unwrap_or(i64::MAX));
        if by_us.abs() < JUMP_US_MIN {
            return None;
        }
        let jump = Jump { at: reading.given, by_us };
        self.jumps += 1;
        self.last = Some(jump);
        Some(jump)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(wall: i64, given: i64, monotonic: u64) -> Reading {
        let at = |second| Timestamp::from_second(second).unwrap();
        Reading { wall: at(wall), given: at(given), monotonic: Duration::from_secs(monotonic) }
    }

    #[test]
    fn a_jump_is_told_and_what_is_slow_is_none() {
        let mut seen = ClockSeen::default();
        let mut look =
            |wall, given, monotonic| seen.look(reading(wall, given, monotonic)).map(|jump| jump.by_us);
        assert_eq!(look(1_000, 1_000, 5), None);
        assert_eq!(look(1_001, 1_001, 6), None);
        // The process stood still for a minute, and so did no clock.
        assert_eq!(look(1_061, 1_061, 66), None);
        assert_eq!(look(1_063, 1_063, 67), None, "a second ahead is no jump");
        assert_eq!(look(1_067, 1_067, 68), Some(3_000_000));
        assert_eq!(look(468, 1_068, 69), Some(-600_000_000));
        assert_eq!(look(469, 1_069, 70), None);
        assert_eq!((seen.jumps, seen.ahead_us), (2, 600_000_000));
        assert_eq!(seen.last.unwrap().at.as_second(), 1_068);
    }
}
