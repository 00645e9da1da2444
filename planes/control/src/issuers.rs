//! Keys of vendors' issuers and trust domains: fetched, looked at, and put on record when they change.

pub mod read;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use uuid::Uuid;

/// What is known of each, beyond the ledger.
#[derive(Default)]
pub(crate) struct Issuers {
    status: Mutex<BTreeMap<Uuid, Status>>,
}

/// How the last fetches of one went.
#[derive(Clone, PartialEq, Default, Debug)]
pub(crate) struct Status {
    pub fetched: Option<Timestamp>,
}

impl Issuers {
    /// When its keys were fetched last, since the start.
    pub fn fetched(&self, id: Uuid) -> Option<Timestamp> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).get(&id)?.fetched
    }

    /// A gate has met a key that isn't known.
    pub fn wanted(&self, _id: Uuid) {}
}
