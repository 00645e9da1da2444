//! The one spelling of an address that `htu` is compared in (RFC 9449, section 4.3; RFC 3986, 6.2).

/// Why a text isn't an address that a proof may be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("it isn't an `http` or `https` address, hint: start with `https://`")]
    Scheme,
    #[error("the host or port is malformed, hint: host and port only, without user")]
    Authority,
    #[error("it has a query or fragment, hint: leave out `?` and `#` and what follows")]
    QueryOrFragment,
    #[error("it has characters that an address can't have, hint: percent-encode them")]
    Characters,
    #[error("it has a `%` without two hexadecimal digits, hint: write `%25`")]
    PercentEncoding,
}

/// `url` with scheme and host in lower case, without the default port, with at least `/` as path,
/// unreserved characters decoded and other percent-encodings in upper case.
/// Dot segments stay: a path that has some is its own.
///
/// # Errors
/// [`UrlError`], also for any query or fragment, even an empty one.
pub fn canonical_url(url: &str) -> Result<String, UrlError> {
    if url.contains(['?', '#']) {
        return Err(UrlError::QueryOrFragment);
    }
    if !url.bytes().all(is_url_byte) {
        return Err(UrlError::Characters);
    }
    let (scheme, rest) = url.split_once("://").ok_or(UrlError::Scheme)?;
    let scheme = scheme.to_ascii_lowercase();
    let port_default = match scheme.as_str() {
        "https" => 443,
        "http" => 80,
        _ => return Err(UrlError::Scheme),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = split_authority(authority)?;
    let mut canonical = format!("{scheme}://{}", host.to_ascii_lowercase());
    if let Some(port) = port.filter(|port| *port != port_default) {
        canonical.push_str(&format!(":{port}"));
    }
    push_path(&mut canonical, path)?;
    Ok(canonical)
}

/// What RFC 3986 lets stand in an address; `?` and `#` are refused before.
fn is_url_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/[]@!$&'()*+,;=%".contains(&byte)
}

fn split_authority(authority: &str) -> Result<(&str, Option<u16>), UrlError> {
    // The colon of a port comes after the bracket of an IPv6 address.
    let host_bytes = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']').map(|at| at + 2).ok_or(UrlError::Authority)?,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at_checked(host_bytes).ok_or(UrlError::Authority)?;
    let bracketed = host.starts_with('[');
    let host_is_good = if bracketed {
        host.len() > 2 && host.bytes().all(|byte| byte.is_ascii_hexdigit() || b"[]:.".contains(&byte))
    } else {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    if !host_is_good {
        return Err(UrlError::Authority);
    }
    let digits = match port.strip_prefix(':') {
        None if port.is_empty() => return Ok((host, None)),
        None => return Err(UrlError::Authority),
        Some("") => return Ok((host, None)),
        Some(digits) => digits,
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UrlError::Authority);
    }
    Ok((host, Some(digits.parse().map_err(|_| UrlError::Authority)?)))
}

fn push_path(canonical: &mut String, path: &str) -> Result<(), UrlError> {
    if path.is_empty() {
        canonical.push('/');
        return Ok(());
    }
    let mut pieces = path.split('%');
    canonical.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2).ok_or(UrlError::PercentEncoding)?;
        let byte = u8::from_str_radix(digits, 16).map_err(|_| UrlError::PercentEncoding)?;
        // `from_str_radix` takes a sign.
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(UrlError::PercentEncoding);
        }
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            canonical.push(char::from(byte));
        } else {
            canonical.push_str(&format!("%{byte:02X}"));
        }
        canonical.push_str(rest);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_address() {
        let check = |url: &str, expect: Result<&str, UrlError>| {
            assert_eq!(canonical_url(url), expect.map(str::to_owned), "{url}");
        };
        check("https://api.example.com/v1/a", Ok("https://api.example.com/v1/a"));
        check("HTTPS://API.Example.com/V1", Ok("https://api.example.com/V1"));
        check("https://h:443/", Ok("https://h/"));
        check("https://h:0443/", Ok("https://h/"));
        check("https://h:/", Ok("https://h/"));
        check("http://h:80", Ok("http://h/"));
        check("http://h:443/", Ok("http://h:443/"));
        check("https://h:8443", Ok("https://h:8443/"));
        check("https://[::1]:443/a", Ok("https://[::1]/a"));
        check("https://[2001:DB8::1]:8443/a", Ok("https://[2001:db8::1]:8443/a"));
        check("https://h/%2fa%7eb%41", Ok("https://h/%2Fa~bA"));
        check("https://h/a/../b", Ok("https://h/a/../b"));
        check("https://h//a/", Ok("https://h//a/"));
        check("https://h/a?", Err(UrlError::QueryOrFragment));
        check("https://h/a?b=c", Err(UrlError::QueryOrFragment));
        check("https://h/a#", Err(UrlError::QueryOrFragment));
        check("https://u@h/", Err(UrlError::Authority));
        check("https://u:p@h/", Err(UrlError::Authority));
        check("https:///a", Err(UrlError::Authority));
        check("https://:443/a", Err(UrlError::Authority));
        check("https://h:65536/", Err(UrlError::Authority));
        check("https://h:+1/", Err(UrlError::Authority));
        check("https://[::1/", Err(UrlError::Authority));
        check("https://[::1]x/", Err(UrlError::Authority));
        check("https://[]/", Err(UrlError::Authority));
        check("https://h%41/", Err(UrlError::Authority));
        check("ftp://h/", Err(UrlError::Scheme));
        check("//h/", Err(UrlError::Scheme));
        check("h/a", Err(UrlError::Scheme));
        check("", Err(UrlError::Scheme));
        check("https://h/a b", Err(UrlError::Characters));
        check("https://h/ä", Err(UrlError::Characters));
        check("https://h/a\\b", Err(UrlError::Characters));
        check("https://h/%", Err(UrlError::PercentEncoding));
        check("https://h/%4", Err(UrlError::PercentEncoding));
        check("https://h/%+4", Err(UrlError::PercentEncoding));
        check("https://h/%g0", Err(UrlError::PercentEncoding));
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC*") {
            let _ = canonical_url(&text);
        }

        #[test]
        fn canonical_stays(url in "(https?|HTTPS)://[a-zA-Z0-9.]{1,9}(:[0-9]{0,5})?(/(%[0-9a-fA-F]{2}|[a-z~:@]){0,6}){0,3}") {
            if let Ok(once) = canonical_url(&url) {
                // Decoding can't make a new encoding: `%25` stays as it is.
                prop_assert_eq!(canonical_url(&once), Ok(once));
            }
        }
    }
}
