//! Packets outside the plan, as they were counted: how many, how fast, and who begins.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use portcullis_domain::ids::VendorId;
use portcullis_network::order::DropMeasure;
use portcullis_policy::outside::OutsideFacts;

/// How far back a rate looks.
const WINDOW: SignedDuration = SignedDuration::from_mins(5);
/// A vendor that was quiet for so long begins anew.
const QUIET: SignedDuration = SignedDuration::from_mins(60);
/// Measures of a vendor that are kept: one every few seconds fits into the window.
const KEPT_MAX: usize = 64;

/// What was dropped of one vendor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dropped {
    pub vendor: VendorId,
    /// Since the counters began.
    pub packets: u64,
    pub bytes: u64,
    /// Since this process began, or they were quiet for an hour.
    pub packets_new: u64,
    pub packets_per_minute: u64,
    pub last_seen: Option<Timestamp>,
}

#[derive(Default)]
pub(crate) struct Drops(Mutex<All>);

#[derive(Default)]
struct All {
    known: BTreeMap<VendorId, Known>,
    /// As gates were told last.
    told: BTreeMap<VendorId, OutsideFacts>,
}

struct Known {
    packets: u64,
    bytes: u64,
    packets_new: u64,
    last_seen: Option<Timestamp>,
    /// What came, and when: the newest last.
    came: VecDeque<(Timestamp, u64)>,
}

impl Drops {
    /// Takes a measure in, and says which vendors have begun to send what is dropped.
    pub fn note(&self, measured: &[DropMeasure], now: Timestamp) -> Vec<VendorId> {
        let known = &mut self.all().known;
        let first = known.is_empty();
        let mut begun = Vec::new();
        for of in measured {
            let entry = known.entry(of.vendor).or_insert_with(|| Known {
                // What was counted before this process began is no news.
                packets: if first { of.packets } else { 0 },
                bytes: 0,
                packets_new: 0,
                last_seen: None,
                came: VecDeque::new(),
            });
            // A sum that falls lost a part, such as the elements of a severance that was restored: what is left was told before.
            let came = of.packets.saturating_sub(entry.packets);
            (entry.packets, entry.bytes) = (of.packets, of.bytes);
            if came == 0 {
                continue;
            }
            if entry.last_seen.is_none_or(|seen| now.duration_since(seen) > QUIET) {
                entry.packets_new = 0;
                begun.push(of.vendor);
            }
            entry.packets_new = entry.packets_new.saturating_add(came);
            entry.last_seen = Some(now);
            if entry.came.len() >= KEPT_MAX {
                entry.came.pop_front();
            }
            entry.came.push_back((now, came));
        }
        begun
    }

    pub fn told(&self, now: Timestamp) -> Vec<Dropped> {
        let all = self.all();
        let told = all.known.iter().map(|(vendor, of)| {
            let lately = of.came.iter().filter(|(came, _)| now.duration_since(*came) <= WINDOW);
            let sum: u64 = lately.map(|(_, packets)| *packets).fold(0, u64::saturating_add);
            let minutes = u64::try_from(WINDOW.as_mins()).unwrap_or(1).max(1);
            Dropped {
                vendor: *vendor,
                packets: of.packets,
                bytes: of.bytes,
                packets_new: of.packets_new,
                packets_per_minute: sum.div_ceil(minutes),
                last_seen: of.last_seen,
            }
        });
        told.collect()
    }

    /// Of whom gates should know something else than they were told last: by a measure, or since there is none any more.
    pub fn news(&self, measured: &[DropMeasure], now: Timestamp) -> Vec<(VendorId, OutsideFacts)> {
        let all = &mut *self.all();
        let mut news = Vec::new();
        let counted: BTreeSet<VendorId> = measured.iter().map(|of| of.vendor).collect();
        for vendor in all.told.keys().chain(&counted).copied().collect::<BTreeSet<_>>() {
            let seen = all.known.get(&vendor).and_then(|of| of.last_seen);
            let facts = OutsideFacts {
                counted: counted.contains(&vendor),
                last_us: seen.map(Timestamp::as_microsecond),
                told_us: now.as_microsecond(),
            };
            let told = all.told.get(&vendor).copied().unwrap_or_default();
            if (facts.counted, facts.last_us) != (told.counted, told.last_us) {
                all.told.insert(vendor, facts);
                news.push((vendor, facts));
            }
        }
        news
    }

    /// What gates were told of a vendor.
    pub fn outside(&self, vendor: VendorId) -> OutsideFacts {
        self.all().told.get(&vendor).copied().unwrap_or_default()
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_begins_is_told_once_and_rates_look_back_five_minutes() {
        let drops = Drops::default();
        let start: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
        let vendor = |id: u128| VendorId(uuid::Uuid::from_u128(id));
        let at = |minutes: i64| start.checked_add(SignedDuration::from_mins(minutes)).unwrap();
        let measure = |id, packets| DropMeasure { vendor: vendor(id), packets, bytes: packets * 60 };
        // Counted before this process began.
        assert!(drops.note(&[measure(1, 100), measure(2, 0)], at(0)).is_empty());
        assert_eq!(drops.note(&[measure(1, 160), measure(2, 0)], at(1)), [vendor(1)]);
        assert!(drops.note(&[measure(1, 200), measure(2, 0)], at(2)).is_empty());
        let told = drops.told(at(2));
        assert_eq!((told[0].packets, told[0].packets_new, told[0].packets_per_minute), (200, 100, 20));
        assert_eq!((told[1].packets_new, told[1].last_seen), (0, None));
        assert_eq!(drops.told(at(8))[0].packets_per_minute, 0);
        // Gates are told what is new to them, once.
        let heard = |drops: &Drops, measured: &[DropMeasure], minutes| {
            let news = drops.news(measured, at(minutes)).into_iter();
            news.map(|(vendor, of)| (vendor, of.counted, of.last_us)).collect::<Vec<_>>()
        };
        let last = Some(at(2).as_microsecond());
        let both = [measure(1, 200), measure(2, 0)];
        assert_eq!(heard(&drops, &both, 2), [(vendor(1), true, last), (vendor(2), true, None)]);
        assert!(heard(&drops, &both, 3).is_empty());
        assert_eq!((drops.outside(vendor(1)).last_us, drops.outside(vendor(3)).counted), (last, false));
        // A vendor without networks from now on, and an enforcer that is gone.
        assert_eq!(heard(&drops, &both[..1], 4), [(vendor(2), false, None)]);
        assert_eq!(heard(&drops, &[], 5), [(vendor(1), false, last)]);
        // A restoration takes away what its closed networks had counted: that is no packet.
        assert!(drops.note(&[measure(1, 150)], at(100)).is_empty());
        assert_eq!(drops.told(at(100))[0].packets_new, 100);
        assert_eq!(drops.told(at(100))[0].last_seen, Some(at(2)));
        // What comes from then on is.
        assert_eq!(drops.note(&[measure(1, 157)], at(101)), [vendor(1)]);
        assert_eq!(drops.told(at(101))[0].packets_new, 7);
    }
}
