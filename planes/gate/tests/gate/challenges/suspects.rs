//! What is under way in a context that a later request shows to be suspect: denied, it ends; narrowed, it goes on with a tenth.

use http_body_util::BodyExt as _;
use jiff::SignedDuration;
use portcullis_domain::decision::{DecisionId, Ending, Verdict};
use portcullis_domain::reason::Reason;
use portcullis_domain::spec::UpstreamProtocol;
use portcullis_policy::facts::{RouteFacts, UpstreamFacts};
use portcullis_risk::Action;

use crate::support::client::{Answer, BOTH, Connection, Protocol, With, full, get};
use crate::support::clock::HandClock;
use crate::support::grpc::{GrpcUpstream, Outcome, call};
use crate::support::identity::{Certificate, who};
use crate::support::known::suspected;
use crate::support::soon;
use crate::support::websocket::{CLOSE, Client, Event, WebSocketUpstream, connect};
use crate::support::world::{World, add_route, route, upstream};

/// A tenth of what a client has in ten seconds.
const TENTH: u64 = 5_000;

struct Suspect {
    world: World,
    certificate: Certificate,
    token: String,
    protocol: Protocol,
    _sockets: WebSocketUpstream,
    _grpc: GrpcUpstream,
}

impl Suspect {
    async fn new(protocol: Protocol) -> Self {
        let (sockets, grpc) = (WebSocketUpstream::start(), GrpcUpstream::start());
        let world = World::with(HandClock::real(), |facts| {
            let socket = RouteFacts { websocket: true, ..route(20, 20, "/ws") };
            add_route(facts, socket, upstream(20, sockets.address));
            let to = UpstreamFacts { protocol: UpstreamProtocol::Http2, ..upstream(30, grpc.address) };
            add_route(facts, route(30, 30, "/parcels.Metered/{method}"), to);
        })
        .await;
        let certificate = Certificate::new();
        let token = world.token(who(1, 1), &certificate);
        Self { world, certificate, token, protocol, _sockets: sockets, _grpc: grpc }
    }

    /// On a connection of its own: its handshake is proof enough, so nothing is asked.
    async fn open(&self) -> Connection {
        self.world.open(self.protocol, Some(&self.certificate)).await
    }

    async fn socket(&self, path: &str) -> (Client, DecisionId) {
        let connector = self.world.connector(Some(&self.certificate));
        let (client, head, _) = soon("a handshake", connect(&connector, path, &self.token, "")).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let line = head.lines().find_map(|line| line.strip_prefix("portcullis-decision: ")).unwrap();
        (client, line.parse().unwrap())
    }

    /// What it did lately becomes known, and its next request has what follows.
    async fn becomes(&self, action: Action) {
        let connector = self.world.connector(Some(&self.certificate));
        let now_us = self.world.clock.wall().as_microsecond();
        let state = suspected(&connector, self.protocol, self.certificate.thumbprint(), now_us, action);
        self.world.gate.as_ref().unwrap().take_over(who(1, 1).client, state);
        let answer = self.open().await.ask(get("/records/1").bearer(&self.token)).await.unwrap();
        let decision = self.world.control.decision(answer.decision()).await;
        let wanted = if action == Action::Deny { Verdict::Deny } else { Verdict::Limit };
        assert_eq!(decision.verdict, wanted, "{answer:?} {:?}", decision.risk);
        assert_eq!(answer.status, if action == Action::Deny { 403 } else { 200 });
    }

    async fn end(&self, id: DecisionId) -> (Ending, Reason) {
        let outcome = self.world.control.outcome(id).await;
        (outcome.ending, outcome.reason)
    }

    /// It was cut where the tenth was spent, and not the client's whole.
    async fn was_narrowed(&self, id: DecisionId) {
        let outcome = self.world.control.outcome(id).await;
        assert_eq!((outcome.ending, outcome.reason), (Ending::Cut, Reason::RecordsNarrowed));
        assert!((TENTH..9 * TENTH).contains(&outcome.records), "{}", outcome.records);
        assert!(self.world.control.look(|seen| seen.keys_cut.is_empty()), "its keys stay good");
    }
}

const DENIED: (Ending, Reason) = (Ending::Cut, Reason::RiskDenied);

