//! One logged request, whatever log it is from.

use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;

/// A request with its answer, as far as a log holds them.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Call {
    /// Microseconds since the Unix epoch.
    pub at_us: i64,
    /// Who: the principal, and not one of its sessions.
    pub client: String,
    /// The key that it used, where the log tells keys apart.
    pub key: Option<String>,
    pub source: Option<Source>,
    /// What tells TLS clients apart: a JA4, or the products of the user agent in its place.
    pub tls: Option<TlsClient>,
    /// Method and template.
    pub endpoint: String,
    /// 0 where the log has none.
    pub status: u16,
    pub request_bytes: u64,
    pub response_bytes: u64,
    pub records: Option<u64>,
    /// Hash of what is asked for.
    pub object: Option<u32>,
    /// Age of the credential in use.
    pub token_age_seconds: Option<u32>,
}

/// Where it came from.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Source {
    Address(IpAddr),
    Name(String),
}

impl Source {
    /// An address if it is one; the name otherwise. An IPv4 address in IPv6 clothes is an IPv4 address.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() || text == "-" {
            return None;
        }
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        Some(match bare.parse::<IpAddr>() {
            Ok(address) => Self::Address(address.to_canonical()),
            Err(_) => Self::Name(text.to_owned()),
        })
    }

    /// The /24 or /48 that it lies in, or its name.
    #[must_use]
    pub fn prefix(&self) -> String {
        match self {
            Self::Address(IpAddr::V4(address)) => {
                let [a, b, c, _] = address.octets();
                format!("{a}.{b}.{c}.0/24")
            }
            Self::Address(IpAddr::V6(address)) => {
                let [a, b, c, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}::/48")
            }
            Self::Name(name) => name.clone(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// What tells TLS clients apart.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum TlsClient {
    Ja4(String),
    /// Products of a user agent: anybody can write it, so it stands in for the fingerprint and no more.
    Agent(String),
}

impl TlsClient {
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ja4(text) | Self::Agent(text) => text,
        }
    }
}

/// A line that can't be read as what it should be, and why.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub String);

impl Broken {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// What a line came to.
#[derive(Clone, PartialEq, Debug)]
pub enum Parsed {
    Call(Call),
    Passed(Passed),
}

/// Lines that are sound and are no request of a client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Passed {
    /// It names nobody.
    Nobody,
    /// The provider's own services made it.
    Provider,
    /// Another line tells the end of the same request.
    NoEnd,
}

impl Passed {
    pub const ALL: [Self; 3] = [Self::Nobody, Self::Provider, Self::NoEnd];

    /// What such lines are.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Nobody => "name no client",
            Self::Provider => "were made by the provider's own services",
            Self::NoEnd => "tell no end of a request",
        }
    }
}

/// Logs begin after this second, and end before that one: other times are none.
const SECONDS: std::ops::Range<i64> = 631_152_000..4_102_444_800;

/// Of an RFC 3339 text.
pub(crate) fn instant(text: &str) -> Result<i64, Broken> {
    let at: Timestamp =
        text.parse().map_err(|_| Broken::new(format!("`{}` is no RFC 3339 time", clipped(text))))?;
    sensible(at.as_microsecond())
}

pub(crate) fn sensible(at_us: i64) -> Result<i64, Broken> {
    match SECONDS.contains(&at_us.div_euclid(1_000_000)) {
        true => Ok(at_us),
        false => Err(Broken::new("its time is before 1990 or after 2099")),
    }
}

/// What is told of a text: never much, and nothing that a terminal acts on.
pub(crate) fn clipped(text: &str) -> String {
    text.chars().take(60).map(printable).collect()
}

/// Control characters, and those that turn the direction of text around, become a mark.
pub(crate) fn printable(character: char) -> char {
    let turns =
        matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if character.is_control() || turns { '\u{fffd}' } else { character }
}
