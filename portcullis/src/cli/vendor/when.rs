//! Days and moments as people write them.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::cli::time::Since;
use crate::clock::system_clock;

/// `30d`, a day (to its end, in UTC), or an instant.
pub(in crate::cli) fn until(text: &str) -> Result<Timestamp, String> {
    if let Ok(day) = text.parse::<Date>()
        && text.len() == 10
    {
        let next = day.tomorrow().and_then(|next| next.to_zoned(TimeZone::UTC));
        return next.map(|next| next.timestamp()).map_err(|error| error.to_string());
    }
    let now = system_clock().now();
    match text.parse::<Since>() {
        Ok(Since::At(at)) => Ok(at),
        Ok(Since::Ago(span)) => now.checked_add(span).map_err(|error| error.to_string()),
        Err(_) => Err("write a span such as `30d`, a day such as `2026-12-31`, or an instant such as `2026-12-31T18:00:00Z`".to_owned()),
    }
}

/// `2h` ago, or an instant.
pub(in crate::cli) fn past(text: &str) -> Result<Timestamp, String> {
    let now = system_clock().now();
    if let Ok(day) = text.parse::<Date>()
        && text.len() == 10
    {
        return day.to_zoned(TimeZone::UTC).map(|day| day.timestamp()).map_err(|error| error.to_string());
    }
    text.parse::<Since>().map(|since| since.before(now))
}

/// `2026-12-31`.
pub(in crate::cli) fn day(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| "write a day such as `2026-12-31`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_lasts_to_its_end() {
        assert_eq!(until("2028-02-29"), Ok("2028-03-01T00:00:00Z".parse().unwrap()));
        assert_eq!(past("2028-02-29"), Ok("2028-02-29T00:00:00Z".parse().unwrap()));
        assert_eq!(until("2026-12-31T18:00:00Z"), Ok("2026-12-31T18:00:00Z".parse().unwrap()));
        assert!(until("30d").unwrap() > system_clock().now());
        for wrong in ["", "2027-02-29", "soon", "31.12.2026"] {
            assert!(until(wrong).is_err() && day(wrong).is_err(), "{wrong}");
        }
    }
}
