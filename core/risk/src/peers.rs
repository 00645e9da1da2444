//! What a vendor's other clients do, and what all clients do: the prior of a client's baseline.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::buckets::{GAPS, HOURS, RECORDS, SIZES, STATUSES};
use crate::client::ClientRisk;
use crate::constants::{
    CONCENTRATION, COUNTRIES, ENDPOINTS, NETWORKS_OF_COUNTRY, PEER_EXCHANGES, TLS_CLIENTS,
};

/// Parts of an exchange: counts of peers are kept in 256ths, so that adding them is exact.
const UNIT: u64 = 256;
/// Endpoints beyond these count among all others.
const ENDPOINTS_MAX: usize = 16_384;
/// Countries, networks and fingerprints beyond these aren't told apart.
const WORDS_MAX: usize = 16_384;

/// Counts over clients, at most 60 exchanges of each. Adding and merging are commutative.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct PeerCounts {
    clients: u64,
    endpoints: BTreeMap<u32, Ways>,
    /// Of all endpoints together.
    all: Ways,
    gaps: Vec<u64>,
    hours: Vec<u64>,
    countries: BTreeMap<u32, u64>,
    networks: BTreeMap<u32, u64>,
    ja4s: BTreeMap<u32, u64>,
}

/// What is counted of an endpoint.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Ways {
    pub(crate) count: u64,
    pub(crate) sizes: Vec<u64>,
    pub(crate) statuses: Vec<u64>,
    pub(crate) record_sizes: Vec<u64>,
    pub(crate) records: Vec<u64>,
}

/// What a client gives to its peers' counts.
pub(crate) trait Giver {
    fn endpoint(&mut self, endpoint: u32, kind: Option<usize>, bucket: usize, count: u32);
    fn gap(&mut self, bucket: usize, count: u32);
    fn hour(&mut self, bucket: usize, count: u32);
    fn country(&mut self, key: u32, count: u32);
    fn network(&mut self, key: u32, count: u32);
    fn ja4(&mut self, key: u32, count: u32);
}

impl PeerCounts {
    /// Clients that were added.
    #[must_use]
    pub fn clients(&self) -> u64 {
        self.clients
    }

    pub fn add(&mut self, client: &ClientRisk) {
        let mass = u64::from(client.baseline().mass());
        if mass == 0 {
            return;
        }
        self.clients += 1;
        client.baseline().give(&mut Scaled { counts: self, mass: mass.max(PEER_EXCHANGES) });
    }

    pub fn merge(&mut self, other: &Self) {
        self.clients = self.clients.saturating_add(other.clients);
        for (endpoint, ways) in &other.endpoints {
            if self.endpoints.len() < ENDPOINTS_MAX || self.endpoints.contains_key(endpoint) {
                self.endpoints.entry(*endpoint).or_default().merge(ways);
            }
        }
        self.all.merge(&other.all);
        plus(&mut self.gaps, &other.gaps);
        plus(&mut self.hours, &other.hours);
        for (mine, theirs) in [
            (&mut self.countries, &other.countries),
            (&mut self.networks, &other.networks),
            (&mut self.ja4s, &other.ja4s),
        ] {
            theirs.iter().for_each(|(key, count)| word(mine, *key, *count));
        }
    }
}

impl Ways {
    fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        plus(&mut self.sizes, &other.sizes);
        plus(&mut self.statuses, &other.statuses);
        plus(&mut self.record_sizes, &other.record_sizes);
        plus(&mut self.records, &other.records);
    }

    fn row(&mut self, kind: Option<usize>) -> Option<&mut Vec<u64>> {
        match kind? {
            1 => Some(&mut self.sizes),
            2 => Some(&mut self.statuses),
            3 => Some(&mut self.record_sizes),
            4 => Some(&mut self.records),
            _ => None,
        }
    }
}

/// Counts what a client gives as if it had had 60 exchanges.
struct Scaled<'a> {
    counts: &'a mut PeerCounts,
    mass: u64,
}

impl Scaled<'_> {
    fn scaled(&self, count: u32) -> u64 {
        u64::from(count) * PEER_EXCHANGES * UNIT / self.mass
    }
}

