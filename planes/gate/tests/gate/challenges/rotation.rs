//! A question that falls into the time in which a client has two keys: nothing fails but for one round trip.

use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use portcullis_domain::reason::Reason;
use portcullis_domain::spec::Impact;
use portcullis_policy::facts::{ClientKeyFacts, SnapshotFacts};

use crate::support::client::{Connection, Protocol};
use crate::support::clock::HandClock;
use crate::support::identity::{ProofKey, who};
use crate::support::known::graduated;
use crate::support::party::Party;
use crate::support::world::World;

/// Requests in flight by each key.
const FLIGHT: usize = 40;

/// A client whose key is being exchanged: it has worked by the old one for days, over HTTP/2.
struct Rotation {
    world: World,
    old: Party,
    new: Party,
    connection: Connection,
}

impl Rotation {
    async fn new() -> Self {
        let keys = [(); 2].map(|()| Rc::new(ProofKey::new()));
        let thumbprints = keys.each_ref().map(|key| key.thumbprint());
        let clock = HandClock::real();
        let until = clock.wall() + Duration::from_secs(3_600);
        let world = World::with(clock, |facts| {
            // What is asked for here was never asked for before, and much is at stake.
            facts.routes[0].impact = Impact::High;
            facts.integrations[0].limits.concurrency = 1_000;
            register(facts, &thumbprints.map(|key| (key.to_string(), until.as_microsecond())));
        })
        .await;
        let [old, new] = keys.map(|key| Party::with(&world, who(1, 1), key, 0));
        let now_us = world.clock.wall().as_microsecond();
        let known = graduated(&world.connector(None), Protocol::H2, thumbprints[0], now_us);
        world.gate.as_ref().unwrap().take_over(who(1, 1).client, known);
        let connection = world.open(Protocol::H2, None).await;
        Self { world, old, new, connection }
    }

    /// A nonce for each key.
    async fn nonces(&self) -> [String; 2] {
        let mut connection = self.connection.stream();
        [
            self.old.ordinary_nonce(&self.world, &mut connection).await,
            self.new.ordinary_nonce(&self.world, &mut connection).await,
        ]
    }
}

/// The first client has these keys, each until so many microseconds, and no others.
fn register(facts: &mut SnapshotFacts, keys: &[(String, i64)]) {
    let client = facts.clients.iter_mut().find(|client| client.id == who(1, 1).client).unwrap();
    client.by_subject = false;
    client.keys = keys
        .iter()
        .map(|(thumbprint, until_us)| ClientKeyFacts {
            thumbprint: thumbprint.clone(),
            until_us: *until_us,
            lapses: false,
            warn_from_us: i64::MAX,
            registered_us: None,
        })
        .collect();
}

#[tokio::test]
async fn a_token_cut_off_by_a_challenge_during_a_key_rotation_recovers_by_itself() {
    let case = Rotation::new().await;
    let [old, new] = case.nonces().await;
    let both = [(&case.old, &old), (&case.new, &new)];
    let asking = both.into_iter().flat_map(|(party, nonce)| (0..FLIGHT).map(move |_| (party, nonce)));
    let asking = asking
        .map(async |(party, nonce)| party.through(&case.world, &mut case.connection.stream(), nonce).await);
    let answers = join_all(asking).await;
    let asked = answers.iter().filter(|(refused, _)| refused.iter().any(|why| why.starts_with("challenge_")));
    let asked = asked.count();
    for (refused, answer) in &answers {
        assert_eq!(answer.status, 200, "after {refused:?}: {answer:?}");
    }
    assert!(asked > 0, "somebody was asked");
    // Nor is either key on probation from now on: the place is known. What it does may narrow it, as anybody's.
    for (_, answer) in &answers {
        let risk = case.world.control.decision(answer.decision()).await.risk.unwrap();
        assert!(!risk.probation, "{risk:?}");
    }
    assert!(case.world.control.look(|seen| seen.sessions_cut.is_empty() && seen.keys_cut.is_empty()));
    // The old key ends in the midst of it: the new one goes on.
    let over = case.world.clock.wall() + Duration::from_secs(3_601);
    let ended = case.old.key.thumbprint().to_string();
    let goes_on = case.new.key.thumbprint().to_string();
    case.world
        .publish(|facts| register(facts, &[(ended, over.as_microsecond() - 2_000_000), (goes_on, i64::MAX)]))
        .await;
    case.world.clock.jump_to(over);
    let party = Party::with(&case.world, who(1, 1), Rc::clone(&case.new.key), 1_000);
    let (refused, answer) = party.through(&case.world, &mut case.connection.stream(), "AA").await;
    assert_eq!(answer.status, 200, "after {refused:?}: {answer:?}");
    let late = Party::with(&case.world, who(1, 1), Rc::clone(&case.old.key), 1_000);
    let (_, answer) = late.through(&case.world, &mut case.connection.stream(), "AA").await;
    assert_eq!((answer.status, answer.reason().as_str()), (401, Reason::ClientKeyEnded.code()));
}

