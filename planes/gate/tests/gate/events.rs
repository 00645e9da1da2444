//! Event streams (SSE): each event is a record the moment it leaves.

use std::sync::Arc;

use http_body_util::BodyExt;
use portcullis_domain::decision::Ending;
use portcullis_domain::reason::Reason;
use portcullis_domain::target::Target;

use crate::support::client::{Answer, BOTH, With, count, get};
use crate::support::clock::HandClock;
use crate::support::identity::who;
use crate::support::seen::Watched;
use crate::support::soon;
use crate::support::world::World;

#[tokio::test]
async fn events_are_counted_as_they_come_and_comments_are_free() {
    let world = World::new().await;
    for protocol in BOTH {
        let (mut connection, token, _) = world.client(who(1, 1), protocol).await;
        let asked = get("/records/1?format=sse&n=40&chunk=1&comments=3&pace_ms=1").bearer(&token);
        let answer = soon("the events", connection.ask(asked)).await.unwrap();
        assert_eq!((answer.records(), answer.broke_off.is_none()), (40, true));
        assert_eq!(count(&answer.body, b": still here\n"), 120);
        assert_eq!(world.control.outcome(answer.decision()).await.records, 40);
    }
}

#[tokio::test]
async fn an_event_leaves_when_it_comes() {
    let world = World::new().await;
    for protocol in BOTH {
        let (mut connection, token, _) = world.client(who(1, 1), protocol).await;
        let asked = get("/records/1?format=sse&n=1000000&chunk=1&pace_ms=20").bearer(&token);
        let mut stream = soon("a head", connection.send(asked)).await.unwrap();
        // Each piece is one event, though the stream has no end in sight.
        for _ in 0..5 {
            let frame = soon("an event", stream.body_mut().frame()).await.unwrap().unwrap();
            assert_eq!(count(frame.data_ref().unwrap(), b"data: "), 1);
        }
        drop(stream);
        drop(connection);
        let gone = world.control.wait("its end", |seen| seen.ended.pop()).await;
        assert_eq!((gone.ending, gone.reason), (Ending::ClientGone, Reason::ClientGone));
        assert!(gone.records >= 5);
    }
}

#[tokio::test]
async fn a_stream_is_severed_between_its_events() {
    let world = Arc::new(World::new().await);
    for (order, protocol) in BOTH.into_iter().enumerate() {
        let vendor = order as u128 + 1;
        let order = order as u64 + 1;
        let (mut connection, token, _) = world.client(who(vendor, 1), protocol).await;
        let asked = get("/records/1?format=sse&n=1000000&chunk=1&pace_ms=1").bearer(&token);
        let mut stream = soon("a head", connection.send(asked)).await.unwrap();
        soon("an event", stream.body_mut().frame()).await.unwrap().unwrap();
        let watched = Watched::default();
        assert!(watched.add(&connection.tap));
        world.control.watch(order, &watched);
        let target = Target::Vendor { id: who(vendor, 1).vendor };
        world.sever(order, target, 2, vec![]).await;
        assert!(soon("its end", Answer::read(stream)).await.broke_off.is_some());
        assert_eq!(connection.tap.excess(), 0);
        let outcome = world.control.wait("its end", |seen| seen.ended.pop()).await;
        assert_eq!((outcome.ending, outcome.reason), (Ending::Cut, Reason::VendorSevered));
    }
}

#[tokio::test]
async fn a_stream_has_an_end() {
    let world = World::with(HandClock::real(), |facts| {
        facts.integrations[0].limits.stream_seconds_max = 1;
    })
    .await;
    for protocol in BOTH {
        let (mut connection, token, _) = world.client(who(1, 1), protocol).await;
        let asked = get("/records/1?format=sse&n=1000000&chunk=1&pace_ms=20").bearer(&token);
        let answer = soon("its end", connection.ask(asked)).await.unwrap();
        assert!(answer.broke_off.is_some());
        let outcome = world.control.outcome(answer.decision()).await;
        assert_eq!((outcome.ending, outcome.reason), (Ending::Cut, Reason::RequestTooSlow));
    }
}
