//! One line of a list: what it names, in the formats that lists are published in.

use portcullis_domain::spec::FeedFormat;

use crate::address::{Fault, between, endpoint, network};
use crate::networks::Range;

/// `t13d1516h2_8daaf6152771_b0da82dd1658`: the version of TLS, the counts, and two digests.
pub const JA4_BYTES: usize = 36;
pub type Ja4 = [u8; JA4_BYTES];

/// Columns that are looked at.
const COLUMNS_MAX: usize = 64;

/// What entries are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entries {
    Addresses,
    Ja4,
    Asns,
}

impl Entries {
    pub const ALL: [Self; 3] = [Self::Addresses, Self::Ja4, Self::Asns];

    /// As it was declared; none where it is to be found out, or can't be.
    pub fn declared(format: FeedFormat) -> Option<Self> {
        match format {
            FeedFormat::Addresses => Some(Self::Addresses),
            FeedFormat::Ja4 => Some(Self::Ja4),
            FeedFormat::Asns => Some(Self::Asns),
            FeedFormat::Auto | FeedFormat::Mmdb | FeedFormat::Csv => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Addresses => "addresses",
            Self::Ja4 => "JA4 fingerprints",
            Self::Asns => "numbers of networks",
        }
    }
}

/// What a line names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Named {
    Nothing,
    Range(Range),
    Ja4(Ja4),
    Asn(u32),
    Broken(&'static str),
}

/// Reads a line.
pub fn named(line: &[u8], entries: Entries) -> Named {
    let text = without_comment(line);
    if text.is_empty() {
        return Named::Nothing;
    }
    match entries {
        Entries::Addresses => range(text),
        Entries::Ja4 => match columns(text).find_map(ja4) {
            Some(ja4) => Named::Ja4(ja4),
            None => Named::Broken("is not a JA4 fingerprint"),
        },
        Entries::Asns => match columns(text).enumerate().find_map(|(place, text)| asn(text, place == 0)) {
            Some(asn) => Named::Asn(asn),
            None => Named::Broken("is not the number of a network"),
        },
    }
}

/// Whether the first line of a list may be the names of its columns.
pub fn may_be_heading(line: &[u8]) -> bool {
    let text = without_comment(line);
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b' ' | b'"' | b'-');
    memchr::memchr2(b',', b'\t', text).is_some()
        || (text.iter().all(is_word) && !text.iter().any(u8::is_ascii_digit))
}

/// Nothing is left of comments, empty lines and Tor's lines about the exit that comes.
fn without_comment(line: &[u8]) -> &[u8] {
    let text = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii();
    if text.starts_with(b"//") {
        return &[];
    }
    let end = memchr::memchr2(b'#', b';', text).unwrap_or(text.len());
    let text = text.get(..end).unwrap_or_default().trim_ascii_end();
    match text.first() {
        Some(b'E' | b'P' | b'L')
            if [&b"ExitNode "[..], b"Published ", b"LastStatus "].iter().any(|tor| text.starts_with(tor)) =>
        {
            &[]
        }
        _ => text,
    }
}

fn range(text: &[u8]) -> Named {
    let found = match network(text) {
        Ok(range) => Ok(range),
        Err(Fault::NotAnAddress) => elsewhere(text),
        Err(fault) => Err(fault),
    };
    match found {
        Ok(range) => Named::Range(range),
        Err(Fault::NotAnAddress) => Named::Broken("is not an address, a prefix or a range"),
        Err(Fault::Backwards) => Named::Broken("ends before it begins"),
        Err(Fault::TooWide) => Named::Broken("is wider than a list can mean (/8, or /16 of IPv6)"),
    }
}

