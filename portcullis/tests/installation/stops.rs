//! Each hard stop through a real gate: what is said on paper holds there within a second, and what the clock says also while
//! control is gone.

#[path = "stops/clauses.rs"]
mod clauses;
#[path = "stops/facts.rs"]
mod facts;
#[path = "stops/sources.rs"]
mod sources;
#[path = "stops/world.rs"]
mod world;

use std::time::{Duration, Instant};

use jiff::Timestamp;
use portcullis_api::decisions::{DecisionQuery, DecisionView, Would};
use portcullis_assurance::change::Change;
use portcullis_assurance::contract::ClauseKind;
use portcullis_assurance::entity::{EntityStanding, LeiStatus};
use portcullis_assurance::evidence::Opinion;
use portcullis_assurance::stops::{Stop, StopMode};
use portcullis_domain::access::Access;
use portcullis_domain::decision::{Verdict, WouldStop};
use portcullis_domain::reason::Reason;
use serde_json::{Value, json};

use self::facts::{hours, penetration_test, recovery_test};
use self::world::{WITHIN, World};

const NOON: &str = "2026-06-15T12:00:00Z";
const ALL: u64 = 50_000;

enum Act {
    Say(Change),
    /// By the second person.
    Confirm(Change),
    /// The contract is declared anew, with this in it.
    Contract(Value),
    Jump(Timestamp),
}