#[tokio::test]
async fn streams_of_a_denied_context_end() {
    for protocol in BOTH {
        let suspect = Suspect::new(protocol).await;
        let mut opened = Vec::new();
        for path in
            ["/records/1?format=sse&n=9&chunk=1&pace_ms=3600000", "/records/1?n=9&chunk=1&pace_ms=3600000"]
        {
            let mut connection = suspect.open().await;
            let asked = get(path).bearer(&suspect.token);
            let mut stream = soon("a head", connection.send(asked)).await.unwrap();
            soon("a piece", stream.body_mut().frame()).await.unwrap().unwrap();
            let id = stream.headers()["portcullis-decision"].to_str().unwrap().parse().unwrap();
            opened.push((connection, stream, id));
            // The event stream is one however young; the download becomes one.
            suspect.world.clock.jump_to(suspect.world.clock.wall() + SignedDuration::from_secs(2));
        }
        suspect.world.clock.jump_to(suspect.world.clock.wall() + SignedDuration::from_secs(2));
        suspect.becomes(Action::Deny).await;
        for (_connection, stream, id) in opened {
            let ended = soon("its end", Answer::read(stream)).await;
            assert!(ended.broke_off.is_some(), "{protocol:?}");
            assert_eq!(suspect.end(id).await, DENIED, "{protocol:?}");
        }
    }
}

#[tokio::test]
async fn a_websocket_of_a_denied_context_closes_with_1008() {
    let suspect = Suspect::new(Protocol::H1).await;
    let (mut client, id) = suspect.socket("/ws").await;
    suspect.becomes(Action::Deny).await;
    let Event::Frame(CLOSE, why) = soon("a frame", client.next()).await else { panic!("no close frame") };
    assert_eq!(why[..2], 1_008_u16.to_be_bytes());
    assert_eq!(&why[2..], b"this is far from what this client does");
    drop(client);
    assert_eq!(suspect.end(id).await, DENIED);
}

#[tokio::test]
async fn a_grpc_call_of_a_denied_context_ends() {
    let suspect = Suspect::new(Protocol::H2).await;
    let mut connection = suspect.open().await;
    let asked = call("/parcels.Metered/hang-after", &suspect.token, full(""));
    let response = soon("a head", connection.send(asked)).await.unwrap();
    suspect.becomes(Action::Deny).await;
    let outcome = soon("its end", Outcome::read(response)).await;
    assert_ne!(outcome.status(), Some("0"));
    assert_eq!(suspect.end(outcome.decision()).await, DENIED);
}

#[tokio::test]
async fn streams_of_a_narrowed_context_go_on_with_a_tenth() {
    for protocol in BOTH {
        for kind in ["&format=sse", ""] {
            let suspect = Suspect::new(protocol).await;
            let mut connection = suspect.open().await;
            let path = format!("/records/1?n=100000&chunk=50&pace_ms=5{kind}");
            let asked = get(&path).bearer(&suspect.token);
            let mut stream = soon("a head", connection.send(asked)).await.unwrap();
            soon("a piece", stream.body_mut().frame()).await.unwrap().unwrap();
            let id = stream.headers()["portcullis-decision"].to_str().unwrap().parse().unwrap();
            suspect.becomes(Action::Limit).await;
            assert!(soon("its end", Answer::read(stream)).await.broke_off.is_some());
            suspect.was_narrowed(id).await;
        }
    }
}

#[tokio::test]
async fn a_websocket_and_a_grpc_call_of_a_narrowed_context_go_on_with_a_tenth() {
    let suspect = Suspect::new(Protocol::H1).await;
    let (mut client, id) = suspect.socket("/ws?push=60000&size=4000").await;
    suspect.becomes(Action::Limit).await;
    let end = async { while matches!(client.next().await, Event::Frame(first, _) if first != CLOSE) {} };
    soon("its end", end).await;
    drop(client);
    suspect.was_narrowed(id).await;

    let suspect = Suspect::new(Protocol::H2).await;
    let mut connection = suspect.open().await;
    let asked = call("/parcels.Metered/server?n=60000&size=4000", &suspect.token, full(""));
    let response = soon("a head", connection.send(asked)).await.unwrap();
    suspect.becomes(Action::Limit).await;
    let outcome = soon("its end", Outcome::read(response)).await;
    suspect.was_narrowed(outcome.decision()).await;
}
