//! The contexts of a client: fifteen that are admitted, each judged on its own; one slot that all others share; and what
//! is kept of each of those others until it is admitted.

pub(crate) mod evidence;
pub(crate) mod question;

use serde::{Deserialize, Serialize};

use crate::codec::fields;
use crate::input::{Context, Known};
use evidence::Evidence;
use question::Question;

pub(crate) const ADMITTED: usize = 15;
/// The slot of all others.
pub(crate) const SHARED: usize = ADMITTED;
pub(crate) const PAIRS: usize = 8;
/// More than any number of an [`Owner`].
pub(crate) const OWNERS: usize = ADMITTED + PAIRS;

/// Who speaks from where.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Id {
    pub(crate) key: u64,
    /// 0 where a balancer hides it.
    pub(crate) ja4: u64,
    pub(crate) network: u64,
}

fields!(Id { key, ja4, network });

impl Id {
    pub(crate) fn of(context: &Context) -> Self {
        let ja4 = match context.ja4 {
            Known::Is(ja4) => ja4,
            Known::NoData(_) => 0,
        };
        Self { key: context.key, ja4, network: context.network }
    }

    /// As it was named before there were data about networks.
    pub(crate) fn before_data(context: &Context) -> Self {
        Self { network: context.prefix, ..Self::of(context) }
    }

    /// The same TLS client in the same network, whichever key.
    pub(crate) fn same_place(&self, other: &Self) -> bool {
        self.ja4 == other.ja4 && self.network == other.network
    }
}

/// A context's evidence, and what its next exchange is compared with.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Slot {
    pub(crate) id: Id,
    pub(crate) evidence: Evidence,
    pub(crate) question: Question,
    /// Microseconds of the last exchange; 0 in a free slot.
    pub(crate) last_us: i64,
    pub(crate) last_endpoint: u32,
    /// Challenges passed here, and verdicts.
    pub(crate) passes: u32,
    /// Exchanges of today and of the day before.
    pub(crate) today: u32,
    pub(crate) yesterday: u32,
    pub(crate) learnt_today: u16,
    /// Exchanges in a row that left no evidence.
    pub(crate) quiet: u8,
    /// Beyond 30 points, and counted as such.
    pub(crate) crossed: bool,
    /// Somebody was told.
    pub(crate) paged: bool,
    pub(crate) taken: bool,
}

fields!(Slot {
    id,
    evidence,
    question,
    last_us,
    last_endpoint,
    passes,
    today,
    yesterday,
    learnt_today,
    quiet,
    crossed,
    paged,
    taken
});

/// A context that isn't admitted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Pair {
    pub(crate) id: Id,
    pub(crate) question: Question,
    /// When its time of probation began: at its first request, at its pass, or when it was last at work beside an admitted one.
    pub(crate) since_us: i64,
    pub(crate) last_us: i64,
    pub(crate) last_endpoint: u32,
    pub(crate) passes: u16,
    /// The token was issued here.
    pub(crate) issued_here: bool,
    pub(crate) taken: bool,
}

fields!(Pair { id, question, since_us, last_us, last_endpoint, passes, issued_here, taken });

#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Contexts {
    pub(crate) slots: [Slot; ADMITTED + 1],
    pub(crate) pairs: [Pair; PAIRS],
}

fields!(Contexts { slots, pairs });

/// Where a request's context is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    Admitted(usize),
    Other(usize),
}

impl Owner {
    /// The slot of its evidence.
    pub(crate) fn slot(self) -> usize {
        match self {
            Self::Admitted(slot) => slot,
            Self::Other(_) => SHARED,
        }
    }

    /// In a byte.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Admitted(slot) => slot as u8,
            Self::Other(pair) => (ADMITTED + pair) as u8,
        }
    }
}

impl Contexts {
    pub(crate) fn find(&self, id: &Id) -> Option<Owner> {
        let admitted = self.slots.iter().take(ADMITTED).position(|slot| slot.taken && slot.id == *id);
        if let Some(slot) = admitted {
            return Some(Owner::Admitted(slot));
        }
        self.pairs.iter().position(|pair| pair.taken && pair.id == *id).map(Owner::Other)
    }

    /// Whose place it is, by [`Owner::number`].
    pub(crate) fn id_of(&self, number: u8) -> Option<Id> {
        let number = usize::from(number);
        if number < ADMITTED {
            return self.slots.get(number).filter(|slot| slot.taken).map(|slot| slot.id);
        }
        self.pairs.get(number - ADMITTED).filter(|pair| pair.taken).map(|pair| pair.id)
    }

    /// Data about networks have come: what is admitted by its prefix is admitted by the network's own name, with its evidence.
    /// It keeps its old name, too, for connections that were there before; that one goes when there is no room.
    pub(crate) fn rename(&mut self, context: &Context) -> Option<Owner> {
        let (id, old) = (Id::of(context), Id::before_data(context));
        if id == old || matches!(self.find(&id), Some(Owner::Admitted(_))) {
            return None;
        }
        let known = *self.admitted().find(|slot| slot.id == old).or_else(|| {
            // By another key: the place is known, and this key is what it is.
            self.admitted().find(|slot| slot.id.same_place(&old))
        })?;
        let id = Id { key: known.id.key, ..id };
        if matches!(self.find(&id), Some(Owner::Admitted(_))) {
            return None;
        }
        let (owner, replaced) = self.admit(id, known.last_us, true);
        if let Some(slot) = self.slot_mut(owner) {
            *slot = Slot { id, question: slot.question, ..known };
        }
        replaced
    }

