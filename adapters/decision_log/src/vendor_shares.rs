use std::collections::{BTreeMap, HashMap};

const UNKNOWN: [u8; 16] = [0; 16];

/// How much of the log each vendor takes, in the segments of one core.
pub(crate) struct VendorShares {
    bytes_max: u64,
    totals: HashMap<[u8; 16], u64>,
    /// What to give back when a segment goes, by its sequence.
    by_segment: BTreeMap<u64, HashMap<[u8; 16], u64>>,
}

impl VendorShares {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self { bytes_max, totals: HashMap::new(), by_segment: BTreeMap::new() }
    }

    pub(crate) fn has_room(&self, vendor: &[u8; 16], bytes: u64) -> bool {
        let spent = self.totals.get(vendor).copied().unwrap_or(0);
        *vendor == UNKNOWN || spent.saturating_add(bytes) <= self.bytes_max
    }

    pub(crate) fn add(&mut self, sequence: u64, vendor: &[u8; 16], bytes: u64) {
        if *vendor != UNKNOWN {
            *self.totals.entry(*vendor).or_default() += bytes;
            *self.by_segment.entry(sequence).or_default().entry(*vendor).or_default() += bytes;
        }
    }

    /// The segment was deleted.
    pub(crate) fn give_back(&mut self, sequence: u64) {
        for (vendor, bytes) in self.by_segment.remove(&sequence).unwrap_or_default() {
            if let Some(total) = self.totals.get_mut(&vendor) {
                *total = total.saturating_sub(bytes);
                if *total == 0 {
                    self.totals.remove(&vendor);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_spent_and_given_back_with_the_segment() {
        let (one, other) = ([1; 16], [2; 16]);
        let mut shares = VendorShares::new(100);
        shares.add(1, &one, 60);
        shares.add(2, &one, 40);
        assert!(!shares.has_room(&one, 1));
        assert!(shares.has_room(&other, 100));
        assert!(!shares.has_room(&other, 101));
        shares.give_back(7);
        assert!(!shares.has_room(&one, 1));
        shares.give_back(1);
        assert!(shares.has_room(&one, 60));
        assert!(!shares.has_room(&one, 61));
        shares.give_back(2);
        assert!(shares.totals.is_empty() && shares.by_segment.is_empty());
    }

    #[test]
    fn unknown_vendors_have_no_share() {
        let mut shares = VendorShares::new(10);
        shares.add(1, &UNKNOWN, 1_000);
        assert!(shares.has_room(&UNKNOWN, 1_000));
    }
}
