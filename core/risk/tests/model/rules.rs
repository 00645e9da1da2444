//! Fixed points, what evidence does, what is learnt in a day, and verdicts.

use portcullis_risk::{
    Action, Answered, Assessment, Before, Binding, Cause, Endpoint, IssuedIn, Judgement, Known, Listed,
    Missing, Mode, Outside, Points, Posture, Rules, Signal, Standing,
};

use super::world::{Client, DAY, Numbers, SECOND, START, before, context, usual};

fn points(assessed: &Assessment, code: &str) -> Option<i32> {
    let part = assessed.parts.as_slice().iter().find(|part| part.signal.code() == code)?;
    part.missing.is_none().then_some(part.points)
}

/// Each fixed signal: its points are added to the score exactly once, and never to W or V.
#[test]
fn fixed_points_add_to_the_score_and_never_to_evidence() {
    type Change = fn(&mut Before);
    let changes: [(&str, i32, Change); 17] = [
        ("machine_posture", 2_000, |request| request.posture = Known::Is(Posture::Stale)),
        ("machine_posture", 8_000, |request| request.posture = Known::Is(Posture::Failing)),
        ("machine_posture", 4_000, |request| request.posture = Known::Is(Posture::Absent)),
        ("tor_exit", 6_000, |request| request.origin.listed = Known::Is(Listed::TOR)),
        ("address_listed", 5_000, |request| request.origin.listed = Known::Is(Listed::REPUTATION)),
        ("key_rotation_overdue", 2_000, |request| request.identity.rotation_overdue = true),
        ("token_issued_elsewhere", 3_000, |request| request.issued_in = IssuedIn::OtherNetwork),
        ("token_issued_elsewhere", 3_000, |request| request.issued_in = IssuedIn::OtherTls),
        ("token_issued_elsewhere", 5_000, |request| request.issued_in = IssuedIn::OtherBoth),
        ("token_unbound", 3_000, |request| request.identity.binding = Binding::None),
        ("key_age", 1_000, |request| request.identity.key_age_seconds = Known::Is(60)),
        ("alpn_odd", 1_000, |request| request.tls.alpn_odd = Known::Is(true)),
        ("sni_odd", 1_000, |request| request.tls.sni_odd = Known::Is(true)),
        ("tls_client_misfit", 4_000, |request| request.tls.misfit = Known::Is(true)),
        ("packets_outside", 4_000, |request| request.outside = Some(Known::Is(Outside::Lately))),
        ("packets_outside", 2_000, |request| request.outside = Some(Known::Is(Outside::Waning))),
        ("tls_client_listed", 5_000, |request| request.tls.listed = Known::Is(Listed::REPUTATION)),
    ];
    let mut client = Client::new();
    client.exchange(&before(START), 1);
    // Once more, so that this context was asked before: lists ask of those that never were.
    client.risk.passed(&before(0).context, START + SECOND);
    let plain = before(START + 60 * SECOND);
    let judged = |request: &Before| client.risk.clone().before(request, &client.peers, &client.rules);
    let without = judged(&plain);
    for (code, expect, change) in changes {
        let mut request = plain;
        change(&mut request);
        let with = judged(&request);
        assert_eq!(points(&without, code), None, "{code}");
        assert_eq!(points(&with, code), Some(expect), "{code}");
        assert_eq!((with.score - without.score).milli(), i64::from(expect), "{code}");
        assert_eq!(with.evidence, without.evidence, "{code}");
        assert_eq!(with.action, Action::Allow, "{code}: points alone ask nothing");
    }
    let mut asked = plain;
    asked.posture = Known::NoData(Missing::NeverSent);
    let part = judged(&asked);
    let part = part.parts.as_slice().iter().find(|part| part.signal.code() == "machine_posture").copied();
    let part = part.expect("named");
    assert_eq!(
        (part.points, part.missing),
        (4_000, Some(Missing::NeverSent)),
        "asked for, and there is none"
    );
}

