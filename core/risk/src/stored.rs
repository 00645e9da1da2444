//! The state as bytes, and the sum of several gates' states.

use crate::client::ClientRisk;
use crate::codec::{Bytes, Field};
use crate::contexts::{ADMITTED, Pair, Slot};
use crate::gossip::Untold;
use crate::hash::mix;
use crate::progress::Broken;

const MAGIC: [u8; 4] = *b"PCRK";
const VERSION: u16 = 2;
/// The first version ends before what gates tell each other, and whether the reference of slow drift is whole: nothing of both.
const FIRST: u16 = 1;

impl ClientRisk {
    /// The whole state, with version and checksum. The same state gives the same bytes on any machine.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(size_of::<Self>() + 32);
        out.extend_from_slice(&MAGIC);
        VERSION.write(&mut out);
        self.write(&mut out);
        Self::sealed(out)
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Broken> {
        let (body, sum) = bytes.split_last_chunk::<8>().ok_or(Broken::Length)?;
        let rest = body.strip_prefix(&MAGIC).ok_or(Broken::Magic)?;
        let mut rest = Bytes(rest);
        let version = u16::read(&mut rest)?;
        if ![FIRST, VERSION].contains(&version) {
            return Err(Broken::Version(version));
        }
        if checksum(body) != u64::from_be_bytes(*sum) {
            return Err(Broken::Checksum);
        }
        if version == FIRST {
            let mut added = Vec::new();
            false.write(&mut added);
            Untold::default().write(&mut added);
            let whole = [rest.0, &added].concat();
            return Self::from_fields(Bytes(&whole));
        }
        Self::from_fields(rest)
    }

    /// Reads bytes without their checksum; for tests that change them.
    #[doc(hidden)]
    pub fn from_unsealed(body: &[u8]) -> Result<Self, Broken> {
        let head = MAGIC.len() + size_of_val(&VERSION);
        Self::from_fields(Bytes(body.get(head..).ok_or(Broken::Length)?))
    }

    /// With the checksum that belongs behind them; for tests that change bytes.
    #[doc(hidden)]
    #[must_use]
    pub fn sealed(mut body: Vec<u8>) -> Vec<u8> {
        let sum = checksum(&body);
        sum.write(&mut body);
        body
    }

    fn from_fields(mut rest: Bytes<'_>) -> Result<Self, Broken> {
        let state = Self::read(&mut rest)?;
        if !rest.0.is_empty() {
            return Err(Broken::Length);
        }
        if state.baseline.sound() { Ok(state) } else { Err(Broken::Value("cell")) }
    }

    /// Adds what another gate has counted of the same client: raw counts, nothing fades. The same whichever is added to
    /// which. Each exchange must have been counted by one of them only.
    pub fn merge(&mut self, other: &Self) {
        let today = self.now_us.max(other.now_us);
        let mut other = other.clone();
        self.pass_time(today);
        other.pass_time(today);
        self.baseline.merge(&other.baseline);
        self.merge_contexts(&other);
        for (mine, theirs) in self.windows.iter_mut().zip(&other.windows) {
            mine.merge(theirs);
        }
        for (mine, theirs) in self.objects.iter_mut().zip(&other.objects) {
            mine.merge(theirs);
        }
        self.calibration.merge(&other.calibration);
        self.graduation.merge(&other.graduation);
        self.drift.merge(&other.drift);
        self.thieves.merge(&other.thieves);
        self.shares.merge(&other.shares);
        // What waits belongs to contexts by their place, which another gate numbers otherwise.
        self.pending = Default::default();
        self.verdicts = Default::default();
        self.untold = Default::default();
        self.drift_whole = false;
        self.step = self.step.max(other.step);
        self.seed = self.seed.min(other.seed).max(self.seed.max(other.seed).min(1));
        self.sequence = self.sequence.max(other.sequence);
        self.usual_objects = self.usual_objects.max(other.usual_objects);
        self.object_days = self.object_days.max(other.object_days);
        self.token_age = self.token_age.max(other.token_age);
        self.moved_days = self.moved_days.max(other.moved_days);
        self.moved_today |= other.moved_today;
        self.reseal |= other.reseal;
        if other.last_place.order() > self.last_place.order() {
            self.last_place = other.last_place;
        }
        self.level();
    }

    /// Contexts of both, the latest used of them; of each the more evidence.
    fn merge_contexts(&mut self, other: &Self) {
        let both = |all: &mut Vec<Slot>, slot: &Slot| match all.iter_mut().find(|have| have.id == slot.id) {
            Some(have) => *have = joined(have, slot),
            None => all.push(*slot),
        };
        let mut slots = Vec::new();
        let taken = self.contexts.admitted().chain(other.contexts.admitted());
        taken.for_each(|slot| both(&mut slots, slot));
        slots.sort_by_key(|slot| (std::cmp::Reverse(slot.last_us), slot.id));
        let mut pairs: Vec<Pair> = Vec::new();
        for pair in self.contexts.pairs.iter().chain(&other.contexts.pairs).filter(|pair| pair.taken) {
            if slots.iter().any(|slot| slot.id == pair.id) {
                continue;
            }
            match pairs.iter_mut().find(|have| have.id == pair.id) {
                Some(have) if (pair.last_us, pair.since_us) > (have.last_us, have.since_us) => *have = *pair,
                Some(_) => {}
                None => pairs.push(*pair),
            }
        }
        pairs.sort_by_key(|pair| (std::cmp::Reverse(pair.last_us), pair.id));
        let shared = match (self.contexts.slots.last(), other.contexts.slots.last()) {
            (Some(mine), Some(theirs)) => joined(mine, theirs),
            _ => Slot::default(),
        };
        self.contexts = Default::default();
        self.contexts.slots.iter_mut().take(ADMITTED).zip(slots).for_each(|(place, slot)| *place = slot);
        self.contexts.pairs.iter_mut().zip(pairs).for_each(|(place, pair)| *place = pair);
        if let Some(place) = self.contexts.slots.last_mut() {
            *place = shared;
        }
    }
}

/// One context as two gates know it.
fn joined(one: &Slot, other: &Slot) -> Slot {
    let (older, newer) = if (one.last_us, one.last_endpoint) <= (other.last_us, other.last_endpoint) {
        (one, other)
    } else {
        (other, one)
    };
    let mut slot = *newer;
    for (mine, theirs) in slot.evidence.w.iter_mut().zip(older.evidence.w) {
        *mine = (*mine).max(theirs);
    }
    for (mine, theirs) in slot.evidence.v.iter_mut().zip(older.evidence.v) {
        *mine = (*mine).max(theirs);
    }
    slot.evidence = slot.evidence.moved();
    slot.evidence.vc = slot.evidence.vc.max(older.evidence.vc);
    slot.question = Default::default();
    slot.passes = slot.passes.max(older.passes);
    slot.today = slot.today.saturating_add(older.today);
    slot.yesterday = slot.yesterday.saturating_add(older.yesterday);
    slot.learnt_today = slot.learnt_today.saturating_add(older.learnt_today);
    slot.quiet = slot.quiet.min(older.quiet);
    slot.crossed |= older.crossed;
    slot.paged |= older.paged;
    slot.taken |= older.taken;
    slot
}

fn checksum(bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(bytes.len() as u64, |sum, chunk| {
        let mut word = [0; 8];
        word.iter_mut().zip(chunk).for_each(|(place, byte)| *place = *byte);
        mix(sum ^ u64::from_be_bytes(word))
    })
}
