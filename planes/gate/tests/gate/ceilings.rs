//! What a contract allows at the most, and what a vendor may have at all: the next request after a change is judged by it.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::BodyExt;
use portcullis_domain::access::Access;
use portcullis_domain::decision::{Ending, Verdict};
use portcullis_domain::reason::Reason;
use portcullis_policy::access::AccessFrom;
use portcullis_policy::ceilings::CeilingFacts;
use portcullis_policy::facts::SnapshotFacts;
use portcullis_policy::policies::PolicyFacts;
use portcullis_risk::{Grade, Known, Listed, Missing, Mode, Origin, OriginSource, Signal};

use crate::support::client::{Answer, BOTH, Connection, Protocol, With, get};
use crate::support::clock::HandClock;
use crate::support::identity::{Certificate, Who, who};
use crate::support::soon;
use crate::support::world::{World, bound_to_certificate, route_id};

/// From the new facts on their way to the gate, to the refusal.
const WITHIN: Duration = Duration::from_secs(1);

/// By the machine's clock, which the test's runs with.
fn took(world: &World, began: jiff::Timestamp) -> Duration {
    world.clock.wall().duration_since(began).unsigned_abs()
}

/// Says the same of every address.
struct Everywhere;

impl OriginSource for Everywhere {
    fn origin(&self, _: IpAddr) -> Origin {
        Origin { country: Known::Is(*b"DE"), asn: Known::Is(64_500), ..Origin::UNKNOWN }
    }

    fn ja4(&self, _: &str) -> Known<Listed> {
        Known::NoData(Missing::NoDatabase)
    }
}

fn texts(texts: &[&str]) -> Option<Vec<String>> {
    Some(texts.iter().map(|text| (*text).to_owned()).collect())
}

fn in_mode(mode: Mode) -> PolicyFacts {
    PolicyFacts { name: "all".to_owned(), mode: Some(mode), ..PolicyFacts::default() }
}

/// Says it of the first vendor's integration.
async fn ceil(world: &World, ceilings: CeilingFacts) {
    world.publish(|facts| facts.integrations[0].ceilings = ceilings).await;
}

async fn allow(world: &World, access: Access) {
    world.publish(|facts| facts.vendors[0].access = vec![AccessFrom::always(access)]).await;
}

fn forwarded(world: &World) -> u64 {
    world.upstream.log.requests.load(Ordering::SeqCst)
}

/// A request that is refused for `reason`, before it is forwarded.
async fn refused(world: &World, connection: &mut Connection, token: &str, path: &str) -> (u16, String) {
    let before = forwarded(world);
    let answer = connection.ask(get(path).bearer(token)).await.unwrap();
    let reason = if answer.status == 200 { String::new() } else { answer.reason() };
    assert!(answer.status == 200 || forwarded(world) == before);
    let verdict = world.control.decision(answer.decision()).await.verdict;
    assert_eq!(verdict == Verdict::Deny, answer.status != 200, "{answer:?}");
    (answer.status, reason)
}

