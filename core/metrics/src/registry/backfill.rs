//! Counting what is long over, in whatever order it is found within an hour.
//!
//! Windows only go forward, and sealed hours aren't sorted by time: so sums are made first, of ten seconds each for the newest
//! hours and of an hour each before, and then go into the windows, the oldest first.

use std::collections::BTreeMap;

use portcullis_domain::decision::{DecisionId, OutcomeRecord, Verdict};
use portcullis_domain::reason::Reason;

use super::{Family, Key, NOWHERE, PENDING_MAX, PENDING_SECONDS_MAX, Places, Registry};
use crate::hash::IdMap;
use crate::rolling::Totals;
use crate::series::EndedExchange;

const FINE_SECONDS: u64 = 10;
const COARSE_SECONDS: u64 = 3_600;
/// Before the end, for so long the finest slots are told apart: an hour's window is made of fine slots, and one may be open.
const FINE_SPAN_SECONDS: u64 = 2 * COARSE_SECONDS;

/// A registry of the past in the making.
pub struct Backfill<E> {
    registry: Registry,
    exists: E,
    fine_from: u64,
    until: u64,
    slots: BTreeMap<u64, IdMap<Places, Totals>>,
}

impl<E: Fn(&Key) -> bool> Backfill<E> {
    /// Of what happened before `until` (seconds since the Unix epoch), to things that still exist, with at most
    /// `series_max` series of each family.
    pub fn new(series_max: usize, until: u64, exists: E) -> Self {
        let fine_from = until.saturating_sub(FINE_SPAN_SECONDS);
        Self {
            registry: Registry::new(series_max),
            exists,
            fine_from: fine_from - fine_from % COARSE_SECONDS,
            until,
            slots: BTreeMap::new(),
        }
    }

    /// A decision. `key` is nothing where it is about nobody.
    pub fn decided(&mut self, id: DecisionId, key: Option<Key>, verdict: Verdict, reason: Reason) {
        let Some(key) = key else { return };
        let places = self.places_of(key);
        // What passes without a route goes to the authorization server.
        let is_token = verdict.passes() && key.route.is_none();
        let counts = &mut self.slot(id.time_ms() / 1_000, places).counts;
        if is_token {
            counts.tokens += 1;
        } else {
            counts.decided(verdict, reason);
        }
        if verdict.passes() && self.registry.pending.len() < PENDING_MAX {
            self.registry.pending.insert(id, if is_token { NOWHERE } else { places });
        }
    }

    /// How a decision that was counted has ended; a second end counts nowhere.
    pub fn ended(&mut self, outcome: &OutcomeRecord) {
        let Some(places) = self.registry.pending.remove(&outcome.id) else { return };
        let at = u64::try_from(outcome.time.as_second()).unwrap_or(0);
        EndedExchange::of(outcome).add_to(self.slot(at, places));
    }

    /// No decision from before `now` comes any more.
    pub fn advance(&mut self, now: u64) {
        self.flush(now);
        self.registry.pending.retain(|id, _| now.saturating_sub(id.time_ms() / 1_000) < PENDING_SECONDS_MAX);
    }

    /// All that was counted.
    #[must_use]
    pub fn finish(mut self) -> Registry {
        self.flush(u64::MAX);
        self.registry.pending.clear();
        self.registry
    }

    fn flush(&mut self, before: u64) {
        while let Some(slot) = self.slots.first_entry().filter(|slot| *slot.key() < before) {
            let (at, sums) = slot.remove_entry();
            for (places, totals) in sums {
                for (table, place) in self.registry.tables.iter_mut().zip(places) {
                    if let Some(series) = table.series.get_mut(place as usize) {
                        series.rolling.at(at).merge(&totals);
                    }
                }
            }
        }
    }

    fn slot(&mut self, at: u64, places: Places) -> &mut Totals {
        // A clock that had jumped must not make slots without end.
        let at = at.min(self.until);
        let seconds = if at < self.fine_from { COARSE_SECONDS } else { FINE_SECONDS };
        self.slots.entry(at - at % seconds).or_default().entry(places).or_default()
    }