/// Whoever forges a packet's source can't deny its vendor anything: no stakes and no standing make these points act alone.
#[test]
fn dropped_packets_alone_change_no_decision() {
    let mut numbers = Numbers(11);
    let mut client = Client::new();
    let mut stages = Vec::new();
    for day in 0..20 {
        stages.push((usual(START + day * DAY, 1, &mut numbers), client.risk.clone()));
        client.day(day, 250, 90, &mut numbers);
    }
    assert_eq!(client.risk.standing(), Standing::Deny, "it has come that far");
    stages.push((usual(START + 20 * DAY, 1, &mut numbers), client.risk.clone()));
    let rules = Rules { sever_by_evidence: true, ..client.rules };
    for (plain, risk) in stages {
        for money in [1_000, 10_000, 1_000_000_000] {
            let judged = |outside| {
                let mut request = Before { outside, sample: 0, fresh_nonce: true, ..plain };
                request.at_us += 60 * SECOND;
                request.stakes.money = money;
                risk.clone().before(&request, &client.peers, &rules)
            };
            let (quiet, told) =
                (judged(Some(Known::Is(Outside::Quiet))), judged(Some(Known::Is(Outside::Lately))));
            assert_eq!((told.action, told.would, told.cause), (quiet.action, quiet.would, quiet.cause));
            assert_eq!((told.score - quiet.score).milli(), 4_000);
            assert_eq!(told.evidence, quiet.evidence, "it is no evidence");
        }
    }
}

/// It decays by steps, is only told where its family is observed, and says why where nobody counts.
#[test]
fn dropped_packets_wane_and_obey_their_familys_mode() {
    const MINUTE: i64 = 60 * SECOND;
    for (elapsed_us, expect) in [
        (None, Outside::Quiet),
        (Some(-MINUTE), Outside::Lately),
        (Some(0), Outside::Lately),
        (Some(10 * MINUTE - 1), Outside::Lately),
        (Some(10 * MINUTE), Outside::Waning),
        (Some(60 * MINUTE - 1), Outside::Waning),
        (Some(60 * MINUTE), Outside::Quiet),
    ] {
        assert_eq!(Outside::since(elapsed_us), expect, "{elapsed_us:?}");
    }
    let client = Client::new();
    let judged = |outside, mode| {
        let mut rules = client.rules;
        rules.families[Signal::Outside.family() as usize] = mode;
        let request = Before { outside, ..before(START) };
        let assessed = client.risk.clone().before(&request, &client.peers, &rules);
        assessed.parts.as_slice().iter().find(|part| part.signal == Signal::Outside).copied()
    };
    let lately = Some(Known::Is(Outside::Lately));
    let told = judged(lately, Mode::Enforce).expect("it counts");
    assert_eq!((told.points, told.observed_only), (4_000, false));
    let told = judged(lately, Mode::Observe).expect("it is told");
    assert_eq!((told.points, told.observed_only), (4_000, true));
    assert_eq!(judged(lately, Mode::Off), None);
    assert_eq!(judged(None, Mode::Enforce), None, "records of before say nothing");
    let told = judged(Some(Known::NoData(Missing::NotAsked)), Mode::Enforce).expect("it says why");
    assert_eq!((told.points, told.missing), (0, Some(Missing::NotAsked)));
}

/// Machines for rent and two contexts at once count where a context isn't admitted alone.
#[test]
fn hosting_and_split_count_on_probation_only() {
    let mut client = Client::new();
    client.exchange(&before(START), 1);
    let mut other = Before { context: context(1, 11, 101), ..before(START + 10 * SECOND) };
    client.exchange(&other, 1);
    for (apart, split) in [(20, Some(4_000)), (3_599, Some(4_000)), (3_601, None)] {
        other.at_us = START + apart * SECOND;
        other.origin.listed = Known::Is(Listed::HOSTING);
        let assessed = client.risk.clone().before(&other, &client.peers, &client.rules);
        assert!(assessed.probation);
        assert_eq!(points(&assessed, "context_split"), split, "{apart}");
        assert_eq!(points(&assessed, "hosting_network"), Some(2_000));
    }
    let mut known = before(START + 20 * SECOND);
    known.origin.listed = Known::Is(Listed::HOSTING);
    let assessed = client.risk.before(&known, &client.peers, &client.rules);
    assert_eq!((points(&assessed, "hosting_network"), points(&assessed, "context_split")), (None, None));
}

#[test]
fn nobody_moves_like_that_but_who_did_on_three_days() {
    let mut client = Client::new();
    let there = |at_us: i64, place: (i16, i16)| {
        let mut request = before(at_us);
        request.origin.place = Known::Is(place);
        request
    };
    let (berlin, potsdam, sydney) = ((5_252, 1_340), (5_239, 1_306), (-3_387, 15_121));
    client.exchange(&there(START, berlin), 1);
    for (hours, place, expect) in
        [(1, potsdam, None), (1, sydney, Some(4_000)), (15, sydney, Some(4_000)), (17, sydney, None)]
    {
        let request = there(START + hours * 3_600 * SECOND, place);
        let assessed = client.risk.clone().before(&request, &client.peers, &client.rules);
        assert_eq!(points(&assessed, "impossible_movement"), expect, "{place:?} after {hours} h");
    }
    for day in 0..4 {
        client.exchange(&there(START + day * DAY + 3_600 * SECOND, sydney), 1);
        client.exchange(&there(START + day * DAY + 7_200 * SECOND, berlin), 1);
    }
    let request = there(START + 4 * DAY, sydney);
    let assessed = client.risk.before(&request, &client.peers, &client.rules);
    assert_eq!(points(&assessed, "impossible_movement"), None, "it works like that");
}

