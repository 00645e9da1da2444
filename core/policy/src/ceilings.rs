//! What an integration's contract allows at the most, as the gate compares each request with it.

use std::collections::HashSet;
use std::net::IpAddr;

use portcullis_domain::ids::RouteId;
use portcullis_domain::network_pattern::NetworkPattern;
use portcullis_domain::reason::Reason;
use portcullis_risk::{Known, Origin};
use serde::{Deserialize, Serialize};

/// As a gate is told. What isn't there sets no ceiling.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct CeilingFacts {
    /// Over all clients, on one UTC day.
    pub records_per_day: Option<u64>,
    pub routes: Option<Vec<RouteId>>,
    /// ISO 3166-1 alpha-2.
    pub countries: Option<Vec<String>>,
    /// Those that clauses of the contract name. They stand in `countries` too; apart, it is known what a call breaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clause_countries: Option<Vec<String>>,
    /// Prefixes, and `AS` with a number.
    pub networks: Option<Vec<String>>,
    /// A clause wants TLS 1.3.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tls13: bool,
}

/// The same as it is compared with; records are counted elsewhere.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Ceilings {
    routes: Option<HashSet<RouteId>>,
    countries: Option<HashSet<[u8; 2]>>,
    clause_countries: Option<HashSet<[u8; 2]>>,
    networks: Option<Vec<NetworkPattern>>,
    tls13: bool,
}

/// Where a call comes from, and how.
#[derive(Clone, Copy, Debug)]
pub struct Whence<'a> {
    pub address: IpAddr,
    pub origin: &'a Origin,
    /// Of TLS, not an older version.
    pub tls13: bool,
}

impl Ceilings {
    /// What can't be read allows nothing: control takes none of that kind.
    #[must_use]
    pub fn of(facts: &CeilingFacts) -> Self {
        let country = |code: &String| <[u8; 2]>::try_from(code.as_bytes()).ok();
        let countries = |codes: &Option<Vec<String>>| {
            codes.as_ref().map(|codes| codes.iter().filter_map(country).collect())
        };
        Self {
            routes: facts.routes.as_ref().map(|routes| routes.iter().copied().collect()),
            countries: countries(&facts.countries),
            clause_countries: countries(&facts.clause_countries),
            networks: facts
                .networks
                .as_ref()
                .map(|networks| networks.iter().filter_map(|network| network.parse().ok()).collect()),
            tls13: facts.tls13,
        }
    }

    /// Whether a call on `route` lies under them.
    ///
    /// # Errors
    /// The first that it lies above. What isn't known lies above a ceiling that needs it.
    pub fn check(&self, route: RouteId, whence: Whence<'_>) -> Result<(), Reason> {
        let Whence { address, origin, tls13 } = whence;
        if self.tls13 && !tls13 {
            return Err(Reason::ClauseTls);
        }
        if let (Some(countries), Known::Is(country)) = (&self.clause_countries, origin.country)
            && !countries.contains(&country)
        {
            return Err(Reason::ClauseCountry);
        }
        if self.routes.as_ref().is_some_and(|routes| !routes.contains(&route)) {
            return Err(Reason::CeilingRoute);
        }
        if let Some(countries) = &self.countries {
            match origin.country {
                Known::Is(country) if countries.contains(&country) => {}
                Known::Is(_) => return Err(Reason::CeilingCountry),
                Known::NoData(_) => return Err(Reason::CeilingCountryUnknown),
            }
        }
        let Some(networks) = &self.networks else { return Ok(()) };
        let system = origin.asn.value();
        if networks.iter().any(|network| network.holds(address, system)) {
            return Ok(());
        }
        let unknown = system.is_none() && networks.iter().any(|network| network.is_system());
        Err(if unknown { Reason::CeilingNetworkUnknown } else { Reason::CeilingNetwork })
    }
}

#[cfg(test)]
mod tests {
    use portcullis_risk::Missing;
    use uuid::Uuid;

