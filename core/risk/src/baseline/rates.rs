//! Requests and records in windows of a second, a minute and an hour.

use serde::{Deserialize, Serialize};

use crate::beta::negative_binomial_tail;
use crate::codec::{NUMBER_MAX, fields};
use crate::constants::{RATE_WIDENING, RATE_WINDOWS_MIN};
use crate::ln::{ln, milli};
use crate::small;

/// A second, a minute, an hour.
pub(crate) const SPANS: usize = 3;
/// Requests over each span, then records.
pub(crate) const RATES: usize = 2 * SPANS;
const SPAN_US: [i64; SPANS] = [1_000_000, 60_000_000, 3_600_000_000];
const LEVELS: [f64; 3] = [1e-2, 1e-4, 1e-6];

/// Windows that are open: the admitted contexts of a client share one set, all others another.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Windows {
    /// Microseconds; 0 is none.
    starts: [i64; SPANS],
    requests: [u32; SPANS],
    records: [u32; SPANS],
}

fields!(Windows { starts, requests, records });

/// What another gate has added to windows that are open there.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Opened {
    starts: [i64; SPANS],
    requests: [u32; SPANS],
    records: [u32; SPANS],
}

/// What a request does to windows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) windows: Windows,
    /// Which were opened.
    pub(crate) opened: [bool; SPANS],
    /// Counts of the windows that this closed, in a byte each; `NONE` where none was.
    pub(crate) closed: [u8; RATES],
}

impl Windows {
    pub(crate) fn request(&self, at_us: i64) -> Step {
        let mut step = Step { windows: *self, opened: [false; SPANS], closed: [crate::buckets::NONE; RATES] };
        let windows = &mut step.windows;
        for span in 0..SPANS {
            let (Some(start), Some(requests), Some(records), Some(length)) = (
                windows.starts.get_mut(span),
                windows.requests.get_mut(span),
                windows.records.get_mut(span),
                SPAN_US.get(span),
            ) else {
                continue;
            };
            if *start != 0 && at_us.saturating_sub(*start) < *length {
                *requests = requests.saturating_add(1);
                continue;
            }
            if *start != 0 {
                for (place, count) in [(span, requests.saturating_sub(1)), (span + SPANS, *records)] {
                    if let Some(closed) = step.closed.get_mut(place) {
                        *closed = small::byte(count).min(crate::buckets::NONE - 1);
                    }
                }
            }
            (*start, *requests, *records) = (at_us, 1, 0);
            if let Some(opened) = step.opened.get_mut(span) {
                *opened = true;
            }
        }
        step
    }

    pub(crate) fn requests(&self, span: usize) -> u32 {
        self.requests.get(span).copied().unwrap_or_default()
    }

    /// Adds records; before and after.
    pub(crate) fn record(&mut self, span: usize, records: u64) -> (u32, u32) {
        let Some(count) = self.records.get_mut(span) else { return (0, 0) };
        let before = *count;
        *count = count.saturating_add(u32::try_from(records).unwrap_or(u32::MAX));
        (before, *count)
    }

    /// These windows, with what was added to them alone.
    pub(crate) fn with(&self, requests: [u32; SPANS], records: [u32; SPANS]) -> Opened {
        Opened { starts: self.starts, requests, records }
    }

    /// Records that were added since.
    pub(crate) fn records_since(&self, before: &Self) -> [u32; SPANS] {
        let mut more = self.records;
        more.iter_mut().zip(before.records).for_each(|(more, before)| *more = more.saturating_sub(before));
        more
    }

