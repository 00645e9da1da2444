//! The question whether a caller still holds its key: who is asked, what answers, and what follows where nothing does.

mod critical;
mod goodbye;
mod midnight;
mod origins;
mod rotation;
mod streams;
mod suspects;
mod tokens;
mod unanswered;
mod verdicts;

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;
use std::sync::atomic::Ordering;

use portcullis_domain::decision::Verdict;
use portcullis_domain::reason::Reason;
use portcullis_domain::target::Target;
use portcullis_policy::policies::PolicyFacts;
use portcullis_risk::{Action, Mode};

use crate::support::client::{BOTH, Connection, Protocol, With, get};
use crate::support::clock::HandClock;
use crate::support::identity::{Certificate, ProofKey, who};
use crate::support::party::{PATH, Party};
use crate::support::soon;
use crate::support::world::World;

/// A connection from another network.
async fn from_elsewhere(world: &World, protocol: Protocol) -> Connection {
    let mut connector = world.connector(None);
    connector.from = Some([127, 0, 9, 1].into());
    soon("a connection", connector.open(protocol)).await.unwrap()
}

fn forwarded(world: &World) -> u64 {
    world.upstream.log.requests.load(Ordering::SeqCst)
}

async fn strangers() -> World {
    World::of_strangers(HandClock::real(), |_| {}).await
}

#[tokio::test]
async fn a_new_context_costs_no_round_trip_where_a_nonce_is_wanted_anyway() {
    for protocol in BOTH {
        let world = strangers().await;
        let party = Party::new(&world, who(1, 1));
        let mut connection = world.open(protocol, None).await;
        let answer = party.ask(&world, &mut connection).await;
        assert_eq!(answer.status, 200, "{protocol:?} {answer:?}");
        let decision = world.control.decision(answer.decision()).await;
        let risk = decision.risk.unwrap();
        // Nothing says where its token was issued: it passed, and is on probation.
        assert!(risk.probation);
        assert_eq!(decision.verdict, Verdict::Limit);
    }
}

#[tokio::test]
async fn a_stolen_token_with_captured_proofs_ends_its_own_context_and_no_other() {
    let world = World::new().await;
    let owner = Party::new(&world, who(1, 1));
    let mut home = world.open(Protocol::H1, None).await;
    assert_eq!(owner.ask(&world, &mut home).await.status, 200);
    let nonce = owner.ordinary_nonce(&world, &mut home).await;
    let captured: Vec<_> = (0..3).map(|_| owner.asked(&world, &nonce)).collect();
    let before = forwarded(&world);
    let mut thief = from_elsewhere(&world, Protocol::H1).await;
    let mut questions = HashSet::new();
    for (number, asked) in captured.into_iter().enumerate() {
        let answer = thief.ask(asked).await.unwrap();
        let reason = if number == 0 { "challenge_new_context" } else { "challenge_open" };
        assert_eq!((answer.status, answer.reason().as_str()), (401, reason));
        questions.insert(answer.header("dpop-nonce").unwrap().to_owned());
    }
    assert_eq!(questions.len(), 1);
    let question = questions.into_iter().next().unwrap();
    let mine = ProofKey::new();
    let answer = thief.ask(owner.asked_by(&world, &mine, &question)).await.unwrap();
    assert_eq!((answer.status, answer.reason().as_str()), (403, "challenge_failed"));
    let cut = world.control.wait("a session", |seen| seen.sessions_cut.first().cloned()).await;
    assert_eq!((cut.0, cut.2, cut.3), (who(1, 1).client, answer.decision(), Reason::ChallengeFailed));
    let decision = world.control.decision(answer.decision()).await;
    assert_eq!((decision.verdict, decision.session.as_deref()), (Verdict::Sever, Some(cut.1.as_str())));
    // With a good proof, too.
    let mut again = from_elsewhere(&world, Protocol::H1).await;
    let refused = again.ask(owner.asked(&world, &nonce)).await.unwrap();
    assert_eq!((refused.status, refused.reason().as_str()), (403, "session_severed"));
    assert_eq!(forwarded(&world), before);
    assert_eq!(home.ask(owner.asked(&world, &nonce)).await.unwrap().status, 200);
}

