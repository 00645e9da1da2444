//! What registers, lists and catalogues say, read from the files and answers in which they say it.
//!
//! All of it comes from strangers: each reader is bounded in bytes, entries, depth and text, and says in one sentence
//! which line or entry it could not read. Nothing half-read is handed on: an error is an error for the whole file, so
//! that a list that was cut off never looks like a list on which a vendor is not.

pub mod companies_house;
pub mod cyclonedx;
pub mod gleif;
pub mod golden_copy;
mod json;
pub mod kev;
pub mod lists;
pub mod ofac;
pub mod open_corporates;
pub mod osv;
mod table;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Bytes of a file or an answer, unless a source says otherwise.
pub const BYTES_MAX: usize = 64 << 20;

/// Bytes of one text that is kept.
pub const TEXT_BYTES_MAX: usize = 4_096;

/// Why a source could not be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SourceError {
    #[error("{of}: more than {max} bytes\nhint: ask the source for less, or for the file in parts")]
    TooLarge { of: &'static str, max: u64 },
    #[error("{of}: more than {max} {what}\nhint: ask the source for less, or for the file in parts")]
    TooMany { of: &'static str, what: &'static str, max: usize },
    #[error(
        "{of}: this looks like {found}, {expected} is expected\nhint: choose the download in that format, unpacked"
    )]
    Format { of: &'static str, found: &'static str, expected: &'static str },
    #[error("{of}: line {line}: {message}")]
    Line { of: &'static str, line: u64, message: String },
    #[error("{of}: there is no column `{column}`\nhint: the columns are {found}")]
    Column { of: &'static str, column: String, found: String },
    #[error("{of}: `{entry}`: {message}")]
    Entry { of: &'static str, entry: String, message: String },
    #[error(
        "{of}: it says that it has {expected} entries, and has {found}\nhint: it was cut off on its way; fetch it again"
    )]
    CutOff { of: &'static str, expected: usize, found: usize },
}

/// What these bytes rather are than text of the kind that is wanted.
fn other_format(bytes: &[u8]) -> Option<&'static str> {
    let text = bytes.trim_ascii_start();
    match text {
        [b'P', b'K', 3 | 5, ..] => Some("a zip archive"),
        [0x1f, 0x8b, ..] => Some("a gzip file"),
        [b'%', b'P', b'D', b'F', ..] => Some("a PDF"),
        [b'<', ..] | [0xef, 0xbb, 0xbf, b'<', ..] => Some("XML or HTML"),
        _ if text.get(..64.min(text.len())).is_some_and(|head| head.contains(&0)) => Some("a binary file"),
        _ => None,
    }
}

/// A day as `2026-11-21`, also with a time behind it.
fn day(of: &'static str, entry: &str, text: &str) -> Result<Date, SourceError> {
    let day = text.split(['T', ' ']).next().unwrap_or_default();
    day.parse().map_err(|_| SourceError::Entry {
        of,
        entry: short(entry),
        message: format!("there is no day `{}`", short(text)),
    })
}

/// An instant; a day alone is its beginning in UTC.
fn instant(of: &'static str, entry: &str, text: &str) -> Result<Timestamp, SourceError> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    let wrong = || SourceError::Entry {
        of,
        entry: short(entry),
        message: format!("there is no time `{}`", short(text)),
    };
    if text.len() != 10 {
        return Err(wrong());
    }
    let day: Date = text.parse().map_err(|_| wrong())?;
    day.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()).map_err(|_| wrong())
}

/// As much of a stranger's text as belongs into a message.
fn short(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    let mut short: String = text.chars().filter(|letter| !letter.is_control()).take(CHARS_MAX).collect();
    if short.len() < text.len() && short.chars().count() == CHARS_MAX {
        short.push('…');
    }
    short
}
