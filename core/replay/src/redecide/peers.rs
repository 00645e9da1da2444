//! What clients were compared with.

use std::collections::HashMap;

use portcullis_domain::ids::VendorId;
use portcullis_risk::{PeerCounts, Peers};

use super::{DAY_US, Redecider};

impl Redecider<'_> {
    /// What a vendor's clients are compared with is made at the turn of a day.
    pub(super) fn peers_of(&mut self, day: i64) {
        // At the first day, too, where states are known from before.
        let begun = self.day.is_none() && self.clients.values().any(|client| client.begun);
        if !begun && self.day.is_none_or(|last| last == day) {
            self.day = Some(day);
            return;
        }
        self.day = Some(day);
        let recorded_from = self.recorded_peers.keys().next().map(|from_us| from_us.div_euclid(DAY_US));
        if recorded_from.is_some_and(|first| first <= day) {
            // From that day on it is known what was compared with; until the very moment, what was before.
            return;
        }
        for (which, peers) in self.peers.iter_mut().enumerate() {
            let mut all = PeerCounts::default();
            let mut by_vendor: HashMap<VendorId, PeerCounts> = HashMap::new();
            for client in self.clients.values() {
                let Some(state) = client.states.get(which) else { continue };
                all.add(state);
                if let Some(vendor) = client.vendor {
                    by_vendor.entry(vendor).or_default().add(state);
                }
            }
            *peers = by_vendor.iter().map(|(vendor, counts)| (*vendor, Peers::of(counts, &all))).collect();
        }
    }

    /// What a client is compared with at this time, by both rules.
    pub(super) fn peers_at(&self, vendor: Option<VendorId>, at_us: i64) -> [Peers; 2] {
        if let Some((_, recorded)) = self.recorded_peers.range(..=at_us).next_back() {
            let peers = vendor.and_then(|vendor| recorded.get(&vendor)).cloned().unwrap_or_default();
            return [peers.clone(), peers];
        }
        [0, 1].map(|which| {
            let of_vendor = vendor.and_then(|vendor| self.peers.get(which)?.get(&vendor));
            of_vendor.cloned().unwrap_or_default()
        })
    }
}
