//! Counts over a fixed range, and over open vocabularies.

use crate::Broken;
use crate::codec::{Bytes, Field};
use crate::small;

use super::cells::faded;

/// Counts of N things.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Counts<const N: usize> {
    live: [u16; N],
    total: u32,
}

crate::codec::fields!(Counts<const N: usize> { live, total });

impl<const N: usize> Default for Counts<N> {
    fn default() -> Self {
        Self { live: [0; N], total: 0 }
    }
}

impl<const N: usize> Counts<N> {
    pub(crate) fn total(&self) -> u32 {
        self.total
    }

    pub(crate) fn live(&self, at: usize) -> u32 {
        self.live.get(at).copied().map_or(0, u32::from)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.live.iter().copied()
    }

    pub(crate) fn add(&mut self, at: usize, times: u16) {
        if self.live(at) + u32::from(times) > u32::from(u16::MAX) {
            self.live.iter_mut().for_each(|count| *count /= 2);
        }
        if let Some(count) = self.live.get_mut(at) {
            *count = count.saturating_add(times);
        }
        self.sum();
    }

    pub(crate) fn take(&mut self, at: usize, times: u16) {
        if let Some(count) = self.live.get_mut(at) {
            *count = count.saturating_sub(times);
        }
        self.sum();
    }

    pub(crate) fn fade(&mut self, salt: u64) {
        for (at, count) in self.live.iter_mut().enumerate() {
            *count = faded(*count, salt ^ at as u64);
        }
        self.sum();
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.live.iter_mut().zip(&other.live) {
            *mine = mine.saturating_add(*theirs);
        }
        self.sum();
    }

    pub(crate) fn sum(&mut self) {
        self.total = self.live.iter().copied().map(u32::from).sum();
    }
}

/// Counts as they were sealed: each in a byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sealed<const N: usize> {
    counts: [u8; N],
    total: u32,
}

crate::codec::fields!(Sealed<const N: usize> { counts, total });

impl<const N: usize> Default for Sealed<N> {
    fn default() -> Self {
        Self { counts: [0; N], total: 0 }
    }
}

impl<const N: usize> Sealed<N> {
    pub(crate) fn of(live: impl Iterator<Item = u32>) -> Self {
        let mut sealed = Self::default();
        for (count, live) in sealed.counts.iter_mut().zip(live) {
            *count = small::byte(live);
        }
        sealed.sum();
        sealed
    }

    pub(crate) fn total(&self) -> u32 {
        self.total
    }

    pub(crate) fn count(&self, at: usize) -> u32 {
        self.counts.get(at).copied().map_or(0, small::from_byte)
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine = small::byte(small::from_byte(*mine) + small::from_byte(*theirs));
        }
        self.sum();
    }

    pub(crate) fn sum(&mut self) {
        self.total = self.counts.iter().copied().map(small::from_byte).sum();
    }
}

/// Counts of the N things that are used most; the least used makes room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Vocabulary<const N: usize> {
    keys: [u32; N],
    live: [u16; N],
    anchor: [u8; N],
}

impl<const N: usize> Default for Vocabulary<N> {
    fn default() -> Self {
        Self { keys: [0; N], live: [0; N], anchor: [0; N] }
    }
}

impl<const N: usize> Field for Vocabulary<N> {
    fn write(&self, out: &mut Vec<u8>) {
        self.keys.write(out);
        self.live.write(out);
        self.anchor.write(out);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<Self, Broken> {
        Ok(Self { keys: Field::read(bytes)?, live: Field::read(bytes)?, anchor: Field::read(bytes)? })
    }
}

impl<const N: usize> Vocabulary<N> {
    /// Live and anchored count.
    pub(crate) fn find(&self, key: u32) -> (u32, u32) {
        let mut found = (0, 0);
        for ((have, live), anchor) in self.keys.iter().zip(&self.live).zip(&self.anchor) {
            if *have == key {
                found = (u32::from(*live), small::from_byte(*anchor));
            }
        }
        found
    }

    pub(crate) fn totals(&self) -> (u32, u32) {
        let live = self.live.iter().copied().map(u32::from).sum();
        (live, self.anchor.iter().copied().map(small::from_byte).sum())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, u16)> + '_ {
        self.keys.iter().copied().zip(self.live.iter().copied()).filter(|(key, _)| *key != 0)
    }

    pub(crate) fn add(&mut self, key: u32, times: u16) {
        if self.find(key).0 + u32::from(times) > u32::from(u16::MAX) {
            self.live.iter_mut().for_each(|count| *count /= 2);
        }
        let mut cells = self.keys.iter().zip(&mut self.live);
        if let Some((_, live)) = cells.find(|(have, _)| **have == key) {
            *live = live.saturating_add(times);
            return;
        }
        let cells = self.keys.iter_mut().zip(&mut self.live).zip(&mut self.anchor);
        if let Some(((have, live), anchor)) =
            cells.min_by_key(|((have, live), _)| (**have != 0, **live, **have))
        {
            (*have, *live, *anchor) = (key, times, 0);
        }
    }

    pub(crate) fn take(&mut self, key: u32, times: u16) {
        if let Some((_, live)) = self.keys.iter().zip(&mut self.live).find(|(have, _)| **have == key) {
            *live = live.saturating_sub(times);
        }
    }

    pub(crate) fn fade(&mut self, salt: u64) {
        for ((key, count), anchor) in self.keys.iter_mut().zip(&mut self.live).zip(&self.anchor) {
            *count = faded(*count, salt ^ u64::from(*key));
            if *count == 0 && *anchor == 0 {
                *key = 0;
            }
        }
    }

    pub(crate) fn seal(&mut self) {
        for (anchor, live) in self.anchor.iter_mut().zip(&self.live) {
            *anchor = small::byte(u32::from(*live));
        }
    }

    /// The strongest of both; the same whichever way round.
    pub(crate) fn merge(&mut self, other: &Self) {
        let mut all = std::collections::BTreeMap::<u32, (u32, u32)>::new();
        for one in [&*self, other] {
            for ((key, live), anchor) in one.keys.iter().zip(&one.live).zip(&one.anchor) {
                if *key != 0 {
                    let entry = all.entry(*key).or_default();
                    entry.0 += u32::from(*live);
                    entry.1 += small::from_byte(*anchor);
                }
            }
        }
        let mut all: Vec<_> = all.into_iter().collect();
        all.sort_by_key(|(key, (live, anchor))| (std::cmp::Reverse((*live, *anchor)), *key));
        *self = Self::default();
        let places = self.keys.iter_mut().zip(&mut self.live).zip(&mut self.anchor);
        for (((key, live), anchor), (merged, (count, sealed))) in places.zip(all) {
            (*key, *live, *anchor) = (merged, u16::try_from(count).unwrap_or(u16::MAX), small::byte(sealed));
        }
    }
}
