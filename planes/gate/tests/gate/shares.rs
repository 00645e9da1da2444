//! A vendor that fills its share of the decision log is closed; the others notice nothing.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use portcullis_decision_log::{Options, Reader};
use portcullis_domain::decision::DecisionId;

use crate::support::client::{BOTH, With, get};
use crate::support::identity::who;
use crate::support::soon;
use crate::support::world::World;

/// Of each vendor, on each of the two cores; the other one needs less than that for all that it asks.
const SHARE_BYTES: u64 = 512 * 1024;
/// The kernel spreads connections over the cores: so many meet both.
const CONNECTIONS: usize = 8;
const REQUESTS: usize = 50;
/// Nothing that a share could cause takes so long; a busy machine may.
const NOISE: Duration = Duration::from_millis(100);

/// What the other vendor sees: every answer is a whole one. Its decisions, and the time of the slowest hundredth.
async fn others(world: &World) -> (Vec<DecisionId>, Duration) {
    let mut decisions = Vec::new();
    let mut times = Vec::new();
    for protocol in BOTH {
        for _ in 0..CONNECTIONS / 2 {
            let (mut connection, token, _) = world.client(who(2, 1), protocol).await;
            for _ in 0..REQUESTS {
                let started = world.clock.clock().monotonic();
                let answer =
                    soon("the other vendor's answer", connection.ask(get("/records/1?n=1").bearer(&token)))
                        .await
                        .unwrap();
                times.push(world.clock.clock().monotonic() - started);
                assert_eq!((answer.status, answer.records()), (200, 1));
                assert!(answer.broke_off.is_none());
                decisions.push(answer.decision());
            }
        }
    }
    times.sort_unstable();
    (decisions, times[times.len() * 99 / 100])
}

#[tokio::test]
async fn a_vendor_that_floods_refusals_is_closed_at_its_share_and_others_notice_nothing() {
    let options = Options { segment_bytes: 1 << 20, vendor_bytes_max: SHARE_BYTES, ..Options::default() };
    let world = Arc::new(World::recording(options).await);
    // The same load without any share: of strangers, whose refusals are sampled.
    let stop = Arc::new(AtomicBool::new(false));
    let mut strangers = Vec::new();
    for number in 0..CONNECTIONS {
        let mut connection = world.open(BOTH[number % 2], None).await;
        let stop = Arc::clone(&stop);
        strangers.push(tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                assert_eq!(connection.ask(get("/ungranted")).await.unwrap().status, 401);
            }
        }));
    }
    let (mut decisions, before) = others(&world).await;
    stop.store(true, Ordering::SeqCst);
    for stranger in strangers {
        stranger.await.unwrap();
    }

    let stop = Arc::new(AtomicBool::new(false));
    let closed = Arc::new(AtomicU64::new(0));
    let mut floods = Vec::new();
    for number in 0..CONNECTIONS {
        let (mut connection, token, _) = world.client(who(1, 1), BOTH[number % 2]).await;
        let (stop, closed) = (Arc::clone(&stop), Arc::clone(&closed));
        floods.push(tokio::spawn(async move {
            let mut full = false;
            while !stop.load(Ordering::SeqCst) {
                let answer = connection.ask(get("/ungranted").bearer(&token)).await.unwrap();
                match (answer.status, answer.reason().as_str()) {
                    (403, "route_not_granted") => assert!(!full, "its core let it in again"),
                    (503, "decision_log_unavailable") => {
                        closed.fetch_add(u64::from(!full), Ordering::SeqCst);
                        full = true;
                    }
                    other => panic!("{other:?}"),
                }
            }
            // What would be allowed is refused too: it could not be recorded.
            let answer = connection.ask(get("/records/1").bearer(&token)).await.unwrap();
            assert_eq!((answer.status, answer.reason().as_str()), (503, "decision_log_unavailable"));
        }));
    }
    let all_closed = async {
        while closed.load(Ordering::SeqCst) < CONNECTIONS as u64 {
            tokio::task::yield_now().await;
        }
    };
    soon("the share to be spent", all_closed).await;
    let requests = world.upstream.log.requests.load(Ordering::SeqCst);
    let (more, during) = others(&world).await;
    decisions.extend(more);
    stop.store(true, Ordering::SeqCst);
    for flood in floods {
        flood.await.unwrap();
    }
    assert_eq!(
        world.upstream.log.requests.load(Ordering::SeqCst) - requests,
        (CONNECTIONS * REQUESTS) as u64
    );
    println!(
        "the other vendor's p99: {before:?} while strangers flood, {during:?} while the closed vendor does"
    );
    assert!(during < before * 4 + NOISE, "{before:?} before, {during:?} during the flood");

    // On the disk: the share and not more, and all of the other's.
    let mut spent = [0; 2];
    let mut missing: std::collections::HashSet<_> = decisions.iter().map(|id| id.0).collect();
    Reader::new(world.decision_log.path().join("decisions"))
        .scan(0, u64::MAX, &mut |frame| {
            missing.remove(&frame.id);
            if frame.vendor == *who(1, 1).vendor.0.as_bytes() {
                spent[usize::from(frame.place.core)] += (42 + frame.payload.len()).next_multiple_of(8) as u64;
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(missing.is_empty(), "{} of the other vendor's decisions are missing", missing.len());
    let bounds = SHARE_BYTES / 2..=SHARE_BYTES;
    assert!(spent.iter().all(|bytes| *bytes == 0 || bounds.contains(bytes)), "{spent:?}");
}
