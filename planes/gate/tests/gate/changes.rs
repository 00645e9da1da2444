//! Another snapshot, an older one, and the end of the gate.

use std::time::Duration;

use http_body_util::BodyExt;
use portcullis_domain::ids::ClientId;
use portcullis_domain::target::Target;
use portcullis_policy::facts::{ClientFacts, SnapshotFacts};
use portcullis_policy::link::ToGate;
use uuid::Uuid;

use crate::support::client::{Answer, BOTH, Protocol, With, get};
use crate::support::identity::who;
use crate::support::soon;
use crate::support::world::{World, route_id};

const DOWNLOAD: &str = "/free/x?n=3000&chunk=10&pace_ms=1";

#[tokio::test]
async fn a_new_snapshot_decides_what_comes_and_leaves_what_goes_on() {
    for protocol in BOTH {
        let world = World::new().await;
        let (mut connection, token, certificate) = world.client(who(1, 1), protocol).await;
        let mut response = connection.send(get(DOWNLOAD).bearer(&token)).await.unwrap();
        soon("the download", response.body_mut().frame()).await.unwrap().unwrap();
        // The route is gone, and so is the grant of another.
        world
            .publish(|facts| {
                facts.routes.retain(|route| route.id != route_id(3));
                facts.integrations[0].routes.retain(|route| *route != route_id(1));
            })
            .await;
        let mut another = world.open(protocol, Some(&certificate)).await;
        assert_eq!(another.ask(get("/free/x").bearer(&token)).await.unwrap().reason(), "route_unknown");
        assert_eq!(
            another.ask(get("/records/1").bearer(&token)).await.unwrap().reason(),
            "route_not_granted"
        );
        let whole = soon("the download", Answer::read(response)).await;
        assert!(whole.broke_off.is_none() && whole.records() > 2_900);
    }
}

#[tokio::test]
async fn an_older_snapshot_changes_nothing() {
    let world = World::new().await;
    let (mut connection, token, certificate) = world.client(who(1, 1), Protocol::H1).await;
    assert_eq!(connection.ask(get("/free/x").bearer(&token)).await.unwrap().status, 200);
    let before: SnapshotFacts = world.facts().clone();
    let target = Target::Vendor { id: who(1, 1).vendor };
    world.sever(1, target, 2, vec![]).await;
    let thief = who(3, 1);
    let (mut third, third_token, _) = world.client(thief, Protocol::H1).await;
    world.publish(|facts| facts.clients.retain(|client| client.id != thief.client)).await;
    // It comes late, of a version before, and once more under the same version as is in use.
    let same = SnapshotFacts { version: before.version + 1, ..before.clone() };
    world.to_gate.send(ToGate::Snapshot(Box::new(before))).await.unwrap();
    assert_eq!(
        third.ask(get("/free/x").bearer(&third_token)).await.unwrap().reason(),
        "client_unknown",
        "an older snapshot brought a client back"
    );
    world.to_gate.send(ToGate::Snapshot(Box::new(same))).await.unwrap();
    world.publish(|_| {}).await;
    for _ in 0..2 {
        let mut again = world.open(Protocol::H1, Some(&certificate)).await;
        let refused = again.ask(get("/free/x").bearer(&token)).await.unwrap();
        assert_eq!(refused.reason(), "vendor_severed");
    }
}

#[tokio::test]
async fn a_client_that_is_removed_is_cut() {
    for protocol in BOTH {
        let world = World::new().await;
        let (mut connection, token, certificate) = world.client(who(1, 1), protocol).await;
        let (mut sibling, sibling_token, _) = world.client(who(1, 2), protocol).await;
        let response = connection.send(get(DOWNLOAD).bearer(&token)).await.unwrap();
        let of_sibling = sibling.send(get(DOWNLOAD).bearer(&sibling_token)).await.unwrap();
        let gone = who(1, 1).client;
        world.publish(|facts| facts.clients.retain(|client| client.id != gone)).await;
        assert!(soon("a cut", Answer::read(response)).await.broke_off.is_some());
        assert!(soon("the other download", Answer::read(of_sibling)).await.broke_off.is_none());
        let mut again = world.open(protocol, Some(&certificate)).await;
        let refused = again.ask(get("/free/x").bearer(&token)).await.unwrap();
        assert_eq!((refused.status, refused.reason().as_str()), (401, "client_unknown"));
    }
}

