//! Pages that the ledger hasn't taken: a disk that is full, or hangs, must keep nobody from being called.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis_domain::state::State;
use portcullis_incident::page::{Page, PageCause, is_code};

/// Of more, those that come later are raised when there is room: what they are about goes on.
const HELD_MAX: usize = 200;

/// By what they are raised for, until the ledger has them. A restart forgets them, and raises anew what goes on.
#[derive(Default)]
pub(crate) struct HeldPages(Mutex<BTreeMap<PageCause, Page>>);

impl HeldPages {
    /// Whether it has room.
    pub fn hold(&self, page: Page) -> bool {
        let mut held = self.lock();
        let room = held.len() < HELD_MAX;
        if room {
            held.entry(page.cause.clone()).or_insert(page);
        }
        room
    }

    pub fn knows(&self, cause: &PageCause) -> bool {
        self.lock().contains_key(cause)
    }

    /// The oldest first.
    pub fn all(&self) -> Vec<Page> {
        let mut all: Vec<Page> = self.lock().values().cloned().collect();
        all.sort_by_key(|page| (page.time, page.id));
        all
    }

    /// As people name it.
    pub fn named(&self, named: &str) -> Option<Page> {
        let held = self.lock();
        let known = held.values().find(|page| page.id.to_string() == named || is_code(named, &page.code));
        known.cloned()
    }

    /// Only what is in force counts: an append that is under way may still fail.
    pub fn forget_recorded(&self, state: &State) {
        self.lock().retain(|cause, _| !state.is_paged(cause));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PageCause, Page>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
