//! Upstreams that fail and clients that dawdle.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::Method;
use http_body_util::BodyExt;
use portcullis_domain::decision::Ending;
use portcullis_domain::spec::RateLimit;
use tokio::io::AsyncReadExt;

use crate::support::bystander::Bystander;
use crate::support::client::{BOTH, Protocol, With, full, get, request, slow};
use crate::support::clock::HandClock;
use crate::support::identity::who;
use crate::support::soon;
use crate::support::upstream::Upstream;
use crate::support::world::World;

#[tokio::test]
async fn an_upstream_that_fails_is_named_and_the_vendor_is_not_to_blame() {
    let world = Arc::new(World::new().await);
    let bystander = Bystander::start(&world, who(2, 1), "/free/x?n=1").await;
    for protocol in BOTH {
        for (path, status, reason) in [
            ("/dead", 502, "upstream_unreachable"),
            ("/garbage", 502, "upstream_failed"),
            ("/late?hang=1", 504, "upstream_timeout"),
            ("/silent", 504, "upstream_timeout"),
        ] {
            let (mut connection, token, _) = world.client(who(1, 1), protocol).await;
            let answer = soon(path, connection.ask(get(path).bearer(&token))).await.unwrap();
            assert_eq!((answer.status, answer.reason().as_str()), (status, reason), "{path}");
            let outcome = world.control.outcome(answer.decision()).await;
            assert_eq!((outcome.ending, outcome.status), (Ending::UpstreamFailed, status));
            // The connection serves on.
            assert_eq!(connection.ask(get("/records/1").bearer(&token)).await.unwrap().status, 200);
        }
    }
    bystander.served().await;
}

#[tokio::test]
async fn an_upstream_that_breaks_off_is_no_whole_answer() {
    let world = World::new().await;
    for protocol in BOTH {
        for path in ["/records/1?n=5000&breaks_at=2000&pace_ms=2", "/free/x?n=5000&breaks_at=2000&pace_ms=2"]
        {
            let (mut connection, token, _) = world.client(who(1, 1), protocol).await;
            let answer = soon(path, connection.ask(get(path).bearer(&token))).await.unwrap();
            assert!(answer.status == 200 && answer.broke_off.is_some(), "{path}");
            assert!(answer.records() <= 2_000);
            let outcome = world.control.outcome(answer.decision()).await;
            assert_eq!(outcome.ending, Ending::UpstreamFailed);
            if protocol == Protocol::H2 {
                assert_eq!(answer.reset(), Some(h2::Reason::INTERNAL_ERROR));
                // Its stream only.
                assert_eq!(connection.ask(get("/records/1").bearer(&token)).await.unwrap().status, 200);
            }
        }
        assert!(world.control.look(|seen| seen.keys_cut.is_empty()));
    }
}

#[tokio::test]
async fn a_response_that_no_vendor_waits_for_is_given_up() {
    let world = World::new().await;
    for protocol in BOTH {
        let before = world.upstream.log.responses_ended.load(Ordering::SeqCst);
        let (mut connection, token, _) = world.client(who(1, 1), protocol).await;
        let asked = get("/free/x?n=1000000&chunk=5&pace_ms=2").bearer(&token);
        let response = connection.send(asked).await.unwrap();
        drop((response, connection));
        let ended = async {
            while world.upstream.log.responses_ended.load(Ordering::SeqCst) == before {
                tokio::task::yield_now().await;
            }
        };
        soon("the upstream's relief", ended).await;
    }
}

#[tokio::test]
async fn bodies_are_bounded() {
    let world = World::new().await;
    for protocol in BOTH {
        let (mut connection, token, _) = world.client(who(1, 1), protocol).await;
        let asked = request(Method::POST, "/records/1", full(vec![b'x'; 1 << 20])).bearer(&token);
        assert_eq!(connection.ask(asked).await.unwrap().status, 200);
        let asked = request(Method::POST, "/records/1", full(vec![b'x'; (1 << 20) + 1])).bearer(&token);
        match connection.ask(asked).await {
            Ok(refused) => assert_eq!(refused.reason(), "request_too_large"),
            // HTTP/1.1 may be closed before the client has sent it all.
            Err(_) => assert_eq!(protocol, Protocol::H1),
        }
    }
}

