//! The meters of a client, an integration and a vendor: they outlive every snapshot.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use crate::rate::Rate;
use crate::window::Window;

/// What one id has taken.
#[derive(Debug)]
pub struct Meter {
    pub requests: Rate,
    pub bytes: Rate,
    pub records: Window,
    under_way: AtomicU32,
}

impl Meter {
    fn new() -> Self {
        Self {
            requests: Rate::default(),
            bytes: Rate::default(),
            records: Window::new(0),
            under_way: AtomicU32::new(0),
        }
    }

    /// Takes a place among at most `places`; it is given back when the guard is dropped.
    #[must_use]
    pub fn enter(self: &Arc<Self>, places: u32) -> Option<Place> {
        let took = self.under_way.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |under_way| {
            (under_way < places).then_some(under_way + 1)
        });
        took.ok().map(|_| Place { meter: Arc::clone(self) })
    }

    #[must_use]
    pub fn under_way(&self) -> u32 {
        self.under_way.load(Ordering::Relaxed)
    }
}

/// A place under a concurrency limit.
#[derive(Debug)]
pub struct Place {
    meter: Arc<Meter>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.meter.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Every meter of a gate, by id.
#[derive(Debug, Default)]
pub struct Meters {
    // Locked only where a snapshot is compiled.
    by_id: Mutex<HashMap<Uuid, Arc<Meter>>>,
    /// Of clients: what their narrowed contexts share.
    narrow: Mutex<HashMap<Uuid, Arc<Meter>>>,
}

/// A narrowed context has this part of the client's records, together with the client's others.
const NARROWED_BY: u64 = 10;

impl Meters {
    /// The meter of `id`, made at its first use, with its records limit set.
    pub fn meter(&self, id: Uuid, records_max: u64) -> Arc<Meter> {
        let mut by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        let meter = by_id.entry(id).or_insert_with(|| Arc::new(Meter::new()));
        meter.records.set_limit(records_max);
        Arc::clone(meter)
    }

    /// The meter of a client's narrowed contexts: one for all of them, so that another context is no other budget.
    pub fn narrow(&self, client: Uuid, records_max: u64) -> Arc<Meter> {
        let mut narrow = self.narrow.lock().unwrap_or_else(PoisonError::into_inner);
        let meter = narrow.entry(client).or_insert_with(|| Arc::new(Meter::new()));
        meter.records.set_limit(records_max / NARROWED_BY);
        Arc::clone(meter)
    }
}

/// The windows that a response's records are reserved in, all or as many as fit in each.
#[derive(Clone, Debug)]
pub struct RecordWindows {
    pub client: Arc<Meter>,
    pub integration: Arc<Meter>,
    pub vendor: Arc<Meter>,
    /// Of a narrowed context: a tenth of the client's.
    pub narrow: Option<Arc<Meter>>,
}

impl RecordWindows {
    /// Reserves up to `records` in all of them, and returns how many fit everywhere.
    #[must_use]
    pub fn reserve(&self, records: u64, now_ms: u64) -> u64 {
        if records == 0 {
            return 0;
        }
        let client = self.client.records.reserve(records, now_ms);
        let integration = self.integration.records.reserve(client, now_ms);
        let vendor = self.vendor.records.reserve(integration, now_ms);
        let fits = self.narrow.as_ref().map_or(vendor, |narrow| narrow.records.reserve(vendor, now_ms));
        self.client.records.abandon(client - fits);
        self.integration.records.abandon(integration - fits);
        self.vendor.records.abandon(vendor - fits);
        fits
    }

    /// The same with the narrowed contexts' window, if there is one.
    #[must_use]
    pub fn narrowed(&self, narrow: Option<&Arc<Meter>>) -> Self {
        Self { narrow: narrow.cloned(), ..self.clone() }
    }

    /// Whether only the narrowed contexts' window is spent: an ordinary context might have gone on.
    #[must_use]
    pub fn is_only_narrow(&self, now_ms: u64) -> bool {
        self.narrow.is_some() && self.ordinary().into_iter().all(|meter| meter.records.left(now_ms) > 0)
    }

    pub fn abandon(&self, records: u64) {
        self.all().for_each(|meter| meter.records.abandon(records));
    }

    pub fn depart(&self, records: u64, now_ms: u64) {
        self.all().for_each(|meter| meter.records.depart(records, now_ms));
    }

    fn ordinary(&self) -> [&Arc<Meter>; 3] {
        [&self.client, &self.integration, &self.vendor]
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Meter>> {
        self.ordinary().into_iter().chain(&self.narrow)
    }

    /// Milliseconds until `records` fit in all of them.
    #[must_use]
    pub fn wait_for_ms(&self, records: u64, now_ms: u64) -> u64 {
        self.all().map(|meter| meter.records.wait_for_ms(records, now_ms)).max().unwrap_or(0)
    }

    /// The tightest of them: records left, its limit, and the wait until more fit.
    #[must_use]
    pub fn tightest(&self, now_ms: u64) -> Left {
        let tightest =
            self.all().map(|meter| (meter.records.left(now_ms), meter)).min_by_key(|(left, _)| *left);
        tightest.map_or(Left { left: 0, limit: 0, wait_ms: 0 }, |(left, meter)| Left {
            left,
            limit: meter.records.limit(),
            wait_ms: meter.records.wait_ms(now_ms),
        })
    }
}

/// What is left of a records limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Left {
    pub left: u64,
    pub limit: u64,
    pub wait_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_holds_in_all_three_windows_or_in_none() {
        let meters = Meters::default();
        let windows = RecordWindows {
            client: meters.meter(Uuid::from_u128(1), 100),
            integration: meters.meter(Uuid::from_u128(2), 60),
            vendor: meters.meter(Uuid::from_u128(3), 40),
            narrow: None,
        };
        assert_eq!(windows.reserve(70, 0), 40);
        assert_eq!(windows.client.records.left(0), 60);
        assert_eq!(windows.integration.records.left(0), 20);
        assert_eq!(windows.tightest(0).left, 0);
        windows.depart(40, 0);
        assert_eq!(windows.reserve(70, 10_100), 40);
    }

    #[test]
    fn a_narrowed_context_takes_a_tenth_and_leaves_the_rest_to_others() {
        let meters = Meters::default();
        let [client, integration, vendor] = [1, 2, 3].map(|id| meters.meter(Uuid::from_u128(id), 100));
        let ordinary = RecordWindows { client, integration, vendor, narrow: None };
        let narrowed = ordinary.narrowed(Some(&meters.narrow(Uuid::from_u128(1), 100)));
        assert_eq!(narrowed.reserve(70, 0), 10);
        assert_eq!((narrowed.reserve(1, 0), narrowed.is_only_narrow(0)), (0, true));
        assert_eq!((narrowed.tightest(0).limit, ordinary.tightest(0).left), (10, 90));
        // Another context of the client is no other budget.
        let other = ordinary.narrowed(Some(&meters.narrow(Uuid::from_u128(1), 100)));
        assert_eq!(other.reserve(1, 0), 0);
        assert_eq!((ordinary.reserve(90, 0), narrowed.is_only_narrow(0)), (90, false));
        narrowed.depart(10, 0);
        ordinary.depart(90, 0);
        assert_eq!(narrowed.reserve(70, 10_100), 10);
    }

    #[test]
    fn a_place_is_given_back() {
        let meter = Meters::default().meter(Uuid::from_u128(1), 0);
        let first = meter.enter(1);
        assert!(first.is_some() && meter.enter(1).is_none());
        drop(first);
        assert!(meter.enter(1).is_some());
    }
}