    /// What doesn't exist any more takes no place from what does.
    fn places_of(&mut self, key: Key) -> Places {
        if let Some(places) = self.registry.places.get(&key) {
            return *places;
        }
        let mut places = NOWHERE;
        let tables = Family::ALL.into_iter().zip(&mut self.registry.tables);
        for ((family, table), place) in tables.zip(&mut places) {
            let key = family.key(key);
            if (self.exists)(&key) {
                *place = table.place(key, self.registry.series_max);
            }
        }
        if !places.contains(&0) {
            self.registry.places.insert(key, places);
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use portcullis_domain::decision::{DecisionGlance, Ending};
    use portcullis_domain::ids::{IntegrationId, RouteId, VendorId};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::rolling::Window;

    const START: u64 = 1_800_000_000;

    fn key(vendor: u8) -> Key {
        Key {
            vendor: VendorId(Uuid::from_u128(u128::from(vendor))),
            integration: Some(IntegrationId(Uuid::from_u128(100))),
            route: Some(RouteId(Uuid::from_u128(200))),
        }
    }

    proptest! {
        /// The model counts as it happens, in the order of time.
        #[test]
        fn what_is_counted_later_is_what_was_counted_as_it_happened(
            exchanges in proptest::collection::vec((0..31 * 86_400_u64, 0..40_000_u64, 1..4_u8, any::<bool>(), 0..5_u8), 1..120),
            shuffled in any::<u64>(),
        ) {
            let until = START + 31 * 86_400;
            let mut events = Vec::new();
            for (number, (second, lasts, vendor, fails, kind)) in exchanges.iter().enumerate() {
                let mut unique = [0; 10];
                unique[2..].copy_from_slice(&(number as u64).to_be_bytes());
                let id = DecisionId::new((START + second) * 1_000, unique);
                let verdict = if *kind == 0 { Verdict::Deny } else { Verdict::Allow };
                let reason = if *kind == 0 { Reason::RecordsLimit } else { Reason::Allowed };
                let end = (START + second + lasts).min(until - 1);
                let outcome = (verdict == Verdict::Allow && *kind > 1).then(|| OutcomeRecord {
                    id,
                    time: Timestamp::from_second(i64::try_from(end).unwrap()).unwrap(),
                    ending: Ending::Complete,
                    reason,
                    status: if *fails { 503 } else { 200 },
                    request_bytes: 1,
                    response_bytes: 2,
                    records: 3,
                    duration_us: lasts * 1_000,
                    risk: None,
                });
                events.push((START + second, id, key(*vendor), verdict, reason, outcome));
            }
            let mut model = Registry::new(100);
            let mut timeline: Vec<_> = events.iter().map(|event| (event.0, 0, event)).collect();
            timeline.extend(events.iter().filter_map(|event| {
                let end = u64::try_from(event.5.as_ref()?.time.as_second()).unwrap();
                Some((end, 1, event))
            }));
            timeline.sort_by_key(|(time, sort, _)| (*time, *sort));
            for (_, sort, (_, id, key, verdict, reason, outcome)) in timeline {
                match outcome {
                    Some(outcome) if sort == 1 => model.ended(outcome),
                    _ => model.decided(&DecisionGlance {
                        id: *id, time: Timestamp::UNIX_EPOCH, verdict: *verdict, reason: *reason, gate: "", snapshot: 0,
                        vendor: Some(key.vendor), integration: key.integration, client: None, route: key.route,
                    }),
                }
            }
            // By the hour, and within it in any order.
            events.sort_by_key(|event| (event.0 / 3_600, event.1.0[15].wrapping_mul(shuffled as u8 | 1)));
            let gone = key(3).vendor;
            let mut backfill = Backfill::new(100, until, |key: &Key| key.vendor != gone);
            for (time, id, key, verdict, reason, outcome) in &events {
                backfill.advance(time - time % 3_600);
                backfill.decided(*id, Some(*key), *verdict, *reason);
                // Found twice, it counts once.
                outcome.iter().chain(outcome).for_each(|outcome| backfill.ended(outcome));
            }
            let found = backfill.finish();
            for vendor in 1..4 {
                for family in Family::ALL {
                    for window in Window::NAMED {
                        let of = |registry: &Registry| {
                            let mut totals = Totals::default();
                            registry.add_window(family, family.key(key(vendor)), window, until, &mut totals);
                            totals
                        };
                        let expect = if vendor == 3 { Totals::default() } else { of(&model) };
                        prop_assert_eq!(of(&found), expect, "{:?} {:?}", family, window);
                    }
                }
            }
        }
    }
}
