//! Every way that records come in: formats, gzip, bytes. Each is counted exactly, and cut exactly.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::Method;
use http_body_util::BodyExt as _;
use portcullis_domain::decision::{Ending, OutcomeRecord};
use portcullis_domain::ids::UpstreamId;
use portcullis_domain::reason::Reason;
use portcullis_policy::facts::{RouteFacts, SnapshotFacts};
use uuid::Uuid;

use crate::support::client::{Answer, BOTH, Connection, Protocol, With, full, get, request};
use crate::support::clock::HandClock;
use crate::support::identity::who;
use crate::support::soon;
use crate::support::world::{World, route_id};

const LIMIT: u64 = 50_000;
const RECORD_BYTES: u64 = 100;
/// Longer than a record counts.
const WINDOW_MS: u64 = 10_200;

/// A body whose records the test knows.
struct Body {
    name: &'static str,
    content_type: &'static str,
    /// Where the metered route is that takes it.
    route: &'static str,
    plain: Vec<u8>,
    /// Where the first `LIMIT` records end.
    limit_at: usize,
}

/// A number of records in every format.
fn bodies(records: u64) -> Vec<Body> {
    let body = |name, content_type, start: &str, one: &dyn Fn(u64) -> Vec<u8>, between: &str, end: &str| {
        let mut plain = start.as_bytes().to_vec();
        let mut limit_at = 0;
        for number in 0..records {
            if number > 0 {
                plain.extend_from_slice(between.as_bytes());
            }
            plain.extend_from_slice(&one(number));
            if number + 1 == LIMIT {
                limit_at = plain.len();
            }
        }
        plain.extend_from_slice(end.as_bytes());
        let route = if name == "bytes" { "bytes" } else { "counted" };
        Body { name, content_type, route, plain, limit_at }
    };
    let object = |number| format!("{{\"i\":{number},\"p\":\"{:016x}\"}}", noise(number));
    let line = |number| format!("{}\n", object(number)).into_bytes();
    let row = |number| format!("{number},\"a\n\"\"{:016x}\"\r\n", noise(number)).into_bytes();
    let event = |number| format!("data: {}\n\n", object(number)).into_bytes();
    let message = |number| {
        let text = object(number).into_bytes();
        [&[0, 0, 0, 0, u8::try_from(text.len()).unwrap()][..], &text].concat()
    };
    let piece = |number| {
        (0..RECORD_BYTES).map(|at| u8::try_from(noise(number * RECORD_BYTES + at) % 64).unwrap()).collect()
    };
    vec![
        body("json", "application/json", "[", &|number| object(number).into_bytes(), ",", "]"),
        body("ndjson", "application/x-ndjson", "", &line, "", ""),
        body("csv", "text/csv", "number,\"two\nlines\"\r\n", &row, "", ""),
        body("sse", "text/event-stream", ": hello\n\n", &event, "", ""),
        body("grpc", "application/grpc+json", "", &message, "", ""),
        body("bytes", "application/octet-stream", "", &piece, "", ""),
    ]
}

/// The same for the same number, and hard to compress.
fn noise(number: u64) -> u64 {
    let mut state = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    state ^= state >> 31;
    state = state.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state ^ state >> 29
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// An answer with these header lines, framed by its length.
fn whole(status: u16, lines: &[&str], body: &[u8]) -> Vec<u8> {
    let lines = lines.iter().map(|line| format!("{line}\r\n")).collect::<String>();
    let head = format!("HTTP/1.1 {status} Answer\r\ncontent-length: {}\r\n{lines}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// An answer in chunks that no record ends with, and trailers.
fn chunked(lines: &[&str], body: &[u8]) -> Vec<u8> {
    let lines = lines.iter().map(|line| format!("{line}\r\n")).collect::<String>();
    let mut answer = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n{lines}\r\n").into_bytes();
    for chunk in body.chunks(9_973) {
        answer.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        answer.extend_from_slice(chunk);
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"0\r\ngrpc-status: 7\r\ngrpc-message: no\r\n\r\n");
    answer
}

/// Serves fixed answers by the last segment of the path; it ends with the test.
fn serve(answers: HashMap<String, Vec<u8>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answers = Arc::new(answers);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answers = Arc::clone(&answers);
            std::thread::spawn(move || serve_one(stream, &answers));
        }
    });
    address
}

