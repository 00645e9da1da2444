//! When clocks are over: daylight saving, month ends, holidays, business days; and against counting second by second.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use portcullis_incident::due::{Calendar, Within, due};
use proptest::prelude::*;

fn check(from: &str, within: Within, zone: &str, expect: &str) {
    check_on(from, within, zone, (&[], None), expect);
}

fn check_on(from: &str, within: Within, zone: &str, (holidays, by): (&[&str], Option<&str>), expect: &str) {
    let holidays: Vec<Date> = holidays.iter().map(|day| day.parse().unwrap()).collect();
    let by = by.map(|by| by.parse::<Time>().unwrap());
    let calendar = Calendar { zone: TimeZone::get(zone).unwrap(), holidays: &holidays, by };
    let found = due(from.parse().unwrap(), within, &calendar);
    assert_eq!(found.to_string(), expect, "{within:?} from {from} in {zone}");
}

#[test]
fn hours_are_hours_across_both_changes_of_the_clock() {
    // Spring forward in Berlin on 29 March 2026, back on 25 October: 72 hours are 72 hours.
    for zone in ["Europe/Berlin", "America/New_York", "UTC"] {
        check("2026-03-28T12:00:00Z", Within::Hours(72), zone, "2026-03-31T12:00:00Z");
        check("2026-10-24T12:00:00Z", Within::Hours(24), zone, "2026-10-25T12:00:00Z");
        check("2026-10-31T23:30:00Z", Within::Hours(36), zone, "2026-11-02T11:30:00Z");
    }
}

#[test]
fn days_end_where_the_day_ends_whatever_its_length() {
    // From standard time into summer time and back.
    check("2026-03-01T12:00:00Z", Within::Days(30), "America/Los_Angeles", "2026-04-01T06:59:59Z");
    check("2026-10-15T12:00:00Z", Within::Days(30), "America/Los_Angeles", "2026-11-15T07:59:59Z");
    // The day of the start is that of the zone: 02:00 in UTC is the evening before in California.
    check("2026-06-02T02:00:00Z", Within::Days(1), "America/Los_Angeles", "2026-06-03T06:59:59Z");
    // The last day is the one with 25 hours, and the one with 23.
    check("2026-10-24T10:00:00Z", Within::Days(1), "Europe/Berlin", "2026-10-25T22:59:59Z");
    check("2026-03-28T10:00:00Z", Within::Days(1), "Europe/Berlin", "2026-03-29T21:59:59Z");
    // Midnight of 6 September 2026 doesn't exist in Santiago: the 5th ends an hour later.
    check("2026-09-04T15:00:00Z", Within::Days(1), "America/Santiago", "2026-09-06T03:59:59Z");
    check("2027-12-31T12:00:00Z", Within::Days(60), "UTC", "2028-02-29T23:59:59Z");
}

#[test]
fn a_month_without_such_a_day_ends_with_its_last() {
    check("2026-01-31T12:00:00Z", Within::Months(1), "UTC", "2026-02-28T23:59:59Z");
    check("2028-01-31T12:00:00Z", Within::Months(1), "UTC", "2028-02-29T23:59:59Z");
    check("2026-03-31T12:00:00Z", Within::Months(1), "Europe/Berlin", "2026-04-30T21:59:59Z");
    // A month over the change of the clock, in both directions.
    check("2026-03-15T12:00:00Z", Within::Months(1), "Europe/Berlin", "2026-04-15T21:59:59Z");
    check("2026-10-15T12:00:00Z", Within::Months(1), "Europe/Berlin", "2026-11-15T22:59:59Z");
    check("2026-12-31T23:30:00Z", Within::Months(1), "Europe/Berlin", "2027-02-01T22:59:59Z");
}

#[test]
fn business_days_leave_weekends_and_holidays_out() {
    let zone = "America/New_York";
    let by = Some("17:30:00");
    // Determined on a Monday: Friday.
    check_on("2026-11-02T15:00:00Z", Within::BusinessDays(4), zone, (&[], by), "2026-11-06T22:30:00Z");
    // On a Friday, and on the Saturday and Sunday after it: Monday is day one.
    for day in ["2026-11-06T15:00:00Z", "2026-11-07T15:00:00Z", "2026-11-08T15:00:00Z"] {
        check_on(day, Within::BusinessDays(4), zone, (&[], by), "2026-11-12T22:30:00Z");
        check_on(day, Within::BusinessDays(4), zone, (&["2026-11-11"], by), "2026-11-13T22:30:00Z");
    }
    // Thanksgiving, and the weekend.
    let thanks = &["2026-11-26"][..];
    check_on("2026-11-23T15:00:00Z", Within::BusinessDays(4), zone, (thanks, by), "2026-11-30T22:30:00Z");
    // Over the change of the clock on 1 November: still 17:30 there.
    check_on("2026-10-29T15:00:00Z", Within::BusinessDays(4), zone, (&[], by), "2026-11-04T22:30:00Z");
    check_on("2026-03-05T15:00:00Z", Within::BusinessDays(4), zone, (&[], by), "2026-03-11T21:30:00Z");
}

