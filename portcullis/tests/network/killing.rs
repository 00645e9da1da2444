//! kill -9 in the middle of a severance: after the next start all is closed, and nothing half.

use std::path::Path;
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
/// Most of a severance: moments are within it, and some behind it.
const MOMENTS: Duration = Duration::from_millis(30);

#[test]
fn a_severance_that_is_killed_anywhere_holds_whole_after_the_next_start() {
    if !available(Need::Tunnels) {
        return;
    }
    let rounds = std::env::var(ROUNDS).map_or(3, |rounds| rounds.parse().expect("a number of rounds"));
    let mut random = Random::new();
    let mut came = [0; 3];
    for round in 0..rounds {
        let moment = Duration::from_nanos(random.below(nanoseconds(MOMENTS)));
        // The first few are one of each.
        let whom = Victim::ALL[round % Victim::ALL.len()];
        came[kill(whom, moment, &format!("round {round}")) as usize] += 1;
    }
    let [answered, held, unheard] = came;
    eprintln!(
        "{rounds} kills: {answered} after an answer, {held} with the severance held and no answer, {unheard} before it was held"
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

fn kill(whom: Victim, moment: Duration, round: &str) -> Came {
    let mut world = World::new(Path::new(env!("CARGO_BIN_EXE_portcullis")), &["acme"], Beside::Tunnels);
    let vendor = world.vendor("acme");
    let tunnels = Tunnels::raise(&world, vendor);
    let busy = Busy::start(&world, vendor, true);
    let operator = Operator::of(&world.installation, &world.gate);

    let due = now_ns() + nanoseconds(moment);
    let order = json!({ "target": "vendor/acme", "reason": "drill" });
    let answer = operator.begin(&world.gate, Method::POST, "/v1/sever", &order);
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