#[tokio::test]
async fn the_order_to_close_a_context_does_not_outrun_the_answer_that_says_so() {
    let world = World::new().await;
    let owner = Party::new(&world, who(1, 1));
    let mut home = world.open(Protocol::H1, None).await;
    let nonce = owner.ordinary_nonce(&world, &mut home).await;
    let mut thief = from_elsewhere(&world, Protocol::H2).await;
    let question = thief.ask(owner.asked(&world, &nonce)).await.unwrap();
    let question = question.header("dpop-nonce").unwrap().to_owned();
    let answered = owner.asked_by(&world, &ProofKey::new(), &question);
    let mut stream = thief.stream();
    let answer = tokio::spawn(async move { stream.ask(answered).await });
    let cut = world.control.wait("a session", |seen| seen.sessions_cut.first().cloned()).await;
    // As control does, to all gates.
    let target = Target::Session { client: cut.0, session: cut.1 };
    let report = world.sever_for(cut.2, target, 0, Vec::new()).await;
    assert!(report.connections.is_empty(), "{report:?}");
    let answer = answer.await.unwrap().unwrap();
    assert_eq!((answer.status, answer.reason().as_str()), (403, "challenge_failed"));
}

#[tokio::test]
async fn fifty_requests_in_flight_are_one_question() {
    let world = World::new().await;
    let party = Party::new(&world, who(1, 1));
    let mut home = world.open(Protocol::H1, None).await;
    let nonce = party.ordinary_nonce(&world, &mut home).await;
    let elsewhere = from_elsewhere(&world, Protocol::H2).await;
    let all = |nonce: &str| {
        let asked: Vec<_> = (0..50).map(|_| party.asked(&world, nonce)).collect();
        let streams: Vec<_> = (0..50).map(|_| elsewhere.stream()).collect();
        async move {
            let asking = asked
                .into_iter()
                .zip(streams)
                .map(|(asked, mut stream)| tokio::spawn(async move { stream.ask(asked).await.unwrap() }));
            let mut answers = Vec::new();
            for answer in asking.collect::<Vec<_>>() {
                answers.push(answer.await.unwrap());
            }
            answers
        }
    };
    let refused = all(&nonce).await;
    let nonces: HashSet<_> =
        refused.iter().map(|answer| answer.header("dpop-nonce").unwrap().to_owned()).collect();
    assert!(refused.iter().all(|answer| answer.status == 401));
    assert_eq!(nonces.len(), 1);
    let question = nonces.into_iter().next().unwrap();
    let passed = all(&question).await;
    assert!(passed.iter().all(|answer| answer.status == 200), "{passed:?}");
}

