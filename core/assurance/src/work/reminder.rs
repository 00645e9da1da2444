//! What was said once. Its text is its key: the ledger holds it, and it is read back from there.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;

use super::WorkKind;
use crate::days::in_words;
use crate::stops::Stop;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reminder {
    /// A stop will act `days` from then at the latest.
    Warned {
        stop: Stop,
        subject: Option<String>,
        at: Timestamp,
        days: u8,
    },
    StopBegan {
        stop: Stop,
        subject: Option<String>,
        at: Timestamp,
    },
    StopEnded {
        stop: Stop,
        subject: Option<String>,
        at: Timestamp,
    },
    Due {
        kind: WorkKind,
        id: String,
        due: Date,
        days: u8,
    },
    Overdue {
        kind: WorkKind,
        id: String,
        due: Date,
    },
    /// To whoever answers for the vendor.
    Escalated {
        kind: WorkKind,
        id: String,
        due: Date,
    },
}

impl fmt::Display for Reminder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Warned { stop, subject, at, days } => {
                write!(f, "{} at {at}, {days} days before", About(*stop, subject.as_deref()))
            }
            Self::StopBegan { stop, subject, at } => {
                write!(f, "{} began at {at}", About(*stop, subject.as_deref()))
            }
            Self::StopEnded { stop, subject, at } => {
                write!(f, "{} ended at {at}", About(*stop, subject.as_deref()))
            }
            Self::Due { kind, id, due, days } => {
                write!(f, "{} `{id}` due on {due}, {} before", kind.name(), in_words(i64::from(*days)))
            }
            Self::Overdue { kind, id, due } => write!(f, "{} `{id}` overdue since {due}", kind.name()),
            Self::Escalated { kind, id, due } => {
                write!(f, "{} `{id}` escalated, it was due on {due}", kind.name())
            }
        }
    }
}

struct About<'a>(Stop, Option<&'a str>);

impl fmt::Display for About<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stop `{}`", self.0.name())?;
        self.1.map_or(Ok(()), |subject| write!(f, " of `{subject}`"))
    }
}

impl Reminder {
    /// What [`fmt::Display`] wrote; nothing where it is another text. From the end on, for ids and subjects may hold any words.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("stop `") {
            return of_stop(rest);
        }
        let (kind, rest) = text.split_once(" `")?;
        let kind = WorkKind::ALL.into_iter().find(|known| known.name() == kind)?;
        let late = |words: &str| {
            let (id, due) = rest.rsplit_once(words)?;
            Some((id.to_owned(), due.parse().ok()?))
        };
        if let Some((id, due)) = late("` overdue since ") {
            return Some(Self::Overdue { kind, id, due });
        }
        if let Some((id, due)) = late("` escalated, it was due on ") {
            return Some(Self::Escalated { kind, id, due });
        }
        let (id, rest) = rest.rsplit_once("` due on ")?;
        let (due, days) = rest.strip_suffix(" before")?.split_once(", ")?;
        let days = days.strip_suffix(" days").or_else(|| days.strip_suffix(" day"))?.parse().ok()?;
        Some(Self::Due { kind, id: id.to_owned(), due: due.parse().ok()?, days })
    }
}

fn of_stop(rest: &str) -> Option<Reminder> {
    let turned = |word: &str| {
        let (about, at) = rest.rsplit_once(word)?;
        Some((about_of(about)?, at.parse::<Timestamp>().ok()?))
    };
    if let Some(((stop, subject), at)) = turned("` began at ") {
        return Some(Reminder::StopBegan { stop, subject, at });
    }
    if let Some(((stop, subject), at)) = turned("` ended at ") {
        return Some(Reminder::StopEnded { stop, subject, at });
    }
    let (about, rest) = rest.rsplit_once("` at ")?;
    let (at, days) = rest.strip_suffix(" days before")?.split_once(", ")?;
    let (stop, subject) = about_of(about)?;
    Some(Reminder::Warned { stop, subject, at: at.parse().ok()?, days: days.parse().ok()? })
}

fn about_of(about: &str) -> Option<(Stop, Option<String>)> {
    let (name, subject) = match about.split_once("` of `") {
        Some((name, subject)) => (name, Some(subject.to_owned())),
        None => (about, None),
    };
    Some((Stop::ALL.into_iter().find(|stop| stop.name() == name)?, subject))
}