    /// What another gate has added: to the same window where they overlap, which began with the earlier of both. Whoever closes a
    /// window learns what was in it, so one that is over there isn't closed here once more.
    pub(crate) fn join(&mut self, other: &Opened) {
        let theirs = other.starts.iter().zip(&other.requests).zip(&other.records);
        let mine = self.starts.iter_mut().zip(&mut self.requests).zip(&mut self.records);
        for ((((start, requests), records), ((begun, asked), counted)), length) in
            mine.zip(theirs).zip(SPAN_US)
        {
            if *begun == 0 || (*start != 0 && begun.saturating_add(length) <= *start) {
                continue;
            }
            if *start == 0 || start.saturating_add(length) <= *begun {
                (*start, *requests, *records) = (*begun, *asked, *counted);
            } else {
                *start = (*start).min(*begun);
                *requests = requests.saturating_add(*asked);
                *records = records.saturating_add(*counted);
            }
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.starts.iter_mut().zip(&other.starts) {
            *mine = (*mine).max(*theirs);
        }
        for (mine, theirs) in self.requests.iter_mut().zip(&other.requests) {
            *mine = mine.saturating_add(*theirs);
        }
        for (mine, theirs) in self.records.iter_mut().zip(&other.records) {
            *mine = mine.saturating_add(*theirs);
        }
    }
}

/// What crossing a level adds, computed once a day.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Level {
    counts: [u32; 3],
    /// On opening, and on crossing each; thousandths of a point.
    points: [i16; 4],
}

fields!(Level { counts, points });

/// How many there are in a window, as a negative binomial.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub(crate) struct Rates {
    windows: [f32; RATES],
    sums: [f32; RATES],
    squares: [f32; RATES],
    levels: [Level; RATES],
}

fields!(Rates { windows, sums, squares, levels });

impl Rates {
    /// Points for `count`, which was `before`; `None` while too little is known. With it, the most that adds nothing.
    pub(crate) fn points(&self, rate: usize, opened: bool, before: u32, count: u32) -> Option<(i32, u32)> {
        let level = self.levels.get(rate)?;
        let [first, second, third] = level.counts;
        if first == 0 {
            return None;
        }
        let [opening, one, two, three] = level.points.map(i32::from);
        let mut points = if opened { opening } else { 0 };
        for (level, more) in [(first, one), (second, two), (third, three)] {
            if before < level && level <= count {
                points += more;
            }
        }
        Some((points, first - 1))
    }

    pub(crate) fn learn(&mut self, closed: &[u8; RATES], times: u16) {
        self.change(closed, f32::from(times));
    }

    pub(crate) fn unlearn(&mut self, closed: &[u8; RATES], times: u16) {
        self.change(closed, -f32::from(times));
    }

    fn change(&mut self, closed: &[u8; RATES], times: f32) {
        let rows = self.windows.iter_mut().zip(&mut self.sums).zip(&mut self.squares);
        for (((windows, sum), square), closed) in rows.zip(closed) {
            if *closed != crate::buckets::NONE {
                let count = small::from_byte(*closed) as f32;
                *windows = (*windows + times).clamp(0.0, NUMBER_MAX);
                *sum = (*sum + times * count).clamp(0.0, NUMBER_MAX);
                *square = (*square + times * count * count).clamp(0.0, NUMBER_MAX);
            }
        }
    }

