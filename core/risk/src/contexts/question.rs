//! The question that is open in a context: however many requests are in flight, it is one.

use crate::Broken;
use crate::assessment::Cause;
use crate::codec::{Bytes, Field};
use crate::constants::{QUESTION_US, QUESTIONS_MAX};

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Question {
    asked_us: i64,
    /// How often, 0 for none.
    asks: u8,
    cause: Option<Asked>,
    /// Answered, and no request was judged since: the next one carries the proof.
    pub(crate) proved: bool,
}

/// Why it was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asked {
    NewContext,
    Listed,
    Score,
    Rehearsal,
}

impl Asked {
    pub(crate) fn of(cause: Cause) -> Option<Self> {
        match cause {
            Cause::NewContext => Some(Self::NewContext),
            Cause::Listed => Some(Self::Listed),
            Cause::Score => Some(Self::Score),
            Cause::Rehearsal => Some(Self::Rehearsal),
            _ => None,
        }
    }

    /// Asked for facts that are never learnt.
    pub(crate) fn is_fact(self) -> bool {
        matches!(self, Self::NewContext | Self::Listed)
    }
}

/// What an open question says to a request that doesn't answer it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wait {
    Nothing,
    Pending,
    /// Not answered three times.
    Failed,
    /// A rehearsal that nobody answered: it is forgotten, and harms nobody.
    Lapsed,
}

impl Question {
    pub(crate) fn open(&self) -> Option<(i64, Asked)> {
        self.cause.filter(|_| self.asks > 0).map(|cause| (self.asked_us, cause))
    }

    /// A moment that is no earlier than the one at which it was asked first: each time it was asked again came so much later.
    pub(crate) fn since_us(&self) -> Option<i64> {
        let again = i64::from(self.asks.saturating_sub(1));
        self.open().map(|(asked_us, _)| asked_us.saturating_sub(again * QUESTION_US))
    }

    pub(crate) fn ask(&mut self, cause: Asked, at_us: i64) {
        *self = Self { asked_us: at_us, asks: 1, cause: Some(cause), proved: false };
    }

    /// Time passes for a request that isn't proved: when the open question was asked, and whether that was once too often.
    /// Unless such requests count, the question is only asked anew.
    pub(crate) fn wait_unproved(&mut self, at_us: i64, counts: bool) -> Option<(i64, bool)> {
        let (asked_us, _) = self.open()?;
        if at_us.saturating_sub(asked_us) < QUESTION_US {
            return Some((asked_us, false));
        }
        if counts && self.asks >= QUESTIONS_MAX {
            return Some((asked_us, true));
        }
        (self.asked_us, self.asks) = (at_us, self.asks + u8::from(counts));
        Some((at_us, false))
    }

    /// Time passes: asks once more, or no more.
    pub(crate) fn wait(&mut self, at_us: i64) -> Wait {
        let Some((asked_us, cause)) = self.open() else { return Wait::Nothing };
        if at_us.saturating_sub(asked_us) < QUESTION_US {
            return Wait::Pending;
        }
        if cause == Asked::Rehearsal {
            *self = Self::default();
            return Wait::Lapsed;
        }
        if self.asks >= QUESTIONS_MAX {
            *self = Self::default();
            return Wait::Failed;
        }
        (self.asked_us, self.asks) = (at_us, self.asks + 1);
        Wait::Pending
    }
}

impl Field for Question {
    fn write(&self, out: &mut Vec<u8>) {
        self.asked_us.write(out);
        self.asks.write(out);
        self.cause.map_or(0, |cause| cause as u8 + 1).write(out);
        self.proved.write(out);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<Self, Broken> {
        let (asked_us, asks) = (Field::read(bytes)?, Field::read(bytes)?);
        let cause = match u8::read(bytes)? {
            0 => None,
            1 => Some(Asked::NewContext),
            2 => Some(Asked::Listed),
            3 => Some(Asked::Score),
            4 => Some(Asked::Rehearsal),
            _ => return Err(Broken::Value("question")),
        };
        Ok(Self { asked_us, asks, cause, proved: Field::read(bytes)? })
    }
}
