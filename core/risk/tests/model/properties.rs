//! What holds whatever comes.

use portcullis_risk::{
    Action, Answered, Before, ClientRisk, Endpoint, Family, Known, Missing, Mode, Outside, PeerCounts, Peers,
    Points, Rules, Signal, TOLD_MAX, Told,
};

use super::world::{Client, DAY, Numbers, SECOND, START, after, before, context, usual};

/// Requests of all kinds: three contexts, many endpoints, days, answers, families in every mode.
fn random(numbers: &mut Numbers, at_us: i64) -> (Before, Rules) {
    let endpoints = if numbers.below(10) == 0 { 60 } else { 4 };
    let mut request = Before {
        context: context(
            1 + numbers.below(30) / 29,
            10 + numbers.below(40) / 39,
            100 + numbers.below(40) / 39,
        ),
        endpoint: Endpoint(numbers.below(endpoints) as u32),
        request_bytes: 1 << numbers.below(12),
        sample: numbers.below(65_536) as u16,
        object: Known::Is(numbers.below(1_000) as u32),
        answer: match numbers.below(6) {
            0..=2 => Answered::Valid,
            3 => Answered::Ahead,
            _ => Answered::No,
        },
        ..before(at_us)
    };
    request.stakes.money = 1 << numbers.below(24);
    let mut rules = Rules { sever_by_evidence: numbers.below(2) == 0, ..Rules::default() };
    let modes = [Mode::Enforce, Mode::Enforce, Mode::Enforce, Mode::Observe, Mode::Off];
    for family in &mut rules.families {
        *family = modes.get(numbers.below(5) as usize).copied().unwrap_or_default();
    }
    (request, rules)
}

#[test]
fn parts_sum_to_the_score_on_every_decision_of_a_long_run() {
    let (mut risk, peers, mut numbers) = (ClientRisk::new(), Peers::default(), Numbers(7));
    let (mut at_us, mut most, mut marked) = (START, 0, 0);
    for _ in 0..60_000 {
        at_us += numbers.below(60) as i64 * SECOND;
        let (mut request, rules) = random(&mut numbers, at_us);
        request.outside = match numbers.below(8) {
            0 => None,
            1 => Some(Known::NoData(Missing::NotAsked)),
            2 => Some(Known::Is(Outside::Waning)),
            3 => Some(Known::Is(Outside::Lately)),
            _ => request.outside,
        };
        let assessed = risk.before(&request, &peers, &rules);
        assert_eq!(assessed.parts.sum(true), assessed.score, "{assessed:?}");
        let acting = assessed.parts.as_slice().iter().filter(|part| !part.observed_only);
        let fixed = acting.filter(|part| !part.signal.is_evidence()).map(|part| Points(part.points.into()));
        let [evidence, ..] = assessed.evidence;
        if !assessed.parts.as_slice().is_empty() {
            assert_eq!(fixed.sum::<Points>() + evidence, assessed.score, "{assessed:?}");
        }
        most = most.max(assessed.parts.as_slice().len());
        marked += assessed.parts.as_slice().iter().filter(|part| part.observed_only).count();
        for part in assessed.parts.as_slice() {
            let mode = rules.families[part.signal.family() as usize];
            let structural = part.signal.family() == Family::Behaviour;
            assert!(mode != Mode::Off || structural, "{part:?}");
        }
        if assessed.action <= Action::Limit {
            let records = 1 << numbers.below(14);
            let ended = risk.after(assessed.ticket, &after(at_us + 1_000, records), &peers, &rules);
            assert_eq!(ended.parts.sum(true), ended.score, "{ended:?}");
        }
    }
    assert!(most <= 40 && marked > 1_000, "{most} parts at most, {marked} marked");
    assert!(risk.progress().exchanges > 10_000, "{:?}", risk.progress());
}

#[test]
fn a_state_comes_back_from_its_bytes_and_nothing_else_does() {
    let (mut risk, peers, mut numbers) = (ClientRisk::new(), Peers::default(), Numbers(3));
    for at in 0..5_000 {
        let (request, rules) = random(&mut numbers, START + at * 90 * SECOND);
        let assessed = risk.before(&request, &peers, &rules);
        risk.after(assessed.ticket, &after(request.at_us + 1_000, 10), &peers, &rules);
    }
    let bytes = risk.to_bytes();
    assert_eq!(ClientRisk::from_bytes(&bytes).unwrap(), risk);
    for _ in 0..2_000 {
        let mut broken = bytes.clone();
        match numbers.below(3) {
            0 => broken.truncate(numbers.below(bytes.len() as u64) as usize),
            1 => broken.push(0),
            _ => broken[numbers.below(bytes.len() as u64) as usize] ^= 1 << numbers.below(8),
        }
        assert!(ClientRisk::from_bytes(&broken).is_err());
    }
}

