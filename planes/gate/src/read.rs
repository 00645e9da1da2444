//! Reading the head strictly: what can be read in two ways is refused.

use http::{Request, Version};
use portcullis_domain::reason::Reason;
use portcullis_wire::http_rules::{self, Target, check_request_head};

use crate::refusal::Refusal;

/// Refuses an ambiguous head and a path that isn't canonical.
pub fn check_head<B>(request: &Request<B>) -> Result<(), Refusal> {
    let version = match request.version() {
        Version::HTTP_11 => http_rules::Version::Http11,
        Version::HTTP_2 => http_rules::Version::Http2,
        _ => http_rules::Version::Http10,
    };
    let target = match request.uri().authority() {
        Some(authority) => Target::Absolute { authority: authority.as_str().as_bytes() },
        None if request.uri().path() == "*" => Target::Asterisk,
        None => Target::Origin,
    };
    let fields = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    check_request_head(version, target, fields)
        .map_err(|fault| Refusal::with_detail(Reason::HeadAmbiguous, fault.to_string()).and_close())?;
    check_path(request.uri().path())
}

/// Two spellings of one path would give two answers to "which route?": only the canonical one passes.
fn check_path(path: &str) -> Result<(), Refusal> {
    let refused = |what: &str| Err(Refusal::with_detail(Reason::PathNotCanonical, what.to_owned()));
    let Some(rest) = path.strip_prefix('/') else { return refused("the path does not begin with `/`") };
    if path.len() > 8 * 1024 {
        return refused("the path is longer than 8192 bytes");
    }
    if is_plain(path.as_bytes()) {
        return Ok(());
    }
    let segments = rest.split('/').count();
    for (place, segment) in rest.split('/').enumerate() {
        // A trailing slash is an empty last segment, which is another path and may stand.
        if segment.is_empty() && place + 1 != segments {
            return refused("the path has an empty segment");
        }
        // Some applications cut a segment at `;` before they resolve dots.
        let name = segment.split(';').next().unwrap_or_default();
        let plain = name.replace("%2e", ".").replace("%2E", ".");
        if matches!(plain.as_str(), "." | "..") {
            return refused("the path has a `.` or `..` segment");
        }
    }
    let bytes = path.as_bytes();
    for (place, byte) in bytes.iter().enumerate() {
        if *byte == b'\\' || byte.is_ascii_control() || !byte.is_ascii() {
            return refused("the path has a character that must be encoded");
        }
        if *byte == b'%' {
            let code = bytes.get(place + 1..place + 3).filter(|code| code.iter().all(u8::is_ascii_hexdigit));
            let code = code.and_then(|code| std::str::from_utf8(code).ok());
            match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
                None => return refused("the path has a `%` without two hexadecimal digits"),
                Some(b'/' | b'\\' | 0..=0x1f | 0x7f) => {
                    return refused("the path has an encoded slash, backslash or control character");
                }
                // RFC 3986, 6.2.2.2: these are never encoded, so nobody needs it but to disguise a name.
                Some(code) if code.is_ascii_alphanumeric() || b"-._~".contains(&code) => {
                    return refused("the path has an encoded letter, digit, `-`, `.`, `_` or `~`");
                }
                Some(_) => {}
            }
        }
    }
    Ok(())
}

/// Most paths are letters, digits and single slashes, with no dot behind one: nothing in them can be
/// read in two ways.
fn is_plain(path: &[u8]) -> bool {
    let mut before = b'a';
    path.iter().all(|byte| {
        let plain = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => true,
            b'/' | b'.' => before != b'/',
            _ => false,
        };
        before = *byte;
        plain
    })
}

/// How an application may read a canonical path that it decodes, and whose parameters (`;…`) and
/// last slash it drops; `None` if that is how it stands.
pub fn other_reading(path: &str) -> Option<String> {
    if !path.contains(['%', ';']) && (path == "/" || !path.ends_with('/')) {
        return None;
    }
    let segments = path.split('/').map(|segment| decoded(segment.split(';').next().unwrap_or_default()));
    let reading = segments.collect::<Vec<_>>().join("/");
    let reading = reading.trim_end_matches('/');
    Some(if reading.is_empty() { "/".to_owned() } else { reading.to_owned() })
}

/// Templates are ASCII: what isn't UTF-8 may become anything else.
fn decoded(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'%').then(|| after.get(..2)).flatten();
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_paths_pass() {
        for good in ["/", "/parcels", "/parcels/", "/parcels/7%20a", "/a.b/..c", "/a;b=c", "/%C3%A9"] {
            assert!(check_path(good).is_ok(), "{good}");
        }
        for bad in [
            "*",
            "",
            "//",
            "/a//b",
            "/./a",
            "/a/..",
            "/%2e%2E/a",
            "/a%2fb",
            "/a%5cb",
            "/a\\b",
            "/a%00",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%+1",
            "/ä",
            "/%41",
            "/a/%73ecret",
            "/a%2Eb",
            "/a/..;/b",
            "/a/%2e%2e;x=y/b",
        ] {
            assert!(check_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn other_readings_of_a_path() {
        let check =
            |path: &str, expect: Option<&str>| assert_eq!(other_reading(path).as_deref(), expect, "{path}");
        check("/", None);
        check("/parcels/7", None);
        check("/parcels/7/", Some("/parcels/7"));
        check("/parcels/all%3Aexport", Some("/parcels/all:export"));
        check("/parcels;v=1/secret;x", Some("/parcels/secret"));
        check("/parcels/;x", Some("/parcels"));
        check("/;x", Some("/"));
        check("/a%20b%c3%a9", Some("/a bé"));
        check("/a%ff%25", Some("/a\u{fffd}%"));
    }

    #[test]
    fn ambiguous_heads_are_refused_and_the_connection_closed() {
        let request = Request::get("/parcels").body(()).unwrap();
        let refusal = check_head(&request).unwrap_err();
        assert_eq!(refusal.reason, Reason::HeadAmbiguous);
        assert!(refusal.close);
        let request = Request::get("/parcels").header("host", "gate").body(()).unwrap();
        assert!(check_head(&request).is_ok());
        let request = Request::get("/").header("host", "a").header("host", "b").body(()).unwrap();
        assert!(check_head(&request).is_err());
    }
}
