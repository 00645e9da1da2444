//! The records that an integration takes on one UTC day: exact over all its clients and a gate's cores.
//!
//! A record counts on the day on which it is reserved; what is reserved and hasn't left when the day turns counts on the
//! next one, too. What was counted is written down before it leaves, so that no death of the process forgets any of it.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_domain::ids::IntegrationId;

/// Seconds of a day.
pub const DAY_SECONDS: i64 = 86_400;

/// Where counts are kept over the end of the process. Nothing in it may wait for long: it is called on the path of a request.
pub trait DayBook: Send + Sync + fmt::Debug {
    /// `records` were counted on `day`, in days since the Unix epoch. `false` where that could not be kept: then none of them
    /// may leave.
    fn note(&self, integration: IntegrationId, day: i64, records: u64) -> bool;
}

/// Keeps nothing.
impl DayBook for () {
    fn note(&self, _: IntegrationId, _: i64, _: u64) -> bool {
        true
    }
}

/// What one integration has taken.
#[derive(Debug)]
pub struct DayMeter {
    integration: IntegrationId,
    limit: AtomicU64,
    taken: Mutex<Taken>,
    book: Arc<dyn DayBook>,
}

#[derive(Clone, Copy, Default, Debug)]
struct Taken {
    day: i64,
    /// On this day, with what hasn't left.
    records: u64,
    /// Reserved, and not left.
    in_flight: u64,
}

impl DayMeter {
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Reserves up to `records` on `day`, or on the newest day that was seen, and says how many fit.
    #[must_use]
    pub fn reserve(&self, records: u64, day: i64) -> u64 {
        let mut taken = self.taken();
        taken.turn(day);
        let fits = records.min(self.limit().saturating_sub(taken.records));
        if fits == 0 || !self.book.note(self.integration, taken.day, taken.records + fits) {
            return 0;
        }
        taken.records += fits;
        taken.in_flight += fits;
        fits
    }

    /// Gives back what was reserved and will never leave.
    pub fn abandon(&self, records: u64) {
        if records == 0 {
            return;
        }
        let mut taken = self.taken();
        taken.in_flight = taken.in_flight.saturating_sub(records);
        taken.records = taken.records.saturating_sub(records);
        // Where this can't be kept, a restart counts too many: never too few.
        let _ = self.book.note(self.integration, taken.day, taken.records);
    }

    /// Reserved records have left.
    pub fn depart(&self, records: u64) {
        if records > 0 {
            let mut taken = self.taken();
            taken.in_flight = taken.in_flight.saturating_sub(records);
        }
    }

    /// What may still be reserved on `day`.
    #[must_use]
    pub fn left(&self, day: i64) -> u64 {
        let mut taken = self.taken();
        taken.turn(day);
        self.limit().saturating_sub(taken.records)
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn turn(&mut self, day: i64) {
        if day > self.day {
            *self = Self { day, records: self.in_flight, in_flight: self.in_flight };
        }
    }
}

/// The meters of all integrations with a ceiling.
#[derive(Debug)]
pub struct DayMeters {
    // Locked only where a snapshot is compiled.
    by_integration: Mutex<HashMap<IntegrationId, Arc<DayMeter>>>,
    /// What an earlier process counted: day and records.
    kept: HashMap<IntegrationId, (i64, u64)>,
    book: Arc<dyn DayBook>,
}

impl Default for DayMeters {
    fn default() -> Self {
        Self::new(Arc::new(()), HashMap::new())
    }
}

impl DayMeters {
    /// Begins with what was kept.
    #[must_use]
    pub fn new(book: Arc<dyn DayBook>, kept: HashMap<IntegrationId, (i64, u64)>) -> Self {
        Self { by_integration: Mutex::default(), kept, book }
    }