#[test]
fn clocks_that_run_backwards_are_named_and_time_stays() {
    let mut risk = ClientRisk::new();
    let mut request = Before { answer: Answered::Ahead, ..before(START + DAY) };
    risk.before(&request, &Peers::default(), &Rules::default());
    for at_us in [START, i64::MIN, 0] {
        request.at_us = at_us;
        let assessed = risk.before(&request, &Peers::default(), &Rules::default());
        let named = assessed.parts.as_slice().iter().any(|part| part.signal.code() == "clock_backwards");
        assert!(named && assessed.action == Action::Allow);
    }
    request.at_us = i64::MAX;
    risk.before(&request, &Peers::default(), &Rules::default());
    assert!(risk.progress().evidence >= Points::ZERO);
}

/// A long generated run, whose bits are the same on any machine.
fn generated(seed: u64, exchanges: i64) -> Box<ClientRisk> {
    let (mut risk, peers, mut numbers) = (Box::new(ClientRisk::new()), Peers::default(), Numbers(seed));
    for at in 0..exchanges {
        let (request, rules) = random(&mut numbers, START + at * 61 * SECOND);
        let assessed = risk.before(&request, &peers, &rules);
        risk.after(assessed.ticket, &after(request.at_us + 1_000, 1 << numbers.below(12)), &peers, &rules);
    }
    risk
}

/// Another machine, or another compiler, would show a difference here. It changes with the model: then so do replays of
/// decisions that were logged before.
#[test]
fn the_same_calls_give_the_same_bits() {
    let bytes = generated(11, 12_000).to_bytes();
    assert_eq!(bytes, generated(11, 12_000).to_bytes());
    let hash = bytes.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    });
    assert_eq!(format!("{hash:016x}"), "189c034eb3aca145");
}

#[test]
fn merging_is_the_same_whichever_is_added_to_which() {
    for seed in 0..8 {
        let (one, other) = (generated(seed, 3_000), generated(seed + 100, 2_000));
        let (mut left, mut right) = (one.clone(), other.clone());
        left.merge(&other);
        right.merge(&one);
        assert!(left.to_bytes() == right.to_bytes(), "seed {seed}");
        assert_eq!(left.progress().exchanges, one.progress().exchanges + other.progress().exchanges);
        assert_eq!(ClientRisk::from_bytes(&left.to_bytes()).unwrap(), *left);
        let (mut ab, mut ba) = (PeerCounts::default(), PeerCounts::default());
        for (counts, [first, second]) in [(&mut ab, [&one, &other]), (&mut ba, [&other, &one])] {
            counts.add(first);
            counts.add(second);
        }
        assert_eq!(ab, ba);
    }
}

/// The evidence of a context against a naive model of it: W is what is left above the lowest point since the last zero,
/// comes back to exactly 0, and exp(W) is at most 1 + Shiryaev and Roberts's sum.
#[test]
fn evidence_is_an_e_cusum() {
    let (mut client, mut numbers) = (Client::new(), Numbers(17));
    let (mut w, mut sum, mut zeros, mut most) = (0_i64, 0.0_f64, 0, 0);
    for at in 0..30_000_i64 {
        let odd = at % 500 > 490;
        let mut request = usual(START + at * 60 * SECOND, at, &mut numbers);
        if odd {
            request.endpoint = Endpoint(numbers.below(9) as u32);
            request.request_bytes = 1 << numbers.below(16);
        }
        let rules = Rules { mode: Mode::Observe, ..Rules::default() };
        request.answer = Answered::Ahead;
        let assessed = client.risk.before(&request, &client.peers, &rules);
        assert_eq!(assessed.action, Action::Allow);
        let own = |parts: &portcullis_risk::Parts| -> i64 {
            let own = |signal: Signal| {
                signal.is_evidence() && !matches!(signal, Signal::Carried | Signal::Floor | Signal::Proved)
            };
            parts.as_slice().iter().filter(|part| own(part.signal)).map(|part| i64::from(part.points)).sum()
        };
        let records = if odd { 1 << numbers.below(12) } else { 20 + numbers.below(12) };
        let ended = client.risk.after(
            assessed.ticket,
            &after(request.at_us + 40_000, records),
            &client.peers,
            &rules,
        );
        for more in [own(&assessed.parts), own(&ended.parts)] {
            w = (w + more).max(0);
            sum = (1.0 + sum) * (more as f64 / 4_342.944_819).exp();
        }
        assert_eq!(ended.score.milli(), w.min(1_000_000), "at {at}");
        assert!((w as f64 / 4_342.944_819).exp() <= 1.0 + sum * 1.000_001, "at {at}: {w} {sum}");
        zeros += u32::from(w == 0);
        most = most.max(w);
        assert!(at == 0 || ended.score >= Points::ZERO);
    }
    assert!(zeros > 20_000 && most > 30_000, "{zeros} times nothing, {most} at most");
}

fn told(client: &mut Client) -> Vec<Told> {
    let mut all = Vec::new();
    client.risk.tell(|told| all.push(told));
    assert!(all.len() <= TOLD_MAX);
    all
}

