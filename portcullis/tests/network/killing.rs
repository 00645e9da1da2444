//! kill -9 in the middle of a severance: after the next start all is closed, and nothing half.

use std::path::Path;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use http::Method;
use portcullis_lab::available::{Need, available};
use portcullis_lab::clock::{nanoseconds, now_ns};
use portcullis_lab::operator::{Answer, Operator};
use portcullis_lab::random::Random;
use portcullis_lab::stage::{Busy, Tunnels};
use portcullis_lab::world::{Beside, World};
use serde_json::json;

use crate::closed;

/// How many kills; without it there are a few.
const ROUNDS: &str = "PORTCULLIS_SEVER_KILLS";
/// So many must have hit the middle of a severance, or the moments prove nothing.
const MANY: u64 = 30;

#[test]
fn a_severance_that_is_killed_anywhere_holds_whole_after_the_next_start() {
    if !available(Need::Tunnels) {
        return;
    }
    let rounds = std::env::var(ROUNDS).map_or(3, |rounds| rounds.parse().expect("a number of rounds"));
    // Over the whole of a severance as it takes here and now, and a fifth behind it: one moment in each stretch, and whoever is
    // killed has some of the early ones, and of the late.
    let whole = nanoseconds(undisturbed()) * 6 / 5;
    let mut random = Random::new();
    let mut came = [0; 3];
    for (round, whom) in (0..rounds).zip(Victim::ALL.into_iter().cycle()) {
        let stretch = whole / rounds;
        let moment = Duration::from_nanos(round * stretch + random.below(stretch.max(1)));
        came[kill(whom, moment, &format!("round {round}")) as usize] += 1;
    }
    let [answered, held, unheard] = came;
    eprintln!(
        "{rounds} kills: {answered} after an answer, {held} with the severance held and no answer, {unheard} before it was held"
    );
    assert!(
        rounds < MANY || held > 0,
        "no kill of {rounds} fell between a severance's being held and its answer"
    );
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Victim {
    /// `portcullis up`: gate and control.
    Gate,
    Enforcer,
    Both,
}

impl Victim {
    const ALL: [Self; 3] = [Self::Gate, Self::Enforcer, Self::Both];
}

/// How far it had come when it was killed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Came {
    Answered,
    Held,
    Unheard,
}

/// The vendor with its tunnels, and all of its connections at work.
fn raise() -> (World, Tunnels, Busy, Operator) {
    let world = World::new(Path::new(env!("CARGO_BIN_EXE_portcullis")), &["acme"], Beside::Tunnels);
    let vendor = world.vendor("acme");
    let tunnels = Tunnels::raise(&world, vendor);
    let busy = Busy::start(&world, vendor, true);
    let operator = Operator::of(&world.installation, &world.gate);
    (world, tunnels, busy, operator)
}

fn sever(world: &World, operator: &Operator) -> Receiver<Answer> {
    let order = json!({ "target": "vendor/acme", "reason": "drill" });
    operator.begin(&world.gate, Method::POST, "/v1/sever", &order)
}

/// How long a severance takes that nothing is killed in, from the command to its answer.
fn undisturbed() -> Duration {
    let (world, _tunnels, _busy, operator) = raise();
    let began = now_ns();
    let answer = sever(&world, &operator).recv().unwrap();
    let took = Duration::from_nanos(now_ns() - began);
    assert!(matches!(answer, Ok((200, _))), "{answer:?}");
    eprintln!("undisturbed it takes {} us", took.as_micros());
    took
}

fn kill(whom: Victim, moment: Duration, round: &str) -> Came {
    let (mut world, tunnels, busy, operator) = raise();
    let due = now_ns() + nanoseconds(moment);
    let answer = sever(&world, &operator);
    // To the microsecond, which no timer gives.
    while now_ns() < due {
        std::hint::spin_loop();
    }
    if whom != Victim::Enforcer {
        world.installation.process.kill();
    }
    if whom != Victim::Gate {
        world.networks.as_mut().unwrap().enforcer.process.kill();
    }
    let answer = answer.recv().unwrap();
    if whom != Victim::Gate {
        let networks = world.networks.as_mut().unwrap();
        networks.enforcer.start_again(&world.gate);
    }
    if whom != Victim::Enforcer {
        world.installation.start_again(&world.gate);
    }

    let told = format!("{round}, {whom:?} killed after {} us, {answer:?}", moment.as_micros());
    let came = came(&world, &answer, &told);
    if came == Came::Unheard {
        // Nobody was told that it is severed; whoever asked asks again.
        let cut = world.installation.sever(&world.gate, "vendor/acme");
        assert_eq!(cut.status, Some(0), "{told}: {} {}", cut.receipt, cut.told);
    }
    closed::check(&world, &tunnels, &busy, &told);
    came
}

fn came(world: &World, answer: &Answer, told: &str) -> Came {
    let operator = Operator::of(&world.installation, &world.gate);
    let (status, severances) = operator.get(&world.gate, "/v1/severances").unwrap();
    assert_eq!(status, 200, "{told}: {severances}");
    let held = severances.to_string().contains("\"vendor/acme\"");
    match answer {
        Ok((200 | 202, receipt)) => {
            assert!(held, "{told}: it was answered `{}`, and is open again", receipt["answer"]);
            Came::Answered
        }
        Ok(other) => panic!("{told}: {other:?}"),
        Err(_) if held => Came::Held,
        Err(_) => Came::Unheard,
    }
}