fn serve_one(mut stream: TcpStream, answers: &HashMap<String, Vec<u8>>) {
    let mut head = Vec::new();
    let mut read = [0; 4_096];
    while let Ok(bytes @ 1..) = stream.read(&mut read) {
        head.extend_from_slice(&read[..bytes]);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8(std::mem::take(&mut head)).unwrap();
        let (method, rest) = text.split_once(' ').unwrap();
        let name = rest.split([' ', '?']).next().unwrap().rsplit('/').next().unwrap();
        let answer = &answers[name];
        let head_only = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        let answer = if method == "HEAD" { &answer[..head_only] } else { answer };
        if stream.write_all(answer).is_err() {
            return;
        }
    }
}

/// A world with routes to an upstream that gives `answers`.
async fn world(answers: impl IntoIterator<Item = (String, Vec<u8>)>) -> World {
    let address = serve(answers.into_iter().collect());
    World::with(HandClock::real(), |facts: &mut SnapshotFacts| {
        let mut upstream = facts.upstreams[0].clone();
        upstream.id = UpstreamId(Uuid::from_u128(0xbbff));
        upstream.name = "fixed".to_owned();
        upstream.url = format!("http://{address}");
        let like = RouteFacts {
            upstream: upstream.id,
            methods: vec!["GET".to_owned(), "HEAD".to_owned()],
            ..facts.routes[0].clone()
        };
        facts.upstreams.push(upstream);
        let mut add = |number, path: &str, page_max, record_bytes| {
            let id = route_id(number);
            let (name, path) = (format!("route-{number}"), format!("/{path}/{{id}}"));
            facts.routes.push(RouteFacts { id, name, path, page_max, record_bytes, ..like.clone() });
            for integration in &mut facts.integrations {
                integration.routes.push(id);
            }
        };
        add(90, "counted", None, None);
        add(91, "bytes", None, Some(RECORD_BYTES));
        add(92, "paged", Some(20_000), None);
    })
    .await
}

/// Asks with a key of its own, after all that was counted before has aged.
async fn ask_afresh(world: &World, protocol: Protocol, path: &str) -> (Answer, http::HeaderMap) {
    world.clock.advance_ms(WINDOW_MS);
    let (mut connection, token, _) = world.client(who(1, 1), protocol).await;
    ask_for_all(&mut connection, path, &token).await
}

/// The answer, and its trailers.
async fn ask_for_all(connection: &mut Connection, path: &str, token: &str) -> (Answer, http::HeaderMap) {
    let asked = async {
        let response = connection.send(get(path).bearer(token)).await.unwrap();
        let (head, mut incoming) = response.into_parts();
        let mut answer =
            Answer { status: head.status.as_u16(), headers: head.headers, body: Vec::new(), broke_off: None };
        let mut trailers = http::HeaderMap::new();
        while let Some(frame) = incoming.frame().await {
            match frame.map(http_body::Frame::into_data) {
                Ok(Ok(data)) => answer.body.extend_from_slice(&data),
                Ok(Err(frame)) => trailers = frame.into_trailers().unwrap(),
                Err(error) => {
                    answer.broke_off = Some(error);
                    break;
                }
            }
        }
        (answer, trailers)
    };
    soon(path, asked).await
}

async fn outcome(world: &World, answer: &Answer) -> OutcomeRecord {
    world.control.outcome(answer.decision()).await
}

/// Every body, plain and packed, by its name: framed by length, and in chunks with trailers.
fn served(bodies: &[Body]) -> Vec<(String, Vec<u8>)> {
    let mut answers = Vec::new();
    for body in bodies {
        let content_type = format!("content-type: {}", body.content_type);
        let tag = "etag: \"abc\"";
        let packed = gzip(&body.plain);
        assert!(body.plain.len() / packed.len() < 50, "{} is no bomb", body.name);
        for (coding, lines, bytes) in [
            ("plain", vec![&*content_type, tag], &body.plain),
            ("gzip", vec![&*content_type, tag, "content-encoding: gzip"], &packed),
        ] {
            answers.push((format!("{}-{coding}-whole", body.name), whole(200, &lines, bytes)));
            answers.push((format!("{}-{coding}-chunked", body.name), chunked(&lines, bytes)));
        }
    }
    answers
}