impl Giver for Scaled<'_> {
    fn endpoint(&mut self, endpoint: u32, kind: Option<usize>, bucket: usize, count: u32) {
        let count = self.scaled(count);
        let full =
            self.counts.endpoints.len() >= ENDPOINTS_MAX && !self.counts.endpoints.contains_key(&endpoint);
        let own = (!full).then(|| self.counts.endpoints.entry(endpoint).or_default());
        for ways in own.into_iter().chain([&mut self.counts.all]) {
            match ways.row(kind) {
                Some(row) => bump(row, bucket, count),
                None => ways.count = ways.count.saturating_add(count),
            }
        }
    }

    fn gap(&mut self, bucket: usize, count: u32) {
        let count = self.scaled(count);
        bump(&mut self.counts.gaps, bucket, count);
    }

    fn hour(&mut self, bucket: usize, count: u32) {
        let count = self.scaled(count);
        bump(&mut self.counts.hours, bucket, count);
    }

    fn country(&mut self, key: u32, count: u32) {
        let count = self.scaled(count);
        word(&mut self.counts.countries, key, count);
    }

    fn network(&mut self, key: u32, count: u32) {
        let count = self.scaled(count);
        word(&mut self.counts.networks, key, count);
    }

    fn ja4(&mut self, key: u32, count: u32) {
        let count = self.scaled(count);
        word(&mut self.counts.ja4s, key, count);
    }
}

/// The prior of a vendor's clients; made at the turn of a day, never changed, cheap to clone.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Peers {
    compiled: Arc<Compiled>,
}

impl Peers {
    /// Of one vendor's clients, backed by all.
    #[must_use]
    pub fn of(vendor: &PeerCounts, all: &PeerCounts) -> Self {
        Self { compiled: Arc::new(Compiled::of(vendor, all)) }
    }

    pub(crate) fn compiled(&self) -> &Compiled {
        &self.compiled
    }
}

/// Probabilities, backed off already.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Compiled {
    /// Sorted by endpoint.
    endpoints: Vec<(u32, Likely)>,
    other: Likely,
    gaps: Vec<f32>,
    hours: Vec<f32>,
    countries: Words,
    networks: Words,
    ja4s: Words,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Likely {
    share: f32,
    sizes: Vec<f32>,
    statuses: Vec<f32>,
    record_sizes: Vec<f32>,
    records: Vec<f32>,
}

/// Probabilities of an open vocabulary, sorted.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Words {
    known: Vec<(u32, f32)>,
    other: f32,
}

impl Default for Compiled {
    fn default() -> Self {
        Self::of(&PeerCounts::default(), &PeerCounts::default())
    }
}

impl Compiled {
    fn of(vendor: &PeerCounts, all: &PeerCounts) -> Self {
        let other = Likely::of(None, None, &all.all, vendor.all.count, all.all.count);
        let mut endpoints: Vec<_> = vendor.endpoints.keys().chain(all.endpoints.keys()).copied().collect();
        endpoints.sort_unstable();
        endpoints.dedup();
        let likely = |endpoint: u32| {
            let (mine, theirs) = (vendor.endpoints.get(&endpoint), all.endpoints.get(&endpoint));
            Likely::of(mine, theirs, &all.all, vendor.all.count, all.all.count)
        };
        Self {
            endpoints: endpoints.into_iter().map(|endpoint| (endpoint, likely(endpoint))).collect(),
            other,
            gaps: chain::<GAPS>(&[&all.gaps, &vendor.gaps]),
            hours: chain::<HOURS>(&[&all.hours, &vendor.hours]),
            countries: Words::of(&all.countries, &vendor.countries, COUNTRIES),
            networks: Words::of(&all.networks, &vendor.networks, COUNTRIES * NETWORKS_OF_COUNTRY),
            ja4s: Words::of(&all.ja4s, &vendor.ja4s, TLS_CLIENTS),
        }
    }

    pub(crate) fn gap(&self, bucket: u8) -> f64 {
        at(&self.gaps, bucket)
    }

    pub(crate) fn hour(&self, hour: u8) -> f64 {
        at(&self.hours, hour)
    }

    pub(crate) fn country(&self, key: u32) -> f64 {
        self.countries.find(key)
    }

    /// With its country.
    pub(crate) fn network(&self, key: u32) -> f64 {
        self.networks.find(key)
    }

    pub(crate) fn ja4(&self, key: u32) -> f64 {
        self.ja4s.find(key)
    }

    /// What peers do with an endpoint; looked up once for each decision.
    pub(crate) fn likely(&self, endpoint: u32) -> &Likely {
        let found = self.endpoints.binary_search_by_key(&endpoint, |(key, _)| *key);
        found.ok().and_then(|at| self.endpoints.get(at)).map_or(&self.other, |(_, likely)| likely)
    }
}

impl Likely {
    pub(crate) fn share(&self) -> f64 {
        f64::from(self.share)
    }

    pub(crate) fn size(&self, bucket: u8) -> f64 {
        at(&self.sizes, bucket)
    }

    pub(crate) fn status(&self, bucket: u8) -> f64 {
        at(&self.statuses, bucket)
    }

    pub(crate) fn record_size(&self, bucket: u8) -> f64 {
        at(&self.record_sizes, bucket)
    }

