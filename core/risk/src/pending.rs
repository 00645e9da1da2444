//! Exchanges that aren't learnt yet: until their context's evidence has gone back to nothing.

use serde::{Deserialize, Serialize};

use crate::codec::fields;
use crate::contexts::OWNERS;
use crate::exchange::Exchange;

pub(crate) const KEPT: usize = 20;

/// Verdicts are numbered 1 to 100 in [`Exchange::learnt_by`]; beyond stands what a pass had learnt before the verdict.
pub(crate) const VERDICTS: u8 = 100;
/// Learnt because a challenge was passed: kept while there is room, for an analyst's word.
const PASSED: u8 = u8::MAX;
/// Learnt for good: kept until other gates were told.
const UNTOLD: u8 = u8::MAX - 1;

/// Whether an exchange is learnt, where it comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Learnt {
    Not,
    /// Kept for an analyst's word.
    Passed,
    Confirmed,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Pending {
    entries: [Exchange; KEPT],
    next: u8,
}

fields!(Pending { entries, next });

impl Pending {
    /// Keeps an exchange, and says where; where there is no room, one of the context that has most goes.
    pub(crate) fn push(&mut self, exchange: Exchange) -> usize {
        let place = self.room().unwrap_or_else(|| self.victim());
        if let Some(entry) = self.entries.get_mut(place) {
            *entry = exchange;
        }
        self.next = ((place + 1) % KEPT) as u8;
        place
    }

    /// Those of a context, removed; what other gates weren't told, by its bit, goes when they are.
    pub(crate) fn take(&mut self, owner: u8, untold: u32, mut each: impl FnMut(&Exchange)) {
        for (at, entry) in self.entries.iter_mut().enumerate() {
            if entry.endpoint == 0 || entry.learnt_by != 0 || entry.owner != owner {
                continue;
            }
            each(entry);
            if untold >> at & 1 == 0 {
                *entry = Exchange::default();
            } else {
                entry.learnt_by = UNTOLD;
            }
        }
    }

    /// What other gates weren't told, by its bit. A verdict reaches each gate by itself: to them it waits.
    pub(crate) fn tell(&mut self, untold: &mut u32, mut each: impl FnMut(&Exchange, Learnt)) {
        for (at, entry) in self.entries.iter_mut().enumerate() {
            if *untold >> at & 1 == 0 || entry.endpoint == 0 {
                continue;
            }
            let learnt = match entry.learnt_by {
                PASSED => Learnt::Passed,
                UNTOLD => Learnt::Confirmed,
                _ => Learnt::Not,
            };
            each(entry, learnt);
            if entry.learnt_by == UNTOLD {
                *entry = Exchange::default();
            }
        }
        *untold = 0;
    }

    /// What another gate has told: as it is kept there. What is learnt for good only passes through, so that the same makes room
    /// here as there.
    pub(crate) fn push_told(&mut self, exchange: Exchange, learnt: Learnt) -> usize {
        let learnt_by = if learnt == Learnt::Passed { PASSED } else { 0 };
        let place = self.push(Exchange { learnt_by, ..exchange });
        if let (Learnt::Confirmed, Some(entry)) = (learnt, self.entries.get_mut(place)) {
            *entry = Exchange::default();
        }
        place
    }

    /// Those of a context; they are kept as learnt by a pass.
    pub(crate) fn pass(&mut self, owner: u8, mut each: impl FnMut(&Exchange)) {
        for entry in self.entries.iter_mut().filter(|entry| entry.endpoint != 0 && entry.learnt_by == 0) {
            if entry.owner == owner {
                each(entry);
                entry.learnt_by = PASSED;
            }
        }
    }

    /// Those of a context, by a verdict; with `passed` those too that a pass has learnt.
    pub(crate) fn judge(&mut self, owner: u8, verdict: u8, passed: bool, mut each: impl FnMut(&Exchange)) {
        for entry in self.entries.iter_mut().filter(|entry| entry.endpoint != 0 && entry.owner == owner) {
            let now = match entry.learnt_by {
                0 => verdict,
                PASSED if passed => verdict + VERDICTS,
                _ => continue,
            };
            each(entry);
            entry.learnt_by = now;
        }
    }