    /// A place for a context that isn't admitted. What never passed makes room before what did, the longest unused first.
    pub(crate) fn enter(&mut self, id: Id, at_us: i64) -> (Owner, bool) {
        let least = self.pairs.iter().enumerate();
        let least = least.min_by_key(|(_, pair)| (pair.taken, pair.passes > 0, pair.last_us));
        let place = least.map_or(0, |(at, _)| at);
        let mut replaced = false;
        if let Some(pair) = self.pairs.get_mut(place) {
            replaced = pair.taken;
            *pair = Pair { id, since_us: at_us, last_us: at_us, taken: true, ..Pair::default() };
        }
        (Owner::Other(place), replaced)
    }

    pub(crate) fn admitted(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().take(ADMITTED).filter(|slot| slot.taken)
    }

    /// Whether this TLS client in this network is admitted, whichever key.
    pub(crate) fn knows_place(&self, id: &Id) -> bool {
        self.admitted().any(|slot| slot.id.same_place(id))
    }

    /// A pair that passed and isn't admitted yet. Another key in a place that is admitted is no new pair: a client that
    /// exchanges its keys, and is asked meanwhile, keeps its budget.
    pub(crate) fn is_on_probation(&self, pair: &Pair) -> bool {
        pair.taken && pair.passes > 0 && !self.knows_place(&pair.id)
    }

    pub(crate) fn knows_key(&self, key: u64) -> bool {
        self.admitted().any(|slot| slot.id.key == key)
    }

    /// When an admitted context of another network or TLS client was last at work.
    pub(crate) fn elsewhere_us(&self, id: &Id) -> i64 {
        self.admitted()
            .filter(|slot| !slot.id.same_place(id))
            .map(|slot| slot.last_us)
            .max()
            .unwrap_or_default()
    }

    pub(crate) fn slot(&self, owner: Owner) -> Option<&Slot> {
        self.slots.get(owner.slot())
    }

    pub(crate) fn slot_mut(&mut self, owner: Owner) -> Option<&mut Slot> {
        self.slots.get_mut(owner.slot())
    }

    pub(crate) fn question(&self, owner: Owner) -> Question {
        match owner {
            Owner::Admitted(slot) => self.slots.get(slot).map(|slot| slot.question),
            Owner::Other(pair) => self.pairs.get(pair).map(|pair| pair.question),
        }
        .unwrap_or_default()
    }

    pub(crate) fn question_mut(&mut self, owner: Owner) -> Option<&mut Question> {
        match owner {
            Owner::Admitted(slot) => self.slots.get_mut(slot).map(|slot| &mut slot.question),
            Owner::Other(pair) => self.pairs.get_mut(pair).map(|pair| &mut pair.question),
        }
    }

    /// The last exchange's time and endpoint in this very context; 0 for none.
    pub(crate) fn last(&self, owner: Owner) -> (i64, u32) {
        match owner {
            Owner::Admitted(slot) => self.slots.get(slot).map(|slot| (slot.last_us, slot.last_endpoint)),
            Owner::Other(pair) => self.pairs.get(pair).map(|pair| (pair.last_us, pair.last_endpoint)),
        }
        .filter(|(_, endpoint)| *endpoint != 0)
        .unwrap_or_default()
    }

    /// An exchange of a context.
    pub(crate) fn touch(&mut self, owner: Owner, at_us: i64, endpoint: u32) {
        if let Some(slot) = self.slot_mut(owner) {
            slot.today = slot.today.saturating_add(1);
        }
        self.tried(owner, at_us, endpoint);
    }

    /// What the next exchange is compared with.
    pub(crate) fn tried(&mut self, owner: Owner, at_us: i64, endpoint: u32) {
        if let Some(slot) = self.slot_mut(owner) {
            (slot.last_us, slot.last_endpoint) = (at_us, endpoint);
        }
        if let Owner::Other(pair) = owner
            && let Some(pair) = self.pairs.get_mut(pair)
        {
            (pair.last_us, pair.last_endpoint) = (at_us, endpoint);
        }
    }

    /// Moves a context among the admitted ones; `clean` without the evidence that was shared.
    pub(crate) fn admit(&mut self, id: Id, at_us: i64, clean: bool) -> (Owner, Option<Owner>) {
        if let Some(owner @ Owner::Admitted(_)) = self.find(&id) {
            return (owner, None);
        }
        let shared = self.slots.get(SHARED).copied().unwrap_or_default();
        let mut slot = Slot { id, last_us: at_us, taken: true, ..Slot::default() };
        if let Some(Owner::Other(place)) = self.find(&id) {
            if let Some(pair) = self.pairs.get_mut(place) {
                (slot.last_endpoint, slot.passes) = (pair.last_endpoint, pair.passes.into());
                slot.question.proved = pair.question.proved;
                *pair = Pair::default();
            }
            if !clean {
                slot.evidence = shared.evidence.moved();
            }
        }
        // Evidence of contexts that are all gone is nobody's.
        if self.pairs.iter().all(|pair| !pair.taken)
            && let Some(shared) = self.slots.get_mut(SHARED)
        {
            *shared = Slot { passes: shared.passes, ..Slot::default() };
        }
        let least = self.slots.iter().take(ADMITTED).enumerate();
        let least = least.min_by_key(|(_, slot)| (slot.taken, slot.last_us));
        let place = least.map_or(0, |(at, _)| at);
        let mut replaced = None;
        if let Some(free) = self.slots.get_mut(place) {
            if free.taken {
                replaced = Some(Owner::Admitted(place));
            }
            *free = slot;
        }
        (Owner::Admitted(place), replaced)
    }
}
