//! Lists: what they hold, and how they are read.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek as _};
use std::net::IpAddr;
use std::os::unix::fs::FileExt as _;

use portcullis_domain::spec::FeedFormat;
use portcullis_risk::Listed;

use crate::error::FeedError;
use crate::gathered::Gathered;
use crate::json;
use crate::lines::Lines;
use crate::networks::{Expected, Networks};
use crate::pieces::from_lines;
use crate::report::Report;
use crate::text::{Entries, Ja4, Named, named};

/// How much of a list is looked at to find out what it is.
const HEAD_BYTES: usize = 64 * 1024;
const HEAD_LINES: usize = 100;
/// Smaller files aren't counted before they are read.
const COUNTED_BYTES_MIN: u64 = 4 * 1024 * 1024;
/// Of larger ones only samples are counted: reading them twice would take a quarter of the time.
const SAMPLED_BYTES_MIN: u64 = 64 * 1024 * 1024;
const SAMPLES: u64 = 256;
/// How much more than the samples say is asked for; what isn't written takes no memory.
const SLACK: u64 = 20;
/// An address of IPv6, its bits and the end of its line.
const V6_LINE_BYTES_MAX: usize = 45;

/// How much a list may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    pub bytes_max: u64,
    pub entries_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes_max: 512 * 1024 * 1024, entries_max: 16 * 1024 * 1024 }
    }
}

/// A list that was read.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct List {
    pub networks: Networks,
    /// Sorted.
    pub(crate) ja4: Vec<Ja4>,
    /// Sorted.
    pub(crate) asns: Vec<u32>,
}

impl List {
    pub fn has_address(&self, address: IpAddr) -> bool {
        self.networks.contains(address)
    }

    pub fn has_ja4(&self, ja4: &str) -> bool {
        Ja4::try_from(ja4.as_bytes()).is_ok_and(|ja4| self.ja4.binary_search(&ja4).is_ok())
    }

    pub fn has_asn(&self, asn: u32) -> bool {
        self.asns.binary_search(&asn).is_ok()
    }

    /// Whether it is about TLS clients, and not about addresses.
    pub fn is_of_ja4(&self) -> bool {
        !self.ja4.is_empty()
    }

    pub(crate) fn names_address(&self, address: IpAddr, asn: Option<u32>, kind: Listed) -> Listed {
        let named = self.has_address(address) || asn.is_some_and(|asn| self.has_asn(asn));
        if named { kind } else { Listed::default() }
    }

    pub(crate) fn kept(&self) -> usize {
        self.networks.ranges() + self.ja4.len() + self.asns.len()
    }
}

/// Reads a list from a file that is counted first, so that memory is asked for once.
///
/// # Errors
/// It can't be read, is no list, or too much of it is broken.
pub fn read_list_file(
    mut file: File,
    format: FeedFormat,
    limits: Limits,
) -> Result<(List, Report), FeedError> {
    let bytes = file.metadata()?.len();
    if bytes > limits.bytes_max {
        return Err(FeedError::TooLong(limits.bytes_max));
    }
    let expected = match bytes {
        0..COUNTED_BYTES_MIN => Expected::default(),
        COUNTED_BYTES_MIN..SAMPLED_BYTES_MIN => {
            let expected = count(&file)?;
            file.rewind()?;
            expected
        }
        _ => sampled(&file, bytes)?,
    };
    let expected = expected.at_most(limits.entries_max);
    read(file, format, limits, expected)
}

/// Reads a list.
///
/// # Errors
/// It can't be read, is no list, or too much of it is broken.
pub fn read_list(reader: impl Read, format: FeedFormat, limits: Limits) -> Result<(List, Report), FeedError> {
    read(reader, format, limits, Expected::default())
}

fn read(
    mut reader: impl Read,
    format: FeedFormat,
    limits: Limits,
    expected: Expected,
) -> Result<(List, Report), FeedError> {
    match format {
        FeedFormat::Mmdb => return Err(FeedError::WrongFormat("mmdb")),
        FeedFormat::Csv => return Err(FeedError::WrongFormat("csv")),
        _ => {}
    }
    let mut head = Vec::new();
    reader.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    let container = container(&head)?;
    let entries = Entries::declared(format);
    let mut whole =
        Bounded { reader: Cursor::new(&head).chain(reader), read: 0, bytes_max: limits.bytes_max };
    let gathered = match container {
        Container::Json => from_json(&mut whole, entries, limits),
        Container::Lines => {
            let entries = entries.unwrap_or_else(|| likely(&head));
            from_lines(&mut whole, entries, limits, expected)
        }
    };
    // What was beyond the limit is the cause of whatever came of it.
    if whole.read > limits.bytes_max {
        return Err(FeedError::TooLong(limits.bytes_max));
    }
    let mut gathered = gathered?;
    gathered.report.bytes = whole.read;
    gathered.finish()
}

enum Container {
    Lines,
    Json,
}

