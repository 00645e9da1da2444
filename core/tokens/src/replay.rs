//! Which proofs were accepted: so that none is accepted twice while its nonce is good.
//!
//! Two fixed tables of 64-bit cells, one for the slots of each parity, as a nonce is good in its own
//! slot and the next. A cell holds the slot's generation (how often its table's turn has come) and
//! 40 bits of the 64-bit keyed hash of `jkt ‖ jti`; the other bits choose the place. Nothing is ever
//! cleared: a cell of an older generation is free.
//!
//! Why it is exact, whatever the interleaving: a cell's generation only grows, and within one it is
//! written once. Two threads with the same proof look at the same cells in the same order; a thread
//! goes past a cell only when it holds another proof of this generation, which stays; and a free cell
//! is taken by compare-and-swap, so the later thread sees the earlier's entry. A thread that slept
//! into the table's next turn either finds the old entry, or a newer one, and is [`Acceptance::Late`].

mod share;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::hmac;

use crate::nonce::NonceSlot;
use crate::thumbprint::Thumbprint;
use share::Shares;

pub use share::ClientShare;

/// The fewest and most cells of one table.
pub const CAPACITY_MIN: usize = 64;
pub const CAPACITY_MAX: usize = 1 << 30;
/// How many cells are looked at before the table counts as full. At half load the longest run of
/// taken cells in a million is about 70.
const PROBES_MAX: usize = 256;

const TAG_BITS: u32 = 40;
const TAG_MASK: u64 = (1 << TAG_BITS) - 1;
/// Generations are compared by their distance, so half of the range is what a cell may lie
/// untouched for: 2^23 turns of 20 s, over five years in one process.
const GENERATION_BITS: u32 = 64 - TAG_BITS;
const GENERATION_MASK: u64 = (1 << GENERATION_BITS) - 1;

/// What became of a proof.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Acceptance {
    /// It is new, and remembered.
    Accepted,
    /// It was accepted before: 401 with a new nonce.
    Replayed,
    /// No place for it: 503 `replay_store_full`.
    Full,
    /// The client has filled a quarter of the table, or strangers half of it: 503 `replay_store_full`.
    ClientShareSpent,
    /// Its nonce's slots are over and the table has moved on: 401 with a new nonce.
    Late,
}

/// Why tables can't be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    #[error("`{capacity}` isn't a capacity for proofs, hint: a power of two from 64 to 2^30")]
    Capacity { capacity: usize },
}

/// The accepted proofs of one gate, shared by its cores without a lock.
pub struct ReplayTables {
    key: hmac::Key,
    tables: [Table; 2],
}

struct Table {
    cells: Box<[AtomicU64]>,
    shares: Shares,
}

/// Where a proof belongs, and as what.
#[derive(Clone, Copy)]
struct Place {
    home: usize,
    entry: Entry,
}

/// The content of a cell: generation above, tag below. 0 was never written, as no tag is 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry(u64);

impl ReplayTables {
    /// Two tables of `capacity` cells each: twice the proofs that are expected in ten seconds.
    /// `secret` must be fresh random bytes for each process.
    ///
    /// # Errors
    /// [`ReplayError::Capacity`].
    pub fn new(secret: [u8; 32], capacity: usize) -> Result<Self, ReplayError> {
        if !capacity.is_power_of_two() || !(CAPACITY_MIN..=CAPACITY_MAX).contains(&capacity) {
            return Err(ReplayError::Capacity { capacity });
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        Ok(Self { key, tables: [Table::new(capacity), Table::new(capacity)] })
    }

    /// Remembers a proof whose nonce is of `slot`, unless it was accepted before.
    ///
    /// Call it last, when token, nonce and signature were good: what is remembered was paid for.
    /// The same `jti` under a nonce of another slot is another proof.
    pub fn accept(&self, slot: NonceSlot, jkt: &Thumbprint, jti: &str, client: ClientShare) -> Acceptance {
        let [even, odd] = &self.tables;
        let table = if slot.0.is_multiple_of(2) { even } else { odd };
        let turn = slot.0 / 2;
        table.accept(turn, self.place(turn, jkt, jti), client)
    }

    /// The memory that the tables take, in bytes.
    pub fn bytes(&self) -> usize {
        self.tables.iter().map(|table| size_of_val(&*table.cells) + table.shares.bytes()).sum()
    }

    fn place(&self, turn: u64, jkt: &Thumbprint, jti: &str) -> Place {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&jkt.0);
        context.update(jti.as_bytes());
        let hash = context.sign().as_ref().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        // The upper bits choose the place, the lower are kept: they overlap only above 2^24 cells.
        Place { home: hash.rotate_left(u64::BITS - TAG_BITS) as usize, entry: Entry::new(turn, hash) }
    }
}

impl Table {
    fn new(capacity: usize) -> Self {
        let cells = std::iter::repeat_with(AtomicU64::default).take(capacity).collect();
        Self { cells, shares: Shares::new(capacity / 4) }
    }

    fn accept(&self, turn: u64, place: Place, client: ClientShare) -> Acceptance {
        // Reserved first: a quarter is never passed, not even by a race.
        if let Err(refusal) = self.shares.reserve(turn, client) {
            return refusal;
        }
        let outcome = self.insert(place);
        if outcome != Acceptance::Accepted {
            self.shares.give_back(turn, client);
        }
        outcome
    }

    fn insert(&self, place: Place) -> Acceptance {
        let mask = self.cells.len() - 1;
        for step in 0..PROBES_MAX.min(self.cells.len()) {
            let index = place.home.wrapping_add(step) & mask;
            let Some(cell) = self.cells.get(index) else { return Acceptance::Full };
            match take(cell, place.entry) {
                Taken::Yes => return Acceptance::Accepted,
                Taken::ByTheSame => return Acceptance::Replayed,
                Taken::ByNewer => return Acceptance::Late,
                Taken::ByAnother => {}
            }
        }
        Acceptance::Full
    }
}

enum Taken {
    Yes,
    ByTheSame,
    ByAnother,
    ByNewer,
}

/// Takes the cell if it is free. Loops at most as often as other threads write it, which is once in
/// a generation.
fn take(cell: &AtomicU64, entry: Entry) -> Taken {
    let mut found = Entry(cell.load(Ordering::Acquire));
    loop {
        if found == entry {
            return Taken::ByTheSame;
        }
        if !found.is_free_for(entry) {
            return if found.generation() == entry.generation() { Taken::ByAnother } else { Taken::ByNewer };
        }
        match cell.compare_exchange(found.0, entry.0, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return Taken::Yes,
            Err(now) => found = Entry(now),
        }
    }
}

impl Entry {
    fn new(turn: u64, hash: u64) -> Self {
        let tag = (hash & TAG_MASK).max(1);
        Self((turn & GENERATION_MASK) << TAG_BITS | tag)
    }

    fn generation(self) -> u64 {
        self.0 >> TAG_BITS
    }

    /// Never written, or of an older generation than `entry`.
    fn is_free_for(self, entry: Self) -> bool {
        let distance = entry.generation().wrapping_sub(self.generation()) & GENERATION_MASK;
        self.0 == 0 || (1..=GENERATION_MASK / 2).contains(&distance)
    }
}

impl fmt::Debug for ReplayTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let capacity = self.tables.each_ref().map(|table| table.cells.len());
        f.debug_struct("ReplayTables")
            .field("key", &format_args!("****"))
            .field("capacity", &capacity)
            .finish()
    }
}

#[cfg(test)]
mod tests;
