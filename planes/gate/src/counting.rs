//! How the records of a response are counted, as its head says.

use std::num::NonZeroU64;

use http::header::{ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use portcullis_records::{Counter, Format, JsonPointer};

/// How a response is read.
pub struct Counting {
    pub counter: Counter,
    /// It is unpacked first.
    pub gzip: bool,
    /// Its trailers belong to the protocol that it speaks (gRPC), and pass.
    pub trailers: bool,
}

/// What a route says about counting.
pub struct Rules<'a> {
    /// The array whose elements are the records.
    pub pointer: Option<&'a JsonPointer>,
    pub record_bytes: Option<u64>,
}

/// How to count a response; `None` if it can't be.
///
/// What has records is counted by them, also where the route has `record_bytes`: setting that must not
/// make an array of many small records cheaper. Everything else counts by its bytes.
pub fn counting_of(rules: &Rules<'_>, status: StatusCode, headers: &HeaderMap) -> Option<Counting> {
    let coding = coding_of(headers);
    let whole = status != StatusCode::PARTIAL_CONTENT && !headers.contains_key(CONTENT_RANGE);
    // A part of something packed can't be unpacked.
    let gzip = whole && coding == Coding::Gzip;
    let readable = whole && coding != Coding::Other;
    let by_format = if readable { format_of(headers) } else { None };
    if let Some(format) = by_format {
        let counter = match rules.pointer {
            Some(pointer) => Counter::at_pointer(format, pointer.clone()),
            None => Counter::new(format),
        };
        return Some(Counting { counter, gzip, trailers: format == Format::Grpc });
    }
    let record_bytes = NonZeroU64::new(rules.record_bytes?)?;
    Some(Counting { counter: Counter::by_bytes(record_bytes), gzip, trailers: false })
}

/// Makes a head say what the body is after it was unpacked (RFC 9110, 7.7 and 8.8.1): not its packed
/// length and digests, no ranges of it, and a weak validator, as the bytes are others.
pub fn unpacked_head(headers: &mut HeaderMap) {
    const OF_PACKED_BYTES: [HeaderName; 7] = [
        CONTENT_ENCODING,
        CONTENT_LENGTH,
        ACCEPT_RANGES,
        HeaderName::from_static("content-digest"),
        HeaderName::from_static("repr-digest"),
        HeaderName::from_static("digest"),
        HeaderName::from_static("content-md5"),
    ];
    for name in OF_PACKED_BYTES {
        headers.remove(name);
    }
    if let Some(tag) = headers.get_mut(ETAG)
        && tag.as_bytes().starts_with(b"\"")
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())
    {
        *tag = weak;
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Coding {
    Identity,
    Gzip,
    /// Another one, or one over another.
    Other,
}

fn coding_of(headers: &HeaderMap) -> Coding {
    let mut coding = Coding::Identity;
    for value in headers.get_all(CONTENT_ENCODING) {
        for name in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if name.is_empty() || name.eq_ignore_ascii_case(b"identity") {
                continue;
            }
            // `x-gzip` is the same (RFC 9110, 8.4.1.3).
            let gzip = name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip");
            coding = if gzip && coding == Coding::Identity { Coding::Gzip } else { Coding::Other };
        }
    }
    coding
}

