//! Which client assertions were taken: each one is good once (RFC 7523, section 3, item 7).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};
use portcullis_domain::ids::{ClientId, VendorId};

/// Assertions that are remembered at most; with room for all of them about 40 MiB, which is taken as
/// it is filled. At a minute each they are enough for 8,700 tokens a second.
pub(super) const ASSERTIONS_MAX: usize = 1 << 19;
/// No vendor may take more over all its clients, so that one alone can't shut out the others.
const SHARE_MAX: usize = ASSERTIONS_MAX / 4;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    Yes,
    Before,
    Full,
}

/// In memory only: assertions from before this process are refused by their time.
pub(super) struct UsedAssertions {
    // Locked for a few look-ups, never across an await.
    table: Mutex<Table>,
    assertions_max: usize,
    share_max: usize,
}

/// Half of a SHA-256 over client and `jti`. Who finds two assertions of one digest, which takes 2^64
/// of them, has one that is refused.
type Digest = [u8; 16];

struct Table {
    taken: HashSet<Digest>,
    /// The same digests, with whose they are, by the first second in which they may be forgotten.
    expiries: BTreeMap<i64, Vec<(Digest, VendorId)>>,
    shares: HashMap<VendorId, usize>,
}

impl Default for UsedAssertions {
    fn default() -> Self {
        Self::bounded(ASSERTIONS_MAX, SHARE_MAX)
    }
}

impl UsedAssertions {
    fn bounded(assertions_max: usize, share_max: usize) -> Self {
        // All the room at once, which the kernel gives as it is used: growing would hold up everybody.
        let taken = HashSet::with_capacity(assertions_max);
        let table = Table { taken, expiries: BTreeMap::new(), shares: HashMap::new() };
        Self { table: Mutex::new(table), assertions_max, share_max }
    }

    /// Takes an assertion whose signature was good. `expires_at` is the first second in which it is
    /// refused for its age.
    pub(super) fn take(
        &self,
        vendor: VendorId,
        client: ClientId,
        token_id: &str,
        expires_at: i64,
        now: i64,
    ) -> Taken {
        let digest = digest(client, token_id);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.forget_before(now);
        if table.taken.contains(&digest) {
            return Taken::Before;
        }
        let share = table.shares.get(&vendor).copied().unwrap_or_default();
        if table.taken.len() >= self.assertions_max || share >= self.share_max {
            return Taken::Full;
        }
        table.taken.insert(digest);
        table.expiries.entry(expires_at).or_default().push((digest, vendor));
        table.shares.insert(vendor, share + 1);
        Taken::Yes
    }
}

impl Table {
    fn forget_before(&mut self, now: i64) {
        while let Some(second) = self.expiries.first_entry().filter(|second| *second.key() <= now) {
            for (digest, vendor) in second.remove() {
                self.taken.remove(&digest);
                if let Some(share) = self.shares.get_mut(&vendor) {
                    *share -= 1;
                    if *share == 0 {
                        self.shares.remove(&vendor);
                    }
                }
            }
        }
    }
}

fn digest(client: ClientId, token_id: &str) -> Digest {
    let mut hash = Context::new(&SHA256);
    hash.update(client.0.as_bytes());
    hash.update(token_id.as_bytes());
    hash.finish().as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn client(number: u8) -> ClientId {
        ClientId(Uuid::from_u128(number.into()))
    }

    fn vendor(number: u8) -> VendorId {
        VendorId(Uuid::from_u128(number.into()))
    }

    #[test]
    fn once_for_each_client_while_it_is_good() {
        let used = UsedAssertions::default();
        assert_eq!(used.take(vendor(1), client(1), "a", 100, 50), Taken::Yes);
        assert_eq!(used.take(vendor(1), client(1), "a", 100, 99), Taken::Before);
        assert_eq!(used.take(vendor(2), client(2), "a", 100, 99), Taken::Yes);
        // From then on its `exp` refuses it.
        assert_eq!(used.take(vendor(1), client(1), "a", 200, 100), Taken::Yes);
    }

    #[test]
    fn one_vendor_fills_its_share_only() {
        let used = UsedAssertions::bounded(3, 2);
        assert_eq!(used.take(vendor(1), client(1), "a", 100, 0), Taken::Yes);
        assert_eq!(used.take(vendor(1), client(1), "b", 100, 0), Taken::Yes);
        assert_eq!(used.take(vendor(1), client(1), "c", 100, 0), Taken::Full);
        assert_eq!(used.take(vendor(1), client(9), "c", 100, 0), Taken::Full, "another client of the vendor");
        assert_eq!(used.take(vendor(2), client(2), "c", 100, 0), Taken::Yes);
        assert_eq!(used.take(vendor(3), client(3), "c", 100, 0), Taken::Full);
        assert_eq!(used.take(vendor(1), client(1), "a", 100, 0), Taken::Before);
        assert_eq!(used.take(vendor(1), client(1), "c", 200, 100), Taken::Yes);
    }

    proptest! {
        /// Against a list that is searched from end to end.
        #[test]
        fn agrees_with_a_plain_list(steps in proptest::collection::vec((0_u8..3, 0_u8..6, 1_i64..20, 0_i64..4), 0..80)) {
            let used = UsedAssertions::bounded(6, 3);
            let mut list: Vec<(u8, u8, i64)> = Vec::new();
            let mut now = 0;
            for (who, what, life, pause) in steps {
                now += pause;
                list.retain(|(_, _, expiry)| *expiry > now);
                let expect = if list.iter().any(|(owner, id, _)| (*owner, *id) == (who, what)) {
                    Taken::Before
                } else if list.len() >= 6 || list.iter().filter(|(owner, _, _)| *owner == who).count() >= 3 {
                    Taken::Full
                } else {
                    list.push((who, what, now + life));
                    Taken::Yes
                };
                prop_assert_eq!(used.take(vendor(who), client(who), &what.to_string(), now + life, now), expect);
            }
        }
    }
}
