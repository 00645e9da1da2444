//! The end of a contract, to the second in the contract's own zone, while a download goes on.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use jiff::Timestamp;
use portcullis_domain::decision::Ending;
use portcullis_domain::reason::Reason;
use portcullis_domain::spec::ContractSpec;

use crate::support::bystander::Bystander;
use crate::support::client::{Answer, BOTH, Protocol, With, get};
use crate::support::clock::HandClock;
use crate::support::identity::who;
use crate::support::soon;
use crate::support::world::World;

/// From the moment the clock shows the end to the moment the client sees it.
const CUT_WITHIN: Duration = Duration::from_millis(100);

fn term(starts: &str, ends: &str, time_zone: &str) -> (Timestamp, Timestamp) {
    let spec = ContractSpec {
        vendor: "vendor-1".to_owned(),
        starts: starts.parse().unwrap(),
        ends: ends.parse().unwrap(),
        time_zone: time_zone.to_owned(),
        reference: None,
        signed_by: Vec::new(),
        service_levels: None,
        clauses: Vec::new(),
        vendor_name: None,
        notice_days: None,
        auto_renews: false,
        amendments: Vec::new(),
    };
    spec.term().unwrap()
}

#[tokio::test]
async fn a_contract_ends_after_its_last_day_whatever_the_clocks_do_on_it() {
    for (protocol, last_day, zone, end) in [
        // 25 hours: the clocks go back.
        (Protocol::H1, "2026-10-25", "Europe/Berlin", "2026-10-25T23:00:00Z"),
        (Protocol::H2, "2026-10-25", "Europe/Berlin", "2026-10-25T23:00:00Z"),
        // 25 and 23 hours.
        (Protocol::H1, "2026-11-01", "America/New_York", "2026-11-02T05:00:00Z"),
        (Protocol::H2, "2026-03-08", "America/New_York", "2026-03-09T04:00:00Z"),
    ] {
        let (starts, ends) = term("2026-01-01", last_day, zone);
        assert_eq!(ends, end.parse().unwrap());
        // In front of the change of the clocks; its token has expired long before the end.
        let world = World::with(HandClock::starting(ends - Duration::from_secs(24 * 3_600)), |facts| {
            let (starts, ends) = (starts.as_microsecond(), ends.as_microsecond());
            facts.integrations[0].starts_us = starts;
            facts.integrations[0].contract_ends_us = ends;
            facts.integrations[0].grant_ends_us = ends;
        })
        .await;
        let world = Arc::new(world);
        let bystander = Bystander::start(&world, who(2, 1), "/free/x?n=1").await;
        let (mut connection, token, certificate) = world.client(who(1, 1), protocol).await;
        let asked = get("/free/x?n=1000000&chunk=5&pace_ms=2").bearer(&token);
        let mut response = connection.send(asked).await.unwrap();
        let id = response.headers()["portcullis-decision"].to_str().unwrap().parse().unwrap();
        for _ in 0..20 {
            soon("the download", response.body_mut().frame()).await.unwrap().unwrap();
        }
        world.clock.jump_to(ends);
        // The machine's own time: the gate's clock is in the test's hand.
        let cut = tokio::time::timeout(CUT_WITHIN, Answer::read(response)).await.expect("a cut in time");
        assert!(cut.broke_off.is_some());
        let outcome = world.control.outcome(id).await;
        assert_eq!((outcome.ending, outcome.reason), (Ending::Cut, Reason::ContractNotInForce));
        let token = world.token(who(1, 1), &certificate);
        let mut again = world.open(protocol, Some(&certificate)).await;
        // However often it asks it is told why, and not reset.
        for _ in 0..200 {
            let refused = again.ask(get("/free/x").bearer(&token)).await.unwrap();
            assert_eq!((refused.status, refused.reason().as_str()), (403, "contract_not_in_force"));
        }
        bystander.served().await;
    }
}

#[tokio::test]
async fn a_contract_begins_with_its_first_day() {
    let (starts, ends) = term("2026-03-29", "2026-12-31", "Europe/Berlin");
    assert_eq!(starts, "2026-03-28T23:00:00Z".parse().unwrap());
    let world = World::with(HandClock::starting(starts - Duration::from_secs(60)), |facts| {
        facts.integrations[0].starts_us = starts.as_microsecond();
        facts.integrations[0].contract_ends_us = ends.as_microsecond();
    })
    .await;
    for protocol in BOTH {
        let (mut connection, token, certificate) = world.client(who(1, 1), protocol).await;
        if protocol == BOTH[0] {
            let refused = connection.ask(get("/free/x").bearer(&token)).await.unwrap();
            assert_eq!(refused.reason(), "contract_not_in_force");
            world.clock.jump_to(starts);
        }
        let mut connection = world.open(protocol, Some(&certificate)).await;
        assert_eq!(connection.ask(get("/free/x").bearer(&token)).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_grant_may_end_before_its_contract() {
    let clock = HandClock::real();
    let ends = clock.wall() + Duration::from_secs(60);
    let world = World::with(clock, |facts| facts.integrations[0].grant_ends_us = ends.as_microsecond()).await;
    let (mut connection, token, certificate) = world.client(who(1, 1), BOTH[1]).await;
    let response = connection.send(get("/free/x?n=1000000&chunk=5&pace_ms=2").bearer(&token)).await.unwrap();
    world.clock.jump_to(ends);
    let cut = tokio::time::timeout(CUT_WITHIN, Answer::read(response)).await.expect("a cut in time");
    assert!(cut.broke_off.is_some());
    let mut again = world.open(BOTH[1], Some(&certificate)).await;
    assert_eq!(again.ask(get("/free/x").bearer(&token)).await.unwrap().reason(), "grant_ended");
}
