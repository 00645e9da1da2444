//! Lines of the head: how they end, what names may be, and whom the request is for.

use super::{get, passes, refused, refused_or};
use crate::line::{Line, Step, check_all, seen};

#[tokio::test]
async fn a_line_is_a_line_and_a_name_is_a_name() {
    let mut lines = Vec::new();
    for (name, fields) in [
        ("a space before the colon", "X-A : b\r\n"),
        ("a tab before the colon", "X-A\t: b\r\n"),
        ("a line that begins with a space", " X-A: b\r\n"),
        ("a line that begins with a tab", "\tX-A: b\r\n"),
        ("a folded line", "X-A: b\r\n c\r\n"),
        ("a line folded by a tab", "X-A: b\r\n\tc\r\n"),
        ("a folded line without anything", "X-A: b\r\n \r\n"),
        ("a bare LF", "X-A: b\nX-C: d\r\n"),
        ("a bare LF at the head's end", "X-A: b\n"),
        ("two bare LF", "X-A: b\n\nGET /free/inner HTTP/1.1\r\nHost: gate.test\r\n{auth}"),
        ("LF, CR, LF", "X-A: b\n\r\nGET /free/inner HTTP/1.1\r\nHost: gate.test\r\n{auth}"),
        ("CR, LF, LF", "X-A: b\r\n\nGET /free/inner HTTP/1.1\r\nHost: gate.test\r\n{auth}"),
        ("CR, CR, LF", "X-A: b\r\r\n"),
        ("a bare CR", "X-A: b\rX-C: d\r\n"),
        ("a bare CR at the value's start", "X-A:\rb\r\n"),
        ("a bare CR before the colon", "X-A\r: b\r\n"),
        ("two bare CR", "X-A: b\r\rGET /free/inner HTTP/1.1\r\nHost: gate.test\r\n{auth}"),
        ("a NUL in a value", "X-A: b\0c\r\n"),
        ("a NUL in a name", "X\0A: b\r\n"),
        ("a control character in a value", "X-A: b\u{1}c\r\n"),
        ("a vertical tab in a value", "X-A: b\u{b}c\r\n"),
        ("an escape in a value", "X-A: b\u{1b}[0m\r\n"),
        ("DEL in a value", "X-A: b\u{7f}\r\n"),
        ("no name", ": b\r\n"),
        ("no colon", "X-A\r\n"),
        ("no colon, a value", "X-A b\r\n"),
        ("a name with a space", "X A: b\r\n"),
        ("a name with brackets", "X(A): b\r\n"),
        ("a name with a slash", "X/A: b\r\n"),
        ("a name with a comma", "X,A: b\r\n"),
        ("a name with an at sign", "X@A: b\r\n"),
        ("a name in quotes", "\"X-A\": b\r\n"),
        ("a name with a high byte", "X-\u{e9}: b\r\n"),
        ("a name with DEL", "X-A\u{7f}: b\r\n"),
        ("a request line among the fields", "GET /free/inner HTTP/1.1\r\n"),
    ] {
        lines.push(Line::new(name, &get(fields), Step::Refused));
    }
    lines.extend(refused(&[
        ("a bare LF behind the request line", "GET {path} HTTP/1.1\nHost: gate.test\r\n{auth}\r\n"),
        ("a bare CR behind the request line", "GET {path} HTTP/1.1\rHost: gate.test\r\n{auth}\r\n"),
        ("a space before the first field", "GET {path} HTTP/1.1\r\n Host: gate.test\r\n{auth}\r\n"),
        ("a line of spaces before the fields", "GET {path} HTTP/1.1\r\n  \r\nHost: gate.test\r\n{auth}\r\n"),
        ("LF alone everywhere", "GET {path} HTTP/1.1\nHost: gate.test\n{auth}\n"),
        ("a space before the request line", " GET {path} HTTP/1.1\r\nHost: gate.test\r\n{auth}\r\n"),
        ("a tab before the request line", "\tGET {path} HTTP/1.1\r\nHost: gate.test\r\n{auth}\r\n"),
        ("a NUL before the request line", "\0GET {path} HTTP/1.1\r\nHost: gate.test\r\n{auth}\r\n"),
        ("a byte order mark", "\u{ef}\u{bb}\u{bf}GET {path} HTTP/1.1\r\nHost: gate.test\r\n{auth}\r\n"),
        ("a bare CR before the request line", "\rGET {path} HTTP/1.1\r\nHost: gate.test\r\n{auth}\r\n"),
    ]));
    let x = |value: &str| seen("GET", &[&format!("x-a: {value}")], "");
    let plain = || seen("GET", &[], "");
    let hundred =
        |count: usize| get(&(0..count).map(|number| format!("X-{number}: y\r\n")).collect::<String>());
    lines.extend([
        // Host and Authorization count too.
        Line::new("101 fields", &hundred(99), Step::TooLarge),
        Line::new("1,000 fields", &hundred(998), Step::TooLarge),
        Line::new("33 KiB", &get(&format!("X-A: {}\r\n", "y".repeat(33 * 1_024))), Step::TooLarge),
        Line::new("a name of 33 KiB", &get(&format!("{}: y\r\n", "x".repeat(33 * 1_024))), Step::TooLarge),
        Line::new(
            "a head without an end",
            &format!("GET {{path}} HTTP/1.1\r\nX-A: {}", "y".repeat(100_000)),
            Step::TooLarge,
        ),
        refused_or("an empty line before", &format!("\r\n{}", get("")), plain()),
        refused_or("a bare LF before", &format!("\n{}", get("")), plain()),
        passes("a tab inside a value", &get("X-A: b\tc\r\n"), x("b\tc")),
        passes("no space behind the colon", &get("X-A:b\r\n"), x("b")),
        passes("an empty value", &get("X-A:\r\n"), x("")),
        passes(
            "every character of a name",
            &get("!#$%&'*+-.^`|~09az: b\r\n"),
            seen("GET", &["!#$%&'*+-.^`|~09az: b"], ""),
        ),
        passes("colons in a value", &get("X-A: b: c:d\r\n"), x("b: c:d")),
        passes(
            "98 fields besides",
            &hundred(98),
            seen("GET", &(0..98).map(|number| &*format!("x-{number}: y").leak()).collect::<Vec<&str>>(), ""),
        ),
        passes("a name twice", &get("X-A: b\r\nX-A: c\r\n"), seen("GET", &["x-a: b", "x-a: c"], "")),
        Line { trickled: true, ..passes("a byte in each record", &get("X-A: b\r\n"), x("b")) },
    ]);
    check_all(&lines).await;
}

