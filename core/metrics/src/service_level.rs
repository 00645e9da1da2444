//! What a contract promises, and how fast its error budget burns.
//!
//! A promise of 99.9 % over thirty days is a budget: one request in a thousand may fail. The burn rate is how
//! fast it is spent: at 1 it lasts exactly as long as the promise's window. Alarms look at two windows, the
//! long one so that it matters and the short one so that it still goes on (The Site Reliability Workbook,
//! chapter 5, "Multiwindow, Multi-Burn-Rate Alerts").

use crate::rolling::{Totals, Window};

/// With fewer exchanges in an alarm's long window nothing is said: one failure would be an alarm.
pub const EXCHANGES_MIN: u64 = 20;

/// What must hold.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Objective {
    /// The share of exchanges that our side serves, 0 to 1.
    Availability(f64),
    /// 99 of 100 complete answers come within so many microseconds.
    LatencyP99(u64),
}

/// A share of the whole budget that is spent within so many hours is an alarm, if it goes on.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Alarm {
    long: Window,
    short: Window,
    hours: f64,
    share: f64,
    pace: Pace,
}

const ALARMS: [Alarm; 3] = [
    Alarm { long: Window::Hour, short: Window::FiveMinutes, hours: 1.0, share: 0.02, pace: Pace::Fast },
    Alarm { long: Window::SixHours, short: Window::Hour, hours: 6.0, share: 0.05, pace: Pace::Steady },
    Alarm { long: Window::Day, short: Window::SixHours, hours: 24.0, share: 0.1, pace: Pace::Slow },
];

/// How fast a budget burns, the worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Pace {
    /// Nothing is left.
    Spent,
    /// A fiftieth of the budget in an hour.
    Fast,
    /// A twentieth in six hours.
    Steady,
    /// A tenth in a day.
    Slow,
}

impl Pace {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spent => "spent",
            Self::Fast => "fast",
            Self::Steady => "steady",
            Self::Slow => "slow",
        }
    }
}

/// Of exchanges that count, how many were bad.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    pub bad: u64,
    pub all: u64,
}

/// Where an objective stands.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Standing {
    /// Over the promise's window.
    pub tally: Tally,
    /// The part of the budget that is spent: 1 is all of it, and it may be more.
    pub spent: f64,
    /// Burn rates over 1 h, 6 h and 24 h; none without an exchange.
    pub rates: [(Window, Option<f64>); 3],
    pub pace: Option<Pace>,
}

impl Objective {
    /// As labels and JSON have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Availability(_) => "availability",
            Self::LatencyP99(_) => "latency_p99",
        }
    }

    /// In percent, or in milliseconds.
    #[must_use]
    pub fn promised(self) -> f64 {
        match self {
            // Written with a few places: 0.999 · 100 is no round number.
            Self::Availability(share) => (share * 100.0 * 1e9).round() / 1e9,
            Self::LatencyP99(limit_us) => limit_us as f64 / 1_000.0,
        }
    }

    /// The share of exchanges that may be bad.
    #[must_use]
    pub fn budget(self) -> f64 {
        match self {
            Self::Availability(share) => (1.0 - share).max(f64::EPSILON),
            Self::LatencyP99(_) => 0.01,
        }
    }

    #[must_use]
    pub fn tally(self, totals: &Totals) -> Tally {
        match self {
            Self::Availability(_) => {
                Tally { bad: totals.counts.failed, all: totals.counts.failed + totals.counts.good }
            }
            Self::LatencyP99(limit_us) => {
                Tally { bad: totals.latencies.above(limit_us), all: totals.latencies.total() }
            }
        }
    }

    /// Where it stands, by what `look` finds in each window; the promise is over `days`.
    pub fn standing(self, days: u8, look: impl Fn(Window) -> Totals) -> Standing {
        let look = |window| self.tally(&look(window));
        let rate =
            |tally: Tally| (tally.all > 0).then(|| tally.bad as f64 / tally.all as f64 / self.budget());
        let tally = look(Window::Days(days));
        let spent = rate(tally).unwrap_or(0.0);
        let [short, hour, six_hours, day] =
            [Window::FiveMinutes, Window::Hour, Window::SixHours, Window::Day].map(look);
        let of = |window| match window {
            Window::FiveMinutes => short,
            Window::Hour => hour,
            Window::SixHours => six_hours,
            _ => day,
        };
        let burns = |alarm: &Alarm| {
            let limit = alarm.share * f64::from(days) * 24.0 / alarm.hours;
            let over = |tally| rate(tally).is_some_and(|rate| rate >= limit);
            of(alarm.long).all >= EXCHANGES_MIN && over(of(alarm.long)) && over(of(alarm.short))
        };
        let pace = if tally.all >= EXCHANGES_MIN && spent >= 1.0 {
            Some(Pace::Spent)
        } else {
            ALARMS.iter().find(|alarm| burns(alarm)).map(|alarm| alarm.pace)
        };
        let rates = [Window::Hour, Window::SixHours, Window::Day].map(|window| (window, rate(of(window))));
        Standing { tally, spent, rates, pace }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Totals of so many good and failed exchanges.
    fn totals(good: u64, failed: u64) -> Totals {
        let mut totals = Totals::default();
        totals.counts.good = good;
        totals.counts.failed = failed;
        totals
    }

    #[test]
    fn a_budget_burns_as_the_workbook_says() {
        // Of 99.9 %, by failures among 1,000 exchanges of the last 5 min, 1 h, 6 h, 24 h and 30 days.
        let check = |failed: [u64; 5], expect: Option<Pace>| {
            let [five, hour, six, day, all] = failed;
            let standing = Objective::Availability(0.999).standing(30, |window| match window {
                Window::Minute | Window::FiveMinutes => totals(1_000 - five, five),
                Window::Hour => totals(1_000 - hour, hour),
                Window::SixHours => totals(1_000 - six, six),
                Window::Day => totals(1_000 - day, day),
                Window::Days(_) => totals(100_000 - all, all),
            });
            assert_eq!(standing.pace, expect, "{failed:?}");
        };
        check([0, 0, 0, 0, 0], None);
        check([15, 15, 3, 1, 10], Some(Pace::Fast));
        // It was an hour ago and is over.
        check([0, 15, 3, 1, 10], None);
        check([0, 7, 7, 1, 10], Some(Pace::Steady));
        check([0, 0, 4, 4, 10], Some(Pace::Slow));
        check([0, 0, 0, 0, 101], Some(Pace::Spent));
        check([14, 14, 5, 2, 99], None);
    }

    #[test]
    fn few_exchanges_are_no_alarm() {
        let standing = Objective::Availability(0.999).standing(30, |_| totals(0, EXCHANGES_MIN - 1));
        assert_eq!(standing.pace, None);
        assert!(standing.spent > 900.0);
        let none = Objective::Availability(0.999).standing(30, |_| totals(0, 0));
        assert_eq!((none.spent, none.rates[0].1), (0.0, None));
    }

    #[test]
    fn latencies_have_a_budget_of_one_in_a_hundred() {
        let standing = Objective::LatencyP99(100_000).standing(30, |_| {
            let mut totals = Totals::default();
            for number in 0..200 {
                totals.latencies.add(if number < 1 { 150_000 } else { 50_000 });
            }
            totals
        });
        assert_eq!(standing.tally, Tally { bad: 1, all: 200 });
        assert!((standing.spent - 0.5).abs() < 1e-9, "{standing:?}");
    }
}
