//! The meters of a client, an integration and a vendor: they outlive every snapshot.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use crate::day::{DayMeter, DayMeters};
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
    /// Of clients: what their narrowed contexts share; of integrations and vendors: what they have while the vendor is limited.
    narrow: Mutex<HashMap<Uuid, Arc<Meter>>>,
    /// Of integrations with a ceiling of a day.
    pub days: DayMeters,
}

/// When something is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// Monotonic.
    pub ms: u64,
    /// UTC days since the Unix epoch.
    pub day: i64,
}

/// A narrowed context has this part of the client's records, together with the client's others; a limited vendor of all.
const NARROWED_BY: u64 = 10;

impl Meters {
    /// With what an earlier process has counted of this day.
    #[must_use]
    pub fn counting(days: DayMeters) -> Self {
        Self { days, ..Self::default() }
    }

    /// The meter of `id`, made at its first use, with its records limit set.
    pub fn meter(&self, id: Uuid, records_max: u64) -> Arc<Meter> {
        let mut by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        let meter = by_id.entry(id).or_insert_with(|| Arc::new(Meter::new()));
        meter.records.set_limit(records_max);
        Arc::clone(meter)
    }

    /// The meter of a client's narrowed contexts: one for all of them, so that another context is no other budget. Likewise of
    /// all that an integration or a vendor has while it is limited.
    pub fn narrow(&self, id: Uuid, records_max: u64) -> Arc<Meter> {
        let mut narrow = self.narrow.lock().unwrap_or_else(PoisonError::into_inner);
        let meter = narrow.entry(id).or_insert_with(|| Arc::new(Meter::new()));
        meter.records.set_limit(records_max / NARROWED_BY);
        Arc::clone(meter)
    }
}

const WINDOWS_MAX: usize = 6;

/// The windows that a response's records are reserved in, all or as many as fit in each.
#[derive(Clone, Debug)]
pub struct RecordWindows {
    pub client: Arc<Meter>,
    pub integration: Arc<Meter>,
    pub vendor: Arc<Meter>,
    /// Of a narrowed context, and of all contexts while the vendor is limited: a tenth of the client's.
    pub narrow: Option<Arc<Meter>>,
    /// While the vendor is limited: tenths of the integration's and the vendor's.
    pub limited: Option<Arc<[Arc<Meter>; 2]>>,
    /// The ceiling of the integration's day, if it has one.
    pub day: Option<Arc<DayMeter>>,
}

/// Which of the windows are spent, the worst first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spent {
    /// One that everybody has.
    Ordinary,
    /// The contract's ceiling for the day.
    Day,
    /// Only what is narrower than usual, because the vendor is limited.
    Limited,
    /// Only what is narrower than usual, because of this context: an ordinary one might have gone on.
    Narrow,
}

impl RecordWindows {
    /// Reserves up to `records` in all of them, and returns how many fit everywhere.
    #[must_use]
    pub fn reserve(&self, records: u64, now: Now) -> u64 {
        if records == 0 {
            return 0;
        }
        let mut fits = records;
        // Each holds what the one before it has let through; what the last one doesn't, is given back to all.
        let mut held = [0; WINDOWS_MAX];
        for (meter, held) in self.all().zip(&mut held) {
            fits = meter.records.reserve(fits, now.ms);
            *held = fits;
        }
        if let Some(day) = &self.day {
            fits = day.reserve(fits, now.day);
        }
        for (meter, held) in self.all().zip(held) {
            meter.records.abandon(held - fits);
        }
        fits
    }

    /// The same with the narrowed contexts' window, if there is one.
    #[must_use]
    pub fn narrowed(&self, narrow: Option<&Arc<Meter>>) -> Self {
        Self { narrow: narrow.or(self.narrow.as_ref()).cloned(), ..self.clone() }
    }

    /// What ran out, when less fitted than was wanted.
    #[must_use]
    pub fn spent(&self, now: Now) -> Spent {
        if self.ordinary().into_iter().any(|meter| meter.records.left(now.ms) == 0) {
            return Spent::Ordinary;
        }
        match &self.day {
            Some(day) if day.left(now.day) == 0 => Spent::Day,
            _ if self.limited.is_some() => Spent::Limited,
            _ if self.narrow.is_some() => Spent::Narrow,
            _ => Spent::Ordinary,
        }
    }

