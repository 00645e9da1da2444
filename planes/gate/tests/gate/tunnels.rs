//! Through whose tunnel a request came: recorded, and refused where it is another vendor's.

use std::sync::atomic::Ordering;

use ipnet::IpNet;
use portcullis_domain::decision::Verdict;
use portcullis_domain::ids::{TunnelId, VendorId};
use portcullis_domain::reason::Reason;
use portcullis_gate::GateSettings;
use portcullis_policy::facts::{SnapshotFacts, TunnelFacts};
use portcullis_policy::tunnels::Through;
use portcullis_wire::proxy_protocol::{ProxyHeader, encode_v1};
use uuid::Uuid;

use crate::support::client::{BOTH, Connection, Connector, Protocol, With, get};
use crate::support::clock::HandClock;
use crate::support::identity::{Certificate, who};
use crate::support::soon;
use crate::support::world::{World, unhurried};

fn tunnel(number: u128) -> TunnelId {
    TunnelId(Uuid::from_u128(0xee00 + number))
}

fn behind(number: u128, vendor: VendorId, networks: &[&str]) -> TunnelFacts {
    let networks = networks.iter().map(|text| text.parse::<IpNet>().unwrap()).collect();
    TunnelFacts { id: tunnel(number), vendor, networks }
}

/// One of each of the first two vendors, in the loopback network.
fn two_tunnels(facts: &mut SnapshotFacts) {
    facts.tunnels = vec![
        behind(1, who(1, 1).vendor, &["127.7.1.0/24", "127.7.9.9/32"]),
        behind(2, who(2, 1).vendor, &["127.7.2.0/24"]),
    ];
}

async fn open_from(world: &World, protocol: Protocol, from: &str, certificate: &Certificate) -> Connection {
    let from = Some(from.parse().unwrap());
    let connector = Connector { from, ..world.connector(Some(certificate)) };
    soon("a connection", connector.open(protocol)).await.unwrap()
}

/// The answer's status, with what was recorded of the tunnel and of the reason.
async fn ask(world: &World, connection: &mut Connection, token: &str) -> (u16, Option<TunnelId>, Reason) {
    let answer = soon("an answer", connection.ask(get("/records/1").bearer(token))).await.unwrap();
    let decision = world.control.decision(answer.decision()).await;
    assert_eq!(decision.verdict == Verdict::Deny, answer.status != 200, "{answer:?}");
    (answer.status, decision.tunnel, decision.reason)
}

#[tokio::test]
async fn what_comes_out_of_a_vendors_tunnel_is_recorded_with_it_and_nothing_else_is() {
    for protocol in BOTH {
        let world = World::with(HandClock::real(), two_tunnels).await;
        let certificate = Certificate::new();
        let token = world.token(who(1, 1), &certificate);
        for (from, expect) in [
            ("127.7.1.0", Some(tunnel(1))),
            ("127.7.1.255", Some(tunnel(1))),
            ("127.7.9.9", Some(tunnel(1))),
            ("127.7.9.8", None),
            ("127.0.0.1", None),
        ] {
            let mut connection = open_from(&world, protocol, from, &certificate).await;
            // On each request of a connection.
            for _ in 0..3 {
                let expect = (200, expect, Reason::Allowed);
                assert_eq!(ask(&world, &mut connection, &token).await, expect, "{protocol:?} {from}");
            }
            // Also where nobody is known to answer for it.
            let asked = connection.ask(get("/records/1"));
            let answer = soon("an answer", asked).await.unwrap();
            let stranger = world.control.decision(answer.decision()).await;
            assert_eq!((stranger.client, stranger.tunnel), (None, expect), "{from}");
        }
    }
}

