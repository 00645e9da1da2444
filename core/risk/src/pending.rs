//! Exchanges that aren't learnt yet: until their context's evidence has gone back to nothing.

use crate::codec::fields;
use crate::exchange::Exchange;

const KEPT: usize = 20;

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
        let learnt = || self.entries.iter().position(|entry| entry.learnt_by != 0);
        let place = free.or_else(learnt).unwrap_or_else(|| self.victim());
        if let Some(entry) = self.entries.get_mut(place) {
            *entry = exchange;
        }
        self.next = ((place + 1) % KEPT) as u8;
    }

    /// Those of a context, removed unless `keep` says by which verdict they are learnt.
    pub(crate) fn take(&mut self, owner: u8, keep: Option<u8>, mut each: impl FnMut(&Exchange)) {
        for entry in self.entries.iter_mut().filter(|entry| entry.endpoint != 0 && entry.learnt_by == 0) {
            if entry.owner == owner {
                each(entry);
                match keep {
                    Some(verdict) => entry.learnt_by = verdict,
                    None => *entry = Exchange::default(),
                }
            }
        }
    }

    /// Gives back what a verdict has learnt; they are unconfirmed again.
    pub(crate) fn untake(&mut self, verdict: u8, mut each: impl FnMut(&Exchange)) {
        for entry in self.entries.iter_mut().filter(|entry| entry.endpoint != 0 && entry.learnt_by == verdict)
        {
            each(entry);
            entry.learnt_by = 0;
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
        self.take(owner, None, |_| ());
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