#[tokio::test]
async fn a_request_is_for_one_host() {
    let line = "GET {path} HTTP/1.1\r\n{auth}";
    let mut lines = Vec::new();
    for (name, fields) in [
        ("none", ""),
        ("empty", "Host:\r\n"),
        ("spaces", "Host:   \r\n"),
        ("twice", "Host: gate.test\r\nHost: gate.test\r\n"),
        ("two", "Host: gate.test\r\nHost: other.test\r\n"),
        ("two in two cases", "Host: gate.test\r\nhost: other.test\r\n"),
        ("a list", "Host: gate.test, other.test\r\n"),
        ("a list without a space", "Host: gate.test,other.test\r\n"),
        ("a space inside", "Host: gate.test other.test\r\n"),
        ("a tab inside", "Host: gate.test\tother.test\r\n"),
        ("user information", "Host: user@gate.test\r\n"),
        ("user and password", "Host: gate.test:443@other.test\r\n"),
        ("a path", "Host: gate.test/x\r\n"),
        ("a query", "Host: gate.test?x\r\n"),
        ("a fragment", "Host: gate.test#x\r\n"),
        ("a backslash", "Host: gate.test\\x\r\n"),
        ("a scheme", "Host: https://gate.test\r\n"),
        ("a port that is none", "Host: gate.test:x\r\n"),
        ("a port too large", "Host: gate.test:65536\r\n"),
        ("two ports", "Host: gate.test:443:444\r\n"),
        ("a bracket", "Host: [::1\r\n"),
        ("folded", "Host:\r\n gate.test\r\n"),
        ("a space before the colon", "Host : gate.test\r\n"),
        ("a bare CR", "Host: gate.test\rX: y\r\n"),
        ("a NUL", "Host: gate.test\0.other.test\r\n"),
        ("a high byte", "Host: g\u{e4}te.test\r\n"),
        ("a quote", "Host: \"gate.test\"\r\n"),
        ("an angle bracket", "Host: <gate.test>\r\n"),
        ("X-Host only", "X-Host: gate.test\r\n"),
    ] {
        lines.push(Line::new(name, &format!("{line}{fields}\r\n"), Step::Refused));
    }
    for (name, host) in [
        ("a port", "gate.test:443"),
        ("another case", "GATE.test"),
        ("an address", "127.0.0.1:1"),
        ("an IPv6 address", "[::1]:8443"),
    ] {
        lines.push(passes(name, &format!("{line}Host: {host}\r\n\r\n"), seen("GET", &[], "")));
    }
    check_all(&lines).await;
}

