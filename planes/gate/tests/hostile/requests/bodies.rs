//! Bodies: chunks, trailers, and ends that come too early.

use super::{passes, post, refused_or};
use crate::line::{Line, Step, check_all, seen};

fn chunks(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}

#[tokio::test]
async fn a_chunk_has_one_size_and_one_end() {
    let mut lines = Vec::new();
    for (name, body) in [
        ("0x", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("plus", "+5\r\nhello\r\n0\r\n\r\n"),
        ("minus", "-5\r\nhello\r\n0\r\n\r\n"),
        ("a space before", " 5\r\nhello\r\n0\r\n\r\n"),
        ("a tab before", "\t5\r\nhello\r\n0\r\n\r\n"),
        ("a space inside", "0 5\r\nhello\r\n0\r\n\r\n"),
        ("17 digits", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("18 digits, wrapped", "f00000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("not a digit", "g\r\nhello\r\n0\r\n\r\n"),
        ("underscore", "0_5\r\nhello\r\n0\r\n\r\n"),
        ("a fraction", "5.0\r\nhello\r\n0\r\n\r\n"),
        ("quoted", "\"5\"\r\nhello\r\n0\r\n\r\n"),
        ("empty", "\r\nhello\r\n0\r\n\r\n"),
        ("a NUL", "5\0\r\nhello\r\n0\r\n\r\n"),
        ("a vertical tab", "5\u{b}\r\nhello\r\n0\r\n\r\n"),
        ("LF behind the size", "5\nhello\r\n0\r\n\r\n"),
        ("CR behind the size", "5\rhello\r\n0\r\n\r\n"),
        ("CR, CR, LF behind the size", "5\r\r\nhello\r\n0\r\n\r\n"),
        ("nothing behind the chunk", "5\r\nhello0\r\n\r\n"),
        ("LF behind the chunk", "5\r\nhello\n0\r\n\r\n"),
        ("CR behind the chunk", "5\r\nhello\r0\r\n\r\n"),
        ("two bytes that are no end", "5\r\nhelloXX0\r\n\r\n"),
        ("a chunk shorter than its size", "6\r\nhello\r\n0\r\n\r\n"),
        ("a chunk longer than its size", "4\r\nhello\r\n0\r\n\r\n"),
        ("LF behind the last size", "5\r\nhello\r\n0\n\r\n"),
        ("LF for the end", "5\r\nhello\r\n0\r\n\n"),
        ("two LF for the end", "5\r\nhello\r\n0\n\n"),
        ("CR for the end", "5\r\nhello\r\n0\r\n\rX"),
        ("LF in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
        ("CR in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
        ("NUL in an extension", "5;a\0\r\nhello\r\n0\r\n\r\n"),
        ("an extension that hides a chunk", "5;\nhello\r\n0\r\n\r\n"),
        ("LF in an extension of the last chunk", "5\r\nhello\r\n0;a\n\r\n\r\n"),
        ("a semicolon without a size", ";a=b\r\nhello\r\n0\r\n\r\n"),
        ("a comma", "5,a\r\nhello\r\n0\r\n\r\n"),
        ("a trailer without a colon", "5\r\nhello\r\n0\r\nX-A\r\n\r\n"),
        ("a trailer before a space", "5\r\nhello\r\n0\r\nX-A : b\r\n\r\n"),
        ("a folded trailer", "5\r\nhello\r\n0\r\nX-A: b\r\n c\r\n\r\n"),
        ("a bare LF in trailers", "5\r\nhello\r\n0\r\nX-A: b\nX-C: d\r\n\r\n"),
        ("a bare CR in trailers", "5\r\nhello\r\n0\r\nX-A: b\rX-C: d\r\n\r\n"),
        ("a NUL in trailers", "5\r\nhello\r\n0\r\nX-A: \0\r\n\r\n"),
        ("a trailer without a name", "5\r\nhello\r\n0\r\n: b\r\n\r\n"),
    ] {
        lines.push(Line::new(name, &chunks(body), Step::Broken));
    }
    let huge = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(64 * 1_024));
    lines.push(Line::new("an extension of 64 KiB", &chunks(&huge), Step::Broken));
    let many = format!("{}0\r\n\r\n", format!("1;{}\r\nx\r\n", "y".repeat(1_000)).repeat(1_000));
    lines.push(Line::new("a thousand extensions of 1,000 bytes", &chunks(&many), Step::Broken));
    let trailers = format!("0\r\n{}\r\n", format!("X-A: {}\r\n", "y".repeat(1_000)).repeat(64));
    lines.push(Line::new("trailers of 64 KiB", &chunks(&trailers), Step::Broken));
    for (name, body) in [
        ("ended in a size", "5"),
        ("ended behind a size", "5\r\n"),
        ("ended in a chunk", "5\r\nhel"),
        ("ended behind a chunk", "5\r\nhello\r\n"),
        ("ended in the last size", "5\r\nhello\r\n0"),
        ("ended behind the last size", "5\r\nhello\r\n0\r\n"),
        ("ended in the last end", "5\r\nhello\r\n0\r\n\r"),
        ("ended in trailers", "5\r\nhello\r\n0\r\nX-A: b\r\n"),
    ] {
        lines.push(Line::new(name, &chunks(body), Step::Broken).and_ends());
    }
    lines.push(
        Line::new("ended in a length", &post("Content-Length: 10\r\n", "hello"), Step::Broken).and_ends(),
    );
    lines.push(
        Line::new("ended before a length", &post("Content-Length: 10\r\n", ""), Step::Broken).and_ends(),
    );
    let hello = || seen("POST", &["transfer-encoding: chunked"], "hello");
    for (name, body) in [
        ("one chunk", "5\r\nhello\r\n0\r\n\r\n"),
        ("five chunks", "1\r\nh\r\n1\r\ne\r\n1\r\nl\r\n1\r\nl\r\n1\r\no\r\n0\r\n\r\n"),
    ] {
        lines.push(passes(name, &chunks(body), hello()));
    }
    lines.push(passes(
        "digits of both cases",
        &chunks("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"),
        seen("POST", &["transfer-encoding: chunked"], "01234567890123456789"),
    ));
    lines.push(passes(
        "an end of its own in a chunk",
        &chunks("7\r\n0\r\n\r\nGE\r\n0\r\n\r\n"),
        seen("POST", &["transfer-encoding: chunked"], "0\r\n\r\nGE"),
    ));
    for (name, body) in [
        ("zeros before", "0000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("zeros before, 20 digits", "00000000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("four zeros", "5\r\nhello\r\n0000\r\n\r\n"),
        ("a space behind", "5 \r\nhello\r\n0\r\n\r\n"),
        ("an extension", "5;a=b\r\nhello\r\n0\r\n\r\n"),
        ("an extension in quotes", "5;a=\"b;\\\"c\"\r\nhello\r\n0\r\n\r\n"),
        ("an extension of the last chunk", "5\r\nhello\r\n0;a=b\r\n\r\n"),
    ] {
        lines.push(Line::new(name, &chunks(body), Step::BrokenOr(hello())));
    }
    // Trailers are fields that come late: what no field may say, they don't say either.
    let ordinary = seen("POST", &["trailer x-a: b", "transfer-encoding: chunked"], "hello");
    lines.push(passes("an ordinary trailer", &chunks("5\r\nhello\r\n0\r\nX-A: b\r\n\r\n"), ordinary));
    for trailer in [
        "Portcullis_Client: vendor-2-machine-1",
        "X-Forwarded-For: 10.0.0.1",
        "Trailer: X-B",
        "Expect: 100-continue",
        "Upgrade: h2c",
        "DPoP: x",
        "Transfer-Encoding: chunked",
        "Content-Length: 5",
        "Host: other.test",
        "Authorization: Bearer x",
        "Portcullis-Client: vendor-2-machine-1",
        "Connection: close",
        "Content-Encoding: gzip",
    ] {
        let body = format!("5\r\nhello\r\n0\r\n{trailer}\r\n\r\n");
        lines.push(Line::new(&format!("trailer {trailer}"), &chunks(&body), Step::BrokenOr(hello())));
    }
    check_all(&lines).await;
}

#[tokio::test]
async fn who_waits_to_be_told_is_told_by_the_gate() {
    let mut lines = Vec::new();
    let hello = || seen("POST", &["content-length: 5"], "hello");
    // The gate waits for nobody upstream: what it has answered itself must not be asked again.
    lines.push(passes(
        "100-continue",
        &post("Expect: 100-continue\r\nContent-Length: 5\r\n", "hello"),
        hello(),
    ));
    lines.push(passes(
        "in capitals",
        &post("Expect: 100-Continue\r\nContent-Length: 5\r\n", "hello"),
        hello(),
    ));
    lines.push(passes("without a body", &super::get("Expect: 100-continue\r\n"), seen("GET", &[], "")));
    for (name, fields) in [
        ("unknown", "Expect: 200-ok\r\n"),
        ("a list", "Expect: 100-continue, x\r\n"),
        ("twice", "Expect: 100-continue\r\nExpect: 100-continue\r\n"),
        ("a prefix", "Expect: y 100-continue\r\n"),
        ("a parameter", "Expect: 100-continue;x=y\r\n"),
        ("empty", "Expect:\r\n"),
    ] {
        lines.push(refused_or(name, &post(&format!("{fields}Content-Length: 5\r\n"), "hello"), hello()));
    }
    lines.push(Line::new(
        "folded",
        &post("Expect:\r\n 100-continue\r\nContent-Length: 5\r\n", "hello"),
        Step::Refused,
    ));
    check_all(&lines).await;
}
