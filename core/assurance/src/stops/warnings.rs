//! What people are told before a stop acts.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Held, Known, Stop, StopMode, Stretch, outlook};
use crate::access::Access;
use crate::days::{beyond, date_of, days, left_in_words, plus};

/// So many days before, people are warned.
pub const WARNED_DAYS: [u8; 4] = [30, 14, 7, 1];

/// Something will narrow or end the vendor's access by itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Warning {
    pub stop: Stop,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The least of 30, 14, 7 and 1 that reaches so far.
    pub days: u8,
    pub at: Timestamp,
    pub access: Access,
    pub mode: StopMode,
    pub sentence: String,
}

impl Warning {
    /// The same for each look at it, and another one for each of the four times.
    #[must_use]
    pub fn key(&self) -> String {
        let (stop, at, days) = (self.stop.name(), self.at, self.days);
        let subject = self.subject.as_ref().map(|subject| format!(" of `{subject}`")).unwrap_or_default();
        format!("stop `{stop}`{subject} at {at}, {days} days before")
    }
}

/// What is to be said at `now`: for each stop that begins or gets worse within 30 days the one of the four warnings whose time it is.
#[must_use]
pub fn warnings(known: &Known<'_>, now: Timestamp) -> Vec<Warning> {
    let stretches = outlook(known, now, plus(now, days(30)));
    let pairs = stretches.iter().zip(stretches.iter().skip(1));
    pairs.flat_map(|(before, after)| worse(before, after, now)).collect()
}

fn worse(before: &Stretch, after: &Stretch, now: Timestamp) -> Vec<Warning> {
    let of = |held: &Held| {
        let same = |other: &&Held| other.stop == held.stop && other.subject == held.subject;
        before.held.iter().filter(same).map(|other| other.access).max()
    };
    let getting = after.held.iter().filter(|held| of(held).unwrap_or(Access::Clear) < held.access);
    getting.filter_map(|held| warning(held, after.from, now)).collect()
}

fn warning(held: &Held, at: Timestamp, now: Timestamp) -> Option<Warning> {
    let days = WARNED_DAYS.into_iter().rev().find(|count| at < beyond(now, days(i64::from(*count))))?;
    let (when, day) = (left_in_words(now, at), date_of(at));
    let access = held.access;
    let sentence = format!("in {when}, on {day}, the vendor will be {}: {}", word(access), held.fact);
    Some(Warning {
        stop: held.stop,
        subject: held.subject.clone(),
        days,
        at,
        access,
        mode: held.mode,
        sentence,
    })
}

fn word(access: Access) -> &'static str {
    match access {
        Access::Clear => "clear",
        Access::Limited => "limited",
        Access::Held => "held",
        Access::Blocked => "blocked",
    }
}