#[tokio::test]
async fn whole_bodies_are_counted_to_the_record_in_every_format_and_coding() {
    const RECORDS: u64 = 5_003;
    let bodies = bodies(RECORDS);
    let world = world(served(&bodies)).await;
    for (body, protocol) in bodies.iter().flat_map(|body| BOTH.map(|protocol| (body, protocol))) {
        for (coding, framing) in
            [("plain", "whole"), ("plain", "chunked"), ("gzip", "whole"), ("gzip", "chunked")]
        {
            let path = format!("/{}/{}-{coding}-{framing}", body.route, body.name);
            let (answer, trailers) = ask_afresh(&world, protocol, &path).await;
            assert_eq!((answer.status, answer.broke_off.is_none()), (200, true), "{protocol:?} {path}");
            assert!(answer.body == body.plain, "{protocol:?} {path}: {} bytes", answer.body.len());
            assert_eq!(answer.header("content-encoding"), None);
            let tag = if coding == "gzip" { "W/\"abc\"" } else { "\"abc\"" };
            assert_eq!(answer.header("etag"), Some(tag));
            let length = (coding == "plain" && framing == "whole").then(|| body.plain.len().to_string());
            assert_eq!(answer.header("content-length"), length.as_deref(), "{protocol:?} {path}");
            // Trailers are fields that nobody counts: they pass only where the protocol needs them.
            let expect = if body.name == "grpc" && framing == "chunked" { 2 } else { 0 };
            assert_eq!(trailers.len(), expect, "{protocol:?} {path}: {trailers:?}");
            let outcome = outcome(&world, &answer).await;
            assert_eq!((outcome.ending, outcome.records), (Ending::Complete, RECORDS), "{path}");
            assert_eq!(outcome.response_bytes, body.plain.len() as u64, "decoded bytes count");
        }
    }
}

#[tokio::test]
async fn every_format_and_coding_is_cut_at_the_limit_to_the_record() {
    let bodies = bodies(60_000);
    let world = world(served(&bodies)).await;
    for (body, protocol) in bodies.iter().flat_map(|body| BOTH.map(|protocol| (body, protocol))) {
        for coding in ["plain", "gzip"] {
            let path = format!("/{}/{}-{coding}-whole", body.route, body.name);
            let (answer, _) = ask_afresh(&world, protocol, &path).await;
            assert_eq!(answer.status, 200, "{protocol:?} {path}");
            assert!(answer.broke_off.is_some(), "{protocol:?} {path}");
            // The comma after the last record of an array says nothing of the next one.
            let comma = usize::from(body.name == "json" && answer.body.ends_with(b","));
            let expect = &body.plain[..body.limit_at + comma];
            assert!(answer.body == expect, "{protocol:?} {path}: {} {}", answer.body.len(), expect.len());
            let outcome = outcome(&world, &answer).await;
            assert_eq!((outcome.ending, outcome.reason), (Ending::Cut, Reason::RecordsCut), "{path}");
            assert_eq!(outcome.records, LIMIT, "{path}");
        }
    }
}

#[tokio::test]
async fn a_cut_answer_in_one_piece_does_not_look_whole() {
    let line = |number: u64| format!("{{\"i\":{number}}}\n");
    let lines = |count: u64| (0..count).map(line).collect::<String>().into_bytes();
    let ndjson = "content-type: application/x-ndjson";
    let answers = [
        ("most".to_owned(), whole(200, &[ndjson], &lines(LIMIT - 10))),
        ("short".to_owned(), whole(200, &[ndjson], &lines(20))),
    ];
    let world = world(answers).await;
    for protocol in BOTH {
        let (most, _) = ask_afresh(&world, protocol, "/counted/most").await;
        assert!(most.broke_off.is_none());
        let (mut connection, token, _) = world.client(who(1, 1), protocol).await;
        let (short, _) = ask_for_all(&mut connection, "/counted/short", &token).await;
        assert!(short.body == lines(10), "{protocol:?}");
        assert!(short.broke_off.is_some(), "{protocol:?} {:?}", short.headers);
    }
}

#[tokio::test]
async fn a_gzip_bomb_is_cut_after_its_first_mebibyte() {
    // 1 GiB, in a mebibyte: of text that has no records, and of bytes.
    let bomb = |byte: u8| gzip(&vec![byte; 16 << 20]).repeat(64);
    let gzip = "content-encoding: gzip";
    let answers = [
        ("lines".to_owned(), whole(200, &["content-type: application/x-ndjson", gzip], &bomb(b' '))),
        ("zeros".to_owned(), whole(200, &["content-type: application/octet-stream", gzip], &bomb(0))),
    ];
    let world = world(answers).await;
    for protocol in BOTH {
        for path in ["/counted/lines", "/bytes/zeros"] {
            let (answer, _) = ask_afresh(&world, protocol, path).await;
            assert_eq!(answer.status, 200, "{protocol:?} {path}");
            assert!(answer.broke_off.is_some(), "{protocol:?} {path}");
            assert!(answer.body.len() <= 1 << 20, "{}", answer.body.len());
            let outcome = outcome(&world, &answer).await;
            assert_eq!((outcome.ending, outcome.reason), (Ending::Cut, Reason::BodyNotCountable));
            // Not even made: what is handed on is all that was unpacked, but for the last piece.
            assert!(outcome.response_bytes <= 1 << 20, "{}", outcome.response_bytes);
        }
    }
    assert!(world.control.look(|seen| seen.keys_cut.is_empty()), "the vendor is not to blame");
}

