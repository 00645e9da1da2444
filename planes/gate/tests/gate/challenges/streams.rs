//! What is under way in a context that is asked for its key: streams end, and what is short goes on.

use http::Response;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use jiff::SignedDuration;
use portcullis_domain::decision::{DecisionId, Ending};
use portcullis_domain::reason::Reason;
use portcullis_domain::spec::Impact;
use portcullis_domain::target::Target;
use portcullis_policy::facts::RouteFacts;

use crate::support::client::{Answer, BOTH, Connection, Protocol, With, get};
use crate::support::clock::HandClock;
use crate::support::identity::{Certificate, who};
use crate::support::known::graduated;
use crate::support::party::Party;
use crate::support::soon;
use crate::support::websocket::{CLOSE, Event, WebSocketUpstream, connect};
use crate::support::world::{World, add_route, route, upstream};

const EVENTS: &str = "/records/1?format=sse&n=1000000&chunk=1&pace_ms=5";
const IDLE_EVENTS: &str = "/records/1?format=sse&n=1000000&chunk=1&pace_ms=3600000";
const DOWNLOAD: &str = "/records/1?n=1000000&chunk=1&pace_ms=5";

/// A client whose evidence is acted on, and which has a stream under way: whatever it asks for is unusual.
struct Case {
    world: World,
    party: Party,
    protocol: Protocol,
    /// What it asks on beside its stream.
    connection: Connection,
}

impl Case {
    async fn new(protocol: Protocol) -> Self {
        let world = World::with(HandClock::real(), |facts| facts.routes[0].impact = Impact::High).await;
        let party = Party::new(&world, who(1, 1));
        let now_us = world.clock.wall().as_microsecond();
        let known = graduated(&world.connector(None), protocol, party.key.thumbprint(), now_us);
        world.gate.as_ref().unwrap().take_over(who(1, 1).client, known);
        let connection = world.open(protocol, None).await;
        Self { world, party, protocol, connection }
    }

    /// Begins a stream, and answers what is asked for it. The connection is its own.
    async fn begin(&self, path: &str) -> (Connection, Response<Incoming>, DecisionId) {
        let mut connection = self.world.open(self.protocol, None).await;
        let mut nonce = "AA".to_owned();
        for _ in 0..3 {
            let asked = self.party.asked_for(&self.world, path, &nonce);
            let response = soon("a head", connection.send(asked)).await.unwrap();
            if response.status() == 200 {
                let id = response.headers()["portcullis-decision"].to_str().unwrap().parse().unwrap();
                return (connection, response, id);
            }
            nonce = response.headers()["dpop-nonce"].to_str().unwrap().to_owned();
            drop(response);
            connection = self.world.open(self.protocol, None).await;
        }
        panic!("it is asked again and again")
    }

    /// Asks until a question comes, and gives its nonce.
    async fn question(&mut self) -> String {
        let nonce = self.party.ordinary_nonce(&self.world, &mut self.connection).await;
        for _ in 0..4 {
            let answer = self.connection.ask(self.party.asked(&self.world, &nonce)).await.unwrap();
            if answer.status == 401 {
                assert_eq!(answer.reason(), "challenge_risk");
                return answer.header("dpop-nonce").unwrap().to_owned();
            }
        }
        panic!("nothing is asked")
    }

