//! When a clock is over.
//!
//! Hours are hours: no zone and no daylight saving moves them. Days, months and business days begin after the day of the
//! start and end with the end of their last day in the clock's zone, as periods in days do (Regulation (EEC, Euratom) No
//! 1182/71, Article 3; Form 8-K, General Instruction B.1); a month that has no such day ends with its last one. The due moment is
//! the last second in which the clock is met.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Much more than the longest holiday: a list of nothing but holidays ends somewhere.
const DAYS_LOOKED_AT_MAX: u32 = 1_000;

/// How long a stage gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Within {
    Hours(u32),
    Days(u32),
    Months(u32),
    BusinessDays(u32),
}

/// Where and how days are counted.
#[derive(Clone, Debug)]
pub struct Calendar<'a> {
    pub zone: TimeZone,
    /// Days that are no business days beside weekends.
    pub holidays: &'a [Date],
    /// Time of day at which the last day is over for whoever receives; its end without one.
    pub by: Option<Time>,
}

/// The last second in which a clock that runs from `from` is met. What no calendar holds is due at once.
#[must_use]
pub fn due(from: Timestamp, within: Within, calendar: &Calendar<'_>) -> Timestamp {
    let start = from.to_zoned(calendar.zone.clone()).date();
    let last = match within {
        Within::Hours(hours) => {
            return from.checked_add(SignedDuration::from_hours(i64::from(hours))).unwrap_or(from);
        }
        Within::Days(days) => start.checked_add(Span::new().days(i64::from(days))).ok(),
        Within::Months(months) => start.checked_add(Span::new().months(i64::from(months))).ok(),
        Within::BusinessDays(days) => business_days_after(start, days, calendar.holidays),
    };
    last.and_then(|last| end_of(last, calendar)).unwrap_or(from)
}

/// The `count`th business day after `start`. An event on a day that is none counts as one on the day before the next that
/// is, so that the first business day is day one.
fn business_days_after(start: Date, count: u32, holidays: &[Date]) -> Option<Date> {
    let mut day = start;
    let mut left = count;
    for _ in 0..DAYS_LOOKED_AT_MAX {
        if left == 0 {
            return Some(day);
        }
        day = day.tomorrow().ok()?;
        if is_business_day(day, holidays) {
            left -= 1;
        }
    }
    None
}

fn is_business_day(day: Date, holidays: &[Date]) -> bool {
    !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) && !holidays.contains(&day)
}

/// Of two moments with the same name, and of none, the earlier: a doubt is no time won.
fn end_of(day: Date, calendar: &Calendar<'_>) -> Option<Timestamp> {
    if let Some(by) = calendar.by {
        return calendar.zone.to_ambiguous_zoned(day.to_datetime(by)).earlier().ok().map(|at| at.timestamp());
    }
    // A day may begin later than 00:00; it ends before the first instant of the next.
    let next = day.tomorrow().ok()?.to_zoned(calendar.zone.clone()).ok()?.start_of_day().ok()?;
    next.timestamp().checked_sub(SignedDuration::from_secs(1)).ok()
}

/// A moment as sentences show it: whole seconds, in UTC.
#[must_use]
pub fn shown(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Within {
    /// `24 hours`, `4 business days`.
    #[must_use]
    pub fn in_words(self) -> String {
        let (count, one) = match self {
            Self::Hours(count) => (count, "hour"),
            Self::Days(count) => (count, "day"),
            Self::Months(count) => (count, "month"),
            Self::BusinessDays(count) => (count, "business day"),
        };
        if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
    }

    /// Whether it is long enough to be a period, and short enough to be computed with.
    #[must_use]
    pub fn is_sound(self) -> bool {
        match self {
            Self::Hours(count) => (1..=8_784).contains(&count),
            Self::Days(count) => (1..=1_830).contains(&count),
            Self::Months(count) => (1..=60).contains(&count),
            Self::BusinessDays(count) => (1..=250).contains(&count),
        }
    }
}
