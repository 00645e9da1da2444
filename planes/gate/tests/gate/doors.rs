//! Doors of integrations' own: opened and closed with snapshots, and nobody else's way in.

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU16;
use std::sync::atomic::Ordering;

use portcullis_domain::decision::Verdict;
use portcullis_domain::reason::Reason;
use portcullis_gate::GateSettings;
use portcullis_policy::doors::Door;
use portcullis_policy::facts::SnapshotFacts;
use portcullis_policy::link::ToGate;
use portcullis_wire::proxy_protocol::{ProxyHeader, encode_v1};
use serde_json::Value;

use crate::support::client::{BOTH, Connection, Connector, Protocol, Sender, With, get};
use crate::support::identity::{Certificate, Claims, ORIGIN, ProofKey, who};
use crate::support::soon;
use crate::support::world::{World, unhurried};

/// A port that nobody has: bound once, and let go.
fn free_port() -> NonZeroU16 {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    NonZeroU16::new(port).unwrap()
}

/// Gives the first integration of a vendor a door, or takes it away.
fn door(vendor: u128, door: Door) -> impl FnOnce(&mut SnapshotFacts) {
    move |facts| {
        let id = who(vendor, 1).integration;
        facts.integrations.iter_mut().find(|of| of.id == id).unwrap().door = door;
    }
}

fn at(world: &World, port: NonZeroU16) -> SocketAddr {
    SocketAddr::new(world.address.ip(), port.get())
}

async fn open(world: &World, at: SocketAddr, protocol: Protocol, certificate: &Certificate) -> Connection {
    let connector = Connector { address: at, ..world.connector(Some(certificate)) };
    soon("a connection", connector.open(protocol)).await.unwrap()
}

/// Asks once on a new connection: status, reason, and the words about it.
async fn ask(world: &World, door: SocketAddr, protocol: Protocol, vendor: u128) -> (u16, String, String) {
    let certificate = Certificate::new();
    let mut connection = open(world, door, protocol, &certificate).await;
    ask_on(world, &mut connection, &certificate, vendor).await
}

async fn ask_on(
    world: &World,
    connection: &mut Connection,
    certificate: &Certificate,
    vendor: u128,
) -> (u16, String, String) {
    let token = world.token(who(vendor, 1), certificate);
    let answer = soon("an answer", connection.ask(get("/records/1").bearer(&token))).await.unwrap();
    if answer.status == 200 {
        return (200, String::new(), String::new());
    }
    let decision = world.control.decision(answer.decision()).await;
    assert_eq!((decision.verdict, decision.vendor), (Verdict::Deny, Some(who(vendor, 1).vendor)));
    assert_eq!(decision.reason.code(), answer.reason());
    let problem: Value = serde_json::from_slice(&answer.body).unwrap();
    let told = problem["detail"].as_str().unwrap_or_default().to_owned();
    (answer.status, answer.reason(), told)
}

