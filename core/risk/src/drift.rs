//! Slow drift: whether the records of each day lie above those of the sealed reference, day after day.

use crate::buckets::weekday;
use crate::codec::fields;
use crate::constants::{DRIFT_ALARM, DRIFT_ALLOWANCE, DRIFT_DAYS_MIN, DRIFT_SIGMA_MIN, RESEAL_DAYS};
use crate::ln::ln;
use crate::small;

const DAYS: usize = 28;

#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub(crate) struct Drift {
    /// Amounts of the last four weeks, by day; 0 is nothing.
    days: [u16; DAYS],
    /// The reference: means by weekday, from how many days each, and how far days lie from them.
    means: [f32; 7],
    from: [u8; 7],
    sigma: f32,
    sum: f32,
    records: u64,
    requests: u64,
    /// 0: none is sealed.
    sealed_on: u32,
    pub(crate) alarm: bool,
    /// Amounts are records; else, where nothing is counted, requests.
    by_records: bool,
}

fields!(Drift { days, means, from, sigma, sum, records, requests, sealed_on, alarm, by_records });

impl Drift {
    pub(crate) fn exchange(&mut self, records: Option<u64>) {
        self.requests = self.requests.saturating_add(1);
        self.records = self.records.saturating_add(records.unwrap_or_default());
    }

    /// `ended` is the day that is over; `graduated` lets the first reference be sealed, and `whole` says whether it was made of four
    /// weeks. True if it was replaced for its age.
    pub(crate) fn turn(&mut self, ended: u32, graduated: bool, whole: &mut bool) -> bool {
        if self.records > 0 && !self.by_records {
            *self = Self { by_records: true, records: self.records, ..Self::default() };
        }
        let amount = if self.by_records { self.records } else { self.requests };
        (self.records, self.requests) = (0, 0);
        if let Some(day) = self.days.get_mut(ended as usize % DAYS) {
            *day = small::short(u32::try_from(amount).unwrap_or(u32::MAX));
        }
        if self.sealed_on == 0 {
            if graduated {
                *whole = self.seal(ended);
            }
            return false;
        }
        if amount > 0 {
            self.compare(amount as f64, weekday(ended), *whole);
        }
        let old = ended.saturating_sub(self.sealed_on) >= RESEAL_DAYS;
        let completes = !*whole && self.is_whole(ended);
        if !self.alarm && (old || completes) {
            *whole = self.seal(ended);
            return old;
        }
        false
    }

    /// Makes the last four weeks the reference, if they hold enough; closes an alarm. Whether it was all of them.
    ///
    /// The middle of each weekday, by logarithms: the mean of amounts lies above it by half their variance. Of few days the
    /// weekdays' own means are mostly noise: they are drawn to that of all, by as much as they differ no more than
    /// noise would (Stein).
    pub(crate) fn seal(&mut self, on: u32) -> bool {
        (self.sum, self.alarm) = (0.0, false);
        let (mut sums, mut from, mut squares) = ([0.0; 7], [0_u8; 7], 0.0);
        for (day, x) in self.logarithms(on) {
            if let (Some(sum), Some(count)) = (sums.get_mut(day), from.get_mut(day)) {
                (*sum, *count) = (*sum + x, *count + 1);
            }
        }
        let all = from.iter().copied().map(usize::from).sum::<usize>();
        if all < DRIFT_DAYS_MIN {
            return false;
        }
        let overall = sums.iter().sum::<f64>() / all as f64;
        let own = |day: usize| match (sums.get(day), from.get(day)) {
            (Some(sum), Some(count)) if *count > 0 => sum / f64::from(*count),
            _ => overall,
        };
        let within: f64 = self.logarithms(on).map(|(day, x)| (x - own(day)) * (x - own(day))).sum();
        let between: f64 = (0..7)
            .zip(&from)
            .map(|(day, count)| f64::from(*count) * (own(day) - overall) * (own(day) - overall))
            .sum();
        let others = from.iter().filter(|count| **count > 0).count().saturating_sub(1) as f64;
        let noise = within / (all as f64 - others - 1.0).max(1.0);
        let kept = if between > 0.0 { (1.0 - noise * others / between).max(0.0) } else { 0.0 };
        let middle = |day: usize| overall + kept * (own(day) - overall);
        for (day, x) in self.logarithms(on) {
            squares += (x - middle(day)) * (x - middle(day));
        }
        // What the middles themselves may be off by.
        let known = 1.0 + others * kept;
        let free = (all as f64 - known).max(1.0);
        let sigma = libm::sqrt(squares / free * (1.0 + known / all as f64)).max(DRIFT_SIGMA_MIN);
        let mut means = [0.0; 7];
        means.iter_mut().enumerate().for_each(|(day, mean)| *mean = libm::exp(middle(day)) as f32);
        (self.means, self.from, self.sigma, self.sealed_on) = (means, from, sigma as f32, on.max(1));
        self.is_whole(on)
    }