#[tokio::test]
async fn a_snapshot_that_does_not_fit_together_is_not_used() {
    let world = World::new().await;
    let mut broken = world.facts().clone();
    broken.version += 1;
    broken.upstreams.clear();
    world.to_gate.send(ToGate::Snapshot(Box::new(broken))).await.unwrap();
    world.facts().version += 1;
    world.publish(|_| {}).await;
    let (mut connection, token, _) = world.client(who(1, 1), Protocol::H2).await;
    let answer = connection.ask(get("/free/x").bearer(&token)).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(world.control.decision(answer.decision()).await.snapshot, world.facts().version);
}

#[tokio::test]
async fn a_gate_that_drains_lets_downloads_end_and_takes_no_more() {
    for protocol in BOTH {
        let mut world = World::new().await;
        let (mut connection, token, certificate) = world.client(who(1, 1), protocol).await;
        let (mut idle, idle_token, _) = world.client(who(1, 2), protocol).await;
        assert_eq!(idle.ask(get("/free/x").bearer(&idle_token)).await.unwrap().status, 200);
        let mut response = connection.send(get(DOWNLOAD).bearer(&token)).await.unwrap();
        soon("the download", response.body_mut().frame()).await.unwrap().unwrap();
        let gate = world.gate.take().unwrap();
        let draining = tokio::task::spawn_blocking(move || gate.drain(Duration::from_secs(15)));
        let whole = soon("the download", Answer::read(response)).await;
        assert!(whole.broke_off.is_none() && whole.records() > 2_900, "{:?}", whole.broke_off);
        // Before its limit, since nothing is left to wait for.
        tokio::time::timeout(Duration::from_secs(5), draining).await.expect("an end").unwrap();
        assert!(idle.ask(get("/free/x").bearer(&idle_token)).await.is_err());
        assert!(world.connector(Some(&certificate)).open(protocol).await.is_err());
        // What was decided reached control and the log.
        world.control.outcome(whole.decision()).await;
    }
}

#[tokio::test]
async fn a_gate_that_is_dropped_stops_at_once() {
    let mut world = World::new().await;
    let (mut connection, token, _) = world.client(who(1, 1), Protocol::H1).await;
    let response = connection.send(get("/free/x?n=1000000&pace_ms=5").bearer(&token)).await.unwrap();
    let gate = world.gate.take().unwrap();
    let stopped = tokio::task::spawn_blocking(move || drop(gate));
    tokio::time::timeout(Duration::from_secs(5), stopped).await.expect("an end").unwrap();
    assert!(soon("an end", Answer::read(response)).await.broke_off.is_some());
}

#[tokio::test]
async fn a_severance_does_not_wait_for_a_snapshot_to_be_compiled() {
    let world = World::new().await;
    let (mut connection, token, _) = world.client(who(1, 1), Protocol::H1).await;
    assert_eq!(connection.ask(get("/records/1").bearer(&token)).await.unwrap().status, 200);
    let mut large = world.facts().clone();
    large.version += 1;
    let first = large.clients[0].clone();
    large.clients.extend((0..100_000_u128).map(|number| ClientFacts {
        id: ClientId(Uuid::from_u128(1 << 100 | number)),
        name: format!("crowd-{number}"),
        ..first.clone()
    }));
    let version = large.version;
    world.to_gate.send(ToGate::Snapshot(Box::new(large))).await.unwrap();
    world.sever(1, Target::Vendor { id: who(1, 1).vendor }, 2, Vec::new()).await;
    let in_use = world.control.look(|seen| seen.in_use);
    assert!(in_use < Some(version), "the snapshot was compiled before the severance was heard");
    world.control.wait("the large snapshot", |seen| seen.in_use.filter(|in_use| *in_use >= version)).await;
}