#[test]
fn a_time_of_day_that_is_twice_is_the_first_and_one_that_is_missing_is_before_the_gap() {
    let zone = "Europe/Berlin";
    check_on("2026-10-24T10:00:00Z", Within::Days(1), zone, (&[], Some("02:30:00")), "2026-10-25T00:30:00Z");
    check_on("2026-03-28T10:00:00Z", Within::Days(1), zone, (&[], Some("02:30:00")), "2026-03-29T00:30:00Z");
}

/// Counts by looking at each hour of the zone's wall clock.
fn naive(from: Timestamp, within: Within, zone: &TimeZone, holidays: &[Date]) -> Timestamp {
    if let Within::Hours(hours) = within {
        let mut at = from;
        for _ in 0..hours {
            at = at.checked_add(SignedDuration::from_mins(60)).unwrap();
        }
        return at;
    }
    let day_of = |at: Timestamp| at.to_zoned(zone.clone()).date();
    let start = day_of(from);
    let is_last = |day: Date, counted: u32| match within {
        Within::Days(days) => counted == days,
        Within::BusinessDays(days) => counted == days,
        Within::Months(months) => {
            let months_on = i32::from(day.year()) * 12 + i32::from(day.month())
                - i32::from(start.year()) * 12
                - i32::from(start.month());
            months_on == i32::try_from(months).unwrap()
                && (day.day() == start.day()
                    || (day.day() < start.day() && day.tomorrow().unwrap().day() == 1))
        }
        Within::Hours(_) => unreachable!(),
    };
    let counts = |day: Date| match within {
        Within::BusinessDays(_) => {
            !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) && !holidays.contains(&day)
        }
        _ => true,
    };
    // Quarter of an hour by quarter: every zone's changes lie on one.
    let quarter = SignedDuration::from_mins(15);
    let mut at = Timestamp::from_second(from.as_second() - from.as_second().rem_euclid(900)).unwrap();
    let (mut day, mut counted) = (start, 0);
    loop {
        at = at.checked_add(quarter).unwrap();
        let now = day_of(at);
        if now == day {
            continue;
        }
        // The day before is over: was it the last?
        if day != start && is_last(day, counted) {
            return at.checked_sub(SignedDuration::from_secs(1)).unwrap();
        }
        day = now;
        if counts(day) {
            counted += 1;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_clock_is_over_when_counting_by_hand_says(
        second in 1_767_225_600_i64..1_830_297_600,
        zone in prop::sample::select(vec![
            "UTC", "Europe/Berlin", "America/New_York", "America/Los_Angeles", "America/Santiago", "Asia/Kathmandu",
            "Australia/Lord_Howe", "Pacific/Apia",
        ]),
        within in prop_oneof![
            (1_u32..200).prop_map(Within::Hours),
            (1_u32..70).prop_map(Within::Days),
            (1_u32..4).prop_map(Within::Months),
            (1_u32..12).prop_map(Within::BusinessDays),
        ],
        holidays in prop::collection::vec(0_i32..800, 0..40),
    ) {
        let from = Timestamp::from_second(second).unwrap();
        let first: Date = "2026-01-01".parse().unwrap();
        let holidays: Vec<Date> =
            holidays.into_iter().map(|days| first.checked_add(jiff::Span::new().days(days)).unwrap()).collect();
        let zone = TimeZone::get(zone).unwrap();
        let calendar = Calendar { zone: zone.clone(), holidays: &holidays, by: None };
        let found = due(from, within, &calendar);
        prop_assert_eq!(found, naive(from, within, &zone, &holidays));
        prop_assert!(found > from);
        // Who starts later is never over earlier.
        let later = from.checked_add(SignedDuration::from_mins(61)).unwrap();
        prop_assert!(due(later, within, &calendar) >= found);
    }
}