    use super::*;

    const MISSING: Missing = Missing::NoDatabase;

    fn origin(country: Option<&[u8; 2]>, asn: Option<u32>) -> Origin {
        Origin {
            country: country.map_or(Known::NoData(MISSING), |country| Known::Is(*country)),
            asn: asn.map_or(Known::NoData(MISSING), Known::Is),
            ..Origin::UNKNOWN
        }
    }

    #[test]
    fn a_call_lies_under_every_ceiling_or_the_first_that_it_is_above_is_named() {
        let route = |number| RouteId(Uuid::from_u128(number));
        let texts = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect());
        let none = CeilingFacts::default;
        let routes = CeilingFacts { routes: Some(vec![route(1)]), ..none() };
        let countries = CeilingFacts { countries: texts(&["DE", "AT"]), ..none() };
        let clause = CeilingFacts { clause_countries: texts(&["AT"]), ..countries.clone() };
        let prefix = CeilingFacts { networks: texts(&["192.0.2.0/24"]), ..none() };
        let system = CeilingFacts { networks: texts(&["AS64500", "2001:db8::/32"]), ..none() };
        let unreadable = CeilingFacts { networks: texts(&["everything"]), ..none() };
        let all = CeilingFacts {
            routes: routes.routes.clone(),
            countries: countries.countries.clone(),
            ..prefix.clone()
        };
        let (inside, outside, six) = ("192.0.2.7", "198.51.100.7", "2001:db8::7");
        let (unknown, german, french) =
            (origin(None, None), origin(Some(b"DE"), None), origin(Some(b"FR"), None));
        let table = [
            (&none(), 2, outside, unknown, Ok(())),
            (&routes, 1, outside, unknown, Ok(())),
            (&routes, 2, outside, unknown, Err(Reason::CeilingRoute)),
            (&countries, 2, outside, german, Ok(())),
            (&countries, 2, outside, french, Err(Reason::CeilingCountry)),
            (&countries, 2, outside, unknown, Err(Reason::CeilingCountryUnknown)),
            // What a clause names is told first, whatever the integration names.
            (&clause, 2, outside, german, Err(Reason::ClauseCountry)),
            (&clause, 2, outside, french, Err(Reason::ClauseCountry)),
            (&clause, 2, outside, origin(Some(b"AT"), None), Ok(())),
            (&clause, 2, outside, unknown, Err(Reason::CeilingCountryUnknown)),
            (&prefix, 2, inside, unknown, Ok(())),
            (&prefix, 2, outside, unknown, Err(Reason::CeilingNetwork)),
            (&system, 2, outside, origin(None, Some(64_500)), Ok(())),
            (&system, 2, six, unknown, Ok(())),
            (&system, 2, outside, origin(None, Some(64_501)), Err(Reason::CeilingNetwork)),
            (&system, 2, outside, unknown, Err(Reason::CeilingNetworkUnknown)),
            (&unreadable, 2, inside, unknown, Err(Reason::CeilingNetwork)),
            (&all, 1, inside, german, Ok(())),
            (&all, 2, outside, french, Err(Reason::CeilingRoute)),
            (&all, 1, outside, french, Err(Reason::CeilingCountry)),
            (&all, 1, outside, german, Err(Reason::CeilingNetwork)),
        ];
        for (facts, number, address, origin, expect) in table {
            let ceilings = Ceilings::of(facts);
            let address = address.parse().unwrap();
            assert_eq!(
                ceilings.check(route(number), Whence { address, origin: &origin, tls13: true }),
                expect,
                "{facts:?} {address} {origin:?}"
            );
        }
        let clause = Ceilings::of(&CeilingFacts { tls13: true, ..none() });
        for (tls13, expect) in [(true, Ok(())), (false, Err(Reason::ClauseTls))] {
            let address = inside.parse().unwrap();
            assert_eq!(clause.check(route(1), Whence { address, origin: &unknown, tls13 }), expect);
        }
    }
}
