//! The end of a client's key: to the very second, on new requests and inside what has begun.

use std::time::Duration;

use http_body_util::BodyExt;
use jiff::Timestamp;
use portcullis_domain::decision::Ending;
use portcullis_domain::reason::Reason;
use portcullis_policy::facts::{ClientKeyFacts, SnapshotFacts};

use crate::support::client::{Answer, BOTH, With, get};
use crate::support::clock::HandClock;
use crate::support::identity::{Certificate, who};
use crate::support::soon;
use crate::support::world::World;

/// From the moment the clock shows the end to the moment the client sees it.
const CUT_WITHIN: Duration = Duration::from_millis(100);

fn key(certificate: &Certificate, until: Timestamp, lapses: bool) -> ClientKeyFacts {
    let warn = until - Duration::from_secs(60);
    ClientKeyFacts {
        thumbprint: certificate.thumbprint().to_string(),
        until_us: until.as_microsecond(),
        lapses,
        warn_from_us: warn.as_microsecond(),
        registered_us: None,
    }
}

/// The first client has these keys, and no others.
fn hold(facts: &mut SnapshotFacts, keys: Vec<ClientKeyFacts>) {
    let client = facts.clients.iter_mut().find(|client| client.id == who(1, 1).client).unwrap();
    client.keys = keys;
    client.by_subject = false;
}

#[tokio::test]
async fn a_key_is_refused_from_its_second_on_and_cut_inside_a_download() {
    for (protocol, lapses, reason, code) in [
        (BOTH[0], true, Reason::ClientKeyLapsed, "client_key_lapsed"),
        (BOTH[1], false, Reason::ClientKeyEnded, "client_key_ended"),
    ] {
        let world = World::new().await;
        let (mut connection, token, certificate) = world.client(who(1, 1), protocol).await;
        let until = Timestamp::from_second(world.clock.wall().as_second() + 200).unwrap();
        world.publish(|facts| hold(facts, vec![key(&certificate, until, lapses)])).await;
        let first = connection.ask(get("/free/x").bearer(&token)).await.unwrap();
        assert_eq!((first.status, first.headers.get("portcullis-key-expires")), (200, None));
        world.clock.jump_to(until - Duration::from_secs(60));
        let told = connection.ask(get("/free/x").bearer(&token)).await.unwrap();
        assert_eq!(told.headers["portcullis-key-expires"].to_str().unwrap(), until.to_string());
        let asked = get("/free/x?n=1000000&chunk=5&pace_ms=2").bearer(&token);
        let mut response = connection.send(asked).await.unwrap();
        let id = response.headers()["portcullis-decision"].to_str().unwrap().parse().unwrap();
        for _ in 0..20 {
            soon("the download", response.body_mut().frame()).await.unwrap().unwrap();
        }
        world.clock.jump_to(until);
        let cut = tokio::time::timeout(CUT_WITHIN, Answer::read(response)).await.expect("a cut in time");
        assert!(cut.broke_off.is_some());
        assert_eq!(
            {
                let outcome = world.control.outcome(id).await;
                (outcome.ending, outcome.reason)
            },
            (Ending::Cut, reason)
        );
        let fresh = world.token(who(1, 1), &certificate);
        let mut again = world.open(protocol, Some(&certificate)).await;
        let refused = again.ask(get("/free/x").bearer(&fresh)).await.unwrap();
        assert_eq!((refused.status, refused.reason().as_str()), (401, code));
    }
}

#[tokio::test]
async fn a_key_that_control_does_not_know_is_refused_until_a_snapshot_does() {
    let world = World::with(HandClock::real(), |facts| hold(facts, Vec::new())).await;
    let (mut connection, token, certificate) = world.client(who(1, 1), BOTH[1]).await;
    let ask = || get("/free/x").bearer(&token);
    assert_eq!(connection.ask(ask()).await.unwrap().reason(), "client_key_ended");
    let until = world.clock.wall() + Duration::from_secs(60);
    world.publish(|facts| hold(facts, vec![key(&certificate, until, true)])).await;
    assert_eq!(connection.ask(ask()).await.unwrap().status, 200, "the same token, remembered");
    world.publish(|facts| hold(facts, Vec::new())).await;
    assert_eq!(connection.ask(ask()).await.unwrap().reason(), "client_key_ended");
}

/// A token that is signed out or revoked ends nothing that has begun; the key's end does.
#[tokio::test]
async fn what_has_begun_outlives_its_token_and_not_its_key() {
    let world = World::new().await;
    let (mut connection, token, certificate) = world.client(who(1, 1), BOTH[1]).await;
    let long = get("/free/x?n=1000000&chunk=5&pace_ms=2").bearer(&token);
    let mut response = connection.send(long).await.unwrap();
    world
        .publish(|facts| {
            facts.clients.iter_mut().find(|client| client.id == who(1, 1).client).unwrap().epoch = 2;
        })
        .await;
    let refused = connection.ask(get("/free/x").bearer(&token)).await.unwrap();
    assert_eq!(refused.reason(), "token_superseded");
    for _ in 0..50 {
        soon("the download", response.body_mut().frame()).await.unwrap().unwrap();
    }
    let until = world.clock.wall();
    world.publish(|facts| hold(facts, vec![key(&certificate, until, false)])).await;
    let cut = tokio::time::timeout(CUT_WITHIN, Answer::read(response)).await.expect("a cut in time");
    assert!(cut.broke_off.is_some());
}
