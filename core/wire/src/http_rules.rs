//! The framing rules a request must keep before anything reads it (RFC 9112, 3.2 and 6.3).
//!
//! Two readers that disagree where a request ends, or for whom it is, let one request be smuggled inside
//! another. So whatever can be read in two ways is refused, though the standard would allow to mend it.

mod fault;

pub use fault::HeadFault;

use crate::http1::{Framing, is_host_name, is_token};

/// The version of HTTP that a message came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0 and older.
    Http10,
    Http11,
    Http2,
}

/// The form of the request target (RFC 9112, 3.2). `:authority` of HTTP/2 is an absolute form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// `/path?query`
    Origin,
    /// `https://authority/path`
    Absolute { authority: &'a [u8] },
    /// `authority`, of CONNECT
    Authority { authority: &'a [u8] },
    /// `*`, of OPTIONS
    Asterisk,
}

/// Looks at the head of a request as an HTTP library parsed it. Names may be of either case.
///
/// # Errors
/// The first [`HeadFault`] found, the version's first.
pub fn check_request_head<'a>(
    version: Version,
    target: Target<'_>,
    fields: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Result<(), HeadFault> {
    if version == Version::Http10 {
        return Err(HeadFault::Http10);
    }
    let mut notable = Notable::default();
    for (name, value) in fields {
        if name.contains('_') && pretends_to_be_another(name.as_bytes()) {
            return Err(HeadFault::NameAmbiguous);
        }
        notable.note(name.as_bytes(), value)?;
    }
    check_host(version, target, notable.host)?;
    read_framing(version, &notable)?;
    notable.is_continue_expected()?;
    Ok(())
}

/// Whether a header field from outside stays here: hop-by-hop fields (RFC 9110, 7.6.1), what speaks of the
/// way a request took, the gate's own, the client's credentials, and names under which proxies hand
/// client certificates to applications. An application behind the gate must be able to trust all of them.
///
/// `_` counts as `-`: CGI and what came after it (RFC 3875, 4.1.18) hand both to the application as one name.
///
/// Fields that the request's own `Connection` names are hop-by-hop too: see [`named_by_connection`].
pub fn forwarded_or_hop_by_hop(name: &str) -> bool {
    const NAMES: [&str; 29] = [
        // Hop by hop.
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
        // The way.
        "forwarded",
        "via",
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "x-original-url",
        "x-rewrite-url",
        "x-envoy-external-address",
        // Another method than the one that was granted.
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
        // Credentials.
        "authorization",
        "dpop",
        // Client certificates (RFC 9440, and what proxies made up before).
        "client-cert",
        "client-cert-chain",
        "x-client-cert",
        "x-client-certificate",
        "x-client-verify",
        "x-client-dn",
        "x-arr-clientcert",
    ];
    const PREFIXES: [&str; 7] =
        ["proxy-", "portcullis-", "x-forwarded-", "x-ssl-", "ssl-client-", "x-tls-", "x-amzn-mtls-"];

    NAMES.iter().any(|known| is_read_as(name, known))
        || PREFIXES.iter().any(|prefix| begins_with(name, prefix))
}

/// Whether a field may not come as a trailer: what decides on framing, routing, credentials and how the
/// content is read (RFC 9110, 6.5.1), and all that stays here. A reader that merges trailers into the head
/// would take it for what was checked there.
pub fn is_head_only(name: &str) -> bool {
    const NAMES: [&str; 11] = [
        "host",
        "content-length",
        "content-encoding",
        "content-range",
        "content-type",
        "cookie",
        "set-cookie",
        "expect",
        "range",
        "cache-control",
        "www-authenticate",
    ];
    forwarded_or_hop_by_hop(name) || NAMES.iter().any(|known| is_read_as(name, known))
}

/// Whether a value of `Connection` names the field, which makes it hop-by-hop (RFC 9110, 7.6.1).
pub fn named_by_connection(connection_value: &[u8], name: &str) -> bool {
    connection_value
        .split(|&byte| byte == b',')
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
}

/// Whether a name with `_` is read as one that the gate relies on, by those who take `_` for `-`.
pub(crate) fn pretends_to_be_another(name: &[u8]) -> bool {
    const NAMES: [&str; 5] =
        ["host", "content-length", "expect", "accept-encoding", "sec-websocket-extensions"];
    let Ok(name) = str::from_utf8(name) else { return true };
    forwarded_or_hop_by_hop(name) || NAMES.iter().any(|known| is_read_as(name, known))
}

/// The fields that decide for whom a message is and where it ends, each at most once.
#[derive(Default)]
pub(crate) struct Notable<'a> {
    pub host: Option<&'a [u8]>,
    pub transfer_encoding: Option<&'a [u8]>,
    pub content_length: Option<&'a [u8]>,
    expect: Option<&'a [u8]>,
}