/// Three gates that tell each other at every step come to what one gate comes to that sees everything: evidence, baseline
/// (each exchange adds the same), what waits and what is learnt.
#[test]
fn gates_that_talk_come_to_what_one_gate_comes_to() {
    let mut one = Client::new();
    let mut numbers = Numbers(23);
    one.exchange(&before(START), 1);
    let mut gates = [one.clone(), one.clone(), one.clone()];
    gates.iter_mut().for_each(|gate| assert!(told(gate).len() <= 3, "what came before is known to all"));
    let (mut at, mut passes, mut most, mut different) = (0, 0, 0, 0);
    for step in 1..6_000_i64 {
        if numbers.below(7) == 0 {
            at = numbers.below(3) as usize;
        }
        let odd = step % 900 > 840;
        let request = Before {
            endpoint: Endpoint(numbers.below(if odd { 30 } else { 4 }) as u32),
            request_bytes: 1 << numbers.below(if odd { 14 } else { 3 }),
            sample: numbers.below(65_536) as u16,
            ..before(START + step * 37 * SECOND)
        };
        let records = 1 << numbers.below(if odd { 12 } else { 3 });
        let (alone, _) = one.exchange(&request, records);
        let (shared, _) = gates[at].exchange(&request, records);
        // Among equals, another endpoint may have made room: that is all by which they may differ.
        let apart = (alone.evidence[0] - shared.evidence[0]).milli().abs();
        assert!(apart <= 1_000 && (alone.score - shared.score).milli().abs() <= 1_000, "at {step}: {apart}");
        different += u32::from(apart > 0);
        assert_eq!(alone.action, shared.action, "at {step}");
        most = most.max(alone.evidence[1].milli());
        if step % 1_500 == 850 {
            passes += 1;
            one.risk.passed(&request.context, request.at_us);
            gates[at].risk.passed(&request.context, request.at_us);
        }
        let all = told(&mut gates[at]);
        assert!(told(&mut gates[at]).is_empty(), "told once");
        let others = gates.iter_mut().enumerate().filter(|(other, _)| *other != at);
        others.for_each(|(_, gate)| all.iter().for_each(|told| gate.risk.hear(told)));
    }
    assert!(passes > 2 && most > 30_000 && different < 600, "{passes} {most} {different}");
}

/// A gate that nobody listens to keeps what it can, and no more.
#[test]
fn what_isnt_told_for_long_stays_bounded() {
    let mut client = Client::new();
    let mut numbers = Numbers(29);
    told(&mut client);
    for day in 0..3 {
        client.day(day, 250, 60, &mut numbers);
    }
    let all = told(&mut client);
    let of = |which: fn(&Told) -> bool| all.iter().filter(|told| which(told)).count();
    assert_eq!(of(|told| matches!(told, Told::Exchange(_))), 20);
    assert_eq!(of(|told| matches!(told, Told::Windows(_))), 1);
    let mut other = Client::new();
    all.iter().for_each(|told| other.risk.hear(told));
    assert_eq!(other.risk.progress().contexts_admitted, 0, "a context is admitted by each gate");
}

/// What the version before has written: the same, but for what it didn't know.
#[test]
fn states_of_the_first_version_are_read() {
    let state = generated(13, 3_000);
    let bytes = state.to_bytes();
    assert_eq!(bytes[4..6], [0, 2]);
    let added = 58;
    let mut old = bytes[..bytes.len() - 8 - added].to_vec();
    old[5] = 1;
    let old = ClientRisk::sealed(old);
    assert_eq!(ClientRisk::from_bytes(&old).unwrap(), *state);
    for version in [0, 3] {
        let mut other = old[..old.len() - 8].to_vec();
        other[5] = version;
        assert_eq!(
            ClientRisk::from_bytes(&ClientRisk::sealed(other)),
            Err(portcullis_risk::Broken::Version(version.into()))
        );
    }
}

/// Whatever stands in the fields: read or refused, and what was read goes on without a panic.
#[test]
fn hostile_states_are_no_panic() {
    let (written, mut numbers) = (generated(5, 2_000), Numbers(41));
    let bytes = written.to_bytes();
    let (body, mut read) = (&bytes[..bytes.len() - 8], 0);
    for _ in 0..250 {
        let mut broken = body.to_vec();
        for _ in 0..1 + numbers.below(40) {
            let place = numbers.below(body.len() as u64) as usize;
            broken[place] = [0, 1, 0x7F, 0x80, 0xFF, numbers.next() as u8][numbers.below(6) as usize];
        }
        let Ok(mut risk) = ClientRisk::from_unsealed(&broken) else { continue };
        read += 1;
        let (request, rules) = random(&mut numbers, START + 2_100 * 61 * SECOND);
        let peers = Peers::default();
        for at_us in [request.at_us, request.at_us + DAY, i64::MAX] {
            let assessed = risk.before(&Before { at_us, ..request }, &peers, &rules);
            assert_eq!(assessed.parts.sum(true), assessed.score);
            risk.after(assessed.ticket, &after(at_us, 1 << 12), &peers, &rules);
        }
        risk.judge(u64::MAX, &request.context, portcullis_risk::Judgement::Malicious, false, START);
        let mut other = written.clone();
        other.merge(&risk);
        PeerCounts::default().add(&other);
    }
    assert!(read > 40, "{read}");
}