#[tokio::test]
async fn clients_that_dawdle_hold_up_nobody() {
    let world = Arc::new(World::new().await);
    // Silent before TLS, silent after it, and a body that never comes: on both cores.
    let mut silent = Vec::new();
    let mut open = Vec::new();
    for _ in 0..50 {
        silent.push(tokio::net::TcpStream::connect(world.address).await.unwrap());
        open.push(world.connector(None).tls(Protocol::H1).await.unwrap());
    }
    let (mut connection, token, _) = world.client(who(1, 1), Protocol::H1).await;
    let (chunks, body) = slow();
    let asked = request(Method::POST, "/late", body).bearer(&token);
    let trickling = tokio::spawn(async move { connection.ask(asked).await });
    chunks.send(vec![b'x'].into()).await.unwrap();
    let bystander = Bystander::start(&world, who(2, 1), "/records/1?n=1").await;
    // The route gives its upstream one second, and a client as long between two pieces.
    let answer = soon("an answer", trickling).await.unwrap().unwrap();
    assert_eq!((answer.status, answer.reason().as_str()), (408, "request_too_slow"));
    // Ten seconds are for the handshake.
    let closed = soon("the end of a silent connection", silent[0].read(&mut [0; 1])).await;
    assert!(matches!(closed, Ok(0) | Err(_)));
    println!("served {} requests meanwhile", bystander.served().await);
}

