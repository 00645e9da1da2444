//! Which client assertions were taken: each one is good once (RFC 7523, section 3, item 7).

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};
use portcullis_domain::ids::{ClientId, VendorId};

/// Assertions that are remembered at most; about 20 MiB.
pub(super) const ASSERTIONS_MAX: usize = 131_072;
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

#[derive(Default)]
struct Table {
    /// Digest of client and `jti` → whose it is.
    owners: HashMap<[u8; 32], VendorId>,
    /// The same digests by the first second in which they may be forgotten.
    expiries: BTreeSet<(i64, [u8; 32])>,
    shares: HashMap<VendorId, usize>,
}

impl Default for UsedAssertions {
    fn default() -> Self {
        Self::bounded(ASSERTIONS_MAX, SHARE_MAX)
    }
}

impl UsedAssertions {
    fn bounded(assertions_max: usize, share_max: usize) -> Self {
        Self { table: Mutex::default(), assertions_max, share_max }
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
        if table.owners.contains_key(&digest) {
            return Taken::Before;
        }
        let share = table.shares.get(&vendor).copied().unwrap_or_default();
        if table.owners.len() >= self.assertions_max || share >= self.share_max {
            return Taken::Full;
        }
        table.owners.insert(digest, vendor);
        table.expiries.insert((expires_at, digest));
        table.shares.insert(vendor, share + 1);
        Taken::Yes
    }
}

impl Table {
    fn forget_before(&mut self, now: i64) {
        while let Some((_, digest)) = self.expiries.first().copied().filter(|(expiry, _)| *expiry <= now) {
            self.expiries.pop_first();
            let Some(owner) = self.owners.remove(&digest) else { continue };
            if let Some(share) = self.shares.get_mut(&owner) {
                *share -= 1;
                if *share == 0 {
                    self.shares.remove(&owner);
                }
            }
        }
    }
}

fn digest(client: ClientId, token_id: &str) -> [u8; 32] {
    let mut hash = Context::new(&SHA256);
    hash.update(client.0.as_bytes());
    hash.update(token_id.as_bytes());
    let mut digest = [0; 32];
    // The lengths are equal: SHA-256 always gives 32 bytes.
    digest.copy_from_slice(hash.finish().as_ref());
    digest
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
