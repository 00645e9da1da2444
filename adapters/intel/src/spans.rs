//! Tables of who has which addresses, from rows of first address, last address and value.

use std::collections::HashMap;
use std::io::Read;
use std::net::IpAddr;

use crate::address::{Address, address, network};
use crate::error::FeedError;
use crate::lines::Lines;
use crate::list::Limits;
use crate::networks::Range;
use crate::report::Report;
use crate::text::asn;

/// Columns that are looked at.
const COLUMNS: usize = 8;
/// Bytes of a network's name.
const NAME_BYTES_MAX: usize = 128;
const BROKEN_PERCENT_MAX: u64 = 10;

/// What the rows say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value {
    Asn,
    Country,
}

/// Rows sorted by their first address, none of which overlap.
#[derive(Default, Debug)]
pub struct Spans {
    v4: Vec<(u32, u32, u32)>,
    v6: Vec<(u128, u128, u32)>,
    /// Names of networks, by number.
    names: Vec<(u32, Box<str>)>,
}

impl Spans {
    /// The number of the network, or the two letters of the country.
    pub fn of(&self, address: IpAddr) -> Option<u32> {
        match address.to_canonical() {
            IpAddr::V4(address) => find(&self.v4, u32::from(address)),
            IpAddr::V6(address) => find(&self.v6, u128::from(address)),
        }
    }

    pub fn name(&self, asn: u32) -> Option<&str> {
        let place = self.names.binary_search_by_key(&asn, |(asn, _)| *asn).ok()?;
        self.names.get(place).map(|(_, name)| &**name)
    }

    pub fn rows(&self) -> usize {
        self.v4.len() + self.v6.len()
    }
}

/// Two letters in a number.
pub fn country_of(text: &[u8]) -> Option<u32> {
    match text {
        [first, second] if first.is_ascii_alphabetic() && second.is_ascii_alphabetic() => {
            Some(u32::from(u16::from_be_bytes([first.to_ascii_uppercase(), second.to_ascii_uppercase()])))
        }
        _ => None,
    }
}

/// Reads CSV or TSV: `first,last,VALUE[,name]` or `network,VALUE[,name]`, as iptoasn.com, ip-location-db and
/// GeoLite2's CSV have it.
///
/// # Errors
/// It can't be read, or too much of it is broken.
pub fn read(reader: impl Read, value: Value, limits: Limits) -> Result<(Spans, Report), FeedError> {
    let mut spans = Spans::default();
    let mut names: HashMap<u32, Box<str>> = HashMap::new();
    let what = if value == Value::Asn { "numbers of networks" } else { "countries" };
    let mut report = Report { format: format!("{what}, CSV"), ..Report::default() };
    let mut lines = Lines::new(reader);
    let mut first = true;
    while let Some((number, line)) = lines.next()? {
        report.bytes += line.text.len() as u64 + 1;
        if report.bytes > limits.bytes_max {
            return Err(FeedError::TooLong(limits.bytes_max));
        }
        if line.text.is_empty() || line.text.starts_with(b"#") {
            continue;
        }
        report.unended = !line.ended;
        match row(line.text, value) {
            Some(Row::Nobody) => {}
            Some(Row::Of { range, value, name }) => {
                spans.add(range, value);
                if !name.is_empty() {
                    names.entry(value).or_insert_with(|| name_of(name));
                }
            }
            None if first => {}
            None => report.broken(number, line.text, "is not a row of addresses and a value"),
        }
        first = false;
        if spans.rows() > limits.entries_max {
            return Err(FeedError::TooMany(limits.entries_max));
        }
    }
    report.entries = spans.rows() as u64;
    let overlapping = settle(&mut spans.v4) + settle(&mut spans.v6);
    if overlapping > 0 {
        report.broken(0, format!("{overlapping} rows").as_bytes(), "overlap others, and are left out");
        report.broken += overlapping - 1;
    }
    report.kept = spans.rows() as u64;
    spans.names = names.into_iter().collect();
    spans.names.sort_unstable();
    match report.first_broken.first() {
        Some(first) if report.kept == 0 || report.broken * 100 > report.entries * BROKEN_PERCENT_MAX => {
            let lines = report.entries + report.broken;
            Err(FeedError::Broken { broken: report.broken, lines, first: first.clone() })
        }
        None if report.kept == 0 => Err(FeedError::Empty),
        _ => Ok((spans, report)),
    }
}

impl Spans {
    fn add(&mut self, range: Range, value: u32) {
        match range {
            Range::V4(first, last) => self.v4.push((first, last, value)),
            Range::V6(first, last) => self.v6.push((first, last, value)),
        }
    }
}

enum Row<'a> {
    Of {
        range: Range,
        value: u32,
        name: &'a [u8],
    },
    /// Addresses that are routed by nobody.
    Nobody,
}

