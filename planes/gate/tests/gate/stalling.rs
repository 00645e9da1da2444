//! A client that asks and doesn't read: what sits in buffers has not left, and doesn't age.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::time::Duration;

use portcullis_policy::facts::SnapshotFacts;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::client::{Answer, BOTH, Protocol, With, get};
use crate::support::clock::HandClock;
use crate::support::identity::{Certificate, who};
use crate::support::soon;
use crate::support::world::World;

const LIMIT: u64 = 5_000;
const RECORD_BYTES: u64 = 200;

fn with_a_low_limit(facts: &mut SnapshotFacts) {
    facts.vendors[0].records_max = LIMIT;
}

/// Bytes that the gate's kernel holds for the client at `client`.
fn in_send_queue(gate: SocketAddr, client: SocketAddr) -> u64 {
    let hex = |address: SocketAddr| {
        let std::net::IpAddr::V4(ip) = address.ip() else { panic!("IPv4") };
        format!("{:08X}:{:04X}", u32::from_le_bytes(ip.octets()), address.port())
    };
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let line = table
        .lines()
        .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>())
        .find(|fields| fields[1] == hex(gate) && fields[2] == hex(client))
        .unwrap();
    u64::from_str_radix(line[4].split_once(':').unwrap().0, 16).unwrap()
}

#[tokio::test]
async fn records_in_full_buffers_never_slip_out_of_the_window() {
    for protocol in BOTH {
        let clock = HandClock::real();
        clock.stand();
        let world = World::with(clock, with_a_low_limit).await;
        let certificate = Certificate::new();
        let mut connector = world.connector(Some(&certificate));
        connector.receive_bytes = Some(16 * 1_024);
        let token = world.token(who(1, 1), &certificate);
        let mut connection = connector.open(protocol).await.unwrap();
        let tap = std::sync::Arc::clone(&connection.tap);
        let path = format!("/records/1?n=60000&format=ndjson&size={}", RECORD_BYTES - 1);
        let asked = get(&path).bearer(&token);
        // The head arrives; then the runtime of the client isn't driven any more, so nobody reads.
        let response = soon("a head", connection.send(asked)).await.unwrap();
        let client = connection.tap.address();
        let unread = || tap.arrived() + in_send_queue(world.address, client);
        let mut before = unread();
        let mut same = 0;
        // Until nothing moves any more between gate and kernel.
        while same < 20 {
            std::thread::park_timeout(Duration::from_millis(10));
            let now = unread();
            same = if now == before { same + 1 } else { 0 };
            before = now;
        }
        // All that left by now ages out; what the gate still holds must not.
        world.clock.advance_ms(20_000);
        let answer = soon("a cut", Answer::read(response)).await;
        let left_before = before / RECORD_BYTES;
        let left_after = answer.records().saturating_sub(left_before);
        println!("{protocol:?}: {left_before} records left before, {left_after} after");
        assert!(left_before < LIMIT, "the buffers are too large for this test");
        assert!(left_after > 0 && answer.broke_off.is_some());
        assert!(left_after <= LIMIT, "{left_after} left within ten seconds");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_its_stream_in_time() {
    for protocol in BOTH {
        let world = World::with(HandClock::real(), |facts| {
            facts.integrations[0].limits.stream_seconds_max = 1;
        })
        .await;
        let (mut connection, token, _) = world.client(who(1, 1), protocol).await;
        let asked = get("/free/x?n=1000000&size=1000").bearer(&token);
        let response = soon("a head", connection.send(asked)).await.unwrap();
        let outcome = world.control.wait("its end", |seen| seen.ended.first().cloned()).await;
        assert_eq!(outcome.reason, portcullis_domain::reason::Reason::RequestTooSlow);
        assert!(Answer::read(response).await.broke_off.is_some());
        if protocol == Protocol::H2 {
            continue;
        }
        assert!(connection.ask(get("/records/1").bearer(&token)).await.is_err());
    }
}

/// The limits of a head are over when it is whole: its answer takes as long as the route lets it.
#[tokio::test]
async fn an_answer_may_take_longer_than_a_head() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (arrived, arrival) = tokio::sync::oneshot::channel();
    let (go, going) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 4_096];
        assert!(stream.read(&mut head).unwrap() > 0);
        arrived.send(()).unwrap();
        going.recv().unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 3\r\n\r\n[1]")
            .unwrap();
    });
    let world = World::with(HandClock::real(), |facts| {
        let main = facts.routes[0].upstream;
        let main = facts.upstreams.iter_mut().find(|upstream| upstream.id == main).unwrap();
        main.url = format!("http://{address}");
    })
    .await;
    let (mut connection, token, _) = world.client(who(1, 1), Protocol::H1).await;
    let answer = tokio::spawn(async move { connection.ask(get("/records/1").bearer(&token)).await });
    soon("the request", arrival).await.unwrap();
    // Half a head, which the gate stops waiting for: then it has looked at all of its connections.
    let (mut dawdler, _) = world.connector(None).tls(Protocol::H1).await.unwrap();
    dawdler.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    world.clock.advance_ms(10_000);
    world.clock.advance_ms(10_000);
    let mut rest = Vec::new();
    let _ = soon("the end of the dawdler", dawdler.read_to_end(&mut rest)).await;
    go.send(()).unwrap();
    assert_eq!(soon("the answer", answer).await.unwrap().unwrap().status, 200);
}
