//! How each client behaves, as this gate knows it: shared by its cores, and outliving every snapshot.
//!
//! A lock is held for about a microsecond, and never over a wait: what an exchange does to a client's state has one order
//! over all cores, which a replay goes by.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use portcullis_domain::decision::DecisionId;
use portcullis_domain::ids::{ClientId, VendorId};
use portcullis_risk::{Aside, ClientRisk, Context, Peers, Rules, Ticket};
use serde::{Deserialize, Serialize};

use crate::outside::OutsideCell;

/// Calls without a decision that wait to be kept: further ones of the same second are gaps in a replay.
const ASIDES_MAX: usize = 1_000;
/// Exchanges of a client that are under way at once in most cases: more of them cost an allocation.
const UNDER_WAY_USUAL: usize = 4;
/// Contexts of a client that something was found about lately: of more the oldest is forgotten.
const FOUND_MAX: usize = 16;

/// What is known of how one client behaves.
#[derive(Debug, Default)]
pub struct RiskCell {
    held: Mutex<Held>,
    changed: AtomicBool,
    /// There are asides.
    has_asides: AtomicBool,
    /// Changed since people were told of it.
    touched: AtomicBool,
    /// Counts what may end streams of this client: questions that were asked, contexts that were closed, or found suspect.
    turns: AtomicU64,
}

/// What a request showed of its context, for what this context had under way then.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Found {
    /// It has a tenth of the records from then on.
    Narrowed,
    /// It was refused.
    Denied,
}

/// What has one order over all cores.
#[derive(Debug, Default)]
struct Held {
    // None until its first request: most clients of a large registry never come.
    state: Option<Box<ClientRisk>>,
    /// Calls without a decision, with their numbers.
    asides: Vec<(u64, Aside)>,
    /// Exchanges that were forwarded and have not ended.
    under_way: UnderWays,
    /// What was found last about each context, the newest last.
    found: Vec<(Context, Found, i64)>,
}

impl Held {
    /// The state, which is made if there is none, with room for what is usual.
    fn state(&mut self) -> &mut ClientRisk {
        self.under_way.make_room();
        self.state.get_or_insert_default()
    }
}

/// Which is looked for by its decision: those stand by themselves, where a line of the cache holds four.
#[derive(Debug, Default)]
struct UnderWays {
    decisions: Vec<DecisionId>,
    /// In the same order.
    exchanges: Vec<UnderWay>,
}

impl UnderWays {
    fn make_room(&mut self) {
        if self.exchanges.capacity() == 0 {
            self.decisions.reserve(UNDER_WAY_USUAL);
            self.exchanges.reserve(UNDER_WAY_USUAL);
        }
    }

    fn push(&mut self, under_way: UnderWay) {
        self.decisions.push(under_way.decision);
        self.exchanges.push(under_way);
    }

    fn end(&mut self, decision: DecisionId) {
        if let Some(place) = self.decisions.iter().rposition(|one| *one == decision) {
            self.decisions.swap_remove(place);
            self.exchanges.swap_remove(place);
        }
    }
}

/// An exchange that has not ended: with it, a copy of the state is all that its end needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UnderWay {
    pub decision: DecisionId,
    pub ticket: Ticket,
    pub rules: Rules,
}

/// A copy of a client's state, at a call.
#[derive(Debug)]
pub struct RiskCopy {
    pub step: u64,
    /// None where nothing has changed since the last copy.
    pub changed: Option<Box<ClientRisk>>,
    pub under_way: Vec<UnderWay>,
}

impl RiskCell {
    /// Changes the state, which is made if there is none.
    pub fn change<T>(&self, change: impl FnOnce(&mut ClientRisk) -> T) -> T {
        let changed = change(self.held().state());
        self.changed.store(true, Ordering::Release);
        self.touch();
        changed
    }

    /// Changes the state by a call that belongs to no decision. What changed nothing is not kept.
    pub fn change_aside<T>(&self, aside: Aside, change: impl FnOnce(&mut ClientRisk) -> T) -> T {
        let mut held = self.held();
        let state = held.state();
        let before = state.step();
        let changed = change(state);
        let step = state.step();
        if step != before {
            self.keep_aside(&mut held, step, aside);
            self.changed.store(true, Ordering::Release);
            self.touch();
        }
        changed
    }

    /// Calls without a decision since the last time, with their numbers.
    #[must_use]
    pub fn take_asides(&self) -> Vec<(u64, Aside)> {
        if !self.has_asides.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        std::mem::take(&mut self.held().asides)
    }

    /// An exchange is forwarded, and its end will need this.
    pub fn begin(&self, under_way: UnderWay) {
        self.held().under_way.push(under_way);
    }

    /// Changes the state by the end of an exchange.
    pub fn end<T>(&self, decision: DecisionId, change: impl FnOnce(&mut ClientRisk) -> T) -> T {
        let mut held = self.held();
        held.under_way.end(decision);
        let changed = change(held.state());
        self.changed.store(true, Ordering::Release);
        self.touch();
        changed
    }

    /// A copy with what is under way, both of one moment.
    #[must_use]
    pub fn copy(&self) -> Option<RiskCopy> {
        let held = self.held();
        let state = held.state.as_ref()?;
        let changed = self.changed.swap(false, Ordering::AcqRel).then(|| state.clone());
        Some(RiskCopy { step: state.step(), changed, under_way: held.under_way.exchanges.clone() })
    }

    fn keep_aside(&self, held: &mut Held, step: u64, aside: Aside) {
        if held.asides.len() < ASIDES_MAX {
            held.asides.push((step, aside));
        }
        self.has_asides.store(true, Ordering::Release);
    }

