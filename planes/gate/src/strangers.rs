//! Peers that nobody has identified as: how many of each network may be here, how fast they may
//! come, and how often they were refused and why.
//!
//! The tables have a fixed size and a keyed hash: a network can't choose whom it shares a cell
//! with, and those that share one are judged together, so the limits can only be stricter.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_domain::reason::Reason;
use portcullis_domain::spec::RateLimit;
use portcullis_policy::rate::Rate;

/// 64 Ki networks: 768 KiB for both tables.
const CELLS: usize = 1 << 16;
/// Pairs of network and reason that are counted apart within a second.
const COUNTED_APART_MAX: usize = 1_024;
/// Networks that the summary of a second names.
const NAMED_MAX: usize = 5;

/// The network that an address is judged with: its /24, or its /48 for IPv6.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Network {
    V4([u8; 3]),
    V6([u16; 3]),
}

impl Network {
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let [first, second, third, _] = v4.octets();
                Self::V4([first, second, third])
            }
            IpAddr::V6(v6) => {
                let [first, second, third, ..] = v6.segments();
                Self::V6([first, second, third])
            }
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::V4([first, second, third]) => write!(f, "{}/24", Ipv4Addr::new(first, second, third, 0)),
            Self::V6([first, second, third]) => {
                write!(f, "{}/48", Ipv6Addr::new(first, second, third, 0, 0, 0, 0, 0))
            }
        }
    }
}

/// Why strangers are refused before a request of theirs is looked at.
const REASONS: [Reason; 6] = [
    Reason::HandshakeRate,
    Reason::StrangersLimit,
    Reason::ProxyHeader,
    Reason::HandshakeFailed,
    Reason::HandshakeSlow,
    Reason::Http2Flood,
];

pub struct Strangers {
    hasher: RandomState,
    rates: Box<[Rate]>,
    open: Box<[AtomicU32]>,
    refused: [AtomicU64; REASONS.len()],
    second: Mutex<Second>,
}

/// What was refused within one second.
#[derive(Default)]
struct Second {
    counts: HashMap<(Network, Reason), u64>,
    /// Of networks for which there was no room.
    others: u64,
}

impl Default for Strangers {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            rates: (0..CELLS).map(|_| Rate::default()).collect(),
            open: (0..CELLS).map(|_| AtomicU32::new(0)).collect(),
            refused: Default::default(),
            second: Mutex::default(),
        }
    }
}

impl Strangers {
    /// Takes one handshake from the network's rate.
    pub fn may_shake_hands(&self, network: Network, limit: RateLimit, now_ns: u64) -> bool {
        let rate = self.rates.get(self.cell(network));
        rate.is_some_and(|rate| rate.take(1, limit, now_ns).is_ok())
    }

    /// A place for one more connection of the network, unless it has `max` already.
    pub fn enter(self: &Arc<Self>, network: Network, max: u32) -> Option<Place> {
        let cell = self.cell(network);
        let place = Place { strangers: Arc::clone(self), cell, held: Cell::new(true) };
        let before = self.open.get(cell)?.fetch_add(1, Ordering::Relaxed);
        // Dropping the place takes the one back.
        (before < max).then_some(place)
    }

    /// Counts a refusal.
    pub fn refuse(&self, network: Network, reason: Reason) {
        let known = REASONS.iter().position(|known| *known == reason);
        if let Some(total) = known.and_then(|place| self.refused.get(place)) {
            total.fetch_add(1, Ordering::Relaxed);
        }
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        if second.counts.len() < COUNTED_APART_MAX || second.counts.contains_key(&(network, reason)) {
            *second.counts.entry((network, reason)).or_default() += 1;
        } else {
            second.others += 1;
        }
    }

    /// Refusals by reason since the start.
    pub fn refused(&self) -> impl Iterator<Item = (Reason, u64)> {
        let counts = self.refused.iter().map(|count| count.load(Ordering::Relaxed));
        REASONS.into_iter().zip(counts)
    }

