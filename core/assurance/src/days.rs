//! Days as the stops count them: 24 hours each, in UTC, so that no zone moves a deadline.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

#[must_use]
pub const fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}

/// `span` later; what no calendar holds is its end.
#[must_use]
pub fn plus(at: Timestamp, span: SignedDuration) -> Timestamp {
    at.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// The first moment that is more than `span` later: moments are microseconds.
#[must_use]
pub fn beyond(at: Timestamp, span: SignedDuration) -> Timestamp {
    plus(plus(at, span), SignedDuration::from_micros(1))
}

/// The first moment of a day.
#[must_use]
pub fn starts(date: Date) -> Timestamp {
    let out_of_range = if date.year() > 0 { Timestamp::MAX } else { Timestamp::MIN };
    date.to_zoned(TimeZone::UTC).map_or(out_of_range, |day| day.timestamp())
}

/// The first moment of the day that is `count` days after `date`.
#[must_use]
pub fn starts_after(date: Date, count: i64) -> Timestamp {
    plus(starts(date), days(count))
}

/// Whole days from one moment to another; none where it lies ahead.
#[must_use]
pub fn between(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_hours().max(0) / 24
}

/// `1 day`, `2 days`.
#[must_use]
pub fn in_words(count: i64) -> String {
    if count == 1 { "1 day".to_owned() } else { format!("{count} days") }
}

/// A moment as sentences show it: its day in UTC.
#[must_use]
pub fn date_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}
