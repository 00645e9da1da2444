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
    let segments = rest.split('/').count();
    for (place, segment) in rest.split('/').enumerate() {
        // A trailing slash is an empty last segment, which is another path and may stand.
        if segment.is_empty() && place + 1 != segments {
            return refused("the path has an empty segment");
        }
        let plain = segment.replace("%2e", ".").replace("%2E", ".");
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
            let code = bytes.get(place + 1..place + 3).and_then(|code| std::str::from_utf8(code).ok());
            match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
                None => return refused("the path has a `%` without two hexadecimal digits"),
                Some(b'/' | b'\\' | 0..=0x1f | 0x7f) => {
                    return refused("the path has an encoded slash, backslash or control character");
                }
                Some(_) => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_paths_pass() {
        for good in ["/", "/parcels", "/parcels/", "/parcels/7%20a", "/a.b/..c", "/%41"] {
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
            "/ä",
        ] {
            assert!(check_path(bad).is_err(), "{bad}");
        }
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