    /// Says what was refused since the last call, in one line; to be called once a second.
    pub fn tell(&self) {
        let second = {
            let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *second)
        };
        if second.counts.is_empty() {
            return;
        }
        let refused = second.counts.values().sum::<u64>() + second.others;
        tracing::info!(refused, networks = second.counts.len(), most = %second.most(), "strangers were refused");
    }

    fn cell(&self, network: Network) -> usize {
        // CELLS is a power of two, so the remainder takes the low bits.
        usize::try_from(self.hasher.hash_one(network) % CELLS as u64).unwrap_or(0)
    }
}

impl Second {
    fn most(&self) -> String {
        let mut counts: Vec<_> = self.counts.iter().collect();
        counts.sort_unstable_by_key(|(place, count)| (std::cmp::Reverse(**count), **place));
        let named = counts.iter().take(NAMED_MAX);
        let named: Vec<String> =
            named.map(|((network, reason), count)| format!("{network} {} {count}", reason.code())).collect();
        named.join(", ")
    }
}

/// A connection's place among the strangers of its network; free again when this is dropped.
pub struct Place {
    strangers: Arc<Strangers>,
    cell: usize,
    held: Cell<bool>,
}

impl Place {
    /// Somebody identified on the connection.
    pub fn leave(&self) {
        if self.held.replace(false)
            && let Some(open) = self.strangers.open.get(self.cell)
        {
            open.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// It is nobody's again, and counts, even above the limit.
    pub fn take_again(&self) {
        if !self.held.replace(true)
            && let Some(open) = self.strangers.open.get(self.cell)
        {
            open.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str) -> Network {
        Network::of(address.parse().unwrap())
    }

    #[test]
    fn an_address_is_judged_with_its_network() {
        let check = |address: &str, expect: &str| {
            assert_eq!(network(address).to_string(), expect);
            // As sessions name it.
            assert_eq!(portcullis_tokens::session::network_of(address.parse().unwrap()), expect);
        };
        check("192.0.2.77", "192.0.2.0/24");
        check("::ffff:192.0.2.77", "192.0.2.0/24");
        check("2001:db8:7:8::9", "2001:db8:7::/48");
        check("::1", "::/48");
    }

    #[test]
    fn a_network_has_so_many_places_and_gets_them_back() {
        let strangers = Arc::new(Strangers::default());
        let mut held: Vec<_> = (1..=3).map(|_| strangers.enter(network("192.0.2.1"), 3).unwrap()).collect();
        assert!(strangers.enter(network("192.0.2.200"), 3).is_none());
        assert!(strangers.enter(network("192.0.2.200"), 3).is_none(), "a refusal takes no place");
        held.pop();
        let again = strangers.enter(network("192.0.2.200"), 3);
        // Who has identified makes room, and takes it again as nobody, even above the limit.
        let again = again.unwrap();
        again.leave();
        again.leave();
        let other = strangers.enter(network("192.0.2.5"), 3).unwrap();
        again.take_again();
        assert!(strangers.enter(network("192.0.2.5"), 4).is_none());
        drop((held, again, other));
        assert!(strangers.open.iter().all(|open| open.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn a_network_comes_no_faster_than_its_rate() {
        let strangers = Strangers::default();
        let limit = RateLimit { per_second: 10, burst: 2 };
        let at = |now_ns| strangers.may_shake_hands(network("192.0.2.1"), limit, now_ns);
        assert_eq!([at(0), at(0), at(0)], [true, true, false]);
        assert_eq!([at(100_000_000), at(100_000_000)], [true, false]);
    }

    #[test]
    fn many_networks_are_counted_in_bounded_room() {
        let strangers = Strangers::default();
        for third in 0..2_000_u32 {
            let address = Ipv4Addr::from(0x0a00_0000 + (third << 8));
            strangers.refuse(Network::of(address.into()), Reason::HandshakeRate);
        }
        for _ in 0..3 {
            strangers.refuse(network("10.0.0.1"), Reason::HandshakeSlow);
        }
        let second = std::mem::take(&mut *strangers.second.lock().unwrap());
        assert_eq!(second.counts.len(), COUNTED_APART_MAX);
        assert_eq!(second.counts.values().sum::<u64>() + second.others, 2_003);
        let refused: HashMap<Reason, u64> = strangers.refused().collect();
        assert_eq!((refused[&Reason::HandshakeRate], refused[&Reason::HandshakeSlow]), (2_000, 3));
    }
}
