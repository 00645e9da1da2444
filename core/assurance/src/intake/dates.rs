//! Days as people write them. What may be two days is none.

use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use serde::Serialize;

use crate::sheet::Value;

/// In which order day, month and year stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DayOrder {
    Dmy,
    Mdy,
    Ymd,
}

impl DayOrder {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Dmy => "dmy",
            Self::Mdy => "mdy",
            Self::Ymd => "ymd",
        }
    }
}

const MONTHS: [&[&str]; 12] = [
    &["january", "jan", "januar", "janvier", "enero", "jänner"],
    &["february", "feb", "februar", "février", "febrero"],
    &["march", "mar", "märz", "mär", "mrz", "mars", "marzo"],
    &["april", "apr", "avril", "abril"],
    &["may", "mai", "mayo"],
    &["june", "jun", "juni", "juin", "junio"],
    &["july", "jul", "juli", "juillet", "julio"],
    &["august", "aug", "août", "agosto"],
    &["september", "sep", "sept", "septembre", "septiembre"],
    &["october", "oct", "okt", "oktober", "octobre", "octubre"],
    &["november", "nov", "novembre", "noviembre"],
    &["december", "dec", "dez", "dezember", "décembre", "diciembre"],
];

/// The years of a contract that people write on purpose.
const YEARS: std::ops::RangeInclusive<i16> = 1900..=2200;

/// Numbers that spreadsheets store days as, of about 1954 to 2119: others are rather years or mistakes.
const SERIALS: std::ops::RangeInclusive<f64> = 20_000.0..=80_000.0;

/// # Errors
/// Why it is no day, for people.
pub(super) fn day(value: &Value, order: Option<DayOrder>, from_1904: bool) -> Result<Date, String> {
    let day = match value {
        Value::Day(day) => *day,
        Value::Number(serial) => of_serial(*serial, from_1904)?,
        other => of_text(&other.shown(), order, from_1904)?,
    };
    if YEARS.contains(&day.year()) {
        return Ok(day);
    }
    Err(format!("the year of `{day}` can't be meant"))
}

/// A day as somebody wrote it, where it can only be one.
///
/// # Errors
/// Why it is no day, for people.
pub fn day_of_text(text: &str) -> Result<Date, String> {
    day(&Value::Text(text.to_owned()), None, false)
}

/// A day by the number that a spreadsheet stores.
///
/// # Errors
/// Where no day has that number.
pub fn of_serial(serial: f64, from_1904: bool) -> Result<Date, String> {
    if !SERIALS.contains(&serial) {
        return Err(format!("`{serial}` is no day"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "it lies among the serials")]
    let days = serial.floor() as i64;
    let first = if from_1904 { date(1904, 1, 1) } else { date(1899, 12, 30) };
    first.checked_add(days.days()).map_err(|_| format!("`{serial}` is no day"))
}

fn of_text(text: &str, order: Option<DayOrder>, from_1904: bool) -> Result<Date, String> {
    let lower = text.to_lowercase();
    if [
        "evergreen",
        "indefinite",
        "perpetual",
        "open",
        "auto",
        "rolling",
        "ongoing",
        "unlimited",
        "unbefristet",
    ]
    .iter()
    .any(|word| lower.starts_with(word))
    {
        return Err(format!("`{text}` is no day; write the last day of the present term"));
    }
    let parts = parts(&lower);
    match parts.as_slice() {
        [Part::Digits(digits)] if digits.len() == 8 => {
            let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
            build(text, part(0, 4).parse().ok(), part(4, 6).parse().ok(), part(6, 8).parse().ok())
        }
        [Part::Digits(digits)] if digits.len() == 5 => {
            of_serial(digits.parse().unwrap_or_default(), from_1904)
        }
        [Part::Digits(year), Part::Digits(month), Part::Digits(day)] if year.len() == 4 => {
            build(text, year.parse().ok(), month.parse().ok(), day.parse().ok())
        }
        [Part::Digits(first), Part::Digits(second), Part::Digits(third)] => {
            of_three(text, [first, second, third], order)
        }
        [Part::Digits(year), Part::Month(month), Part::Digits(day)] if year.len() == 4 => {
            build(text, year.parse().ok(), Some(*month), day.parse().ok())
        }
        [Part::Digits(day), Part::Month(month), Part::Digits(year)]
        | [Part::Month(month), Part::Digits(day), Part::Digits(year)] => {
            build(text, Some(whole_year(year)), Some(*month), day.parse().ok())
        }
        _ => Err(format!("`{text}` is no day; write it as `2026-11-21`")),
    }
}

fn of_three(text: &str, parts: [&String; 3], order: Option<DayOrder>) -> Result<Date, String> {
    let [first, second, third] = parts;
    let number = |part: &str| part.parse::<i8>().ok();
    if order == Some(DayOrder::Ymd) {
        if third.len() == 4 {
            return Err(format!("`{text}` doesn't begin with the year, as `ymd` says"));
        }
        return build(text, Some(whole_year(first)), number(second), number(third));
    }
    let year = match (third.len(), order) {
        (4, _) | (2, Some(_)) => whole_year(third),
        (2, None) => {
            return Err(format!(
                "`{text}` may be several days; say how they are written by `--dates dmy`, `mdy` or `ymd`"
            ));
        }
        _ => return Err(format!("`{text}` is no day; write it as `2026-11-21`")),
    };
    let (one, other) = (number(first), number(second));
    let dotted = text.contains('.');
    let (day, month) = match order {
        Some(DayOrder::Dmy) => (one, other),
        Some(_) => (other, one),
        // Nobody parts a month from a day behind it by a full stop.
        None if dotted => (one, other),
        None if one == other || one > Some(12) => (one, other),
        None if other > Some(12) => (other, one),
        None => {
            return Err(format!(
                "`{text}` may be two days; say which number is the day by `--dates dmy` or `--dates mdy`"
            ));
        }
    };
    build(text, Some(year), month, day)
}

fn build(text: &str, year: Option<i16>, month: Option<i8>, day: Option<i8>) -> Result<Date, String> {
    let found = year.zip(month).zip(day).and_then(|((year, month), day)| Date::new(year, month, day).ok());
    found.ok_or_else(|| format!("there is no day `{text}`"))
}

/// Two digits are of this century up to 69.
fn whole_year(digits: &str) -> i16 {
    let year = digits.parse().unwrap_or(0);
    match (digits.len(), year) {
        (2, 0..=69) => 2000 + year,
        (2, _) => 1900 + year,
        (4, _) => year,
        _ => 0,
    }
}

enum Part {
    Digits(String),
    Month(i8),
}

/// Numbers and months; a time of day, a weekday and ordinals are left out, anything else makes it no day.
fn parts(text: &str) -> Vec<Part> {
    let date =
        text.split(['t', ' ']).next().filter(|first| first.len() >= 8 && first.contains(['-', '/', '.']));
    let timed = text.contains(':');
    let text = match date {
        Some(date) if timed => date,
        _ => text,
    };
    let mut parts = Vec::new();
    for word in text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let digits =
            ["st", "nd", "rd", "th"].iter().find_map(|ending| word.strip_suffix(ending)).unwrap_or(word);
        let month = MONTHS.iter().position(|names| names.contains(&word));
        if let Some(month) = month {
            parts.push(Part::Month(i8::try_from(month + 1).unwrap_or_default()));
        } else if digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.len() <= 8 {
            parts.push(Part::Digits(digits.to_owned()));
        } else if !is_weekday(word) {
            return Vec::new();
        }
    }
    parts
}

