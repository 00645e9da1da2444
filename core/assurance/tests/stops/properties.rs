//! What holds whatever is known: the outlook is what the clock will say, bad facts never open anything, and neither does the
//! end of an exception.

use jiff::{SignedDuration, Timestamp};
use portcullis_assurance::Access;
use portcullis_assurance::change::Change;
use portcullis_assurance::contract::ClauseKind;
use portcullis_assurance::entity::{EntityRecord, EntitySource, EntityStanding, LeiStatus};
use portcullis_assurance::evidence::{Content, Evidence, Opinion};
use portcullis_assurance::stops::{self, Held, Stop, StopMode, outlook, warnings};
use portcullis_ids::ids::FindingId;
use proptest::prelude::*;
use uuid::Uuid;

use crate::world::{
    World, contract, date, document, entity, evidence, penetration_test, screening, soc2, weakness,
};

const DAYS: i64 = 800;

/// A fact that speaks against the vendor, dated so many hours back.
#[derive(Clone, Debug)]
enum Bad {
    Weakness { number: u8, hours: i64 },
    Breach { hours: i64 },
    Undeclared { hours: i64 },
    Match { own: bool, score: u16, sure: bool },
    Standing(u8),
    Lei(u8),
    Broken,
    Refused,
    Clause(u8),
    Signer,
    Adverse,
    Leaving { hours: i64 },
}

fn bad() -> impl Strategy<Value = Bad> {
    prop_oneof![
        (0..3_u8, 0..2_000_i64).prop_map(|(number, hours)| Bad::Weakness { number, hours }),
        (0..100_i64).prop_map(|hours| Bad::Breach { hours }),
        (0..60_i64).prop_map(|hours| Bad::Undeclared { hours }),
        (any::<bool>(), 600..=1_000_u16, any::<bool>()).prop_map(|(own, score, sure)| Bad::Match {
            own,
            score,
            sure
        }),
        (0..5_u8).prop_map(Bad::Standing),
        (0..7_u8).prop_map(Bad::Lei),
        Just(Bad::Broken),
        Just(Bad::Refused),
        (0..8_u8).prop_map(Bad::Clause),
        Just(Bad::Signer),
        Just(Bad::Adverse),
        (0..2_000_i64).prop_map(|hours| Bad::Leaving { hours }),
    ]
}

fn does(world: &mut World, bad: &Bad) {
    let ago = |hours: i64| world.now - SignedDuration::from_hours(hours);
    let change = match bad {
        Bad::Weakness { number, hours } => {
            let mut vulnerability = weakness(&format!("CVE-{number}"), None);
            vulnerability.vendor_aware = Some(ago(*hours));
            Change::VulnerabilityFound { vulnerability, evidence: None }
        }
        Bad::Breach { hours } => {
            let id = FindingId(Uuid::from_u128(7_000 + u128::try_from(*hours).unwrap()));
            Change::BreachNoticed {
                id,
                aware: ago(*hours),
                noticed: world.now,
                what: "breach".into(),
                window_hours: None,
            }
        }
        Bad::Undeclared { hours } => {
            Change::UndeclaredDataSeen { class: "pii".into(), route: None, at: ago(*hours) }
        }
        Bad::Match { own, score, sure } => {
            let list = if *own { "own" } else { "ofac-sdn" };
            Change::Screened { screening: screening(list, *score, sure.then_some("LEI")) }
        }
        Bad::Standing(at) => {
            let standing = [
                EntityStanding::Active,
                EntityStanding::Unknown,
                EntityStanding::Inactive,
                EntityStanding::Dissolved,
                EntityStanding::Merged,
            ][usize::from(*at)];
            let source = EntitySource::Registry { name: format!("standing-{at}") };
            Change::EntityChecked {
                record: Box::new(EntityRecord { source, standing, ..entity("Acme Ltd") }),
            }
        }
        Bad::Lei(at) => {
            let status = [
                LeiStatus::Issued,
                LeiStatus::Lapsed,
                LeiStatus::Retired,
                LeiStatus::Merged,
                LeiStatus::Annulled,
                LeiStatus::Duplicate,
                LeiStatus::Pending,
            ][usize::from(*at)];
            let source = EntitySource::Registry { name: format!("lei-{at}") };
            Change::EntityChecked {
                record: Box::new(EntityRecord { source, lei_status: Some(status), ..entity("Acme Ltd") }),
            }
        }
        Bad::Broken => {
            let Some(id) = world
                .dossier
                .evidence
                .values()
                .find(|filed| filed.evidence.document.is_some())
                .map(|filed| filed.evidence.id)
            else {
                return;
            };
            Change::DocumentChanged { evidence: id, expected: "ab".repeat(32), found: None }
        }
        Bad::Refused => {
            let request = world.asks("penetration_test");
            Change::RequestRefused { request, reason: "no".into() }
        }
        Bad::Clause(at) => {
            let kind = ClauseKind::ALL[usize::from(*at)];
            world.contracts[0].clauses.retain(|clause| clause.kind != kind);
            return;
        }
        Bad::Signer => {
            world.contracts[0].signers.push("Rick Roe".into());
            return;
        }
        Bad::Adverse => {
            world.files("adverse", "2026-06-01", soc2(Opinion::Adverse, 20, None));
            return;
        }
        Bad::Leaving { hours } => {
            let ends = world.now + SignedDuration::from_hours(*hours);
            Change::OffboardingBegun { plan: "leave".into(), ends }
        }
    };
    // What can't be, or is known, changes nothing.
    let _ = world.order(change, Some(crate::world::ann()));
}