    pub fn abandon(&self, records: u64) {
        self.all().for_each(|meter| meter.records.abandon(records));
        self.day.iter().for_each(|day| day.abandon(records));
    }

    pub fn depart(&self, records: u64, now_ms: u64) {
        self.all().for_each(|meter| meter.records.depart(records, now_ms));
        self.day.iter().for_each(|day| day.depart(records));
    }

    /// The most that could ever be reserved at once.
    #[must_use]
    pub fn most(&self) -> u64 {
        let tenths = self.narrow.iter().chain(self.limited.iter().flat_map(|limited| limited.iter()));
        tenths.map(|meter| meter.records.limit().max(1)).min().unwrap_or(u64::MAX)
    }

    fn ordinary(&self) -> [&Arc<Meter>; 3] {
        [&self.client, &self.integration, &self.vendor]
    }

    /// At most [`WINDOWS_MAX`].
    fn all(&self) -> impl Iterator<Item = &Arc<Meter>> {
        let limited = self.limited.iter().flat_map(|limited| limited.iter());
        self.ordinary().into_iter().chain(&self.narrow).chain(limited)
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
            limited: None,
            day: None,
        };
        assert_eq!(windows.reserve(70, at(0)), 40);
        assert_eq!(windows.client.records.left(0), 60);
        assert_eq!(windows.integration.records.left(0), 20);
        assert_eq!(windows.tightest(0).left, 0);
        windows.depart(40, 0);
        assert_eq!(windows.reserve(70, at(10_100)), 40);
    }

    #[test]
    fn a_narrowed_context_takes_a_tenth_and_leaves_the_rest_to_others() {
        let meters = Meters::default();
        let [client, integration, vendor] = [1, 2, 3].map(|id| meters.meter(Uuid::from_u128(id), 100));
        let ordinary = RecordWindows { client, integration, vendor, narrow: None, limited: None, day: None };
        let narrowed = ordinary.narrowed(Some(&meters.narrow(Uuid::from_u128(1), 100)));
        assert_eq!(narrowed.reserve(70, at(0)), 10);
        assert_eq!((narrowed.reserve(1, at(0)), narrowed.spent(at(0))), (0, Spent::Narrow));
        assert_eq!((narrowed.tightest(0).limit, ordinary.tightest(0).left), (10, 90));
        // Another context of the client is no other budget.
        let other = ordinary.narrowed(Some(&meters.narrow(Uuid::from_u128(1), 100)));
        assert_eq!(other.reserve(1, at(0)), 0);
        assert_eq!((ordinary.reserve(90, at(0)), narrowed.spent(at(0))), (90, Spent::Ordinary));
        narrowed.depart(10, 0);
        ordinary.depart(90, 0);
        assert_eq!(narrowed.reserve(70, at(10_100)), 10);
    }

    fn at(ms: u64) -> Now {
        Now { ms, day: 7 }
    }

    #[test]
    fn a_limited_vendor_has_a_tenth_of_each_window_and_a_day_bounds_them_all() {
        let meters = Meters::default();
        let id = Uuid::from_u128;
        let windows = |client: u128| RecordWindows {
            client: meters.meter(id(client), 100),
            integration: meters.meter(id(2), 150),
            vendor: meters.meter(id(3), 1_000),
            narrow: Some(meters.narrow(id(client), 100)),
            limited: Some(Arc::new([meters.narrow(id(2), 150), meters.narrow(id(3), 1_000)])),
            day: Some(meters.days.meter(portcullis_domain::ids::IntegrationId(id(2)), 18)),
        };
        let (one, other) = (windows(1), windows(4));
        assert_eq!((one.reserve(70, at(0)), one.most()), (10, 10));
        assert_eq!(one.spent(at(0)), Spent::Limited);
        // A tenth of the integration's is left for the other client; what doesn't fit is given back everywhere.
        assert_eq!((other.reserve(70, at(0)), other.tightest(0).left), (5, 0));
        assert_eq!((other.client.records.left(0), other.day.as_ref().map(|day| day.left(7))), (95, Some(3)));
        one.depart(10, 0);
        other.depart(5, 0);
        assert_eq!((one.reserve(70, at(10_100)), one.spent(at(10_100))), (3, Spent::Day));
        assert_eq!(one.reserve(70, Now { ms: 10_100, day: 8 }), 7);
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