fn format_of(headers: &HeaderMap) -> Option<Format> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let first = types.next()?;
    if types.next().is_some() {
        return None;
    }
    Format::from_content_type(first.to_str().ok()?)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
    use portcullis_records::JsonPointer;

    use super::{Rules, counting_of, unpacked_head};

    fn fields(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    type Fields = [(&'static str, &'static str)];
    type Counted = Option<(u64, bool, bool)>;

    /// How `[1,2,3]` is counted, whether it is unpacked first, and whether trailers pass.
    fn count(status: u16, head: &Fields, record_bytes: Option<u64>) -> Counted {
        let rules = Rules { pointer: None, record_bytes };
        let status = StatusCode::from_u16(status).unwrap();
        counting_of(&rules, status, &fields(head)).map(|mut counting| {
            let records = counting.counter.push(b"[1,2,3]", u64::MAX).map_or(0, |seen| seen.records);
            (records, counting.gzip, counting.trailers)
        })
    }

    #[test]
    fn what_can_be_counted_how() {
        const JSON: (&str, &str) = ("content-type", "application/json");
        const TEXT: (&str, &str) = ("content-type", "text/plain");
        let gzip = |name| ("content-encoding", name);
        // Without `record_bytes`, and with one of two bytes: seven bytes are four records.
        let table: [(u16, &Fields, Counted, Counted); 22] = [
            (200, &[JSON], Some((3, false, false)), Some((3, false, false))),
            (404, &[JSON], Some((3, false, false)), Some((3, false, false))),
            (200, &[JSON, gzip("identity")], Some((3, false, false)), Some((3, false, false))),
            (200, &[JSON, gzip("gzip")], Some((3, true, false)), Some((3, true, false))),
            (200, &[JSON, gzip("X-GZip")], Some((3, true, false)), Some((3, true, false))),
            (200, &[JSON, gzip(" identity , gzip,")], Some((3, true, false)), Some((3, true, false))),
            (200, &[JSON, gzip("gzip, gzip")], None, Some((4, false, false))),
            (200, &[JSON, gzip("gzip"), gzip("gzip")], None, Some((4, false, false))),
            (200, &[JSON, gzip("br")], None, Some((4, false, false))),
            (200, &[JSON, gzip("gzip, br")], None, Some((4, false, false))),
            (200, &[JSON, gzip("br"), gzip("gzip")], None, Some((4, false, false))),
            (200, &[JSON, gzip("gzip;q=1")], None, Some((4, false, false))),
            (200, &[JSON, JSON], None, Some((4, false, false))),
            (200, &[], None, Some((4, false, false))),
            (200, &[TEXT], None, Some((4, false, false))),
            (200, &[TEXT, gzip("gzip")], None, Some((4, true, false))),
            (206, &[JSON], None, Some((4, false, false))),
            (206, &[JSON, gzip("gzip")], None, Some((4, false, false))),
            (200, &[JSON, ("content-range", "bytes 0-6/7")], None, Some((4, false, false))),
            (206, &[("content-type", "multipart/byteranges; boundary=x")], None, Some((4, false, false))),
            (200, &[("content-type", "text/csv")], Some((0, false, false)), Some((0, false, false))),
            // `[` is no flag of a message.
            (
                200,
                &[("content-type", "application/grpc+proto")],
                Some((0, false, true)),
                Some((0, false, true)),
            ),
        ];
        for (status, head, without, with) in table {
            assert_eq!(count(status, head, None), without, "{status} {head:?}");
            assert_eq!(count(status, head, Some(2)), with, "{status} {head:?} by bytes");
        }
        assert_eq!(count(200, &[TEXT], Some(0)), None);
    }

    #[test]
    fn a_pointer_is_for_json_only() {
        let pointer = JsonPointer::parse("/data").unwrap();
        let rules = Rules { pointer: Some(&pointer), record_bytes: None };
        let counted = |content_type: &str, body: &[u8]| {
            let head = fields(&[("content-type", content_type)]);
            let mut counting = counting_of(&rules, StatusCode::OK, &head).unwrap();
            counting.counter.push(body, u64::MAX).unwrap().records
        };
        assert_eq!(counted("application/json", br#"{"other":[1,2,3],"data":[1,2]}"#), 2);
        assert_eq!(counted("text/csv", b"a,b\n1,2\n3,4\n5,6\n"), 3);
    }

    #[test]
    fn an_unpacked_head_says_nothing_of_packed_bytes() {
        let check = |tag: &str, expect: &str| {
            let mut head = fields(&[
                ("content-encoding", "gzip"),
                ("content-length", "9"),
                ("content-type", "application/json"),
                ("content-digest", "sha-256=:x:"),
                ("accept-ranges", "bytes"),
                ("vary", "accept-encoding"),
                ("etag", tag),
            ]);
            unpacked_head(&mut head);
            let kept = [("content-type", "application/json"), ("vary", "accept-encoding"), ("etag", expect)];
            assert_eq!(head, fields(&kept));
        };
        check("\"abc\"", "W/\"abc\"");
        check("W/\"abc\"", "W/\"abc\"");
    }
}
