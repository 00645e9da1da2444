//! Counts and latencies of the last minute, five minutes, hour, day and thirty days, in slots that grow
//! coarser with age: what is recorded goes into the open ten seconds, and a slot that closes goes into
//! the next coarser one. A record costs one addition, and memory doesn't grow with traffic.
//!
//! A window is whole closed slots and what is open: it reaches back by up to one slot more than its name says,
//! and [`Totals::seconds`] says how far.

use std::collections::VecDeque;

use crate::counts::Counts;
use crate::sketch::{Packed, Sketch};

/// Seconds of a slot, and how many closed ones are kept, the finest first.
const TIERS: [(u64, usize); 5] = [(10, 6), (60, 5), (300, 12), (3_600, 24), (86_400, 30)];

/// How far back to look.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Window {
    Minute,
    FiveMinutes,
    Hour,
    SixHours,
    Day,
    /// So many days, at most thirty.
    Days(u8),
}

/// Days that can be looked back at most.
pub const DAYS_MAX: u8 = 30;

impl Window {
    pub const NAMED: [Self; 6] =
        [Self::Minute, Self::FiveMinutes, Self::Hour, Self::SixHours, Self::Day, Self::Days(DAYS_MAX)];

    /// As queries and labels have it; of days the thirty.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "1m",
            Self::FiveMinutes => "5m",
            Self::Hour => "1h",
            Self::SixHours => "6h",
            Self::Day => "24h",
            Self::Days(_) => "30d",
        }
    }

    #[must_use]
    pub fn seconds(self) -> u64 {
        let (tier, slots) = self.slots();
        TIERS.get(tier).map_or(0, |(seconds, _)| seconds * slots)
    }

    /// The tier whose slots it is made of, and how many.
    fn slots(self) -> (usize, u64) {
        match self {
            Self::Minute => (0, 6),
            Self::FiveMinutes => (1, 5),
            Self::Hour => (2, 12),
            Self::SixHours => (3, 6),
            Self::Day => (3, 24),
            Self::Days(days) => (4, u64::from(days.clamp(1, DAYS_MAX))),
        }
    }
}

impl std::str::FromStr for Window {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::NAMED.into_iter().find(|window| window.as_str() == text).ok_or(())
    }
}

/// What a window holds.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Totals {
    pub counts: Counts,
    pub latencies: Sketch,
}

impl Totals {
    pub fn merge(&mut self, other: &Self) {
        self.counts.merge(&other.counts);
        self.latencies.merge(&other.latencies);
    }

    pub fn is_empty(&self) -> bool {
        self.counts == Counts::default() && self.latencies.is_empty()
    }
}

#[derive(Clone, Debug)]
struct Closed {
    number: u64,
    counts: Box<Counts>,
    latencies: Packed,
}

#[derive(Clone, Default, Debug)]
struct Tier {
    /// Number of the open slot: seconds since the Unix epoch over the slot's seconds.
    number: u64,
    open: Totals,
    closed: VecDeque<Closed>,
}

/// The windows of one thing.
#[derive(Clone, Default, Debug)]
pub struct Rolling {
    tiers: [Tier; TIERS.len()],
}

impl Rolling {
    /// The open slot of `now` (seconds since the Unix epoch). A time before that of the open slot is in the
    /// open slot: time never goes back.
    pub fn at(&mut self, now: u64) -> &mut Totals {
        if now / TIERS[0].0 > self.tiers[0].number {
            self.advance(now);
        }
        &mut self.tiers[0].open
    }

    /// What is in the window that ends at `now`.
    #[must_use]
    pub fn window(&self, window: Window, now: u64) -> Totals {
        let mut totals = Totals::default();
        self.add_window(window, now, &mut totals);
        totals
    }

    /// Adds what is in the window to `totals`.
    pub fn add_window(&self, window: Window, now: u64, totals: &mut Totals) {
        let (last, slots) = window.slots();
        let Some((seconds, _)) = TIERS.get(last) else { return };
        let first = (now / seconds).saturating_sub(slots);
        let from = first * seconds;
        for (tier, (seconds, _)) in self.tiers.iter().zip(TIERS).take(last + 1) {
            // Nothing has closed it since: it may be of long ago.
            if (tier.number + 1) * seconds > from {
                totals.merge(&tier.open);
            }
        }
        let closed = self.tiers.get(last).into_iter().flat_map(|tier| &tier.closed);
        for slot in closed.filter(|slot| slot.number >= first) {
            totals.counts.merge(&slot.counts);
            totals.latencies.merge_packed(&slot.latencies);
        }
    }

