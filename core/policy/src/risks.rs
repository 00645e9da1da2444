//! How each client behaves, as this gate knows it: shared by its cores, and outliving every snapshot.
//!
//! A lock is held for about a microsecond, and never over a wait: what an exchange does to a client's state has one order
//! over all cores, which a replay goes by.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use portcullis_domain::ids::{ClientId, VendorId};
use portcullis_risk::{ClientRisk, Peers};

/// What is known of how one client behaves.
#[derive(Debug, Default)]
pub struct RiskCell {
    // None until its first request: most clients of a large registry never come.
    state: Mutex<Option<Box<ClientRisk>>>,
    changed: AtomicBool,
    /// Changed since people were told of it.
    touched: AtomicBool,
    /// Counts what may end streams of this client: questions that were asked, contexts that were closed.
    turns: AtomicU64,
}

impl RiskCell {
    /// Changes the state, which is made if there is none.
    pub fn change<T>(&self, change: impl FnOnce(&mut ClientRisk) -> T) -> T {
        let changed = change(self.state().get_or_insert_default());
        self.changed.store(true, Ordering::Release);
        self.touch();
        changed
    }

    /// Looks at the state, if there is one.
    pub fn look<T>(&self, look: impl FnOnce(&ClientRisk) -> T) -> Option<T> {
        self.state().as_deref().map(look)
    }

    /// Takes over what was kept from before, unless something is known already.
    pub fn restore(&self, kept: Box<ClientRisk>) {
        self.state().get_or_insert(kept);
        self.touch();
    }

    /// People are to be told of it.
    pub fn touch(&self) {
        self.touched.store(true, Ordering::Release);
    }

    /// Whether they are, until it changes again.
    #[must_use]
    pub fn take_touched(&self) -> bool {
        self.touched.load(Ordering::Acquire) && self.touched.swap(false, Ordering::AcqRel)
    }

    /// Puts what is known of a client from elsewhere in the place of what is known here.
    pub fn replace(&self, known: Box<ClientRisk>) {
        *self.state() = Some(known);
        self.changed.store(true, Ordering::Release);
    }

    /// A copy, if anything has changed since the last one was taken.
    #[must_use]
    pub fn changed_copy(&self) -> Option<Box<ClientRisk>> {
        if !self.changed.swap(false, Ordering::AcqRel) {
            return None;
        }
        self.state().clone()
    }

    /// What was copied couldn't be kept.
    pub fn mark_changed(&self) {
        self.changed.store(true, Ordering::Release);
    }

    /// Tells streams to look whether they may go on.
    pub fn turn(&self) {
        self.turns.fetch_add(1, Ordering::AcqRel);
    }

    #[must_use]
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Acquire)
    }

    fn state(&self) -> MutexGuard<'_, Option<Box<ClientRisk>>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the clients of one vendor are compared with; made anew at the turn of a day.
pub type PeersCell = ArcSwap<Peers>;

/// Every client's state at a gate, and every vendor's peers.
#[derive(Debug, Default)]
pub struct Risks {
    // Locked only where a snapshot is compiled, or states are kept.
    by_client: Mutex<HashMap<ClientId, Arc<RiskCell>>>,
    peers: Mutex<HashMap<VendorId, Arc<PeersCell>>>,
}

impl Risks {
    /// The cell of a client, made at its first use.
    pub fn cell(&self, client: ClientId) -> Arc<RiskCell> {
        Arc::clone(self.clients().entry(client).or_default())
    }

    pub fn peers(&self, vendor: VendorId) -> Arc<PeersCell> {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(peers.entry(vendor).or_default())
    }

    /// Every cell, for whoever keeps them.
    #[must_use]
    pub fn all(&self) -> Vec<(ClientId, Arc<RiskCell>)> {
        self.clients().iter().map(|(client, cell)| (*client, Arc::clone(cell))).collect()
    }

    /// Forgets clients that are gone, and says which.
    pub fn keep_only(&self, present: &HashSet<ClientId>) -> Vec<ClientId> {
        let mut gone = Vec::new();
        self.clients().retain(|client, _| {
            let stays = present.contains(client);
            if !stays {
                gone.push(*client);
            }
            stays
        });
        gone
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<ClientId, Arc<RiskCell>>> {
        self.by_client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_was_kept_never_replaces_what_is_known() {
        let risks = Risks::default();
        let client = ClientId(Uuid::from_u128(1));
        let cell = risks.cell(client);
        assert!(cell.changed_copy().is_none() && cell.look(|_| ()).is_none());
        cell.restore(Box::default());
        assert!(cell.look(|_| ()).is_some() && cell.changed_copy().is_none());
        cell.change(|_| ());
        assert!(cell.changed_copy().is_some() && cell.changed_copy().is_none());
        cell.replace(Box::default());
        assert!(cell.changed_copy().is_some());
        assert!(risks.keep_only(&HashSet::from([client])).is_empty());
        assert_eq!(risks.keep_only(&HashSet::new()), [client]);
    }
}
