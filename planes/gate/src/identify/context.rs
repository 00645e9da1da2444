//! What is known of a caller beside who it is: facts that nobody is refused by alone.

use std::net::IpAddr;

use portcullis_policy::liveness::KeyCell;
use portcullis_policy::posture::prefix_number;
use portcullis_policy::snapshot::Client;
use portcullis_risk::{Binding, Identity, Known, Missing, Posture, Tls};

use super::Caller;
use crate::connection::Greeting;

/// What token and key say about themselves.
pub fn identity(caller: &Caller, now_us: i64) -> Identity {
    let confirmation = &caller.token.claims.confirmation;
    let binding = match (confirmation.jkt.is_some(), confirmation.x5t_s256.is_some()) {
        (true, true) => Binding::Both,
        (true, false) => Binding::Dpop,
        (false, true) => Binding::Certificate,
        (false, false) => Binding::None,
    };
    let key: &KeyCell = &caller.token.key;
    Identity {
        binding,
        token_age_seconds: Known::Is(age(caller.token.claims.issued_at.saturating_mul(1_000_000), now_us)),
        // Somebody else vouches for a key that isn't registered.
        key_age_seconds: key
            .registered_us()
            .map_or(Known::NoData(Missing::NotInDatabase), |registered| Known::Is(age(registered, now_us))),
        rotation_overdue: key.is_overdue(now_us),
    }
}

/// In whole seconds; what lies ahead is new.
fn age(since_us: i64, now_us: i64) -> u32 {
    u32::try_from(now_us.saturating_sub(since_us).max(0) / 1_000_000).unwrap_or(u32::MAX)
}

/// What the handshake showed, beside what `client` is declared to be.
pub fn tls(greeting: &Greeting, client: &Client) -> Tls {
    let misfit = match &greeting.ja4 {
        None => Known::NoData(Missing::BehindBalancer),
        Some(_) if client.ja4.is_empty() => Known::NoData(Missing::NotAsked),
        Some(ja4) => {
            let seen = [Some(ja4.as_str()), greeting.ja4_context.as_deref()];
            let fits = |seen: &str| client.ja4.iter().any(|pattern| pattern.fits(seen));
            Known::Is(!seen.into_iter().flatten().any(fits))
        }
    };
    Tls { listed: greeting.place.listed, misfit, alpn_odd: greeting.alpn_odd, sni_odd: greeting.sni_odd }
}

/// What is held of the caller's machine at this second: `peer` is where the connection comes from.
pub fn posture(client: &Client, key: &KeyCell, peer: IpAddr, now_seconds: i64) -> Known<Posture> {
    match client.posture.read(now_seconds) {
        Known::Is(Posture::Good) if key.attested().is_fresh(|| prefix_number(peer), now_seconds) => {
            Known::Is(Posture::Attested)
        }
        held => held,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_never_negative_nor_too_large() {
        assert_eq!(age(1_000_000, 3_999_999), 2);
        assert_eq!(age(5, 0), 0);
        assert_eq!(age(i64::MIN, i64::MAX), u32::MAX);
    }
}
