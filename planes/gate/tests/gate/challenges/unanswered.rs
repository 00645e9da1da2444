//! Questions that nobody answers: ten seconds each, and the third is the last.

use std::collections::HashSet;

use futures_util::future::join_all;
use jiff::SignedDuration;
use portcullis_domain::reason::Reason;

use super::{forwarded, from_elsewhere};
use crate::support::client::{Answer, Connection, Protocol};
use crate::support::identity::who;
use crate::support::party::Party;
use crate::support::world::World;

const FLIGHT: usize = 50;

fn wait(world: &World, seconds: i64) {
    world.clock.jump_to(world.clock.wall() + SignedDuration::from_secs(seconds));
}

/// Fifty at once over one connection.
async fn fifty(world: &World, party: &Party, nonce: &str, connection: &Connection) -> Vec<Answer> {
    let asking = (0..FLIGHT).map(async |_| {
        let asked = party.asked(world, nonce);
        connection.stream().ask(asked).await.unwrap()
    });
    join_all(asking).await
}

/// The one nonce that all of these were asked with.
#[track_caller]
fn one_question(answers: &[Answer]) -> String {
    assert!(answers.iter().all(|answer| answer.status == 401), "{answers:?}");
    let nonces: HashSet<_> = answers.iter().map(|answer| answer.header("dpop-nonce").unwrap()).collect();
    assert_eq!(nonces.len(), 1);
    nonces.into_iter().next().unwrap().to_owned()
}

/// Whether what comes has a good nonce of another place, or none that is any good.
#[tokio::test]
async fn the_third_unanswered_question_severs_and_fifty_in_flight_are_one() {
    for captured in [true, false] {
        let world = World::new().await;
        let owner = Party::new(&world, who(1, 1));
        let mut home = world.open(Protocol::H1, None).await;
        let thief = from_elsewhere(&world, Protocol::H2).await;
        let before = forwarded(&world);
        let mut questions = HashSet::new();
        for _ in 0..3 {
            let nonce =
                if captured { owner.ordinary_nonce(&world, &mut home).await } else { "AA".to_owned() };
            questions.insert(one_question(&fifty(&world, &owner, &nonce, &thief).await));
            wait(&world, 10);
        }
        assert_eq!(questions.len(), 3, "each has a nonce of its own");
        assert!(world.control.look(|seen| seen.sessions_cut.is_empty()), "150 requests, two in vain");
        let nonce = if captured { owner.ordinary_nonce(&world, &mut home).await } else { "AA".to_owned() };
        let last = thief.stream().ask(owner.asked(&world, &nonce)).await.unwrap();
        let cut = world.control.wait("a session", |seen| seen.sessions_cut.first().cloned()).await;
        assert_eq!((cut.0, cut.2, cut.3), (who(1, 1).client, last.decision(), Reason::ChallengeFailed));
        assert_eq!((last.status, last.reason().as_str()), (403, "challenge_failed"), "{captured}");
        assert_eq!(forwarded(&world), before);
        // Its owner goes on, and was asked for nothing.
        let nonce = owner.ordinary_nonce(&world, &mut home).await;
        assert_eq!(home.ask(owner.asked(&world, &nonce)).await.unwrap().status, 200);
        assert_eq!(world.control.look(|seen| seen.sessions_cut.len()), 1);
    }
}

#[tokio::test]
async fn the_third_question_may_still_be_answered() {
    let world = World::new().await;
    let party = Party::new(&world, who(1, 1));
    let mut moved = from_elsewhere(&world, Protocol::H2).await;
    let mut nonce = String::new();
    for _ in 0..3 {
        wait(&world, 10);
        let answer = moved.ask(party.asked(&world, "AA")).await.unwrap();
        nonce = answer.header("dpop-nonce").unwrap().to_owned();
    }
    assert_eq!(moved.ask(party.asked(&world, &nonce)).await.unwrap().status, 200);
    // Long after, a question that was never answered is forgotten by nobody, and answered by whoever comes back.
    let other = Party::new(&world, who(2, 1));
    moved = from_elsewhere(&world, Protocol::H2).await;
    let asked = moved.ask(other.asked(&world, "AA")).await.unwrap();
    assert_eq!(asked.status, 401);
    wait(&world, 7_200);
    let other = Party::with(&world, who(2, 1), other.key, 10);
    let (_, answer) = other.through(&world, &mut moved, "AA").await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// What isn't proved counts for nothing where the client is known: anybody behind its network could send it.
#[tokio::test]
async fn nobody_severs_an_admitted_context_by_requests_that_prove_nothing() {
    let world = World::new().await;
    let owner = Party::new(&world, who(1, 1));
    let mut home = world.open(Protocol::H2, None).await;
    assert_eq!(owner.ask(&world, &mut home).await.status, 200);
    for _ in 0..10 {
        wait(&world, 11);
        let answers = fifty(&world, &owner, "AA", &home).await;
        assert!(answers.iter().all(|answer| answer.reason() == "proof_nonce"), "{answers:?}");
    }
    let owner = Party::with(&world, who(1, 1), owner.key, 10_000);
    assert_eq!(owner.ask(&world, &mut home).await.status, 200);
    assert!(world.control.look(|seen| seen.sessions_cut.is_empty()));
}
