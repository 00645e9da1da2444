//! gRPC calls, through HTTP/2 on both sides.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis_domain::decision::Ending;
use portcullis_domain::reason::Reason;
use portcullis_domain::spec::UpstreamProtocol;
use portcullis_domain::target::Target;
use portcullis_policy::facts::{RouteFacts, SnapshotFacts, UpstreamFacts};

use crate::support::client::{Answer, Body, Connection, Protocol, Sender, With, full, get, slow};
use crate::support::clock::HandClock;
use crate::support::grpc::{GrpcUpstream, Outcome, call, message, messages};
use crate::support::identity::{Certificate, who};
use crate::support::soon;
use crate::support::world::{World, add_route, route, upstream};

struct Stage {
    world: World,
    upstream: GrpcUpstream,
    connection: Connection,
    token: String,
}

impl Stage {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut SnapshotFacts)) -> Self {
        let grpc = GrpcUpstream::start();
        let world = World::with(HandClock::real(), |facts| {
            let to = UpstreamFacts { protocol: UpstreamProtocol::Http2, ..upstream(30, grpc.address) };
            let routes = [
                route(30, 30, "/parcels.Metered/{method}"),
                RouteFacts { metered: false, ..route(31, 30, "/parcels.Free/{method}") },
                RouteFacts { metered: false, timeout_seconds: 1, ..route(32, 30, "/parcels.Late/{method}") },
            ];
            for route in routes {
                add_route(facts, route, to.clone());
            }
            change(facts);
        })
        .await;
        let certificate = Certificate::new();
        let connection = world.open(Protocol::H2, Some(&certificate)).await;
        let token = world.token(who(1, 1), &certificate);
        Self { world, upstream: grpc, connection, token }
    }

    async fn send(&self, path: &str, more: &[(&'static str, &str)], body: Body) -> Outcome {
        let asked =
            more.iter().fold(call(path, &self.token, body), |asked, (name, value)| asked.with(name, value));
        let response = soon("a head", self.connection.stream().send(asked)).await.unwrap();
        soon("an answer", Outcome::read(response)).await
    }

    async fn call(&self, path: &str, body: impl Into<Bytes>) -> Outcome {
        self.send(path, &[], full(body)).await
    }

    fn calls(&self) -> u64 {
        self.upstream.log.calls.load(Ordering::SeqCst)
    }

    async fn check_end(&self, outcome: &Outcome, ending: Ending, reason: Reason) {
        let end = self.world.control.outcome(outcome.decision()).await;
        assert_eq!((end.ending, end.reason), (ending, reason));
    }
}

#[tokio::test]
async fn calls_of_all_four_kinds_pass() {
    let stage = Stage::new().await;
    for service in ["Free", "Metered"] {
        let path = |method: &str| format!("/parcels.{service}/{method}");
        let unary = stage.call(&path("unary"), message(b"where is it")).await;
        assert_eq!((unary.http, unary.status()), (200, Some("0")));
        assert_eq!(unary.messages(), [b"where is it"]);
        assert_eq!(unary.trailers["x-late"], "for you");
        assert!(!unary.trailers.contains_key("portcullis-verdict"));
        let last = stage.upstream.log.last.lock().unwrap().clone();
        assert_eq!(last["te"], "trailers");
        assert_eq!(last["content-type"], "application/grpc");
        assert_eq!(last["portcullis-client"], "vendor-1-machine-1");
        assert!(!last.contains_key("authorization"));

        let server = stage.call(&path("server?n=1000"), message(b"all of them")).await;
        assert_eq!((server.messages().len(), server.status()), (1_000, Some("0")));
        let records = stage.world.control.outcome(server.decision()).await.records;
        assert_eq!(records, if service == "Metered" { 1_000 } else { 0 });

        let (sender, body) = slow();
        let client_path = path("client");
        let client = stage.send(&client_path, &[], body);
        let pushing = async {
            for _ in 0..20 {
                sender.send(message(b"one more")).await.unwrap();
            }
            drop(sender);
        };
        let (client, ()) = tokio::join!(client, pushing);
        assert_eq!((client.messages(), client.status()), (vec![b"20".to_vec()], Some("0")));

        let (sender, body) = slow();
        let asked = call(&path("both"), &stage.token, body);
        let response = soon("a head", stage.connection.stream().send(asked)).await.unwrap();
        let mut answers = response.into_body();
        for turn in 0..10_u8 {
            sender.send(message(&[turn])).await.unwrap();
            let mut bytes = Vec::new();
            while messages(&bytes).is_empty() {
                let frame = soon("a message", answers.frame()).await.unwrap().unwrap();
                bytes.extend_from_slice(frame.data_ref().unwrap());
            }
            assert_eq!(messages(&bytes), [[turn]]);
        }
        drop(sender);
        let last = soon("trailers", answers.frame()).await.unwrap().unwrap();
        assert_eq!(last.trailers_ref().unwrap()["grpc-status"], "0");

        let only = stage.call(&path("trailers-only"), message(b"?")).await;
        assert_eq!((only.http, only.status(), only.body.len()), (200, Some("5"), 0));
        assert_eq!(only.headers["grpc-message"], "no such parcel");
    }
    // One connection served all of them.
    assert_eq!(stage.upstream.log.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn calls_that_begin_together_share_one_connection() {
    let stage = Arc::new(Stage::new().await);
    let mut calls = Vec::new();
    for _ in 0..20 {
        let stage = Arc::clone(&stage);
        calls.push(tokio::spawn(async move { stage.call("/parcels.Free/unary", message(b"x")).await.http }));
    }
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
    assert_eq!(stage.upstream.log.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn messages_beyond_the_limit_are_cut_exactly() {
    let stage = Stage::new().await;
    let cut = stage.call("/parcels.Metered/server?n=100000&size=100", message(b"all")).await;
    assert_eq!((cut.messages().len(), cut.status()), (50_000, None));
    assert!(cut.broke_off.is_some());
    stage.check_end(&cut, Ending::Cut, Reason::RecordsCut).await;
    stage.upstream.cancelled(1).await;
}

#[tokio::test]
async fn a_deadline_is_the_gates_too() {
    let stage = Stage::new().await;
    let late = stage.send("/parcels.Free/hang", &[("grpc-timeout", "200m")], full(message(b"?"))).await;
    assert_eq!((late.http, late.status(), late.body.len()), (200, Some("4"), 0));
    assert_eq!(late.headers["content-type"], "application/grpc");
    assert!(late.headers["grpc-message"].to_str().unwrap().starts_with("deadline_passed"));
    assert_eq!(stage.upstream.log.calls.load(Ordering::SeqCst), 1);
    stage.check_end(&late, Ending::Cut, Reason::DeadlinePassed).await;
    stage.upstream.cancelled(1).await;

    let late =
        stage.send("/parcels.Free/hang-after", &[("grpc-timeout", "300000u")], full(message(b"?"))).await;
    assert_eq!((late.http, late.status()), (200, Some("4")));
    assert_eq!(late.messages(), [b"one"]);
    assert_eq!(late.trailers["grpc-status"], "4");
    stage.check_end(&late, Ending::Cut, Reason::DeadlinePassed).await;
    stage.upstream.cancelled(2).await;

    let soon_enough =
        stage.send("/parcels.Free/unary", &[("grpc-timeout", "15S")], full(message(b"?"))).await;
    assert_eq!(soon_enough.status(), Some("0"));
    assert_eq!(stage.upstream.log.last.lock().unwrap()["grpc-timeout"], "15S");
}

#[tokio::test]
async fn a_deadline_that_can_be_read_in_two_ways_is_refused() {
    let stage = Stage::new().await;
    for value in ["1", "S", "123456789S", "1s", "-1S", "1.5S"] {
        let refused =
            stage.send("/parcels.Free/unary", &[("grpc-timeout", value)], full(message(b"?"))).await;
        assert_eq!((refused.http, refused.status()), (400, Some("13")), "{value}");
    }
    let twice = [("grpc-timeout", "1S"), ("grpc-timeout", "2S")];
    assert_eq!(stage.send("/parcels.Free/unary", &twice, full(message(b"?"))).await.http, 400);
    assert_eq!(stage.calls(), 0);
}

#[tokio::test]
async fn a_refusal_says_it_in_grpc_too() {
    let stage = Stage::with(|facts| facts.integrations[0].limits.concurrency = 1).await;
    let mut stream = stage.connection.stream();
    let anonymous = call("/parcels.Free/unary", "no-token", full(message(b"?")));
    let refused = Outcome::read(soon("a refusal", stream.send(anonymous)).await.unwrap()).await;
    assert_eq!((refused.http, refused.status()), (401, Some("16")));
    let unknown = stage.call("/nowhere", message(b"?")).await;
    assert_eq!((unknown.http, unknown.status()), (404, Some("12")));
    assert_eq!(unknown.headers["grpc-message"], "route_unknown: no route has this path");
    assert_eq!(unknown.headers["content-type"], "application/problem+json");
    // A place is taken by a call that hangs.
    let asked = call("/parcels.Free/hang", &stage.token, full(message(b"?")));
    let mut hanging = stage.connection.stream();
    let hanging = tokio::spawn(async move { hanging.send(asked).await.is_ok() });
    while stage.calls() == 0 {
        tokio::task::yield_now().await;
    }
    let limited = stage.call("/parcels.Free/unary", message(b"?")).await;
    assert_eq!((limited.http, limited.status()), (429, Some("8")));
    hanging.abort();
    // Who doesn't speak gRPC is not told in its words.
    let plain = stage.connection.stream().ask(get("/nowhere")).await.unwrap();
    assert_eq!(plain.header("grpc-status"), None);
}

#[tokio::test]
async fn the_routes_limit_is_about_the_upstream() {
    let stage = Stage::with(|facts| facts.integrations[0].limits.stream_seconds_max = 4).await;
    // The client speaks for longer than the upstream may take to answer.
    let (sender, body) = slow();
    let calling = stage.send("/parcels.Late/client", &[], body);
    let mut pause = tokio::time::interval(Duration::from_millis(1_300));
    let pushing = async {
        for _ in 0..3 {
            pause.tick().await;
            sender.send(message(b"one more")).await.unwrap();
        }
        drop(sender);
    };
    let (answered, ()) = tokio::join!(calling, pushing);
    assert_eq!((answered.messages(), answered.status()), (vec![b"3".to_vec()], Some("0")));
    // The upstream has all of it, and doesn't answer.
    let late = stage.call("/parcels.Late/hang", message(b"?")).await;
    assert_eq!((late.http, late.status()), (504, Some("14")));
    stage.check_end(&late, Ending::UpstreamFailed, Reason::UpstreamTimeout).await;
    // A conversation may pause, but not for ever.
    let (_sender, body) = slow();
    let endless = stage.send("/parcels.Late/client", &[], body).await;
    assert_eq!(endless.http, 408);
    stage.check_end(&endless, Ending::Cut, Reason::RequestTooSlow).await;
    // Other requests may not pause as long.
    let (_sender, body) = slow();
    let asked = crate::support::client::request(http::Method::POST, "/parcels.Late/client", body)
        .bearer(&stage.token);
    let paused = soon("a refusal", stage.connection.stream().ask(asked)).await.unwrap();
    assert_eq!((paused.status, paused.reason().as_str()), (408, "request_too_slow"));
    assert!(stage.world.control.outcome(paused.decision()).await.duration_us < 3_000_000);
}

#[tokio::test]
async fn what_an_upstream_refused_unseen_is_sent_again() {
    let stage = Stage::new().await;
    stage.upstream.log.refuse.store(1, Ordering::SeqCst);
    let answered = stage.call("/parcels.Free/unary", message(b"again")).await;
    assert_eq!((answered.messages(), answered.status()), (vec![b"again".to_vec()], Some("0")));
    assert_eq!(stage.calls(), 2);
    // Once more, and no oftener.
    stage.upstream.log.refuse.store(u64::MAX, Ordering::SeqCst);
    let refused = stage.call("/parcels.Free/unary", message(b"again")).await;
    assert_eq!((refused.http, refused.status()), (502, Some("14")));
    assert_eq!(stage.calls(), 4);
    stage.upstream.log.refuse.store(0, Ordering::SeqCst);
    // A long body can't be sent again.
    let long = message(&[b'x'; 200_000]);
    stage.upstream.log.refuse.store(1, Ordering::SeqCst);
    let refused = stage.call("/parcels.Free/unary", long).await;
    assert!(refused.http == 502 || refused.messages().len() == 1);
}

#[tokio::test]
async fn an_upstream_that_goes_away_is_left_in_order() {
    let stage = Stage::new().await;
    for _ in 0..3 {
        let answered = stage.call("/parcels.Free/away", message(b"last")).await;
        assert_eq!((answered.messages(), answered.status()), (vec![b"last".to_vec()], Some("0")));
        let answered = stage.call("/parcels.Free/unary", message(b"next")).await;
        assert_eq!((answered.messages(), answered.status()), (vec![b"next".to_vec()], Some("0")));
    }
    assert!(stage.upstream.log.connections.load(Ordering::SeqCst) >= 4);
    // It said that it would not look at the call: that one goes to another connection.
    stage.upstream.log.send_away.store(1, Ordering::SeqCst);
    let answered = stage.call("/parcels.Free/unary", message(b"moved")).await;
    assert_eq!(answered.http, 502, "its own GOAWAY names the stream, so it may have been worked on");
}

#[tokio::test]
async fn a_slow_reader_holds_no_memory() {
    let stage = Stage::new().await;
    let asked = call("/parcels.Free/server?n=20000&size=10000", &stage.token, full(message(b"all")));
    let response = soon("a head", stage.connection.stream().send(asked)).await.unwrap();
    // Nobody reads: what the upstream could send is what fits into windows and buffers.
    let mut before = 0;
    let mut same = 0;
    let mut look = tokio::time::interval(Duration::from_millis(20));
    while same < 10 {
        look.tick().await;
        let now = stage.upstream.sent();
        same = if now == before { same + 1 } else { 0 };
        before = now;
    }
    println!("{before} of 200 MB were taken from the upstream");
    assert!(before < 8 * 1_024 * 1_024, "{before}");
    // Others are not held up.
    let answered = stage.call("/parcels.Free/unary", message(b"quick")).await;
    assert_eq!(answered.status(), Some("0"));
    drop(response);
    stage.upstream.cancelled(1).await;
}

#[tokio::test]
async fn small_messages_that_wait_for_a_reader_are_no_flood() {
    let stage = Stage::new().await;
    let certificate = Certificate::new();
    let token = stage.world.token(who(1, 1), &certificate);
    let (io, tap) = stage.world.connector(Some(&certificate)).tls(Protocol::H2).await.unwrap();
    // The client's own windows are small: what it doesn't read waits in the gate, and before it.
    let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(16 * 1_024)
        .handshake(TokioIo::new(io))
        .await
        .unwrap();
    tokio::spawn(connection);
    let connection = Connection { sender: Sender::H2(sender), tap };
    let mut answers = Vec::new();
    for _ in 0..4 {
        let asked = call("/parcels.Free/server?n=30000&size=5", &token, full(message(b"all")));
        answers.push(soon("a head", connection.stream().send(asked)).await.unwrap());
    }
    let (mut before, mut same) = (0, 0);
    let mut look = tokio::time::interval(Duration::from_millis(20));
    while same < 10 {
        look.tick().await;
        let now = stage.upstream.sent();
        same = if now == before { same + 1 } else { 0 };
        before = now;
    }
    for answer in answers {
        let answer = soon("an answer", Outcome::read(answer)).await;
        assert_eq!((answer.messages().len(), answer.status()), (30_000, Some("0")), "{:?}", answer.broke_off);
    }
}

#[tokio::test]
async fn a_stream_that_is_not_read_is_reset_alone() {
    let stage = Stage::with(|facts| facts.integrations[0].limits.stream_seconds_max = 1).await;
    let asked = call("/parcels.Free/server?n=20000&size=10000", &stage.token, full(message(b"all")));
    let response = soon("a head", stage.connection.stream().send(asked)).await.unwrap();
    let end = stage.world.control.wait("its end", |seen| seen.ended.first().cloned()).await;
    assert_eq!((end.ending, end.reason), (Ending::Cut, Reason::RequestTooSlow));
    // The connection serves on.
    let answered = stage.call("/parcels.Free/unary", message(b"still")).await;
    assert_eq!(answered.status(), Some("0"));
    let read = soon("its end", Answer::read(response)).await;
    assert_eq!(read.reset(), Some(h2::Reason::CANCEL));
    stage.upstream.cancelled(1).await;
}

#[tokio::test]
async fn a_severance_cuts_both_sides() {
    let stage = Stage::new().await;
    let (sender, body) = slow();
    let asked = call("/parcels.Free/both", &stage.token, body);
    let response = soon("a head", stage.connection.stream().send(asked)).await.unwrap();
    sender.send(message(b"hello")).await.unwrap();
    let watched = crate::support::seen::Watched::default();
    assert!(watched.add(&stage.connection.tap));
    stage.world.control.watch(1, &watched);
    stage.world.sever(1, Target::Vendor { id: who(1, 1).vendor }, 2, vec![]).await;
    assert!(soon("its end", Outcome::read(response)).await.broke_off.is_some());
    assert_eq!(stage.connection.tap.excess(), 0);
    stage.upstream.cancelled(1).await;
    let end = stage.world.control.wait("its end", |seen| seen.ended.pop()).await;
    assert_eq!((end.ending, end.reason), (Ending::Cut, Reason::VendorSevered));
}
