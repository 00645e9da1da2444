//! From where a client speaks, as its risk is judged by: worked out once for each connection, and once for each token on it.

use std::net::IpAddr;
use std::rc::Rc;

use aws_lc_rs::digest::{Context as Digest, SHA256};
use portcullis_risk::{Context, IssuedIn, Known, Listed, Missing, Origin, OriginSource};
use portcullis_tokens::session::{network_of, session_id};

use crate::connection::Greeting;
use crate::identify::KnownToken;

/// Where a connection comes from.
#[derive(Debug)]
pub struct Place {
    /// As sessions name it: the autonomous system, or the /24 or /48 without data.
    pub network: String,
    /// The /24 or /48.
    pub prefix: String,
    pub origin: Origin,
    /// Lists that name the JA4.
    pub listed: Known<Listed>,
    ja4: Known<u64>,
    network_hash: u64,
    prefix_hash: u64,
    /// Of JA4 context key and network: nonces for one purpose are good here only.
    pub hash: u64,
}

impl Place {
    /// Asks `source` about a connection, once.
    pub fn of(
        address: IpAddr,
        ja4: Option<&str>,
        ja4_context: Option<&str>,
        source: &dyn OriginSource,
    ) -> Self {
        let origin = source.origin(address);
        let prefix = network_of(address);
        let network = origin.asn.value().map_or_else(|| prefix.clone(), network_of_system);
        let hidden = Missing::BehindBalancer;
        let prefix_hash = hash("prefix", &[prefix.as_bytes()]);
        Self {
            listed: ja4.map_or(Known::NoData(hidden), |ja4| source.ja4(ja4)),
            ja4: ja4_context
                .map_or(Known::NoData(hidden), |context| Known::Is(hash("ja4", &[context.as_bytes()]))),
            // Without data both are one: so what was admitted by its prefix is found again when there is data.
            network_hash: if network == prefix {
                prefix_hash
            } else {
                hash("network", &[network.as_bytes()])
            },
            prefix_hash,
            hash: hash("place", &[ja4_context.unwrap_or_default().as_bytes(), network.as_bytes()]),
            origin,
            network,
            prefix,
        }
    }
}

/// The network of an autonomous system, as sessions and tokens name it.
fn network_of_system(asn: u32) -> String {
    format!("AS{asn}")
}

/// A client's key in a place.
#[derive(Debug)]
pub struct Seen {
    /// Key × JA4 context key × network.
    pub session: Box<str>,
    /// The same by the /24 or /48, where the network is an autonomous system: what was severed before there was data stays so.
    pub by_prefix: Option<Box<str>>,
    pub context: Context,
    pub issued_in: IssuedIn,
}

impl Seen {
    pub fn of(token: &KnownToken, greeting: &Greeting) -> Rc<Self> {
        let place = &greeting.place;
        let ja4 = greeting.ja4_context.as_deref();
        let session =
            |network: &str| session_id(token.claims.lineage.client, &token.client_key, ja4, network).into();
        Rc::new(Self {
            session: session(&place.network),
            by_prefix: (place.network != place.prefix).then(|| session(&place.prefix)),
            context: Context {
                key: hash("key", &[token.client_key.as_bytes()]),
                ja4: place.ja4,
                network: place.network_hash,
                prefix: place.prefix_hash,
            },
            issued_in: issued_in(token.claims.lineage.context.as_deref(), ja4, place),
        })
    }
}

/// Where the token was issued, beside where it is used. Its context is a JA4 context key, or `-`, and a network.
fn issued_in(issued: Option<&str>, ja4: Option<&str>, place: &Place) -> IssuedIn {
    let Some((issued_ja4, issued_network)) = issued.and_then(|issued| issued.split_once(' ')) else {
        return IssuedIn::Unknown;
    };
    let same_network = if issued_network.starts_with("AS") == place.network.starts_with("AS") {
        issued_network == place.network
    } else if issued_network == place.prefix {
        true
    } else {
        // One was named with data and the other without: nobody can tell.
        return IssuedIn::Unknown;
    };
    // Where either side has no ClientHello, the network is all there is.
    let same_tls = issued_ja4 == "-" || ja4.is_none_or(|used| used == issued_ja4);
    match (same_network, same_tls) {
        (true, true) => IssuedIn::SameContext,
        (false, true) => IssuedIn::OtherNetwork,
        (true, false) => IssuedIn::OtherTls,
        (false, false) => IssuedIn::OtherBoth,
    }
}

/// 64 bits of SHA-256: a caller who could make two of these meet could hide in another's context.
fn hash(about: &str, parts: &[&[u8]]) -> u64 {
    let mut digest = Digest::new(&SHA256);
    digest.update(b"portcullis risk 1\0");
    for part in [about.as_bytes()].iter().chain(parts) {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finish().as_ref().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Asn(Option<u32>);

    impl OriginSource for Asn {
        fn origin(&self, _: IpAddr) -> Origin {
            let asn = self.0.map_or(Known::NoData(Missing::NotInDatabase), Known::Is);
            Origin { asn, ..Origin::UNKNOWN }
        }

        fn ja4(&self, _: &str) -> Known<Listed> {
            Known::NoData(Missing::NoDatabase)
        }
    }

    fn place(asn: Option<u32>) -> Place {
        Place::of("192.0.2.7".parse().unwrap(), Some("a"), Some("c"), &Asn(asn))
    }

    #[test]
    fn a_network_is_its_system_and_its_prefix_without_data() {
        assert_eq!(place(None).network, "192.0.2.0/24");
        assert_eq!(
            (place(Some(64_500)).network.as_str(), &*place(Some(1)).prefix),
            ("AS64500", "192.0.2.0/24")
        );
        assert_ne!(place(None).hash, place(Some(1)).hash);
    }

    #[test]
    fn where_a_token_was_issued() {
        let check = |issued: Option<&str>, asn, expect| {
            assert_eq!(issued_in(issued, Some("c"), &place(asn)), expect, "{issued:?} {asn:?}");
        };
        check(None, None, IssuedIn::Unknown);
        check(Some("c 192.0.2.0/24"), None, IssuedIn::SameContext);
        check(Some("c 198.51.100.0/24"), None, IssuedIn::OtherNetwork);
        check(Some("d 192.0.2.0/24"), None, IssuedIn::OtherTls);
        check(Some("d 198.51.100.0/24"), None, IssuedIn::OtherBoth);
        check(Some("- 192.0.2.0/24"), None, IssuedIn::SameContext);
        check(Some("nonsense"), None, IssuedIn::Unknown);
        check(Some("c AS1"), Some(1), IssuedIn::SameContext);
        check(Some("c AS2"), Some(1), IssuedIn::OtherNetwork);
        // Issued before there was data, and after it was lost.
        check(Some("c 192.0.2.0/24"), Some(1), IssuedIn::SameContext);
        check(Some("c 198.51.100.0/24"), Some(1), IssuedIn::Unknown);
        check(Some("c AS1"), None, IssuedIn::Unknown);
    }
}
