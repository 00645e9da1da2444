//! The PROXY protocol: what is read, what is refused and how early, and that encoder and parser agree.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::net::{IpAddr, SocketAddr};

use portcullis_wire::proxy_protocol::{
    Progress, ProxyFault, ProxyHeader, V1_BYTES_MAX, V2_BYTES_MAX, encode_v1, encode_v2, parse,
};
use proptest::prelude::*;

const SIGNATURE: [u8; 12] = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];

#[test]
fn lines_are_read() {
    let check = |line: &str, expect: Option<(&str, &str)>| {
        let (source, destination) = expect.map(|(from, to)| (address(from), address(to))).unzip();
        let header = ProxyHeader { source, destination, local: false };
        let consumed = line.find("\r\n").unwrap() + 2;
        assert_eq!(parse(line.as_bytes()), Ok(Progress::Whole { header, consumed }), "{line:?}");
    };
    check("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n", Some(("192.0.2.1:56324", "198.51.100.7:443")));
    check("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", Some(("0.0.0.0:0", "255.255.255.255:65535")));
    check("PROXY TCP6 2001:db8::1 2001:DB8::2 1 2\r\n", Some(("[2001:db8::1]:1", "[2001:db8::2]:2")));
    check(
        "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
        Some((
            "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
            "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
        )),
    );
    // What a dual-stack socket calls IPv6 is compared as what it is.
    check("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:c000:202 1 2\r\n", Some(("192.0.2.1:1", "192.0.2.2:2")));
    check("PROXY UNKNOWN\r\n", None);
    check("PROXY UNKNOWN whatever  stands here\r\n", None);
    check(
        "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
        None,
    );
    // What follows belongs to TLS.
    check("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n\x16\x03\x01", Some(("192.0.2.1:1", "192.0.2.2:2")));
}

#[test]
fn lines_are_refused() {
    let check = |line: &str, expect| {
        assert_eq!(parse(line.as_bytes()), Err(expect), "{line:?}");
    };
    check("PROXX TCP4 192.0.2.1 192.0.2.2 1 2\r\n", ProxyFault::Signature);
    check("PROXYTCP4", ProxyFault::Signature);
    check("POST / HTTP/1.1\r\n", ProxyFault::Signature);
    check("PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n", ProxyFault::LineProtocol);
    check("PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n", ProxyFault::LineProtocol);
    check("PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", ProxyFault::LineProtocol);
    check("PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n", ProxyFault::LineProtocol);
    check("PROXY UNKNOWNS\r\n", ProxyFault::LineProtocol);
    check("PROXY \r\n", ProxyFault::LineProtocol);
    check("PROXY TCP4\r\n", ProxyFault::LineProtocol);
    check("PROXY TCP4 \r\n", ProxyFault::LineFields);
    check("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", ProxyFault::LineFields);
    check("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", ProxyFault::LineFields);
    check("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n", ProxyFault::LineFields);
    check("PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n", ProxyFault::LineFields);
    check("PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n", ProxyFault::LineAddress);
    check("PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n", ProxyFault::LineAddress);
    check("PROXY TCP4 192.0.2.1 2001:db8::1 1 2\r\n", ProxyFault::LineAddress);
    check("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", ProxyFault::LineAddress);
    check("PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n", ProxyFault::LineAddress);
    check("PROXY TCP6 [2001:db8::1] 2001:db8::2 1 2\r\n", ProxyFault::LineAddress);
    check("PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n", ProxyFault::LinePort);
    check("PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n", ProxyFault::LinePort);
    check("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", ProxyFault::LinePort);
    check("PROXY TCP4 192.0.2.1 192.0.2.2 00 2\r\n", ProxyFault::LinePort);
    check("PROXY TCP4 192.0.2.1 192.0.2.2 1 -2\r\n", ProxyFault::LinePort);
    check("PROXY TCP4 192.0.2.1 192.0.2.2 1 \r\n", ProxyFault::LinePort);
    check("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", ProxyFault::LineByte { byte: b'\n' });
    check("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\rX", ProxyFault::LineByte { byte: b'\r' });
    check("PROXY TCP4\t192.0.2.1", ProxyFault::LineByte { byte: b'\t' });
    check("PROXY UNKNOWN \0\r\n", ProxyFault::LineByte { byte: 0 });
    check("PROXY UNKNOWN \u{e9}\r\n", ProxyFault::LineByte { byte: 0xc3 });
    check(&format!("PROXY UNKNOWN {}\r\n", "x".repeat(92)), ProxyFault::LineTooLong);
    check(&format!("PROXY UNKNOWN {}", "x".repeat(93)), ProxyFault::LineTooLong);
}

