//! How much of a table each client has filled.

use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_domain::ids::ClientId;

use super::Acceptance;

/// Clients that fall onto one counter share a quarter: with 4,096 counters rarely, and safely.
const COUNTERS: usize = 4_096;

/// The counter that a client's proofs are counted on, in both tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientShare(u16);

impl ClientShare {
    /// Those whom nobody knows yet, all together: anybody can make as many keys as they like.
    pub const STRANGERS: Self = Self(COUNTERS as u16);

    pub fn of(client: ClientId) -> Self {
        let id = client.0.as_u128();
        // All bits count, also for ids that differ in few; the product's upper bits are its best.
        let mixed = ((id >> 64) as u64 ^ id as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self((mixed >> (u64::BITS - COUNTERS.ilog2())) as u16)
    }
}

/// One counter for each share: the turn above, the count in it below. A count of an older turn is 0.
pub(super) struct Shares {
    counters: Box<[AtomicU64]>,
    quota: u64,
}

/// Enough turns of 20 s for 2,700 years from 1970.
const COUNT_BITS: u32 = 32;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

impl Shares {
    pub(super) fn new(quota: usize) -> Self {
        Self {
            counters: std::iter::repeat_with(AtomicU64::default).take(COUNTERS + 1).collect(),
            quota: quota as u64,
        }
    }

    /// Counts one more proof of `client` in this turn, or says why not.
    pub(super) fn reserve(&self, turn: u64, client: ClientShare) -> Result<(), Acceptance> {
        let turn = turn & COUNT_MASK;
        let Some(counter) = self.counter(client) else { return Err(Acceptance::ClientShareSpent) };
        let mut found = counter.load(Ordering::Acquire);
        loop {
            if found >> COUNT_BITS > turn {
                return Err(Acceptance::Late);
            }
            let count = if found >> COUNT_BITS == turn { found & COUNT_MASK } else { 0 };
            if count >= self.quota {
                return Err(Acceptance::ClientShareSpent);
            }
            let next = turn << COUNT_BITS | (count + 1);
            match counter.compare_exchange_weak(found, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(()),
                Err(now) => found = now,
            }
        }
    }

    /// Takes back a reservation that wasn't used, unless the turn is over.
    pub(super) fn give_back(&self, turn: u64, client: ClientShare) {
        let turn = turn & COUNT_MASK;
        let Some(counter) = self.counter(client) else { return };
        // An error means that there was nothing left to take back from.
        let _ = counter.fetch_update(Ordering::AcqRel, Ordering::Acquire, |found| {
            (found >> COUNT_BITS == turn && found & COUNT_MASK > 0).then(|| found - 1)
        });
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.counters)
    }

    fn counter(&self, client: ClientShare) -> Option<&AtomicU64> {
        self.counters.get(usize::from(client.0))
    }
}
