//! Times and spans as people read and write them.

use jiff::{SignedDuration, Timestamp};

/// Whole seconds, in UTC.
pub(super) fn instant(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Without the year, for lists of what is new.
pub(super) fn short(time: Timestamp) -> String {
    time.strftime("%m-%d %H:%M:%S").to_string()
}

/// Roughly, with one unit or two.
pub(super) fn span(seconds: i64) -> String {
    let seconds = seconds.unsigned_abs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (1, hours, _) => format!("1 day {hours} h"),
        (days, ..) => format!("{days} days"),
    }
}

/// Milliseconds with as many places as say something.
pub(super) fn milliseconds(microseconds: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "it is shown with three digits")]
    let milliseconds = microseconds as f64 / 1_000.0;
    if milliseconds < 10.0 { format!("{milliseconds:.2} ms") } else { format!("{milliseconds:.0} ms") }
}

/// `15m`, `2h`, `7d`, or an RFC 3339 instant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Since {
    Ago(SignedDuration),
    At(Timestamp),
}

impl std::str::FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        let refused = || {
            "write a span such as `90s`, `15m`, `2h` or `7d`, or an instant such as `2026-12-31T18:00:00Z`"
                .to_owned()
        };
        let unit = text.chars().last().ok_or_else(refused)?;
        let number = text.strip_suffix(unit).ok_or_else(refused)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return Err(refused()),
        };
        let number: u32 = number.parse().map_err(|_| refused())?;
        Ok(Self::Ago(SignedDuration::from_secs(i64::from(number) * seconds)))
    }
}

impl Since {
    pub(super) fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.checked_sub(ago).unwrap_or(Timestamp::MIN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_rough() {
        for (seconds, expect) in [
            (0, "0 s"),
            (59, "59 s"),
            (61, "1 min"),
            (3_720, "1 h 2 min"),
            (86_400, "1 day 0 h"),
            (-200_000, "2 days"),
        ] {
            assert_eq!(span(seconds), expect);
        }
        assert_eq!(milliseconds(420), "0.42 ms");
        assert_eq!(milliseconds(12_600), "13 ms");
    }

    #[test]
    fn since_is_a_span_or_an_instant() {
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        for (text, expect) in [
            ("90s", "2026-11-21T09:58:30Z"),
            ("2h", "2026-11-21T08:00:00Z"),
            ("7d", "2026-11-14T10:00:00Z"),
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ] {
            assert_eq!(instant(text.parse::<Since>().unwrap().before(now)), expect, "{text}");
        }
        for wrong in ["", "h", "1", "1y", "-1h", "1é", "99999999999s"] {
            assert!(wrong.parse::<Since>().is_err(), "{wrong}");
        }
    }
}
