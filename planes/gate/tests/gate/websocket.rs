//! WebSocket connections: counted, bounded and severable like any response.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use portcullis_domain::decision::{Ending, OutcomeRecord};
use portcullis_domain::reason::Reason;
use portcullis_domain::target::Target;
use portcullis_policy::facts::{RouteFacts, SnapshotFacts};

use crate::support::bystander::Bystander;
use crate::support::client::{Protocol, With, get};
use crate::support::clock::HandClock;
use crate::support::identity::{Certificate, who};
use crate::support::soon;
use crate::support::tap::Tap;
use crate::support::websocket::{
    BINARY, CLOSE, Client, Event, PING, PONG, TEXT, WebSocketUpstream, connect, frame,
};
use crate::support::world::{World, add_route, route, upstream};

const LIMIT: u64 = 50_000;
const DEFLATE: &str = "sec-websocket-extensions: permessage-deflate\r\n";

struct Stage {
    world: Arc<World>,
    upstream: WebSocketUpstream,
    certificate: Certificate,
    token: String,
}

impl Stage {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut SnapshotFacts)) -> Self {
        let sockets = WebSocketUpstream::start();
        let world = World::with(HandClock::real(), |facts| {
            let metered = RouteFacts { websocket: true, ..route(20, 20, "/ws") };
            let free = RouteFacts { websocket: true, metered: false, ..route(21, 20, "/ws-free") };
            for made in [metered, free, route(22, 20, "/plain")] {
                add_route(facts, made, upstream(20, sockets.address));
            }
            facts.integrations[0].limits.concurrency = 2_000;
            change(facts);
        })
        .await;
        let certificate = Certificate::new();
        let token = world.token(who(1, 1), &certificate);
        Self { world: Arc::new(world), upstream: sockets, certificate, token }
    }

    async fn ask(&self, path: &str, more: &str) -> (Client, String, Arc<Tap>) {
        let connector = self.world.connector(Some(&self.certificate));
        soon("a handshake", connect(&connector, path, &self.token, more)).await
    }

    async fn open(&self, path: &str) -> Client {
        let (client, head, _) = self.ask(path, "").await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        client
    }

    async fn outcome(&self) -> OutcomeRecord {
        self.world.control.wait("an outcome", |seen| seen.ended.pop()).await
    }

    async fn upstream_ended(&self, connections: u64) {
        let ended = async {
            while self.upstream.log.ended.load(Ordering::SeqCst) < connections {
                tokio::task::yield_now().await;
            }
        };
        soon("the end of the upstream's connection", ended).await;
    }
}

async fn next(client: &mut Client) -> Event {
    soon("a frame", client.next()).await
}

