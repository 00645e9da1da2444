//! Stories of whole months.

use portcullis_risk::{Action, Before, Cause, Endpoint, Judgement, Standing};

use super::world::{Client, DAY, Numbers, SECOND, START, before};

#[test]
fn a_regular_client_graduates_and_is_left_alone() {
    let (mut client, mut numbers) = (Client::new(), Numbers(1));
    for day in 0..21 {
        client.day(day, 250, 60, &mut numbers);
        println!("{day} {:?} challenges {}", client.risk.progress(), client.challenges);
    }
    assert_eq!(client.risk.standing(), Standing::Deny);
    assert_eq!(client.challenges, 1, "the first context alone");
}

/// Thirty identical days, then a batch at the end of the month: challenged, judged benign, not again next month.
#[test]
fn a_batch_at_the_end_of_the_month_is_challenged_once() {
    let (mut client, mut numbers) = (Client::new(), Numbers(2));
    let batch = |client: &mut Client, day: i64| {
        let mut challenged = 0;
        for at in 0..40 {
            let request = Before {
                endpoint: Endpoint(900),
                request_bytes: 20_000,
                ..before(START + day * DAY + 20 * 3_600 * SECOND + at * 2 * SECOND)
            };
            let (assessed, _) = client.exchange(&request, 5_000);
            challenged += u32::from((assessed.action, assessed.cause) == (Action::Challenge, Cause::Score));
        }
        challenged
    };
    for day in 0..30 {
        client.day(day, 250, 60, &mut numbers);
    }
    assert_eq!(client.challenges, 1);
    assert!(batch(&mut client, 29) > 0);
    let mut unjudged = client.clone();
    assert!(client.risk.judge(1, &before(0).context, Judgement::Benign, false, START + 30 * DAY));
    for client in [&mut client, &mut unjudged] {
        let mut numbers = Numbers(5);
        for day in 30..60 {
            client.day(day, 250, 60, &mut numbers);
        }
    }
    assert_eq!(batch(&mut client, 59), 0, "{:?}", client.risk.progress());
    assert!(batch(&mut unjudged, 59) > 0, "it is the verdict that is remembered");
}

/// One percent more a day, for sixty days after the reference was sealed: found, before it takes twice as much, which is what a contract
/// would allow. Who goes on as before isn't.
#[test]
fn a_poisoner_raises_the_alarm_of_slow_drift() {
    let alarm = |ramp: f64| {
        let (mut client, mut numbers) = (Client::new(), Numbers(4));
        let (mut found, mut usual_day, mut most) = (None, 0, 0);
        for day in 0..88 {
            let more = ramp.powi((day - 27).max(0) as i32);
            let mut records = 0;
            for at in 0..250 {
                let at_us = START + day * DAY + 8 * 3_600 * SECOND + at * 60 * SECOND;
                let request = super::world::usual(at_us, at, &mut numbers);
                let taken = ((20 + numbers.below(12)) as f64 * more) as u64;
                client.exchange(&request, taken);
                records += taken;
            }
            (usual_day, most) = (if day == 0 { records } else { usual_day }, most.max(records));
            if client.risk.progress().drift_alarm && found.is_none() {
                found = Some(day - 27);
            }
        }
        assert!(client.risk.progress().drift_milli.is_some());
        (found, most as f64 / usual_day as f64)
    };
    let (found, times) = alarm(1.01);
    assert!(found.is_some_and(|days| (5..=40).contains(&days)), "{found:?}");
    assert!((1.5..2.0).contains(&times), "{times}");
    assert_eq!(alarm(1.0).0, None);
}

/// A machine that is asked while it changes its key answers with the new one, and goes on.
#[test]
fn a_question_during_a_key_rotation_recovers() {
    let (mut client, mut numbers) = (Client::new(), Numbers(6));
    for day in 0..6 {
        client.day(day, 250, 60, &mut numbers);
    }
    assert_eq!(client.risk.standing(), Standing::Challenge);
    let at_us = START + 6 * DAY + 9 * 3_600 * SECOND;
    let mut odd = Before { endpoint: Endpoint(900), request_bytes: 60_000, ..before(at_us) };
    // Where less is at stake, one strange request alone isn't asked about.
    odd.stakes.money = 10_000;
    let assessed = client.risk.before(&odd, &client.peers, &client.rules);
    assert_eq!((assessed.action, assessed.cause), (Action::Challenge, Cause::Score));
    let reached = portcullis_risk::Reached {
        action: assessed.action,
        parts: assessed.parts.as_slice(),
        thresholds: assessed.thresholds,
        evidence: assessed.evidence,
        observed_too: false,
    };
    let changes = portcullis_risk::changes(&reached);
    assert!(changes.iter().any(|change| change.part.signal.code() == "unusual_endpoint"), "{changes:?}");
    // The old key's question stays open; the new key, in the same place, isn't asked for it, nor for a new context.
    let rotated = Before { context: super::world::context(2, 10, 100), at_us: at_us + SECOND, ..odd };
    let assessed = client.risk.before(&rotated, &client.peers, &client.rules);
    let code = |code: &str| assessed.parts.as_slice().iter().any(|part| part.signal.code() == code);
    assert!(code("key_new") && assessed.cause != Cause::Pending && assessed.cause != Cause::NewContext);
    for at in 0..300 {
        let mut request = super::world::usual(at_us + (60 + at) * 60 * SECOND, at, &mut numbers);
        request.context = rotated.context;
        let (assessed, ended) = client.exchange(&request, 25);
        assert!(assessed.action <= Action::Challenge && ended.is_some(), "{at}: {assessed:?}");
        // However often it is asked there: a known place with another key is no new pair.
        assert!(!assessed.probation, "{at}: {assessed:?}");
    }
    // After a day it is admitted, and learnt from.
    let mut request = super::world::usual(at_us + 2 * DAY, 1, &mut numbers);
    request.context = rotated.context;
    client.exchange(&request, 25);
    assert_eq!(client.risk.progress().contexts_admitted, 2);
}

/// Verdicts come once, and go without a trace.
#[test]
fn verdicts_are_applied_once_and_taken_back() {
    let (mut client, mut numbers) = (Client::new(), Numbers(8));
    for day in 0..6 {
        client.day(day, 250, 60, &mut numbers);
    }
    let at_us = START + 6 * DAY;
    for at in 0..5 {
        let odd = Before {
            endpoint: Endpoint(901),
            request_bytes: 60_000,
            answer: portcullis_risk::Answered::Valid,
            ..before(at_us + at * SECOND)
        };
        client.exchange(&odd, 9_000);
    }
    let context = before(0).context;
    for judgement in [Judgement::Malicious, Judgement::Benign] {
        let mut judged = client.risk.clone();
        assert!(judged.judge(7, &context, judgement, false, at_us));
        let bytes = judged.to_bytes();
        assert!(!judged.judge(7, &context, judgement, false, at_us), "known already");
        assert_eq!(judged.to_bytes(), bytes);
        let odd = Before { endpoint: Endpoint(901), request_bytes: 60_000, ..before(at_us + 60 * SECOND) };
        let points = |risk: &portcullis_risk::ClientRisk| {
            let assessed = risk.clone().before(&odd, &client.peers, &client.rules);
            let learnt =
                assessed.parts.as_slice().iter().filter(|part| part.signal.code().starts_with("unusual"));
            learnt.map(|part| part.points).collect::<Vec<_>>()
        };
        assert_ne!(points(&judged), points(&client.risk), "{judgement:?}");
        assert!(judged.judge(8, &context, judgement, true, at_us));
        assert_eq!(points(&judged), points(&client.risk), "{judgement:?} taken back");
    }
}