    /// Looks at the state, if there is one.
    pub fn look<T>(&self, look: impl FnOnce(&ClientRisk) -> T) -> Option<T> {
        self.held().state.as_deref().map(look)
    }

    /// Takes over what was kept from before, unless something is known already.
    pub fn restore(&self, kept: Box<ClientRisk>) {
        self.held().state.get_or_insert(kept);
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
        let mut held = self.held();
        let (step, state) = (known.step(), known.to_bytes());
        held.state = Some(known);
        self.keep_aside(&mut held, step, Aside::Replaced { state });
        self.changed.store(true, Ordering::Release);
    }

    /// What was copied couldn't be kept.
    pub fn mark_changed(&self) {
        self.changed.store(true, Ordering::Release);
    }

    /// Tells streams to look whether they may go on.
    pub fn turn(&self) {
        self.turns.fetch_add(1, Ordering::AcqRel);
    }

    /// Something was found about a context: its streams are to look.
    pub fn find(&self, context: &Context, found: Found, at_us: i64) {
        let mut held = self.held();
        held.found.retain(|(known, what, _)| *what != found || !is_same(known, context));
        if held.found.len() >= FOUND_MAX {
            held.found.remove(0);
        }
        held.found.push((*context, found, at_us));
        drop(held);
        self.turn();
    }

    /// The worst that was found about a context since then.
    pub fn found_since(&self, context: &Context, since_us: i64) -> Option<Found> {
        let held = self.held();
        let about =
            held.found.iter().filter(|(known, _, at_us)| *at_us >= since_us && is_same(known, context));
        about.map(|(_, found, _)| *found).max()
    }

    #[must_use]
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Acquire)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether these are one session: a network has many prefixes.
fn is_same(one: &Context, other: &Context) -> bool {
    (one.key, one.ja4, one.network) == (other.key, other.ja4, other.network)
}

/// What the clients of one vendor are compared with: made anew each day, and in use from a moment on that is recorded.
#[derive(Debug, Default)]
pub struct PeersCell(ArcSwap<Turn>);

#[derive(Debug, Default)]
struct Turn {
    before: Peers,
    /// Microseconds since the Unix epoch.
    from_us: i64,
    now: Peers,
}

impl PeersCell {
    /// Those of a call with this time.
    pub fn at(&self, at_us: i64) -> Peers {
        let turn = self.0.load();
        if at_us >= turn.from_us { turn.now.clone() } else { turn.before.clone() }
    }

    /// From that time on these: said before it comes, so that no call has to know when it was said.
    pub fn turn(&self, from_us: i64, now: Peers) {
        let before = self.0.load().now.clone();
        self.0.store(Arc::new(Turn { before, from_us, now }));
    }
}

/// Every client's state at a gate, and every vendor's peers.
#[derive(Debug, Default)]
pub struct Risks {
    // Locked only where a snapshot is compiled, or states are kept.
    by_client: Mutex<HashMap<ClientId, Arc<RiskCell>>>,
    peers: Mutex<HashMap<VendorId, Arc<PeersCell>>>,
    outside: Mutex<HashMap<VendorId, Arc<OutsideCell>>>,
}

impl Risks {
    /// The cell of a client, made at its first use.
    pub fn cell(&self, client: ClientId) -> Arc<RiskCell> {
        Arc::clone(self.clients().entry(client).or_default())
    }

    /// Every vendor's peers.
    #[must_use]
    pub fn all_peers(&self) -> Vec<(VendorId, Arc<PeersCell>)> {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.iter().map(|(vendor, cell)| (*vendor, Arc::clone(cell))).collect()
    }

    pub fn peers(&self, vendor: VendorId) -> Arc<PeersCell> {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(peers.entry(vendor).or_default())
    }

    /// What is known of packets of a vendor's networks that were dropped.
    pub fn outside(&self, vendor: VendorId) -> Arc<OutsideCell> {
        let mut outside = self.outside.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(outside.entry(vendor).or_default())
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
        assert!(cell.copy().is_none() && cell.look(|_| ()).is_none());
        cell.restore(Box::default());
        let is_changed = || cell.copy().unwrap().changed.is_some();
        assert!(cell.look(|_| ()).is_some() && !is_changed());
        cell.change(|_| ());
        assert!(is_changed() && !is_changed());
        cell.replace(Box::default());
        assert!(is_changed());
        assert!(risks.keep_only(&HashSet::from([client])).is_empty());
        assert_eq!(risks.keep_only(&HashSet::new()), [client]);
    }

    #[test]
    fn the_worst_that_was_found_about_a_context_is_told_to_what_began_before() {
        let cell = RiskCell::default();
        let context = |key, prefix| Context { key, ja4: portcullis_risk::Known::Is(1), network: 7, prefix };
        let turns = cell.turns();
        cell.find(&context(1, 1), Found::Denied, 20);
        cell.find(&context(1, 2), Found::Narrowed, 30);
        assert_eq!(cell.turns(), turns + 2);
        let since = |key, since_us| cell.found_since(&context(key, 9), since_us);
        assert_eq!(
            [since(1, 20), since(1, 21), since(1, 31)],
            [Some(Found::Denied), Some(Found::Narrowed), None]
        );
        assert_eq!(since(2, 0), None);
        // It is bounded, and the newest stay.
        for key in 2..40 {
            cell.find(&context(key, 1), Found::Narrowed, 40);
        }
        assert_eq!([since(1, 0), since(39, 0)], [None, Some(Found::Narrowed)]);
        // What is found anew counts for what began since.
        cell.find(&context(39, 1), Found::Narrowed, 50);
        assert_eq!([since(39, 50), since(38, 50)], [Some(Found::Narrowed), None]);
        assert_eq!(cell.held().found.len(), FOUND_MAX);
    }
}