    /// Bytes that it holds beside itself, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let slot = size_of::<Closed>() + size_of::<Counts>();
        let tiers = self.tiers.iter();
        tiers.flat_map(|tier| &tier.closed).map(|closed| slot + closed.latencies.bytes()).sum()
    }

    /// Closes what is over at `now`, the finest first: each slot falls into the one it lies in.
    fn advance(&mut self, now: u64) {
        let mut fallen: Option<Totals> = None;
        for (tier, (seconds, kept)) in self.tiers.iter_mut().zip(TIERS) {
            if let Some(fallen) = fallen.take() {
                tier.open.merge(&fallen);
            }
            let number = now / seconds;
            if number <= tier.number {
                return;
            }
            let over = std::mem::take(&mut tier.open);
            if !over.is_empty() {
                let counts = Box::new(over.counts);
                tier.closed.push_back(Closed {
                    number: tier.number,
                    counts,
                    latencies: over.latencies.pack(),
                });
                fallen = Some(over);
            }
            tier.number = number;
            let oldest = number.saturating_sub(kept as u64);
            while tier.closed.len() > kept || tier.closed.front().is_some_and(|slot| slot.number < oldest) {
                tier.closed.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(rolling: &mut Rolling, now: u64, latency_us: u64) {
        let open = rolling.at(now);
        open.counts.good += 1;
        open.latencies.add(latency_us);
    }

    fn seen(rolling: &Rolling, window: Window, now: u64) -> u64 {
        let totals = rolling.window(window, now);
        assert_eq!(totals.counts.good, totals.latencies.total());
        totals.counts.good
    }

    #[test]
    fn what_is_over_leaves_the_windows_one_after_the_other() {
        let mut rolling = Rolling::default();
        let start = 1_800_000_000;
        add(&mut rolling, start, 1_000);
        for (later, expect) in [
            (0, [1, 1, 1, 1, 1, 1]),
            (60, [1, 1, 1, 1, 1, 1]),
            (70, [0, 1, 1, 1, 1, 1]),
            (360, [0, 0, 1, 1, 1, 1]),
            (3_900, [0, 0, 0, 1, 1, 1]),
            (7 * 3_600, [0, 0, 0, 0, 1, 1]),
            (25 * 3_600, [0, 0, 0, 0, 0, 1]),
            (32 * 86_400, [0, 0, 0, 0, 0, 0]),
        ] {
            let found = Window::NAMED.map(|window| seen(&rolling, window, start + later));
            assert_eq!(found, expect, "{later} s later, untouched");
            let mut other = rolling.clone();
            add(&mut other, start + later, 1_000);
            let found = Window::NAMED.map(|window| seen(&other, window, start + later));
            assert_eq!(found, expect.map(|old| old + 1), "{later} s later, and something new");
        }
    }

    #[test]
    fn memory_stays_bounded() {
        let mut rolling = Rolling::default();
        for second in (0..40 * 86_400_u64).step_by(7) {
            add(&mut rolling, 1_800_000_000 + second, 1_000 + (second * 7_919) % 500_000);
        }
        let slots: usize = TIERS.iter().map(|(_, kept)| kept).sum();
        assert!(rolling.tiers.iter().map(|tier| tier.closed.len()).sum::<usize>() <= slots);
        assert!(rolling.bytes() < 64 * 1_024, "{}", rolling.bytes());
        assert!(seen(&rolling, Window::Days(30), 1_800_000_000 + 40 * 86_400) > 30 * 86_400 / 7 - 1);
    }

    #[test]
    fn a_time_that_is_over_counts_in_what_is_open() {
        let mut rolling = Rolling::default();
        add(&mut rolling, 1_800_000_000, 1);
        add(&mut rolling, 1_700_000_000, 1);
        assert_eq!(seen(&rolling, Window::Minute, 1_800_000_000), 2);
    }
}
