//! The records window: an exact bound on what leaves in any ten seconds.
//!
//! A record is *reserved* before its first byte leaves, and *departs* when the last of its bytes
//! was handed to the kernel. Between the two it counts without end, so a response that sits in
//! buffers can't let its records slip out of the window before they have left. Departed records
//! count for 100 slots of 100 ms and the slot under way: rounded against the caller.
//!
//! All of it is atomics: the cores of a gate share one window, and no one waits.

use std::sync::atomic::{AtomicU64, Ordering};

/// Length of a slot.
pub const SLOT_MS: u64 = 100;
/// Slots that a departed record counts for, beyond the one in which it left.
const SLOTS_COUNTED: u64 = 100;
/// One more than can count at once, so that the slot to be written is never one that counts.
const SLOTS: usize = 102;

/// A slot is its number (24 bits, enough for 19 days) above its count (40 bits).
const COUNT_BITS: u32 = 40;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;
const NUMBER_MASK: u64 = (1 << 24) - 1;

/// Records in any ten seconds.
#[derive(Debug)]
pub struct Window {
    limit: AtomicU64,
    /// Reserved and not departed, and departed within the window.
    used: AtomicU64,
    /// Latest slot number for which old slots were swept.
    swept: AtomicU64,
    slots: [AtomicU64; SLOTS],
}

impl Window {
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self {
            limit: AtomicU64::new(limit.min(COUNT_MASK)),
            used: AtomicU64::new(0),
            swept: AtomicU64::new(0),
            slots: [const { AtomicU64::new(0) }; SLOTS],
        }
    }

    pub fn set_limit(&self, limit: u64) {
        self.limit.store(limit.min(COUNT_MASK), Ordering::Relaxed);
    }

    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Reserves up to `records` and returns how many it took. `now_ms` is monotonic time.
    #[must_use]
    pub fn reserve(&self, records: u64, now_ms: u64) -> u64 {
        self.sweep(now_ms / SLOT_MS);
        let limit = self.limit();
        let mut used = self.used.load(Ordering::Acquire);
        loop {
            let taken = records.min(limit.saturating_sub(used));
            if taken == 0 {
                return 0;
            }
            match self.used.compare_exchange_weak(used, used + taken, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return taken,
                Err(actual) => used = actual,
            }
        }
    }

    /// Gives back what was reserved and will never leave.
    pub fn abandon(&self, records: u64) {
        self.used.fetch_sub(records, Ordering::AcqRel);
    }

    /// Reserved records have left: from now on they age.
    pub fn depart(&self, records: u64, now_ms: u64) {
        if records == 0 {
            return;
        }
        let number = now_ms / SLOT_MS;
        let Some(slot) = self.slots.get((number % SLOTS as u64) as usize) else { return };
        let mut held = slot.load(Ordering::Acquire);
        loop {
            let written = held >> COUNT_BITS;
            // A swept slot is empty and its number says nothing: 0 would look like a later one for
            // half of the numbers' range.
            let is_empty = held & COUNT_MASK == 0;
            let age = age(number, written);
            let (mark, stale, count) = if !is_empty && (age == 0 || age > NUMBER_MASK / 2) {
                // This very slot, or (if this core was held up for long) one written since: the later mark stays.
                (written, 0, held & COUNT_MASK)
            } else {
                // What is left of an earlier round has aged out: this slot's number is 102 later.
                (number & NUMBER_MASK, held & COUNT_MASK, 0)
            };
            let new = mark << COUNT_BITS | (count + records).min(COUNT_MASK);
            match slot.compare_exchange_weak(held, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    self.used.fetch_sub(stale, Ordering::AcqRel);
                    return;
                }
                Err(actual) => held = actual,
            }
        }
    }

    /// What may still be reserved now.
    #[must_use]
    pub fn left(&self, now_ms: u64) -> u64 {
        self.sweep(now_ms / SLOT_MS);
        self.limit().saturating_sub(self.used.load(Ordering::Acquire))
    }

    /// Milliseconds until the oldest departed records age out; a whole window when all that is used
    /// is in flight, and none when nothing is used.
    #[must_use]
    pub fn wait_ms(&self, now_ms: u64) -> u64 {
        // For each metered answer: without a list, unlike `wait_for_ms`.
        let now = now_ms / SLOT_MS;
        if self.used.load(Ordering::Acquire) == 0 {
            return 0;
        }
        let oldest = self
            .slots
            .iter()
            .map(|slot| slot.load(Ordering::Acquire))
            .filter(|held| held & COUNT_MASK > 0)
            .map(|held| age(now, held >> COUNT_BITS))
            .filter(|age| *age <= SLOTS_COUNTED)
            .max()
            .unwrap_or(0);
        (SLOTS_COUNTED + 1 - oldest) * SLOT_MS
    }

    /// Milliseconds until `records` fit, if nothing else is reserved meanwhile; a whole window when
    /// they don't before what is in flight has left.
    #[must_use]
    pub fn wait_for_ms(&self, records: u64, now_ms: u64) -> u64 {
        let now = now_ms / SLOT_MS;
        let mut departed: Vec<(u64, u64)> = self
            .slots
            .iter()
            .map(|slot| slot.load(Ordering::Acquire))
            .map(|held| (age(now, held >> COUNT_BITS), held & COUNT_MASK))
            .filter(|(age, count)| *age <= SLOTS_COUNTED && *count > 0)
            .collect();
        departed.sort_unstable_by(|one, other| other.cmp(one));
        let mut missing = records.saturating_sub(self.left(now_ms));
        if missing == 0 {
            return 0;
        }
        for (age, count) in departed {
            missing = missing.saturating_sub(count);
            if missing == 0 {
                return (SLOTS_COUNTED + 1 - age) * SLOT_MS;
            }
        }
        (SLOTS_COUNTED + 1) * SLOT_MS
    }

    /// Takes aged slots out of `used`. Whoever comes while another sweeps sees too much used, never too little.
    fn sweep(&self, now: u64) {
        if self.swept.load(Ordering::Relaxed) >= now || self.swept.fetch_max(now, Ordering::AcqRel) >= now {
            return;
        }
        for slot in &self.slots {
            let held = slot.load(Ordering::Acquire);
            let count = held & COUNT_MASK;
            // The exchange fails if somebody wrote the slot meanwhile: then it isn't old any more.
            if count > 0
                && age(now, held >> COUNT_BITS) > SLOTS_COUNTED
                && slot.compare_exchange(held, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
            {
                self.used.fetch_sub(count, Ordering::AcqRel);
            }
        }
    }
}

