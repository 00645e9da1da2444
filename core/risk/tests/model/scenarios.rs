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
            let (assessed, ended) = client.exchange(&request, 5_000);
            let show = |parts: &portcullis_risk::Parts| parts.as_slice().iter().filter(|p| p.points != 0).map(|p| format!("{:?} {}", p.signal, p.points)).collect::<Vec<_>>().join(" ");
            println!("{at} {:?} {:?} {} | {} | {}", assessed.action, assessed.cause, assessed.score, show(&assessed.parts), ended.map(|e| show(&e.parts)).unwrap_or_default());
            challenged += u32::from((assessed.action, assessed.cause) == (Action::Challenge, Cause::Score));
        }
        challenged
    };
    for day in 0..30 {
        client.day(day, 250, 60, &mut numbers);
    }
    assert_eq!(client.challenges, 1);
    assert!(batch(&mut client, 29) > 0);
    assert!(client.risk.judge(1, &before(0).context, Judgement::Benign, false, START + 30 * DAY));
    for day in 30..60 {
        client.day(day, 250, 60, &mut numbers);
    }
    assert_eq!(batch(&mut client, 59), 0, "{:?}", client.risk.progress());
}

/// One percent more a day, for sixty days after the reference was sealed.
#[test]
fn a_poisoner_raises_the_alarm_of_slow_drift() {
    let (mut client, mut numbers) = (Client::new(), Numbers(4));
    for day in 0..28 {
        client.day(day, 250, 60, &mut numbers);
    }
    assert!(client.risk.progress().drift_milli.is_some() && !client.risk.progress().drift_alarm);
    let mut found = None;
    for day in 28..88 {
        let more = 1.01_f64.powi((day - 27) as i32);
        for at in 0..250 {
            let request = super::world::usual(
                START + day * DAY + 8 * 3_600 * SECOND + at * 60 * SECOND,
                at,
                &mut numbers,
            );
            client.exchange(&request, ((20 + numbers.below(12)) as f64 * more) as u64);
        }
        if client.risk.progress().drift_alarm && found.is_none() {
            found = Some(day - 27);
        }
    }
    println!("alarm after {found:?} days");
    assert!(found.is_some_and(|days| days <= 60));
}
