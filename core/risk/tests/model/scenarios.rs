//! Stories of whole months.

use portcullis_risk::Standing;

use super::world::{Client, DAY, Numbers, SECOND, START};

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
