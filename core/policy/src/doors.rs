//! Doors: ports of the gate that are one integration's alone.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use crate::facts::IntegrationFacts;

/// By which one a connection came, or where an integration is served; none is the common one. As large as its port, so
/// that comparing two of them is comparing integers.
pub type Door = Option<NonZeroU16>;

/// Those of a snapshot, with what clients may take for the gate's origin there: the public ones, and the same with the
/// door's port.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Doors(BTreeMap<NonZeroU16, Vec<String>>);

impl Doors {
    #[must_use]
    pub fn of(integrations: &[IntegrationFacts], public_origins: &[String]) -> Self {
        let own = |of: &IntegrationFacts| {
            let port = of.door?;
            let here = public_origins.iter().map(|origin| at_port(origin, port));
            let mut origins = public_origins.to_vec();
            origins.extend(here.filter(|origin| !public_origins.contains(origin)));
            Some((port, origins))
        };
        Self(integrations.iter().filter_map(own).collect())
    }

    pub fn ports(&self) -> impl Iterator<Item = NonZeroU16> {
        self.0.keys().copied()
    }

    pub(crate) fn origins(&self, port: NonZeroU16) -> Option<&[String]> {
        self.0.get(&port).map(Vec::as_slice)
    }
}

/// The same origin at another port.
#[must_use]
pub fn at_port(origin: &str, port: NonZeroU16) -> String {
    let (scheme, rest) = origin.split_once("://").unwrap_or(("https", origin));
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    // Behind the bracket of an IPv6 address.
    let name_end = authority.rfind(']').map_or(0, |bracket| bracket.saturating_add(1));
    let colon =
        authority.get(name_end..).and_then(|tail| tail.find(':')).map(|at| name_end.saturating_add(at));
    let host = colon.and_then(|colon| authority.get(..colon)).unwrap_or(authority);
    match (scheme, port.get()) {
        ("https", 443) => format!("{scheme}://{host}{path}"),
        (_, port) => format!("{scheme}://{host}:{port}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_keeps_all_but_its_port() {
        for (origin, port, expect) in [
            ("https://gate.example", 8_451, "https://gate.example:8451"),
            ("https://gate.example:8443", 8_451, "https://gate.example:8451"),
            ("https://gate.example:8443/", 8_451, "https://gate.example:8451/"),
            ("https://[2001:db8::1]:8443", 8_451, "https://[2001:db8::1]:8451"),
            ("https://[2001:db8::1]", 8_451, "https://[2001:db8::1]:8451"),
            ("https://gate.example:8443", 443, "https://gate.example"),
        ] {
            assert_eq!(at_port(origin, NonZeroU16::new(port).unwrap()), expect, "{origin} {port}");
        }
    }

    #[test]
    fn comparing_doors_is_comparing_integers() {
        assert_eq!(size_of::<Door>(), size_of::<u16>());
    }
}
