//! Heads of HTTP/1.1: what is read from good ones, and the fault of each bad one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use portcullis_wire::http_rules::HeadFault::{self, *};
use portcullis_wire::http1::{
    Framing, HeadFinder, HeadLimits, RequestHead, ResponseFraming, ResponseHead, TargetForm, parse_request,
    parse_response,
};

const LIMITS: HeadLimits = HeadLimits { head_bytes_max: 400, fields_max: 4, target_bytes_max: 40 };

fn request(head: &[u8]) -> Result<RequestHead, HeadFault> {
    parse_request(head, &LIMITS, &mut Vec::new())
}

fn response(head: &str) -> Result<ResponseHead, HeadFault> {
    parse_response(head.as_bytes(), false, &LIMITS, &mut Vec::new())
}

/// A GET to host `a` with more field lines.
fn get(lines: &str) -> Result<RequestHead, HeadFault> {
    request(format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n").as_bytes())
}

#[test]
fn a_good_head_is_read_in_place() {
    let head = b"POST /orders?page=2 HTTP/1.1\r\nHost: api.example:8443\r\nContent-Length:5\r\nX-Empty:\r\nX-Two: \t a \xe9  b \t\r\n\r\n";
    let mut fields = vec![];
    let read = parse_request(head, &LIMITS, &mut fields).unwrap();
    assert_eq!(read.method.of(head), b"POST");
    assert_eq!(read.target.of(head), b"/orders?page=2");
    assert_eq!(read.path_and_query(head), b"/orders?page=2");
    assert_eq!(read.form, TargetForm::Origin);
    assert_eq!(read.framing, Framing::Length(5));
    assert!(read.keep_alive && !read.expect_continue && !read.upgrade_websocket);
    let fields: Vec<_> = fields.iter().map(|field| (field.name.of(head), field.value.of(head))).collect();
    let expected: [(&[u8], &[u8]); 4] = [
        (b"Host", b"api.example:8443"),
        (b"Content-Length", b"5"),
        (b"X-Empty", b""),
        (b"X-Two", b"a \xe9  b"),
    ];
    assert_eq!(fields, expected);

    // Spans of another head are harmless.
    assert_eq!(read.target.of(b"POST /or"), b"");
}

#[test]
fn first_lines() {
    let check = |line: &str, expect: Result<&str, HeadFault>| {
        let host = if line.contains("://") { "B.example" } else { "a" };
        let head = format!("{line}\r\nHost: {host}\r\n\r\n");
        let read = request(head.as_bytes()).map(|read| read.path_and_query(head.as_bytes()).to_vec());
        assert_eq!(read, expect.map(|path| path.as_bytes().to_vec()), "{line:?}");
    };
    check("GET / HTTP/1.1", Ok("/"));
    check("M-SEARCH /a!$&'()*+,-.:;=?@[]^_{|}~%41 HTTP/1.1", Ok("/a!$&'()*+,-.:;=?@[]^_{|}~%41"));
    check("GET http://b.example HTTP/1.1", Ok("/"));
    check("GET HTTPS://b.example/a?b HTTP/1.1", Ok("/a?b"));
    check("OPTIONS * HTTP/1.1", Ok("*"));
    check("OPTIONS / HTTP/1.1", Ok("/"));

    check("", Err(EmptyLineFirst));
    check("GET", Err(RequestLineMalformed));
    check("GET ", Err(RequestLineMalformed));
    check("GET /", Err(RequestLineMalformed));
    check("GET / ", Err(RequestLineMalformed));
    check("GET  / HTTP/1.1", Err(RequestLineMalformed));
    check("GET /  HTTP/1.1", Err(RequestLineMalformed));
    check("GET / HTTP/1.1 ", Err(RequestLineMalformed));
    check("GET / a HTTP/1.1", Err(RequestLineMalformed));
    check("GET / http/1.1", Err(RequestLineMalformed));
    check("GET / HTTP/1.01", Err(RequestLineMalformed));
    check("GET / HTTP/1,1", Err(RequestLineMalformed));
    check("GET / HTTP/1.0", Err(Http10));
    for version in ["0.9", "1.2", "2.0", "3.0"] {
        check(&format!("GET / HTTP/{version}"), Err(VersionUnknown));
    }
    check("PRI * HTTP/2.0", Err(Http2Preface));

    check(" GET / HTTP/1.1", Err(MethodMalformed));
    check("GET\t/ HTTP/1.1", Err(MethodMalformed));
    check("G(T / HTTP/1.1", Err(MethodMalformed));
    check("GÉT / HTTP/1.1", Err(MethodMalformed));
    check(&format!("{} / HTTP/1.1", "M".repeat(32)), Ok("/"));
    check(&format!("{} / HTTP/1.1", "M".repeat(33)), Err(MethodTooLong { bytes_max: 32 }));

    for wrong in
        ["a", "?a", "a/b", "//[", "ftp://b.example/", "http:/b.example/", "a:1", "http://b.example?a"]
    {
        let expect = if wrong == "//[" { Ok("//[") } else { Err(TargetMalformed) };
        check(&format!("GET {wrong} HTTP/1.1"), expect);
    }
    for byte in ["\t", "\0", "\x7f", "é", "\\", "\"", "<", ">", "`", "\x1b"] {
        check(&format!("GET /a{byte}b HTTP/1.1"), Err(TargetMalformed));
    }
    check("GET /a#b HTTP/1.1", Err(TargetFragment));
    check("GET http://b.example#a HTTP/1.1", Err(TargetFragment));
    check(&format!("GET /{} HTTP/1.1", "a".repeat(39)), Ok(&format!("/{}", "a".repeat(39))));
    check(&format!("GET /{} HTTP/1.1", "a".repeat(40)), Err(TargetTooLong { bytes_max: 40 }));
    check("GET http://me@b.example/ HTTP/1.1", Err(TargetUserInfo));
    check("GET http://c.example/ HTTP/1.1", Err(HostDiffers));
    check("GET http://b.example:80/ HTTP/1.1", Err(HostDiffers));
    check("GET http:///a HTTP/1.1", Err(HostDiffers));
    check("GET * HTTP/1.1", Err(AsteriskNotOptions));
    check("OPTIONS ** HTTP/1.1", Err(TargetMalformed));
    check("CONNECT a:443 HTTP/1.1", Err(Connect));
    check("CONNECT / HTTP/1.1", Err(Connect));
    check("GET\r / HTTP/1.1", Err(BareCarriageReturn));
    check("GET /\r HTTP/1.1", Err(BareCarriageReturn));
    check("GET / HTTP/1.1\r", Err(BareCarriageReturn));
}

#[test]
fn field_lines() {
    let check = |lines: &str, expect| assert_eq!(get(lines).map(|_| ()), expect, "{lines:?}");
    check("A: b\r\n", Ok(()));
    check("!#$%&'*+-.^_`|~09: b\tc\r\n", Ok(()));
    check("A: b\r\nA: c\r\nA: d\r\n", Ok(()));
    check("A: b\r\nA: c\r\nA: d\r\nA: e\r\n", Err(FieldsTooMany { fields_max: 4 }));
    check("A\r\n", Err(ColonMissing));
    check(": b\r\n", Err(FieldNameEmpty));
    check("A : b\r\n", Err(SpaceBeforeColon));
    check("A\t : b\r\n", Err(SpaceBeforeColon));
    check("Content-Length : 5\r\n", Err(SpaceBeforeColon));
    check("A b: c\r\n", Err(FieldNameMalformed));
    check("A(b): c\r\n", Err(FieldNameMalformed));
    check("\0A: b\r\n", Err(FieldNameMalformed));
    check("Transfer-Encoding\x0b: chunked\r\n", Err(FieldNameMalformed));
    check("É: b\r\n", Err(FieldNameMalformed));
    check(" A: b\r\n", Err(Folded));
    check("A: b\r\n c\r\n", Err(Folded));
    check("A: b\r\n\tc: d\r\n", Err(Folded));
    for byte in ["\0", "\x01", "\x08", "\x0b", "\x0c", "\x1f", "\x7f"] {
        check(&format!("A: b{byte}c\r\n"), Err(FieldValueMalformed));
        check(&format!("A: a value that is somewhat longer{byte}\r\n"), Err(FieldValueMalformed));
    }
    check("A: b\rc\r\n", Err(BareCarriageReturn));
    check("A: b\r\r\n", Err(BareCarriageReturn));
    check("A\rb: c\r\n", Err(BareCarriageReturn));
    check("\r: c\r\n", Err(BareCarriageReturn));
    check("A: b\n", Err(BareLineFeed));
    check("\n", Err(BareLineFeed));
    check("A: b\r\n\r\nGET / HTTP/1.1\r\n", Err(HeadNotWhole));
    assert_eq!(request(b"GET / HTTP/1.1\r\nHost: a\r\n"), Err(HeadNotWhole));
    assert_eq!(request(b"GET / HTTP/1.1"), Err(HeadNotWhole));
    assert_eq!(request(b""), Err(HeadNotWhole));
    assert_eq!(request(&[b'a'; 401]), Err(HeadTooLarge { bytes_max: 400 }));
}

#[test]
fn names_that_cgi_takes_for_others() {
    let check = |name: &str, expect| assert_eq!(get(&format!("{name}: a\r\n")).map(|_| ()), expect, "{name}");
    for name in [
        "Content_Length",
        "CONTENT_LENGTH",
        "Transfer_Encoding",
        "Expect_",
        "X_Forwarded_For",
        "X-Forwarded_For",
        "X_Real_IP",
        "Proxy_Connection",
        "Keep_Alive",
        "Portcullis_Client",
        "portcullis-client_",
        "Client_Cert",
    ] {
        check(name, if name == "Expect_" { Ok(()) } else { Err(NameAmbiguous) });
    }
    for name in ["X_Trace", "_", "Content_Type", "_Content_Length", "Portcullis"] {
        check(name, Ok(()));
    }
}

#[test]
fn hosts() {
    let check = |host: &str, expect| {
        let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(request(head.as_bytes()).map(|_| ()), expect, "{host}");
    };
    for good in ["a", "A.example", "10.0.0.1:80", "a_b-c.example:65535", "[::1]", "[2001:db8::1]:8443", "a."]
    {
        check(good, Ok(()));
    }
    for bad in [
        ":80",
        "a:",
        "a:b",
        "a:123456",
        "a:65536",
        "a:1:2",
        "a,b",
        "a b",
        "a/b",
        "a@b",
        "a%41",
        "é",
        "[::1",
        "::1",
        "[a]",
        "[]",
        "[::1]a",
        "[::1]:",
        "[fe80::1%25eth0]",
        "a?b",
        "a#b",
        "\"a\"",
        "a;b",
    ] {
        check(bad, Err(HostMalformed));
    }
    check("", Err(HostMissing));
    check(" \t", Err(HostMissing));
    check("a\r\nHost: a", Err(HostDoubled));
    check("a\r\nhOST:", Err(HostDoubled));
    assert_eq!(request(b"GET / HTTP/1.1\r\n\r\n"), Err(HostMissing));
    assert_eq!(request(b"GET / HTTP/1.1\r\nX-Host: a\r\n\r\n"), Err(HostMissing));
}

#[test]
fn framing() {
    let check = |lines: &str, expect| assert_eq!(get(lines).map(|head| head.framing), expect, "{lines:?}");
    check("", Ok(Framing::Empty));
    check("Content-Length: 0\r\n", Ok(Framing::Length(0)));
    check("content-length:\t007 \r\n", Ok(Framing::Length(7)));
    check("Content-Length: 9223372036854775808\r\n", Ok(Framing::Length(1 << 63)));
    check("Content-Length: 9223372036854775809\r\n", Err(ContentLengthTooLarge));
    check("Content-Length: 36893488147419103232\r\n", Err(ContentLengthTooLarge));
    for bad in ["", "+5", "-5", "5, 5", "5,5", "0x5", "5 5", "5.0", "٥", "5;a"] {
        check(&format!("Content-Length: {bad}\r\n"), Err(ContentLengthMalformed));
    }
    check("Content-Length: 5\r\nContent-Length: 5\r\n", Err(ContentLengthDoubled));
    check("Transfer-Encoding: chunked\r\n", Ok(Framing::Chunked));
    check("transfer-encoding:ChUnKeD\r\n", Ok(Framing::Chunked));
    for bad in [
        "",
        "identity",
        "gzip, chunked",
        "chunked, chunked",
        "chunked,",
        "xchunked",
        "chunked;a",
        "\"chunked\"",
    ] {
        check(&format!("Transfer-Encoding: {bad}\r\n"), Err(TransferEncodingNotChunked));
    }
    let chunked = "Transfer-Encoding: chunked\r\n";
    check(&chunked.repeat(2), Err(TransferEncodingDoubled));
    check(&format!("Transfer-Encoding:\r\n{chunked}"), Err(TransferEncodingDoubled));
    check(&format!("{chunked}Content-Length: 5\r\n"), Err(LengthAndTransferEncoding));
    check(&format!("Content-Length: 0\r\n{chunked}"), Err(LengthAndTransferEncoding));
}

#[test]
fn connection_upgrade_and_expect() {
    let flags =
        |lines: &str| get(lines).map(|head| (head.keep_alive, head.upgrade_websocket, head.expect_continue));
    let check = |lines: &str, expect| assert_eq!(flags(lines), expect, "{lines:?}");
    check("Connection: keep-alive\r\n", Ok((true, false, false)));
    check("Connection: Close\r\n", Ok((false, false, false)));
    check("Connection: keep-alive, close\r\n", Ok((false, false, false)));
    check("Connection: close\r\nConnection: keep-alive\r\n", Ok((false, false, false)));
    check("Connection:, ,x-hop ,\r\n", Ok((true, false, false)));
    check("Connection: closed\r\n", Ok((true, false, false)));
    for bad in ["close;a", "a b", "\"close\"", "é"] {
        check(&format!("Connection: {bad}\r\n"), Err(ConnectionMalformed));
    }
    for named in ["Host", "content-length", "close, Transfer-Encoding", "expect"] {
        check(&format!("Connection: {named}\r\n"), Err(ConnectionNamesFraming));
    }

    let upgrade = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n";
    check(upgrade, Ok((true, true, false)));
    check("Upgrade: websocket\r\n", Ok((true, false, false)));
    check("Connection: upgrade\r\n", Ok((true, false, false)));
    check("Connection: upgrade\r\nUpgrade: h2c\r\n", Ok((true, false, false)));
    check("Connection: upgrade\r\nUpgrade: websocket, h2c\r\n", Ok((true, false, false)));
    check(&format!("{upgrade}Content-Length: 0\r\n"), Ok((true, false, false)));
    let post = format!("POST / HTTP/1.1\r\nHost: a\r\n{upgrade}\r\n");
    assert!(!request(post.as_bytes()).unwrap().upgrade_websocket);

    let length = "Content-Length: 5\r\n";
    check(&format!("{length}Expect: 100-Continue\r\n"), Ok((true, false, true)));
    check("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n", Ok((true, false, true)));
    check("Expect: 100-continue\r\n", Ok((true, false, false)));
    check("Content-Length: 0\r\nExpect: 100-continue\r\n", Ok((true, false, false)));
    check(&format!("{length}Expect: 200-ok\r\n"), Err(ExpectUnknown));
    check(&format!("{length}Expect:\r\n"), Err(ExpectUnknown));
    check(&format!("{length}Expect: 100-continue\r\nExpect: 100-continue\r\n"), Err(ExpectUnknown));
}

#[test]
fn the_end_of_a_head_is_found() {
    let check = |bytes: &str, expect| {
        let mut finder = HeadFinder::default();
        assert_eq!(finder.find(bytes.as_bytes(), &LIMITS), expect, "{bytes:?}");
        assert_eq!(finder.find(bytes.as_bytes(), &LIMITS), expect, "asked again: {bytes:?}");
    };
    check("", Ok(None));
    check("G", Ok(None));
    check("GET / HTTP/1.1\r\n\r", Ok(None));
    check("GET / HTTP/1.1\r\n\r\n", Ok(Some(18)));
    check("GET / HTTP/1.1\r\nA: b\r\n\r\nGET", Ok(Some(24)));
    check("HTTP/1.1 200 OK\r\n\r\n", Ok(Some(19)));
    check("HTTP", Ok(None));
    check("\r", Err(EmptyLineFirst));
    check("\nGET / HTTP/1.1", Err(EmptyLineFirst));
    check("GET / HTTP/1.1\nHost: a\r\n\r\n", Err(BareLineFeed));
    check("GET / HTTP/1.1\r\n\n", Err(BareLineFeed));
    check("GET / HTTP/1.1\r\nA: b\n", Err(BareLineFeed));
    check("\u{16}\u{3}\u{1}", Err(NotHttp));
    check("{\"a\":1}", Err(NotHttp));
    check("GET\t", Err(NotHttp));
    check("GET\r\n", Err(NotHttp));
    check("SSH-2.0-x\r\n", Err(NotHttp));
    check("PRI", Ok(None));
    check("PRI ", Err(Http2Preface));
    check("PRI * HTTP/2.0\r\n\r\n", Err(Http2Preface));
    check(&"M".repeat(32), Ok(None));
    check(&"M".repeat(33), Err(MethodTooLong { bytes_max: 32 }));

    let just_fits = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "b".repeat(400 - 23));
    check(&just_fits, Ok(Some(400)));
    check(&just_fits[..399], Ok(None));
    let too_large = just_fits.replace("A: ", "A: b");
    check(&too_large[..399], Ok(None));
    check(&too_large[..400], Err(HeadTooLarge { bytes_max: 400 }));
    check(&too_large, Err(HeadTooLarge { bytes_max: 400 }));
}