    async fn answer(&mut self, nonce: &str) {
        let answer = self.connection.ask(self.party.asked(&self.world, nonce)).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    async fn ended(&self, id: DecisionId) -> (Ending, Reason) {
        let outcome = self.world.control.outcome(id).await;
        (outcome.ending, outcome.reason)
    }
}

async fn piece(stream: &mut Response<Incoming>) {
    soon("a piece", stream.body_mut().frame()).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_event_stream_ends_at_the_question_however_young() {
    for protocol in BOTH {
        for path in [EVENTS, IDLE_EVENTS] {
            let mut case = Case::new(protocol).await;
            let (_connection, mut stream, id) = case.begin(path).await;
            if path == EVENTS {
                piece(&mut stream).await;
            }
            let nonce = case.question().await;
            let ended = soon("its end", Answer::read(stream)).await;
            assert!(ended.broke_off.is_some(), "{protocol:?} {path}");
            if protocol == Protocol::H2 {
                assert!(ended.reset().is_some(), "{:?}", ended.broke_off);
            }
            assert_eq!(case.ended(id).await, (Ending::Cut, Reason::ChallengeOpen));
            // The next request gets the question, and a new stream comes with its answer.
            let ordinary = case.party.ordinary_nonce(&case.world, &mut case.connection).await;
            assert_eq!(ordinary, nonce, "one answer says both");
            let again = case.party.asked_for(&case.world, path, &ordinary);
            let response = soon("a head", case.connection.send(again)).await.unwrap();
            assert_eq!(response.status(), 200);
        }
    }
}

#[tokio::test]
async fn a_young_response_goes_on_if_the_question_is_answered_and_ends_if_it_becomes_old() {
    for protocol in BOTH {
        for answered in [true, false] {
            let mut case = Case::new(protocol).await;
            let (_connection, mut stream, id) = case.begin(DOWNLOAD).await;
            piece(&mut stream).await;
            let nonce = case.question().await;
            piece(&mut stream).await;
            if answered {
                case.answer(&nonce).await;
            }
            case.world.clock.jump_to(case.world.clock.wall() + SignedDuration::from_secs(2));
            if answered {
                for _ in 0..5 {
                    piece(&mut stream).await;
                }
                continue;
            }
            assert!(soon("its end", Answer::read(stream)).await.broke_off.is_some());
            assert_eq!(case.ended(id).await, (Ending::Cut, Reason::ChallengeOpen), "{protocol:?}");
        }
    }
}

#[tokio::test]
async fn a_question_ends_what_is_old_at_once_and_no_stream_of_another_context() {
    for protocol in BOTH {
        let mut case = Case::new(protocol).await;
        let other = Party::new(&case.world, who(1, 2));
        let mut elsewhere = case.world.open(protocol, None).await;
        let nonce = other.ordinary_nonce(&case.world, &mut elsewhere).await;
        let asked = other.asked_for(&case.world, EVENTS, &nonce);
        let mut untouched = soon("a head", elsewhere.send(asked)).await.unwrap();
        assert_eq!(untouched.status(), 200);
        let (_connection, stream, id) = case.begin("/records/1?n=1000000&chunk=1&pace_ms=3600000").await;
        case.world.clock.jump_to(case.world.clock.wall() + SignedDuration::from_secs(2));
        case.question().await;
        assert!(soon("its end", Answer::read(stream)).await.broke_off.is_some());
        assert_eq!(case.ended(id).await, (Ending::Cut, Reason::ChallengeOpen), "{protocol:?}");
        for _ in 0..3 {
            piece(&mut untouched).await;
        }
    }
}

/// Whatever a context is found to be later, a severance ends what it has under way, too.
#[tokio::test]
async fn a_severed_session_ends_its_streams_and_no_others() {
    for protocol in BOTH {
        let case = Case::new(protocol).await;
        let (_connection, mut stream, id) = case.begin(EVENTS).await;
        piece(&mut stream).await;
        let session = case.world.control.decision(id).await.session.unwrap();
        let target = Target::Session { client: who(1, 1).client, session };
        case.world.sever(1, target, 0, Vec::new()).await;
        assert!(soon("its end", Answer::read(stream)).await.broke_off.is_some());
        assert_eq!(case.ended(id).await, (Ending::Cut, Reason::SessionSevered));
    }
}

#[tokio::test]
async fn a_websocket_closes_with_1008() {
    let sockets = WebSocketUpstream::start();
    let world = World::with(HandClock::real(), |facts| {
        facts.routes[0].impact = Impact::High;
        let free = RouteFacts { websocket: true, metered: false, ..route(21, 20, "/ws-free") };
        let metered = RouteFacts { websocket: true, ..route(20, 20, "/ws") };
        for made in [metered, free] {
            add_route(facts, made, upstream(20, sockets.address));
        }
    })
    .await;
    let certificate = Certificate::new();
    let (token, connector) = (world.token(who(1, 1), &certificate), world.connector(Some(&certificate)));
    let now_us = world.clock.wall().as_microsecond();
    let known = graduated(&connector, Protocol::H1, certificate.thumbprint(), now_us);
    world.gate.as_ref().unwrap().take_over(who(1, 1).client, known);
    let mut old = world.open(Protocol::H1, Some(&certificate)).await;
    // The gate has ended the handshake, too.
    assert_eq!(old.ask(get("/records/1")).await.unwrap().reason(), "token_missing");
    let open = async |path: &str| {
        let (client, head, _) = soon("a handshake", connect(&connector, path, &token, "")).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        client
    };
    let (mut counted, mut free) = (open("/ws").await, open("/ws-free").await);
    // What was shaken hands on by now says nothing about the moment.
    world.clock.jump_to(world.clock.wall() + SignedDuration::from_secs(11));
    let refused = old.ask(get("/records/1").bearer(&token)).await.unwrap();
    assert_eq!((refused.status, refused.reason().as_str()), (401, "challenge_risk"), "{refused:?}");
    let Event::Frame(CLOSE, why) = soon("a frame", counted.next()).await else { panic!("no close frame") };
    assert_eq!(why[..2], 1_008_u16.to_be_bytes());
    assert_eq!(&why[2..], b"show again that you hold your key");
    // Where frames aren't read nobody can say it between them: it ends.
    let ended = soon("its end", free.next()).await;
    assert!(matches!(ended, Event::End | Event::Broken), "{ended:?}");
    for _ in 0..2 {
        let outcome = world.control.wait("an outcome", |seen| {
            let place = seen.ended.iter().position(|outcome| outcome.status == 101)?;
            Some(seen.ended.remove(place))
        });
        let outcome = outcome.await;
        assert_eq!((outcome.ending, outcome.reason), (Ending::Cut, Reason::ChallengeOpen));
    }
    // The next one answers by its own handshake.
    let _again = open("/ws").await;
    assert!(world.control.look(|seen| seen.sessions_cut.is_empty()));
}
