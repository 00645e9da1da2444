//! Sets of addresses: sorted ranges that don't touch, IPv4 and IPv6 apart.
//!
//! A range is one number, its first address above its last, so that ten million are sorted where they are: 8 bytes
//! each for IPv4, 16 for single addresses and for networks of /64 and wider of IPv6.

use std::net::IpAddr;
use std::thread;

use crate::pieces::is_shared_work_worth_it;

/// Fewer are sorted before a second thread has begun.
const SORTED_ALONE_MAX: usize = 64 * 1024;

/// Addresses from a first to a last one, both among them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Range {
    V4(u32, u32),
    V6(u128, u128),
}

/// A set of addresses, settled: asked in any order from any thread.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Networks {
    v4: Vec<u64>,
    /// Those of IPv6 that begin and end between two /64: the upper halves of their addresses.
    v6_wide: Vec<u128>,
    v6_single: Vec<u128>,
    /// All other ones.
    v6_odd: Vec<(u128, u128)>,
}

/// How much there may be of each, if that was counted before.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Expected {
    pub v4: usize,
    pub v6_wide: usize,
    pub v6_single: usize,
}

impl Expected {
    pub fn at_most(self, entries: usize) -> Self {
        let Self { v4, v6_wide, v6_single } = self;
        Self { v4: v4.min(entries), v6_wide: v6_wide.min(entries), v6_single: v6_single.min(entries) }
    }
}

impl Networks {
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => holds(&self.v4, u32::from(address)),
            IpAddr::V6(address) => {
                let number = u128::from(address);
                self.v6_single.binary_search(&number).is_ok()
                    || holds(&self.v6_wide, upper(number))
                    || holds(&self.v6_odd, number)
            }
        }
    }

    /// Ranges after merging.
    pub fn ranges(&self) -> usize {
        self.v4.len() + self.v6_wide.len() + self.v6_single.len() + self.v6_odd.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ranges() == 0
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.v4.capacity() * 8
            + (self.v6_wide.capacity() + self.v6_single.capacity()) * 16
            + self.v6_odd.capacity() * 32
    }

    pub(crate) fn expecting(expected: Expected) -> Self {
        Self {
            v4: Vec::with_capacity(expected.v4),
            v6_wide: Vec::with_capacity(expected.v6_wide),
            v6_single: Vec::with_capacity(expected.v6_single),
            v6_odd: Vec::new(),
        }
    }

    /// Adds a range; nothing is found before all are settled.
    pub(crate) fn add(&mut self, range: Range) {
        match range {
            Range::V4(first, last) => self.v4.push(u64::pack(first, last)),
            Range::V6(first, last) if first == last => self.v6_single.push(first),
            Range::V6(first, last) if low(first) == 0 && low(last) == u64::MAX => {
                self.v6_wide.push(u128::pack(upper(first), upper(last)));
            }
            Range::V6(first, last) => self.v6_odd.push((first, last)),
        }
    }

    /// Takes over all of a piece, and leaves it empty with its memory.
    pub(crate) fn absorb(&mut self, piece: &mut Self) {
        self.v4.append(&mut piece.v4);
        self.v6_wide.append(&mut piece.v6_wide);
        self.v6_single.append(&mut piece.v6_single);
        self.v6_odd.append(&mut piece.v6_odd);
    }

    pub(crate) fn settle(&mut self) {
        settle(&mut self.v4);
        settle(&mut self.v6_wide);
        settle(&mut self.v6_odd);
        sort(&mut self.v6_single);
        self.v6_single.dedup();
        give_back(&mut self.v6_single);
    }
}

impl FromIterator<Range> for Networks {
    fn from_iter<I: IntoIterator<Item = Range>>(ranges: I) -> Self {
        let mut networks = Self::default();
        ranges.into_iter().for_each(|range| networks.add(range));
        networks.settle();
        networks
    }
}

/// A range in one value, which sorts by its first address.
trait Packed: Copy + Ord + Send {
    type Address: Copy + Ord;

    fn pack(first: Self::Address, last: Self::Address) -> Self;
    fn first(self) -> Self::Address;
    fn last(self) -> Self::Address;
    /// The address behind the last one, if there is any.
    fn behind(self) -> Option<Self::Address>;
}

impl Packed for u64 {
    type Address = u32;

    fn pack(first: u32, last: u32) -> Self {
        Self::from(first) << 32 | Self::from(last)
    }

    fn first(self) -> u32 {
        (self >> 32) as u32
    }

    fn last(self) -> u32 {
        self as u32
    }

    fn behind(self) -> Option<u32> {
        self.last().checked_add(1)
    }
}

impl Packed for u128 {
    type Address = u64;