#[tokio::test]
async fn a_certificate_answers_by_a_full_handshake() {
    for protocol in BOTH {
        let world = strangers().await;
        let certificate = Certificate::new();
        let token = world.token(who(1, 1), &certificate);
        let mut old = world.open(protocol, Some(&certificate)).await;
        // The gate has ended the handshake, too. What was shaken hands on long ago says nothing about now.
        assert_eq!(old.ask(get(PATH)).await.unwrap().reason(), "token_missing");
        let later = world.clock.wall() + jiff::SignedDuration::from_secs(11);
        world.clock.jump_to(later);
        let refused = old.ask(get(PATH).bearer(&token)).await.unwrap();
        assert_eq!(
            (refused.status, refused.reason().as_str()),
            (401, "challenge_new_context"),
            "{protocol:?}"
        );
        let challenge = refused.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer error=\"insufficient_user_authentication\""), "{challenge}");
        if protocol == Protocol::H1 {
            assert_eq!(refused.header("connection"), Some("close"));
        }
        assert_eq!(forwarded(&world), 0);
        let mut new = world.open(protocol, Some(&certificate)).await;
        assert_eq!(new.ask(get(PATH).bearer(&token)).await.unwrap().status, 200);
        // A connection that begins with its request is never asked.
        let other = Certificate::new();
        let token = world.token(who(2, 1), &other);
        let mut fresh = world.open(protocol, Some(&other)).await;
        assert_eq!(fresh.ask(get(PATH).bearer(&token)).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn probation_is_a_tenth_of_the_records_and_its_end_harms_nobody_else() {
    let world = World::new().await;
    let certificate = Certificate::new();
    let token = world.token(who(1, 1), &certificate);
    let mut connector = world.connector(Some(&certificate));
    connector.from = Some([127, 0, 9, 1].into());
    let mut narrowed = soon("a connection", connector.open(Protocol::H1)).await.unwrap();
    let answer = narrowed.ask(get("/records/1?n=20000").bearer(&token)).await.unwrap();
    assert!(answer.status == 200 && answer.broke_off.is_some());
    assert_eq!(answer.whole_records(), 5_000);
    let outcome = world.control.outcome(answer.decision()).await;
    assert_eq!((outcome.reason, outcome.records), (Reason::RecordsNarrowed, 5_000));
    let mut home = world.open(Protocol::H1, Some(&certificate)).await;
    let answer = home.ask(get("/records/1?n=20000").bearer(&token)).await.unwrap();
    assert_eq!((answer.status, answer.whole_records(), answer.broke_off.is_none()), (200, 20_000, true));
    assert!(world.control.look(|seen| seen.keys_cut.is_empty() && seen.sessions_cut.is_empty()));
}

fn mode(mode: Mode) -> impl FnOnce(&mut portcullis_policy::facts::SnapshotFacts) {
    move |facts| {
        facts.policies.push(PolicyFacts {
            name: "all".to_owned(),
            mode: Some(mode),
            families: BTreeMap::new(),
            ..PolicyFacts::default()
        });
    }
}

#[tokio::test]
async fn off_asks_nothing_and_observing_asks_for_facts_alone() {
    for (policy, asked) in [(Mode::Off, false), (Mode::Observe, true), (Mode::Enforce, true)] {
        let world = World::with(HandClock::real(), mode(policy)).await;
        let party = Party::new(&world, who(1, 1));
        let mut home = world.open(Protocol::H1, None).await;
        let nonce = party.ordinary_nonce(&world, &mut home).await;
        let mut elsewhere = from_elsewhere(&world, Protocol::H1).await;
        let answer = elsewhere.ask(party.asked(&world, &nonce)).await.unwrap();
        assert_eq!(answer.status, if asked { 401 } else { 200 }, "{policy:?}");
        let decision = world.control.decision(answer.decision()).await;
        assert_eq!(decision.risk.is_some(), asked);
        assert!(decision.risk.is_none_or(|risk| risk.action == Action::Challenge));
    }
}

#[tokio::test]
async fn a_restart_knows_its_clients_again() {
    let world = strangers().await;
    let party = Party::new(&world, who(1, 1));
    let mut connection = world.open(Protocol::H1, None).await;
    assert_eq!(party.ask(&world, &mut connection).await.status, 200);
    let (key, folder) = (party.key, world.stop());
    let file = folder.path().join("gate-risk").join(format!("{}.risk", who(1, 1).client.0));
    assert!(file.exists());
    for broken in [false, true] {
        if broken {
            std::fs::write(&file, b"PCRK nonsense").unwrap();
        }
        let copy = tempfile::tempdir().unwrap();
        std::fs::create_dir(copy.path().join("gate-risk")).unwrap();
        std::fs::copy(&file, copy.path().join("gate-risk").join(file.file_name().unwrap())).unwrap();
        let world = World::again(copy, HandClock::real()).await;
        let party = Party::with(&world, who(1, 1), Rc::clone(&key), 100);
        let mut connection = world.open(Protocol::H1, None).await;
        let nonce = party.ordinary_nonce(&world, &mut connection).await;
        let answer = connection.ask(party.asked(&world, &nonce)).await.unwrap();
        let risk = world.control.decision(answer.decision()).await.risk.unwrap();
        // A question that was asked ahead is one more step than a known context takes.
        assert_eq!((answer.status, risk.step > 3), (200, !broken), "{risk:?}");
    }
}
