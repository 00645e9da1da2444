//! Requests and bytes by the generic cell rate algorithm: one atomic for each limit.
//!
//! Source: ITU-T I.371, the virtual scheduling form. The stored value is the theoretical arrival
//! time of the next cell, in nanoseconds of monotonic time.

use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_domain::spec::RateLimit;

/// One limit's state; its numbers come in with each call, so that a reload changes them at once.
#[derive(Debug, Default)]
pub struct Rate {
    arrival_ns: AtomicU64,
}

impl Rate {
    /// Takes `units` at once, or says how long to wait, in nanoseconds.
    ///
    /// # Errors
    /// The wait until they would fit.
    pub fn take(&self, units: u64, limit: RateLimit, now_ns: u64) -> Result<(), u64> {
        let cost = cost_ns(units, limit);
        let tolerance = cost_ns(limit.burst, limit);
        let mut arrival = self.arrival_ns.load(Ordering::Relaxed);
        loop {
            let new = arrival.max(now_ns).saturating_add(cost);
            if new > now_ns.saturating_add(tolerance) {
                return Err(new - now_ns - tolerance);
            }
            match self.arrival_ns.compare_exchange_weak(arrival, new, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(actual) => arrival = actual,
            }
        }
    }

    /// Charges what has happened already: bytes that left. Later calls wait for it.
    pub fn charge(&self, units: u64, limit: RateLimit, now_ns: u64) {
        let cost = cost_ns(units, limit);
        let _ = self.arrival_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |arrival| {
            Some(arrival.max(now_ns).saturating_add(cost))
        });
    }

    /// What could be taken now, in whole units.
    #[must_use]
    pub fn left(&self, limit: RateLimit, now_ns: u64) -> u64 {
        let ahead = self.arrival_ns.load(Ordering::Relaxed).saturating_sub(now_ns);
        let free = cost_ns(limit.burst, limit).saturating_sub(ahead);
        u64::try_from(u128::from(free) * u128::from(limit.per_second) / 1_000_000_000).unwrap_or(u64::MAX)
    }
}

fn cost_ns(units: u64, limit: RateLimit) -> u64 {
    let nanoseconds = u128::from(units) * 1_000_000_000 / u128::from(limit.per_second.max(1));
    u64::try_from(nanoseconds).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: RateLimit = RateLimit { per_second: 10, burst: 5 };
    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let rate = Rate::default();
        for _ in 0..5 {
            assert_eq!(rate.take(1, LIMIT, SECOND), Ok(()));
        }
        assert_eq!(rate.take(1, LIMIT, SECOND), Err(SECOND / 10));
        assert_eq!(rate.left(LIMIT, SECOND), 0);
        assert_eq!(rate.take(1, LIMIT, SECOND + SECOND / 10), Ok(()));
        assert_eq!(rate.left(LIMIT, 10 * SECOND), 5);
    }

    #[test]
    fn a_charge_is_paid_back_by_waiting() {
        let rate = Rate::default();
        rate.charge(20, LIMIT, 0);
        assert_eq!(rate.take(1, LIMIT, 0), Err(2 * SECOND - SECOND / 2 + SECOND / 10));
        assert_eq!(rate.take(1, LIMIT, 2 * SECOND), Ok(()));
    }
}