#[derive(Clone, Debug)]
struct Start {
    contract_days: i64,
    test_issued: i8,
    insured: i8,
    expires: Option<i8>,
    exceptions: Vec<(usize, i64)>,
    bad: Vec<Bad>,
}

fn start() -> impl Strategy<Value = Start> {
    let exceptions = prop::collection::vec((0..15_usize, 1..90_i64), 0..4);
    (
        1..DAYS,
        0..100_i8,
        0..100_i8,
        prop::option::of(0..100_i8),
        exceptions,
        prop::collection::vec(bad(), 0..5),
    )
        .prop_map(|(contract_days, test_issued, insured, expires, exceptions, bad)| Start {
            contract_days,
            test_issued,
            insured,
            expires,
            exceptions,
            bad,
        })
}

fn world(start: &Start) -> World {
    let mut world = World::clear();
    let ends = world.now + SignedDuration::from_hours(24 * start.contract_days);
    let on =
        |day: &str, days: i8| date(day).checked_add(jiff::Span::new().days(i64::from(days) * 3)).unwrap();
    world.contracts[0].ends = ends;
    world.contracts[0]
        .clauses
        .iter_mut()
        .for_each(|clause| clause.expires = Some(on("2026-05-01", start.insured)));
    let document = Some(document("ab"));
    let issued = on("2025-05-01", start.test_issued);
    let expires =
        start.expires.map(|days| issued.checked_add(jiff::Span::new().days(i64::from(days) * 5)).unwrap());
    world.files_this(Evidence {
        issued,
        expires,
        document,
        ..evidence("dated", "2025-05-01", penetration_test())
    });
    for (stop, days) in &start.exceptions {
        let stop = Stop::ALL[*stop];
        let most = if stop == Stop::Vulnerability { 30 } else { 90 };
        if stop.is_exceptable() {
            let until = world.now + SignedDuration::from_hours(24 * days.min(&most));
            let waiting = world.dossier.exceptions.values().any(|known| known.stop == stop);
            if !waiting {
                world.excepts(stop, &until.to_string());
            }
        }
    }
    for bad in &start.bad {
        does(&mut world, bad);
    }
    world
}

fn shape(held: &[Held]) -> Vec<(u8, Option<String>, Access, bool)> {
    held.iter()
        .map(|held| (held.stop.number(), held.subject.clone(), held.access, held.exception.is_some()))
        .collect()
}

