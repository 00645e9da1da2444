//! What a file holds, in so few words that a query can pass over it: in the file's own metadata for everybody,
//! and in memory for us.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use portcullis_domain::decision::{DecisionId, OutcomeRecord, Verdict};
use portcullis_domain::ids::{ClientId, VendorId};
use portcullis_domain::reason::Reason;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::query::Filter;
use crate::row::Row;

/// Distinct clients that are listed; of a file with more, none is.
const CLIENTS_MAX: usize = 4_096;
/// With more, a look into all pages costs little more.
const FEW_VENDORS: usize = 8;

/// Counts of a file's rows, as its metadata holds them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    pub vendors: Vec<VendorCounts>,
    /// Every client in the file; absent where there are too many.
    pub clients: Option<Vec<ClientId>>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VendorCounts {
    /// Absent for rows of no known vendor.
    pub vendor: Option<VendorId>,
    pub rows: u64,
    pub verdicts: BTreeMap<Verdict, u64>,
    /// Of the decision; and of its outcome, where that is another one.
    pub reasons: BTreeMap<Reason, u64>,
}

#[derive(Default)]
pub(crate) struct Counting {
    vendors: BTreeMap<Option<VendorId>, VendorCounts>,
    clients: Option<std::collections::BTreeSet<ClientId>>,
    many_clients: bool,
    pub ids: Option<(DecisionId, DecisionId)>,
}

impl Counting {
    pub fn row(&mut self, row: &Row) {
        let record = &row.record;
        self.id(record.id);
        let counts = self.vendor(record.vendor);
        counts.rows += 1;
        *counts.verdicts.entry(record.verdict).or_default() += 1;
        *counts.reasons.entry(record.reason).or_default() += 1;
        if let Some(outcome) = row.outcome.as_ref().filter(|outcome| outcome.reason != record.reason) {
            *counts.reasons.entry(outcome.reason).or_default() += 1;
        }
        if let Some(client) = record.client.filter(|_| !self.many_clients) {
            let clients = self.clients.get_or_insert_default();
            clients.insert(client);
            if clients.len() > CLIENTS_MAX {
                self.many_clients = true;
                self.clients = None;
            }
        }
    }

    pub fn outcome(&mut self, vendor: Option<VendorId>, outcome: &OutcomeRecord) {
        self.id(outcome.id);
        let counts = self.vendor(vendor);
        counts.rows += 1;
        *counts.reasons.entry(outcome.reason).or_default() += 1;
    }

    pub fn finish(self) -> Counts {
        let clients = self.clients.unwrap_or_default().into_iter().collect();
        Counts {
            vendors: self.vendors.into_values().collect(),
            clients: (!self.many_clients).then_some(clients),
        }
    }

    fn id(&mut self, id: DecisionId) {
        let (first, last) = self.ids.get_or_insert((id, id));
        *first = id.min(*first);
        *last = id.max(*last);
    }

    fn vendor(&mut self, vendor: Option<VendorId>) -> &mut VendorCounts {
        self.vendors.entry(vendor).or_insert_with(|| VendorCounts {
            vendor,
            rows: 0,
            verdicts: BTreeMap::new(),
            reasons: BTreeMap::new(),
        })
    }
}

/// What is kept in memory of a file.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    /// Sorted; nil for none.
    vendors: Box<[(Uuid, Bits)]>,
    /// A bit for each client's digest; `None` where clients aren't listed.
    clients: Option<Box<[u64; 32]>>,
    pub rows_by_vendor: Box<[u64]>,
}

#[derive(Clone, Copy, Default, Debug)]
struct Bits {
    verdicts: u8,
    reasons: u128,
}

impl Bits {
    fn may_hold(self, filter: &Filter, late: bool) -> bool {
        filter.verdict.is_none_or(|verdict| self.verdicts & 1 << (verdict as u8) != 0)
            && filter.reason.is_none_or(|reason| late || self.reasons & reason_bit(reason) != 0)
    }
}

impl Summary {
    pub fn new(counts: &Counts) -> Self {
        let mut vendors: Vec<_> = counts
            .vendors
            .iter()
            .map(|vendor| {
                let verdicts = vendor.verdicts.keys().fold(0, |bits, verdict| bits | 1 << (*verdict as u8));
                let reasons = vendor.reasons.keys().fold(0, |bits, reason| bits | reason_bit(*reason));
                (vendor.vendor.map_or(Uuid::nil(), |id| id.0), Bits { verdicts, reasons }, vendor.rows)
            })
            .collect();
        vendors.sort_by_key(|(id, ..)| *id);
        let clients = counts.clients.as_ref().map(|clients| {
            let mut bits = Box::new([0; 32]);
            for client in clients {
                let (word, bit) = client_bit(*client);
                if let Some(word) = bits.get_mut(word) {
                    *word |= bit;
                }
            }
            bits
        });
        Self {
            rows_by_vendor: vendors.iter().map(|(.., rows)| *rows).collect(),
            vendors: vendors.into_iter().map(|(id, bits, _)| (id, bits)).collect(),
            clients,
        }
    }

    /// Whether some row may be wanted. `late` says that outcomes came later, whose reasons aren't known here.
    pub fn may_hold(&self, filter: &Filter, late: bool) -> bool {
        if let (Some(client), Some(clients)) = (filter.client, &self.clients) {
            let (word, bit) = client_bit(client);
            if clients.get(word).is_some_and(|word| word & bit == 0) {
                return false;
            }
        }
        let wanted = |bits: &Bits| bits.may_hold(filter, late);
        match filter.vendor {
            Some(vendor) => self
                .of(vendor.0)
                .is_some_and(|place| self.vendors.get(place).is_some_and(|(_, bits)| wanted(bits))),
            None => self.vendors.iter().any(|(_, bits)| wanted(bits)),
        }
    }

    /// The vendors whose rows may be wanted, where those are few: then only their pages need a look.
    pub fn few_vendors(&self, filter: &Filter, late: bool) -> Option<Vec<VendorId>> {
        if let Some(vendor) = filter.vendor {
            return Some(vec![vendor]);
        }
        let wanted = self.vendors.iter().filter(|(_, bits)| bits.may_hold(filter, late));
        let wanted: Vec<_> = wanted.map(|(id, _)| VendorId(*id)).take(FEW_VENDORS + 1).collect();
        // The rows of no vendor aren't found by one.
        let few = wanted.len() <= FEW_VENDORS && wanted.iter().all(|vendor| !vendor.0.is_nil());
        few.then_some(wanted)
    }

    pub fn vendors(&self) -> impl Iterator<Item = Option<VendorId>> {
        self.vendors.iter().map(|(id, _)| (!id.is_nil()).then_some(VendorId(*id)))
    }

    fn of(&self, vendor: Uuid) -> Option<usize> {
        self.vendors.binary_search_by_key(&vendor, |(id, _)| *id).ok()
    }
}

/// More reasons than bits share the last one.
fn reason_bit(reason: Reason) -> u128 {
    1 << (reason as u32).min(127)
}

fn client_bit(client: ClientId) -> (usize, u64) {
    let mut hasher = DefaultHasher::new();
    client.hash(&mut hasher);
    let hash = hasher.finish();
    ((hash >> 6 & 31) as usize, 1 << (hash & 63))
}
