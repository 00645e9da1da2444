//! What holds whatever comes.

use portcullis_risk::{
    Action, Answered, Before, ClientRisk, Endpoint, Family, Known, Mode, Peers, Points, Rules,
};

use super::world::{DAY, Numbers, SECOND, START, after, before, context};

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
    for family in &mut rules.families {
        *family = [Mode::Enforce, Mode::Enforce, Mode::Enforce, Mode::Observe, Mode::Off]
            [numbers.below(5) as usize];
    }
    (request, rules)
}

#[test]
fn parts_sum_to_the_score_on_every_decision_of_a_long_run() {
    let (mut risk, peers, mut numbers) = (ClientRisk::new(), Peers::default(), Numbers(7));
    let (mut at_us, mut most, mut marked) = (START, 0, 0);
    for _ in 0..60_000 {
        at_us += numbers.below(60) as i64 * SECOND;
        let (request, rules) = random(&mut numbers, at_us);
        let assessed = risk.before(&request, &peers, &rules);
        assert_eq!(assessed.parts.sum(true), assessed.score, "{assessed:?}");
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