/// Reads to the end; data messages and the code of the close frame.
async fn drain(client: &mut Client) -> (u64, Option<u16>) {
    let (mut messages, mut code) = (0, None);
    loop {
        match next(client).await {
            Event::Frame(TEXT | BINARY, _) => {
                assert_eq!(code, None, "a message after the close frame");
                messages += 1;
            }
            event @ Event::Frame(CLOSE, _) => code = event.close_code(),
            Event::Frame(..) => {}
            Event::End | Event::Broken => return (messages, code),
        }
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .find_map(|line| line.split_once(": ").filter(|(found, _)| found.eq_ignore_ascii_case(name)))
        .map(|(_, value)| value)
}

#[tokio::test]
async fn frames_pass_both_ways_unchanged() {
    let stage = Stage::new().await;
    for path in ["/ws", "/ws-free"] {
        let (mut client, head, _) = stage.ask(path, "sec-websocket-protocol: chat\r\n").await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert_eq!(field(&head, "sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert!(field(&head, "portcullis-decision").is_some());
        let asked = stage.upstream.last_head();
        assert!(asked.contains("sec-websocket-key: dghlihnhbxbszsbub25jzq=="), "{asked}");
        assert!(asked.contains("sec-websocket-protocol: chat") && asked.contains("portcullis-client: "));
        assert!(!asked.contains("authorization"));
        for size in [0, 1, 125, 126, 65_535, 65_536, 300_000] {
            let payload: Vec<u8> = (0..size).map(|place| (place % 251) as u8).collect();
            client.send(&frame(BINARY, &payload, true)).await;
            assert_eq!(next(&mut client).await, Event::Frame(BINARY, payload));
        }
        client.send(&frame(PING, b"are you there", true)).await;
        assert_eq!(next(&mut client).await, Event::Frame(PONG, b"are you there".to_vec()));
        // One message in three frames, with a ping between them, byte by byte.
        let pieces = [
            frame(0x01, b"a", true),
            frame(PING, b"", true),
            frame(0x00, b"b", true),
            frame(0x80, b"c", true),
        ];
        for byte in pieces.concat() {
            client.send(&[byte]).await;
        }
        for (first, payload) in [(0x01, "a"), (PONG, ""), (0x00, "b"), (0x80, "c")] {
            assert_eq!(next(&mut client).await, Event::Frame(first, payload.into()));
        }
        client.send(&frame(CLOSE, &1_000_u16.to_be_bytes(), true)).await;
        assert_eq!(drain(&mut client).await, (0, Some(1_000)));
        let outcome = stage.outcome().await;
        assert_eq!(
            (outcome.ending, outcome.reason, outcome.status),
            (Ending::Complete, Reason::Allowed, 101)
        );
        assert_eq!(outcome.records, if path == "/ws" { 8 } else { 0 });
    }
}

#[tokio::test]
async fn a_route_without_websocket_refuses_it_in_words() {
    let stage = Stage::new().await;
    let (mut client, head, _) = stage.ask("/plain", "").await;
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    let body = client.rest(field(&head, "content-length").unwrap().parse().unwrap()).await;
    assert!(body.contains("websocket_not_allowed"), "{body}");
    assert!(stage.upstream.log.heads.lock().unwrap().is_empty());
    // Refused, and so recorded: there is no outcome to wait for.
    let refused =
        |record: &&portcullis_domain::decision::DecisionRecord| record.reason == Reason::WebsocketNotAllowed;
    stage.world.control.wait("a refusal", |seen| seen.decided.iter().find(refused).cloned()).await;
    // An ordinary request to it passes.
    let mut connection = stage.world.open(Protocol::H1, Some(&stage.certificate)).await;
    assert_eq!(connection.ask(get("/plain").bearer(&stage.token)).await.unwrap().status, 200);
}

#[tokio::test]
async fn handshakes_that_are_none_are_refused() {
    let stage = Stage::new().await;
    for more in ["sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "sec-websocket-version: 8\r\n"] {
        let (_, head, _) = stage.ask("/ws", more).await;
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    }
    assert!(stage.upstream.log.heads.lock().unwrap().is_empty());
}

#[tokio::test]
async fn extensions_are_negotiated_only_where_nothing_is_counted() {
    let stage = Stage::new().await;
    let (_client, head, _) = stage.ask("/ws", DEFLATE).await;
    assert_eq!(field(&head, "sec-websocket-extensions"), None);
    assert!(!stage.upstream.last_head().contains("sec-websocket-extensions"));
    let (_client, head, _) = stage.ask("/ws-free", DEFLATE).await;
    assert_eq!(field(&head, "sec-websocket-extensions"), Some("permessage-deflate"));
    // An upstream that takes one up unasked can't be counted.
    let (_, head, _) = stage.ask("/ws?forced=1", DEFLATE).await;
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
}

#[tokio::test]
async fn messages_beyond_the_limit_are_cut_exactly() {
    let stage = Stage::new().await;
    let bystander = Bystander::start(&stage.world, who(2, 1), "/records/1?n=1").await;
    let (mut client, head, _) = stage.ask("/ws?push=60000&size=20", "").await;
    assert_eq!(drain(&mut client).await, (LIMIT, Some(1_008)));
    let decision = field(&head, "portcullis-decision").unwrap().parse().unwrap();
    let outcome = stage.world.control.outcome(decision).await;
    assert_eq!((outcome.ending, outcome.reason, outcome.records), (Ending::Cut, Reason::RecordsCut, LIMIT));
    stage.world.control.wait("a closed key", |seen| seen.keys_cut.first().cloned()).await;
    let (mut client, head, _) = stage.ask("/ws", "").await;
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    assert!(client.rest(1).await.contains("key_severed"));
    stage.upstream_ended(1).await;
    bystander.served().await;
}

#[tokio::test]
async fn nothing_arrives_after_a_severance() {
    let stage = Stage::new().await;
    for (order, path) in
        ["/ws?push=1000000&size=100", "/ws-free?push=1000000&size=100&pace_ms=1", "/ws"].iter().enumerate()
    {
        let certificate = Certificate::new();
        let vendor = order as u128 + 2;
        let token = stage.world.token(who(vendor, 1), &certificate);
        let connector = stage.world.connector(Some(&certificate));
        let path = path.replace("push=1000000", "push=45000");
        let (mut client, head, tap) = soon("a handshake", connect(&connector, &path, &token, "")).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        client.send(&frame(TEXT, b"hello", true)).await;
        assert!(matches!(next(&mut client).await, Event::Frame(..)));
        let watched = crate::support::seen::Watched::default();
        assert!(watched.add(&tap));
        let order = order as u64 + 1;
        stage.world.control.watch(order, &watched);
        let target = Target::Vendor { id: who(vendor, 1).vendor };
        let report = stage.world.sever(order, target, 2, vec![]).await;
        assert_eq!(report.connections.len(), 1);
        drain(&mut client).await;
        assert_eq!(tap.excess(), 0, "bytes after the severance");
        let outcome = stage.outcome().await;
        assert_eq!((outcome.ending, outcome.reason), (Ending::Cut, Reason::VendorSevered));
        // The other side is cut too.
        stage.upstream_ended(order).await;
    }
}

#[tokio::test]
async fn the_end_of_a_contract_ends_an_idle_connection() {
    let stage = Stage::new().await;
    let mut client = stage.open("/ws").await;
    let now_us = stage.world.clock.wall().as_microsecond();
    stage.world.publish(|facts| facts.integrations[0].contract_ends_us = now_us + 60_000_000).await;
    client.send(&frame(TEXT, b"still", true)).await;
    assert_eq!(next(&mut client).await, Event::Frame(TEXT, b"still".to_vec()));
    stage.world.clock.jump_to(jiff::Timestamp::from_microsecond(now_us + 60_000_000).unwrap());
    assert_eq!(drain(&mut client).await, (0, None));
    let outcome = stage.outcome().await;
    assert_eq!((outcome.ending, outcome.reason), (Ending::Cut, Reason::ContractNotInForce));
}

#[tokio::test]
async fn frames_that_break_the_protocol_end_the_connection() {
    let stage = Stage::new().await;
    let faults: [(&[u8], u16); 4] = [
        (&frame(TEXT, b"not masked", false), 1_002),
        (&frame(0xc1, b"reserved", true), 1_002),
        (&frame(0x83, b"unknown", true), 1_002),
        (&frame(0x80, b"continues nothing", true), 1_002),
    ];
    for (bytes, code) in faults {
        let mut client = stage.open("/ws").await;
        let before = stage.upstream.log.frames.load(Ordering::SeqCst);
        client.send(bytes).await;
        assert_eq!(drain(&mut client).await, (0, Some(code)));
        let outcome = stage.outcome().await;
        assert_eq!((outcome.ending, outcome.reason), (Ending::Cut, Reason::WebsocketMalformed));
        assert_eq!(stage.upstream.log.frames.load(Ordering::SeqCst), before, "the upstream never saw it");
    }
    // Nor may the upstream, whose fault it then is.
    let mut client = stage.open("/ws?masked=1").await;
    assert_eq!(drain(&mut client).await, (0, Some(1_011)));
    let outcome = stage.outcome().await;
    assert_eq!((outcome.ending, outcome.reason), (Ending::UpstreamFailed, Reason::UpstreamFailed));
}

#[tokio::test]
async fn nothing_follows_a_close_frame() {
    let stage = Stage::new().await;
    let mut client = stage.open("/ws?push=3&size=5&bye=1").await;
    assert_eq!(drain(&mut client).await, (3, Some(1_000)));
    assert_eq!(stage.outcome().await.records, 3);
}

#[tokio::test]
async fn either_side_may_go() {
    let stage = Stage::new().await;
    let mut client = stage.open("/ws?gone=1").await;
    assert_eq!(drain(&mut client).await, (0, Some(1_011)));
    let outcome = stage.outcome().await;
    assert_eq!((outcome.ending, outcome.reason), (Ending::UpstreamFailed, Reason::UpstreamFailed));
    drop(stage.open("/ws").await);
    let outcome = stage.outcome().await;
    assert_eq!((outcome.ending, outcome.reason), (Ending::ClientGone, Reason::ClientGone));
    stage.upstream_ended(2).await;
}

#[tokio::test]
async fn a_connection_has_an_end() {
    let stage = Stage::with(|facts| facts.integrations[0].limits.stream_seconds_max = 1).await;
    for (path, code) in [("/ws", Some(1_001)), ("/ws?half=1", None), ("/ws-free", None)] {
        let mut client = stage.open(path).await;
        assert_eq!(drain(&mut client).await, (0, code), "{path}");
        let outcome = stage.outcome().await;
        assert_eq!((outcome.ending, outcome.reason), (Ending::Cut, Reason::RequestTooSlow));
    }
}

#[tokio::test]
async fn a_gate_that_stops_says_so() {
    let mut stage = Stage::new().await;
    let mut client = stage.open("/ws").await;
    let mut free = stage.open("/ws-free").await;
    let gate = Arc::get_mut(&mut stage.world).unwrap().gate.take().unwrap();
    let draining = tokio::task::spawn_blocking(move || gate.drain(Duration::from_secs(15)));
    assert_eq!(drain(&mut client).await, (0, Some(1_001)));
    assert_eq!(drain(&mut free).await, (0, None));
    drop((client, free));
    soon("the end of the gate", draining).await.unwrap();
    for _ in 0..2 {
        let outcome = stage.outcome().await;
        assert_eq!((outcome.ending, outcome.reason), (Ending::Cut, Reason::GateStopping));
    }
}

/// Memory of this process, in bytes: gate, clients and upstream together.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = status.split_ascii_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

#[tokio::test]
async fn idle_connections_are_small() {
    const SOCKETS: u64 = 1_000;
    let stage = Stage::new().await;
    let mut first = stage.open("/ws").await;
    let before = resident();
    let mut clients = Vec::new();
    for _ in 0..SOCKETS {
        clients.push(stage.open("/ws").await);
    }
    let each = resident().saturating_sub(before) / SOCKETS;
    println!("an idle WebSocket connection holds {each} bytes: gate, client and upstream together");
    assert!(each < 256 * 1_024, "{each}");
    // All of them still work.
    for client in [&mut first].into_iter().chain(&mut clients) {
        client.send(&frame(TEXT, b"hello", true)).await;
        assert_eq!(next(client).await, Event::Frame(TEXT, b"hello".to_vec()));
    }
}