/// What is left of the vendor's access.
#[derive(Clone, Copy)]
enum Left {
    /// Refused with the stop's own code, and with this in its words.
    Told(&'static str),
    /// Refused, and the vendor learns no more than this.
    Untold(Reason),
    /// A tenth.
    Tenth,
}

struct Row {
    stop: Stop,
    given: Vec<Act>,
    change: Vec<Act>,
    level: Access,
    left: Left,
    back: Vec<Act>,
}

fn row(stop: Stop, change: Act, (level, left): (Access, Left), back: Vec<Act>) -> Row {
    Row { stop, given: Vec::new(), change: vec![change], level, left, back }
}

fn clauses_without(missing: ClauseKind) -> Value {
    let kinds = ClauseKind::ALL.into_iter().filter(|kind| *kind != missing);
    let clauses = kinds.map(|kind| json!({ "kind": kind, "report_hours": 24, "expires": "2039-12-31" }));
    json!({ "clauses": clauses.collect::<Vec<_>>() })
}

/// All fifteen, some of them twice.
fn rows(now: Timestamp) -> Vec<Row> {
    use Access::{Blocked, Held, Limited};
    use Act::{Contract, Say};
    let secret = |level| (level, Left::Untold(Reason::of_access(level)));
    let told = |level, words| (level, Left::Told(words));
    let paper = |number, days_ago, content| Say(facts::evidence(number, now, days_ago, content));
    vec![
        row(
            Stop::Sanctions,
            Say(facts::screened("ofac", now, 800, None)),
            secret(Held),
            vec![Say(facts::cleared("ofac"))],
        ),
        row(
            Stop::Sanctions,
            Say(facts::screened("ofac", now, 970, Some("LEI"))),
            secret(Blocked),
            vec![Say(facts::cleared("ofac"))],
        ),
        row(
            Stop::Entity,
            Say(facts::entity(now, EntityStanding::Dissolved, None)),
            told(Blocked, "dissolved"),
            vec![Say(facts::entity(now, EntityStanding::Active, None))],
        ),
        row(
            Stop::Entity,
            Say(facts::entity(now, EntityStanding::Active, Some(LeiStatus::Lapsed))),
            (Limited, Left::Tenth),
            vec![Say(facts::entity(now, EntityStanding::Active, Some(LeiStatus::Issued)))],
        ),
        row(
            Stop::Signer,
            Contract(json!({ "signed_by": [{ "name": "Zoe Stranger" }] })),
            secret(Held),
            vec![Contract(json!({ "signed_by": [{ "name": "Olga Officer" }] }))],
        ),
        row(
            Stop::Vulnerability,
            Say(facts::weakness(now - hours(24 * 3))),
            (Limited, Left::Tenth),
            vec![Say(facts::mended())],
        ),
        row(
            Stop::Vulnerability,
            Say(facts::weakness(now - hours(24 * 47))),
            told(
                Blocked,
                "critical vulnerability CVE-2026-12345 of `Paper 1` open 47 days; the vendor mends it",
            ),
            vec![Say(facts::not_affected()), Say(facts::mended())],
        ),
        row(
            Stop::Contract,
            Contract(json!({ "ends": "2026-05-31" })),
            told(Blocked, "no contract is in force"),
            vec![Contract(json!({}))],
        ),
        row(
            Stop::Clause,
            Contract(clauses_without(ClauseKind::AuditRight)),
            told(Held, "lacks the mandatory clause `audit_right`"),
            vec![Contract(json!({}))],
        ),
        row(
            Stop::Opinion,
            paper(3, 9, facts::report(Opinion::Adverse)),
            told(Blocked, "`Paper 3` by `An Auditor`"),
            vec![paper(4, 2, facts::report(Opinion::Unqualified))],
        ),
        row(
            Stop::BreachNotice,
            Say(facts::breach(now - hours(31), now)),
            told(Held, "hours"),
            vec![Say(facts::breach_closed())],
        ),
        row(
            Stop::Integrity,
            Say(facts::document_changed(facts::PENETRATION_TEST)),
            told(Blocked, "the document of `Paper 1`"),
            vec![Say(facts::document_mended(facts::PENETRATION_TEST))],
        ),
        row(
            Stop::UndeclaredData,
            Say(facts::undeclared(now - hours(25))),
            told(Held, "e-mail address"),
            vec![Say(facts::undeclared_settled())],
        ),
        row(
            Stop::Exit,
            Say(facts::withdrawn(facts::RECOVERY_TEST)),
            (Limited, Left::Tenth),
            vec![paper(5, 1, recovery_test())],
        ),
        row(
            Stop::VulnerabilityEvidence,
            Say(facts::withdrawn(facts::PENETRATION_TEST)),
            told(Blocked, "no vulnerability evidence in force at tier 1"),
            vec![paper(6, 1, penetration_test())],
        ),
        row(
            Stop::Admission,
            Say(Change::AdmissionEnded { reason: "anew".to_owned() }),
            told(Blocked, "the vendor isn't admitted"),
            vec![Say(Change::Admitted)],
        ),
        Row {
            given: vec![Say(facts::penetration_test_asked(now))],
            ..row(
                Stop::PenetrationTestRefused,
                Say(facts::penetration_test_refused()),
                told(Blocked, "refused a penetration test's summary"),
                vec![paper(7, 1, penetration_test())],
            )
        },
        row(
            Stop::Relation,
            Say(facts::screened("own", now, 800, None)),
            secret(Held),
            vec![Say(facts::cleared("own"))],
        ),
    ]
}

async fn act(world: &World, acts: Vec<Act>) {
    for act in acts {
        match act {
            Act::Say(change) => world.order(change, world.ann).await,
            Act::Confirm(change) => world.order(change, world.bob).await,
            Act::Contract(with) => world.apply(vec![world.contract(with)]).await,
            Act::Jump(to) => world.clock.jump_to(to),
        }
    }
}

impl Left {
    fn shows(self, stop: Stop, answer: &world::Answer) -> bool {
        let reason = answer.reason.as_str();
        match self {
            Self::Told(words) => {
                answer.status == 403
                    && reason == Reason::of_stop(stop).code()
                    && answer.detail.contains(words)
            }
            Self::Untold(told) => {
                let words = answer.detail.to_lowercase();
                let silent =
                    !["sanction", "list", "match", "sign", "officer"].iter().any(|word| words.contains(word));
                answer.status == 403 && reason == told.code() && silent
            }
            Self::Tenth => answer.status == 200 && answer.records == ALL / 10,
        }
    }
}

fn is_whole(answer: &world::Answer) -> bool {
    answer.status == 200 && answer.records == ALL
}

#[tokio::test]
async fn each_stop_acts_at_the_gate_within_a_second_and_is_taken_back() {
    let noon: Timestamp = NOON.parse().unwrap();
    let later = noon + Duration::from_secs(30);
    let count = rows(later).len();
    let mut stops = std::collections::BTreeSet::new();
    for place in 0..count {
        let Row { stop, given, change, level, left, back } = rows(later).swap_remove(place);
        stops.insert(stop);
        let world = World::at(noon).await;
        world.clock.jump_to(later);
        act(&world, given).await;
        world.until("before", is_whole).await;
        let mut stream = world.open("/records?records=100000&pace=5").await;
        assert_eq!(stream.status(), 200);
        let began = Instant::now();
        act(&world, change).await;
        let (answer, _) = world.until(stop.name(), |answer| left.shows(stop, answer)).await;
        let took = began.elapsed();
        assert!(took < WITHIN, "{stop:?} took {took:?}");
        ends_as(&mut stream, level, began).await;
        recorded(&world, &answer, stop, level).await;
        if level >= Access::Held {
            let (status, refused) = world.ask_token().await;
            assert_eq!((status, &refused["reasons"][0]), (400, &json!(answer.reason)), "{refused}");
        }
        act(&world, back).await;
        world.renew().await;
        let (_, back) = world.until("taken back", is_whole).await;
        eprintln!(
            "stop {:2} {:25} {:8} after {:4} ms, open again after {:4} ms",
            stop.number(),
            stop.name(),
            level.as_str(),
            took.as_millis(),
            back.as_millis()
        );
    }
    assert_eq!(stops.len(), Stop::ALL.len());
}

/// What was under way goes on, unless nothing may.
async fn ends_as(stream: &mut reqwest::Response, level: Access, began: Instant) {
    if level < Access::Blocked {
        for _ in 0..10 {
            assert!(stream.chunk().await.unwrap().is_some());
        }
        return;
    }
    loop {
        let chunk = tokio::time::timeout(WITHIN, stream.chunk()).await.expect("an end in time");
        match chunk {
            Ok(Some(_)) => assert!(began.elapsed() < WITHIN * 2, "it goes on"),
            Ok(None) => panic!("it came to a regular end"),
            Err(_) => return,
        }
    }
}

async fn explained(world: &World, answer: &world::Answer) -> DecisionView {
    let decision = answer.decision.parse().unwrap();
    let began = Instant::now();
    loop {
        let control = world.control.clone();
        let found = tokio::task::spawn_blocking(move || control.explain(decision).unwrap());
        if let Some(view) = found.await.unwrap() {
            return view;
        }
        assert!(began.elapsed() < WITHIN * 20, "the decision is nowhere");
    }
}

/// Our own people see which stop it was.
async fn recorded(world: &World, answer: &world::Answer, stop: Stop, level: Access) {
    let view = explained(world, answer).await;
    assert_eq!(view.record.reason, Reason::of_stop(stop));
    let verdict = if level == Access::Limited { Verdict::Limit } else { Verdict::Deny };
    assert_eq!(view.record.verdict, verdict);
    let held = view.stops.iter().find(|held| held.stop == stop).expect("the stop is explained");
    assert!(held.access == level && held.mode == StopMode::Enforce && !held.remedy.is_empty());
}

/// Those that would have been refused or narrowed, by what the list finds.
async fn would_stop(world: &World) -> Vec<DecisionView> {
    let control = world.control.clone();
    let query = DecisionQuery { would: Some(Would::Stop), ..DecisionQuery::default() };
    tokio::task::spawn_blocking(move || control.decisions(&query).unwrap().items).await.unwrap()
}

#[tokio::test]
async fn a_stop_that_is_only_observed_limits_nobody_and_is_recorded_with_what_it_would_have_done() {
    let noon: Timestamp = NOON.parse().unwrap();
    let later = noon + Duration::from_secs(30);
    let tried = [Stop::Sanctions, Stop::Vulnerability, Stop::Exit, Stop::Admission];
    for wanted in tried {
        let row = rows(later).into_iter().find(|row| row.stop == wanted).unwrap();
        let Row { stop, given, change, level, back, .. } = row;
        let world = World::observing(noon).await;
        world.clock.jump_to(later);
        act(&world, given).await;
        let (before, _) = world.until("before", is_whole).await;
        assert_eq!(explained(&world, &before).await.record.would_stop, None);
        act(&world, change).await;
        let expect = WouldStop { access: level, stops: [stop].into_iter().collect() };
        let began = Instant::now();
        let (answer, view) = loop {
            let answer = world.request().await;
            assert!(is_whole(&answer), "{stop:?} is only observed: {answer:?}");
            let view = explained(&world, &answer).await;
            if view.record.would_stop == Some(expect) {
                break (answer, view);
            }
            assert!(began.elapsed() < WITHIN, "{stop:?}: still {:?}", view.record.would_stop);
        };
        assert_eq!((view.record.verdict, view.record.reason), (Verdict::Allow, Reason::Allowed));
        let told = view.would_stop.unwrap();
        let (verdict, done) = match level {
            Access::Limited => (Verdict::Limit, "narrowed to a tenth"),
            _ => (Verdict::Deny, "refused"),
        };
        let words = format!("would have been {done} by stop {}, `{}`: ", stop.number(), stop.name());
        assert_eq!(told.verdict, verdict);
        let fact = &view.stops.iter().find(|held| held.stop == stop).unwrap().fact;
        assert_eq!(told.sentences, [format!("{words}{fact}")]);
        // A token would have been refused too, and is not narrowed.
        assert_eq!(world.ask_token().await.0, 200);
        let asked = world.request().await;
        // Each core of the gate reports on its own, a beat later.
        let began = Instant::now();
        loop {
            let found = would_stop(&world).await;
            let ids: Vec<String> = found.iter().map(|view| view.record.id.to_string()).collect();
            assert!(!ids.contains(&before.decision), "{stop:?}: {ids:?}");
            let tokens = found.iter().filter(|view| view.record.path == "/oauth/token").count();
            let expect = usize::from(level >= Access::Held);
            if ids.contains(&answer.decision) && ids.contains(&asked.decision) && tokens == expect {
                break;
            }
            assert!(began.elapsed() < WITHIN * 20, "{stop:?}: {tokens} tokens and {ids:?}");
        }
        act(&world, back).await;
        let began = Instant::now();
        while explained(&world, &world.request().await).await.record.would_stop.is_some() {
            assert!(began.elapsed() < WITHIN, "{stop:?} is not taken back");
        }
    }
}

#[tokio::test]
async fn a_token_from_before_a_stop_works_again_after_it_and_dies_in_its_own_time() {
    use Act::Say;
    let noon: Timestamp = NOON.parse().unwrap();
    let world = World::at(noon).await;
    world.until("before", is_whole).await;
    let ended = || vec![Say(Change::AdmissionEnded { reason: "anew".to_owned() })];
    act(&world, ended()).await;
    let left = Left::Told("the vendor isn't admitted");
    world.until("stopped", |answer| left.shows(Stop::Admission, answer)).await;
    // The same token, without asking for another one.
    act(&world, vec![Say(Change::Admitted)]).await;
    world.until("again", is_whole).await;
    // A stop that lasts longer than it leaves nothing of it.
    act(&world, ended()).await;
    world.until("stopped again", |answer| left.shows(Stop::Admission, answer)).await;
    let life = world.token_life();
    act(&world, vec![Act::Jump(world.clock.now() + life + Duration::from_secs(120))]).await;
    act(&world, vec![Say(Change::Admitted)]).await;
    world.until("dead", |answer| (answer.status, answer.reason.as_str()) == (401, "token_expired")).await;
    world.renew().await;
    world.until("anew", is_whole).await;
}

/// What nobody has to do anything about: the clock alone, and nobody to be asked.
#[tokio::test]
async fn what_ends_by_itself_ends_at_the_gate_also_while_control_is_gone() {
    use Act::{Confirm, Contract, Jump, Say};
    let noon: Timestamp = NOON.parse().unwrap();
    let soon = noon + Duration::from_secs(60);
    let microsecond = Duration::from_micros(1);
    let ends = |zone: &str, last: &str| Contract(json!({ "ends": last, "time_zone": zone }));
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let contract = Left::Told("no contract is in force");
    // When it begins, what is given, whether that leaves all, the last moment and the first one without, what is left then.
    type Timed = (Stop, Vec<Act>, bool, Timestamp, Left);
    let rows: Vec<Timed> = vec![
        (
            Stop::Vulnerability,
            vec![Say(facts::weakness(soon - hours(24 * 30) - microsecond))],
            false,
            soon,
            Left::Told("open 30 days"),
        ),
        (
            Stop::UndeclaredData,
            vec![Say(facts::undeclared(soon - hours(24) - microsecond))],
            true,
            soon,
            Left::Told("e-mail address"),
        ),
        (
            Stop::Clause,
            vec![
                Contract(clauses_without(ClauseKind::AuditRight)),
                Say(facts::exception(Stop::Clause, soon)),
                Confirm(Change::ExceptionConfirmed { id: facts::EXCEPTION }),
            ],
            false,
            soon,
            Left::Told("lacks the mandatory clause `audit_right`"),
        ),
        (
            Stop::Admission,
            vec![
                Say(Change::AdmissionEnded { reason: "anew".to_owned() }),
                Say(Change::AdmittedProvisionally { until: soon }),
            ],
            true,
            soon,
            Left::Told("the provisional admission ended"),
        ),
        // Days of 25, 25 and 23 hours, the day that most years don't have, and its evening on the other side of the earth.
        (
            Stop::Contract,
            vec![ends("Europe/Berlin", "2026-10-25")],
            true,
            at("2026-10-25T23:00:00Z"),
            contract,
        ),
        (
            Stop::Contract,
            vec![ends("America/New_York", "2026-11-01")],
            true,
            at("2026-11-02T05:00:00Z"),
            contract,
        ),
        (
            Stop::Contract,
            vec![ends("America/New_York", "2027-03-14")],
            true,
            at("2027-03-15T04:00:00Z"),
            contract,
        ),
        (Stop::Contract, vec![ends("Asia/Tokyo", "2028-02-29")], true, at("2028-02-29T15:00:00Z"), contract),
        (
            Stop::Contract,
            vec![ends("America/Los_Angeles", "2028-02-29")],
            true,
            at("2028-03-01T08:00:00Z"),
            contract,
        ),
    ];
    for (stop, given, whole, end, left) in rows {
        let mut world = World::at(end - Duration::from_secs(60)).await;
        act(&world, given).await;
        let before = if whole { is_whole } else { |answer: &world::Answer| answer.records == ALL / 10 };
        world.until("before", before).await;
        let mut stream = world.open("/records?records=100000&pace=5").await;
        world.lose_control();
        act(&world, vec![Jump(end - Duration::from_secs(5))]).await;
        for _ in 0..5 {
            let still = world.request().await;
            assert!(before(&still), "{stop:?} acts too early: {still:?}");
        }
        let began = Instant::now();
        act(&world, vec![Jump(end)]).await;
        let (answer, _) = world.until(stop.name(), |answer| left.shows(stop, answer)).await;
        let took = began.elapsed();
        let level =
            if stop == Stop::Clause || stop == Stop::UndeclaredData { Access::Held } else { Access::Blocked };
        ends_as(&mut stream, level, began).await;
        eprintln!(
            "stop {:2} {:25} {} after {:4} ms, alone: {}",
            stop.number(),
            stop.name(),
            end,
            took.as_millis(),
            answer.detail
        );
    }
}

/// A spreadsheet knows no clauses, and nobody has approved anything: the admission says until when that may be so.
#[tokio::test]
async fn an_imported_vendor_passes_until_its_provisional_admission_ends() {
    let noon: Timestamp = NOON.parse().unwrap();
    let until = noon + Duration::from_secs(60);
    let world = World::founded(noon, StopMode::Enforce).await;
    world.declare(json!({ "clauses": [] })).await;
    let plain = world::prepared("Vendor", world::VENDOR, json!({ "legal_name": "Acme Ltd" }));
    world.apply(vec![plain]).await;
    world.order(Change::AdmittedProvisionally { until }, world.ann).await;
    world.enroll().await;
    world.until("its first request", is_whole).await;
    world.clock.jump_to(until);
    let told = Left::Told("the provisional admission ended");
    world.until("the end", |answer| told.shows(Stop::Admission, answer)).await;
    let (status, refused) = world.ask_token().await;
    assert_eq!((status, &refused["reasons"][0]), (400, &json!("stop_admission")), "{refused}");
}