#[tokio::test]
async fn a_connection_is_of_the_tunnels_that_are_declared_now() {
    let world = World::new().await;
    let certificate = Certificate::new();
    let token = world.token(who(1, 1), &certificate);
    let mut connection = open_from(&world, Protocol::H1, "127.7.1.9", &certificate).await;
    assert_eq!(ask(&world, &mut connection, &token).await, (200, None, Reason::Allowed));
    world.publish(two_tunnels).await;
    assert_eq!(ask(&world, &mut connection, &token).await, (200, Some(tunnel(1)), Reason::Allowed));
    // Another vendor's from now on: who is in there is no longer this one's.
    let theirs = |facts: &mut SnapshotFacts| {
        facts.tunnels = vec![behind(3, who(3, 1).vendor, &["127.7.1.0/24"])];
    };
    world.publish(theirs).await;
    let refused = (403, Some(tunnel(3)), Reason::TunnelForeign);
    assert_eq!(ask(&world, &mut connection, &token).await, refused);
    world.publish(|facts| facts.tunnels.clear()).await;
    let mut connection = open_from(&world, Protocol::H1, "127.7.1.9", &certificate).await;
    assert_eq!(ask(&world, &mut connection, &token).await, (200, None, Reason::Allowed));
}

#[tokio::test]
async fn a_client_that_comes_through_another_vendors_tunnel_is_refused() {
    for protocol in BOTH {
        let world = World::with(HandClock::real(), two_tunnels).await;
        let certificate = Certificate::new();
        let token = world.token(who(1, 1), &certificate);
        let forwarded = || world.upstream.log.requests.load(Ordering::SeqCst);
        let before = forwarded();
        for _ in 0..3 {
            let mut connection = open_from(&world, protocol, "127.7.2.9", &certificate).await;
            let answer = soon("an answer", connection.ask(get("/records/1").bearer(&token))).await.unwrap();
            assert_eq!((answer.status, answer.reason().as_str()), (403, "tunnel_foreign"), "{protocol:?}");
            let decision = world.control.decision(answer.decision()).await;
            assert_eq!((decision.verdict, decision.reason), (Verdict::Deny, Reason::TunnelForeign));
            // Whose credentials, and whose tunnel.
            assert_eq!((decision.vendor, decision.tunnel), (Some(who(1, 1).vendor), Some(tunnel(2))));
        }
        assert_eq!(forwarded(), before);
        // The authorization server is told, and judges itself.
        let mut connection = open_from(&world, protocol, "127.7.2.9", &certificate).await;
        soon("an answer", connection.ask(get("/oauth/jwks"))).await.unwrap();
        let told = world.control.look(|seen| seen.relays.last().unwrap().through.as_deref().copied());
        assert_eq!(told, Some(Through { tunnel: tunnel(2), vendor: who(2, 1).vendor }));
        // The tunnel's own vendor passes, another client of it too, and the first one by its own tunnel.
        for (number, client, from, of) in
            [(2, 1, "127.7.2.9", 2), (2, 2, "127.7.2.9", 2), (1, 1, "127.7.1.9", 1)]
        {
            let certificate = Certificate::new();
            let token = world.token(who(number, client), &certificate);
            let mut connection = open_from(&world, protocol, from, &certificate).await;
            assert_eq!(ask(&world, &mut connection, &token).await, (200, Some(tunnel(of)), Reason::Allowed));
        }
    }
}

#[tokio::test]
async fn a_balancers_word_puts_nobody_into_a_tunnel() {
    let settings = GateSettings { proxy_protocol: vec!["127.0.0.0/8".parse().unwrap()], ..unhurried() };
    let world = World::listening(settings).await;
    let vendors = [who(1, 1).vendor, who(2, 1).vendor];
    let certificate = Certificate::new();
    let token = world.token(who(1, 1), &certificate);
    let header = ProxyHeader {
        source: Some("203.0.113.9:4000".parse().unwrap()),
        destination: Some("198.51.100.1:443".parse().unwrap()),
        local: false,
    };
    let came = async || {
        let first = vec![encode_v1(&header)];
        let connector = Connector { first, ..world.connector(Some(&certificate)) };
        let mut connection = soon("a connection", connector.open(Protocol::H1)).await.unwrap();
        ask(&world, &mut connection, &token).await
    };
    // Neither its own, nor another's.
    for vendor in vendors {
        world.publish(|facts| facts.tunnels = vec![behind(1, vendor, &["203.0.113.0/24"])]).await;
        assert_eq!(came().await, (200, None, Reason::Allowed));
    }
    // The balancer's own address is what counts.
    world.publish(|facts| facts.tunnels = vec![behind(1, vendors[0], &["127.0.0.1/32"])]).await;
    assert_eq!(came().await, (200, Some(tunnel(1)), Reason::Allowed));
}
