//! What gRPC expects of those between its ends (gRPC over HTTP/2): deadlines, and words in its own fields.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use portcullis_domain::decision::DecisionId;
use portcullis_domain::reason::Reason;

use crate::body::GateBody;
use crate::refusal::{DECISION, Refusal, put};

const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Digits of a `grpc-timeout`.
const DIGITS_MAX: usize = 8;

/// Whether a message with these fields is a gRPC one. gRPC-Web, which browsers speak, is another protocol.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).and_then(|value| value.as_bytes().split_at_checked(16)).is_some_and(
        |(start, rest)| {
            start.eq_ignore_ascii_case(b"application/grpc")
                && matches!(rest.first(), None | Some(b'+' | b';'))
        },
    )
}

/// How long a gRPC client is ready to wait, from its request's head on; `None` if it doesn't say.
///
/// # Errors
/// It says so in words that two readers may take differently.
pub fn timeout_of(headers: &HeaderMap) -> Result<Option<Duration>, Refusal> {
    let mut values = headers.get_all(TIMEOUT).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let read = parse_timeout(value.as_bytes()).filter(|_| values.next().is_none());
    read.map(Some).ok_or_else(|| {
        let what = "send one `grpc-timeout`, of one to eight digits and one of the units `H`, `M`, `S`, `m`, `u` and `n`";
        Refusal::with_detail(Reason::HeadAmbiguous, what)
    })
}

fn parse_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > DIGITS_MAX || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(number * 3_600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

/// The code that stands for `reason`.
///
/// Where the gRPC project maps the HTTP status, it is that one; but for limits, where its `UNAVAILABLE`
/// would have clients try again at once.
fn code_of(reason: Reason) -> u16 {
    match (reason, reason.status()) {
        // DEADLINE_EXCEEDED
        (Reason::DeadlinePassed, _) => 4,
        // INTERNAL
        (_, 400 | 431) => 13,
        // UNAUTHENTICATED
        (_, 401) => 16,
        // PERMISSION_DENIED
        (_, 403) => 7,
        // UNIMPLEMENTED
        (_, 404 | 405) => 12,
        // RESOURCE_EXHAUSTED
        (_, 413 | 429) => 8,
        // UNAVAILABLE
        (_, 421 | 502..=504) => 14,
        // UNKNOWN
        _ => 2,
    }
}

/// Tells a gRPC client what stands in the problem document too: it reads no other words.
pub fn tell(reason: Reason, headers: &mut HeaderMap) {
    headers.insert(STATUS, HeaderValue::from(code_of(reason)));
    // Titles are of the characters that need no escape (`grpc-message` is percent-encoded).
    put(headers, MESSAGE, &format!("{}: {}", reason.code(), reason.title()));
}

/// The trailers of an answer that the gate ends for `reason`.
pub fn trailers(reason: Reason) -> HeaderMap {
    let mut fields = HeaderMap::new();
    tell(reason, &mut fields);
    fields
}

/// The whole answer to a call whose deadline has passed before there was one.
pub fn deadline_passed(decision: DecisionId) -> Response<GateBody> {
    let mut response = Response::new(GateBody::empty());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    put(headers, DECISION, &decision.to_string());
    tell(Reason::DeadlinePassed, headers);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_strictly() {
        let check = |value: &str, expect: Option<Duration>| {
            assert_eq!(parse_timeout(value.as_bytes()), expect, "{value:?}");
        };
        check("1H", Some(Duration::from_secs(3_600)));
        check("2M", Some(Duration::from_secs(120)));
        check("30S", Some(Duration::from_secs(30)));
        check("100m", Some(Duration::from_millis(100)));
        check("99999999u", Some(Duration::from_micros(99_999_999)));
        check("0n", Some(Duration::ZERO));
        check("99999999H", Some(Duration::from_secs(99_999_999 * 3_600)));
        for value in
            ["", "S", "1", "123456789S", "1s", "1h", "-1S", "+1S", " 1S", "1S ", "1.5S", "1 S", "1SS", "٣S"]
        {
            check(value, None);
        }
    }

    #[test]
    fn a_timeout_is_said_once() {
        let mut headers = HeaderMap::new();
        assert_eq!(timeout_of(&headers).unwrap(), None);
        headers.append(TIMEOUT, HeaderValue::from_static("1S"));
        assert_eq!(timeout_of(&headers).unwrap(), Some(Duration::from_secs(1)));
        headers.append(TIMEOUT, HeaderValue::from_static("1S"));
        assert_eq!(timeout_of(&headers).unwrap_err().reason, Reason::HeadAmbiguous);
    }

    #[test]
    fn grpc_is_known_by_its_media_type() {
        let check = |value: &'static str, expect: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(value));
            assert_eq!(is_grpc(&headers), expect, "{value}");
        };
        check("application/grpc", true);
        check("application/grpc+proto", true);
        check("Application/GRPC;x=y", true);
        check("application/grpc-web", false);
        check("application/grpcx", false);
        check("application/json", false);
        check("x", false);
        assert!(!is_grpc(&HeaderMap::new()));
    }

    #[test]
    fn every_reason_has_words_for_grpc() {
        for reason in Reason::ALL {
            let fields = trailers(*reason);
            assert_ne!(fields[&STATUS], "0");
            // Nothing that `grpc-message` would have to encode.
            assert!(
                fields[&MESSAGE].as_bytes().iter().all(|&byte| matches!(byte, b' '..=b'~') && byte != b'%')
            );
        }
    }
}
