//! Addresses, prefixes and ranges as people write them.

use std::net::Ipv6Addr;

use crate::networks::Range;

/// The widest network that a list may name: 16,777,216 addresses of IPv4.
const V4_BITS_MIN: u32 = 8;
/// The same for IPv6.
const V6_BITS_MIN: u32 = 16;

/// Why a text names no network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    NotAnAddress,
    /// The first address is above the last one.
    Backwards,
    /// More than a list can mean.
    TooWide,
}

/// `ADDRESS`, `ADDRESS/BITS` or `ADDRESS-ADDRESS`; bits behind a prefix are taken for zero.
pub fn network(text: &[u8]) -> Result<Range, Fault> {
    let (first, rest) = address(text)?;
    match rest.split_first() {
        None => Ok(first.alone()),
        Some((b'/', bits)) => first.prefix(bits),
        Some((b'-', last)) => between(first, last.trim_ascii()),
        Some((b' ' | b'\t', rest)) => {
            let rest = rest.trim_ascii();
            between(first, rest.strip_prefix(b"-").unwrap_or(rest).trim_ascii())
        }
        Some(_) => Err(Fault::NotAnAddress),
    }
}

/// The same, and an address with its port.
pub fn endpoint(text: &[u8]) -> Result<Range, Fault> {
    if let Some(rest) = text.strip_prefix(b"[") {
        let end = memchr::memchr(b']', rest).ok_or(Fault::NotAnAddress)?;
        let (inner, port) = rest.split_at_checked(end).ok_or(Fault::NotAnAddress)?;
        let port = port.strip_prefix(b"]:").or(port.strip_prefix(b"]"));
        return match port {
            Some(port) if port.iter().all(u8::is_ascii_digit) => network(inner),
            _ => Err(Fault::NotAnAddress),
        };
    }
    if let Some((address, rest)) = dotted(text)
        && let Some(port) = rest.strip_prefix(b":")
        && !port.is_empty()
        && port.iter().all(u8::is_ascii_digit)
    {
        return Ok(Range::V4(address, address));
    }
    network(text)
}