#[test]
fn responses() {
    let check = |head: &str, expect| {
        let read = response(&format!("{head}\r\n")).map(|head| (head.status, head.framing, head.keep_alive));
        assert_eq!(read, expect, "{head:?}");
    };
    use ResponseFraming::{Chunked, Empty, Length, UntilClose};
    check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", Ok((200, Length(5), true)));
    check("HTTP/1.1 200 \r\nContent-Length: 0\r\n", Ok((200, Length(0), true)));
    check("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n", Ok((200, Chunked, true)));
    check(
        "HTTP/1.1 599 Na\t\u{e9}\r\nContent-Length: 5\r\nConnection: close\r\n",
        Ok((599, Length(5), false)),
    );
    check("HTTP/1.1 200 OK\r\n", Ok((200, UntilClose, false)));
    check("HTTP/1.0 200 OK\r\n", Ok((200, UntilClose, false)));
    check("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n", Ok((200, Length(5), false)));
    check("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n", Err(TransferEncodingInHttp10));
    for status in [100, 103, 204, 304] {
        check(&format!("HTTP/1.1 {status} A\r\n"), Ok((status, Empty, true)));
        check(&format!("HTTP/1.1 {status} A\r\nContent-Length: 0\r\n"), Ok((status, Empty, true)));
        let expect = if status == 304 { Ok((status, Empty, true)) } else { Err(BodyWhereNoneIs { status }) };
        check(&format!("HTTP/1.1 {status} A\r\nContent-Length: 5\r\n"), expect);
        check(&format!("HTTP/1.1 {status} A\r\nTransfer-Encoding: chunked\r\n"), expect);
    }
    check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n", Err(ContentLengthDoubled));
    check("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n", Err(ContentLengthMalformed));
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        Err(LengthAndTransferEncoding),
    );
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n", Err(TransferEncodingNotChunked));
    check("HTTP/1.1 200 OK\r\nContent_Length: 5\r\n", Err(NameAmbiguous));
    check("HTTP/1.1 200 OK\r\nA : b\r\n", Err(SpaceBeforeColon));
    check("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n", Err(Folded));

    check("", Err(StatusLineMalformed));
    check("HTTP/1.1\r\n", Err(StatusLineMalformed));
    check("http/1.1 200 OK\r\n", Err(StatusLineMalformed));
    check("HTTP/1.1  200 OK\r\n", Err(StatusLineMalformed));
    check("HTTP/1.1 20 OK\r\n", Err(StatusLineMalformed));
    check("HTTP/1.1 2000 OK\r\n", Err(StatusLineMalformed));
    check("HTTP/1.1 +20 OK\r\n", Err(StatusLineMalformed));
    check("HTTP/1.1 200 O\0K\r\n", Err(StatusLineMalformed));
    check("ICY 200 OK\r\n", Err(StatusLineMalformed));
    check("HTTP/2.0 200 OK\r\n", Err(VersionUnknown));
    check("HTTP/1.2 200 OK\r\n", Err(VersionUnknown));
    check("HTTP/1.1 099 OK\r\n", Err(StatusOutOfRange { status: 99 }));
    check("HTTP/1.1 600 OK\r\n", Err(StatusOutOfRange { status: 600 }));
    check("HTTP/1.1 200 O\rK\r\n", Err(BareCarriageReturn));

    for lines in ["", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        let head = format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
        let read = parse_response(head.as_bytes(), true, &LIMITS, &mut Vec::new()).unwrap();
        assert_eq!((read.framing, read.keep_alive), (Empty, true), "to HEAD: {lines:?}");
    }
    let switch = response("HTTP/1.1 101 A\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n").unwrap();
    assert!(switch.upgrade_websocket && switch.framing == Empty);
    assert!(
        !response("HTTP/1.1 200 A\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
            .unwrap()
            .upgrade_websocket
    );
}

#[test]
fn the_answer_to_a_fault() {
    let check = |fault: HeadFault, expect| assert_eq!(fault.status(), expect, "{fault}");
    check(BareLineFeed, 400);
    check(TargetTooLong { bytes_max: 1 }, 414);
    check(ExpectUnknown, 417);
    check(HeadTooLarge { bytes_max: 1 }, 431);
    check(FieldsTooMany { fields_max: 1 }, 431);
    check(Connect, 501);
    check(Http10, 505);
}
