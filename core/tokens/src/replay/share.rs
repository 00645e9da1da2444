//! How much of a table each client has filled.

use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_domain::ids::ClientId;

use super::Acceptance;

/// Clients that fall onto one counter share a quarter: with 4,096 counters rarely, and safely.
const COUNTERS: usize = 4_096;
/// Behind the clients' counters and the networks' lies the one of all strangers.
const STRANGERS: usize = 2 * COUNTERS;

/// The counter that proofs are counted on, in both tables.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ClientShare(u16);

impl ClientShare {
    pub fn of(client: ClientId) -> Self {
        let id = client.0.as_u128();
        Self(counter((id >> 64) as u64 ^ id as u64))
    }

    /// Somebody in this network whom nobody knows yet. Not by the key: anybody can make as many as
    /// they like, while networks are few. All strangers together fill no more than half of a table,
    /// so that the other half is left for those who are known.
    pub fn of_stranger(network: &str) -> Self {
        // FNV-1a: the texts are short, and whoever has one network has no choice of another.
        let hash = network.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        Self(counter(hash) + COUNTERS as u16)
    }

    fn is_strangers(self) -> bool {
        usize::from(self.0) >= COUNTERS
    }
}

/// All bits count, also for ids that differ in few; the product's upper bits are its best.
fn counter(id: u64) -> u16 {
    (id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - COUNTERS.ilog2())) as u16
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
    /// `quota` is what one may fill; strangers together may fill twice as much.
    pub(super) fn new(quota: usize) -> Self {
        Self {
            counters: std::iter::repeat_with(AtomicU64::default).take(STRANGERS + 1).collect(),
            quota: quota as u64,
        }
    }

    /// Counts one more proof of `client` in this turn, or says why not.
    pub(super) fn reserve(&self, turn: u64, client: ClientShare) -> Result<(), Acceptance> {
        if !client.is_strangers() {
            return self.reserve_of(usize::from(client.0), self.quota, turn);
        }
        self.reserve_of(usize::from(client.0), self.quota, turn)?;
        let together = self.reserve_of(STRANGERS, 2 * self.quota, turn);
        if together.is_err() {
            self.give_back_of(usize::from(client.0), turn);
        }
        together
    }

    /// Takes back a reservation that wasn't used, unless the turn is over.
    pub(super) fn give_back(&self, turn: u64, client: ClientShare) {
        self.give_back_of(usize::from(client.0), turn);
        if client.is_strangers() {
            self.give_back_of(STRANGERS, turn);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.counters)
    }

    fn reserve_of(&self, counter: usize, quota: u64, turn: u64) -> Result<(), Acceptance> {
        let turn = turn & COUNT_MASK;
        let Some(counter) = self.counters.get(counter) else { return Err(Acceptance::ClientShareSpent) };
        let mut found = counter.load(Ordering::Acquire);
        loop {
            if found >> COUNT_BITS > turn {
                return Err(Acceptance::Late);
            }
            let count = if found >> COUNT_BITS == turn { found & COUNT_MASK } else { 0 };
            if count >= quota {
                return Err(Acceptance::ClientShareSpent);
            }
            let next = turn << COUNT_BITS | (count + 1);
            match counter.compare_exchange_weak(found, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(()),
                Err(now) => found = now,
            }
        }
    }

    fn give_back_of(&self, counter: usize, turn: u64) {
        let turn = turn & COUNT_MASK;
        let Some(counter) = self.counters.get(counter) else { return };
        // An error means that there was nothing left to take back from.
        let _ = counter.fetch_update(Ordering::AcqRel, Ordering::Acquire, |found| {
            (found >> COUNT_BITS == turn && found & COUNT_MASK > 0).then(|| found - 1)
        });
    }
}
