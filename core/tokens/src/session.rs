//! Sessions: what one client key does in one context, which is JA4 context key and network.
//!
//! The id is derived from these alone, so that a new token changes nothing. Gate and token endpoint
//! use the same functions: what one of them closes, the other refuses.

use std::net::IpAddr;

use aws_lc_rs::digest::{Context, SHA256};
use portcullis_domain::ids::ClientId;

/// Crockford's base 32 in lower case: a decision id, in upper case, can't be taken for a session's.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const ID_CHARACTERS: usize = 26;

/// The id of a session: 26 characters, 130 bits of a SHA-256.
///
/// `client_key` is the thumbprint of the registered key or certificate that authenticated at the
/// token endpoint (`client_key` of a token's lineage). `ja4_context` is `None` where the gate has no
/// ClientHello; `network` is [`network_of`] the peer's address.
#[must_use]
pub fn session_id(client: ClientId, client_key: &str, ja4_context: Option<&str>, network: &str) -> String {
    let mut hash = Context::new(&SHA256);
    hash.update(b"portcullis session 1\0");
    hash.update(client.0.as_bytes());
    hash.update(&[u8::from(ja4_context.is_some())]);
    for part in [client_key, ja4_context.unwrap_or_default(), network] {
        // With its length before it, no part can be taken for another's end.
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    base32(hash.finish().as_ref())
}

/// JA4 context key and network in one text, as a token's lineage keeps them; `-` where there is no
/// JA4.
#[must_use]
pub fn context_of(ja4_context: Option<&str>, network: &str) -> String {
    format!("{} {network}", ja4_context.unwrap_or("-"))
}

/// The network that an address counts to: its /24, or its /48 for IPv6. An IPv4 address inside IPv6
/// (RFC 4291, section 2.5.5.2) is taken for what it is.
#[must_use]
pub fn network_of(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, third, _] = v4.octets();
            format!("{first}.{second}.{third}.0/24")
        }
        IpAddr::V6(v6) => {
            let [first, second, third, ..] = v6.segments();
            let network = std::net::Ipv6Addr::new(first, second, third, 0, 0, 0, 0, 0);
            format!("{network}/48")
        }
    }
}

fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(ID_CHARACTERS);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in bytes {
        bits = bits << 8 | u32::from(*byte);
        held += 8;
        while held >= 5 && text.len() < ID_CHARACTERS {
            held -= 5;
            let five = (bits >> held) & 31;
            text.push(ALPHABET.get(five as usize).copied().unwrap_or(b'0').into());
        }
        bits &= (1 << held.min(16)) - 1;
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const CLIENT: ClientId = ClientId(Uuid::from_u128(7));

    #[test]
    fn networks() {
        let check = |address: &str, expect| assert_eq!(network_of(address.parse().unwrap()), expect);
        check("192.0.2.77", "192.0.2.0/24");
        check("::ffff:192.0.2.77", "192.0.2.0/24");
        check("2001:db8:1:2::3", "2001:db8:1::/48");
        check("::1", "::/48");
    }

    #[test]
    fn an_id_stays_the_same_over_releases() {
        // A severed session must still be the same one after an upgrade.
        let id = session_id(CLIENT, "key", Some("t13d1516h2_8daaf6152771_e5627efa2ab1"), "192.0.2.0/24");
        assert_eq!(id, "8ch7te8qamew6xmyb43axwnw2w");
    }

    #[test]
    fn each_part_counts() {
        let other = ClientId(Uuid::from_u128(8));
        let ids: HashSet<String> = [
            session_id(CLIENT, "key", Some("ja4"), "net"),
            session_id(other, "key", Some("ja4"), "net"),
            session_id(CLIENT, "kez", Some("ja4"), "net"),
            session_id(CLIENT, "key", Some("ja5"), "net"),
            session_id(CLIENT, "key", Some(""), "net"),
            session_id(CLIENT, "key", None, "net"),
            session_id(CLIENT, "key", Some("ja4"), "nes"),
            session_id(CLIENT, "keyj", Some("a4"), "net"),
        ]
        .into();
        assert_eq!(ids.len(), 8);
        assert_eq!(context_of(None, "192.0.2.0/24"), "- 192.0.2.0/24");
        assert_eq!(context_of(Some("ja4"), "::/48"), "ja4 ::/48");
    }

    proptest! {
        /// Against the plain reading: the first 130 bits as a number, five at a time.
        #[test]
        fn base32_agrees_with_its_definition(bytes: [u8; 32]) {
            let bit = |index: usize| (bytes[index / 8] >> (7 - index % 8)) & 1;
            let plain: String = (0..26)
                .map(|place| (0..5).fold(0, |five, offset| five << 1 | bit(place * 5 + offset)))
                .map(|five| char::from(ALPHABET[usize::from(five)]))
                .collect();
            prop_assert_eq!(base32(&bytes), plain);
        }

        #[test]
        fn ids_are_26_characters_of_the_alphabet(key in ".{0,50}", network in ".{0,50}") {
            let id = session_id(CLIENT, &key, None, &network);
            prop_assert_eq!(id.len(), ID_CHARACTERS);
            prop_assert!(id.bytes().all(|byte| ALPHABET.contains(&byte)));
        }
    }
}