/// Slots between a slot's number (24 bits of it) and now.
fn age(now: u64, number: u64) -> u64 {
    (now & NUMBER_MASK).wrapping_sub(number) & NUMBER_MASK
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn departed_records_age_out_after_ten_seconds_and_not_before() {
        let window = Window::new(100);
        assert_eq!(window.reserve(80, 5_000), 80);
        window.depart(80, 5_050);
        assert_eq!(window.reserve(50, 5_060), 20);
        window.depart(20, 9_999);
        assert_eq!(window.reserve(1, 15_049), 0);
        assert_eq!(window.reserve(1, 15_099), 0);
        assert_eq!(window.wait_ms(15_099), 100);
        assert_eq!(window.wait_for_ms(80, 15_099), 100);
        // The rest left at 9,999: it takes until then.
        assert_eq!(window.wait_for_ms(81, 15_099), 5_000);
        assert_eq!(window.wait_for_ms(101, 15_099), 10_100);
        assert_eq!(window.wait_for_ms(80, 15_100), 0);
        assert_eq!(window.reserve(100, 15_100), 80);
        window.abandon(80);
        assert_eq!(window.left(15_100), 80);
        assert_eq!(window.left(60_000_000), 100);
    }

    /// Numbers of slots come round every 19 days: departed records count for ten seconds at any time.
    #[test]
    fn a_window_holds_after_any_time() {
        const ROUND_MS: u64 = (NUMBER_MASK + 1) * SLOT_MS;
        for start_ms in [0, ROUND_MS / 2, ROUND_MS / 2 + 60_000, ROUND_MS - 5_000, ROUND_MS, ROUND_MS * 3 / 2]
        {
            let window = Window::new(100);
            for turn in 0..3 {
                let now_ms = start_ms + turn * 20_000;
                assert_eq!(window.reserve(100, now_ms), 100, "{start_ms} {turn}");
                window.depart(100, now_ms);
                assert_eq!(window.reserve(1, now_ms + 9_900), 0, "{start_ms} {turn}");
            }
        }
    }

    #[test]
    fn what_has_not_left_counts_without_end() {
        let window = Window::new(10);
        assert_eq!(window.reserve(10, 0), 10);
        assert_eq!(window.reserve(1, 3_600_000), 0);
        window.depart(10, 3_600_000);
        assert_eq!(window.reserve(1, 3_609_000), 0);
        assert_eq!(window.reserve(1, 3_610_200), 1);
    }

    proptest! {
        /// Against a list of departures: no ten seconds ever hold more than the limit.
        #[test]
        fn no_ten_seconds_hold_more_than_the_limit(
            steps in proptest::collection::vec((0_u64..3_000, 0_u64..60, 0_u64..2_000), 1..200),
            start_days in 0_u64..60,
        ) {
            let window = Window::new(100);
            let mut now = start_days * 86_400_000;
            let mut left: Vec<(u64, u64)> = Vec::new();
            for (pause, records, delay) in steps {
                now += pause;
                let taken = window.reserve(records, now);
                now += delay;
                window.depart(taken, now);
                left.push((now, taken));
                let sum: u64 = left.iter().filter(|(at, _)| *at + 10_000 > now).map(|(_, n)| n).sum();
                prop_assert!(sum <= 100, "{sum} records in ten seconds at {now} ms");
            }
        }
    }

    #[test]
    fn cores_that_race_never_take_more_than_the_limit() {
        let window = Arc::new(Window::new(50_000));
        let stop = Arc::new(AtomicBool::new(false));
        let takers: Vec<_> = (0..4)
            .map(|taker| {
                let (window, stop) = (Arc::clone(&window), Arc::clone(&stop));
                std::thread::spawn(move || {
                    let mut taken = 0;
                    let mut now = 0;
                    // Within one window's length nothing ages out: the sum is bounded by the limit.
                    while !stop.load(Ordering::Relaxed) && now < 9_900 {
                        let got = window.reserve(7 + taker, now);
                        if got % 2 == 0 {
                            window.depart(got, now)
                        } else {
                            window.abandon(got)
                        }
                        taken += if got % 2 == 0 { got } else { 0 };
                        now += 1;
                    }
                    taken
                })
            })
            .collect();
        let sum: u64 = takers.into_iter().map(|taker| taker.join().unwrap()).sum();
        assert!(sum <= 50_000, "{sum}");
        assert_eq!(window.left(9_900), 50_000 - sum);
        assert_eq!(window.left(30_000), 50_000);
    }
}