/// Where a line has more than an address: Tor's exits, columns, and words behind an address.
fn elsewhere(text: &[u8]) -> Result<Range, Fault> {
    if let Some(exit) = text.strip_prefix(b"ExitAddress ") {
        return network(words(exit).next().unwrap_or_default());
    }
    if memchr::memchr2(b',', b'\t', text).is_none() {
        return endpoint(words(text).next().unwrap_or_default());
    }
    let mut first = None;
    for (place, column) in columns(text).enumerate() {
        match (place, first, endpoint(column)) {
            (0, _, Ok(range)) => first = Some(range),
            // Two addresses at the beginning are the ends of a range.
            (1, Some(from), Ok(to)) if is_single(from) && is_single(to) => {
                let from = crate::address::address(columns(text).next().unwrap_or_default())?.0;
                return between(from, column);
            }
            (_, Some(first), _) => return Ok(first),
            (_, None, Err(Fault::NotAnAddress)) => {}
            (_, None, found) => return found,
        }
    }
    first.ok_or(Fault::NotAnAddress)
}

fn is_single(range: Range) -> bool {
    match range {
        Range::V4(first, last) => first == last,
        Range::V6(first, last) => first == last,
    }
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// By commas or tabs, without quotes; a quoted comma cuts too, behind everything that is looked for.
fn columns(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let by_comma = memchr::memchr(b',', text).is_some();
    let by_tab = !by_comma && memchr::memchr(b'\t', text).is_some();
    let columns = text.split(move |byte| match byte {
        b',' => by_comma,
        b'\t' => by_tab,
        b' ' => !by_comma && !by_tab,
        _ => false,
    });
    let bare = |column: &[u8]| -> bool { !column.is_empty() };
    columns.map(unquoted).filter(move |column| bare(column)).take(COLUMNS_MAX)
}

fn unquoted(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii();
    text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text).trim_ascii()
}

/// Of a TLS client, by FoxIO's definition: `q`, `t` or `d`, version, server name, counts, protocol, two digests.
pub fn ja4(text: &[u8]) -> Option<Ja4> {
    let ja4 = Ja4::try_from(text).ok()?;
    let (head, digests) = ja4.split_at_checked(10)?;
    let (ends, middle) = head.split_at_checked(4)?;
    let (counts, protocol) = middle.split_at_checked(4)?;
    let hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let sound = matches!(ends, [b't' | b'q' | b'd', version, version_end, b'd' | b'i']
            if version.is_ascii_alphanumeric() && version_end.is_ascii_alphanumeric())
        && counts.iter().all(u8::is_ascii_digit)
        && protocol.iter().all(u8::is_ascii_alphanumeric)
        && digests.chunks(13).all(|digest| {
            digest.split_first().is_some_and(|(mark, digest)| *mark == b'_' && digest.iter().all(hex))
        });
    sound.then_some(ja4)
}

