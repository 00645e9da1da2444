//! Databases: countries, networks' numbers and places, in MaxMind's format or as tables.

use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;

use maxminddb::{PathElement, Reader};
use portcullis_domain::spec::{FeedFormat, Holds};

use crate::error::FeedError;
use crate::list::Limits;
use crate::report::Report;
use crate::spans::{self, Spans, Value, country_of};

/// What stands before the metadata, which are the last 128 KiB at most.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
const METADATA_BYTES_MAX: usize = 128 * 1024;
/// By which the library says so.
const UNDESCRIBED: &str = "description - Expected: non-empty map";
/// Networks that are asked for what the database is for.
const PROBES: usize = 2_000;

/// A database that was read whole.
pub struct Database(Inner);

enum Inner {
    /// A whole copy in memory: what happens to the file touches nobody.
    Mmdb(Box<Reader<Vec<u8>>>),
    Spans(Spans, Value),
}

impl Database {
    /// Reads and verifies a file.
    ///
    /// # Errors
    /// It can't be read, is damaged, or doesn't hold what it is declared for.
    pub fn read(
        mut file: File,
        holds: Holds,
        format: FeedFormat,
        limits: Limits,
    ) -> Result<(Self, Report), FeedError> {
        let bytes = file.metadata()?.len();
        if bytes > limits.bytes_max {
            return Err(FeedError::TooLong(limits.bytes_max));
        }
        let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
        file.by_ref().take(limits.bytes_max + 1).read_to_end(&mut content)?;
        match format {
            FeedFormat::Mmdb => Self::of_mmdb(content, holds),
            FeedFormat::Csv => Self::of_rows(&content, holds, limits),
            FeedFormat::Auto if is_binary(&content) => Self::of_mmdb(content, holds),
            FeedFormat::Auto => Self::of_rows(&content, holds, limits),
            FeedFormat::Addresses | FeedFormat::Ja4 | FeedFormat::Asns => {
                let hint = "leave `format` out, or say `mmdb` or `csv`";
                Err(FeedError::Foreign { what: "declared as a list's entries", hint })
            }
        }
    }

    /// Reads MaxMind's format.
    ///
    /// # Errors
    /// It is damaged, or doesn't hold what it is declared for.
    pub fn of_mmdb(content: Vec<u8>, holds: Holds) -> Result<(Self, Report), FeedError> {
        let bytes = content.len() as u64;
        if content.starts_with(&[0x1f, 0x8b]) {
            let hint = "unpack it: the `.mmdb` file is inside";
            return Err(FeedError::Foreign { what: "packed by gzip", hint });
        }
        let damaged = |error: maxminddb::MaxMindDbError| FeedError::Damaged(error.to_string());
        let reader = Reader::from_source(content).map_err(damaged)?;
        verify(&reader, holds)?;
        let metadata = reader.metadata();
        let kind: String =
            metadata.database_type.chars().filter(|letter| !letter.is_control()).take(80).collect();
        let report = Report {
            format: format!("MaxMind's, `{kind}`"),
            bytes,
            entries: u64::from(metadata.node_count),
            kept: u64::from(metadata.node_count),
            ..Report::default()
        };
        let database = Self(Inner::Mmdb(Box::new(reader)));
        let wanted = match holds {
            Holds::Country => "countries",
            Holds::Asn => "numbers of networks",
            _ => "places",
        };
        if database.has_any(holds) {
            Ok((database, report))
        } else {
            Err(FeedError::Without { wanted, kind })
        }
    }

    fn of_rows(content: &[u8], holds: Holds, limits: Limits) -> Result<(Self, Report), FeedError> {
        let value = match holds {
            Holds::Asn => Value::Asn,
            Holds::Country => Value::Country,
            _ => {
                let hint = "places come from a database in MaxMind's format";
                return Err(FeedError::Foreign { what: "text", hint });
            }
        };
        if content.starts_with(&[0x1f, 0x8b]) {
            return Err(FeedError::Foreign { what: "packed by gzip", hint: "unpack it" });
        }
        let (spans, report) = spans::read(content, value, limits)?;
        Ok((Self(Inner::Spans(spans, value)), report))
    }

