//! Sessions: what one client key does in one context, named by derivation.
//!
//! The id follows from client, key, JA4 context key and network alone, so a new token or a new
//! connection changes nothing: a severed session stays severed.

use std::fmt::Write as _;
use std::net::IpAddr;

use aws_lc_rs::digest::{Context, SHA256};
use portcullis_domain::ids::ClientId;

/// What stands for a JA4 context key where a balancer ended TLS.
const NO_JA4: &str = "no data";

/// 26 characters of RFC 4648 base 32 in lower case: the first 130 bits of SHA-256 over the parts,
/// each followed by a zero byte (which none of them contains).
#[must_use]
pub fn session_id(client: ClientId, client_key: &str, ja4_context: Option<&str>, network: &str) -> String {
    let mut context = Context::new(&SHA256);
    for part in [client.0.to_string().as_str(), client_key, ja4_context.unwrap_or(NO_JA4), network] {
        context.update(part.as_bytes());
        context.update(&[0]);
    }
    let digest = context.finish();
    base32(digest.as_ref())
}

fn base32(digest: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let bit = |place: usize| digest.get(place / 8).map_or(0, |byte| byte >> (7 - place % 8) & 1);
    (0..26)
        .map(|letter| (0..5).fold(0, |five, place| five << 1 | bit(letter * 5 + place)))
        .map(|five| ALPHABET.get(usize::from(five)).copied().unwrap_or(b'a') as char)
        .collect()
}

/// The network that an address counts as: /24 of IPv4, /48 of IPv6.
#[must_use]
pub fn network_of(address: IpAddr) -> String {
    let mut text = String::new();
    // Writing to a string can't fail.
    let _ = match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            write!(text, "{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            write!(text, "{a:x}:{b:x}:{c:x}::/48")
        }
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_session_follows_from_its_parts() {
        let client = ClientId(Uuid::from_u128(7));
        let session = session_id(client, "key", Some("t13d"), "192.0.2.0/24");
        assert_eq!(session.len(), 26);
        assert_eq!(session, session_id(client, "key", Some("t13d"), "192.0.2.0/24"));
        let others = [
            session_id(ClientId(Uuid::from_u128(8)), "key", Some("t13d"), "192.0.2.0/24"),
            session_id(client, "key2", Some("t13d"), "192.0.2.0/24"),
            session_id(client, "key", None, "192.0.2.0/24"),
            session_id(client, "key", Some("t13d"), "192.0.3.0/24"),
        ];
        assert!(others.iter().all(|other| *other != session));
    }

    #[test]
    fn networks_are_cut_to_their_prefix() {
        let check = |address: &str, expect: &str| {
            assert_eq!(network_of(address.parse().unwrap()), expect);
        };
        check("192.0.2.77", "192.0.2.0/24");
        check("::ffff:192.0.2.77", "192.0.2.0/24");
        check("2001:db8:1:2::3", "2001:db8:1::/48");
    }
}
