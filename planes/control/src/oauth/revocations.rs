//! How often a vendor may revoke: each time the ledger grows for good, and every gate gets a new snapshot.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use portcullis_domain::ids::VendorId;
use portcullis_domain::spec::RateLimit;
use portcullis_policy::rate::Rate;

/// A burst for machines that go down together; then one each second.
const LIMIT: RateLimit = RateLimit { per_second: 1, burst: 100 };

/// Revocations of each vendor, over all its clients. As many entries as vendors were ever declared.
#[derive(Default)]
pub(super) struct Revocations(Mutex<HashMap<VendorId, Rate>>);

impl Revocations {
    /// Whether the vendor may revoke one more token now.
    pub(super) fn take(&self, vendor: VendorId, now_ns: u64) -> bool {
        let mut rates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rates.entry(vendor).or_default().take(1, LIMIT, now_ns).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_vendor_spends_its_own_revocations_only() {
        let revocations = Revocations::default();
        let take = |vendor: u128, second: u64| {
            revocations.take(VendorId(Uuid::from_u128(vendor)), second * 1_000_000_000)
        };
        assert!((0..LIMIT.burst).all(|_| take(1, 1_000)));
        assert!(!take(1, 1_000));
        assert!(take(2, 1_000));
        assert!(take(1, 1_001));
        assert!(!take(1, 1_001));
    }
}
