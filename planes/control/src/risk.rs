//! What gates tell of their clients' risk: kept in memory, and told anew by each gate that starts.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis_domain::decision::{DECISION_KIND, DecisionGlance, RiskGlance, Verdict};
use portcullis_domain::ids::{ClientId, VendorId};
use portcullis_domain::state::State;
use portcullis_policy::link::{LogBatch, Page, RiskStanding};
use portcullis_risk::{Action, Cause};

use crate::findings::RiskTold;

/// Pages that are kept: the newest.
const PAGES_MAX: usize = 1_000;
/// Vendors that are told apart; the others are counted together.
const VENDORS_MAX: usize = 500;

/// What was done by score, and why.
pub(crate) type Acted = BTreeMap<(Option<VendorId>, Action, Cause), u64>;

#[derive(Default)]
pub(crate) struct RiskSeen(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    standings: HashMap<ClientId, RiskStanding>,
    pages: VecDeque<Page>,
    acted: Acted,
    vendors: std::collections::BTreeSet<VendorId>,
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

    /// Counts what was done about requests; what simply passed is not looked at.
    pub fn count(&self, batch: &LogBatch) {
        for entry in batch.entries().filter(|entry| entry.kind == DECISION_KIND) {
            let Ok(DecisionGlance { vendor: Some(vendor), verdict, .. }) =
                DecisionGlance::from_bytes(entry.payload)
            else {
                continue;
            };
            if verdict == Verdict::Allow {
                continue;
            }
            let Ok(Some(risk)) = RiskGlance::from_bytes(entry.payload) else { continue };
            if risk.action == Action::Allow {
                continue;
            }
            let mut inner = self.inner();
            let told_apart = inner.vendors.contains(&vendor)
                || (inner.vendors.len() < VENDORS_MAX && inner.vendors.insert(vendor));
            *inner.acted.entry((told_apart.then_some(vendor), risk.action, risk.cause)).or_default() += 1;
        }
    }

    pub fn acted(&self) -> Acted {
        self.inner().acted.clone()
    }

    pub fn standing(&self, client: ClientId) -> Option<RiskStanding> {
        self.inner().standings.get(&client).cloned()
    }

    /// For the findings. What is about clients that are gone goes with them.
    pub fn told(&self, state: &State) -> RiskTold {
        let mut inner = self.inner();
        inner.standings.retain(|client, _| state.by_id(client.0).is_some());
        let mut standings: Vec<RiskStanding> = inner.standings.values().cloned().collect();
        standings.sort_by_key(|standing| standing.client);
        RiskTold { standings, pages: inner.pages.iter().cloned().collect() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