/// However the answers to a question come, beside requests that were under way before it.
#[tokio::test]
async fn requests_in_flight_need_one_more_round_trip_and_no_second() {
    let case = Rotation::new().await;
    let [nonce, _] = case.nonces().await;
    let first = (0..FLIGHT).map(async |_| {
        let asked = case.old.asked(&case.world, &nonce);
        case.connection.stream().ask(asked).await.unwrap()
    });
    let first = join_all(first).await;
    let questions: Vec<_> = first.iter().filter(|answer| answer.status == 401).collect();
    assert!(questions.len() > 10, "{}", questions.len());
    // Half of them are answered; then others come that were sent before, and then the other half.
    for (number, question) in questions.iter().enumerate() {
        if number % 2 == 1 {
            let late = case.old.asked(&case.world, &nonce);
            case.connection.stream().ask(late).await.unwrap();
        }
        let answered = case.old.asked(&case.world, question.header("dpop-nonce").unwrap());
        let answer = case.connection.stream().ask(answered).await.unwrap();
        assert_eq!(answer.status, 200, "{number}: {answer:?}");
    }
    assert!(case.world.control.look(|seen| seen.sessions_cut.is_empty()));
}

#[tokio::test]
async fn a_proof_by_the_clients_own_other_key_is_refused_and_closes_nothing() {
    let case = Rotation::new().await;
    let [nonce, _] = case.nonces().await;
    let mut connection = case.connection.stream();
    let mut question = None;
    for _ in 0..FLIGHT {
        let answer = connection.ask(case.old.asked(&case.world, &nonce)).await.unwrap();
        if answer.status == 401 {
            question = Some(answer.header("dpop-nonce").unwrap().to_owned());
            break;
        }
    }
    let question = question.expect("a question");
    // It turned to its new key between question and answer, and not yet to a new token.
    let mixed = case.old.asked_by(&case.world, &case.new.key, &question);
    let answer = connection.ask(mixed).await.unwrap();
    assert_eq!((answer.status, answer.reason().as_str()), (401, "proof_key"));
    let answer = connection.ask(case.old.asked(&case.world, &question)).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    // A stranger's key is another matter.
    let mut thief = connection.stream();
    let mut question = None;
    for _ in 0..FLIGHT {
        let answer = thief.ask(case.old.asked(&case.world, &nonce)).await.unwrap();
        if answer.status == 401 {
            question = Some(answer.header("dpop-nonce").unwrap().to_owned());
            break;
        }
    }
    let stolen = case.old.asked_by(&case.world, &ProofKey::new(), &question.expect("a question"));
    let answer = thief.ask(stolen).await.unwrap();
    assert_eq!((answer.status, answer.reason().as_str()), (403, "challenge_failed"));
}
