//! Requests behind requests: each is judged by itself.

use super::{get, post};
use crate::line::{Line, Step, check_all, seen};
use crate::recorder::Seen;

const STRANGER: &str = "GET /free/inner HTTP/1.1\r\nHost: gate.test\r\n\r\n";

#[tokio::test]
async fn what_is_behind_a_request_is_a_request_of_its_own() {
    let at = |target: &str| Seen { target: target.to_owned(), ..seen("GET", &[], "") };
    let plain = || Step::Passes(seen("GET", &[], ""));
    let measured = || Step::Passes(seen("POST", &["content-length: 3"], "abc"));
    let chunked = || Step::Passes(seen("POST", &["transfer-encoding: chunked"], "abc"));
    let known = get("").replace("{path}", "/free/inner");
    let unauthenticated = Step::Denied(401, "token_missing");
    let short = post("Content-Length: 3\r\n", "abc");
    let ended = post("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n");
    let unmeasured = get("");
    let lines = [
        Line::of(
            "behind a length, a stranger",
            &format!("{short}{STRANGER}"),
            vec![measured(), unauthenticated.clone()],
        ),
        Line::of(
            "behind chunks, a stranger",
            &format!("{ended}{STRANGER}"),
            vec![chunked(), unauthenticated.clone()],
        ),
        Line::of(
            "behind a GET, a stranger",
            &format!("{unmeasured}{STRANGER}"),
            vec![plain(), unauthenticated.clone()],
        ),
        Line::of(
            "behind a length, somebody known",
            &format!("{short}{known}"),
            vec![measured(), Step::Passes(at("/free/inner"))],
        ),
        Line::of(
            "behind chunks, somebody known",
            &format!("{ended}{known}"),
            vec![chunked(), Step::Passes(at("/free/inner"))],
        ),
        Line::of(
            "a stranger first, with a body",
            &format!(
                "POST /free/inner HTTP/1.1\r\nHost: gate.test\r\nContent-Length: {}\r\n\r\n{STRANGER}",
                STRANGER.len()
            ),
            vec![unauthenticated.clone()],
        )
        .and_may_close(),
        Line::of(
            "no route first, with a body",
            &format!(
                "{}{STRANGER}",
                post(&format!("Content-Length: {}\r\n", STRANGER.len()), "").replace("{path}", "/nowhere")
            ),
            vec![Step::Denied(404, "route_unknown")],
        )
        .and_may_close(),
        Line::of(
            "no route first, with chunks",
            &format!(
                "{}5\r\nhello\r\n0\r\n\r\n",
                post("Transfer-Encoding: chunked\r\n", "").replace("{path}", "/nowhere")
            ),
            vec![Step::Denied(404, "route_unknown")],
        )
        .and_may_close(),
        Line::of(
            "behind a length, what is no request",
            &format!("{short}xyz\r\n\r\n"),
            vec![measured(), Step::Refused],
        ),
        Line::of(
            "behind a length, an ambiguous one",
            &format!("{short}{}", post("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
            vec![measured(), Step::Refused],
        ),
        Line::of(
            "three in a row",
            &[get("X-A: 1\r\n"), get("X-A: 2\r\n"), get("X-A: 3\r\n")].concat(),
            ["1", "2", "3"].map(|x| Step::Passes(seen("GET", &[&format!("x-a: {x}")], ""))).to_vec(),
        ),
        Line::of(
            "a body that is a request",
            &post(&format!("Content-Length: {}\r\n", STRANGER.len()), STRANGER),
            vec![Step::Passes(seen("POST", &[&format!("content-length: {}", STRANGER.len())], STRANGER))],
        ),
        Line::of(
            "an upgrade and a request behind it",
            &format!("{}{STRANGER}", get("Connection: Upgrade\r\nUpgrade: websocket\r\n")),
            vec![Step::Denied(403, "websocket_not_allowed"), unauthenticated],
        ),
        Line::of(
            "HEAD, then GET",
            &format!("{}{}", get("").replace("GET", "HEAD"), get("")),
            vec![Step::PassesBare(seen("HEAD", &[], "")), plain()],
        ),
    ];
    check_all(&lines).await;
}
