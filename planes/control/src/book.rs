//! What control knows at a moment: what the ledger holds, what is on its way there, and what is
//! in force already without being there.
//!
//! A severance is in force from the moment it was decided, whatever the ledger says. All else is
//! in force once it is committed.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_domain::event::{Event, Severance};
use portcullis_domain::ids::SeveranceId;
use portcullis_domain::state::State;
use portcullis_store::{Slot, StoreError};
use tokio::sync::oneshot;

/// The place of a severance in the ledger, or why it has none yet.
pub(crate) type RecordedAt = Result<u64, StoreError>;

#[derive(Debug)]
pub(crate) struct Book {
    /// The fold of the ledger.
    committed: Arc<State>,
    /// What commands are decided on: `committed`, what is on its way, and what is in force. Its
    /// sizes mean nothing.
    pub tentative: State,
    unrecorded: Vec<Unrecorded>,
    /// Signing keys that are withdrawn although the ledger can't be told, with the time. Commands are decided as
    /// if they weren't: the one that records it must find the key.
    withdrawn: BTreeMap<String, Timestamp>,
}

/// A severance in force that the ledger doesn't hold.
#[derive(Debug)]
pub(crate) struct Unrecorded {
    pub severance: Severance,
    /// Where the reserve file holds it.
    pub slot: Option<Slot>,
    on_its_way: bool,
    waiting: Vec<oneshot::Sender<RecordedAt>>,
}

impl Book {
    /// `unrecorded` comes from the reserve file.
    pub fn new(committed: State, unrecorded: Vec<(Slot, Severance)>) -> Self {
        let unrecorded = unrecorded
            .into_iter()
            .map(|(slot, severance)| Unrecorded {
                severance,
                slot: Some(slot),
                on_its_way: false,
                waiting: Vec::new(),
            })
            .collect();
        let mut book = Self {
            committed: Arc::new(committed),
            tentative: State::default(),
            unrecorded,
            withdrawn: BTreeMap::new(),
        };
        book.forget_tentative();
        book
    }

    /// What is in force: what readers see.
    pub fn in_force(&self) -> Arc<State> {
        if self.unrecorded.is_empty() && self.withdrawn.is_empty() {
            return Arc::clone(&self.committed);
        }
        let mut state = self.decided_on();
        for (kid, time) in &self.withdrawn {
            let (kid, time) = (kid.clone(), *time);
            state.apply(&Event::SigningKeyWithdrawn { kid, by: None, reason: String::new(), time });
        }
        // The size is the ledger's: gates tell snapshots apart by it.
        state.size = self.committed.size;
        Arc::new(state)
    }

    fn decided_on(&self) -> State {
        let mut state = State::clone(&self.committed);
        for open in &self.unrecorded {
            state.apply(&Event::Severed(open.severance.clone()));
        }
        state.size = self.committed.size;
        state
    }

    /// Withdraws a signing key that the ledger holds, until it holds the withdrawal too.
    pub fn withdraw(&mut self, kid: &str, time: Timestamp) {
        if self.committed.signing_key(kid).is_some() {
            self.withdrawn.entry(kid.to_owned()).or_insert(time);
        }
    }

    pub fn is_withdrawn(&self, kid: &str) -> bool {
        self.withdrawn.contains_key(kid)
    }

    pub fn size(&self) -> u64 {
        self.committed.size
    }

    /// Puts a severance in force.
    pub fn close(&mut self, severance: Severance) {
        self.tentative.apply(&Event::Severed(severance.clone()));
        self.unrecorded.push(Unrecorded { severance, slot: None, on_its_way: false, waiting: Vec::new() });
    }

    /// The severances that nobody has sent to the ledger since the last failure; now somebody does.
    pub fn take_floating(&mut self) -> Vec<Severance> {
        let floating = self.unrecorded.iter_mut().filter(|open| !open.on_its_way);
        floating
            .map(|open| {
                open.on_its_way = true;
                open.severance.clone()
            })
            .collect()
    }

    pub fn has_floating(&self) -> bool {
        self.unrecorded.iter().any(|open| !open.on_its_way)
    }

    /// Folds an event that the ledger holds at `sequence`. Answers the reserve's slot that it frees.
    pub fn commit(&mut self, event: &Event, sequence: u64) -> Option<Slot> {
        Arc::make_mut(&mut self.committed).apply(event);
        if let Event::SigningKeyWithdrawn { kid, .. } | Event::SigningKeyRetired { kid, .. } = event {
            self.withdrawn.remove(kid);
        }
        let Event::Severed(severance) = event else { return None };
        let place = self.unrecorded.iter().position(|open| open.severance.id == severance.id)?;
        let recorded = self.unrecorded.remove(place);
        for waiting in recorded.waiting {
            // Whoever doesn't wait any more has written to the reserve meanwhile.
            let _ = waiting.send(Ok(sequence));
        }
        recorded.slot
    }

    /// Forgets what was on its way: the ledger didn't take it.
    pub fn roll_back(&mut self, why: &StoreError) {
        for open in &mut self.unrecorded {
            open.on_its_way = false;
            for waiting in open.waiting.drain(..) {
                let _ = waiting.send(Err(why.clone()));
            }
        }
        self.forget_tentative();
    }

    /// What is decided from now on is decided on what is in force.
    pub fn forget_tentative(&mut self) {
        self.tentative = self.decided_on();
    }

    pub fn unrecorded_mut(&mut self, id: SeveranceId) -> Option<&mut Unrecorded> {
        self.unrecorded.iter_mut().find(|open| open.severance.id == id)
    }

    /// A word when the ledger has taken the severance, or hasn't. `None`: it holds it already.
    pub fn wait_for(&mut self, id: SeveranceId) -> Option<oneshot::Receiver<RecordedAt>> {
        let open = self.unrecorded_mut(id)?;
        let (sender, receiver) = oneshot::channel();
        open.waiting.push(sender);
        Some(receiver)
    }
}
