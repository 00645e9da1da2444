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

/// How long until `at`: in days, and in hours on the last of them.
#[must_use]
pub fn left_in_words(now: Timestamp, at: Timestamp) -> String {
    match (between(now, at), at.duration_since(now).as_hours()) {
        (days @ 1.., _) => in_words(days),
        (_, 1) => "1 hour".to_owned(),
        (_, hours @ 2..) => format!("{hours} hours"),
        _ => "less than an hour".to_owned(),
    }
}

/// How long ago `at` was: `2 days ago`, and on the first of them `today`.
#[must_use]
pub fn ago_in_words(at: Timestamp, now: Timestamp) -> String {
    match between(at, now) {
        0 => "today".to_owned(),
        days => format!("{} ago", in_words(days)),
    }
}

/// A moment as sentences show it: its day in UTC.
#[must_use]
pub fn date_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_reads_of_no_days() {
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        for (minutes, left, ago) in [
            (30, "less than an hour", "today"),
            (60, "1 hour", "today"),
            (23 * 60 + 59, "23 hours", "today"),
            (24 * 60, "1 day", "1 day ago"),
            (49 * 60, "2 days", "2 days ago"),
        ] {
            let span = SignedDuration::from_mins(minutes);
            assert_eq!(left_in_words(now, now + span), left);
            assert_eq!(ago_in_words(now - span, now), ago);
        }
        assert_eq!(left_in_words(now, now - days(1)), "less than an hour");
    }
}
