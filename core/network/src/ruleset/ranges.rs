//! Networks as ranges that don't overlap: a map of the kernel can hold no others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Addresses of one family, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Range {
    pub is_four: bool,
    pub first: u128,
    pub last: u128,
}

impl From<IpNet> for Range {
    fn from(network: IpNet) -> Self {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(four) => u128::from(four.to_bits()),
            IpAddr::V6(six) => six.to_bits(),
        };
        let is_four = network.addr().is_ipv4();
        Self { is_four, first: bits(network.network()), last: bits(network.broadcast()) }
    }
}

impl Range {
    fn address(self, bits: u128) -> IpAddr {
        if self.is_four {
            // Made from an address of 32 bits.
            IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(bits).unwrap_or(u32::MAX)))
        } else {
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        }
    }

    /// As nft writes it: an address, a prefix, or both ends.
    pub fn key(self) -> String {
        let (first, last) = (self.address(self.first), self.address(self.last));
        if first == last {
            return first.to_string();
        }
        let width = self.last.wrapping_sub(self.first).wrapping_add(1);
        let aligned = width.is_power_of_two() && self.first & width.wrapping_sub(1) == 0;
        let host_bits = u8::try_from(width.trailing_zeros()).unwrap_or(128);
        match (self.is_four, aligned || width == 0) {
            (true, true) => format!("{first}/{}", 32_u8.saturating_sub(host_bits)),
            (false, true) => format!("{first}/{}", 128_u8.saturating_sub(host_bits)),
            (_, false) => format!("{first}-{last}"),
        }
    }
}

/// Cuts networks so that each address is in one range: the narrowest network around it has it. Of equal networks,
/// the first counts.
pub fn disjoint<T: Copy>(networks: impl IntoIterator<Item = (IpNet, T)>) -> Vec<(Range, T)> {
    let mut sorted: Vec<(Range, T)> =
        networks.into_iter().map(|(network, of)| (Range::from(network), of)).collect();
    // A wider one before those within it. Stable: the first of equals stays the first.
    sorted.sort_by_key(|(range, _)| (range.is_four, range.first, u128::MAX - range.last));
    sorted.dedup_by_key(|(range, _)| *range);
    let mut out = Sweep { ranges: Vec::with_capacity(sorted.len()), open: Vec::new(), next: Some(0) };
    for (range, of) in sorted {
        while out
            .open
            .last()
            .is_some_and(|(open, _)| open.is_four != range.is_four || open.last < range.first)
        {
            out.close();
        }
        out.until(range.first);
        out.next = Some(range.first);
        out.open.push((range, of));
    }
    while !out.open.is_empty() {
        out.close();
    }
    out.ranges
}

struct Sweep<T> {
    ranges: Vec<(Range, T)>,
    /// Networks around the next address, the narrowest last.
    open: Vec<(Range, T)>,
    /// None behind the last address of all.
    next: Option<u128>,
}

impl<T: Copy> Sweep<T> {
    /// The innermost network ends: what is left of it is a range.
    fn close(&mut self) {
        let Some((range, of)) = self.open.pop() else { return };
        if let Some(next) = self.next.filter(|next| *next <= range.last) {
            self.ranges.push((Range { first: next.max(range.first), ..range }, of));
        }
        self.next = range.last.checked_add(1);
    }

    /// What the innermost network has in front of one that begins within it.
    fn until(&mut self, first: u128) {
        let (Some((range, of)), Some(next)) = (self.open.last().copied(), self.next) else { return };
        if let Some(last) = first.checked_sub(1).filter(|last| next <= *last) {
            self.ranges.push((Range { first: next.max(range.first), last, ..range }, of));
        }
    }
}

/// Addresses in one of `all` and in none of `less`.
pub fn without(all: &[IpNet], less: &[IpNet]) -> Vec<Range> {
    let sorted = |networks: &[IpNet]| {
        let mut ranges: Vec<Range> =
            IpNet::aggregate(&networks.to_vec()).into_iter().map(Range::from).collect();
        ranges.sort();
        ranges
    };
    let (all, less) = (sorted(all), sorted(less));
    let (mut left, mut less) = (Vec::new(), less.into_iter().peekable());
    for range in all {
        // None behind the last address of all.
        let mut next = Some(range.first);
        while let Some(hole) = less.peek().copied() {
            if (hole.is_four, hole.last) < (range.is_four, range.first) {
                less.next();
                continue;
            }
            if (hole.is_four, hole.first) > (range.is_four, range.last) {
                break;
            }
            if let Some(first) = next
                && let Some(last) = hole.first.checked_sub(1).filter(|last| first <= *last)
            {
                left.push(Range { first, last, ..range });
            }
            next = hole.last.checked_add(1);
            // It may reach into the next range, too.
            if hole.last > range.last {
                break;
            }
            less.next();
        }
        if let Some(first) = next.filter(|first| *first <= range.last) {
            left.push(Range { first, ..range });
        }
    }
    left
}

/// See [`super::normal_key`]. What is no address stays as it is.
pub fn normal(key: &str) -> String {
    let range = match key.split_once('-') {
        Some((first, last)) => first.parse().ok().zip(last.parse().ok()).and_then(ends),
        None => key
            .parse::<IpNet>()
            .ok()
            .or_else(|| key.parse::<IpAddr>().ok().map(IpNet::from))
            .map(|network| Range::from(network.trunc())),
    };
    range.map_or_else(|| key.to_owned(), Range::key)
}

fn ends((first, last): (IpAddr, IpAddr)) -> Option<Range> {
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            let (first, last) = (Range::from(IpNet::V4(Ipv4Net::from(first))), Ipv4Net::from(last));
            Some(Range { last: Range::from(IpNet::V4(last)).last, ..first })
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            let (first, last) = (Range::from(IpNet::V6(Ipv6Net::from(first))), Ipv6Net::from(last));
            Some(Range { last: Range::from(IpNet::V6(last)).last, ..first })
        }
        _ => None,
    }
}