    pub fn country(&self, address: IpAddr) -> Option<[u8; 2]> {
        match &self.0 {
            Inner::Mmdb(reader) => {
                // MaxMind's own, and those that have a flat record.
                let paths: [&[PathElement<'_>]; 3] = [
                    &[PathElement::Key("country"), PathElement::Key("iso_code")],
                    &[PathElement::Key("country_code")],
                    &[PathElement::Key("registered_country"), PathElement::Key("iso_code")],
                ];
                let found =
                    paths.iter().find_map(|path| country_of(text(reader, address, path)?.as_bytes()))?;
                letters(found)
            }
            Inner::Spans(spans, Value::Country) => letters(spans.of(address)?),
            Inner::Spans(..) => None,
        }
    }

    pub fn asn(&self, address: IpAddr) -> Option<u32> {
        match &self.0 {
            Inner::Mmdb(reader) => {
                let number = [PathElement::Key("autonomous_system_number")];
                let found = lookup::<u32>(reader, address, &number);
                found.filter(|asn| *asn != 0).or_else(|| {
                    crate::text::asn(text(reader, address, &[PathElement::Key("asn")])?.as_bytes(), true)
                })
            }
            Inner::Spans(spans, Value::Asn) => spans.of(address),
            Inner::Spans(..) => None,
        }
    }

    /// The name of the network of an address, for people.
    pub fn network_name(&self, address: IpAddr) -> Option<String> {
        let name = match &self.0 {
            Inner::Mmdb(reader) => {
                text(reader, address, &[PathElement::Key("autonomous_system_organization")])
                    .or_else(|| text(reader, address, &[PathElement::Key("as_name")]))?
            }
            Inner::Spans(spans, Value::Asn) => spans.name(spans.of(address)?)?,
            Inner::Spans(..) => return None,
        };
        Some(name.chars().filter(|letter| !letter.is_control()).take(120).collect())
    }

    /// Latitude and longitude in hundredths of degrees.
    pub fn place(&self, address: IpAddr) -> Option<(i16, i16)> {
        let Inner::Mmdb(reader) = &self.0 else { return None };
        let degrees = |name: &'static str| {
            let nested = [PathElement::Key("location"), PathElement::Key(name)];
            lookup::<f64>(reader, address, &nested)
                .or_else(|| lookup::<f64>(reader, address, &[PathElement::Key(name)]))
        };
        let (latitude, longitude) = (degrees("latitude")?, degrees("longitude")?);
        let is_place = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
        is_place.then(|| ((latitude * 100.0).round() as i16, (longitude * 100.0).round() as i16))
    }

    /// Whether any of the first networks has what it is for: a mistaken kind is told, and not silent.
    fn has_any(&self, holds: Holds) -> bool {
        let Inner::Mmdb(reader) = &self.0 else { return true };
        let Ok(networks) = reader.networks(maxminddb::WithinOptions::default()) else { return false };
        networks.take(PROBES).filter_map(|found| Some(found.ok()?.network().ok()?.ip())).any(|address| {
            match holds {
                Holds::Country => self.country(address).is_some(),
                Holds::Asn => self.asn(address).is_some(),
                _ => self.place(address).is_some(),
            }
        })
    }
}

/// Every node and every record. Some publishers leave the description out, which the library takes for damage before it
/// looks any further: then every record is read here.
fn verify(reader: &Reader<Vec<u8>>, holds: Holds) -> Result<(), FeedError> {
    let damaged = |error: maxminddb::MaxMindDbError| FeedError::Damaged(error.to_string());
    match reader.verify() {
        Ok(()) => Ok(()),
        Err(error) if error.to_string().contains(UNDESCRIBED) => {
            let path: &[PathElement<'_>] = match holds {
                Holds::Asn => &[PathElement::Key("autonomous_system_number")],
                Holds::Place => &[PathElement::Key("latitude")],
                _ => &[PathElement::Key("country_code")],
            };
            let mut all = reader.networks(maxminddb::WithinOptions::default()).map_err(damaged)?;
            all.try_for_each(|network| network?.decode_path::<serde::de::IgnoredAny>(path).map(|_| ()))
                .map_err(damaged)
        }
        Err(error) => Err(damaged(error)),
    }
}

fn lookup<'a, T: serde::Deserialize<'a>>(
    reader: &'a Reader<Vec<u8>>,
    address: IpAddr,
    path: &[PathElement<'_>],
) -> Option<T> {
    reader.lookup(address.to_canonical()).ok()?.decode_path(path).ok()?
}

fn text<'a>(reader: &'a Reader<Vec<u8>>, address: IpAddr, path: &[PathElement<'_>]) -> Option<&'a str> {
    lookup(reader, address, path)
}

fn letters(packed: u32) -> Option<[u8; 2]> {
    u16::try_from(packed).ok().map(u16::to_be_bytes)
}

fn is_binary(content: &[u8]) -> bool {
    let end = content.get(content.len().saturating_sub(METADATA_BYTES_MAX)..).unwrap_or_default();
    memchr::memmem::find(end, MARKER).is_some() || content.iter().take(4_096).any(|byte| *byte == 0)
}
