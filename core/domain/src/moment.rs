//! Dates and moments of a contract, in the contract's own time zone.
//!
//! `ends: 2026-12-31` includes that whole day in the zone, whatever daylight saving does to its
//! length; `ends: 2026-12-31T18:00:00` is that moment itself.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A day, a civil moment, or an instant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    Day(Date),
    Civil(DateTime),
    Instant(Timestamp),
}

#[derive(Debug, thiserror::Error)]
pub enum MomentError {
    #[error(
        "`{0}` is neither a date nor a moment\nhint: write `2026-12-31`, `2026-12-31T18:00:00` or `2026-12-31T18:00:00Z`"
    )]
    Form(String),
    #[error(
        "`{0}` is not a time zone\nhint: use a name of the IANA database, such as `Europe/Berlin` or `UTC`"
    )]
    Zone(String),
    #[error("`{0}` does not exist in the calendar that can be computed with")]
    Range(String),
}

impl Moment {
    /// The first instant that belongs to it: the start of a day.
    pub fn start_in(self, zone: &TimeZone) -> Result<Timestamp, MomentError> {
        match self {
            Self::Day(date) => start_of_day(date, zone),
            Self::Civil(moment) => {
                zone.to_timestamp(moment).map_err(|_| MomentError::Range(moment.to_string()))
            }
            Self::Instant(instant) => Ok(instant),
        }
    }

    /// The first instant that no longer belongs to it: for a day, the start of the next one.
    pub fn end_in(self, zone: &TimeZone) -> Result<Timestamp, MomentError> {
        match self {
            Self::Day(date) => {
                let next = date.checked_add(1.day()).map_err(|_| MomentError::Range(date.to_string()))?;
                start_of_day(next, zone)
            }
            other => other.start_in(zone),
        }
    }
}

/// The zone called `name`.
pub fn zone(name: &str) -> Result<TimeZone, MomentError> {
    TimeZone::get(name).map_err(|_| MomentError::Zone(name.to_owned()))
}

/// A day may begin later than 00:00 (Santiago skips midnight in spring); it begins at its first instant.
fn start_of_day(date: Date, zone: &TimeZone) -> Result<Timestamp, MomentError> {
    date.to_zoned(zone.clone())
        .and_then(|day| day.start_of_day())
        .map(|start| start.timestamp())
        .map_err(|_| MomentError::Range(date.to_string()))
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(date) => date.fmt(f),
            Self::Civil(moment) => moment.fmt(f),
            Self::Instant(instant) => instant.fmt(f),
        }
    }
}

impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, MomentError> {
        // jiff's civil parser takes a date inside a longer text: the length tells them apart.
        if text.len() <= 10
            && let Ok(date) = text.parse::<Date>()
        {
            return Ok(Self::Day(date));
        }
        if let Ok(instant) = text.parse::<Timestamp>() {
            return Ok(Self::Instant(instant));
        }
        text.parse::<DateTime>().map(Self::Civil).map_err(|_| MomentError::Form(text.to_owned()))
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A date (the whole day counts, in the contract's time zone), a civil moment, or an RFC 3339 instant.",
            "examples": ["2026-12-31", "2026-12-31T18:00:00", "2026-12-31T18:00:00Z"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(text: &str, zone_name: &str) -> String {
        text.parse::<Moment>().unwrap().end_in(&zone(zone_name).unwrap()).unwrap().to_string()
    }

    #[test]
    fn a_day_ends_where_the_next_begins_in_its_zone() {
        assert_eq!(ends("2026-12-31", "UTC"), "2027-01-01T00:00:00Z");
        assert_eq!(ends("2026-12-31", "Europe/Berlin"), "2026-12-31T23:00:00Z");
        // The clocks went back: this day had 25 hours.
        assert_eq!(ends("2026-10-25", "Europe/Berlin"), "2026-10-25T23:00:00Z");
        assert_eq!(ends("2026-10-24", "Europe/Berlin"), "2026-10-24T22:00:00Z");
        // The clocks went forward: 23 hours.
        assert_eq!(ends("2026-03-08", "America/New_York"), "2026-03-09T04:00:00Z");
        // Midnight of 6 September 2026 does not exist in Santiago.
        assert_eq!(ends("2026-09-05", "America/Santiago"), "2026-09-06T04:00:00Z");
        assert_eq!(ends("2028-02-29", "UTC"), "2028-03-01T00:00:00Z");
        assert_eq!(ends("2026-12-31T18:00:00", "Europe/Berlin"), "2026-12-31T17:00:00Z");
        assert_eq!(ends("2026-12-31T18:00:00Z", "Europe/Berlin"), "2026-12-31T18:00:00Z");
    }

    #[test]
    fn what_is_no_moment_is_refused_with_a_hint() {
        for text in ["", "tomorrow", "2026-02-30", "31.12.2026", "2026-13-01"] {
            assert!(text.parse::<Moment>().unwrap_err().to_string().contains("hint: "), "{text}");
        }
        assert!(zone("Mars/Olympus").is_err());
    }
}