#[tokio::test]
async fn a_damaged_gzip_body_never_looks_whole() {
    let lines = "{\"i\":1}\n".repeat(100);
    let good = gzip(
        &(0..100_000_u64)
            .map(|number| format!("{:016x}\n", noise(number)))
            .collect::<Vec<_>>()
            .concat()
            .into_bytes(),
    );
    let small = gzip(lines.as_bytes());
    let changed = |packed: &[u8], from_end: usize| {
        let mut packed = packed.to_vec();
        let at = packed.len() - from_end;
        packed[at] ^= 1;
        packed
    };
    let head = ["content-type: application/x-ndjson", "content-encoding: gzip"];
    let damaged = [
        ("truncated", good[..good.len() / 100].to_vec()),
        ("truncated-tail", small[..small.len() - 1].to_vec()),
        ("checksum", changed(&small, 8)),
        ("length", changed(&small, 4)),
        ("garbage", [&small[..], b"garbage"].concat()),
    ];
    let mut answers: Vec<_> =
        damaged.iter().map(|(name, body)| ((*name).to_owned(), whole(200, &head, body))).collect();
    answers.push(("plain".to_owned(), whole(200, &head, lines.as_bytes())));
    answers.push(("twice".to_owned(), whole(200, &head, &small.repeat(2))));
    let world = world(answers).await;
    for protocol in BOTH {
        for (name, _) in &damaged {
            let (answer, _) = ask_afresh(&world, protocol, &format!("/counted/{name}")).await;
            // What fails before anything has left is a refusal.
            assert!(answer.status == 502 || answer.broke_off.is_some(), "{protocol:?} {name}");
            let outcome = outcome(&world, &answer).await;
            assert_eq!((outcome.ending, outcome.reason), (Ending::Cut, Reason::BodyNotCountable), "{name}");
        }
        let (answer, _) = ask_afresh(&world, protocol, "/counted/plain").await;
        assert_eq!((answer.status, answer.reason().as_str()), (502, "body_not_countable"), "{protocol:?}");
        let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(problem["detail"], "the gzip body has a malformed head");
        assert_eq!(outcome(&world, &answer).await.status, 502);
        // Members that follow each other are one body.
        let (answer, _) = ask_afresh(&world, protocol, "/counted/twice").await;
        assert!(answer.body == lines.repeat(2).as_bytes() && answer.broke_off.is_none());
        assert_eq!(outcome(&world, &answer).await.records, 200);
    }
    assert!(world.control.look(|seen| seen.keys_cut.is_empty()));
}

#[tokio::test]
async fn what_has_no_records_passes_by_its_bytes_where_the_route_says_so() {
    let json = "content-type: application/json";
    let body = vec![b'x'; 1_001];
    let table = [
        ("range", whole(206, &[json, "content-range: bytes 0-1000/5000"], &body)),
        ("multipart", whole(206, &["content-type: multipart/byteranges; boundary=b"], &body)),
        ("packed-range", whole(206, &[json, "content-encoding: gzip"], &body)),
        ("brotli", whole(200, &[json, "content-encoding: br"], &body)),
        ("image", whole(200, &["content-type: image/png"], &body)),
        ("nameless", whole(200, &[], &body)),
        ("utf-16", whole(200, &["content-type: application/json; charset=utf-16"], &body)),
    ];
    let mut answers: Vec<_> =
        table.iter().map(|(name, answer)| ((*name).to_owned(), answer.clone())).collect();
    answers.push(("array".to_owned(), whole(200, &[json], b"[1,2,3,4,5]")));
    answers.push(("no-json".to_owned(), whole(200, &[json], &body)));
    let world = world(answers).await;
    for protocol in BOTH {
        for (name, _) in &table {
            let (refused, _) = ask_afresh(&world, protocol, &format!("/counted/{name}")).await;
            assert_eq!((refused.status, refused.reason().as_str()), (502, "body_not_countable"), "{name}");
            let (passed, _) = ask_afresh(&world, protocol, &format!("/bytes/{name}")).await;
            assert!(matches!(passed.status, 200 | 206) && passed.broke_off.is_none(), "{name}");
            assert!(passed.body == body, "{name}");
            let encoding = passed.header("content-encoding");
            assert_eq!(encoding.is_some(), matches!(*name, "packed-range" | "brotli"), "{name}");
            // Eleven hundreds have begun.
            assert_eq!(outcome(&world, &passed).await.records, 11, "{name}");
        }
        // What has records is counted by them also there.
        let (array, _) = ask_afresh(&world, protocol, "/bytes/array").await;
        assert_eq!(outcome(&world, &array).await.records, 5);
        // What says that it has and hasn't is found out before the first byte, over both protocols.
        for route in ["counted", "bytes"] {
            let (refused, _) = ask_afresh(&world, protocol, &format!("/{route}/no-json")).await;
            assert_eq!((refused.status, refused.reason().as_str()), (502, "body_not_countable"));
            assert_eq!(outcome(&world, &refused).await.status, 502);
        }
    }
}