fn is_weekday(word: &str) -> bool {
    let days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    word.len() >= 3 && days.iter().any(|day| day.starts_with(word)) || word == "of"
}

#[cfg(test)]
mod tests {
    use super::{DayOrder, day};
    use crate::sheet::Value;

    fn read(text: &str, order: Option<DayOrder>) -> Result<String, String> {
        day(&Value::Text(text.to_owned()), order, false).map(|day| day.to_string())
    }

    #[test]
    fn days_that_can_only_be_one() {
        for (text, expect) in [
            ("2026-11-21", "2026-11-21"),
            ("2026/1/5", "2026-01-05"),
            ("20261121", "2026-11-21"),
            ("2026-11-21T23:00:00Z", "2026-11-21"),
            ("2026-11-21 00:00:00", "2026-11-21"),
            ("21.11.2026", "2026-11-21"),
            ("03.04.2026", "2026-04-03"),
            ("31/01/2027", "2027-01-31"),
            ("12/31/2026", "2026-12-31"),
            ("05/05/2026", "2026-05-05"),
            ("21 Nov 2026", "2026-11-21"),
            ("Nov 21, 2026", "2026-11-21"),
            ("November 1st, 2026", "2026-11-01"),
            ("Sat, 21-Nov-26", "2026-11-21"),
            ("1. März 2027", "2027-03-01"),
            ("2026-Nov-03", "2026-11-03"),
            ("46347", "2026-11-21"),
            ("29 Feb 2028", "2028-02-29"),
        ] {
            assert_eq!(read(text, None), Ok(expect.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_may_be_two_days_is_none() {
        for text in ["03/04/2026", "3-4-2026", "01/02/03", "21/11/26"] {
            assert!(read(text, None).unwrap_err().contains("--dates"), "{text}");
        }
        assert_eq!(read("03/04/2026", Some(DayOrder::Dmy)), Ok("2026-04-03".to_owned()));
        assert_eq!(read("03/04/2026", Some(DayOrder::Mdy)), Ok("2026-03-04".to_owned()));
        assert_eq!(read("03/04/26", Some(DayOrder::Dmy)), Ok("2026-04-03".to_owned()));
        assert_eq!(read("26/04/03", Some(DayOrder::Ymd)), Ok("2026-04-03".to_owned()));
        // What is said counts, also where it makes a day impossible.
        assert!(read("12/25/2026", Some(DayOrder::Dmy)).unwrap_err().contains("there is no day"));
    }

    #[test]
    fn what_is_no_day() {
        for text in [
            "31.02.2026",
            "29 Feb 2027",
            "2026-13-01",
            "evergreen",
            "tbd",
            "Q4 2026",
            "2026",
            "Nov 2026",
            "00/00/0000",
            "20226-01-01",
            "1/1/0026",
            "12-2026",
            "99999",
            "",
            "21st century",
            "2026-11-21 or later",
        ] {
            assert!(read(text, None).is_err(), "{text}: {:?}", read(text, None));
        }
    }

    #[test]
    fn serials_count_from_either_epoch() {
        let of = |serial, from_1904| day(&Value::Number(serial), None, from_1904).map(|day| day.to_string());
        assert_eq!(of(46_347.75, false), Ok("2026-11-21".to_owned()));
        assert_eq!(of(44_885.0, true), Ok("2026-11-21".to_owned()));
        assert!(of(2026.0, false).is_err() && of(f64::NAN, false).is_err() && of(1e300, false).is_err());
    }
}
