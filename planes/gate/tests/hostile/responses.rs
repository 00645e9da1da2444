//! Upstreams that answer what two readers could read in two ways: nobody gets another's bytes.

use std::sync::Arc;

use crate::line::{Stage, shown};
use crate::recorder::{Answer, Seen};
use crate::support::client::{BOTH, Protocol, With, full, request};
use crate::support::soon;

/// What may reach nobody: bytes behind the end of an answer.
const POISON: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 8\r\n\r\n\"poison\"";

/// What must come of an upstream's answer.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Expect {
    /// 502 `upstream_failed`, and none of it reaches the vendor.
    Failed,
    /// Nothing that could be taken for a whole answer: 502, or an answer that breaks off.
    NotWhole,
    /// This body, whole.
    Body(&'static str),
    /// This status without a body, or 502.
    Bare(u16),
    /// 502, or this body: both readings are safe.
    FailedOr(&'static str),
}

struct Case {
    name: &'static str,
    method: &'static str,
    answer: Answer,
    expect: Expect,
}

fn case(name: &'static str, expect: Expect, bytes: &str) -> Case {
    let bytes = bytes.chars().map(|char| u8::try_from(u32::from(char)).unwrap()).collect();
    Case { name, method: "GET", answer: Answer { pieces: vec![bytes], closes: false }, expect }
}

impl Case {
    fn and_closes(self) -> Self {
        Self { answer: Answer { closes: true, ..self.answer }, ..self }
    }

    fn head(self) -> Self {
        Self { method: "HEAD", ..self }
    }

    /// Sent behind it, in a segment of its own.
    fn then(mut self, bytes: &str) -> Self {
        self.answer.pieces.push(bytes.as_bytes().to_vec());
        self
    }
}

/// An answer with this status line, these lines and this body.
fn answer(lines: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{lines}\r\n{body}")
}

fn cases() -> Vec<Case> {
    use Expect::{Bare, Body, Failed, FailedOr, NotWhole};
    let end = "0\r\n\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n";
    let failed = |name: &'static str, lines: &str, body: &str| case(name, Failed, &answer(lines, body));
    let broken = |name: &'static str, body: &str| case(name, NotWhole, &answer(chunked, body));
    vec![
        case("as it should be", Body("hello"), &answer("Content-Length: 5\r\n", "hello")),
        case("as it should be, in chunks", Body("hello"), &answer(chunked, "5\r\nhello\r\n0\r\n\r\n")),
        // Two lengths.
        failed("length and chunked", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", end),
        failed("chunked and length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", end),
        failed("two lengths", "Content-Length: 5\r\nContent-Length: 6\r\n", "hello"),
        failed("a length twice", "Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
        failed("a list of lengths", "Content-Length: 5, 5\r\n", "hello"),
        failed("a plus", "Content-Length: +5\r\n", "hello"),
        failed("a minus", "Content-Length: -5\r\n", "hello"),
        failed("hexadecimal", "Content-Length: 0x5\r\n", "hello"),
        failed("too large", "Content-Length: 18446744073709551621\r\n", "hello"),
        failed("gzip", "Transfer-Encoding: gzip\r\n", "hello"),
        failed("gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n", end),
        failed("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", end),
        failed("chunked, identity", "Transfer-Encoding: chunked, identity\r\n", end),
        failed("xchunked", "Transfer-Encoding: xchunked\r\n", end),
        failed("a vertical tab", "Transfer-Encoding: \u{b}chunked\r\n", end),
        // Lines.
        case("bare LF", Failed, "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
        failed("a bare LF", "X-A: b\nContent-Length: 5\r\n", "hello"),
        failed("a bare CR", "X-A: b\rX-C: d\r\nContent-Length: 5\r\n", "hello"),
        failed("a folded line", "X-A: b\r\n c\r\nContent-Length: 5\r\n", "hello"),
        failed("a space before the colon", "Content-Length : 5\r\n", "hello"),
        failed("a space before the name", " Content-Length: 5\r\n", "hello"),
        failed("a NUL", "X-A: \0\r\nContent-Length: 5\r\n", "hello"),
        failed("a NUL in a name", "X\0A: b\r\nContent-Length: 5\r\n", "hello"),
        failed("no colon", "X-A\r\nContent-Length: 5\r\n", "hello"),
        failed("no name", ": b\r\nContent-Length: 5\r\n", "hello"),
        failed("64 KiB", &format!("X-A: {}\r\nContent-Length: 5\r\n", "y".repeat(64 * 1_024)), "hello"),
        failed("1,000 fields", &format!("{}Content-Length: 5\r\n", "X-A: b\r\n".repeat(1_000)), "hello"),
        // Status lines.
        case("no status", Failed, "HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"),
        case("an empty status", Failed, "HTTP/1.1  OK\r\nContent-Length: 5\r\n\r\nhello"),
        case("a status of two digits", Failed, "HTTP/1.1 20 OK\r\nContent-Length: 5\r\n\r\nhello"),
        case("a status of four digits", Failed, "HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\nhello"),
        case("a status of nothing", Failed, "HTTP/1.1 000 OK\r\nContent-Length: 5\r\n\r\nhello"),
        case("a status of letters", Failed, "HTTP/1.1 2xx OK\r\nContent-Length: 5\r\n\r\nhello"),
        case("HTTP/0.9", Failed, "<html>hello</html>\r\n\r\n").and_closes(),
        case("HTTP/1.0", FailedOr("hello"), "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello").and_closes(),
        case("HTTP/2.0", Failed, "HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        case("lower case", Failed, "http/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        case("frames of HTTP/2", Failed, "\0\0\0\u{4}\0\0\0\0\0PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        case("a request", Failed, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        case("nothing", Failed, "").and_closes(),
        case("a head without an end", Failed, "HTTP/1.1 200 OK\r\nContent-Le").and_closes(),
        // Interim answers.
        case(
            "101 unasked",
            Failed,
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nbytes",
        ),
        case(
            "100 unasked",
            Body("hello"),
            &format!("HTTP/1.1 100 Continue\r\n\r\n{}", answer("Content-Length: 5\r\n", "hello")),
        ),
        case(
            "103, then the answer",
            Body("hello"),
            &format!(
                "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n{}",
                answer("Content-Length: 5\r\n", "hello")
            ),
        ),
        case(
            "10,000 interim answers",
            Failed,
            &format!(
                "{}{}",
                "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(10_000),
                answer("Content-Length: 5\r\n", "hello")
            ),
        ),
        case(
            "199 with a length",
            FailedOr("hello"),
            &format!(
                "HTTP/1.1 199 X\r\nContent-Length: 0\r\n\r\n{}",
                answer("Content-Length: 5\r\n", "hello")
            ),
        ),
        // Ends.
        case("shorter than it says", NotWhole, &answer("Content-Length: 10\r\n", "hello")).and_closes(),
        case("nothing of what it says", NotWhole, &answer("Content-Length: 10\r\n", "")).and_closes(),
        case("ended in a chunk", NotWhole, &answer(chunked, "5\r\nhel")).and_closes(),
        case("ended before the last chunk", NotWhole, &answer(chunked, "5\r\nhello\r\n")).and_closes(),
        case("ended in the last chunk", NotWhole, &answer(chunked, "5\r\nhello\r\n0\r\n")).and_closes(),
        broken("a chunk of 17 digits", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
        broken("a chunk of 0x5", "0x5\r\nhello\r\n0\r\n\r\n"),
        broken("a chunk of -5", "-5\r\nhello\r\n0\r\n\r\n"),
        broken("a chunk longer than it says", "4\r\nhello\r\n0\r\n\r\n"),
        broken("a chunk without its end", "5\r\nhelloXX0\r\n\r\n"),
        broken("LF behind a size", "5\nhello\r\n0\r\n\r\n"),
        broken("LF behind a chunk", "5\r\nhello\n0\r\n\r\n"),
        broken("LF in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
        broken("LF for the end", "5\r\nhello\r\n0\n\n"),
        case("until it closes", FailedOr("hello"), &answer("", "hello")).and_closes(),
        // Bytes behind the end: they must not be the next one's answer.
        case("behind a length", Body("hello"), &answer("Content-Length: 5\r\n", &format!("hello{POISON}"))),
        case("behind a length, later", Body("hello"), &answer("Content-Length: 5\r\n", "hello")).then(POISON),
        case("behind no body", Body(""), &answer("Content-Length: 0\r\n", POISON)),
        case("behind no body, later", Body(""), &answer("Content-Length: 0\r\n", "")).then(POISON),
        case("behind chunks", Body("hello"), &answer(chunked, &format!("5\r\nhello\r\n0\r\n\r\n{POISON}"))),
        case("behind chunks, later", Body("hello"), &answer(chunked, "5\r\nhello\r\n0\r\n\r\n")).then(POISON),
        case("one byte behind", Body("hello"), &answer("Content-Length: 5\r\n", "hello\n")),
        case(
            "204 with a length",
            Bare(204),
            &format!("HTTP/1.1 204 No Content\r\nContent-Length: 88\r\n\r\n{POISON}"),
        ),
        case("204 with a body", Bare(204), &format!("HTTP/1.1 204 No Content\r\n\r\n{POISON}")),
        case(
            "204 with chunks",
            Bare(204),
            &format!("HTTP/1.1 204 No Content\r\n{chunked}\r\n5\r\nhello\r\n0\r\n\r\n{POISON}"),
        ),
        case("304 with a body", Bare(304), &format!("HTTP/1.1 304 Not Modified\r\n\r\n{POISON}")),
        case("HEAD with a body", Body(""), &answer("Content-Length: 5\r\n", "hello")).head(),
        case("HEAD with an answer as its body", Body(""), &answer("Content-Length: 88\r\n", POISON)).head(),
        case("HEAD with chunks", Body(""), &answer(chunked, &format!("0\r\n\r\n{POISON}"))).head(),
        // What the vendor must not take for the gate's own words.
        case(
            "fields of the gate",
            Body("hello"),
            &answer("Content-Length: 5\r\nPortcullis-Decision: forged\r\n", "hello"),
        ),
        case(
            "a forged alias",
            FailedOr("hello"),
            &answer("Content-Length: 5\r\nPortcullis_Verdict: x\r\n", "hello"),
        ),
        case(
            "its own framing, hidden by Connection",
            FailedOr("hello"),
            &answer("Connection: content-length\r\nContent-Length: 5\r\n", "hello"),
        ),
        case(
            "HTTP/2's own names",
            FailedOr("hello"),
            &answer(":status: 500\r\nContent-Length: 5\r\n", "hello"),
        ),
    ]
}

#[tokio::test]
async fn an_answer_that_can_be_read_in_two_ways_reaches_nobody() {
    let scripts: Arc<Vec<Case>> = Arc::new(cases());
    let script = Arc::clone(&scripts);
    let mut stage = Stage::scripted(Arc::new(move |seen: &Seen| {
        let number: usize = seen.target.strip_prefix("/free/case-")?.parse().ok()?;
        Some(script[number].answer.clone())
    }))
    .await;
    let mut faults = Vec::new();
    for (number, case) in scripts.iter().enumerate() {
        for protocol in BOTH {
            if let Err(fault) = check(&mut stage, number, case, protocol).await {
                faults.push(format!("{} ({protocol:?}): {fault}", case.name));
            }
        }
    }
    assert!(faults.is_empty(), "{} of {} answers\n{}", faults.len(), 2 * scripts.len(), faults.join("\n"));
    println!("{} answers", scripts.len());
}

async fn check(stage: &mut Stage, number: usize, case: &Case, protocol: Protocol) -> Result<(), String> {
    let played = stage.recorder.played();
    let mut connection = stage.connector.open(protocol).await.unwrap();
    let path = format!("/free/case-{number}");
    let asked = request(case.method.parse().unwrap(), &path, full("")).bearer(&stage.token);
    let answer = soon(case.name, connection.ask(asked)).await.map_err(|error| format!("{error:?}"));
    // What comes later has come before anybody else asks.
    let all_said = async {
        while stage.recorder.played() == played {
            tokio::task::yield_now().await;
        }
    };
    soon("the end of a script", all_said).await;
    let mut upstream = Vec::new();
    stage.victims_are_served(&mut upstream).await?;
    let answer = match answer {
        Ok(answer) => answer,
        // The head never came: nothing can be taken for an answer.
        Err(_) if case.expect == Expect::NotWhole => return Ok(()),
        Err(error) => return Err(format!("no answer: {error}")),
    };
    let said = format!("{} {:?}, {:?}", answer.status, shown(&answer.body), answer.broke_off);
    let whole = answer.broke_off.is_none();
    let failed = answer.status == 502 && whole && answer.reason() == "upstream_failed";
    let is = |status: u16, body: &str| answer.status == status && whole && answer.body == body.as_bytes();
    let good = match case.expect {
        Expect::Failed => failed,
        Expect::NotWhole => failed || !whole,
        Expect::Body(body) => is(200, body),
        Expect::Bare(status) => failed || is(status, ""),
        Expect::FailedOr(body) => failed || is(200, body),
    };
    if !good {
        return Err(format!("expected {:?}: {said}", case.expect));
    }
    if answer.header("portcullis-decision") == Some("forged")
        || answer.headers.contains_key("portcullis_verdict")
    {
        return Err(format!("the upstream spoke for the gate: {:?}", answer.headers));
    }
    // The vendor's own connection goes on with its own answers, if it goes on.
    let after = format!("/free/after-{number}");
    let asked = request(http::Method::GET, &after, full("")).bearer(&stage.token);
    match soon(case.name, connection.ask(asked)).await {
        Ok(answer) if answer.body != crate::recorder::marker(&after).as_bytes() => {
            Err(format!("the request behind it got {:?}", shown(&answer.body)))
        }
        // An answer that broke off ended its connection.
        Ok(_) => Ok(()),
        Err(_) if !whole && protocol == Protocol::H1 => Ok(()),
        Err(error) => Err(format!("the request behind it got none: {error:?}")),
    }
}
