//! When a letter goes out: soon, not twice, not in floods, and again when it wasn't taken.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use portcullis_ids::ids::SubjectId;
use uuid::Uuid;

/// So long is waited for what belongs together: an incident that is opened for it, the second of two severances.
const SETTLE: SignedDuration = SignedDuration::from_secs(3);
/// What machines of ours cut by themselves comes in numbers: one letter in so long.
const MACHINES_APART: SignedDuration = SignedDuration::from_mins(10);
/// After that nobody is told any more: the news is none.
pub const GIVEN_UP_AFTER: SignedDuration = SignedDuration::from_hours(72);
/// What is older was never tried: it is from before anybody was told of anything.
pub const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(96);
/// A letter that isn't taken for so long is told of.
pub const LATE_AFTER: SignedDuration = SignedDuration::from_mins(15);
const RETRY_FIRST_SECONDS: i64 = 5;
const RETRY_LAST_SECONDS: i64 = 900;
const ERROR_CHARACTERS: usize = 300;

/// What is to be done about one thing that somebody wasn't told yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    Wait,
    Tell,
    GiveUp,
    /// Nothing, and nothing is said about it.
    Forget,
}

/// Of something that happened at `time`, done by hand or not, to somebody who got a letter `last`.
#[must_use]
pub fn turn(time: Timestamp, by_hand: bool, last: Option<Timestamp>, now: Timestamp) -> Turn {
    let age = now.duration_since(time);
    if age >= FORGOTTEN_AFTER {
        return Turn::Forget;
    }
    if age >= GIVEN_UP_AFTER {
        return Turn::GiveUp;
    }
    // A clock that was set back delays nothing.
    let settled = age >= SETTLE || age.is_negative();
    let apart = last.is_none_or(|last| {
        let since = now.duration_since(last);
        since >= MACHINES_APART || since.is_negative()
    });
    if settled && (by_hand || apart) { Turn::Tell } else { Turn::Wait }
}

/// How sending went, since the start: what was told for good is in the ledger.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Attempts {
    failing: BTreeMap<SubjectId, Failing>,
    /// Taken by the mail server, and not in the ledger yet: never sent again.
    unrecorded: BTreeSet<(Uuid, SubjectId)>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Failing {
    failures: u32,
    error: String,
    again: Timestamp,
}

impl Attempts {
    /// Whether this one isn't to be tried now.
    #[must_use]
    pub fn waits(&self, contact: SubjectId, now: Timestamp) -> bool {
        self.failing.get(&contact).is_some_and(|failing| now < failing.again)
    }

    /// It was not taken: tried again later and later.
    pub fn failed(&mut self, contact: SubjectId, error: &str, now: Timestamp) {
        let failures = self.failing.get(&contact).map_or(0, |failing| failing.failures);
        let seconds = RETRY_FIRST_SECONDS.saturating_mul(1 << failures.min(10)).min(RETRY_LAST_SECONDS);
        let again = now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
        let error = error.lines().next().unwrap_or_default().chars().take(ERROR_CHARACTERS).collect();
        self.failing.insert(contact, Failing { failures: failures.saturating_add(1), error, again });
    }

    /// The mail server has it.
    pub fn sent(&mut self, matters: &[Uuid], contact: SubjectId) {
        self.failing.remove(&contact);
        self.unrecorded.extend(matters.iter().map(|matter| (*matter, contact)));
    }

    pub fn recorded(&mut self, matter: Uuid, contact: SubjectId) {
        self.unrecorded.remove(&(matter, contact));
    }

    /// What was sent, and isn't recorded.
    #[must_use]
    pub fn unrecorded(&self) -> Vec<(Uuid, SubjectId)> {
        self.unrecorded.iter().copied().collect()
    }

    #[must_use]
    pub fn is_sent(&self, matter: Uuid, contact: SubjectId) -> bool {
        self.unrecorded.contains(&(matter, contact))
    }

    /// Why somebody can't be reached now.
    #[must_use]
    pub fn error(&self, contact: SubjectId) -> Option<&str> {
        self.failing.get(&contact).map(|failing| failing.error.as_str())
    }

    /// Forgets whoever is to be told nothing any more.
    pub fn keep_only(&mut self, waiting: impl Fn(SubjectId) -> bool) {
        self.failing.retain(|contact, _| waiting(*contact));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    #[test]
    fn what_people_close_is_told_soon_and_what_machines_close_not_in_floods() {
        let hour = 3_600;
        for (by_hand, last, now, expect) in [
            (true, None, 0, Turn::Wait),
            (true, None, 3, Turn::Tell),
            (true, None, -1, Turn::Tell),
            (true, Some(2), 3, Turn::Tell),
            (false, None, 3, Turn::Tell),
            (false, Some(-596), 3, Turn::Wait),
            (false, Some(-597), 3, Turn::Tell),
            (false, Some(500), 3, Turn::Tell),
            (true, Some(2), 72 * hour - 1, Turn::Tell),
            (true, Some(2), 72 * hour, Turn::GiveUp),
            (false, Some(72 * hour - 1), 72 * hour, Turn::GiveUp),
            (true, None, 96 * hour, Turn::Forget),
        ] {
            assert_eq!(turn(at(0), by_hand, last.map(at), at(now)), expect, "{by_hand} {last:?} {now}");
        }
    }

    #[test]
    fn whoever_cannot_be_reached_is_tried_less_and_less_often() {
        let ann = SubjectId(Uuid::from_u128(1));
        let mut attempts = Attempts::default();
        let mut now = 0;
        for wait in [5, 10, 20, 40, 80, 160, 320, 640, 900, 900] {
            assert!(!attempts.waits(ann, at(now)), "{now}");
            attempts.failed(ann, "it is down\nhint: look", at(now));
            assert!(attempts.waits(ann, at(now + wait - 1)), "{now}");
            now += wait;
        }
        assert_eq!(attempts.error(ann), Some("it is down"));
        let matter = Uuid::from_u128(7);
        attempts.sent(&[matter], ann);
        assert_eq!(attempts.error(ann), None);
        assert!(attempts.is_sent(matter, ann) && attempts.unrecorded() == [(matter, ann)]);
        attempts.recorded(matter, ann);
        assert_eq!(attempts, Attempts::default());
    }
}