fn row(line: &[u8], value: Value) -> Option<Row<'_>> {
    let mut columns: [&[u8]; COLUMNS] = [&[]; COLUMNS];
    let mut rest = line.trim_ascii();
    let separator = if memchr::memchr(b'\t', rest).is_some() { b'\t' } else { b',' };
    for column in &mut columns {
        (*column, rest) = next_column(rest, separator);
    }
    let [first, second, third, fourth, fifth, ..] = columns;
    // iptoasn.com: first, last, number, country, name.
    let is_tsv = separator == b'\t';
    let (range, found, name) = if memchr::memchr(b'/', first).is_some() {
        (network(first).ok()?, second, third)
    } else {
        let (from, rest) = address(first).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let range = wide_between(from, second)?;
        match value {
            Value::Country if is_tsv && !fourth.is_empty() => (range, fourth, &[][..]),
            _ => (range, third, if is_tsv { fifth } else { fourth }),
        }
    };
    match value {
        Value::Asn if matches!(found, b"0" | b"AS0" | b"") => Some(Row::Nobody),
        Value::Asn => Some(Row::Of { range, value: asn(found, true)?, name }),
        Value::Country if matches!(found, b"" | b"None" | b"ZZ" | b"-") => Some(Row::Nobody),
        Value::Country => Some(Row::Of { range, value: country_of(found)?, name: &[] }),
    }
}

/// In a table a row may be wider than an entry of a list.
fn wide_between(first: Address, last: &[u8]) -> Option<Range> {
    match (first, address(last).ok()?) {
        (Address::V4(first), (Address::V4(last), [])) if first <= last => Some(Range::V4(first, last)),
        (Address::V6(first), (Address::V6(last), [])) if first <= last => Some(Range::V6(first, last)),
        _ => None,
    }
}

/// A column, and what is behind its separator; quotes hold separators.
fn next_column(text: &[u8], separator: u8) -> (&[u8], &[u8]) {
    if let Some(quoted) = text.strip_prefix(b"\"")
        && let Some(end) = memchr::memchr(b'"', quoted)
        && let Some((column, rest)) = quoted.split_at_checked(end)
    {
        let rest = rest.get(1..).unwrap_or_default();
        return (column, rest.strip_prefix(&[separator]).unwrap_or(rest));
    }
    match memchr::memchr(separator, text).and_then(|end| text.split_at_checked(end)) {
        Some((column, rest)) => (column.trim_ascii(), rest.get(1..).unwrap_or_default()),
        None => (text.trim_ascii(), &[]),
    }
}

fn name_of(name: &[u8]) -> Box<str> {
    let name = name.get(..NAME_BYTES_MAX).unwrap_or(name);
    String::from_utf8_lossy(name).chars().filter(|letter| !letter.is_control()).collect::<String>().into()
}

/// Sorts rows, and leaves out those that begin within another one; says how many.
fn settle<A: Copy + Ord>(rows: &mut Vec<(A, A, u32)>) -> u64 {
    rows.sort_unstable();
    let before = rows.len();
    rows.dedup_by(|next, kept| next.0 <= kept.1);
    rows.shrink_to_fit();
    (before - rows.len()) as u64
}

fn find<A: Copy + Ord>(rows: &[(A, A, u32)], address: A) -> Option<u32> {
    let after = rows.partition_point(|(first, ..)| *first <= address);
    let (_, last, value) = rows.get(after.checked_sub(1)?)?;
    (address <= *last).then_some(*value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str, value: Value) -> Result<(Spans, Report), FeedError> {
        read(text.as_bytes(), value, Limits::default())
    }

    #[test]
    fn rows_of_published_tables() {
        let check = |text: &str, value, address: &str, expect: Option<u32>| {
            let (spans, _) = read_text(text, value).unwrap();
            assert_eq!(spans.of(address.parse().unwrap()), expect, "{text} {address}");
        };
        // ip-location-db
        let text = "192.0.2.0,192.0.2.255,64500,\"Example, Inc.\"\n2001:db8::,2001:db8::ffff,64501,B\n";
        check(text, Value::Asn, "192.0.2.255", Some(64_500));
        check(text, Value::Asn, "192.0.3.0", None);
        check(text, Value::Asn, "2001:db8::1", Some(64_501));
        check(text, Value::Asn, "::ffff:192.0.2.1", Some(64_500));
        let (spans, report) = read_text(text, Value::Asn).unwrap();
        assert_eq!(
            (spans.name(64_500), spans.name(64_501), spans.name(1)),
            (Some("Example, Inc."), Some("B"), None)
        );
        assert_eq!((report.entries, report.kept, report.broken), (2, 2, 0));
        // GeoLite2-ASN-Blocks
        let text =
            "network,autonomous_system_number,autonomous_system_organization\n192.0.2.0/24,64500,\"E\"\n";
        check(text, Value::Asn, "192.0.2.9", Some(64_500));
        // iptoasn.com
        let text =
            "0.0.0.0\t0.255.255.255\t0\tNone\tNot routed\n192.0.2.0\t192.0.2.255\t64500\tDE\tEXAMPLE\n";
        check(text, Value::Asn, "192.0.2.9", Some(64_500));
        check(text, Value::Asn, "0.0.0.1", None);
        check(text, Value::Country, "192.0.2.9", country_of(b"DE"));
        check("192.0.2.0,192.0.2.255,de\n", Value::Country, "192.0.2.9", country_of(b"DE"));
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let check = |text: &str, expect: &str| {
            let error = read_text(text, Value::Asn).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check("", "no entry");
        check("a,b,c\nd,e,f\ng,h,i\n", "2 of 2 entries are broken");
        check("192.0.2.9,192.0.2.0,64500\n192.0.2.9,192.0.2.0,64500\n", "1 of 1 entries are broken");
        let overlapping = "192.0.2.0,192.0.2.255,1\n192.0.2.9,192.0.2.9,2\n";
        check(overlapping, "1 rows");
    }
}