#[tokio::test]
async fn an_upstream_can_not_switch_protocols() {
    let switching =
        Upstream::raw(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nbytes");
    let world = World::with(HandClock::real(), |facts| {
        let main = facts.routes[0].upstream;
        let main = facts.upstreams.iter_mut().find(|upstream| upstream.id == main).unwrap();
        main.url = format!("http://{switching}");
    })
    .await;
    for protocol in BOTH {
        let (mut connection, token, _) = world.client(who(1, 1), protocol).await;
        let answer = connection.ask(get("/records/1").bearer(&token)).await.unwrap();
        assert_eq!((answer.status, answer.reason().as_str()), (502, "upstream_failed"));
    }
}

#[tokio::test]
async fn bytes_count_while_a_response_is_under_way() {
    let world = World::with(HandClock::real(), |facts| {
        facts.integrations[0].limits.bytes = RateLimit { per_second: 1, burst: 1_000 };
    })
    .await;
    let (mut connection, token, certificate) = world.client(who(1, 1), Protocol::H1).await;
    // The first chunk is past the limit; the second never comes.
    let asked = get("/free/x?n=200&chunk=100&size=50&pace_ms=600000").bearer(&token);
    let mut under_way = connection.send(asked).await.unwrap();
    assert!(under_way.body_mut().frame().await.unwrap().is_ok());
    let mut other = world.open(Protocol::H1, Some(&certificate)).await;
    let answer = other.ask(get("/free/x").bearer(&token)).await.unwrap();
    assert_eq!((answer.status, answer.reason().as_str()), (429, "bytes_limit"));
}

#[tokio::test]
async fn requests_beyond_the_rate_wait_and_pass_again() {
    let clock = HandClock::real();
    clock.stand();
    let world = World::with(clock.clone(), |facts| {
        facts.integrations[0].limits.requests = RateLimit { per_second: 2, burst: 3 };
    })
    .await;
    let (mut connection, token, _) = world.client(who(1, 1), Protocol::H2).await;
    let (mut neighbour, other_token, _) = world.client(who(2, 1), Protocol::H2).await;
    for _ in 0..3 {
        assert_eq!(connection.ask(get("/free/x").bearer(&token)).await.unwrap().status, 200);
    }
    let refused = connection.ask(get("/free/x").bearer(&token)).await.unwrap();
    assert_eq!((refused.status, refused.reason().as_str()), (429, "requests_limit"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(refused.header("ratelimit").unwrap().starts_with("\"requests\";r=0"));
    assert_eq!(neighbour.ask(get("/free/x").bearer(&other_token)).await.unwrap().status, 200);
    clock.advance_ms(500);
    assert_eq!(connection.ask(get("/free/x").bearer(&token)).await.unwrap().status, 200);
    assert_eq!(connection.ask(get("/free/x").bearer(&token)).await.unwrap().status, 429);
}

#[tokio::test]
async fn requests_at_the_same_time_have_their_places_and_give_them_back() {
    let world = World::with(HandClock::real(), |facts| {
        facts.integrations[0].limits.concurrency = 1;
    })
    .await;
    let (mut connection, token, certificate) = world.client(who(1, 1), Protocol::H1).await;
    let asked = get("/free/x?n=200&chunk=100&size=50&pace_ms=600000").bearer(&token);
    let mut under_way = connection.send(asked).await.unwrap();
    assert!(under_way.body_mut().frame().await.unwrap().is_ok());
    let mut other = world.open(Protocol::H1, Some(&certificate)).await;
    let refused = other.ask(get("/free/x").bearer(&token)).await.unwrap();
    assert_eq!((refused.status, refused.reason().as_str()), (429, "concurrency_limit"));
    drop(under_way);
    drop(connection);
    soon("the place that is given back", async {
        while other.ask(get("/free/x").bearer(&token)).await.unwrap().status != 200 {}
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_is_nobodys_does_not_stay() {
    let clock = HandClock::real();
    clock.stand();
    let world = World::with(clock.clone(), |_| {}).await;
    let (mut known, token, _) = world.client(who(1, 1), Protocol::H2).await;
    assert_eq!(known.ask(get("/records/1").bearer(&token)).await.unwrap().status, 200);
    let (mut stranger, _) = world.connector(None).tls(Protocol::H2).await.unwrap();
    // The gate's settings: the handshake is over.
    assert!(stranger.read(&mut [0; 1_024]).await.unwrap() > 0);
    clock.advance_ms(59_000);
    assert_eq!(known.ask(get("/records/1").bearer(&token)).await.unwrap().status, 200);
    clock.advance_ms(2_000);
    let mut rest = Vec::new();
    let _ = soon("the end of an idle connection", stranger.read_to_end(&mut rest)).await;
    assert_eq!(known.ask(get("/records/1").bearer(&token)).await.unwrap().status, 200);
}

#[tokio::test]
async fn trailers_are_judged_like_headers_and_bring_no_records() {
    let trailing = Upstream::raw(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
          3\r\n[1]\r\n0\r\nx-more: 2\r\n\r\n",
    );
    let forging = Upstream::raw(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
          3\r\n[1]\r\n0\r\nportcullis-decision: forged\r\n\r\n",
    );
    let world = World::with(HandClock::real(), |facts| {
        let main = facts.routes[0].upstream;
        let main = facts.upstreams.iter_mut().find(|upstream| upstream.id == main).unwrap();
        main.url = format!("http://{trailing}");
        let other = facts.upstreams.iter_mut().find(|upstream| upstream.id.0.as_u128() == 0xbb03).unwrap();
        other.url = format!("http://{forging}");
    })
    .await;
    let (mut connection, token, _) = world.client(who(1, 1), Protocol::H2).await;
    // A name of the gate's own in a trailer: the answer is cut.
    let response = connection.send(get("/garbage").bearer(&token)).await.unwrap();
    assert!(response.into_body().collect().await.is_err());
    for (path, expect) in [("/records/1", None), ("/free/x", Some(vec!["x-more"]))] {
        let response = connection.send(get(path).bearer(&token)).await.unwrap();
        let body = response.into_body().collect().await.unwrap();
        let names = body.trailers().map(|fields| fields.keys().map(|name| name.as_str()).collect::<Vec<_>>());
        assert_eq!(names, expect, "{path}");
        assert_eq!(body.to_bytes(), "[1]");
    }
}