    /// Weekday and ln of the amount of the last four weeks' days, where there was any.
    fn logarithms(&self, on: u32) -> impl Iterator<Item = (usize, f64)> {
        let days = (0..DAYS as u32).map(move |back| on.saturating_sub(back));
        days.filter_map(|day| Some((day, small::from_short(*self.days.get(day as usize % DAYS)?))))
            .filter(|(_, amount)| *amount > 0)
            .map(|(day, amount)| (weekday(day), ln(f64::from(amount))))
    }

    /// Whether it was there four weeks ago, but for a weekend.
    fn is_whole(&self, on: u32) -> bool {
        let oldest = (DAYS as u32 - 3..DAYS as u32).map(|back| on.saturating_sub(back));
        oldest.into_iter().any(|day| self.days.get(day as usize % DAYS).is_some_and(|amount| *amount > 0))
    }

    pub(crate) fn milli(&self) -> Option<u32> {
        (self.sealed_on > 0).then(|| (f64::from(self.sum) * 1_000.0 + 0.5) as u32)
    }

    pub(crate) fn sealed_on(&self) -> Option<u32> {
        (self.sealed_on > 0).then_some(self.sealed_on)
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.days.iter_mut().zip(&other.days) {
            *mine = small::short(small::from_short(*mine).saturating_add(small::from_short(*theirs)));
        }
        self.records = self.records.saturating_add(other.records);
        self.requests = self.requests.saturating_add(other.requests);
        self.by_records |= other.by_records;
        // What each gate saw alone is no reference for all: it is sealed anew.
        (self.means, self.from, self.sigma, self.sum) = ([0.0; 7], [0; 7], 0.0, 0.0);
        self.sealed_on = 0;
        self.alarm |= other.alarm;
    }

    fn compare(&mut self, amount: f64, weekday: usize, whole: bool) {
        let Some(mean) = self.means.get(weekday) else { return };
        let x = ln(amount / f64::from(*mean)) / f64::from(self.sigma).max(DRIFT_SIGMA_MIN);
        let days = self.from.iter().copied().map(f64::from).sum::<f64>().max(1.0);
        // A reference of few days may lie too low on all of them.
        let unsure = if whole { 0.0 } else { 1.0 / libm::sqrt(days) };
        self.sum = (f64::from(self.sum) + x - DRIFT_ALLOWANCE - unsure).clamp(0.0, 1e6) as f32;
        self.alarm |= f64::from(self.sum) > DRIFT_ALARM;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::mix;

    /// Standard normal, near enough.
    fn normal(seed: &mut u64) -> f64 {
        let unit = |at: u64| (mix(at) >> 11) as f64 / 9_007_199_254_740_992.0;
        let sum: f64 = (0..12).map(|at| unit(seed.wrapping_add(at))).sum();
        *seed = mix(*seed);
        sum - 6.0
    }

    /// Shares of machines of whom the alarm was raised within 60 days after a reference of four weeks was sealed.
    fn alarms(sigma: f64, ramp: f64, weekend: f64) -> f64 {
        let runs = 600;
        let alarmed = |run: u64| {
            let (mut drift, mut whole, mut seed) = (Drift::default(), false, mix(run + 1));
            (0..88).any(|day: u32| {
                let grown = ramp * f64::from(day.saturating_sub(27));
                let rest = if weekday(20_458 + day) >= 5 { weekend } else { 0.0 };
                let records = libm::exp(8.0 + rest + grown + sigma * normal(&mut seed)) as u64;
                drift.exchange(Some(records));
                drift.turn(20_458 + day, day >= 13, &mut whole);
                assert!(day < 27 || whole || drift.alarm);
                day >= 28 && drift.alarm
            })
        };
        (0..runs).filter(|run| alarmed(*run)).count() as f64 / runs as f64
    }

    /// The specification's simulation knows mean and σ; here both are estimated from 28 days, so that it finds a little less and
    /// alarms a little more often.
    #[test]
    fn a_poisoner_is_found_by_an_estimated_reference() {
        for (sigma, weekend, found, false_alarms) in
            [(0.1, 0.0, 1.0, 0.03), (0.3, 0.0, 0.98, 0.08), (0.3, -0.7, 0.96, 0.08), (0.5, 0.0, 0.7, 0.08)]
        {
            let (poisoner, honest) = (alarms(sigma, 0.00995, weekend), alarms(sigma, 0.0, weekend));
            assert!(poisoner >= found && honest <= false_alarms, "{sigma} {weekend}: {poisoner} {honest}");
        }
    }
}