#[tokio::test]
async fn a_ceiling_holds_from_the_next_request_on_in_every_mode() {
    let none = CeilingFacts::default;
    let prefix = |prefix: &str| CeilingFacts { networks: texts(&[prefix]), ..none() };
    let table = [
        (CeilingFacts { routes: Some(vec![route_id(1)]), ..none() }, (200, "")),
        (CeilingFacts { routes: Some(vec![route_id(2)]), ..none() }, (403, "ceiling_route")),
        (CeilingFacts { countries: texts(&["AT", "DE"]), ..none() }, (200, "")),
        (CeilingFacts { countries: texts(&["AT"]), ..none() }, (403, "ceiling_country")),
        (CeilingFacts { clause_countries: texts(&["AT"]), ..none() }, (403, "clause_country")),
        (CeilingFacts { clause_countries: texts(&["DE"]), ..none() }, (200, "")),
        (prefix("127.0.0.0/8"), (200, "")),
        (prefix("AS64500"), (200, "")),
        (prefix("192.0.2.0/24"), (403, "ceiling_network")),
        (prefix("AS64501"), (403, "ceiling_network")),
    ];
    for (mode, protocol) in
        [(Mode::Off, Protocol::H1), (Mode::Observe, Protocol::H2), (Mode::Enforce, Protocol::H1)]
    {
        let change = |facts: &mut SnapshotFacts| facts.policies.push(in_mode(mode));
        let world = World::located(Arc::new(Everywhere), change).await;
        let (mut connection, token, _) = world.client(who(1, 1), protocol).await;
        let (mut other, other_token, _) = world.client(who(2, 1), protocol).await;
        for (ceilings, (status, reason)) in &table {
            let ask = async |connection: &mut Connection| {
                refused(&world, connection, &token, "/records/1?n=1").await
            };
            assert_eq!(ask(&mut connection).await, (200, String::new()), "{mode:?} before {ceilings:?}");
            let began = world.clock.wall();
            ceil(&world, ceilings.clone()).await;
            assert_eq!(ask(&mut connection).await, (*status, (*reason).to_owned()), "{mode:?} {ceilings:?}");
            assert!(took(&world, began) < WITHIN, "{:?}", took(&world, began));
            // Nobody else's.
            assert_eq!(refused(&world, &mut other, &other_token, "/records/1").await.0, 200);
            ceil(&world, none()).await;
        }
    }
}

#[tokio::test]
async fn what_nobody_can_look_up_lies_above_a_ceiling() {
    let world = World::new().await;
    let (mut connection, token, _) = world.client(who(1, 1), Protocol::H1).await;
    let none = CeilingFacts::default;
    for (ceilings, reason) in [
        (CeilingFacts { countries: texts(&["DE"]), ..none() }, "ceiling_country_unknown"),
        (CeilingFacts { networks: texts(&["AS64500"]), ..none() }, "ceiling_network_unknown"),
    ] {
        ceil(&world, ceilings).await;
        let answer = refused(&world, &mut connection, &token, "/records/1").await;
        assert_eq!(answer, (403, reason.to_owned()));
    }
    // A prefix needs no data.
    ceil(&world, CeilingFacts { networks: texts(&["AS64500", "127.0.0.0/8"]), ..none() }).await;
    assert_eq!(refused(&world, &mut connection, &token, "/records/1").await.0, 200);
}

async fn ask(connection: &mut Connection, token: &str, path: &str) -> Answer {
    soon("an answer", connection.ask(get(path).bearer(token))).await.unwrap()
}

#[tokio::test]
async fn a_day_has_so_many_records_for_all_clients_over_a_restart_too() {
    let a_day = || CeilingFacts { records_per_day: Some(1_000), ..CeilingFacts::default() };
    let noon: jiff::Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
    let world =
        World::with(HandClock::starting(noon), |facts| facts.integrations[0].ceilings = a_day()).await;
    let (mut one, one_token, certificate) = world.client(who(1, 1), Protocol::H1).await;
    let (mut other, other_token, _) = world.client(who(1, 2), Protocol::H2).await;
    let answer = ask(&mut one, &one_token, "/records/1?n=600").await;
    assert_eq!((answer.status, answer.records()), (200, 600));
    assert!(
        answer.header("ratelimit-policy").unwrap().contains("\"records-day\";q=1000;qu=\"records\";w=86400")
    );
    // What crosses it is cut, over its own connection alone, and closes nobody's key.
    let cut = ask(&mut other, &other_token, "/records/1?n=600").await;
    assert_eq!((cut.status, cut.whole_records(), cut.broke_off.is_some()), (200, 400, true));
    let outcome = world.control.outcome(cut.decision()).await;
    assert_eq!((outcome.ending, outcome.reason), (Ending::Cut, Reason::CeilingRecords));
    let spent = async |world: &World, who: Who, certificate: &Certificate| {
        let token = world.token(who, certificate);
        let mut connection = world.open(Protocol::H1, Some(certificate)).await;
        let refused = ask(&mut connection, &token, "/records/1?n=1").await;
        assert_eq!((refused.status, refused.reason().as_str()), (429, "ceiling_records"));
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((43_000..=43_200).contains(&wait), "{wait}");
        assert!(refused.header("ratelimit").unwrap().contains("\"records-day\";r=0;t="));
        // What isn't counted isn't bounded.
        assert_eq!(ask(&mut connection, &token, "/free/x?n=1").await.status, 200);
    };
    spent(&world, who(1, 3), &certificate).await;
    assert!(world.control.look(|seen| seen.keys_cut.is_empty()));
    // The next process knows; ten seconds later, so that no window is in the way.
    let world = World::again(world.stop(), HandClock::starting(noon + Duration::from_secs(11))).await;
    ceil(&world, a_day()).await;
    spent(&world, who(1, 1), &certificate).await;
    // A higher ceiling counts what was taken, and the next day begins anew.
    ceil(&world, CeilingFacts { records_per_day: Some(1_100), ..CeilingFacts::default() }).await;
    let token = world.token(who(1, 1), &certificate);
    let mut connection = world.open(Protocol::H1, Some(&certificate)).await;
    assert_eq!(ask(&mut connection, &token, "/records/1?n=300").await.whole_records(), 100);
    world.clock.jump_to("2026-11-22T00:00:01Z".parse().unwrap());
    let token = world.token(who(1, 1), &certificate);
    let mut connection = world.open(Protocol::H1, Some(&certificate)).await;
    let answer = ask(&mut connection, &token, "/records/1?n=900").await;
    assert_eq!((answer.status, answer.records()), (200, 900));
}