    fn pack(first: u64, last: u64) -> Self {
        Self::from(first) << 64 | Self::from(last)
    }

    fn first(self) -> u64 {
        upper(self)
    }

    fn last(self) -> u64 {
        low(self)
    }

    fn behind(self) -> Option<u64> {
        self.last().checked_add(1)
    }
}

impl Packed for (u128, u128) {
    type Address = u128;

    fn pack(first: u128, last: u128) -> Self {
        (first, last)
    }

    fn first(self) -> u128 {
        self.0
    }

    fn last(self) -> u128 {
        self.1
    }

    fn behind(self) -> Option<u128> {
        self.1.checked_add(1)
    }
}

fn upper(number: u128) -> u64 {
    (number >> 64) as u64
}

fn low(number: u128) -> u64 {
    number as u64
}

/// Sorts them where they are, and makes one of those that touch.
fn settle<P: Packed>(ranges: &mut Vec<P>) {
    sort(ranges);
    ranges.dedup_by(|next, kept| {
        let touches = kept.behind().is_none_or(|behind| next.first() <= behind);
        if touches {
            *kept = P::pack(kept.first(), kept.last().max(next.last()));
        }
        touches
    });
    give_back(ranges);
}

/// Where they are, since there is no memory for a second copy: divided at the middle, and each half by a thread.
fn sort<T: Ord + Send>(items: &mut [T]) {
    if items.len() < SORTED_ALONE_MAX || !is_shared_work_worth_it() {
        return items.sort_unstable();
    }
    let (below, _, above) = items.select_nth_unstable(items.len() / 2);
    let is_sorted = thread::scope(|scope| {
        let helper = thread::Builder::new().spawn_scoped(scope, || below.sort_unstable());
        above.sort_unstable();
        helper.is_ok()
    });
    if !is_sorted {
        items.sort_unstable();
    }
}

/// Unless it is little: giving back may copy all of it.
fn give_back<T>(items: &mut Vec<T>) {
    if items.len() < items.capacity() / 8 * 7 {
        items.shrink_to_fit();
    }
}

fn holds<P: Packed>(ranges: &[P], address: P::Address) -> bool {
    let after = ranges.partition_point(|range| range.first() <= address);
    let range = after.checked_sub(1).and_then(|place| ranges.get(place));
    range.is_some_and(|range| address <= range.last())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(first: u32, last: u32) -> Range {
        Range::V4(first, last)
    }

    #[test]
    fn what_touches_or_overlaps_is_one_range() {
        let check = |ranges: &[Range], expect: usize| {
            let networks: Networks = ranges.iter().copied().collect();
            assert_eq!(networks.ranges(), expect, "{ranges:?}");
        };
        check(&[], 0);
        check(&[v4(1, 2), v4(3, 4)], 1);
        check(&[v4(1, 2), v4(4, 4)], 2);
        check(&[v4(1, 9), v4(2, 3), v4(9, 12)], 1);
        check(&[v4(0, u32::MAX), v4(5, 6), v4(u32::MAX, u32::MAX)], 1);
        check(&[Range::V6(0, (1 << 64) - 1), Range::V6(1 << 64, (2 << 64) - 1), Range::V6(7, 9)], 2);
        check(&[Range::V6(7, 7), Range::V6(7, 7), Range::V6(8, 8)], 2);
        check(&[Range::V6(0, u128::MAX), Range::V6(u128::MAX, u128::MAX)], 2);
    }

    #[test]
    fn many_are_sorted_as_few_are() {
        let mut seed: u64 = 1;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed >> 33
        };
        for spread in [1, 7, 1 << 20, u64::MAX] {
            let items: Vec<u64> = (0..3 * SORTED_ALONE_MAX).map(|_| random() % spread).collect();
            let (mut ours, mut theirs) = (items.clone(), items);
            sort(&mut ours);
            theirs.sort_unstable();
            assert!(ours == theirs, "{spread}");
        }
    }

    #[test]
    fn the_ends_belong_to_it() {
        let networks: Networks = [v4(10, 20), v4(0, 0), v4(u32::MAX, u32::MAX)].into_iter().collect();
        let check = |number: u32, expect: bool| {
            assert_eq!(networks.contains(IpAddr::V4(number.into())), expect, "{number}");
            let mapped = IpAddr::V6(std::net::Ipv4Addr::from(number).to_ipv6_mapped());
            assert_eq!(networks.contains(mapped), expect, "{mapped}");
        };
        for (number, expect) in [(0, true), (1, false), (9, false), (10, true), (20, true), (21, false)] {
            check(number, expect);
        }
        check(u32::MAX, true);
        check(u32::MAX - 1, false);
    }
}