/// Until the gate has ended it.
async fn ended(connection: &Connection) {
    let is_closed = || match &connection.sender {
        Sender::H1(sender) => sender.is_closed(),
        Sender::H2(sender) => sender.is_closed(),
    };
    soon("the end of a connection", async {
        while !is_closed() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

fn refused(told: &str) -> (u16, String, String) {
    (403, Reason::WrongDoor.code().to_owned(), told.to_owned())
}

fn passes() -> (u16, String, String) {
    (200, String::new(), String::new())
}

const COMMON: &str = "this integration is served at the common port of the gate";

#[tokio::test]
async fn an_integration_is_served_at_its_own_door_alone() {
    let world = World::new().await;
    let (one, two) = (free_port(), free_port());
    world.publish(door(1, Some(one))).await;
    world.publish(door(2, Some(two))).await;
    let forwarded = || world.upstream.log.requests.load(Ordering::SeqCst);
    for protocol in BOTH {
        // Often enough to meet both cores.
        for _ in 0..4 {
            assert_eq!(ask(&world, at(&world, one), protocol, 1).await, passes(), "{protocol:?}");
        }
        assert_eq!(ask(&world, at(&world, two), protocol, 2).await, passes());
        assert_eq!(ask(&world, world.address, protocol, 3).await, passes());
        let before = forwarded();
        let to_one = format!("this integration is served at port {one} alone");
        assert_eq!(ask(&world, world.address, protocol, 1).await, refused(&to_one));
        assert_eq!(ask(&world, at(&world, two), protocol, 1).await, refused(&to_one));
        assert_eq!(ask(&world, at(&world, one), protocol, 3).await, refused(COMMON));
        assert_eq!(forwarded(), before);
    }
    // The authorization server is told by which door somebody asks.
    for (door, expect) in [(world.address, None), (at(&world, one), Some(one))] {
        let mut connection = open(&world, door, Protocol::H1, &Certificate::new()).await;
        soon("an answer", connection.ask(get("/oauth/jwks"))).await.unwrap();
        assert_eq!(world.control.look(|seen| seen.relays.last().unwrap().door), expect);
    }
}

#[tokio::test]
async fn a_door_that_is_taken_away_closes_and_its_connections_end_behind_their_answers() {
    for protocol in BOTH {
        let world = World::new().await;
        let port = free_port();
        world.publish(door(1, Some(port))).await;
        let certificate = Certificate::new();
        let mut standing = open(&world, at(&world, port), protocol, &certificate).await;
        assert_eq!(ask_on(&world, &mut standing, &certificate, 1).await, passes());
        // A door that goes over to another integration stays open.
        world.publish(door(1, None)).await;
        let connector = Connector { address: at(&world, port), ..world.connector(Some(&certificate)) };
        assert!(connector.open(protocol).await.is_err(), "{protocol:?}: the door is still open");
        ended(&standing).await;
        assert_eq!(ask(&world, world.address, protocol, 1).await, passes());
        // Opened again at once, for somebody else.
        world.publish(door(2, Some(port))).await;
        assert_eq!(ask(&world, at(&world, port), protocol, 2).await, passes());
        world
            .publish(|facts| {
                door(2, None)(facts);
                door(3, Some(port))(facts);
            })
            .await;
        assert_eq!(ask(&world, at(&world, port), protocol, 3).await, passes());
        assert_eq!(ask(&world, at(&world, port), protocol, 2).await, refused(COMMON));
        assert_eq!(world.control.look(|seen| seen.doors_unopened.clone()), None, "nothing was amiss");
    }
}

#[tokio::test]
async fn a_connection_that_stands_is_judged_by_the_door_that_it_came_by() {
    let world = World::new().await;
    let certificate = Certificate::new();
    let mut standing = open(&world, world.address, Protocol::H2, &certificate).await;
    assert_eq!(ask_on(&world, &mut standing, &certificate, 1).await, passes());
    let port = free_port();
    world.publish(door(1, Some(port))).await;
    let told = format!("this integration is served at port {port} alone");
    assert_eq!(ask_on(&world, &mut standing, &certificate, 1).await, refused(&told));
    // What it is cut by is the same at each door.
    let mut own = open(&world, at(&world, port), Protocol::H2, &certificate).await;
    assert_eq!(ask_on(&world, &mut own, &certificate, 1).await, passes());
    let target = portcullis_domain::target::Target::Integration { id: who(1, 1).integration };
    let report = world.sever(1, target, 2, Vec::new()).await;
    assert_eq!(report.connections.len(), 2, "{report:?}");
    ended(&own).await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_and_tried_again_and_stops_no_other_door() {
    let world = World::new().await;
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = NonZeroU16::new(busy.local_addr().unwrap().port()).unwrap();
    let free = free_port();
    world
        .publish(|facts| {
            door(1, Some(taken))(facts);
            door(2, Some(free))(facts);
            door(3, NonZeroU16::new(world.address.port()))(facts);
        })
        .await;
    // Told before the snapshot is in use: nobody takes silence for doors that are open.
    let told = world.control.look(|seen| seen.doors_unopened.clone()).unwrap();
    let ports: Vec<_> = told.iter().map(|fault| fault.port.get()).collect();
    let mut expect = vec![taken.get(), world.address.port()];
    expect.sort_unstable();
    assert_eq!(ports, expect);
    assert!(told.iter().all(|fault| fault.why.contains("in use")), "{told:?}");
    for protocol in BOTH {
        assert_eq!(ask(&world, at(&world, free), protocol, 2).await, passes());
        assert_eq!(ask(&world, world.address, protocol, 4).await, passes());
    }
    world.publish(door(3, None)).await;
    world
        .control
        .wait("one fault less", |seen| seen.doors_unopened.as_ref().filter(|of| of.len() == 1).map(drop))
        .await;
    // No new snapshot: the gate tries by itself.
    drop(busy);
    world
        .control
        .wait("no fault", |seen| seen.doors_unopened.as_ref().filter(|of| of.is_empty()).map(drop))
        .await;
    assert_eq!(ask(&world, at(&world, taken), Protocol::H1, 1).await, passes());
}

#[tokio::test]
async fn a_balancer_and_the_limits_of_networks_are_met_at_each_door() {
    let settings = GateSettings {
        proxy_protocol: vec!["127.0.0.0/8".parse().unwrap()],
        strangers_max: 1,
        ..unhurried()
    };
    let world = World::listening(settings).await;
    let port = free_port();
    world.publish(door(1, Some(port))).await;
    let header = ProxyHeader {
        source: Some("203.0.113.9:4000".parse().unwrap()),
        destination: Some("198.51.100.1:443".parse().unwrap()),
        local: false,
    };
    let certificate = Certificate::new();
    let connector = Connector {
        address: at(&world, port),
        first: vec![encode_v1(&header)],
        ..world.connector(Some(&certificate))
    };
    let plain = Connector { first: Vec::new(), ..connector.clone() };
    assert!(soon("a refusal", plain.open(Protocol::H1)).await.is_err(), "without a balancer's header");
    // A stranger at the common door counts at this one.
    let common = Connector { address: world.address, ..connector.clone() };
    let stranger = soon("a connection", common.open(Protocol::H1)).await.unwrap();
    assert!(soon("a refusal", connector.open(Protocol::H1)).await.is_err(), "one stranger of a network");
    drop(stranger);
    let mut connection = soon("a connection", async {
        loop {
            if let Ok(connection) = connector.open(Protocol::H1).await {
                return connection;
            }
        }
    })
    .await;
    let token = world.token(who(1, 1), &certificate);
    let answer = soon("an answer", connection.ask(get("/records/1").bearer(&token))).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(world.control.decision(answer.decision()).await.peer, "203.0.113.9:4000");
}

#[tokio::test]
async fn a_draining_gate_takes_nothing_at_any_door_and_lets_answers_end() {
    let mut world = World::new().await;
    let port = free_port();
    world.publish(door(1, Some(port))).await;
    let certificate = Certificate::new();
    let mut standing = open(&world, at(&world, port), Protocol::H1, &certificate).await;
    assert_eq!(ask_on(&world, &mut standing, &certificate, 1).await, passes());
    let gate = world.gate.take().unwrap();
    let draining = tokio::task::spawn_blocking(move || gate.drain(std::time::Duration::from_secs(20)));
    ended(&standing).await;
    soon("the end of the gate", draining).await.unwrap();
    assert!(TcpListener::bind(at(&world, port)).is_ok(), "nobody listens there any more");
    // Whatever comes then is nobody's.
    let facts = world.facts().clone();
    let _ = world.to_gate.send(ToGate::Snapshot(Box::new(facts))).await;
}

#[tokio::test]
async fn a_proof_and_a_token_may_name_the_door_as_the_origin() {
    let world = World::new().await;
    let port = free_port();
    world.publish(door(1, Some(port))).await;
    let here = portcullis_policy::doors::at_port(ORIGIN, port);
    let certificate = Certificate::new();
    for (audience, vendor, door, expect) in [
        (here.as_str(), 1, at(&world, port), 200),
        (ORIGIN, 1, at(&world, port), 200),
        // Nobody else's origin.
        (here.as_str(), 3, world.address, 401),
    ] {
        let mut claims = world
            .claims(who(vendor, 1), crate::support::world::bound_to_certificate(certificate.thumbprint()));
        claims.audience = vec![audience.to_owned()];
        let token = world.mint(&claims);
        let mut connection = open(&world, door, Protocol::H1, &certificate).await;
        let answer = soon("an answer", connection.ask(get("/records/1").bearer(&token))).await.unwrap();
        assert_eq!(answer.status, expect, "{audience} {vendor}");
    }
    // So may a proof, at its own door.
    let key = ProofKey::new();
    let token = world.dpop_token(who(1, 1), key.thumbprint());
    let mut connection = open(&world, at(&world, port), Protocol::H1, &certificate).await;
    let mut nonce = None;
    for (origin, expect) in
        [(here.as_str(), "proof_nonce"), (&here, ""), (ORIGIN, ""), ("https://gate.test:1", "proof_url")]
    {
        let proof = key.proof(&Claims {
            method: "GET".to_owned(),
            url: format!("{origin}/records/1"),
            issued_at: world.clock.wall().as_second(),
            token_id: format!("{origin} {expect}"),
            access_token: token.clone(),
            nonce: nonce.clone(),
        });
        let request = get("/records/1").with("authorization", &format!("DPoP {token}")).with("dpop", &proof);
        let answer = soon("an answer", connection.ask(request)).await.unwrap();
        let reason = if answer.status == 200 { String::new() } else { answer.reason() };
        assert_eq!(reason, expect, "{origin}");
        nonce = answer.header("dpop-nonce").map(str::to_owned).or(nonce);
    }
}
