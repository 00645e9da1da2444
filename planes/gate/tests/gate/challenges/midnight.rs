//! A UTC day turns while the gate is at work: what clients are compared with is written, said ahead, in use from its moment on
//! and taken up by the next process; and a replay of all that gives the same bits.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use http_body_util::BodyExt as _;
use jiff::{SignedDuration, Timestamp};
use portcullis_domain::decision::{DecisionId, DecisionRecord, OutcomeRecord};
use portcullis_domain::ids::ClientId;
use portcullis_policy::risk_log::{CALLS_FOLDER, Line, PEERS_FOLDER, PeersFile};
use portcullis_policy::risks::UnderWay;
use portcullis_replay::redecide::{Outcome, Redecider};
use portcullis_risk::ClientRisk;

use crate::support::client::{Connection, Protocol};
use crate::support::clock::HandClock;
use crate::support::identity::{ProofKey, Who, who};
use crate::support::known::graduated;
use crate::support::party::Party;
use crate::support::seen::ControlEnd;
use crate::support::soon;
use crate::support::world::World;

const DAY_US: i64 = 86_400_000_000;
const MIDNIGHT: &str = "2026-03-03T00:00:00Z";

/// What happened, as the decision log has it.
#[derive(Default)]
struct Log {
    decided: Vec<DecisionRecord>,
    ended: Vec<OutcomeRecord>,
}

/// Somebody who works through the turns of days, and over a restart.
struct Machine {
    who: Who,
    key: Rc<ProofKey>,
    used: u32,
}

impl Machine {
    fn new(who: Who) -> Self {
        Self { who, key: Rc::new(ProofKey::new()), used: 0 }
    }

    /// As many pages; gives the decisions that must be in the log.
    async fn works(&mut self, world: &World, connection: &mut Connection, pages: u32) -> Vec<DecisionId> {
        let party = Party::with(world, self.who, Rc::clone(&self.key), self.used);
        let (mut nonce, mut passed, mut tries) = ("AA".to_owned(), Vec::new(), 0);
        while passed.len() < pages as usize {
            tries += 1;
            assert!(tries < 4 * pages + 8, "it is asked again and again");
            let path = format!("/records/{}?n={}", tries % 5, tries % 7 + 1);
            let asked = party.asked_for(world, &path, &nonce);
            let answer = soon("an answer", connection.ask(asked)).await.unwrap();
            if let Some(next) = answer.header("dpop-nonce") {
                nonce = next.to_owned();
            }
            match answer.status {
                200 => passed.push(answer.decision()),
                status => assert_eq!(status, 401, "{answer:?}"),
            }
        }
        self.used += tries + 1;
        passed
    }
}

fn numbered(folder: &Path) -> Vec<(i64, PathBuf)> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let number = |path: &PathBuf| path.file_stem()?.to_str()?.parse().ok();
    let mut found: Vec<(i64, PathBuf)> = files.filter_map(|path| Some((number(&path)?, path))).collect();
    found.sort();
    found
}

fn peers(risk: &Path) -> Vec<(i64, PathBuf)> {
    let files = numbered(&risk.join(PEERS_FOLDER));
    files.into_iter().filter(|(_, path)| path.extension().is_some_and(|kind| kind == "peers")).collect()
}

/// Waits for peers that are in use from this moment on or later, and says from when.
async fn turned(world: &World, from_us: i64) -> i64 {
    let risk = world.decision_log.path().join("gate-risk");
    let found = async {
        loop {
            let newest = peers(&risk).last().map(|(newest_us, _)| *newest_us);
            if let Some(newest_us) = newest.filter(|newest_us| *newest_us >= from_us) {
                return newest_us;
            }
            tokio::task::yield_now().await;
        }
    };
    soon("new peers", found).await
}