    /// The meter of an integration, made at its first use, with its ceiling set.
    pub fn meter(&self, integration: IntegrationId, limit: u64) -> Arc<DayMeter> {
        let mut by_integration = self.by_integration.lock().unwrap_or_else(PoisonError::into_inner);
        let meter = by_integration.entry(integration).or_insert_with(|| {
            let (day, records) = self.kept.get(&integration).copied().unwrap_or_default();
            Arc::new(DayMeter {
                integration,
                limit: AtomicU64::new(limit),
                taken: Mutex::new(Taken { day, records, in_flight: 0 }),
                book: Arc::clone(&self.book),
            })
        });
        meter.limit.store(limit, Ordering::Relaxed);
        Arc::clone(meter)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const ID: IntegrationId = IntegrationId(Uuid::from_u128(1));

    /// Keeps the newest, or nothing while it is full.
    #[derive(Default, Debug)]
    struct Page(Mutex<(i64, u64)>, std::sync::atomic::AtomicBool);

    impl DayBook for Page {
        fn note(&self, _: IntegrationId, day: i64, records: u64) -> bool {
            let full = self.1.load(Ordering::SeqCst);
            if !full {
                *self.0.lock().unwrap() = (day, records);
            }
            !full
        }
    }

    #[test]
    fn a_day_ends_what_was_taken_on_it_and_a_restart_does_not() {
        let page = Arc::new(Page::default());
        let meters = DayMeters::new(page.clone(), HashMap::new());
        let meter = meters.meter(ID, 100);
        assert_eq!((meter.reserve(60, 7), meter.reserve(60, 7), meter.reserve(1, 7)), (60, 40, 0));
        meter.depart(50);
        meter.abandon(20);
        assert_eq!((meter.left(7), *page.0.lock().unwrap()), (20, (7, 80)));
        // The next process goes on from there, and a lower ceiling holds for what was taken before.
        let kept = HashMap::from([(ID, *page.0.lock().unwrap())]);
        let next = DayMeters::new(page.clone(), kept);
        assert_eq!(next.meter(ID, 90).reserve(60, 7), 10);
        assert_eq!(next.meter(ID, 50).reserve(1, 7), 0);
        // What hasn't left when the day turns counts on both.
        assert_eq!((meter.left(8), meter.reserve(100, 8)), (70, 70));
        // A clock that another core reads late takes nothing from a day that is over.
        assert_eq!(meter.reserve(1, 7), 0);
    }

    #[test]
    fn what_cannot_be_kept_does_not_leave() {
        let page = Arc::new(Page::default());
        let meter = DayMeters::new(page.clone(), HashMap::new()).meter(ID, 100);
        page.1.store(true, Ordering::SeqCst);
        assert_eq!((meter.reserve(1, 7), meter.left(7)), (0, 100));
        page.1.store(false, Ordering::SeqCst);
        assert_eq!(meter.reserve(1, 7), 1);
    }

    proptest! {
        /// Against a list of all that was taken: no day sees more than the ceiling, and what is kept is never less than what
        /// has left.
        #[test]
        fn no_day_holds_more_than_the_ceiling(steps in proptest::collection::vec((0_u8..4, 1_u64..40), 1..200)) {
            let page = Arc::new(Page::default());
            let meter = DayMeters::new(page.clone(), HashMap::new()).meter(ID, 100);
            let (mut day, mut waiting, mut left_on) = (7_i64, 0_u64, HashMap::<i64, u64>::new());
            for (step, records) in steps {
                match step {
                    0 => waiting += meter.reserve(records, day),
                    1 => { let records = records.min(waiting); meter.abandon(records); waiting -= records; }
                    2 => {
                        let records = records.min(waiting);
                        meter.depart(records);
                        waiting -= records;
                        *left_on.entry(day).or_default() += records;
                    }
                    _ => day += i64::from(records > 35),
                }
                prop_assert!(left_on.get(&day).copied().unwrap_or(0) <= 100);
                prop_assert!(meter.left(day) <= 100 - waiting.min(100));
                let (kept_day, kept) = *page.0.lock().unwrap();
                let reserved = 100 - meter.left(day);
                prop_assert!(kept_day != day || kept >= reserved.min(100));
            }
        }
    }
}
