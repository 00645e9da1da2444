//! Adding up what several gates have counted of a client: the same whichever is added to which.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::cells::{Cell, Cells, Key, Kind};
use super::{Baseline, ENDPOINTS_KEPT, Row};
use crate::small;

/// Counts of a cell by the hashes of its endpoints, which mean the same everywhere.
type Loose = BTreeMap<(usize, u32, u32), (u32, u32)>;

impl Baseline {
    pub(crate) fn merge(&mut self, other: &Self) {
        let mut endpoints = BTreeMap::<u32, (u32, u32)>::new();
        let mut cells = Loose::new();
        for one in [&*self, other] {
            one.loosen(&mut endpoints, &mut cells);
        }
        let mut ranked: Vec<_> = endpoints.into_iter().collect();
        ranked.sort_by_key(|(hash, counts)| (Reverse(*counts), *hash));
        let gone = ranked.iter().skip(ENDPOINTS_KEPT).map(|(_, (live, _))| *live).sum::<u32>();
        self.elsewhere = short(u32::from(self.elsewhere) + u32::from(other.elsewhere) + gone);
        ranked.truncate(ENDPOINTS_KEPT);
        self.hashes = [0; ENDPOINTS_KEPT];
        self.rows = [Row::default(); ENDPOINTS_KEPT];
        let mut places = BTreeMap::new();
        let rows = self.hashes.iter_mut().zip(&mut self.rows).enumerate();
        for ((at, (hash, row)), (endpoint, (live, anchor))) in rows.zip(ranked) {
            (*hash, row.count, row.anchor) = (endpoint, short(live), short(anchor));
            places.insert(endpoint, at);
        }
        let mut tight: Vec<_> = cells
            .into_iter()
            .filter_map(|((kind, endpoint, bucket), (live, anchor))| {
                let place = *places.get(&endpoint)?;
                let bucket =
                    if kind == Kind::Next as usize { *places.get(&bucket)? } else { bucket as usize };
                let key = Key::new(kind_of(kind)?, place, bucket);
                Some(Cell { key, live: short(live), anchor: small::byte(anchor) })
            })
            .collect();
        tight.sort_by_key(|cell| (Reverse((cell.live, cell.anchor)), cell.key));
        self.cells = Cells::default();
        tight.into_iter().for_each(|cell| self.cells.put(cell));
        self.sizes.merge(&other.sizes);
        self.statuses.merge(&other.statuses);
        self.record_sizes.merge(&other.record_sizes);
        self.records.merge(&other.records);
        self.gaps.merge(&other.gaps);
        self.hours.merge(&other.hours);
        self.sealed_gaps.merge(&other.sealed_gaps);
        self.sealed_hours.merge(&other.sealed_hours);
        self.countries.merge(&other.countries);
        self.networks.merge(&other.networks);
        self.prefixes.merge(&other.prefixes);
        self.ja4s.merge(&other.ja4s);
        self.rates.merge(&other.rates);
        self.sum();
    }

    fn loosen(&self, endpoints: &mut BTreeMap<u32, (u32, u32)>, cells: &mut Loose) {
        for (hash, row) in self.hashes.iter().zip(&self.rows).filter(|(hash, _)| **hash != 0) {
            let counts = endpoints.entry(*hash).or_default();
            (counts.0, counts.1) = (counts.0 + u32::from(row.count), counts.1 + u32::from(row.anchor));
        }
        for cell in self.cells.iter() {
            let hash = |place: usize| self.hashes.get(place).copied().filter(|hash| *hash != 0);
            let bucket = if cell.key.kind() == Kind::Next as usize {
                hash(cell.key.bucket())
            } else {
                Some(cell.key.bucket() as u32)
            };
            if let (Some(endpoint), Some(bucket)) = (hash(cell.key.endpoint()), bucket) {
                let counts = cells.entry((cell.key.kind(), endpoint, bucket)).or_default();
                (counts.0, counts.1) =
                    (counts.0 + u32::from(cell.live), counts.1 + small::from_byte(cell.anchor));
            }
        }
    }

    /// What a state of bytes may not hold.
    pub(crate) fn sound(&self) -> bool {
        self.cells.sound()
    }
}

fn short(count: u32) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

fn kind_of(number: usize) -> Option<Kind> {
    [Kind::Next, Kind::RequestSize, Kind::Status, Kind::RecordSize, Kind::Records].get(number).copied()
}