/// What speaks of the way, of the caller or of the hop stays here, by whatever alias; what looks like
/// framing under another name is not framing.
#[tokio::test]
async fn no_field_lets_a_caller_speak_as_somebody_else() {
    let mut lines = Vec::new();
    for field in [
        "Portcullis-Client: vendor-2-machine-1",
        "portcullis-VENDOR: vendor-2",
        "Portcullis-Made-Up: x",
        "X-Forwarded-For: 10.0.0.1",
        "X-Forwarded-Proto: http",
        "Forwarded: for=10.0.0.1;host=other.test",
        "Via: 1.1 other.test",
        "X-Real-IP: 10.0.0.1",
        "X-Original-URL: /records/1",
        "X-Rewrite-URL: /records/1",
        "X-HTTP-Method-Override: DELETE",
        "X-HTTP-Method: DELETE",
        "X-Method-Override: DELETE",
        "Client-Cert: :AAAA:",
        "X-SSL-Client-Verify: SUCCESS",
        "TE: trailers",
        "TE: chunked, gzip",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "Proxy-Authorization: Basic dTpw",
        "Trailer: X-A",
        "DPoP: stray",
        "Upgrade: h2c",
        "Connection: keep-alive",
        "Connection: x-a\r\nX-A: b",
        "Connection: keep-alive, X-A\r\nX-A: b",
        "Connection: authorization",
        "Connection: portcullis-client\r\nPortcullis-Client: x",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        "Connection: Upgrade\r\nUpgrade: h2c, websocket",
        "Connection: Upgrade\r\nUpgrade: TLS/1.2",
    ] {
        lines.push(passes(field, &get(&format!("{field}\r\n")), seen("GET", &[], "")));
    }
    // `_` counts as `-` for some, and a hop-by-hop `Host` leaves none.
    for (field, kept) in [
        ("Portcullis_Client: vendor-2-machine-1", None),
        ("X_Forwarded_For: 10.0.0.1", None),
        ("X-Forwarded_Host: other.test", None),
        ("X_Original_URL: /records/1", None),
        ("Transfer_Encoding: chunked", None),
        ("Transfer-Encoding_: chunked", Some("transfer-encoding_: chunked")),
        ("Client_Cert: :AAAA:", None),
        ("Connection: host, authorization", None),
    ] {
        let kept: Vec<&str> = kept.into_iter().collect();
        lines.push(refused_or(field, &get(&format!("{field}\r\n")), seen("GET", &kept, "")));
    }
    let socket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let denied = Step::Denied(403, "websocket_not_allowed");
    lines.push(Line::new("a WebSocket where none may be", &get(socket), denied));
    // A reader that takes `_` for `-` would see a length that there is none of, or another.
    for (name, fields, body) in [
        ("Content_Length", "Content_Length: 5\r\n", ""),
        ("Content_Length besides a length", "Content_Length: 0\r\nContent-Length: 5\r\n", "hello"),
    ] {
        let length: &[&str] = if body.is_empty() { &[] } else { &["content-length: 5"] };
        let sent = super::post(fields, body);
        lines.push(refused_or(name, &sent, seen("POST", length, body)));
    }
    lines.push(
        passes("closing", &get("Connection: close, authorization\r\n"), seen("GET", &[], "")).and_closes(),
    );
    lines.push(Line::new(
        "length named as hop-by-hop",
        &super::post("Connection: content-length\r\nContent-Length: 5\r\n", "hello"),
        Step::RefusedOr(seen("POST", &["content-length: 5"], "hello")),
    ));
    lines.push(Line::new(
        "encoding named as hop-by-hop",
        &super::post(
            "Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
        ),
        Step::RefusedOr(seen("POST", &["transfer-encoding: chunked"], "hello")),
    ));
    check_all(&lines).await;
}
