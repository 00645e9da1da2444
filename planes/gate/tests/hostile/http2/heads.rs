//! Heads that HTTP/2 can frame, and that HTTP/1.1 would read as more, as less or as another.

use super::case::{Expect, case, changed, check_all, set, with};
use super::frames::{CONTINUATION, END_HEADERS, END_STREAM, HEADERS, block, frame};
use super::good;
use crate::line::{seen, shown};
use crate::recorder::Seen;

fn plain() -> Seen {
    seen("GET", &[], "")
}

#[tokio::test]
async fn nothing_that_http1_would_split_is_passed_on() {
    use Expect::{Denied, Passes, Refused, RefusedOr};
    let at = |target: &str| Seen { target: target.to_owned(), ..plain() };

    let twice = |name: &'static str, value: &'static [u8]| {
        changed(&format!("{name} twice, {}", shown(value)), Refused, move |fields| {
            fields.insert(0, (name.to_owned(), value.to_vec()));
        })
    };
    let without = |name: &'static str| {
        changed(&format!("no {name}"), Refused, move |fields| fields.retain(|(known, _)| known != name))
    };
    let last = |name: &'static str| {
        changed(&format!("{name} behind a field"), Refused, move |fields| {
            let at = fields.iter().position(|(known, _)| known == name).unwrap();
            let field = fields.remove(at);
            fields.push(field);
        })
    };
    let mut cases = vec![
        changed("as it should be", Passes(plain()), |_| {}),
        twice(":method", b"GET"),
        twice(":method", b"POST"),
        twice(":scheme", b"https"),
        twice(":authority", b"gate.test"),
        twice(":authority", b"other.test"),
        twice(":path", b"/free/inner"),
        without(":method"),
        without(":scheme"),
        without(":path"),
        without(":authority"),
        last(":method"),
        last(":scheme"),
        last(":authority"),
        last(":path"),
        changed("host instead of :authority", Passes(plain()), |fields| {
            fields.retain(|(name, _)| name != ":authority");
            fields.push(("host".to_owned(), b"gate.test".to_vec()));
        }),
        with("host", b"gate.test", Passes(plain())),
        with("host", b"other.test", Refused),
        changed("two equal hosts", Refused, |fields| {
            fields.extend([
                ("host".to_owned(), b"gate.test".to_vec()),
                ("host".to_owned(), b"gate.test".to_vec()),
            ]);
        }),
        // Splitting: HTTP/1.1 would see more fields, or another request.
        with("x-a", b"b\r\nx-c: d", Refused),
        with("x-a", b"b\r\n\r\nGET /free/inner HTTP/1.1\r\nhost: gate.test\r\n\r\n", Refused),
        with("x-a", b"b\nx-c: d", Refused),
        with("x-a", b"b\rx-c: d", Refused),
        with("x-a", b"b\0", Refused),
        with("x-a", b"b\x7f", Refused),
        with("x-a", b"\x01", Refused),
        with("x-a\r\nx-c", b"b", Refused),
        with("x-a: b\r\nx-c", b"d", Refused),
        with("x-a\n", b"b", Refused),
        with("x-a:", b"b", Refused),
        with("x a", b"b", Refused),
        with("x-a\0", b"b", Refused),
        with("x-a ", b"b", Refused),
        with(" x-a", b"b", Refused),
        with("x-\u{e9}", b"b", Refused),
        with("", b"b", Refused),
        with(":", b"b", Refused),
        with(":x", b"b", Refused),
        with(":status", b"200", Refused),
        with(":protocol", b"websocket", Refused),
        with("X-A", b"b", Refused),
        with("x-A", b"b", Refused),
        with("Content-Length", b"0", Refused),
        // RFC 9113, 8.2.2.
        with("connection", b"keep-alive", Refused),
        with("connection", b"close", Refused),
        with("keep-alive", b"timeout=5", Refused),
        with("proxy-connection", b"keep-alive", Refused),
        with("transfer-encoding", b"chunked", Refused),
        with("transfer-encoding", b"identity", Refused),
        with("upgrade", b"h2c", Refused),
        with("te", b"gzip", Refused),
        with("te", b"trailers, chunked", Refused),
        with("te", b"trailers", Passes(plain())),
        // Lengths of no body.
        with("content-length", b"5", Refused),
        with("content-length", b"+0", Refused),
        with("content-length", b"0, 0", Refused),
        with("content-length", b"", Refused),
        with("content-length", b"-1", Refused),
        with("content-length", b"0x0", Refused),
        with("content-length", b"99999999999999999999", Refused),
        with("content-length", b"0", Passes(plain())),
        // What speaks of the way stays here.
        with("portcullis-client", b"vendor-2-machine-1", Passes(plain())),
        with("portcullis_client", b"vendor-2-machine-1", RefusedOr(plain())),
        with("x-forwarded-for", b"10.0.0.1", Passes(plain())),
        with("x-original-url", b"/records/1", Passes(plain())),
        with("x-a", b"b", Passes(seen("GET", &["x-a: b"], ""))),
        with("x-a", b"b\tc", Passes(seen("GET", &["x-a: b\tc"], ""))),
        // Methods.
        set(":method", b"", Refused),
        set(":method", b"GET ", Refused),
        set(":method", b" GET", Refused),
        set(":method", b"GET /free/inner HTTP/1.1\r\nhost: gate.test\r\n\r\nGET", Refused),
        set(":method", b"GET\r\n", Refused),
        set(":method", b"G\0T", Refused),
        set(":method", b"get", Denied("method_not_allowed")),
        set(":method", b"CONNECT", Refused),
        // Schemes.
        set(":scheme", b"", RefusedOr(plain())),
        set(":scheme", b"https://gate.test/free/inner?", Refused),
        set(":scheme", b"https\r\n", Refused),
        set(":scheme", b"ht tps", Refused),
        // Hosts.
        set(":authority", b"", Refused),
        set(":authority", b"user@gate.test", Refused),
        set(":authority", b"gate.test/free", Refused),
        set(":authority", b"gate.test other.test", Refused),
        set(":authority", b"gate.test\r\nx-a: b", Refused),
        set(":authority", b"gate.test,other.test", Refused),
        set(":authority", b"gate.test#", Refused),
        set(":authority", b"gate.test?", Refused),
        set(":authority", b"gate.test\\x", Refused),
        set(":authority", b"gate.test:99999", RefusedOr(plain())),
        set(":authority", b"GATE.test:443", Passes(plain())),
        // Paths.
        set(":path", b"", Refused),
        set(":path", b"*", Refused),
        set(":path", b"free/x", Refused),
        set(":path", b"?x", Refused),
        set(":path", b"//gate.test/free/x", Refused),
        set(":path", b"https://gate.test/free/x", Refused),
        set(":path", b"/free/x y", Refused),
        set(":path", b"/free/x HTTP/1.1\r\nhost: gate.test\r\n\r\nGET /free/inner", Refused),
        set(":path", b"/free/x\r\nx-a: b", Refused),
        set(":path", b"/free/x\n", Refused),
        set(":path", b"/free/x\0", Refused),
        set(":path", b"/free/x\t", Refused),
        set(":path", b"/free/x\x7f", Refused),
        set(":path", b"/free/x#y", RefusedOr(at("/free/x"))),
        set(":path", b"/free/x\xe4", Refused),
        set(":path", b"/free/x?\xe4", Refused),
        set(":path", b"/free/x\"", RefusedOr(at("/free/x\""))),
        set(":path", b"/free/x<y>", Refused),
        set(":path", b"/free/x\\y", Denied("path_not_canonical")),
        set(":path", b"/free//x", Denied("path_not_canonical")),
        set(":path", b"/free/../records/1", Denied("path_not_canonical")),
        set(":path", b"/free/%2e%2e/records/1", Denied("path_not_canonical")),
        set(":path", b"/free/x%0d%0ay", Denied("path_not_canonical")),
    ];
    cases.extend([
        case("33 KiB", Refused, |stage, path| {
            let mut fields = good(stage, path);
            fields.extend((0..33).map(|_| ("x-a".to_owned(), vec![b'y'; 1_000])));
            in_pieces(&block(&fields), END_STREAM)
        }),
        case("1,000 fields", Refused, |stage, path| {
            let mut fields = good(stage, path);
            fields.extend((0..1_000).map(|number| (format!("x-{number}"), b"y".to_vec())));
            in_pieces(&block(&fields), END_STREAM)
        }),
        case("a block in pieces", Passes(plain()), |stage, path| {
            in_pieces(&block(&good(stage, path)), END_STREAM)
        }),
        case("cookies in pieces", Passes(seen("GET", &["cookie: a=b; c=d"], "")), |stage, path| {
            let mut fields = good(stage, path);
            fields.extend([("cookie".to_owned(), b"a=b".to_vec()), ("cookie".to_owned(), b"c=d".to_vec())]);
            frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(&fields))
        }),
    ]);
    check_all(cases).await;
}

/// HEADERS and CONTINUATION of at most 500 bytes each.
fn in_pieces(block: &[u8], flags: u8) -> Vec<u8> {
    let pieces: Vec<&[u8]> = block.chunks(500).collect();
    let mut bytes = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        let end = if number + 1 == pieces.len() { END_HEADERS } else { 0 };
        bytes.extend(match number {
            0 => frame(HEADERS, flags | end, 1, piece),
            _ => frame(CONTINUATION, end, 1, piece),
        });
    }
    bytes
}