#[tokio::test]
async fn a_page_that_the_day_has_no_room_for_is_refused_and_not_cut() {
    let world = World::new().await;
    ceil(&world, CeilingFacts { records_per_day: Some(30_000), ..CeilingFacts::default() }).await;
    let (mut connection, token, _) = world.client(who(1, 1), Protocol::H1).await;
    // 20,000 are reserved up front, and what isn't used is given back.
    for _ in 0..3 {
        assert_eq!(ask(&mut connection, &token, "/pages?n=3000").await.records(), 3_000);
    }
    assert_eq!(ask(&mut connection, &token, "/pages?n=20000").await.records(), 20_000);
    let refused = ask(&mut connection, &token, "/pages?n=1").await;
    assert_eq!((refused.status, refused.reason().as_str()), (429, "ceiling_records"));
    assert!(refused.header("ratelimit").unwrap().contains("\"records-day\";r=1000;"), "{refused:?}");
}

#[tokio::test]
async fn a_limited_vendor_has_a_tenth_in_every_mode_and_loses_no_key() {
    for mode in [Mode::Off, Mode::Enforce] {
        let world = World::with(HandClock::real(), |facts| facts.policies.push(in_mode(mode))).await;
        let (mut one, token, _) = world.client(who(1, 1), Protocol::H1).await;
        let (mut second, second_token, _) = world.client(who(1, 2), Protocol::H1).await;
        let (mut stranger, stranger_token, _) = world.client(who(2, 1), Protocol::H1).await;
        let began = world.clock.wall();
        allow(&world, Access::Limited).await;
        let cut = ask(&mut one, &token, "/records/1?n=20000").await;
        assert!(took(&world, began) < WITHIN, "{:?}", took(&world, began));
        assert_eq!((cut.status, cut.whole_records(), cut.broke_off.is_some()), (200, 5_000, true));
        let decision = world.control.decision(cut.decision()).await;
        assert_eq!((decision.verdict, decision.reason), (Verdict::Limit, Reason::VendorLimited));
        assert_eq!(world.control.outcome(cut.decision()).await.reason, Reason::VendorLimited);
        // The integration's tenth is spent, too.
        let refused = ask(&mut second, &second_token, "/records/1?n=1").await;
        assert_eq!((refused.status, refused.reason().as_str()), (429, "records_limit"));
        assert!(refused.header("ratelimit-policy").unwrap().contains("\"records\";q=5000;"), "{refused:?}");
        assert_eq!(ask(&mut stranger, &stranger_token, "/records/1?n=20000").await.records(), 20_000);
        assert!(world.control.look(|seen| seen.keys_cut.is_empty()));
        allow(&world, Access::Clear).await;
        let mut again = world.open(Protocol::H1, None).await;
        drop(again.ask(get("/records/1")).await);
        let answer = ask(&mut second, &second_token, "/records/1?n=20000").await;
        assert_eq!((answer.status, answer.records()), (200, 20_000));
    }
}