#[test]
fn many_different_objects_stand_out_where_few_are_usual_and_reading_again_does_not() {
    let mut client = Client::new();
    let ask = |client: &mut Client, day: i64, count: i64, different: u32| {
        let mut last = None;
        for at in 0..count {
            let mut request = before(START + day * DAY + at * 60 * SECOND);
            request.object = Known::Is(at as u32 % different);
            last = points(&client.exchange(&request, 1).0, "enumeration");
        }
        last
    };
    for day in 0..4 {
        assert_eq!(ask(&mut client, day, 100, 20), None);
    }
    assert_eq!(ask(&mut client.clone(), 4, 400, 20), None, "the same again and again");
    assert_eq!(ask(&mut client, 4, 400, 400), Some(5_000));
}

fn graduated(seed: u64) -> (Client, Numbers) {
    let (mut client, mut numbers) = (Client::new(), Numbers(seed));
    for day in 0..21 {
        client.day(day, 250, 60, &mut numbers);
    }
    assert_eq!(client.risk.standing(), Standing::Deny);
    (client, numbers)
}

/// What a request comes to, from its evidence, by the words of the model.
fn naive(assessed: &Assessment, rules: &Rules, proved: bool) -> Action {
    let [w, v, denying] = assessed.evidence.map(Points::milli);
    let prior = assessed.score.milli() - w;
    let [challenge, deny, sever] = assessed.thresholds.map(Points::milli);
    let mut action = Action::Allow;
    for (holds, worse) in [
        (v >= 30_000 && prior + v >= deny, Action::Limit),
        (!proved && w >= 10_000 && prior + w >= challenge, Action::Challenge),
        (denying >= 30_000 && prior + denying >= deny, Action::Deny),
        (rules.sever_by_evidence && denying >= 60_000 && prior + denying >= sever, Action::Sever),
    ] {
        action = if holds { action.max(worse) } else { action };
    }
    action
}

/// Who holds the key in the machine's own place and passes each challenge, but does something else: evidence narrows, denies, and
/// severs where that is agreed, each exactly where the model says so.
#[test]
fn evidence_limits_denies_and_severs_by_its_thresholds() {
    for (sever_by_evidence, money) in [(true, 0), (true, 10_000), (false, 10_000), (true, 1_000_000)] {
        let (mut client, mut numbers) = graduated(31);
        client.rules.sever_by_evidence = sever_by_evidence;
        let (mut seen, mut recommended) = (Vec::new(), false);
        for at in 0..200_i64 {
            let mut request = usual(START + 21 * DAY + at * 3 * SECOND, at, &mut numbers);
            request.endpoint = Endpoint(500 + numbers.below(60) as u32);
            request.request_bytes = 1 << numbers.below(18);
            request.stakes.money = money;
            let assessed = client.risk.before(&request, &client.peers, &client.rules);
            assert_eq!(assessed.action, naive(&assessed, &client.rules, false), "{at} {assessed:?}");
            seen.push(assessed.action);
            recommended |= assessed.recommend_sever;
            if assessed.action == Action::Challenge {
                let answer = Before { answer: Answered::Valid, fresh_nonce: true, ..request };
                let answered = client.risk.before(&answer, &client.peers, &client.rules);
                assert_eq!(answered.action, naive(&answered, &client.rules, true), "{at} {answered:?}");
                seen.push(answered.action);
                if answered.action <= Action::Limit {
                    let after = super::world::after(request.at_us, 1 << numbers.below(12));
                    client.risk.after(answered.ticket, &after, &client.peers, &client.rules);
                }
            }
        }
        for action in [Action::Challenge, Action::Limit, Action::Deny] {
            assert!(seen.contains(&action), "{money}: {action:?} in {seen:?}");
        }
        assert_eq!(seen.contains(&Action::Sever), sever_by_evidence, "{money} {seen:?}");
        assert_eq!(recommended, !sever_by_evidence, "{money}");
        let first = |which: Action| seen.iter().position(|action| *action == which);
        assert!(!sever_by_evidence || first(Action::Deny) < first(Action::Sever), "one after the other");
    }
}

