//! A client that asks and doesn't read: what sits in buffers has not left, and doesn't age.

use std::net::SocketAddr;
use std::time::Duration;

use portcullis_policy::facts::SnapshotFacts;

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