fn container(head: &[u8]) -> Result<Container, FeedError> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let foreign = |what, hint| Err(FeedError::Foreign { what, hint });
    match text {
        [b'{' | b'[', ..] => Ok(Container::Json),
        [b'<', ..] => {
            foreign("a web page", "look at the address with a browser: it may have moved, or want a login")
        }
        [0x1f, 0x8b, ..] => foreign("packed by gzip", "unpack it"),
        [b'P', b'K', 3, 4, ..] => foreign("packed by zip", "unpack it"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => foreign("packed by zstd", "unpack it"),
        _ if memchr::memchr(0, head).is_some() => {
            foreign("binary", "say what a database holds by `holds`: country, asn or place")
        }
        _ => Ok(Container::Lines),
    }
}

/// What most of the first lines are.
fn likely(head: &[u8]) -> Entries {
    let lines: Vec<&[u8]> = head
        .split(|byte| *byte == b'\n')
        .filter(|line| named(line, Entries::Addresses) != Named::Nothing)
        .take(HEAD_LINES)
        .collect();
    let good = |entries: &Entries| {
        lines.iter().filter(|line| !matches!(named(line, *entries), Named::Broken(_))).count()
    };
    // The last of those that are equal wins, and addresses shall.
    Entries::ALL.into_iter().rev().max_by_key(good).unwrap_or(Entries::Addresses)
}

fn from_json(reader: impl Read, entries: Option<Entries>, limits: Limits) -> Result<Gathered, FeedError> {
    let mut gathered = Gathered::new(limits, Expected::default());
    json::read(io::BufReader::with_capacity(HEAD_BYTES, reader), &mut gathered).map_err(|error| {
        if gathered.is_full { FeedError::TooMany(limits.entries_max) } else { FeedError::Json(error) }
    })?;
    // Lists of addresses often name their networks too: the first of these that there is, unless it was declared.
    let found = [
        (Entries::Addresses, gathered.ranges > 0),
        (Entries::Ja4, !gathered.list.ja4.is_empty()),
        (Entries::Asns, !gathered.list.asns.is_empty()),
    ];
    let first = found.into_iter().find_map(|(entries, any)| any.then_some(entries));
    let entries = entries.or(first).unwrap_or(Entries::Addresses);
    if entries != Entries::Addresses {
        gathered.list.networks = Networks::default();
        gathered.ranges = 0;
        gathered.report.reserved = 0;
    }
    if entries != Entries::Ja4 {
        gathered.list.ja4 = Vec::new();
    }
    if entries != Entries::Asns {
        gathered.list.asns = Vec::new();
    }
    gathered.report.format = format!("{}, JSON", entries.as_str());
    Ok(gathered)
}

/// How many lines may hold what; a guess that costs little, for the memory that is asked for.
fn count(reader: impl Read) -> io::Result<Expected> {
    let mut expected = Expected::default();
    let mut lines = Lines::new(reader);
    while let Some((_, line)) = lines.next()? {
        let Some(first) = line.text.first().filter(|first| !matches!(first, b'#' | b';')) else { continue };
        if memchr::memchr(b':', line.text).is_none() {
            expected.v4 += usize::from(first.is_ascii_digit());
        } else if first.is_ascii_hexdigit() && line.text.len() <= V6_LINE_BYTES_MAX {
            let bits = memchr::memchr(b'/', line.text).and_then(|place| line.text.get(place..));
            match bits.map(<[u8]>::trim_ascii_end) {
                None | Some(b"/128") => expected.v6_single += 1,
                Some([b'/', _] | [b'/', b'1'..=b'5', _] | [b'/', b'6', b'0'..=b'4']) => expected.v6_wide += 1,
                Some(_) => {}
            }
        }
    }
    Ok(expected)
}

/// The same of a large file, by pieces of it.
fn sampled(file: &File, bytes: u64) -> io::Result<Expected> {
    let mut piece = vec![0; HEAD_BYTES];
    let mut found = Expected::default();
    let mut looked = 0;
    for number in 0..SAMPLES {
        let length = file.read_at(&mut piece, bytes / SAMPLES * number)?;
        let text = piece.get(..length).unwrap_or_default();
        // Broken off lines are no entries of their own.
        let begin = memchr::memchr(b'\n', text).map_or(length, |end| end + 1);
        let end = memchr::memrchr(b'\n', text).map_or(begin, |end| end + 1);
        let whole = text.get(begin..end).unwrap_or_default();
        let of_piece = count(whole)?;
        found.v4 += of_piece.v4;
        found.v6_wide += of_piece.v6_wide;
        found.v6_single += of_piece.v6_single;
        looked += whole.len() as u64;
    }
    let in_all = |found: usize| {
        let entries = (found as u64).saturating_mul(bytes) / looked.max(1);
        usize::try_from(entries + entries / SLACK).unwrap_or(usize::MAX)
    };
    Ok(Expected { v4: in_all(found.v4), v6_wide: in_all(found.v6_wide), v6_single: in_all(found.v6_single) })
}

/// Ends a little behind its limit, and knows it.
struct Bounded<R> {
    reader: R,
    read: u64,
    bytes_max: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read > self.bytes_max {
            return Ok(0);
        }
        let read = self.reader.read(buffer)?;
        self.read += read as u64;
        Ok(read)
    }
}