#[tokio::test]
async fn a_page_is_reserved_up_front_and_its_rest_is_given_back() {
    let array = |count: u64| {
        let items: Vec<_> = (0..count).map(|number| number.to_string()).collect();
        format!("[{}]", items.join(",")).into_bytes()
    };
    let json = "content-type: application/json";
    let answers =
        [0, 10, 20_000, 30_000, 60_000].map(|count| (count.to_string(), whole(200, &[json], &array(count))));
    let world = world(answers).await;
    let left = |answer: &Answer| {
        let words = answer.header("ratelimit").unwrap().to_owned();
        words.split("\"records\";r=").nth(1).unwrap().split(';').next().unwrap().parse::<u64>().unwrap()
    };
    for protocol in BOTH {
        world.clock.advance_ms(WINDOW_MS);
        let (mut connection, token, _) = world.client(who(1, 1), protocol).await;
        let mut ask = async |path: &str| {
            let (answer, _) = ask_for_all(&mut connection, path, &token).await;
            if answer.status != 429 {
                outcome(&world, &answer).await;
            }
            answer
        };
        // While it is under way the whole page is taken; then only what it held.
        assert_eq!(left(&ask("/paged/10").await), 30_000, "{protocol:?}");
        assert_eq!(left(&ask("/counted/0").await), LIMIT - 10, "{protocol:?}");
        // More than a page: the rest competes for the window, and here it finds room.
        let long = ask("/paged/30000").await;
        assert!(long.broke_off.is_none() && long.body == array(30_000), "{protocol:?}");
        assert_eq!(left(&ask("/counted/0").await), LIMIT - 30_010, "{protocol:?}");
        // A page doesn't fit any more: that is a refusal before the first byte, and no cut.
        let refused = ask("/paged/10").await;
        assert_eq!((refused.status, refused.reason().as_str()), (429, "records_limit"));
        assert_eq!(left(&ask("/counted/0").await), LIMIT - 30_010, "{protocol:?}");
        assert!(world.control.look(|seen| seen.keys_cut.is_empty()));
        // Beyond the page and the window it is cut like any other.
        world.clock.advance_ms(WINDOW_MS);
        let cut = ask("/paged/60000").await;
        assert!(cut.broke_off.is_some(), "{protocol:?}");
        assert_eq!(outcome(&world, &cut).await.records, LIMIT, "{protocol:?}");
        world.control.wait("a closed key", |seen| seen.keys_cut.pop()).await;
    }
}

#[tokio::test]
async fn the_head_of_a_packed_body_tells_of_the_unpacked_one() {
    let lines = ["content-type: application/json", "content-encoding: gzip", "etag: \"abc\""];
    let world = world([("array".to_owned(), whole(200, &lines, &gzip(b"[1,2,3]")))]).await;
    for protocol in BOTH {
        let (mut connection, token, _) = world.client(who(1, 1), protocol).await;
        let asked = request(Method::HEAD, "/counted/array", full("")).bearer(&token);
        let head = soon("a head", connection.ask(asked)).await.unwrap();
        assert_eq!((head.status, head.header("content-encoding")), (200, None));
        assert_eq!((head.header("content-length"), head.header("etag")), (None, Some("W/\"abc\"")));
        let (answer, _) = ask_for_all(&mut connection, "/counted/array", &token).await;
        assert_eq!(answer.body, b"[1,2,3]");
        assert_eq!(outcome(&world, &answer).await.records, 3);
    }
}