    pub(crate) fn fade(&mut self) {
        let keep = 1.0 - crate::constants::DECAY as f32 / 65_536.0;
        for value in self.windows.iter_mut().chain(&mut self.sums).chain(&mut self.squares) {
            *value *= keep;
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        let mine = self.windows.iter_mut().chain(&mut self.sums).chain(&mut self.squares);
        for (mine, theirs) in mine.zip(other.windows.iter().chain(&other.sums).chain(&other.squares)) {
            *mine = (*mine + *theirs).min(NUMBER_MAX);
        }
    }

    /// Fixes the levels anew; `weights` and `shares` (π) by rate.
    pub(crate) fn level(&mut self, weights: [f64; RATES], shares: [f64; RATES]) {
        let known = self.windows.iter().zip(&self.sums).zip(&self.squares);
        for ((level, ((windows, sum), square)), (weight, share)) in
            self.levels.iter_mut().zip(known).zip(weights.into_iter().zip(shares))
        {
            *level = Level::default();
            if *windows < RATE_WINDOWS_MIN {
                continue;
            }
            let (windows, sum, square) = (f64::from(*windows), f64::from(*sum), f64::from(*square));
            let mean = (sum / windows).max(0.05);
            let variance = (square / windows - mean * mean) * (1.0 + RATE_WIDENING / windows);
            let variance = variance.max(1.1 * mean);
            level.fill(mean, mean * mean / (variance - mean), weight, share);
        }
    }
}

impl Level {
    fn fill(&mut self, mean: f64, size: f64, weight: f64, share: f64) {
        let short = |points: i32| points.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
        let mut odds = 1.0 - share;
        let [opening, crossing @ ..] = &mut self.points;
        *opening = short(milli(weight * ln(odds)));
        let mut least = 1;
        for ((level, count), points) in LEVELS.iter().zip(&mut self.counts).zip(crossing) {
            least = smallest(least, mean, size, *level);
            *count = least;
            let tail = negative_binomial_tail(least, mean, size).max(1e-12);
            let more = odds + share / 3.0 / tail;
            *points = short(milli(weight * ln(more / odds)));
            odds = more;
            least = least.saturating_add(1);
        }
    }
}

/// The smallest count from `least` on whose tail is within `level`.
fn smallest(least: u32, mean: f64, size: f64, level: f64) -> u32 {
    let rare = |count: u32| negative_binomial_tail(count, mean, size) <= level;
    if rare(least) {
        return least;
    }
    let (mut low, mut high) =
        (least, ((2.0 * mean) as u32).saturating_add(least.saturating_mul(2)).saturating_add(2));
    while !rare(high) && high < u32::MAX / 2 {
        (low, high) = (high, high.saturating_mul(2));
    }
    // A tenth of a percent is near enough for large counts: the tail that is charged is that of the count found.
    while high - low > 1 + high / 1_024 {
        let middle = low + (high - low) / 2;
        if rare(middle) { high = middle } else { low = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buckets::NONE;

    fn learnt(counts: impl Iterator<Item = u32>) -> Rates {
        let mut rates = Rates::default();
        for count in counts {
            rates.learn(&[small::byte(count), NONE, NONE, NONE, NONE, NONE], 1);
        }
        rates.level([1.0; RATES], [0.5; RATES]);
        rates
    }

    #[test]
    fn a_window_is_charged_at_its_opening_and_pays_back_at_rare_counts() {
        let rates = learnt((0..200).map(|at| at % 5));
        let (opening, usual) = rates.points(0, true, 0, 1).unwrap();
        assert_eq!(opening, milli(0.5_f64.ln()));
        assert_eq!(rates.points(0, false, 1, usual).unwrap().0, 0);
        let all = rates.points(0, true, 0, 1_000_000).unwrap().0;
        // E is at most (1 − π) + π / 3 · (1e2 + 1e4 + 1e6), a little more as tails are smaller than their levels.
        assert!((40_000..=i32::from(i16::MAX) * 3).contains(&all), "{all}");
        // However it grows, it adds up to the same.
        let grown: i32 = (0..1_000).map(|count| rates.points(0, false, count, count + 1).unwrap().0).sum();
        assert_eq!(grown + opening, all);
    }

    #[test]
    fn nothing_is_said_of_a_rate_that_is_not_known() {
        assert_eq!(learnt(0..10).points(0, true, 0, 1_000), None);
    }

    #[test]
    fn windows_open_at_their_first_request_and_close_after_their_span() {
        let mut windows = Windows::default();
        let mut closed = Vec::new();
        for at in [1_000_000, 1_200_000, 1_999_999, 2_000_000, 70_000_000] {
            let step = windows.request(at);
            windows = step.windows;
            closed.push((step.opened, step.closed[0], step.closed[1]));
        }
        assert_eq!(
            closed,
            [
                ([true; 3], NONE, NONE),
                ([false; 3], NONE, NONE),
                ([false; 3], NONE, NONE),
                ([true, false, false], 2, NONE),
                ([true, true, false], 0, 3),
            ]
        );
    }
}
