//! Counts of what follows on what, in a table of fixed size: sets of one cache line each.

use crate::codec::fields;
use crate::hash::mix;
use crate::small;

pub(crate) const SETS: usize = 32;
const WAYS: usize = 12;

/// What is counted of an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Which endpoint comes next.
    Next,
    RequestSize,
    Status,
    RecordSize,
    Records,
}

pub(crate) const KINDS: usize = 5;

/// Kind, endpoint and bucket in one number; 0 is a free place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Key(u16);

impl Key {
    pub(crate) fn new(kind: Kind, endpoint: usize, bucket: usize) -> Self {
        Self(((kind as u16) << 10 | (endpoint as u16 & 31) << 5 | (bucket as u16 & 31)) + 1)
    }

    pub(crate) fn endpoint(self) -> usize {
        usize::from((self.0 - 1) >> 5 & 31)
    }

    pub(crate) fn bucket(self) -> usize {
        usize::from((self.0 - 1) & 31)
    }

    pub(crate) fn kind(self) -> usize {
        usize::from((self.0 - 1) >> 10)
    }

    pub(crate) fn number(self) -> u16 {
        self.0
    }

    fn set(self) -> usize {
        (u32::from(self.0).wrapping_mul(0x9E37_79B1) >> 27) as usize
    }
}

/// A cell that lives or lived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cell {
    pub(crate) key: Key,
    pub(crate) live: u16,
    pub(crate) anchor: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(align(64))]
struct Set {
    keys: [u16; WAYS],
    live: [u16; WAYS],
    anchor: [u8; WAYS],
}

fields!(Set { keys, live, anchor });

#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Cells {
    sets: [Set; SETS],
}

fields!(Cells { sets });

impl Cells {
    /// Live and anchored count.
    pub(crate) fn find(&self, key: Key) -> (u16, u32) {
        let Some(set) = self.sets.get(key.set()) else { return (0, 0) };
        let mut found = (0, 0);
        for ((have, live), anchor) in set.keys.iter().zip(&set.live).zip(&set.anchor) {
            if *have == key.0 {
                found = (*live, small::from_byte(*anchor));
            }
        }
        found
    }

    /// Counts; what had to make room is returned.
    pub(crate) fn add(&mut self, key: Key, times: u16) -> Option<Cell> {
        let set = self.sets.get_mut(key.set())?;
        let mut cells = set.keys.iter_mut().zip(&mut set.live).zip(&mut set.anchor);
        if let Some(((_, live), _)) = cells.find(|((have, _), _)| **have == key.0) {
            *live = live.saturating_add(times);
            return None;
        }
        let cells = set.keys.iter_mut().zip(&mut set.live).zip(&mut set.anchor);
        // The least used makes room; among equals the one with the smallest key.
        let ((have, live), anchor) = cells.min_by_key(|((have, live), _)| (**have != 0, **live, **have))?;
        let gone = (*have != 0).then_some(Cell { key: Key(*have), live: *live, anchor: *anchor });
        (*have, *live, *anchor) = (key.0, times, 0);
        gone
    }

    pub(crate) fn take(&mut self, key: Key, times: u16) -> u16 {
        let Some(set) = self.sets.get_mut(key.set()) else { return 0 };
        match set.keys.iter().zip(&mut set.live).find(|(have, _)| **have == key.0) {
            Some((_, live)) => {
                let taken = times.min(*live);
                *live -= taken;
                taken
            }
            None => 0,
        }
    }

    /// Every cell that is taken, in the order of the table; what the function leaves empty is free then.
    pub(crate) fn each(&mut self, mut change: impl FnMut(&mut Cell)) {
        for set in &mut self.sets {
            for ((have, live), anchor) in set.keys.iter_mut().zip(&mut set.live).zip(&mut set.anchor) {
                if *have == 0 {
                    continue;
                }
                let mut cell = Cell { key: Key(*have), live: *live, anchor: *anchor };
                change(&mut cell);
                (*live, *anchor) = (cell.live, cell.anchor);
                if cell.live == 0 && cell.anchor == 0 {
                    *have = 0;
                }
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Cell> + '_ {
        self.sets.iter().flat_map(|set| {
            let cells = set.keys.iter().zip(&set.live).zip(&set.anchor);
            cells.filter(|((key, _), _)| **key != 0).map(|((key, live), anchor)| Cell {
                key: Key(*key),
                live: *live,
                anchor: *anchor,
            })
        })
    }

    /// Puts in a cell of a merged table: the strongest of a set stay.
    pub(crate) fn put(&mut self, cell: Cell) {
        let Some(set) = self.sets.get_mut(cell.key.set()) else { return };
        let mut cells = set.keys.iter_mut().zip(&mut set.live).zip(&mut set.anchor);
        if let Some(((have, live), anchor)) = cells.find(|((have, _), _)| **have == 0) {
            (*have, *live, *anchor) = (cell.key.0, cell.live, cell.anchor);
        }
    }

    pub(crate) fn sound(&self) -> bool {
        let known = KINDS << 10;
        self.sets.iter().flat_map(|set| &set.keys).all(|key| usize::from(*key) <= known)
    }
}

/// What a day takes from a count: unbiased, and the same at every replay.
pub(crate) fn faded(count: u16, salt: u64) -> u16 {
    let lost = (u32::from(count) * crate::constants::DECAY + (mix(salt) & 0xFFFF) as u32) >> 16;
    count.saturating_sub(lost as u16)
}