#[test]
fn headers_of_version_2_are_read() {
    let check = |rest: &[u8], source: Option<&str>, destination: Option<&str>, local| {
        let bytes = [&SIGNATURE, rest, b"\x16\x03\x01"].concat();
        let header =
            ProxyHeader { source: source.map(address), destination: destination.map(address), local };
        assert_eq!(parse(&bytes), Ok(Progress::Whole { header, consumed: 12 + rest.len() }), "{rest:x?}");
    };
    let tcp4 = [192, 0, 2, 1, 192, 0, 2, 2, 0x12, 0x34, 0x01, 0xbb];
    let v4 =
        |command: u8, more: &[u8]| [&[command, 0x11, 0, 12 + more.len() as u8][..], &tcp4, more].concat();
    check(&v4(0x21, &[]), Some("192.0.2.1:4660"), Some("192.0.2.2:443"), false);
    // A NOOP, and an extension nobody knows.
    check(&v4(0x21, &[4, 0, 0, 0xee, 0, 1, 9]), Some("192.0.2.1:4660"), Some("192.0.2.2:443"), false);
    check(&v4(0x20, &[]), None, None, true);
    check(&[0x20, 0x00, 0, 0], None, None, true);
    check(&[0x21, 0x00, 0, 0], None, None, false);
    check(&[0x21, 0x00, 0, 3, 4, 0, 0], None, None, false);
    let mut tcp6 = vec![0x21, 0x21, 0, 36];
    tcp6.extend("2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap().octets());
    tcp6.extend("::ffff:192.0.2.2".parse::<std::net::Ipv6Addr>().unwrap().octets());
    tcp6.extend([0, 1, 0, 2]);
    check(&tcp6, Some("[2001:db8::1]:1"), Some("192.0.2.2:2"), false);
}

#[test]
fn headers_of_version_2_are_refused() {
    let check = |rest: &[u8], expect| {
        let bytes = [&SIGNATURE, rest].concat();
        assert_eq!(parse(&bytes), Err(expect), "{rest:x?}");
    };
    check(&[0x11], ProxyFault::Version { version: 1 });
    check(&[0x31], ProxyFault::Version { version: 3 });
    check(&[0x22], ProxyFault::Command { command: 2 });
    check(&[0x2f], ProxyFault::Command { command: 15 });
    // UDP, UNIX stream and datagram, and what is no family or transport at all.
    for family in [0x12, 0x22, 0x31, 0x32, 0x01, 0x10, 0x13, 0x41, 0xff] {
        check(&[0x21, family], ProxyFault::Family { family });
        check(&[0x20, family], ProxyFault::Family { family });
    }
    check(&[0x21, 0x11, 0x08, 0x01], ProxyFault::TooLong { length: 2_049 });
    check(&[0x21, 0x11, 0xff, 0xff], ProxyFault::TooLong { length: 65_535 });
    check(&[0x21, 0x11, 0, 11], ProxyFault::TooShort { length: 11 });
    check(&[0x21, 0x21, 0, 35], ProxyFault::TooShort { length: 35 });
    check(&[0x21, 0x00, 0, 1, 4], ProxyFault::Extension);
    check(&[0x21, 0x00, 0, 2, 4, 0], ProxyFault::Extension);
    check(&[0x21, 0x00, 0, 3, 4, 0, 1], ProxyFault::Extension);
    check(&[0x20, 0x00, 0, 3, 4, 0, 1], ProxyFault::Extension);
    // A checksum has four bytes.
    check(&[0x21, 0x00, 0, 6, 3, 0, 3, 0, 0, 0], ProxyFault::Extension);
    check(&[0x21, 0x00, 0, 8, 3, 0, 5, 0, 0, 0, 0, 0], ProxyFault::Extension);
    check(&[0x21, 0x00, 0, 7, 3, 0, 4, 0, 0, 0, 0], ProxyFault::Checksum);
    check(&[0x21, 0x00, 0, 14, 3, 0, 4, 0, 0, 0, 0, 3, 0, 4, 0, 0, 0, 0], ProxyFault::ChecksumDoubled);
    for at in 0..SIGNATURE.len() {
        let mut bytes = SIGNATURE;
        bytes[at] ^= 0x20;
        assert_eq!(parse(&bytes[..=at]), Err(ProxyFault::Signature), "{at}");
    }
    assert_eq!(parse(b"\x16\x03\x01"), Err(ProxyFault::Signature));
    assert_eq!(parse(b"GET / HTTP/1.1\r\n"), Err(ProxyFault::Signature));
}

#[test]
fn a_checksum_is_checked_wherever_it_stands() {
    let header = ProxyHeader {
        source: Some(address("192.0.2.1:1")),
        destination: Some(address("192.0.2.2:2")),
        local: false,
    };
    let good = encode_v2(&header, &[(0xee, b"abc")], true).unwrap();
    assert_eq!(parse(&good), Ok(Progress::Whole { header, consumed: good.len() }));
    // Every bit counts, but those that say that it is a checksum; where a part has a rule of its own,
    // that speaks first.
    let kind_at = good.len() - 7;
    for bit in (0..good.len() * 8).filter(|bit| bit / 8 != kind_at) {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(!matches!(parse(&bad), Ok(Progress::Whole { .. })), "{bit}");
    }
    // Not the last extension: computed bit by bit over the header with zeros in its place.
    let mut bytes = [&SIGNATURE[..], &[0x21, 0x00, 0, 11, 3, 0, 4, 0, 0, 0, 0, 0xee, 0, 1, 7]].concat();
    let sum = naive_crc32c(&bytes);
    bytes[19..23].copy_from_slice(&sum.to_be_bytes());
    assert!(matches!(parse(&bytes), Ok(Progress::Whole { consumed: 27, .. })));
}

#[test]
fn the_largest_header_is_taken_and_the_next_is_not() {
    let header = ProxyHeader::default();
    let value = vec![0; 2_048 - 3];
    let whole = encode_v2(&header, &[(0xee, &value)], false).unwrap();
    assert_eq!(whole.len(), V2_BYTES_MAX);
    assert_eq!(parse(&whole), Ok(Progress::Whole { header, consumed: V2_BYTES_MAX }));
    assert_eq!(parse(&whole[..V2_BYTES_MAX - 1]), Ok(Progress::Partial));
    assert_eq!(encode_v2(&header, &[(0xee, &value), (4, b"")], false), None);
    assert_eq!(encode_v2(&header, &[(0xee, &vec![0; 70_000])], false), None);
}

#[test]
fn different_families_are_sent_as_ipv6() {
    let header = ProxyHeader {
        source: Some(address("[2001:db8::1]:1")),
        destination: Some(address("192.0.2.2:2")),
        local: false,
    };
    assert_eq!(encode_v1(&header), b"PROXY TCP6 2001:db8::1 ::ffff:192.0.2.2 1 2\r\n");
    let bytes = encode_v2(&header, &[], false).unwrap();
    assert_eq!(parse(&bytes), Ok(Progress::Whole { header, consumed: 16 + 36 }));
}

proptest! {
    #[test]
    fn what_is_encoded_is_parsed(
        header in any_header(),
        extensions in prop::collection::vec((4..=255_u8, prop::collection::vec(any::<u8>(), 0..40)), 0..8),
        checksum in any::<bool>(),
        tail in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let line = encode_v1(&header);
        let known = if header.local { ProxyHeader::default() } else { header };
        prop_assert_eq!(parse(&line), Ok(Progress::Whole { header: known, consumed: line.len() }));
        prop_assert!(line.len() <= V1_BYTES_MAX);

        let extensions: Vec<(u8, &[u8])> =
            extensions.iter().map(|(kind, value)| (*kind, value.as_slice())).collect();
        let bytes = encode_v2(&header, &extensions, checksum).unwrap();
        prop_assert_eq!(parse(&bytes), Ok(Progress::Whole { header, consumed: bytes.len() }));
        for whole in [line, bytes] {
            // Neither sooner nor otherwise when more has arrived.
            for length in 0..whole.len() {
                prop_assert_eq!(parse(&whole[..length]), Ok(Progress::Partial));
            }
            prop_assert_eq!(parse(&[whole.as_slice(), &tail].concat()), parse(&whole));
        }
    }

    #[test]
    fn lines_agree_with_a_naive_reader(line in near_line()) {
        let bytes = line.as_bytes();
        match parse(bytes) {
            Ok(Progress::Whole { header, consumed }) => {
                prop_assert_eq!(naive_line(&line), Some((header, consumed)));
            }
            Ok(Progress::Partial) => {
                prop_assert!(!line.contains("\r\n") && line.len() < V1_BYTES_MAX);
            }
            Err(_) => prop_assert_eq!(naive_line(&line), None),
        }
    }

    #[test]
    fn changed_headers_agree_with_a_naive_reader(
        header in any_header(),
        extension in prop::collection::vec(any::<u8>(), 0..6),
        checksum in any::<bool>(),
        changes in prop::collection::vec((12..60_usize, any::<u8>()), 0..4),
        cut in 0..80_usize,
    ) {
        let mut bytes = encode_v2(&header, &[(0xe0, &extension)], checksum).unwrap();
        let length = bytes.len();
        for (place, value) in changes {
            bytes[place % length] = value;
        }
        bytes.truncate(cut.max(16));
        match parse(&bytes) {
            Ok(Progress::Whole { header, consumed }) => {
                prop_assert_eq!(naive_header(&bytes), Some((header, consumed)));
            }
            Ok(Progress::Partial) => {
                let said = 16 + usize::from(bytes[14]) * 256 + usize::from(bytes[15]);
                prop_assert!(bytes.len() < said && said <= V2_BYTES_MAX);
            }
            Err(_) => prop_assert_eq!(naive_header(&bytes), None),
        }
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn any_header() -> impl Strategy<Value = ProxyHeader> {
    let port = any::<u16>;
    prop_oneof![
        Just(ProxyHeader::default()),
        Just(ProxyHeader { local: true, ..ProxyHeader::default() }),
        (any::<[u8; 4]>(), port(), any::<[u8; 4]>(), port()).prop_map(headers_of),
        (any::<[u8; 16]>(), port(), any::<[u8; 16]>(), port()).prop_map(headers_of),
    ]
}

fn headers_of<A: Into<IpAddr>>((from, from_port, to, to_port): (A, u16, A, u16)) -> ProxyHeader {
    let address = |ip: A, port| Some(SocketAddr::new(ip.into().to_canonical(), port));
    ProxyHeader { source: address(from, from_port), destination: address(to, to_port), local: false }
}

/// Lines that are right, or nearly.
fn near_line() -> impl Strategy<Value = String> {
    let field = || {
        prop::sample::select(vec![
            "TCP4",
            "TCP6",
            "UNKNOWN",
            "192.0.2.1",
            "10.0.0.1",
            "1.2.3.04",
            "::1",
            "2001:db8::1",
            "::ffff:1.2.3.4",
            "0",
            "1",
            "443",
            "65535",
            "65536",
            "007",
            "+1",
            "",
            "x",
        ])
    };
    let valid = (any_header(), prop::sample::select(vec!["", "x", "\r\n"]))
        .prop_map(|(header, tail)| String::from_utf8(encode_v1(&header)).unwrap() + tail);
    let fields = (
        prop::collection::vec(field(), 0..7),
        prop::sample::select(vec!["\r\n", "\n", "\r", "", " \r\n", "\r\nmore", "\0\r\n"]),
    )
        .prop_map(|(fields, end)| format!("PROXY {}{end}", fields.join(" ")));
    let v4 = (
        prop::sample::select(vec!["192.0.2.1", "1.2.3.04", "::1"]),
        prop::sample::select(vec!["0", "65535", "65536", "01", "+1", ""]),
    )
        .prop_map(|(ip, port)| format!("PROXY TCP4 192.0.2.1 {ip} 1 {port}\r\n"));
    prop_oneof![valid, fields, v4]
}

/// Splits and compares with what the fields would look like if they were printed again.
fn naive_line(line: &str) -> Option<(ProxyHeader, usize)> {
    let (text, _) = line.split_once("\r\n")?;
    if text.len() + 2 > V1_BYTES_MAX || !text.chars().all(|char| (' '..='~').contains(&char)) {
        return None;
    }
    let fields: Vec<&str> = text.split(' ').collect();
    let header = match fields.as_slice() {
        ["PROXY", "UNKNOWN", ..] => ProxyHeader::default(),
        ["PROXY", protocol @ ("TCP4" | "TCP6"), from, to, from_port, to_port] => {
            let address = |ip: &str, port: &str| {
                let ip = ip.parse::<IpAddr>().ok()?;
                let number = port.parse::<u16>().ok()?;
                let fits = ip.is_ipv4() == (*protocol == "TCP4") && number.to_string() == port;
                fits.then(|| SocketAddr::new(ip.to_canonical(), number))
            };
            let (source, destination) = (address(from, from_port)?, address(to, to_port)?);
            ProxyHeader { source: Some(source), destination: Some(destination), local: false }
        }
        _ => return None,
    };
    Some((header, text.len() + 2))
}

/// Reads by index, with no thought of early faults.
fn naive_header(bytes: &[u8]) -> Option<(ProxyHeader, usize)> {
    if bytes.len() < 16 || bytes[..12] != SIGNATURE || !matches!(bytes[12], 0x20 | 0x21) {
        return None;
    }
    let length = usize::from(bytes[14]) * 256 + usize::from(bytes[15]);
    if length > 2_048 || bytes.len() < 16 + length {
        return None;
    }
    let whole = &bytes[..16 + length];
    let ip_bytes = match bytes[13] {
        0x00 => 0,
        0x11 => 4,
        0x21 => 16,
        _ => return None,
    };
    let mut at = if ip_bytes == 0 { 16 } else { 16 + 2 * ip_bytes + 4 };
    if at > whole.len() {
        return None;
    }
    let addresses = &whole[16..at];
    let mut sums = Vec::new();
    while at < whole.len() {
        let value_bytes = usize::from(*whole.get(at + 1)?) * 256 + usize::from(*whole.get(at + 2)?);
        let value = whole.get(at + 3..at + 3 + value_bytes)?;
        if whole[at] == 3 {
            sums.push((at + 3, u32::from_be_bytes(value.try_into().ok()?)));
        }
        at += 3 + value_bytes;
    }
    match sums.as_slice() {
        [] => {}
        [(place, sum)] => {
            let mut blank = whole.to_vec();
            blank[*place..place + 4].fill(0);
            if naive_crc32c(&blank) != *sum {
                return None;
            }
        }
        _ => return None,
    }
    let local = bytes[12] == 0x20;
    let side = |which: usize| {
        let ip = &addresses[which * ip_bytes..(which + 1) * ip_bytes];
        let port = &addresses[2 * ip_bytes + 2 * which..][..2];
        let ip: IpAddr = match ip_bytes {
            4 => IpAddr::from(<[u8; 4]>::try_from(ip).unwrap()),
            _ => IpAddr::from(<[u8; 16]>::try_from(ip).unwrap()),
        };
        SocketAddr::new(ip.to_canonical(), u16::from(port[0]) * 256 + u16::from(port[1]))
    };
    let known = !local && ip_bytes != 0;
    let header = ProxyHeader { source: known.then(|| side(0)), destination: known.then(|| side(1)), local };
    Some((header, whole.len()))
}

/// One bit after the other.
fn naive_crc32c(bytes: &[u8]) -> u32 {
    let mut state = u32::MAX;
    for byte in bytes {
        for bit in 0..8 {
            let carry = (state ^ (u32::from(*byte) >> bit)) & 1 == 1;
            state = (state >> 1) ^ if carry { 0x82f6_3b78 } else { 0 };
        }
    }
    !state
}
