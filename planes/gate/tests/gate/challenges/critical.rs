//! Routes of critical impact: each request shows by a nonce of its own that its key is there.

use std::collections::HashSet;

use futures_util::future::join_all;
use jiff::SignedDuration;
use portcullis_domain::spec::Impact;

use super::{forwarded, from_elsewhere, mode};
use crate::support::client::{Answer, BOTH, Protocol, With, get};
use crate::support::clock::HandClock;
use crate::support::identity::{Certificate, who};
use crate::support::party::{PATH, Party};
use crate::support::world::World;

const FLIGHT: usize = 50;

async fn critical() -> World {
    World::with(HandClock::real(), |facts| {
        facts.routes[0].impact = Impact::Critical;
        facts.integrations[0].limits.concurrency = 1_000;
    })
    .await
}

fn nonce(answer: &Answer) -> String {
    answer.header("dpop-nonce").expect("a nonce").to_owned()
}

#[track_caller]
fn refused(answer: &Answer, reason: &str) {
    assert_eq!((answer.status, answer.reason().as_str()), (401, reason), "{answer:?}");
    assert!(answer.header("www-authenticate").unwrap().contains("use_dpop_nonce"));
}

#[tokio::test]
async fn each_request_has_a_nonce_of_its_own_and_none_is_used_twice() {
    for protocol in BOTH {
        let world = critical().await;
        let party = Party::new(&world, who(1, 1));
        let mut connection = world.open(protocol, None).await;
        // An ordinary nonce, of a route that is not critical, doesn't do.
        let free = connection.ask(party.asked_for(&world, "/free/x", "AA")).await.unwrap();
        let ordinary = nonce(&free);
        assert_eq!(connection.ask(party.asked_for(&world, "/free/x", &ordinary)).await.unwrap().status, 200);
        let asked = connection.ask(party.asked(&world, &ordinary)).await.unwrap();
        refused(&asked, "challenge_fresh_nonce");
        let first = nonce(&asked);
        let passed = connection.ask(party.asked(&world, &first)).await.unwrap();
        assert_eq!(passed.status, 200, "{passed:?}");
        // The proof is a new one, and the nonce is not.
        refused(&connection.ask(party.asked(&world, &first)).await.unwrap(), "challenge_fresh_nonce");
        // Each answer brings the next: who uses it has no second round trip.
        let mut next = nonce(&passed);
        let mut given = HashSet::from([first]);
        for _ in 0..10 {
            assert!(given.insert(next.clone()), "never given before");
            let answer = connection.ask(party.asked(&world, &next)).await.unwrap();
            assert_eq!(answer.status, 200, "{protocol:?} {answer:?}");
            next = nonce(&answer);
        }
        // It is fresh for ten seconds.
        world.clock.jump_to(world.clock.wall() + SignedDuration::from_secs(21));
        let late = connection.ask(party.asked(&world, &next)).await.unwrap();
        refused(&late, "proof_nonce");
        assert_eq!(connection.ask(party.asked(&world, &nonce(&late))).await.unwrap().status, 200);
        assert!(world.control.look(|seen| seen.sessions_cut.is_empty()));
    }
}

#[tokio::test]
async fn of_requests_that_share_a_nonce_one_passes_at_a_time() {
    let world = critical().await;
    let party = Party::new(&world, who(1, 1));
    // Over connections of both cores, and streams of one of them.
    let mut connections = Vec::new();
    for _ in 0..8 {
        connections.push(world.open(Protocol::H2, None).await);
    }
    let mut first = connections[0].stream();
    let asked = first.ask(party.asked(&world, "AA")).await.unwrap();
    refused(&asked, "proof_nonce");
    let shared = nonce(&asked);
    let asking = (0..FLIGHT).map(async |number| {
        let asked = party.asked(&world, &shared);
        connections[number % connections.len()].stream().ask(asked).await.unwrap()
    });
    let answers = join_all(asking).await;
    let passed: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!((passed.len(), forwarded(&world)), (1, 1));
    let others: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    others.iter().for_each(|answer| refused(answer, "challenge_fresh_nonce"));
    // All others were given one of their own, and pass with it together.
    let given: HashSet<_> = others.iter().map(|answer| nonce(answer)).collect();
    assert_eq!(given.len(), FLIGHT - 1);
    let asking = given.iter().zip(0..).map(async |(nonce, number): (&String, usize)| {
        let asked = party.asked(&world, nonce);
        connections[number % connections.len()].stream().ask(asked).await.unwrap()
    });
    let answers = join_all(asking).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
}

/// A question and the wish for a fresh nonce are one round trip.
#[tokio::test]
async fn requests_in_flight_in_a_new_context_need_one_more_round_trip() {
    let world = critical().await;
    let party = Party::new(&world, who(1, 1));
    let mut home = world.open(Protocol::H1, None).await;
    let ordinary = party.ordinary_nonce(&world, &mut home).await;
    for known in [ordinary.as_str(), "AA"] {
        let elsewhere = from_elsewhere(&world, Protocol::H2).await;
        let asking = (0..FLIGHT).map(async |_| party.through(&world, &mut elsewhere.stream(), known).await);
        for (refused, answer) in join_all(asking).await {
            assert_eq!(answer.status, 200, "after {refused:?}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_certificates_handshake_is_fresh_for_ten_seconds() {
    for protocol in BOTH {
        let world = critical().await;
        let certificate = Certificate::new();
        let token = world.token(who(1, 1), &certificate);
        let mut connection = world.open(protocol, Some(&certificate)).await;
        for _ in 0..3 {
            assert_eq!(connection.ask(get(PATH).bearer(&token)).await.unwrap().status, 200);
        }
        world.clock.jump_to(world.clock.wall() + SignedDuration::from_secs(11));
        let answer = connection.ask(get(PATH).bearer(&token)).await.unwrap();
        assert_eq!((answer.status, answer.reason().as_str()), (401, "challenge_fresh_nonce"));
        let mut again = world.open(protocol, Some(&certificate)).await;
        assert_eq!(again.ask(get(PATH).bearer(&token)).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn nothing_is_wanted_where_a_policy_says_off() {
    let world = World::with(HandClock::real(), |facts| {
        facts.routes[0].impact = Impact::Critical;
        mode(portcullis_risk::Mode::Off)(facts);
    })
    .await;
    let party = Party::new(&world, who(1, 1));
    let mut connection = world.open(Protocol::H1, None).await;
    let nonce = party.ordinary_nonce(&world, &mut connection).await;
    for _ in 0..3 {
        assert_eq!(connection.ask(party.asked(&world, &nonce)).await.unwrap().status, 200);
    }
}