impl<'a> Notable<'a> {
    #[inline]
    pub fn note(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), HeadFault> {
        // By length first: most fields are told apart from these without being read.
        let (place, doubled) = match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => (&mut self.host, HeadFault::HostDoubled),
            6 if name.eq_ignore_ascii_case(b"expect") => (&mut self.expect, HeadFault::ExpectUnknown),
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                (&mut self.content_length, HeadFault::ContentLengthDoubled)
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                (&mut self.transfer_encoding, HeadFault::TransferEncodingDoubled)
            }
            _ => return Ok(()),
        };
        if place.replace(value).is_some() { Err(doubled) } else { Ok(()) }
    }

    /// RFC 9110, 10.1.1: there is no other expectation than this.
    pub fn is_continue_expected(&self) -> Result<bool, HeadFault> {
        match self.expect {
            None => Ok(false),
            Some(value) if value.eq_ignore_ascii_case(b"100-continue") => Ok(true),
            Some(_) => Err(HeadFault::ExpectUnknown),
        }
    }
}

/// What the `Connection` and `Upgrade` fields of HTTP/1.1 say (RFC 9110, 7.6.1 and 7.8).
#[derive(Default)]
pub(crate) struct ConnectionOptions {
    pub close: bool,
    pub upgrade: bool,
    pub websocket: bool,
}

