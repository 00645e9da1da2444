//! Hours, and the names of their files.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use portcullis_domain::archive::Content;

use crate::ArchiveError;

const HOUR_MS: u64 = 3_600_000;
/// The last whole hour of a [`Timestamp`]: 9999-12-30T21.
const HOUR_MAX: u64 = 70_389_501;

/// Hours since the Unix epoch, UTC: where a decision belongs, by the time in its id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Hour(pub u64);

impl Hour {
    #[must_use]
    pub fn of_ms(time_ms: u64) -> Self {
        Self((time_ms / HOUR_MS).min(HOUR_MAX))
    }

    #[must_use]
    pub fn of(time: Timestamp) -> Self {
        Self::of_ms(u64::try_from(time.as_millisecond()).unwrap_or(0))
    }

    #[must_use]
    pub fn start(self) -> Timestamp {
        i64::try_from(self.start_ms())
            .ok()
            .and_then(|ms| Timestamp::from_millisecond(ms).ok())
            .unwrap_or_default()
    }

    #[must_use]
    pub fn start_ms(self) -> u64 {
        self.0.min(HOUR_MAX) * HOUR_MS
    }

    /// Where the next one begins.
    #[must_use]
    pub fn end_ms(self) -> u64 {
        self.start_ms() + HOUR_MS
    }
}

/// As in file names: `2026-11-18T09`.
impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.start().to_zoned(TimeZone::UTC);
        write!(f, "{}T{:02}", start.date(), start.hour())
    }
}

impl FromStr for Hour {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let start: Timestamp = format!("{text}:00:00Z").parse().map_err(|_| ())?;
        let hour = Self::of(start);
        // One name for each hour.
        if hour.to_string() == text { Ok(hour) } else { Err(()) }
    }
}

/// `date=2026-11-18/decisions-2026-11-18T09-0001.parquet`, below the archive's folder.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FileName {
    pub hour: Hour,
    pub content: Content,
    /// Counted from 1 in each hour.
    pub part: u32,
    /// How many times rows were taken out; then the name ends in `-r1` and so on.
    pub revision: u32,
}

impl FileName {
    #[must_use]
    pub fn folder(&self) -> String {
        format!("date={}", self.hour.start().to_zoned(TimeZone::UTC).date())
    }

    /// The same part, once more without some of its rows.
    #[must_use]
    pub fn revised(self) -> Self {
        Self { revision: self.revision + 1, ..self }
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hour, content, part, revision } = self;
        write!(f, "{}/{}-{hour}-{part:04}", self.folder(), content.as_str())?;
        if *revision > 0 {
            write!(f, "-r{revision}")?;
        }
        f.write_str(".parquet")
    }
}

impl FromStr for FileName {
    type Err = ArchiveError;

    fn from_str(text: &str) -> Result<Self, ArchiveError> {
        let name = parse(text).filter(|name| name.to_string() == text);
        name.ok_or_else(|| ArchiveError::Name(text.chars().take(100).collect()))
    }
}

fn parse(text: &str) -> Option<FileName> {
    let (_, name) = text.split_once('/')?;
    let (content, rest) = name.strip_suffix(".parquet")?.split_once('-')?;
    let content = match content {
        "decisions" => Content::Decisions,
        "outcomes" => Content::Outcomes,
        _ => return None,
    };
    let (hour, rest) = rest.split_at_checked(13)?;
    let mut numbers = rest.strip_prefix('-')?.split("-r");
    let part = numbers.next()?.parse().ok()?;
    let revision = numbers.next().map_or(Some(0), |revision| revision.parse().ok())?;
    Some(FileName { hour: hour.parse().ok()?, content, part, revision })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_name() {
        let hour = Hour::of("2026-11-18T09:59:59.999Z".parse().unwrap());
        let name = FileName { hour, content: Content::Decisions, part: 1, revision: 0 };
        for (name, expect) in [
            (name, "date=2026-11-18/decisions-2026-11-18T09-0001.parquet"),
            (name.revised().revised(), "date=2026-11-18/decisions-2026-11-18T09-0001-r2.parquet"),
            (
                FileName { content: Content::Outcomes, part: 12_345, ..name },
                "date=2026-11-18/outcomes-2026-11-18T09-12345.parquet",
            ),
        ] {
            assert_eq!(name.to_string(), expect);
            assert_eq!(expect.parse::<FileName>().unwrap(), name);
        }
        for none in [
            "",
            "decisions-2026-11-18T09-0001.parquet",
            "date=2026-11-19/decisions-2026-11-18T09-0001.parquet",
            "date=2026-11-18/decisions-2026-11-18T09-1.parquet",
            "date=2026-11-18/decisions-2026-11-18T09-0001-r0.parquet",
            "date=2026-11-18/decisions-2026-11-18T09-0001.parquet.new",
            "date=2026-11-18/other-2026-11-18T09-0001.parquet",
            "../decisions-2026-11-18T09-0001.parquet",
        ] {
            assert!(none.parse::<FileName>().is_err(), "{none}");
        }
    }

    #[test]
    fn hours_have_ends_whatever_the_time() {
        for ms in [0, 1, HOUR_MS - 1, HOUR_MS, 1_795_000_000_123, u64::MAX >> 16, u64::MAX] {
            let hour = Hour::of_ms(ms);
            assert_eq!(hour.to_string().parse::<Hour>(), Ok(hour), "{ms}");
            assert_eq!(Hour::of_ms(hour.start_ms()), hour);
        }
        assert_eq!(Hour::of_ms(HOUR_MS).start().to_string(), "1970-01-01T01:00:00Z");
    }
}
