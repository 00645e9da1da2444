//! What is held of a client's machine, where every request looks: one load, and staleness by the gate's own clock.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use portcullis_risk::{Known, Missing, Posture};
use serde::{Deserialize, Serialize};

/// What control holds of a client's machine.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct PostureFacts {
    pub state: PostureState,
    /// The first second in which `good` is stale.
    pub good_until_seconds: i64,
    /// Size of the ledger that it was made from, and among those of one size the later word of control, over its restarts
    /// too.
    pub version: u64,
    pub revision: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PostureState {
    /// The integration doesn't ask for it.
    #[default]
    NotAsked,
    /// There is no statement, and none is required.
    NeverSent,
    /// There is no statement, and one is required.
    Absent,
    Good,
    Failing,
}

/// A key that isn't exportable has signed a statement a moment ago.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Attested {
    /// Of the registered key.
    pub thumbprint: String,
    /// [`prefix_number`](crate::posture::prefix_number) of the address that it came from.
    pub prefix: u64,
    /// The first second in which it is no longer fresh.
    pub until_seconds: i64,
}

/// Of one client, for the life of the process.
#[derive(Debug, Default)]
pub struct PostureCell {
    /// The state in the lowest three bits, the second until which it is good above.
    held: AtomicU64,
    /// Version and revision of what is held; locked where something is written, never on the path of a request.
    newest: Mutex<(u64, u64)>,
}

const STATE_BITS: u32 = 3;

impl PostureCell {
    /// Takes over what control says; what is older than what is held changes nothing.
    pub fn take_over(&self, facts: &PostureFacts) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let told = (facts.version, facts.revision);
        if told < *newest {
            return;
        }
        *newest = told;
        let until = u64::try_from(facts.good_until_seconds).unwrap_or(0).min(u64::MAX >> STATE_BITS);
        let state = match facts.state {
            PostureState::NotAsked => 0,
            PostureState::NeverSent => 1,
            PostureState::Absent => 2,
            PostureState::Good => 3,
            PostureState::Failing => 4,
        };
        self.held.store(until << STATE_BITS | state, Ordering::SeqCst);
    }

    /// What holds at this second.
    #[must_use]
    pub fn read(&self, now_seconds: i64) -> Known<Posture> {
        let held = self.held.load(Ordering::Acquire);
        let until = i64::try_from(held >> STATE_BITS).unwrap_or(i64::MAX);
        match held & ((1 << STATE_BITS) - 1) {
            0 => Known::NoData(Missing::NotAsked),
            1 => Known::NoData(Missing::NeverSent),
            2 => Known::Is(Posture::Absent),
            3 if now_seconds < until => Known::Is(Posture::Good),
            3 => Known::Is(Posture::Stale),
            _ => Known::Is(Posture::Failing),
        }
    }
}

/// Of one key: who holds it was at work at this place until lately.
#[derive(Debug)]
pub struct AttestedCell {
    prefix: AtomicU64,
    until_seconds: AtomicI64,
}

impl Default for AttestedCell {
    fn default() -> Self {
        Self { prefix: AtomicU64::new(0), until_seconds: AtomicI64::new(i64::MIN) }
    }
}

impl AttestedCell {
    pub fn set(&self, prefix: u64, until_seconds: i64) {
        // Closed while it changes: nobody must see the new end with the old place.
        self.until_seconds.store(i64::MIN, Ordering::SeqCst);
        self.prefix.store(prefix, Ordering::SeqCst);
        self.until_seconds.store(until_seconds, Ordering::SeqCst);
    }

    /// Whether the word is fresh, and came from there.
    #[must_use]
    pub fn is_fresh(&self, prefix: impl FnOnce() -> u64, now_seconds: i64) -> bool {
        let until = self.until_seconds.load(Ordering::SeqCst);
        now_seconds < until
            && self.prefix.load(Ordering::SeqCst) == prefix()
            && self.until_seconds.load(Ordering::SeqCst) == until
    }
}

/// The /24 or /48 of an address as a number.
#[must_use]
pub fn prefix_number(address: std::net::IpAddr) -> u64 {
    match address.to_canonical() {
        std::net::IpAddr::V4(v4) => u64::from(v4.to_bits() >> 8) | 1 << 63,
        std::net::IpAddr::V6(v6) => u64::try_from(v6.to_bits() >> 80).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(state: PostureState, good_until_seconds: i64, version: u64, revision: u64) -> PostureFacts {
        PostureFacts { state, good_until_seconds, version, revision }
    }

    #[test]
    fn a_good_machine_grows_stale_by_the_gates_own_clock() {
        let cell = PostureCell::default();
        assert_eq!(cell.read(0), Known::NoData(Missing::NotAsked));
        for (state, expect) in [
            (PostureState::NeverSent, Known::NoData(Missing::NeverSent)),
            (PostureState::Absent, Known::Is(Posture::Absent)),
            (PostureState::Failing, Known::Is(Posture::Failing)),
            (PostureState::NotAsked, Known::NoData(Missing::NotAsked)),
        ] {
            cell.take_over(&facts(state, 100, 1, 1));
            assert_eq!(cell.read(99), expect);
            assert_eq!(cell.read(100), expect);
        }
        cell.take_over(&facts(PostureState::Good, 100, 1, 1));
        assert_eq!(cell.read(99), Known::Is(Posture::Good));
        assert_eq!(cell.read(100), Known::Is(Posture::Stale));
        cell.take_over(&facts(PostureState::Good, i64::MAX, 1, 1));
        assert_eq!(cell.read(4_102_444_800), Known::Is(Posture::Good));
        cell.take_over(&facts(PostureState::Good, -5, 1, 1));
        assert_eq!(cell.read(0), Known::Is(Posture::Stale));
    }

    #[test]
    fn an_older_word_changes_nothing() {
        let cell = PostureCell::default();
        cell.take_over(&facts(PostureState::Failing, 0, 7, 5));
        cell.take_over(&facts(PostureState::Good, 100, 6, 9));
        cell.take_over(&facts(PostureState::Good, 100, 7, 4));
        assert_eq!(cell.read(0), Known::Is(Posture::Failing));
        cell.take_over(&facts(PostureState::Good, 100, 7, 6));
        assert_eq!(cell.read(0), Known::Is(Posture::Good));
        cell.take_over(&facts(PostureState::Failing, 100, 8, 0));
        assert_eq!(cell.read(0), Known::Is(Posture::Failing));
    }

    #[test]
    fn an_attestation_is_good_for_a_while_and_at_its_place() {
        let number = |address: &str| prefix_number(address.parse().unwrap());
        assert_eq!(number("192.0.2.7"), number("::ffff:192.0.2.200"));
        assert_ne!(number("192.0.2.7"), number("192.0.3.7"));
        assert_eq!(number("2001:db8:1::7"), number("2001:db8:1:ffff::"));
        assert_ne!(number("2001:db8:1::7"), number("2001:db8:2::7"));
        assert_ne!(number("0.0.0.1"), number("::1"));
        let cell = AttestedCell::default();
        assert!(!cell.is_fresh(|| 0, 0));
        cell.set(number("192.0.2.7"), 100);
        assert!(cell.is_fresh(|| number("192.0.2.9"), 99));
        assert!(!cell.is_fresh(|| number("192.0.3.9"), 99));
        assert!(!cell.is_fresh(|| number("192.0.2.9"), 100));
    }
}
