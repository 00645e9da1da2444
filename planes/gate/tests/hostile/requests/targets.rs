//! Request lines: methods, targets and versions.

use super::{passes, refused, refused_or};
use crate::line::{Line, Step, check_all, seen};
use crate::recorder::Seen;

/// A request with this first line.
fn line(first: &str) -> String {
    format!("{first}\r\nHost: gate.test\r\n{{auth}}\r\n")
}

#[tokio::test]
async fn a_request_line_has_three_words_and_one_version() {
    let mut lines = Vec::new();
    for first in [
        "GET {path} HTTP/1.0",
        "GET {path} HTTP/0.9",
        "GET {path}",
        "GET {path} ",
        "GET {path} HTTP/2.0",
        "GET {path} HTTP/2",
        "GET {path} HTTP/1.2",
        "GET {path} HTTP/1",
        "GET {path} HTTP/1.10",
        "GET {path} HTTP/01.1",
        "GET {path} HTTP/1.1x",
        "GET {path} HTTP/1.1 HTTP/1.1",
        "GET {path} HTTP/1.1\t",
        "GET {path} HTTP/1.1 ",
        "GET {path} http/1.1",
        "GET {path} HTTPS/1.1",
        "GET {path} HTTP 1.1",
        "GET {path} HTTP/1,1",
        "GET {path} ICY/1.1",
        "GET  {path} HTTP/1.1",
        "GET {path}  HTTP/1.1",
        "GET\t{path} HTTP/1.1",
        "GET {path}\tHTTP/1.1",
        "GET\u{b}{path} HTTP/1.1",
        "GET {path}\u{c}HTTP/1.1",
        "GET {path} x HTTP/1.1",
        "{path} HTTP/1.1",
        "GET HTTP/1.1",
        "GET",
        " ",
        "G\0T {path} HTTP/1.1",
        "G\rT {path} HTTP/1.1",
        "G(T {path} HTTP/1.1",
        "G\u{e9}T {path} HTTP/1.1",
        "\"GET\" {path} HTTP/1.1",
        "GET: {path} HTTP/1.1",
    ] {
        lines.push(Line::new(first, &line(first), Step::Refused));
    }
    for first in
        ["get {path} HTTP/1.1", "GeT {path} HTTP/1.1", "XGET {path} HTTP/1.1", "TRACE {path} HTTP/1.1"]
    {
        lines.push(Line::new(first, &line(first), Step::Denied(405, "method_not_allowed")));
    }
    lines.extend(refused(&[
        ("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("the preface of HTTP/2, with fields", "PRI * HTTP/2.0\r\nHost: gate.test\r\n{auth}\r\nSM\r\n\r\n"),
        ("a TLS record", "\u{16}\u{3}\u{1}\0\u{5}hello\r\n\r\n"),
        (
            "a line of a PROXY protocol",
            "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET {path} HTTP/1.1\r\nHost: gate.test\r\n{auth}\r\n",
        ),
    ]));
    check_all(&lines).await;
}

#[tokio::test]
async fn a_target_is_one_path_of_this_host() {
    let at = |target: &str| Seen { target: target.to_owned(), ..seen("GET", &[], "") };
    let mut lines = Vec::new();
    for target in [
        "*",
        "",
        "free/x",
        "?x=y",
        "https://other.test{path}",
        "http://other.test{path}",
        "https://gate.test:444{path}",
        "https://user@gate.test{path}",
        "https://gate.test@other.test{path}",
        "https:/free/x",
        "https:{path}",
        "https://",
        "https://{path}",
        "ftp://gate.test{path}",
        "file:///free/x",
        "javascript:{path}",
        "gate.test:443",
        "gate.test",
        "{path}#x",
        "{path}#",
        "{path}?x=y#z",
        "{path}\u{1}",
        "{path}\0",
        "{path}\u{7f}",
        "{path}\u{e4}",
        "{path}?x=\u{e4}",
        "{path}?x=\0",
        "{path}\r",
        "\u{b}{path}",
        "{path}<x>",
        "{path}\"x\"",
        "{path}?\"",
        "\\free\\x",
    ] {
        let step = Step::Refused;
        lines.push(Line::new(&format!("`{target}`"), &line(&format!("GET {target} HTTP/1.1")), step));
    }
    for target in [
        "//free/x",
        "//gate.test/free/x",
        "/free//x",
        "/free/./x",
        "/free/../free/x",
        "/free/x/..",
        "/free/%2e%2e/records/1",
        "/free/.%2e/records/1",
        "/free/x%2fy",
        "/free/x%5cy",
        "/free/x\\y",
        "/free/..\\records",
        "/free/x%00y",
        "/free/x%0d%0aX-A:%20b",
        "/free/x%0ay",
        "/free/%66ree",
        "/free/%",
        "/free/%4",
        "/free/%zz",
        "/free/..;/records/1",
        "/free/%u002e",
    ] {
        let sent = line(&format!("GET {target} HTTP/1.1"));
        lines.push(Line::new(&format!("`{target}`"), &sent, Step::Nowhere));
    }
    // Nothing that RFC 3986 has, and nothing that anybody takes for something else.
    for target in ["{path}^", "{path}[x]", "{path}|x", "{path}`x`", "{path}?{x}"] {
        let sent = line(&format!("GET {target} HTTP/1.1"));
        lines.push(refused_or(&format!("`{target}`"), &sent, at(target)));
    }
    let long = format!("/free/{}", "x".repeat(9 * 1_024));
    lines.push(Line::new("9 KiB", &line(&format!("GET {long} HTTP/1.1")), Step::Nowhere));
    let longer = format!("/free/{}", "x".repeat(64 * 1_024));
    lines.push(Line::new("64 KiB", &line(&format!("GET {longer} HTTP/1.1")), Step::TooLarge));
    lines.push(Line::new("CONNECT", &line("CONNECT gate.test:443 HTTP/1.1"), Step::Refused));
    lines.push(Line::new("CONNECT elsewhere", &line("CONNECT other.test:443 HTTP/1.1"), Step::Refused));
    lines.push(Line::new("CONNECT with a path", &line("CONNECT {path} HTTP/1.1"), Step::Refused));
    lines.push(Line::new("OPTIONS *", &line("OPTIONS * HTTP/1.1"), Step::Nowhere));
    lines.extend([
        passes("absolute", &line("GET https://gate.test{path} HTTP/1.1"), at("{path}")),
        passes("absolute, in capitals", &line("GET https://GATE.TEST{path} HTTP/1.1"), at("{path}")),
        refused_or("absolute, another scheme", &line("GET http://gate.test{path} HTTP/1.1"), at("{path}")),
        passes("a query", &line("GET {path}?x=%0d%0ay&z=/../%00 HTTP/1.1"), at("{path}?x=%0d%0ay&z=/../%00")),
        passes("an empty query", &line("GET {path}? HTTP/1.1"), at("{path}?")),
        passes(
            "an address in the query",
            &line("GET {path}?u=https://other.test/%23 HTTP/1.1"),
            at("{path}?u=https://other.test/%23"),
        ),
        passes(
            "characters that need no code",
            &line("GET {path}/a:b@c!$&'()*+,=-_~ HTTP/1.1"),
            at("{path}/a:b@c!$&'()*+,=-_~"),
        ),
    ]);
    check_all(&lines).await;
}