/// `AS64500`; a bare number only where nothing else can be meant.
pub fn asn(text: &[u8], bare: bool) -> Option<u32> {
    let digits = text.strip_prefix(b"AS").or_else(|| text.strip_prefix(b"as"));
    let digits = digits.or(bare.then_some(text))?;
    if !(1..=10).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|asn| *asn != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str, entries: Entries) -> String {
        match named(line.as_bytes(), entries) {
            Named::Nothing => "-".to_owned(),
            Named::Range(Range::V4(first, last)) => {
                format!("{}-{}", std::net::Ipv4Addr::from(first), std::net::Ipv4Addr::from(last))
            }
            Named::Range(Range::V6(first, last)) => {
                format!("{}-{}", std::net::Ipv6Addr::from(first), std::net::Ipv6Addr::from(last))
            }
            Named::Ja4(ja4) => String::from_utf8(ja4.to_vec()).unwrap(),
            Named::Asn(asn) => format!("AS{asn}"),
            Named::Broken(why) => why.to_owned(),
        }
    }

    #[test]
    fn lines_of_published_lists_of_addresses() {
        let check = |line: &str, expect: &str| assert_eq!(shown(line, Entries::Addresses), expect, "{line}");
        let not = "is not an address, a prefix or a range";
        for nothing in ["", "  ", "# firehol_level1", "; Spamhaus DROP List", "// x", "\u{feff}# x", "\r"] {
            check(nothing, "-");
        }
        // FireHOL, blocklist.de, Tor's bulk list.
        check("192.0.2.0/24\r", "192.0.2.0-192.0.2.255");
        check("2001:db8::1", "2001:db8::1-2001:db8::1");
        // Spamhaus.
        check("192.0.2.0/24 ; SBL256894", "192.0.2.0-192.0.2.255");
        // Tor's exit list.
        check("ExitNode 0011BD2485AD45D984EC4159C88FC066E5E3300E", "-");
        check("Published 2026-11-20 10:00:00", "-");
        check("LastStatus 2026-11-20 11:00:00", "-");
        check("ExitAddress 192.0.2.9 2026-11-20 11:08:31", "192.0.2.9-192.0.2.9");
        // abuse.ch.
        check(
            r#""2021-01-17 07:44:46","192.0.2.9","4643","online","2023-02-28","Dridex""#,
            "192.0.2.9-192.0.2.9",
        );
        check("2021-01-17 07:44:46,192.0.2.9,443", "192.0.2.9-192.0.2.9");
        check(r#""2026-01-01 00:00:00", "17", "192.0.2.9:443", "ip:port""#, "192.0.2.9-192.0.2.9");
        // DShield.
        check("192.0.2.0\t192.0.2.255\t24\t4213\tNAME\tUS\tabuse@example", "192.0.2.0-192.0.2.255");
        // IPsum.
        check("192.0.2.9\t10", "192.0.2.9-192.0.2.9");
        check("192.0.2.9 10", "192.0.2.9-192.0.2.9");
        // Ranges.
        check("192.0.2.1 - 192.0.2.7", "192.0.2.1-192.0.2.7");
        check("192.0.2.1-192.0.2.7", "192.0.2.1-192.0.2.7");
        check("192.0.2.1 192.0.2.7 # x", "192.0.2.1-192.0.2.7");
        check("192.0.2.1,192.0.2.7,US", "192.0.2.1-192.0.2.7");
        // DigitalOcean.
        check("192.0.2.0/24,NL,NL-NH,Amsterdam,1105", "192.0.2.0-192.0.2.255");
        check("hello", not);
        check("see 192.0.2.1", not);
        check("AS64500", not);
        check("<html><body>192.0.2.1</body>", not);
        check("0.0.0.0/0", "is wider than a list can mean (/8, or /16 of IPv6)");
        check("192.0.2.9-192.0.2.1", "ends before it begins");
    }

    #[test]
    fn lines_of_published_lists_of_fingerprints_and_networks() {
        let check = |line: &str, entries, expect: &str| assert_eq!(shown(line, entries), expect, "{line}");
        let ja4 = "t13d1516h2_8daaf6152771_b0da82dd1658";
        check(ja4, Entries::Ja4, ja4);
        check(&format!("\"Sliver\",\"\",\"{ja4}\",t130200_1301_234ea6891581"), Entries::Ja4, ja4);
        check(&format!("{ja4} # sliver"), Entries::Ja4, ja4);
        check("t130200_1301_234ea6891581", Entries::Ja4, "is not a JA4 fingerprint");
        check("t13d1516h2_8daaf6152771_b0da82dd165X", Entries::Ja4, "is not a JA4 fingerprint");
        check("AS64500", Entries::Asns, "AS64500");
        check("as64500 ; Example", Entries::Asns, "AS64500");
        check("64500", Entries::Asns, "AS64500");
        check("64500,\"Example, Inc.\"", Entries::Asns, "AS64500");
        check("\"Example\",AS64500,7", Entries::Asns, "AS64500");
        for broken in ["0", "AS0", "AS4294967296", "Example,7", "-1"] {
            check(broken, Entries::Asns, "is not the number of a network");
        }
    }

    #[test]
    fn headings_are_headings() {
        let check = |line: &str, expect: bool| assert_eq!(may_be_heading(line.as_bytes()), expect, "{line}");
        check("\"first_seen_utc\",\"dst_ip\"", true);
        check("Start\tEnd\tNetmask", true);
        check("ip", true);
        check("ip_address", true);
        check("1.2.3", false);
        check("<!doctype html>", false);
    }
}
