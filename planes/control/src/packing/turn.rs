//! Whose turn it is to make an evidence pack: one at a time, and everybody else hears whose.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

/// A pack in the making.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnderWay {
    /// Name of the vendor that it is about.
    pub vendor: String,
    /// Name of the operator.
    pub by: String,
    pub since: Timestamp,
}

impl fmt::Display for UnderWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = Timestamp::from_second(self.since.as_second()).unwrap_or(self.since);
        write!(f, "of `{}`, by {}, since {since}", self.vendor, self.by)
    }
}

#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<Option<UnderWay>>>);

/// Ends when it is dropped.
pub(super) struct Turn(Turns);

impl Turns {
    /// # Errors
    /// What is under way already.
    pub(super) fn take(&self, wanted: UnderWay) -> Result<Turn, UnderWay> {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*under_way {
            Some(other) => Err(other.clone()),
            None => {
                *under_way = Some(wanted);
                Ok(Turn(self.clone()))
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