    pub(crate) fn records(&self, bucket: u8) -> f64 {
        at(&self.records, bucket)
    }

    fn of(vendor: Option<&Ways>, all: Option<&Ways>, margins: &Ways, vendor_total: u64, total: u64) -> Self {
        let count = |ways: Option<&Ways>| ways.map_or(0, |ways| ways.count);
        let share = backed(count(all), total, 1.0 / ENDPOINTS);
        let share = backed(count(vendor), vendor_total, share);
        let row = |pick: fn(&Ways) -> &Vec<u64>| -> Vec<&[u64]> {
            let rows = [Some(margins), all, vendor];
            rows.into_iter().flatten().map(|ways| pick(ways).as_slice()).collect()
        };
        Self {
            share: share as f32,
            sizes: chain_of(&row(|ways| &ways.sizes), SIZES),
            statuses: chain_of(&row(|ways| &ways.statuses), STATUSES),
            record_sizes: chain_of(&row(|ways| &ways.record_sizes), SIZES),
            records: chain_of(&row(|ways| &ways.records), RECORDS),
        }
    }
}

impl Words {
    fn of(all: &BTreeMap<u32, u64>, vendor: &BTreeMap<u32, u64>, universe: f64) -> Self {
        let (total, vendor_total) = (all.values().sum(), vendor.values().sum());
        let likely =
            |count: u64, own: u64| backed(own, vendor_total, backed(count, total, 1.0 / universe)) as f32;
        let mut known: Vec<_> = all.keys().chain(vendor.keys()).copied().collect();
        known.sort_unstable();
        known.dedup();
        let of = |counts: &BTreeMap<u32, u64>, key: &u32| counts.get(key).copied().unwrap_or_default();
        let known = known.into_iter().map(|key| (key, likely(of(all, &key), of(vendor, &key)))).collect();
        Self { known, other: likely(0, 0) }
    }

    fn find(&self, key: u32) -> f64 {
        let found = self.known.binary_search_by_key(&key, |(known, _)| *known);
        f64::from(found.ok().and_then(|at| self.known.get(at)).map_or(self.other, |(_, likely)| *likely))
    }
}

fn chain<const N: usize>(rows: &[&Vec<u64>]) -> Vec<f32> {
    let rows: Vec<&[u64]> = rows.iter().map(|row| row.as_slice()).collect();
    chain_of(&rows, N)
}

/// From uniform down, each row backed by the one before.
fn chain_of(rows: &[&[u64]], buckets: usize) -> Vec<f32> {
    let mut likely = vec![1.0 / buckets as f64; buckets];
    for row in rows {
        let total = row.iter().sum();
        for (at, parent) in likely.iter_mut().enumerate() {
            *parent = backed(row.get(at).copied().unwrap_or_default(), total, *parent);
        }
    }
    likely.into_iter().map(|likely| likely as f32).collect()
}

fn backed(count: u64, total: u64, parent: f64) -> f64 {
    let exchanges = |count: u64| count as f64 / UNIT as f64;
    (exchanges(count) + CONCENTRATION * parent) / (exchanges(total) + CONCENTRATION)
}

fn at(row: &[f32], bucket: u8) -> f64 {
    f64::from(row.get(usize::from(bucket)).copied().unwrap_or(1e-6)).max(1e-9)
}

fn bump(row: &mut Vec<u64>, bucket: usize, count: u64) {
    if row.len() <= bucket {
        row.resize(bucket + 1, 0);
    }
    if let Some(cell) = row.get_mut(bucket) {
        *cell = cell.saturating_add(count);
    }
}

fn plus(mine: &mut Vec<u64>, theirs: &[u64]) {
    theirs.iter().enumerate().for_each(|(bucket, count)| bump(mine, bucket, *count));
}

fn word(words: &mut BTreeMap<u32, u64>, key: u32, count: u64) {
    if words.len() < WORDS_MAX || words.contains_key(&key) {
        let cell = words.entry(key).or_default();
        *cell = cell.saturating_add(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Exchange;

    /// A client with a hundred times as many exchanges shapes its peers' prior as much as one with sixty.
    #[test]
    fn a_client_gives_sixty_exchanges_at_most() {
        for (exchanges, expect) in [(30, 30), (60, 60), (600, 60), (6_000, 60)] {
            let mut client = ClientRisk::new();
            for at in 0..exchanges {
                let exchange = Exchange { endpoint: 1 + at % 3, ..Exchange::default() };
                client.baseline.learn(&exchange, 1, 1);
            }
            let mut counts = PeerCounts::default();
            counts.add(&client);
            let given: u64 = counts.endpoints.values().map(|ways| ways.count).sum();
            assert_eq!((given, counts.clients()), (expect * UNIT, 1), "{exchanges}");
        }
    }
}
