//! Exchanges that aren't learnt yet: until their context's evidence has gone back to nothing.

use crate::codec::fields;
use crate::exchange::Exchange;

const KEPT: usize = 20;

/// Verdicts are numbered 1 to 100 in [`Exchange::learnt_by`]; beyond stands what a pass had learnt before the verdict.
pub(crate) const VERDICTS: u8 = 100;
/// Learnt because a challenge was passed: kept while there is room, for an analyst's word.
const PASSED: u8 = u8::MAX;

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Pending {
    entries: [Exchange; KEPT],
    next: u8,
}

fields!(Pending { entries, next });

impl Pending {
    /// Keeps an exchange; where there is no room, one of the context that has most goes.
    pub(crate) fn push(&mut self, exchange: Exchange) {
        let free = self.entries.iter().position(|entry| entry.endpoint == 0);
        let passed = || self.entries.iter().position(|entry| entry.learnt_by == PASSED);
        let learnt = || self.entries.iter().position(|entry| entry.learnt_by != 0);
        let place = free.or_else(passed).or_else(learnt).unwrap_or_else(|| self.victim());
        if let Some(entry) = self.entries.get_mut(place) {
            *entry = exchange;
        }
        self.next = ((place + 1) % KEPT) as u8;
    }

    /// Those of a context, removed.
    pub(crate) fn take(&mut self, owner: u8, mut each: impl FnMut(&Exchange)) {
        for entry in self.entries.iter_mut().filter(|entry| entry.endpoint != 0 && entry.learnt_by == 0) {
            if entry.owner == owner {
                each(entry);
                *entry = Exchange::default();
            }
        }
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

    fn victim(&self) -> usize {
        let next = usize::from(self.next);
        let owners = self.entries.iter().map(|entry| entry.owner);
        let count = |owner: u8| self.entries.iter().filter(|entry| entry.owner == owner).count();
        let fullest = owners.max_by_key(|owner| (count(*owner), std::cmp::Reverse(*owner)));
        let from_next = (next..KEPT).chain(0..next);
        let theirs = |at: &usize| self.entries.get(*at).map(|entry| entry.owner) == fullest;
        from_next.into_iter().find(theirs).unwrap_or_default()
    }
}
