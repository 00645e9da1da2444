//! What in a ClientHello doesn't fit a machine that speaks HTTP with this server: seldom wrong by itself, and seldom seen
//! from those who mean well.

use std::net::IpAddr;

use crate::client_hello::ClientHello;

/// What HTTP clients offer in ALPN over TCP (IANA's registry of protocol ids), and gRPC's own name for itself.
const HTTP_OVER_TCP: [&[u8]; 4] = [b"h2", b"http/1.1", b"http/1.0", b"grpc-exp"];

/// The client offers no protocol at all, one twice, or one that isn't HTTP over TCP. GREASE (RFC 8701) is none.
#[must_use]
pub fn alpn_is_odd(hello: &ClientHello) -> bool {
    let mut offered = hello.alpn.iter().filter(|protocol| !is_grease(protocol)).peekable();
    if offered.peek().is_none() {
        return true;
    }
    offered.enumerate().any(|(place, protocol)| {
        !HTTP_OVER_TCP.contains(&protocol.as_slice())
            || hello.alpn.iter().filter(|other| *other == protocol).count() > 1 && place > 0
    })
}

/// The client names no server, an address, or another server than one of `hosts`. Where one of these is an address itself,
/// the client must name none (RFC 6066, section 3), so then none is as it should be.
#[must_use]
pub fn server_name_is_odd<'a>(hello: &ClientHello, hosts: impl IntoIterator<Item = &'a str>) -> bool {
    let mut hosts = hosts.into_iter();
    match &hello.server_name {
        None => !hosts.any(is_address),
        Some(name) => is_address(name) || !hosts.any(|host| same_host(host, name)),
    }
}

fn is_address(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().is_ok()
}

/// A name ends in a dot or not, and has no case.
fn same_host(host: &str, name: &str) -> bool {
    host.trim_end_matches('.').eq_ignore_ascii_case(name.trim_end_matches('.'))
}

/// RFC 8701, section 2: `0x0a0a`, `0x1a1a`, … as a protocol of two bytes.
fn is_grease(protocol: &[u8]) -> bool {
    matches!(protocol, [first, second] if first == second && first & 0x0f == 0x0a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_that_no_http_client_offers_are_odd() {
        let check = |alpn: &[&[u8]], expect: bool| {
            let alpn = alpn.iter().map(|protocol| protocol.to_vec()).collect();
            assert_eq!(alpn_is_odd(&ClientHello { alpn, ..ClientHello::default() }), expect);
        };
        check(&[b"h2", b"http/1.1"], false);
        check(&[b"http/1.1"], false);
        check(&[b"h2"], false);
        check(&[b"grpc-exp", b"h2"], false);
        check(&[&[0x1a, 0x1a], b"h2", b"http/1.1"], false);
        check(&[], true);
        check(&[&[0x1a, 0x1a]], true);
        check(&[b"h3", b"h2"], true);
        check(&[b"h2", b"h2"], true);
        check(&[b"http/1.1", b"imap"], true);
        check(&[b""], true);
    }

    #[test]
    fn server_names_are_one_of_ours() {
        let check = |name: Option<&str>, hosts: &[&str], expect: bool| {
            let hello = ClientHello { server_name: name.map(str::to_owned), ..ClientHello::default() };
            assert_eq!(server_name_is_odd(&hello, hosts.iter().copied()), expect, "{name:?} {hosts:?}");
        };
        let ours = ["gate.example", "other.example"];
        check(Some("gate.example"), &ours, false);
        check(Some("Other.Example."), &ours, false);
        check(Some("evil.example"), &ours, true);
        check(Some("192.0.2.7"), &ours, true);
        check(None, &ours, true);
        check(None, &["192.0.2.7"], false);
        check(None, &["[2001:db8::1]", "gate.example"], false);
        check(Some("192.0.2.7"), &["192.0.2.7"], true);
        check(Some("localhost"), &["127.0.0.1"], true);
    }
}