async fn copied(world: &World, day: i64) {
    let copy = world.decision_log.path().join(format!("gate-risk/days/{day}"));
    let there = async {
        while numbered_states(&copy).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    soon("the copy of a day", there).await;
}

fn numbered_states(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn state(folder: &Path, who: Who) -> ClientRisk {
    let path = folder.join(format!("{}.risk", who.client.0));
    ClientRisk::from_bytes(&std::fs::read(path).unwrap()).unwrap()
}

async fn take(log: &mut Log, control: &ControlEnd, ids: &[DecisionId]) {
    for id in ids {
        control.decision(*id).await;
        control.outcome(*id).await;
    }
    control.look(|seen| {
        log.decided.append(&mut seen.decided);
        log.ended.append(&mut seen.ended);
    });
}

/// Replays the log with what lies beside it, from states that were known at some time.
fn replay(
    risk: &Path,
    log: &Log,
    begun: &[(Who, ClientRisk)],
    (copied_us, under_way): (i64, Vec<(ClientId, UnderWay)>),
    left_out: &str,
) -> Outcome {
    let mut nothing = ();
    let mut redecider = Redecider::checking(&mut nothing);
    for (who, state) in begun {
        redecider.begin(who.client, Some(who.vendor), state.clone());
    }
    for (client, UnderWay { decision, ticket, rules }) in under_way {
        redecider.begin_under_way(client, decision, ticket, rules);
    }
    for (peers_us, path) in peers(risk).into_iter().filter(|_| left_out != "peers") {
        let file: PeersFile = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        redecider.compared(peers_us, file.compiled());
    }
    let lines = lines(risk);
    for line in lines.iter().filter(|line| line.at_us() > copied_us) {
        if let Line::Started { at_us, steps } = line {
            redecider.started(*at_us, steps.clone());
        }
    }
    // All of the day that began before the copy: what the states have seen is known by its number.
    let day_us = copied_us.div_euclid(DAY_US).saturating_mul(DAY_US);
    for line in lines.into_iter().filter(|line| line.at_us() >= day_us && left_out != "calls") {
        if let Line::Called { at_us, client, step, call } = line {
            redecider.take_aside(client, step, at_us, call).unwrap();
        }
    }
    redecider.count_from(copied_us + 1);
    let mut days: Vec<i64> = Vec::new();
    for record in log.decided.clone() {
        days.push(record.time.as_microsecond().div_euclid(DAY_US));
        redecider.take(record, None).unwrap();
    }
    for end in log.ended.clone() {
        let decided = log.decided.iter().find(|record| record.id == end.id).unwrap();
        redecider.take_end(decided.client.unwrap(), decided.vendor, end).unwrap();
    }
    days.sort_unstable();
    days.dedup();
    days.into_iter().for_each(|day| redecider.run_day(day));
    redecider.finish()
}

fn lines(risk: &Path) -> Vec<Line> {
    let files = numbered(&risk.join(CALLS_FOLDER)).into_iter();
    let texts = files.map(|(_, path)| std::fs::read_to_string(path).unwrap());
    texts
        .flat_map(|text| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>())
        .collect()
}

#[tokio::test]
async fn the_turn_of_a_day_and_a_restart_change_no_bit_of_a_replay() {
    let midnight: Timestamp = MIDNIGHT.parse().unwrap();
    let after = |seconds| midnight + SignedDuration::from_secs(seconds);
    let clock = HandClock::starting(after(-120));
    let world = World::with(clock.clone(), |_| {}).await;
    let risk = world.decision_log.path().join("gate-risk");
    // Two of one vendor, of which one is known for days, and one of another.
    let mut machines = [who(1, 1), who(1, 2), who(2, 1)].map(Machine::new);
    let begun: Vec<_> = machines.iter().map(|machine| (machine.who, state(&risk, machine.who))).collect();
    let now_us = clock.wall().as_microsecond();
    let thumbprint = machines[0].key.thumbprint();
    let known = graduated(&world.connector(None), Protocol::H2, thumbprint, now_us);
    world.gate.as_ref().unwrap().take_over(machines[0].who.client, known);
    let mut log = Log::default();
    let mut ids = Vec::new();
    let mut connections = Vec::new();
    for machine in &mut machines {
        let mut connection = world.open(Protocol::H2, None).await;
        ids.extend(machine.works(&world, &mut connection, 10).await);
        connections.push(connection);
    }
    // Where nothing was kept there are peers as soon as the gate has looked.
    let from_us = turned(&world, i64::MIN).await;
    clock.jump_to(Timestamp::from_microsecond(from_us.max(clock.wall().as_microsecond())).unwrap());
    for (machine, connection) in machines.iter_mut().zip(&mut connections) {
        ids.extend(machine.works(&world, connection, 10).await);
    }

    // A response that is under way over the turn.
    let mut slow = world.open(Protocol::H2, None).await;
    let last = &mut machines[1];
    let party = Party::with(&world, last.who, Rc::clone(&last.key), last.used);
    last.used += 2;
    let nonce = party.ordinary_nonce(&world, &mut slow).await;
    let asked = party.asked_for(&world, "/records/3?n=1000000&chunk=1&pace_ms=5", &nonce);
    let mut stream = soon("a head", slow.send(asked)).await.unwrap();
    assert_eq!(stream.status(), 200);
    soon("a piece", stream.body_mut().frame()).await.unwrap().unwrap();
    ids.push(stream.headers()["portcullis-decision"].to_str().unwrap().parse().unwrap());

    clock.jump_to(after(0));
    let from_us = turned(&world, midnight.as_microsecond()).await;
    assert!(from_us >= after(2).as_microsecond(), "said ahead");
    // Some before they count, and some after.
    for (machine, connection) in machines.iter_mut().zip(&mut connections) {
        ids.extend(machine.works(&world, connection, 3).await);
    }
    if clock.wall().as_microsecond() < from_us {
        clock.jump_to(Timestamp::from_microsecond(from_us).unwrap());
    }
    for (machine, connection) in machines.iter_mut().zip(&mut connections) {
        ids.extend(machine.works(&world, connection, 15).await);
    }
    let today = midnight.as_microsecond().div_euclid(DAY_US);
    copied(&world, today - 1).await;
    drop((stream, slow));
    take(&mut log, &world.control, &ids).await;

    // The next process goes on with the same peers, makes none of its own, and turns with the next day.
    let before_restart = peers(&risk);
    let world = World::again(world.stop(), clock.clone()).await;
    let mut ids = Vec::new();
    let mut connections = Vec::new();
    for machine in &mut machines {
        let mut connection = world.open(Protocol::H2, None).await;
        ids.extend(machine.works(&world, &mut connection, 10).await);
        connections.push(connection);
    }
    assert_eq!(peers(&risk), before_restart);
    clock.jump_to(after(86_400));
    let from_us = turned(&world, after(86_400).as_microsecond()).await;
    clock.jump_to(Timestamp::from_microsecond(from_us.max(clock.wall().as_microsecond())).unwrap());
    for machine in &mut machines {
        let mut connection = world.open(Protocol::H2, None).await;
        ids.extend(machine.works(&world, &mut connection, 10).await);
    }
    take(&mut log, &world.control, &ids).await;
    // What is noted each second is noted whole at the end.
    let control = world.control.clone();
    let folder = world.stop();
    take(&mut log, &control, &[]).await;
    let risk = folder.path().join("gate-risk");

    let whole = replay(&risk, &log, &begun, (i64::MIN, Vec::new()), "nothing");
    assert!(whole.is_same(), "{:?} {:?}", whole.differences.first(), whole.gaps.first());
    assert!(whole.decisions >= 3 * 58 && whole.same == whole.decisions + whole.ends, "{}", whole.decisions);
    for left_out in ["peers", "calls"] {
        let partial = replay(&risk, &log, &begun, (i64::MIN, Vec::new()), left_out);
        assert!(!partial.is_same(), "without its {left_out} it isn't the same");
    }

    // From the copy of the first day, with what was under way then.
    let mut copies = lines(&risk).into_iter().filter_map(|line| match line {
        Line::Copied { at_us, day, under_way } if day == today - 1 => Some((at_us, under_way)),
        _ => None,
    });
    let (copied_us, under_way) = copies.next_back().expect("the copy is told");
    assert!(!under_way.is_empty(), "the response over the turn");
    let day = risk.join("days").join((today - 1).to_string());
    let begun: Vec<_> = machines.iter().map(|machine| (machine.who, state(&day, machine.who))).collect();
    let from_copy = replay(&risk, &log, &begun, (copied_us, under_way), "nothing");
    assert!(from_copy.is_same(), "{:?} {:?}", from_copy.differences.first(), from_copy.gaps.first());
    assert!((40..whole.decisions).contains(&from_copy.decisions), "{}", from_copy.decisions);
}

#[tokio::test]
async fn what_is_older_than_the_copies_of_days_goes() {
    let midnight: Timestamp = MIDNIGHT.parse().unwrap();
    let clock = HandClock::starting(midnight - SignedDuration::from_secs(60));
    let world = World::with(clock.clone(), |_| {}).await;
    let risk = world.decision_log.path().join("gate-risk");
    let mut first = None;
    for day in 0..13 {
        let from = midnight + SignedDuration::from_hours(24 * day);
        clock.jump_to(from);
        turned(&world, from.as_microsecond()).await;
        copied(&world, from.as_microsecond().div_euclid(DAY_US) - 1).await;
        first = first.or_else(|| peers(&risk).first().cloned());
    }
    // The newest is told a moment after its copy is there.
    let folder = world.stop();
    let risk = folder.path().join("gate-risk");
    let today = midnight.as_microsecond().div_euclid(DAY_US) + 12;
    let calls: Vec<i64> = numbered(&risk.join(CALLS_FOLDER)).into_iter().map(|(day, _)| day).collect();
    assert_eq!(calls, (today - 8..=today).collect::<Vec<_>>());
    let kept = peers(&risk);
    assert!(kept.len() <= 10 && !kept.contains(&first.unwrap()), "{kept:?}");
    // What was in use when the oldest day began is there.
    assert!(kept.first().unwrap().0 <= (today - 8) * DAY_US, "{kept:?}");
    let days = numbered_states(&risk.join("days"));
    assert_eq!(days.len(), 8);
}
