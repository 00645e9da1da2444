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

    /// `ended` is the day that is over; `graduated` lets the first reference be sealed.
    pub(crate) fn turn(&mut self, ended: u32, graduated: bool) {
        if self.records > 0 && !self.by_records {
            *self = Self { by_records: true, records: self.records, ..Self::default() };
        }
        let amount = if self.by_records { self.records } else { self.requests };
        (self.records, self.requests) = (0, 0);
        if let Some(day) = self.days.get_mut(ended as usize % DAYS) {
            *day = small::short(u32::try_from(amount).unwrap_or(u32::MAX));
        }
        if amount > 0 && self.sealed_on > 0 {
            self.compare(amount as f64, weekday(ended));
        }
        let old = ended.saturating_sub(self.sealed_on) >= RESEAL_DAYS;
        if (self.sealed_on == 0 && graduated) || (self.sealed_on > 0 && old && !self.alarm) {
            self.seal(ended);
        }
    }

    /// Makes the last four weeks the reference, if they hold enough; closes an alarm.
    pub(crate) fn seal(&mut self, on: u32) {
        let amounts = |which: Option<usize>| {
            let days = (0..DAYS as u32).map(move |back| on.saturating_sub(back));
            let days = days.filter(move |day| which.is_none_or(|which| weekday(*day) == which));
            days.filter_map(|day| self.days.get(day as usize % DAYS).copied())
                .map(small::from_short)
                .filter(|amount| *amount > 0)
                .map(f64::from)
        };
        let all = amounts(None).count();
        if all < DRIFT_DAYS_MIN {
            (self.sum, self.alarm) = (0.0, false);
            return;
        }
        let overall = amounts(None).sum::<f64>() / all as f64;
        let (mut means, mut from) = ([0.0; 7], [0; 7]);
        let (mut squares, mut weekdays) = (0.0, 0);
        for (day, (mean, count)) in means.iter_mut().zip(&mut from).enumerate() {
            let found = amounts(Some(day)).count();
            let usual = if found == 0 { overall } else { amounts(Some(day)).sum::<f64>() / found as f64 };
            (*mean, *count) = (usual as f32, found as u8);
            weekdays += usize::from(found > 0);
            squares += amounts(Some(day)).map(|amount| ln(amount / usual)).map(|x| x * x).sum::<f64>();
        }
        let free = all.saturating_sub(weekdays).max(1) as f64;
        self.sigma = libm::sqrt(squares / free).max(DRIFT_SIGMA_MIN) as f32;
        (self.means, self.from, self.sum, self.alarm, self.sealed_on) = (means, from, 0.0, false, on.max(1));
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

    fn compare(&mut self, amount: f64, weekday: usize) {
        let (Some(mean), Some(from)) = (self.means.get(weekday), self.from.get(weekday)) else { return };
        // A mean of few days is itself uncertain.
        let sigma = f64::from(self.sigma) * libm::sqrt(1.0 + 1.0 / f64::from((*from).max(1)));
        let x = ln(amount / f64::from(*mean)) / sigma.max(DRIFT_SIGMA_MIN);
        self.sum = (f64::from(self.sum) + x - DRIFT_ALLOWANCE).clamp(0.0, 1e6) as f32;
        self.alarm |= f64::from(self.sum) > DRIFT_ALARM;
    }
}
