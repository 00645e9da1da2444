//! What gates tell of their clients' risk: kept in memory, and told anew by each gate that starts.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis_domain::ids::ClientId;
use portcullis_policy::link::{Page, RiskStanding};

/// Pages that are kept: the newest.
const PAGES_MAX: usize = 1_000;

#[derive(Default)]
pub(crate) struct RiskSeen(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    standings: HashMap<ClientId, RiskStanding>,
    pages: VecDeque<Page>,
}

impl RiskSeen {
    /// The caller has looked whether the client exists: a gate can't make this grow.
    pub fn stands(&self, standing: RiskStanding) {
        let mut inner = self.inner();
        let known = inner.standings.get(&standing.client);
        if known.is_none_or(|known| known.at_us <= standing.at_us) {
            inner.standings.insert(standing.client, standing);
        }
    }

    pub fn paged(&self, page: Page) {
        let mut inner = self.inner();
        if inner.pages.len() >= PAGES_MAX {
            inner.pages.pop_front();
        }
        inner.pages.push_back(page);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
