//! What analysts say reaches a gate that is at work, counts once, and can be taken back; and what is known of a client goes with it.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use portcullis_domain::decision::{DecisionId, Verdict};
use portcullis_domain::spec::Impact;
use portcullis_policy::facts::{JudgementFacts, SnapshotFacts};
use portcullis_risk::{ClientRisk, Context, Judgement, RiskRecord};

use super::from_elsewhere;
use crate::support::client::{Connection, Protocol};
use crate::support::clock::HandClock;
use crate::support::identity::who;
use crate::support::known::{context, graduated};
use crate::support::party::Party;
use crate::support::soon;
use crate::support::world::World;

/// Adds a word on what the first client did in this context.
fn say(facts: &mut SnapshotFacts, sequence: u64, context: Context, judgement: Judgement, undo: bool) {
    facts.judgements.push(JudgementFacts {
        sequence,
        client: who(1, 1).client,
        decision: DecisionId::new(5, [1; 10]),
        context,
        judgement,
        undo,
        // A state's time never goes back.
        at_us: 1,
    });
}

/// What an ordinary request comes to; whatever is asked is answered.
async fn scored(world: &World, party: &Party, connection: &mut Connection) -> (Verdict, RiskRecord) {
    let mut nonce = "AA".to_owned();
    for _ in 0..3 {
        let answer = soon("an answer", connection.ask(party.asked(world, &nonce))).await.unwrap();
        if answer.status == 200 {
            let decision = world.control.decision(answer.decision()).await;
            return (decision.verdict, *Box::new(decision.risk.unwrap()));
        }
        nonce = answer.header("dpop-nonce").unwrap().to_owned();
    }
    panic!("it is asked again and again")
}

/// The file of what is known of a client in the folder that a gate has left, or works in.
fn file(folder: &Path) -> PathBuf {
    folder.join("gate-risk").join(format!("{}.risk", who(1, 1).client.0))
}

#[tokio::test]
async fn a_benign_word_admits_and_leaves_no_evidence() {
    let world = World::with(HandClock::real(), |facts| facts.routes[0].impact = Impact::High).await;
    let party = Party::new(&world, who(1, 1));
    let mut moved = from_elsewhere(&world, Protocol::H2).await;
    let (verdict, risk) = scored(&world, &party, &mut moved).await;
    assert_eq!((verdict, risk.probation), (Verdict::Limit, true));
    world.publish(|facts| say(facts, 7, risk.before.context, Judgement::Benign, false)).await;
    let mut admitted = scored(&world, &party, &mut moved).await;
    // The word comes in within a second, beside the requests.
    while admitted.1.probation {
        admitted = scored(&world, &party, &mut moved).await;
    }
    assert_eq!(admitted.0, Verdict::Allow);
    let standing = |seen: &mut crate::support::seen::Seen| {
        seen.standings.iter().rev().find(|standing| standing.client == who(1, 1).client).cloned()
    };
    let told = world
        .control
        .wait("a standing", |seen| standing(seen).filter(|told| told.progress.contexts_admitted == 3));
    let told = told.await;
    assert_eq!(told.progress.contexts_on_probation, 0);
    // The opposite word first takes it back: then it is on probation as before.
    world.publish(|facts| say(facts, 8, risk.before.context, Judgement::Benign, true)).await;
    let told = world
        .control
        .wait("a standing", |seen| standing(seen).filter(|told| told.progress.contexts_admitted == 2));
    told.await;
}

