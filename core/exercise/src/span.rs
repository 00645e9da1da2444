//! Spans as scenarios write them: `250ms`, `5s`, `10m`, `2h`, `1d`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest: an exercise that takes longer is several.
const MOST: Span = Span { milliseconds: 31 * 86_400_000 };
/// Milliseconds of each unit, the largest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A time that something may take, in whole milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Span {
    milliseconds: u64,
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is not a span of at most 31 days\nhint: write `250ms`, `5s`, `10m`, `2h` or `1d`")]
pub struct SpanError(pub String);

impl Span {
    pub const ZERO: Self = Self { milliseconds: 0 };

    #[must_use]
    pub fn from_millis(milliseconds: u64) -> Self {
        Self { milliseconds: milliseconds.min(MOST.milliseconds) }
    }

    #[must_use]
    pub fn micros(self) -> u64 {
        self.milliseconds * 1_000
    }

    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_millis(self.milliseconds)
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let refused = || SpanError(text.chars().take(40).collect());
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits).ok_or_else(refused)?;
        let (_, factor) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(refused)?;
        let number: u64 = number.parse().map_err(|_| refused())?;
        let span = Self { milliseconds: number.checked_mul(factor).ok_or_else(refused)? };
        if span > MOST { Err(refused()) } else { Ok(span) }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `0` has every unit; in seconds it reads best.
        let whole = |(_, factor): &(&str, u64)| self.milliseconds.is_multiple_of(*factor);
        let unit = UNITS.into_iter().find(whole).filter(|_| self.milliseconds > 0);
        let (name, factor) = unit.unwrap_or(("s", 1_000));
        write!(f, "{}{name}", self.milliseconds / factor)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A span such as `250ms`, `5s`, `10m`, `2h` or `1d`; at most 31 days.",
            "pattern": "^[0-9]+(ms|s|m|h|d)$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written_alike() {
        for (text, milliseconds, shown) in [
            ("250ms", 250, "250ms"),
            ("0s", 0, "0s"),
            ("0ms", 0, "0s"),
            ("1000ms", 1_000, "1s"),
            ("90s", 90_000, "90s"),
            ("120m", 7_200_000, "2h"),
            ("31d", 31 * 86_400_000, "31d"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.milliseconds, span.to_string().as_str()), (milliseconds, shown), "{text}");
            assert_eq!(serde_json::from_value::<Span>(serde_json::json!(text)).unwrap(), span);
        }
        for wrong in ["", "5", "s", "5 s", "-1s", "1.5s", "1y", "32d", "99999999999999999999s", "1é", "ms"] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
    }
}