/// From one address to another.
pub fn between(first: Address, last: &[u8]) -> Result<Range, Fault> {
    let (last, rest) = address(last)?;
    if !rest.is_empty() {
        return Err(Fault::NotAnAddress);
    }
    match (first, last) {
        (Address::V4(first), Address::V4(last)) if first > last => Err(Fault::Backwards),
        (Address::V6(first), Address::V6(last)) if first > last => Err(Fault::Backwards),
        (Address::V4(first), Address::V4(last)) => narrow(Range::V4(first, last)),
        (Address::V6(first), Address::V6(last)) => narrow(Range::V6(first, last)),
        _ => Err(Fault::NotAnAddress),
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Address {
    V4(u32),
    V6(u128),
}

/// An address, and what stands behind it.
pub fn address(text: &[u8]) -> Result<(Address, &[u8]), Fault> {
    if let Some((number, rest)) = dotted(text)
        && rest.first() != Some(&b'.')
    {
        return Ok((Address::V4(number), rest));
    }
    let (number, rest) = colons(text).ok_or(Fault::NotAnAddress)?;
    match Ipv6Addr::from(number).to_ipv4_mapped() {
        Some(mapped) => Ok((Address::V4(mapped.into()), rest)),
        None => Ok((Address::V6(number), rest)),
    }
}

/// What a hexadecimal digit stands for; more than 15 for none. Lists have hundreds of millions of them.
const DIGITS: [u8; 256] = {
    let mut digits = [u8::MAX; 256];
    let mut letter = 0;
    while letter < 128 {
        if let Some(digit) = (letter as u8 as char).to_digit(16) {
            #[expect(clippy::indexing_slicing, reason = "checked when it is compiled")]
            {
                digits[letter] = digit as u8;
            }
        }
        letter += 1;
    }
    digits
};

fn digit(byte: u8) -> Option<u32> {
    let digit = DIGITS.get(usize::from(byte)).copied()?;
    (digit < 16).then_some(u32::from(digit))
}

/// Groups of hexadecimal digits, of which `::` stands for those that are left out (RFC 4291, section 2.2).
fn colons(text: &[u8]) -> Option<(u128, &[u8])> {
    let mut groups = Groups::default();
    let mut rest = text;
    if let Some(behind) = text.strip_prefix(b"::") {
        groups.leave_out();
        rest = behind;
    }
    loop {
        let begun = rest;
        let mut group = 0;
        while let Some((byte, behind)) = rest.split_first()
            && let Some(digit) = digit(*byte)
        {
            group = group << 4 | digit;
            rest = behind;
            if begun.len() - rest.len() > 4 {
                return None;
            }
        }
        if rest.len() == begun.len() {
            break;
        }
        // The last two groups may be written as IPv4.
        if rest.first() == Some(&b'.') {
            let (number, behind) = dotted(begun)?;
            rest = behind;
            groups.push(number >> 16)?;
            groups.push(number & 0xffff)?;
            break;
        }
        groups.push(group)?;
        match rest {
            [b':', b':', behind @ ..] if groups.before_gap.is_none() => {
                groups.leave_out();
                rest = behind;
            }
            // A colon alone has a group behind it.
            [b':', behind @ ..] if behind.first().is_some_and(|byte| digit(*byte).is_some()) => rest = behind,
            [b':', ..] => return None,
            _ => break,
        }
    }
    if matches!(rest.first(), Some(b':' | b'.')) {
        return None;
    }
    Some((groups.number()?, rest))
}

/// Groups that were read, those before the gap apart: how many they are, and their number.
#[derive(Default)]
struct Groups {
    count: u32,
    number: u128,
    before_gap: Option<(u32, u128)>,
}

impl Groups {
    /// Nothing if it is one too many.
    fn push(&mut self, group: u32) -> Option<()> {
        self.count += 1;
        self.number = self.number << 16 | u128::from(group);
        (self.count <= 8).then_some(())
    }

    fn leave_out(&mut self) {
        self.before_gap = Some((self.count, std::mem::take(&mut self.number)));
    }

    fn number(self) -> Option<u128> {
        match self.before_gap {
            None => (self.count == 8).then_some(self.number),
            Some((before, number)) if self.count < 8 => {
                Some(number.checked_shl(16 * (8 - before)).unwrap_or(0) | self.number)
            }
            Some(_) => None,
        }
    }
}

/// Blocks that never are a stranger's on the Internet (RFC 6890). Lists of what isn't assigned name them whole: a
/// vendor in an own network would be of bad reputation.
const RESERVED_V4: [(u32, u32); 10] = [
    (0x0000_0000, 0x00ff_ffff), // 0.0.0.0/8
    (0x0a00_0000, 0x0aff_ffff), // 10.0.0.0/8
    (0x6440_0000, 0x647f_ffff), // 100.64.0.0/10
    (0x7f00_0000, 0x7fff_ffff), // 127.0.0.0/8
    (0xa9fe_0000, 0xa9fe_ffff), // 169.254.0.0/16
    (0xac10_0000, 0xac1f_ffff), // 172.16.0.0/12
    (0xc0a8_0000, 0xc0a8_ffff), // 192.168.0.0/16
    (0xc612_0000, 0xc613_ffff), // 198.18.0.0/15
    (0xe000_0000, 0xefff_ffff), // 224.0.0.0/4
    (0xf000_0000, 0xffff_ffff), // 240.0.0.0/4
];

/// Whether a range names a reserved block whole; what is inside of one is somebody's own list, and counts.
pub fn is_reserved(range: Range) -> bool {
    match range {
        Range::V4(first, last) => {
            // Almost every entry is narrower than the narrowest block.
            last - first >= 0xffff && RESERVED_V4.iter().any(|block| first <= block.0 && last >= block.1)
        }
        Range::V6(first, last) => {
            let block = |upper: u128, bits: u32| (upper << 112, (upper << 112) | (u128::MAX >> bits));
            let blocks = [block(0xfc00, 7), block(0xfe80, 10), block(0xff00, 8)];
            last - first >= u128::MAX >> 10 && blocks.iter().any(|block| first <= block.0 && last >= block.1)
        }
    }
}

impl Address {
    fn alone(self) -> Range {
        match self {
            Self::V4(number) => Range::V4(number, number),
            Self::V6(number) => Range::V6(number, number),
        }
    }

    fn prefix(self, bits: &[u8]) -> Result<Range, Fault> {
        let bits = number(bits).ok_or(Fault::NotAnAddress)?;
        match self {
            Self::V4(number) if bits <= 32 => {
                let host = u32::MAX.checked_shr(bits).unwrap_or(0);
                narrow(Range::V4(number & !host, number | host))
            }
            Self::V6(number) if bits <= 128 => {
                let host = u128::MAX.checked_shr(bits).unwrap_or(0);
                narrow(Range::V6(number & !host, number | host))
            }
            _ => Err(Fault::NotAnAddress),
        }
    }
}

/// A mistake such as `0.0.0.0/0`, or `/24` that was cut to `/2`, would list everybody.
fn narrow(range: Range) -> Result<Range, Fault> {
    let wide = match range {
        Range::V4(first, last) => last - first > u32::MAX >> V4_BITS_MIN,
        Range::V6(first, last) => last - first > u128::MAX >> V6_BITS_MIN,
    };
    if wide && !is_reserved(range) || matches!(range, Range::V4(0, u32::MAX) | Range::V6(0, u128::MAX)) {
        return Err(Fault::TooWide);
    }
    Ok(range)
}

/// Four decimal numbers without leading zeros, which some read as octal.
fn dotted(text: &[u8]) -> Option<(u32, &[u8])> {
    let (mut address, mut rest) = octet(text)?;
    for _ in 0..3 {
        let (next, behind) = octet(rest.strip_prefix(b".")?)?;
        address = address << 8 | next;
        rest = behind;
    }
    Some((address, rest))
}

fn octet(text: &[u8]) -> Option<(u32, &[u8])> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u32::from(byte - b'0'));
    let (first, mut rest) = text.split_first()?;
    let mut value = digit(*first)?;
    for _ in 0..2 {
        let Some((next, behind)) = rest.split_first().and_then(|(byte, rest)| Some((digit(*byte)?, rest)))
        else {
            break;
        };
        if value == 0 {
            return None;
        }
        value = value * 10 + next;
        rest = behind;
    }
    let more = rest.first().is_some_and(u8::is_ascii_digit);
    (value <= 255 && !more).then_some((value, rest))
}