impl ConnectionOptions {
    #[inline]
    pub fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadFault> {
        match name.len() {
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.websocket |= value.eq_ignore_ascii_case(b"websocket");
                Ok(())
            }
            10 if name.eq_ignore_ascii_case(b"connection") => self.note_connection(value),
            _ => Ok(()),
        }
    }

    fn note_connection(&mut self, value: &[u8]) -> Result<(), HeadFault> {
        for option in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            match option {
                // RFC 9110, 5.6.1.2: empty elements of a list are skipped.
                [] => {}
                _ if option.eq_ignore_ascii_case(b"close") => self.close = true,
                _ if option.eq_ignore_ascii_case(b"upgrade") => self.upgrade = true,
                _ if !is_token(option) => return Err(HeadFault::ConnectionMalformed),
                _ if decides_on_framing(option) => return Err(HeadFault::ConnectionNamesFraming),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Who drops these because `Connection` names them reads another message than was checked.
fn decides_on_framing(name: &[u8]) -> bool {
    [b"host".as_slice(), b"content-length", b"transfer-encoding", b"expect"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

pub(crate) fn check_host(version: Version, target: Target<'_>, host: Option<&[u8]>) -> Result<(), HeadFault> {
    let authority = match target {
        Target::Absolute { authority } | Target::Authority { authority } => Some(authority),
        Target::Origin | Target::Asterisk => None,
    };
    if authority.is_some_and(|authority| authority.contains(&b'@')) {
        return Err(HeadFault::TargetUserInfo);
    }
    let host = match (host, authority) {
        // RFC 9113, 8.3.1: `:authority` stands for `Host`.
        (None, Some(authority)) if version == Version::Http2 && !authority.is_empty() => authority,
        (None | Some([]), _) => return Err(HeadFault::HostMissing),
        (Some(host), Some(authority)) if !host.eq_ignore_ascii_case(authority) => {
            return Err(HeadFault::HostDiffers);
        }
        (Some(host), _) => host,
    };
    if is_authority(host) { Ok(()) } else { Err(HeadFault::HostMalformed) }
}

/// Where the body ends, as the fields say it (RFC 9112, 6.3).
pub(crate) fn read_framing(version: Version, notable: &Notable<'_>) -> Result<Framing, HeadFault> {
    match (notable.transfer_encoding, notable.content_length) {
        (None, None) => Ok(Framing::Empty),
        (Some(_), _) if version == Version::Http2 => Err(HeadFault::TransferEncodingInHttp2),
        (Some(_), _) if version == Version::Http10 => Err(HeadFault::TransferEncodingInHttp10),
        (Some(_), Some(_)) => Err(HeadFault::LengthAndTransferEncoding),
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        (Some(_), None) => Err(HeadFault::TransferEncodingNotChunked),
        (None, Some(length)) => read_length(length).map(Framing::Length),
    }
}

/// Digits only: no sign, no list, no space; and at most 2^63, which every reader can count.
fn read_length(value: &[u8]) -> Result<u64, HeadFault> {
    const LENGTH_MAX: u64 = 1 << 63;
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(HeadFault::ContentLengthMalformed);
    }
    value
        .iter()
        .try_fold(0_u64, |length, digit| length.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
        .filter(|&length| length <= LENGTH_MAX)
        .ok_or(HeadFault::ContentLengthTooLarge)
}

/// `host` or `host:port` (RFC 3986, 3.2): a name, an IPv4 address, or an IPv6 address in brackets.
fn is_authority(value: &[u8]) -> bool {
    let (host_is_good, port) = match value {
        [b'[', rest @ ..] => {
            let end = rest.iter().position(|&byte| byte == b']').unwrap_or(rest.len());
            let (address, port) = rest.split_at_checked(end).unwrap_or_default();
            let is_address = |text: &str| text.parse::<std::net::Ipv6Addr>().is_ok();
            (str::from_utf8(address).is_ok_and(is_address), port.strip_prefix(b"]"))
        }
        _ => {
            let end = value.iter().position(|&byte| byte == b':').unwrap_or(value.len());
            let (name, port) = value.split_at_checked(end).unwrap_or_default();
            (is_host_name(name), Some(port))
        }
    };
    let port_is_good = match port {
        Some([]) => true,
        Some([b':', digits @ ..]) => {
            digits.iter().all(u8::is_ascii_digit)
                && str::from_utf8(digits).is_ok_and(|digits| digits.parse::<u16>().is_ok())
        }
        _ => false,
    };
    host_is_good && port_is_good
}

fn is_read_as(name: &str, known: &str) -> bool {
    name.len() == known.len() && begins_with(name, known)
}

/// `prefix` is in lower case and has no `_`.
fn begins_with(name: &str, prefix: &str) -> bool {
    let read = |byte: &u8| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    name.len() >= prefix.len()
        && name.as_bytes().iter().zip(prefix.as_bytes()).all(|(byte, known)| read(byte) == *known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_can_be_read_in_two_ways() {
        let check = |version, target, fields: &[(&str, &str)], expect| {
            let fields = fields.iter().map(|&(name, value)| (name, value.as_bytes()));
            assert_eq!(
                check_request_head(version, target, fields.clone()),
                expect,
                "{:?}",
                fields.collect::<Vec<_>>()
            );
        };
        use HeadFault as Fault;
        let origin = |fields: &[(&str, &str)], expect| check(Version::Http11, Target::Origin, fields, expect);
        origin(&[("Host", "a")], Ok(()));
        origin(&[("host", "a"), ("Content-Length", "0")], Ok(()));
        origin(&[("host", "a"), ("transfer-encoding", "chunked")], Ok(()));
        origin(&[], Err(Fault::HostMissing));
        origin(&[("host", "")], Err(Fault::HostMissing));
        origin(&[("host", "a"), ("Host", "a")], Err(Fault::HostDoubled));
        origin(&[("host", "a"), ("Host", "b")], Err(Fault::HostDoubled));
        let chunked = ("Transfer-Encoding", "chunked");
        origin(&[("host", "a"), chunked, chunked], Err(Fault::TransferEncodingDoubled));
        for other in
            ["identity", "gzip, chunked", "chunked, identity", "chunked;q=1", " chunked", "chunked\u{b}", ""]
        {
            origin(&[("host", "a"), ("transfer-encoding", other)], Err(Fault::TransferEncodingNotChunked));
        }
        let length = ("Content-Length", "5");
        origin(&[("host", "a"), length, chunked], Err(Fault::LengthAndTransferEncoding));
        origin(&[("host", "a"), chunked, length], Err(Fault::LengthAndTransferEncoding));
        origin(&[("host", "a"), length, length], Err(Fault::ContentLengthDoubled));
        for other in ["", "+5", "-5", "5, 5", "0x5", "5 "] {
            origin(&[("host", "a"), ("content-length", other)], Err(Fault::ContentLengthMalformed));
        }
        for other in ["9223372036854775809", "18446744073709551616", "99999999999999999999"] {
            origin(&[("host", "a"), ("content-length", other)], Err(Fault::ContentLengthTooLarge));
        }
        origin(&[("host", "a"), ("content-length", "9223372036854775808")], Ok(()));

        let absolute = Target::Absolute { authority: b"a.example:8443" };
        check(Version::Http11, absolute, &[("host", "A.example:8443")], Ok(()));
        check(Version::Http11, absolute, &[("host", "a.example")], Err(Fault::HostDiffers));
        check(Version::Http11, absolute, &[], Err(Fault::HostMissing));
        let user = Target::Absolute { authority: b"user@a" };
        check(Version::Http11, user, &[("host", "a")], Err(Fault::TargetUserInfo));
        check(
            Version::Http11,
            Target::Authority { authority: b"a:1" },
            &[("host", "b:1")],
            Err(Fault::HostDiffers),
        );
        check(Version::Http11, Target::Asterisk, &[("host", "a")], Ok(()));

        check(Version::Http2, absolute, &[], Ok(()));
        check(Version::Http2, absolute, &[("host", "b")], Err(Fault::HostDiffers));
        check(Version::Http2, Target::Absolute { authority: b"" }, &[], Err(Fault::HostMissing));
        check(Version::Http2, Target::Origin, &[], Err(Fault::HostMissing));
        check(Version::Http2, absolute, &[chunked], Err(Fault::TransferEncodingInHttp2));
        check(Version::Http10, Target::Origin, &[("host", "a")], Err(Fault::Http10));
    }

    #[test]
    fn names_that_stay_here() {
        let stay = "Connection Keep-Alive Proxy-Authorization proxy-connection TE Trailer Transfer-Encoding Upgrade \
                    Forwarded X-Forwarded-For x-forwarded-client-cert X-Real-IP Via Authorization DPoP \
                    Portcullis-Decision X-Client-Cert X-SSL-Client-Verify x-ssl-cert Client-Cert Client-Cert-Chain \
                    portcullis_vendor Portcullis-Client_ x_forwarded_for X-Forwarded_For client_cert Transfer_Encoding \
                    X-HTTP-Method-Override x_http_method";
        for name in stay.split_whitespace() {
            assert!(forwarded_or_hop_by_hop(name), "{name}");
        }
        for name in [
            "Host",
            "Accept",
            "Content-Type",
            "Content-Length",
            "X-Forwarded",
            "Tea",
            "Proxy",
            "Cookie",
            "",
            "é",
        ] {
            assert!(!forwarded_or_hop_by_hop(name), "{name}");
        }
    }

    #[test]
    fn connection_names_more_of_them() {
        let check = |value: &str, name, expect| {
            assert_eq!(named_by_connection(value.as_bytes(), name), expect, "{value}")
        };
        check("close", "x-hop", false);
        check("close, X-Hop", "x-hop", true);
        check("x-hop ,close", "X-Hop", true);
        check("x-hopper", "x-hop", false);
    }
}