#[tokio::test]
async fn a_vendor_that_is_held_begins_nothing_and_one_that_is_blocked_goes_on_with_nothing() {
    for protocol in BOTH {
        let world = World::new().await;
        let (mut connection, token, certificate) = world.client(who(1, 1), protocol).await;
        let (mut other, other_token, _) = world.client(who(2, 1), protocol).await;
        let mut streaming = world.open(protocol, Some(&certificate)).await;
        let asked = get("/free/x?n=1000000&chunk=5&pace_ms=2").bearer(&token);
        let mut response = streaming.send(asked).await.unwrap();
        let id = response.headers()["portcullis-decision"].to_str().unwrap().parse().unwrap();
        let began = world.clock.wall();
        allow(&world, Access::Held).await;
        for _ in 0..3 {
            let refused = refused(&world, &mut connection, &token, "/records/1").await;
            assert_eq!(refused, (403, "vendor_held".to_owned()), "{protocol:?}");
        }
        assert!(took(&world, began) < WITHIN, "{:?}", took(&world, began));
        for _ in 0..20 {
            soon("what has begun", response.body_mut().frame()).await.unwrap().unwrap();
        }
        let began = world.clock.wall();
        world
            .publish(|facts| {
                facts.vendors[0].access = vec![AccessFrom::always(Access::Blocked)];
                facts.vendors[0].epoch = 2;
            })
            .await;
        let cut = tokio::time::timeout(WITHIN, Answer::read(response)).await.expect("an end in time");
        assert!(cut.broke_off.is_some() && took(&world, began) < WITHIN);
        assert_eq!(world.control.outcome(id).await.reason, Reason::VendorBlocked);
        let mut again = world.open(protocol, Some(&certificate)).await;
        // However often it asks it is told why, and not reset.
        for _ in 0..50 {
            let answer = ask(&mut again, &token, "/records/1").await;
            assert_eq!((answer.status, answer.reason().as_str()), (403, "vendor_blocked"));
        }
        assert_eq!(ask(&mut other, &other_token, "/records/1").await.status, 200);
        allow(&world, Access::Clear).await;
        let mut again = world.open(protocol, Some(&certificate)).await;
        let old = ask(&mut again, &token, "/records/1").await;
        assert_eq!((old.status, old.reason().as_str()), (401, "token_superseded"));
        // The same key, with a token of now.
        let mut claims = world.claims(who(1, 1), bound_to_certificate(certificate.thumbprint()));
        claims.lineage.epochs.vendor = 2;
        let mut again = world.open(protocol, Some(&certificate)).await;
        assert_eq!(ask(&mut again, &world.mint(&claims), "/records/1").await.status, 200);
    }
}

#[tokio::test]
async fn a_vendors_grade_is_part_of_the_score() {
    for (grade, points, observed, missing) in [
        (None, 11_400, 0, Some(Missing::NotAssessed)),
        (Some(Grade::B), 4_600, 2, None),
        (Some(Grade::A), 0, 1, None),
    ] {
        let world = World::with(HandClock::real(), |facts| facts.vendors[0].risk = grade).await;
        let (mut connection, token, _) = world.client(who(1, 1), Protocol::H1).await;
        let answer = ask(&mut connection, &token, "/records/1?n=1").await;
        let risk = world.control.decision(answer.decision()).await.risk.unwrap();
        let part = risk.parts.iter().find(|part| part.signal == Signal::VendorPrior).unwrap();
        assert_eq!((part.points, part.observed, part.missing), (points, observed, missing), "{grade:?}");
        let sum: i64 = risk.parts.iter().map(|part| i64::from(part.points)).sum();
        assert_eq!(risk.score.milli(), sum);
    }
}