fn number(text: &[u8]) -> Option<u32> {
    if !(1..=3).contains(&text.len()) || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match endpoint(text.as_bytes()) {
            Ok(Range::V4(first, last)) => {
                format!("{}-{}", std::net::Ipv4Addr::from(first), std::net::Ipv4Addr::from(last))
            }
            Ok(Range::V6(first, last)) => format!("{}-{}", Ipv6Addr::from(first), Ipv6Addr::from(last)),
            Err(fault) => format!("{fault:?}"),
        }
    }

    #[test]
    fn networks_are_read_as_people_write_them() {
        let check = |text: &str, expect: &str| assert_eq!(shown(text), expect, "{text}");
        check("192.0.2.7", "192.0.2.7-192.0.2.7");
        check("192.0.2.7/24", "192.0.2.0-192.0.2.255");
        check("192.0.2.7/32", "192.0.2.7-192.0.2.7");
        check("192.0.2.7-192.0.2.9", "192.0.2.7-192.0.2.9");
        check("192.0.2.7 - 192.0.2.9", "192.0.2.7-192.0.2.9");
        check("192.0.2.7:443", "192.0.2.7-192.0.2.7");
        check("2001:db8::/32", "2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff");
        check("2001:DB8::1", "2001:db8::1-2001:db8::1");
        check("[2001:db8::1]:443", "2001:db8::1-2001:db8::1");
        check("2001:db8::1-2001:db8::2", "2001:db8::1-2001:db8::2");
        check("::ffff:192.0.2.7", "192.0.2.7-192.0.2.7");
        check("10.0.0.0/8", "10.0.0.0-10.255.255.255");
        check("224.0.0.0/3", "224.0.0.0-255.255.255.255");
        for broken in [
            "",
            "1",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.256",
            "01.2.3.4",
            "1.2.3.04",
            "1.2.3.4/33",
            "1.2.3.4/",
            "1.2.3.4/a",
            "1.2.3.4/0024",
            "1.2.3.4x",
            "1.2.3.1234",
            "2001:db8::/129",
            ":",
            "::g",
            "fe80::1%eth0",
            "1.2.3.4-",
            "1.2.3.4-::1",
            "<p>1.2.3.4",
            "[::1",
            "[::1]x",
            "1.2.3.4:x",
        ] {
            check(broken, "NotAnAddress");
        }
        check("192.0.2.9-192.0.2.7", "Backwards");
        check("0.0.0.0/0", "TooWide");
        check("::/0", "TooWide");
        check("16.0.0.0/7", "TooWide");
        check("2000::/3", "TooWide");
        check("1.0.0.0-9.0.0.0", "TooWide");
    }

    #[test]
    fn whole_reserved_blocks_are_told_apart() {
        let check = |text: &str, expect: bool| {
            assert_eq!(is_reserved(network(text.as_bytes()).unwrap()), expect, "{text}");
        };
        check("10.0.0.0/8", true);
        check("192.168.0.0/16", true);
        check("224.0.0.0/3", true);
        check("fc00::/7", true);
        check("fe80::/10", true);
        check("10.1.0.0/16", false);
        check("127.0.0.2", false);
        check("3.0.0.0/8", false);
        check("2600:1f00::/24", false);
    }

    proptest::proptest! {
        #[test]
        fn addresses_of_ipv6_are_those_of_the_standard_library(text in "[0-9a-fA-F:.]{0,12}[0-9a-f:]{0,24}[0-9.:]{0,12}") {
            let ours = address(text.as_bytes()).ok().filter(|(_, rest)| rest.is_empty()).map(|(found, _)| found);
            let theirs = text.parse::<std::net::IpAddr>().ok().map(|found| match found.to_canonical() {
                std::net::IpAddr::V4(found) => Address::V4(found.into()),
                std::net::IpAddr::V6(found) => Address::V6(found.into()),
            });
            proptest::prop_assert_eq!(ours, theirs, "{}", text);
        }

        #[test]
        fn every_address_of_ipv6_is_read_as_it_is_written(groups: [u16; 8], zeros: u8) {
            let mut groups = groups;
            for (place, group) in groups.iter_mut().enumerate() {
                *group *= u16::from(zeros >> place & 1);
            }
            let written = Ipv6Addr::from(groups);
            if written.to_ipv4_mapped().is_none() {
                let text = written.to_string();
                proptest::prop_assert_eq!(address(text.as_bytes()), Ok((Address::V6(written.into()), &b""[..])));
            }
        }
    }

    /// As the standard library reads them, whatever is written.
    #[test]
    fn groups_are_read_as_by_everybody() {
        let mut seed: u64 = 1;
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % below
        };
        let pieces =
            ["::", ":", ":", ":", "0", "1", "db8", "ffff", "2001", "12345", "g", ".", "1.2.3.4", "256.1.1.1"];
        let mut good = 0;
        for _ in 0..200_000 {
            let text: String = (0..random(18)).map(|_| pieces[random(pieces.len())]).collect();
            let found = colons(text.as_bytes()).filter(|(_, rest)| rest.is_empty()).map(|(number, _)| number);
            let expect = text.parse::<Ipv6Addr>().ok().map(u128::from);
            assert_eq!(found, expect, "{text}");
            good += usize::from(found.is_some());
        }
        assert!(good > 1_000, "{good}");
        for _ in 0..20_000 {
            let mut number =
                (random(1 << 30) as u128) << 98 | (random(1 << 30) as u128) << 40 | random(1 << 20) as u128;
            number &= !(0xffff << (16 * random(8)));
            let text = Ipv6Addr::from(number).to_string();
            assert_eq!(colons(text.as_bytes()), Some((number, &b""[..])), "{text}");
        }
    }
}