    /// Takes a verdict back: what it was before.
    pub(crate) fn take_back(&mut self, verdict: u8, mut each: impl FnMut(&Exchange)) {
        for entry in self.entries.iter_mut().filter(|entry| entry.endpoint != 0) {
            let before = match entry.learnt_by {
                by if by == verdict => 0,
                by if by == verdict + VERDICTS => PASSED,
                _ => continue,
            };
            each(entry);
            entry.learnt_by = before;
        }
    }

    pub(crate) fn of(&self, owner: u8) -> impl Iterator<Item = &Exchange> {
        self.entries
            .iter()
            .filter(move |entry| entry.endpoint != 0 && entry.learnt_by == 0 && entry.owner == owner)
    }

    /// A context got another place.
    pub(crate) fn rename(&mut self, from: u8, to: u8) {
        self.entries.iter_mut().filter(|entry| entry.owner == from).for_each(|entry| entry.owner = to);
    }

    pub(crate) fn drop_of(&mut self, owner: u8) {
        self.entries
            .iter_mut()
            .filter(|entry| entry.owner == owner)
            .for_each(|entry| *entry = Exchange::default());
    }

    /// A free place, else one that a pass has learnt, else one that is learnt at all; the first of its kind.
    fn room(&self) -> Option<usize> {
        let (mut passed, mut learnt) = (None, None);
        for (at, entry) in self.entries.iter().enumerate() {
            match entry {
                Exchange { endpoint: 0, .. } => return Some(at),
                Exchange { learnt_by: 0, .. } => {}
                Exchange { learnt_by: PASSED, .. } => passed = passed.or(Some(at)),
                _ => learnt = learnt.or(Some(at)),
            }
        }
        passed.or(learnt)
    }

    /// One of the context that has most; the next in turn among its own.
    fn victim(&self) -> usize {
        let next = usize::from(self.next);
        let mut counts = [0_u8; OWNERS];
        for entry in &self.entries {
            if let Some(count) = counts.get_mut(usize::from(entry.owner)) {
                *count += 1;
            }
        }
        let most = counts.iter().copied().max().unwrap_or_default();
        let fullest = counts.iter().position(|count| *count == most);
        let from_next = (next..KEPT).chain(0..next);
        let theirs = |at: &usize| self.entries.get(*at).map(|entry| usize::from(entry.owner)) == fullest;
        from_next.into_iter().find(theirs).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As the rule reads, without regard to what it costs.
    fn place_of(pending: &Pending) -> usize {
        let entries = &pending.entries;
        let first = |wanted: &dyn Fn(&Exchange) -> bool| entries.iter().position(wanted);
        let room = first(&|entry| entry.endpoint == 0)
            .or_else(|| first(&|entry| entry.learnt_by == PASSED))
            .or_else(|| first(&|entry| entry.learnt_by != 0));
        room.unwrap_or_else(|| {
            let count = |owner: u8| entries.iter().filter(|entry| entry.owner == owner).count();
            let owners = entries.iter().map(|entry| entry.owner);
            let fullest = owners.max_by_key(|owner| (count(*owner), std::cmp::Reverse(*owner))).unwrap();
            let turn = (0..KEPT).map(|step| (usize::from(pending.next) + step) % KEPT);
            turn.into_iter().find(|at| entries[*at].owner == fullest).unwrap()
        })
    }

    proptest! {
        #[test]
        fn a_place_is_found_as_the_rule_says(
            kept in prop::collection::vec((0_u32..30, prop::sample::select(vec![0, 0, 0, 3, 103, UNTOLD, PASSED]), 0..OWNERS as u8), KEPT),
            full in any::<bool>(),
            next in 0..KEPT as u8,
        ) {
            let mut pending = Pending { next, ..Pending::default() };
            for (entry, (endpoint, learnt_by, owner)) in pending.entries.iter_mut().zip(kept) {
                let (endpoint, learnt_by) = if full { (endpoint + 1, 0) } else { (endpoint, learnt_by) };
                *entry = Exchange { endpoint, learnt_by, owner, ..Exchange::default() };
            }
            let expect = place_of(&pending);
            prop_assert_eq!(pending.push(Exchange { endpoint: 7, ..Exchange::default() }), expect);
        }
    }
}
