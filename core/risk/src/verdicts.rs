//! What analysts have said: exchanges that were found malicious, how far each signal is trusted, and what can be taken
//! back.

use crate::baseline::Odds;
use crate::codec::fields;
use crate::constants::{PI_DEFAULT, PI_MAX, PI_MIN, PI_STEP, THIEF_SEEN_WEIGHT};
use crate::contexts::Id;
use crate::exchange::Exchange;
use crate::learnt::{LEARNT, Learnt};

/// A share in two-hundredths.
const UNITS: f64 = 200.0;
const KEPT: usize = 12;
pub(crate) const UNDOABLE: usize = 2;

/// How much of a thief's exchanges each signal is expected to mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Shares([u8; LEARNT]);

impl Default for Shares {
    fn default() -> Self {
        Self([(PI_DEFAULT * UNITS) as u8; LEARNT])
    }
}

impl crate::codec::Field for Shares {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(bytes: &mut crate::codec::Bytes<'_>) -> Result<Self, crate::Broken> {
        let shares = <[u8; LEARNT]>::read(bytes)?;
        let sound = |share: &u8| (PI_MIN * UNITS..=PI_MAX * UNITS).contains(&f64::from(*share));
        if shares.iter().all(sound) { Ok(Self(shares)) } else { Err(crate::Broken::Value("share")) }
    }
}

impl Shares {
    pub(crate) fn of(&self, signal: Learnt) -> f64 {
        self.0.get(signal as usize).copied().map_or(PI_DEFAULT, |share| f64::from(share) / UNITS)
    }

    /// Moves each by its part of one step; what was really moved.
    pub(crate) fn move_by(&mut self, parts: &[f64; LEARNT]) -> [i8; LEARNT] {
        let mut moved = [0; LEARNT];
        for ((share, part), moved) in self.0.iter_mut().zip(parts).zip(&mut moved) {
            let more = (PI_STEP * UNITS * part + 0.5) as u8;
            let new = share.saturating_add(more).min((PI_MAX * UNITS) as u8);
            *moved = (new - *share) as i8;
            *share = new;
        }
        moved
    }

    pub(crate) fn move_back(&mut self, moved: &[i8; LEARNT]) {
        for (share, moved) in self.0.iter_mut().zip(moved) {
            *share = share.saturating_add_signed(-*moved).max((PI_MIN * UNITS) as u8);
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| *mine = (*mine).max(*theirs));
    }
}

/// An exchange that was found malicious.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
struct Seen {
    endpoint: u32,
    size: u8,
    gap: u8,
    hour: u8,
    status: u8,
    record_size: u8,
    records: u8,
    verdict: u8,
}

fields!(Seen { endpoint, size, gap, hour, status, record_size, records, verdict });

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Thieves {
    seen: [Seen; KEPT],
    count: u8,
    next: u8,
}

fields!(Thieves { seen, count, next });

impl Thieves {
    pub(crate) fn add(&mut self, exchange: &Exchange, verdict: u8) {
        if let Some(place) = self.seen.get_mut(usize::from(self.next) % KEPT) {
            *place = Seen {
                endpoint: exchange.endpoint,
                size: exchange.size,
                gap: exchange.gap,
                hour: exchange.hour,
                status: exchange.status,
                record_size: exchange.record_size,
                records: exchange.records,
                verdict,
            };
        }
        self.next = (self.next % KEPT as u8 + 1) % KEPT as u8;
        self.recount();
    }

    pub(crate) fn take_back(&mut self, verdict: u8) {
        self.seen.iter_mut().filter(|seen| seen.verdict == verdict).for_each(|seen| *seen = Seen::default());
        self.recount();
    }

    /// A thief's odds, given what thieves were seen to do.
    pub(crate) fn odds(&self, signal: Learnt, endpoint: u32, bucket: u8, odds: Odds) -> Odds {
        if self.count == 0 {
            return odds;
        }
        let seen = self.seen.iter().filter(|seen| seen.endpoint != 0);
        let counts = |(all, same): (u32, u32), seen: &Seen| {
            let (given, of) = match signal {
                Learnt::Endpoint => (true, u8::from(seen.endpoint == endpoint)),
                Learnt::RequestSize => (seen.endpoint == endpoint, u8::from(seen.size == bucket)),
                Learnt::Status => (seen.endpoint == endpoint, u8::from(seen.status == bucket)),
                Learnt::RecordSize => (seen.endpoint == endpoint, u8::from(seen.record_size == bucket)),
                Learnt::Records => (seen.endpoint == endpoint, u8::from(seen.records == bucket)),
                Learnt::Gap => (true, u8::from(seen.gap == bucket)),
                Learnt::Hour => (true, u8::from(seen.hour == bucket)),
                _ => (false, 0),
            };
            (all + u32::from(given), same + u32::from(given) * u32::from(of))
        };
        let (all, same) = seen.fold((0, 0), counts);
        let thief = (f64::from(same) + THIEF_SEEN_WEIGHT * odds.thief) / (f64::from(all) + THIEF_SEEN_WEIGHT);
        Odds { thief, ..odds }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        let mut all: Vec<_> =
            self.seen.iter().chain(&other.seen).filter(|seen| seen.endpoint != 0).copied().collect();
        all.sort_unstable();
        all.dedup();
        self.seen = [Seen::default(); KEPT];
        self.seen.iter_mut().zip(all).for_each(|(place, seen)| *place = seen);
        self.next = 0;
        self.recount();
    }

    fn recount(&mut self) {
        self.count = self.seen.iter().filter(|seen| seen.endpoint != 0).count() as u8;
    }
}

/// A verdict that can be taken back.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Done {
    pub(crate) id: Id,
    pub(crate) w: [i32; 2],
    pub(crate) v: [i32; 2],
    pub(crate) vc: i32,
    pub(crate) moved: [i8; LEARNT],
    /// 0: none.
    pub(crate) number: u8,
    pub(crate) malicious: bool,
    /// It was admitted by this verdict.
    pub(crate) admitted: bool,
}

fields!(Done { id, w, v, vc, moved, number, malicious, admitted });