#[tokio::test]
async fn a_malicious_word_counts_once_over_restarts_and_can_be_taken_back() {
    let world = World::with(HandClock::real(), |facts| facts.routes[0].impact = Impact::Low).await;
    let party = Party::new(&world, who(1, 1));
    let now_us = world.clock.wall().as_microsecond();
    let (key, clock) = (Rc::clone(&party.key), world.clock.clone());
    let place = context(&world.connector(None), Protocol::H2, Some(key.thumbprint()));
    let known = graduated(&world.connector(None), Protocol::H2, key.thumbprint(), now_us);
    world.gate.as_ref().unwrap().take_over(who(1, 1).client, known);
    let mut connection = world.open(Protocol::H2, None).await;
    // Where little is at stake one strange request isn't asked about, and stays unconfirmed.
    let (verdict, risk) = scored(&world, &party, &mut connection).await;
    assert!(verdict == Verdict::Allow && risk.evidence[0].milli() > 0, "{:?}", risk.evidence);
    let unusual = risk.before;
    let mut folder = world.stop();
    let state = |folder: &Path| ClientRisk::from_bytes(&std::fs::read(file(folder)).unwrap()).unwrap();
    let unjudged = state(folder.path());
    let mut words: Vec<(u64, bool)> = Vec::new();
    let mut states = Vec::new();
    // The same word at two processes, then the one that takes it back.
    for (sequence, undo) in [(5, false), (5, false), (6, true)] {
        let world = World::again(folder, clock.clone()).await;
        if !words.contains(&(sequence, undo)) {
            words.push((sequence, undo));
        }
        // Words are applied in one pass: when the newest client's has come, so has this one.
        let marker = who(2, 1).client;
        world
            .publish(|facts| {
                for (sequence, undo) in &words {
                    say(facts, *sequence, place, Judgement::Malicious, *undo);
                }
                let last = facts.judgements[0];
                facts.judgements.push(JudgementFacts {
                    client: marker,
                    judgement: Judgement::Benign,
                    ..last
                });
            })
            .await;
        world
            .control
            .wait("a standing", |seen| seen.standings.iter().any(|told| told.client == marker).then_some(()))
            .await;
        folder = world.stop();
        states.push(state(folder.path()));
    }
    let points = |state: &ClientRisk| {
        let (peers, rules) = (portcullis_risk::Peers::default(), portcullis_risk::Rules::default());
        let mut next = unusual;
        next.at_us += 60_000_000;
        let parts = state.clone().before(&next, &peers, &rules).parts;
        let learnt = parts.as_slice().iter().filter(|part| part.signal.code().starts_with("unusual"));
        learnt.map(|part| part.points).collect::<Vec<_>>()
    };
    let [once, again, undone] = &states[..] else { panic!("three processes") };
    assert_ne!(points(once), points(&unjudged), "it counts");
    assert_eq!(once.to_bytes(), again.to_bytes(), "and only once");
    assert_eq!(points(undone), points(&unjudged), "and not when it is taken back");
}

#[tokio::test]
async fn what_is_known_of_a_deleted_client_is_erased_with_its_copies() {
    let clock = HandClock::real();
    let folder = tempfile::tempdir().unwrap();
    let kept = file(folder.path());
    let days = folder.path().join("gate-risk").join("days");
    let copies: Vec<_> = ["20000", "20001"].map(|day| days.join(day).join(kept.file_name().unwrap())).into();
    let other = kept.with_file_name(format!("{}.risk", who(1, 2).client.0));
    let mut erased = copies.clone();
    erased.extend([kept.clone(), kept.with_extension("risk.damaged"), kept.with_extension("risk.new")]);
    for path in erased.iter().chain([&other]) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, ClientRisk::new().to_bytes()).unwrap();
    }
    let world = World::again(folder, clock).await;
    let party = Party::new(&world, who(1, 1));
    let mut connection = world.open(Protocol::H1, None).await;
    assert_eq!(party.ask(&world, &mut connection).await.status, 200);
    world.publish(|facts| facts.clients.retain(|client| client.id != who(1, 1).client)).await;
    let gone = async {
        while erased.iter().any(|path| path.exists()) {
            tokio::task::yield_now().await;
        }
    };
    soon("the files to be gone", gone).await;
    assert!(other.exists());
    // Nor does the end of the process write it anew.
    let folder = world.stop();
    assert!(!file(folder.path()).exists());
    // Deleted while the gate was away, and damaged: it goes, too.
    for path in &erased {
        std::fs::write(path, b"PCRK nonsense").unwrap();
    }
    let world = World::again(folder, HandClock::real()).await;
    world.publish(|facts| facts.clients.retain(|client| client.id != who(1, 1).client)).await;
    let gone = async {
        while erased.iter().any(|path| path.exists()) {
            tokio::task::yield_now().await;
        }
    };
    soon("the files to be gone", gone).await;
}
