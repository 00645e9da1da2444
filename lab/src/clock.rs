//! One monotonic clock for all hosts of the laboratory: they are on one machine.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How long anything may take that must come.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// The step in which conditions are looked at that nobody can be woken by.
const STEP: Duration = Duration::from_millis(1);

/// Nanoseconds of `CLOCK_MONOTONIC`.
#[must_use]
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap()
}

/// Looks until `found` finds something.
///
/// # Panics
/// When nothing was found within [`PATIENCE`]; it says `what`.
pub fn until<T>(what: &str, found: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, found).unwrap_or_else(|| panic!("{what}: not within {} s", PATIENCE.as_secs()))
}

/// Looks until `found` finds something, or the time is over.
pub fn within<T>(limit: Duration, mut found: impl FnMut() -> Option<T>) -> Option<T> {
    let end = now_ns() + nanoseconds(limit);
    loop {
        if let Some(thing) = found() {
            return Some(thing);
        }
        if now_ns() >= end {
            return None;
        }
        std::thread::park_timeout(STEP);
    }
}

/// As the clock counts.
#[must_use]
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap()
}
