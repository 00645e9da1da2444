//! How often a vendor may have what costs all the others something.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use portcullis_domain::ids::VendorId;
use portcullis_domain::spec::RateLimit;
use portcullis_policy::rate::Rate;

/// Revoking: each time the ledger grows for good, and every gate gets a new snapshot. A burst for
/// machines that go down together; then one each second.
pub(super) const REVOCATIONS: RateLimit = RateLimit { per_second: 1, burst: 100 };
/// Tokens: two signatures each, so that this is about what one processor makes. No honest vendor
/// comes near it, as tokens live for minutes; and one that doesn't stop leaves the others theirs.
pub(super) const TOKENS: RateLimit = RateLimit { per_second: 10_000, burst: 100_000 };

/// Keys: each time the ledger grows for good too, and an honest client does it four times a year.
pub(super) const REGISTRATIONS: RateLimit = RateLimit { per_second: 1, burst: 100 };

/// Statements of machines: a signature check each. Of 20,000 machines that say something each hour, with as much again.
pub(super) const STATEMENTS: RateLimit = RateLimit { per_second: 20, burst: 20_000 };
/// Those that say something else than before: the ledger grows for good.
pub(super) const POSTURE_CHANGES: RateLimit = RateLimit { per_second: 1, burst: 20_000 };

/// Pages and parts of documents by the links of requests: two long documents at once, then a part each second.
pub(super) const ANSWERS: RateLimit = RateLimit { per_second: 1, burst: 2_000 };

/// Notices of breaches: the ledger grows for good, and somebody is woken.
pub(super) const NOTICES: RateLimit = RateLimit { per_second: 1, burst: 50 };

/// What each vendor took, over all its clients. As many entries as vendors were ever declared.
pub(super) struct VendorRates {
    limit: RateLimit,
    rates: Mutex<HashMap<VendorId, Rate>>,
}

impl VendorRates {
    pub(super) fn new(limit: RateLimit) -> Self {
        Self { limit, rates: Mutex::default() }
    }

    /// Takes one for the vendor now.
    ///
    /// # Errors
    /// How long to wait, in nanoseconds.
    pub(super) fn take(&self, vendor: VendorId, now_ns: u64) -> Result<(), u64> {
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        rates.entry(vendor).or_default().take(1, self.limit, now_ns)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_vendor_spends_its_own_only() {
        let rates = VendorRates::new(REVOCATIONS);
        let take = |vendor: u128, second: u64| {
            rates.take(VendorId(Uuid::from_u128(vendor)), second * 1_000_000_000).is_ok()
        };
        assert!((0..REVOCATIONS.burst).all(|_| take(1, 1_000)));
        assert!(!take(1, 1_000));
        assert!(take(2, 1_000));
        assert!(take(1, 1_001));
        assert!(!take(1, 1_001));
    }
}