/// Brought to where evidence denies; when that was, and what is denied.
fn denied(client: &mut Client, numbers: &mut Numbers) -> Before {
    for at in 0..200_i64 {
        let mut request = usual(START + 21 * DAY + at * 3 * SECOND, at, numbers);
        request.endpoint = Endpoint(500 + numbers.below(60) as u32);
        request.request_bytes = 60_000;
        request.stakes.money = 10_000;
        client.exchange(&request, 5_000);
        let next = Before { at_us: request.at_us + 2 * SECOND, ..request };
        if client.risk.clone().before(&next, &client.peers, &client.rules).action == Action::Deny {
            return next;
        }
    }
    unreachable!("evidence adds up until it denies");
}

/// A machine that sends again and again what was refused doesn't thereby become a thief.
#[test]
fn a_refused_request_that_is_sent_again_hardly_counts() {
    let (mut client, mut numbers) = graduated(37);
    client.rules.sever_by_evidence = true;
    let request = denied(&mut client, &mut numbers);
    let mut actions = Vec::new();
    for at in 0..2_000_i64 {
        let again = Before { at_us: request.at_us + at * SECOND / 4, ..request };
        actions.push(client.risk.before(&again, &client.peers, &client.rules).action);
    }
    assert!(actions.iter().all(|action| *action == Action::Deny), "{actions:?}");
    let held = client.risk.contexts()[0].v;
    assert!(held < Points::whole(75), "{held:?}");
}

/// A machine that goes back to its own work is let in again, after about as much of it as outweighs what it did: as a
/// machine that was not refused yet.
#[test]
fn usual_work_outweighs_what_was_denied() {
    let (mut client, mut numbers) = graduated(37);
    let request = denied(&mut client, &mut numbers);
    let mut refused = 0;
    for at in 0..600_i64 {
        let mut request = usual(request.at_us + at * 60 * SECOND, at, &mut numbers);
        request.stakes.money = 10_000;
        let (first, ended) = client.exchange(&request, 25);
        refused += u32::from(ended.is_none());
        assert_ne!(first.action, Action::Sever);
    }
    let (last, _) = client.exchange(&usual(request.at_us + DAY, 0, &mut numbers), 25);
    assert!((1..300).contains(&refused) && last.action == Action::Allow, "{refused} {last:?}");
}

/// One context adds at most 256 exchanges a day, or 5 % of what is known; two add twice as much.
#[test]
fn a_day_teaches_no_more_than_its_bound() {
    let mut client = Client::new();
    client.exchange(&before(START), 25);
    client.risk.admit(&context(1, 11, 101), START);
    let mut before_it = client.risk.mass();
    for day in 0..40_i64 {
        let contexts = if day % 2 == 0 { 1 } else { 2 };
        for at in 0..1_200_i64 {
            let mut request = Before { sample: 0, ..before(START + day * DAY + (1 + at) * 60 * SECOND) };
            if at % contexts == 1 {
                request.context = context(1, 11, 101);
            }
            client.exchange(&request, 25);
        }
        // It fades at the first exchange of the day, by a twentieth at most.
        let mass = client.risk.mass();
        let added = f64::from(mass) - f64::from(before_it) * (1.0 - 3_166.0 / 65_536.0);
        let bound = (f64::from(mass) * 0.05).max(256.0) * contexts as f64;
        assert!(added <= bound + 2.0, "day {day}: {added} of {bound}");
        assert!(added >= 200.0, "day {day}: {added} is learnt");
        before_it = mass;
    }
    assert!(client.risk.mass() > 5_200, "five percent are more than 256: {}", client.risk.mass());
}

/// A benign verdict admits the context and leaves no evidence.
#[test]
fn a_benign_verdict_admits_and_forgets_and_is_taken_back() {
    let mut client = Client::new();
    client.exchange(&before(START), 1);
    let other = Before { context: context(1, 11, 101), ..before(START + SECOND) };
    client.exchange(&other, 1);
    assert_eq!(client.risk.progress().contexts_admitted, 1);
    assert!(client.risk.judge(1, &other.context, Judgement::Benign, false, START + 2 * SECOND));
    assert_eq!(client.risk.progress().contexts_admitted, 2);
    let nothing = client.risk.contexts().into_iter().find(|one| one.context.ja4 == Known::Is(11)).unwrap();
    assert_eq!((nothing.w, nothing.v, nothing.calibrated), (Points::ZERO, Points::ZERO, Points::ZERO));
    assert!(client.risk.judge(2, &other.context, Judgement::Benign, true, START + 3 * SECOND));
    assert_eq!(client.risk.progress().contexts_admitted, 1);
    let again =
        client.risk.before(&Before { at_us: START + 4 * SECOND, ..other }, &client.peers, &client.rules);
    assert_eq!((again.action, again.cause), (Action::Challenge, Cause::NewContext));
}