fn moments() -> impl Strategy<Value = Vec<i64>> {
    prop::collection::vec(0..DAYS * 24 * 3_600_000_000, 20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn the_outlook_is_what_the_clock_will_say(start in start(), micros in moments()) {
        let world = world(&start);
        let horizon = world.now + SignedDuration::from_hours(24 * DAYS);
        let ahead = outlook(&world.known(), world.now, horizon);
        prop_assert_eq!(ahead[0].from, world.now);
        // Moments anywhere, and those just before each turn and at it.
        let turns = ahead.iter().flat_map(|stretch| [stretch.from, stretch.from - SignedDuration::from_micros(1)]);
        let sampled = micros.iter().map(|micros| world.now + SignedDuration::from_micros(*micros));
        for at in sampled.chain(turns).filter(|at| *at >= world.now) {
            let stretch = ahead.iter().rev().find(|stretch| stretch.from <= at).unwrap();
            let held = world.held(at);
            prop_assert_eq!(shape(&stretch.held), shape(&held), "at {}", at);
            prop_assert_eq!(stretch.access, stops::access(&held));
        }
        for warning in warnings(&world.known(), world.now) {
            prop_assert!(ahead.iter().any(|stretch| stretch.from == warning.at));
            prop_assert!(warning.at <= world.now + SignedDuration::from_hours(24 * i64::from(warning.days)));
        }
    }

    #[test]
    fn a_further_bad_fact_never_opens_anything(start in start(), further in bad(), micros in moments()) {
        let before = world(&start);
        let mut after = before.clone();
        does(&mut after, &further);
        for at in micros.iter().map(|micros| before.now + SignedDuration::from_micros(*micros)) {
            prop_assert!(after.access(at) >= before.access(at), "{:?} at {}", further, at);
        }
    }

    #[test]
    fn the_end_of_an_exception_never_opens_anything(start in start(), micros in moments()) {
        let with = world(&start);
        for id in with.dossier.exceptions.keys() {
            let mut without = with.clone();
            without.does(Change::ExceptionEnded { id: *id, reason: "over".into() });
            for at in micros.iter().map(|micros| with.now + SignedDuration::from_micros(*micros)) {
                prop_assert!(without.access(at) >= with.access(at));
            }
        }
    }

    #[test]
    fn observing_never_limits_and_the_worst_that_is_enforced_counts(start in start(), enforced in 0..15_usize) {
        let mut world = world(&start);
        let all = world.held(world.now);
        let worst: Option<Access> = all.iter().map(|held| held.access).max();
        prop_assert_eq!(stops::access(&all), worst.unwrap_or(Access::Clear));
        world.rules.otherwise = StopMode::Observe;
        let observed = world.held(world.now);
        prop_assert_eq!(shape(&observed), shape(&all), "observing shows all the same");
        prop_assert_eq!(stops::access(&observed), Access::Clear);
        let stop = Stop::ALL[enforced];
        world.rules.modes.insert(stop, StopMode::Enforce);
        let own = all.iter().filter(|held| held.stop == stop).map(|held| held.access).max();
        prop_assert_eq!(world.access(world.now), own.unwrap_or(Access::Clear));
        world.rules.modes.insert(stop, StopMode::Off);
        prop_assert!(world.held(world.now).iter().all(|held| held.stop != stop));
    }
}

/// The world of these tests has something to find.
#[test]
fn a_broken_document_is_found_in_the_world_of_these_tests() {
    let start = Start {
        contract_days: 400,
        test_issued: 90,
        insured: 90,
        expires: None,
        exceptions: Vec::new(),
        bad: vec![Bad::Broken],
    };
    let world = world(&start);
    assert_eq!(world.numbers(world.now), [(9, Access::Blocked)]);
    let (from, _): (Timestamp, _) = (world.now, contract("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"));
    let ahead = outlook(&world.known(), from, from + SignedDuration::from_hours(24 * DAYS));
    assert!(ahead.len() > 3, "{ahead:#?}");
    assert!(matches!(
        world.dossier.evidence.values().next().unwrap().evidence.content,
        Content::PenetrationTest(_)
    ));
}
