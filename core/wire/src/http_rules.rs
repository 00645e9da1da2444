//! The framing rules a request must keep before anything reads it (RFC 9112, 3.2 and 6.3).
//!
//! Two readers that disagree where a request ends, or for whom it is, let one request be smuggled inside
//! another. So whatever can be read in two ways is refused, though the standard would allow to mend it.

/// The version of HTTP that a request came in.
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

/// What is wrong with the head of a request. Always the peer's fault: 400, and the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadFault {
    /// It can't tell a response that was cut from one that ended.
    #[error("HTTP/1.0 is not spoken here; hint: use HTTP/1.1 or HTTP/2")]
    Http10,
    #[error("the `Host` field is missing or empty")]
    HostMissing,
    #[error("the `Host` field is there more than once")]
    HostDoubled,
    #[error("the `Host` field differs from the authority of the request target")]
    HostDiffers,
    #[error("the `Transfer-Encoding` field is there more than once")]
    TransferEncodingDoubled,
    #[error("the `Transfer-Encoding` is not `chunked`; hint: send it exactly so, or `Content-Length`")]
    TransferEncodingNotChunked,
    /// RFC 9113, 8.2.2: it means nothing there.
    #[error("HTTP/2 has no `Transfer-Encoding`")]
    TransferEncodingInHttp2,
    #[error("`Content-Length` and `Transfer-Encoding` are both there")]
    LengthAndTransferEncoding,
    #[error("the `Content-Length` field is there more than once")]
    ContentLengthDoubled,
    #[error("the `Content-Length` is not a number")]
    ContentLengthMalformed,
}

/// Looks at the head of a request as the HTTP library parsed it. Names may be of either case.
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
    let mut host = None;
    let mut transfer_encoding = None;
    let mut content_length = None;
    for (name, value) in fields {
        let (place, doubled) = match name {
            _ if name.eq_ignore_ascii_case("host") => (&mut host, HeadFault::HostDoubled),
            _ if name.eq_ignore_ascii_case("transfer-encoding") => {
                (&mut transfer_encoding, HeadFault::TransferEncodingDoubled)
            }
            _ if name.eq_ignore_ascii_case("content-length") => {
                (&mut content_length, HeadFault::ContentLengthDoubled)
            }
            _ => continue,
        };
        if place.replace(value).is_some() {
            return Err(doubled);
        }
    }
    check_host(version, target, host)?;
    check_length(version, transfer_encoding, content_length)
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

    NAMES.iter().any(|known| name.len() == known.len() && begins_with(name, known))
        || PREFIXES.iter().any(|prefix| begins_with(name, prefix))
}

/// Whether a value of `Connection` names the field, which makes it hop-by-hop (RFC 9110, 7.6.1).
pub fn named_by_connection(connection_value: &[u8], name: &str) -> bool {
    connection_value
        .split(|&byte| byte == b',')
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
}

fn check_host(version: Version, target: Target<'_>, host: Option<&[u8]>) -> Result<(), HeadFault> {
    let authority = match target {
        Target::Absolute { authority } | Target::Authority { authority } => Some(authority),
        Target::Origin | Target::Asterisk => None,
    };
    match (host, authority) {
        // RFC 9113, 8.3.1: `:authority` stands for `Host`.
        (None, Some(authority)) if version == Version::Http2 && !authority.is_empty() => Ok(()),
        (None | Some([]), _) => Err(HeadFault::HostMissing),
        (Some(host), Some(authority)) if !host.eq_ignore_ascii_case(authority) => Err(HeadFault::HostDiffers),
        (Some(_), _) => Ok(()),
    }
}

fn check_length(
    version: Version,
    transfer_encoding: Option<&[u8]>,
    content_length: Option<&[u8]>,
) -> Result<(), HeadFault> {
    match (transfer_encoding, content_length) {
        (None, None) => Ok(()),
        (Some(_), _) if version == Version::Http2 => Err(HeadFault::TransferEncodingInHttp2),
        (Some(_), Some(_)) => Err(HeadFault::LengthAndTransferEncoding),
        (Some(b"chunked"), None) => Ok(()),
        (Some(_), None) => Err(HeadFault::TransferEncodingNotChunked),
        (None, Some(length)) if is_length(length) => Ok(()),
        (None, Some(_)) => Err(HeadFault::ContentLengthMalformed),
    }
}

/// Digits only: no sign, no list, no space; and within 64 bits.
fn is_length(value: &[u8]) -> bool {
    value.iter().all(u8::is_ascii_digit)
        && str::from_utf8(value).is_ok_and(|text| text.parse::<u64>().is_ok())
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
            ["identity", "gzip, chunked", "chunked, identity", "Chunked", " chunked", "chunked\u{b}", ""]
        {
            origin(&[("host", "a"), ("transfer-encoding", other)], Err(Fault::TransferEncodingNotChunked));
        }
        let length = ("Content-Length", "5");
        origin(&[("host", "a"), length, chunked], Err(Fault::LengthAndTransferEncoding));
        origin(&[("host", "a"), chunked, length], Err(Fault::LengthAndTransferEncoding));
        origin(&[("host", "a"), length, length], Err(Fault::ContentLengthDoubled));
        for other in ["", "+5", "-5", "5, 5", "0x5", "5 ", "99999999999999999999"] {
            origin(&[("host", "a"), ("content-length", other)], Err(Fault::ContentLengthMalformed));
        }

        let absolute = Target::Absolute { authority: b"a.example:8443" };
        check(Version::Http11, absolute, &[("host", "A.example:8443")], Ok(()));
        check(Version::Http11, absolute, &[("host", "a.example")], Err(Fault::HostDiffers));
        check(Version::Http11, absolute, &[], Err(Fault::HostMissing));
        let user = Target::Absolute { authority: b"user@a" };
        check(Version::Http11, user, &[("host", "a")], Err(Fault::HostDiffers));
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
