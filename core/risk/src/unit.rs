//! What the numbers beside a part are, so that people read words.

use crate::grade::Grade;
use crate::signal::Signal;

/// What `observed` and `usual` of a part count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// There is no number.
    None,
    Seconds,
    Milliseconds,
    Bytes,
    Requests,
    Records,
    Objects,
    /// HTTP status; 0 where none came.
    Status,
    /// Hours since Monday, 00:00 UTC: 0 to 167.
    HourOfWeek,
    /// Hash of route and method.
    Endpoint,
    /// Number of an autonomous system; 0 where it isn't known.
    Asn,
    KilometresPerHour,
    /// Number of a vendor's grade, from 1 on; 0 where it has points and no grade.
    Grade,
}

impl Signal {
    #[must_use]
    pub fn unit(self) -> Unit {
        match self {
            Self::TokenAge | Self::KeyAge => Unit::Seconds,
            Self::Endpoint => Unit::Endpoint,
            Self::RequestSize | Self::RecordSize => Unit::Bytes,
            Self::Gap => Unit::Milliseconds,
            Self::Hour => Unit::HourOfWeek,
            Self::RequestsSecond | Self::RequestsMinute | Self::RequestsHour => Unit::Requests,
            Self::Status => Unit::Status,
            Self::Records | Self::RecordsSecond | Self::RecordsMinute | Self::RecordsHour => Unit::Records,
            Self::Objects => Unit::Objects,
            Self::Network => Unit::Asn,
            Self::Movement => Unit::KilometresPerHour,
            Self::VendorPrior => Unit::Grade,
            _ => Unit::None,
        }
    }
}

impl Unit {
    /// A value with its unit; nothing where there is no number to show.
    #[must_use]
    pub fn words(self, value: u32) -> Option<String> {
        let counted = |one: &str, many: &str| match value {
            1 => format!("1 {one}"),
            _ => format!("{} {many}", grouped(u64::from(value))),
        };
        Some(match self {
            Self::None | Self::Endpoint => return None,
            Self::Seconds => span(u64::from(value)),
            Self::Milliseconds if value < 10_000 => format!("{} ms", grouped(u64::from(value))),
            Self::Milliseconds => span(u64::from(value) / 1_000),
            Self::Bytes => counted("byte", "bytes"),
            Self::Requests => counted("request", "requests"),
            Self::Records => counted("record", "records"),
            Self::Objects => counted("object", "objects"),
            Self::Status if value == 0 => "no answer".to_owned(),
            Self::Status => format!("status {value}"),
            Self::HourOfWeek => {
                let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
                let day = days.get(value as usize / 24)?;
                format!("{day} {:02}:00 UTC", value % 24)
            }
            Self::Asn if value == 0 => "unknown".to_owned(),
            Self::Asn => format!("AS{value}"),
            Self::KilometresPerHour => format!("{} km/h", grouped(u64::from(value))),
            Self::Grade => format!("grade {}", Grade::numbered(value)?.as_str()),
        })
    }
}

/// `12,345`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn span(seconds: u64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_their_units() {
        for (signal, value, expect) in [
            (Signal::Records, 12_345, Some("12,345 records")),
            (Signal::Records, 1, Some("1 record")),
            (Signal::Gap, 40, Some("40 ms")),
            (Signal::Gap, 7_200_000, Some("2 h")),
            (Signal::Hour, 26, Some("Tue 02:00 UTC")),
            (Signal::Hour, 168, None),
            (Signal::Network, 64_500, Some("AS64500")),
            (Signal::Status, 0, Some("no answer")),
            (Signal::KeyAge, 259_200, Some("3 days")),
            (Signal::Ja4, 7, None),
        ] {
            assert_eq!(signal.unit().words(value).as_deref(), expect, "{signal:?}");
        }
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
