//! An incident from its opening to its end, and that nothing pauses its clocks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use portcullis_ids::ids::{IncidentId, NoticeId, OperatorId, TaskId};
use portcullis_ids::personal::Personal;
use portcullis_incident::change::{Change, ClockName, Entry, Opening, Origin, Role};
use portcullis_incident::incident::ClockState;
use portcullis_incident::moment::MomentName;
use portcullis_incident::notice::Way;
use portcullis_incident::order::{IncidentRefusal, Moment, Order};
use portcullis_incident::regime::{SHIPPED, Taken, Within, read};
use portcullis_incident::{Incident, Severity};
use proptest::prelude::*;
use uuid::Uuid;

const T: &str = "2026-10-24T22:00:00Z";

fn at(hours: i64) -> Timestamp {
    T.parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hours)
}

struct World {
    incident: Incident,
    now: Timestamp,
    zone: &'static str,
    window_hours: Option<u32>,
    ids: u128,
}

fn taken() -> Vec<Taken> {
    let read = |(file, text): &(&str, &str)| Taken {
        regime: read(file, text).unwrap(),
        sha256: format!("digest of {file}"),
    };
    SHIPPED.iter().map(read).collect()
}

impl World {
    fn new() -> Self {
        Self::of(taken())
    }

    fn of(regimes: Vec<Taken>) -> Self {
        let opening = Opening {
            id: IncidentId(Uuid::from_u128(1)),
            number: 1,
            vendor: None,
            title: "a mailbox was read".into(),
            severity: Severity::High,
            origin: Origin::Hand,
            exercise: None,
            regimes,
            by: None,
            time: at(0),
        };
        Self {
            incident: Incident::open(&opening),
            now: at(0),
            zone: "Europe/Berlin",
            window_hours: None,
            ids: 10,
        }
    }

    fn by(&mut self, change: Change, by: Option<OperatorId>) -> Result<usize, IncidentRefusal> {
        let mut new_id = || {
            self.ids += 1;
            Uuid::from_u128(self.ids)
        };
        let mut moment =
            Moment { now: self.now, new_id: &mut new_id, zone: self.zone, window_hours: self.window_hours };
        let changes = self.incident.decide(Order { change, by }, &mut moment)?;
        let count = changes.len();
        for change in changes {
            self.incident.apply(&Entry { change, by, time: self.now });
        }
        Ok(count)
    }

    fn does(&mut self, change: Change) -> usize {
        self.by(change, Some(OperatorId(Uuid::from_u128(7)))).unwrap_or_else(|refused| panic!("{refused}"))
    }

    fn refuses(&mut self, change: Change) -> String {
        let before = self.incident.clone();
        let refused = self.by(change, Some(OperatorId(Uuid::from_u128(7)))).unwrap_err();
        assert_eq!(self.incident, before);
        refused.to_string()
    }

    fn recorded(&mut self, moment: &str, when: Timestamp) -> usize {
        self.does(recorded(moment, when))
    }

    fn state(&self, clock: &str) -> ClockState {
        self.incident.clocks[&clock.parse::<ClockName>().unwrap()].state(self.now)
    }

    fn due(&self, clock: &str) -> String {
        self.incident.clocks[&clock.parse::<ClockName>().unwrap()].due.to_string()
    }
}

fn recorded(moment: &str, at: Timestamp) -> Change {
    Change::MomentRecorded { moment: moment.parse().unwrap(), at, why: "as said".into() }
}

fn met(clock: &str, at: Timestamp) -> Change {
    Change::ClockMet { clock: clock.parse().unwrap(), at, reference: "AZ 12/26".into() }
}

#[test]
fn clocks_run_side_by_side_each_from_its_own_moment() {
    let mut world = World::new();
    assert!(world.incident.clocks.is_empty(), "nothing is known yet");
    // 22:00 UTC is midnight in Berlin, two hours before the clocks go back there.
    world.recorded("we_aware", at(0));
    let due = |world: &World| {
        world.incident.clocks.iter().map(|(name, clock)| format!("{name} {}", clock.due)).collect::<Vec<_>>()
    };
    assert_eq!(
        due(&world),
        [
            "california-1798-82/residents 2026-11-24T07:59:59Z",
            "dora-19/classification 2026-10-25T22:00:00Z",
            "gdpr-33/authority 2026-10-27T22:00:00Z",
            "hipaa-breach/individuals 2026-12-24T22:59:59Z",
            "hipaa-breach/secretary 2026-12-24T22:59:59Z",
            "nis2-23/early-warning 2026-10-25T22:00:00Z",
            "nis2-23/notification 2026-10-27T22:00:00Z",
        ]
    );
    world.now = at(10);
    world.recorded("determined_material", at(9));
    world.recorded("determined_notifiable", at(10));
    world.recorded("vendor_aware", at(-20));
    assert_eq!(world.due("sec-8k/form-8k"), "2026-10-29T21:30:00Z", "from a Sunday: Monday is day one");
    assert_eq!(world.due("us-bank-36h/regulator"), at(46).to_string());
    assert_eq!(world.due("vendor-notice/notice"), at(4).to_string());
    assert_eq!(world.state("vendor-notice/notice"), ClockState::Missed);
    assert_eq!(world.state("gdpr-33/authority"), ClockState::Running);
    let waiting: Vec<_> =
        world.incident.waiting().map(|waiting| format!("{} on {}", waiting.clock, waiting.on)).collect();
    assert_eq!(
        waiting,
        [
            "california-1798-82/attorney-general on california-1798-82/residents",
            "dora-19/initial on classified_major",
            "dora-19/intermediate on dora-19/initial",
            "dora-19/final on dora-19/intermediate",
            "nis2-23/final-report on nis2-23/notification",
        ]
    );
}

#[test]
fn dora_has_four_hours_from_the_classification_and_a_day_from_awareness() {
    let initial = |classified: i64| {
        let mut world = World::new();
        world.now = at(100);
        world.recorded("we_aware", at(0));
        world.recorded("classified_major", at(classified));
        assert_eq!(
            world.state("dora-19/classification"),
            if classified <= 24 { ClockState::Met } else { ClockState::Missed }
        );
        world.due("dora-19/initial")
    };
    assert_eq!(initial(3), at(7).to_string());
    assert_eq!(initial(20), at(24).to_string());
    assert_eq!(initial(23), at(24).to_string(), "no more than a day after awareness");
    assert_eq!(initial(30), at(34).to_string(), "classified later it has its four hours");
    let mut world = World::new();
    world.now = at(100);
    world.recorded("we_aware", at(0));
    world.recorded("classified_major", at(23));
    world.does(met("dora-19/initial", at(24)));
    assert_eq!(world.due("dora-19/intermediate"), at(96).to_string());
    assert_eq!(world.state("dora-19/intermediate"), ClockState::Missed);
    world.does(met("dora-19/intermediate", at(99)));
    assert_eq!(
        world.due("dora-19/final"),
        "2026-11-29T22:59:59Z",
        "the zone of the installation: 29 October there"
    );
}

#[test]
fn a_contract_makes_the_vendors_window_shorter_and_never_longer() {
    for (contract, hours) in [(None, 24), (Some(12), 12), (Some(24), 24), (Some(72), 24)] {
        let mut world = World::new();
        world.window_hours = contract;
        world.recorded("vendor_aware", at(0));
        assert_eq!(world.due("vendor-notice/notice"), at(hours).to_string(), "{contract:?}");
        world.now = at(hours);
        world.recorded("vendor_notified", at(hours));
        assert_eq!(world.state("vendor-notice/notice"), ClockState::Met);
        assert_eq!(world.incident.late_notice(at(500)), None);
    }
}

#[test]
fn a_late_notice_is_one_by_a_second_and_one_that_turns_out_to_be_is_one_too() {
    let mut world = World::new();
    world.recorded("vendor_aware", at(0));
    world.now = at(24) + SignedDuration::from_secs(1);
    assert!(world.incident.late_notice(at(24)).is_none());
    let late = world.incident.late_notice(world.now).unwrap();
    assert_eq!((late.noticed, late.window_hours), (None, 24));
    world.recorded("vendor_notified", world.now);
    assert_eq!(world.incident.late_notice(world.now).unwrap().noticed, Some(world.now));

    let mut world = World::new();
    world.now = at(20);
    world.recorded("vendor_aware", at(0));
    world.recorded("vendor_notified", at(20));
    assert_eq!(world.state("vendor-notice/notice"), ClockState::Met);
    world.now = at(30);
    world.recorded("vendor_aware", at(-10));
    assert_eq!(world.state("vendor-notice/notice"), ClockState::Missed, "it had known ten hours longer");
}

#[test]
fn a_contract_that_is_changed_afterwards_makes_nobody_late() {
    let mut world = World::new();
    world.recorded("vendor_aware", at(0));
    world.now = at(20);
    world.recorded("vendor_notified", at(20));
    world.window_hours = Some(12);
    world.does(Change::Noted { text: "the clause was tightened".into(), at: at(20) });
    assert_eq!(world.due("vendor-notice/notice"), at(24).to_string());
    assert_eq!(world.state("vendor-notice/notice"), ClockState::Met);
    assert_eq!(world.incident.late_notice(at(500)), None);
}

#[test]
fn nobody_sets_the_vendors_word_to_us_aside_and_a_silent_vendor_is_recorded_when_the_incident_closes() {
    let of = ["vendor-notice", "gdpr-33"];
    let mut world =
        World::of(taken().into_iter().filter(|taken| of.contains(&taken.regime.id.as_str())).collect());
    world.recorded("vendor_aware", at(0));
    world.recorded("we_aware", at(0));
    let clock: ClockName = "vendor-notice/notice".parse().unwrap();
    let aside = Change::ClockSetAside { clock: clock.clone(), reason: "they are nice".into() };
    assert!(world.refuses(aside).contains("two people"));
    world.now = at(80);
    let close = || Change::Closed { summary: "over".into() };
    assert!(world.refuses(close()).contains("missed, and what they ask for isn't done: `gdpr-33/authority`"));
    world.does(met("gdpr-33/authority", at(79)));
    // Nobody had looked at the clocks yet: it is said before it is closed.
    assert_eq!(world.does(close()), 3);
    assert_eq!(world.incident.clocks[&clock].missed_at, Some(at(80)));
    assert_eq!(world.incident.clocks[&"gdpr-33/authority".parse().unwrap()].missed_at, Some(at(80)));
    assert!(world.incident.late_notice(at(80)).unwrap().recorded);
}

#[test]
fn what_is_set_aside_goes_on_counting() {
    let mut world = World::new();
    world.recorded("we_aware", at(0));
    let clock: ClockName = "gdpr-33/authority".parse().unwrap();
    let due = world.due("gdpr-33/authority");
    world.does(Change::ClockSetAside { clock: clock.clone(), reason: "no personal data".into() });
    assert_eq!(world.state("gdpr-33/authority"), ClockState::SetAside);
    world.now = at(80);
    world.does(Change::ClockTakenUp { clock, reason: "there is personal data after all".into() });
    assert_eq!((world.state("gdpr-33/authority"), world.due("gdpr-33/authority")), (ClockState::Missed, due));
}

#[test]
fn a_clock_keeps_the_definition_that_it_was_started_with() {
    let mut longer = taken();
    for taken in &mut longer {
        taken.regime.stages.iter_mut().for_each(|stage| stage.within = Within::Days(900));
        taken.sha256 = "another".into();
    }
    let mut world = World::new();
    for taken in longer {
        assert_eq!(world.does(Change::RegimeTaken { taken: Box::new(taken) }), 0, "each text is taken once");
    }
    world.recorded("we_aware", at(0));
    assert_eq!(world.due("gdpr-33/authority"), at(72).to_string());
    assert_eq!(world.incident.regimes["gdpr-33"].sha256, "digest of gdpr-33.yaml");
}

#[test]
fn what_is_wrong_is_refused_and_changes_nothing() {
    let mut world = World::new();
    world.now = at(10);
    world.recorded("we_aware", at(5));
    assert_eq!(world.recorded("we_aware", at(5)), 0, "the same again is no news");
    assert!(world.refuses(recorded("we_aware", at(6))).contains("later one moves no clock"));
    assert!(world.refuses(recorded("vendor_aware", at(11))).contains("future"));
    assert!(world.refuses(met("gdpr-33/authority", at(4))).contains("can't be met before"));
    assert!(world.refuses(met("gdpr-33/authority", at(11))).contains("future"));
    assert!(world.refuses(met("sec-8k/form-8k", at(6))).contains("no running clock"));
    assert!(world.refuses(Change::Noted { text: " ".into(), at: at(1) }).contains("empty"));
    assert!(world.refuses(Change::TaskDone { id: TaskId(Uuid::from_u128(99)) }).contains("no task"));
    let started = Change::ClockStarted {
        clock: "gdpr-33/authority".parse().unwrap(),
        from: at(9),
        due: at(900),
        zone: "UTC".into(),
        within: Within::Hours(900),
    };
    assert!(world.refuses(started).contains("nobody says this"));
    assert!(world.refuses(Change::Closed { summary: "over".into() }).contains("clocks run: `california"));
    let nobody = world.by(Change::Closed { summary: "over".into() }, None);
    assert_eq!(nobody.unwrap_err(), IncidentRefusal::NobodyAnswers);
}

#[test]
fn an_incident_closes_when_all_is_told_and_done() {
    let mut world = World::of(taken().into_iter().filter(|taken| taken.regime.id == "gdpr-33").collect());
    world.recorded("we_aware", at(0));
    world.does(Change::RoleGiven { role: Role::Commander, person: Personal::Plain("Mara".into()) });
    let task = TaskId(Uuid::from_u128(50));
    world.does(Change::TaskOpened { id: task, title: "call".into(), owner: None, due: None });
    world.now = at(5);
    world.does(met("gdpr-33/authority", at(4)));
    assert!(world.refuses(Change::Closed { summary: "over".into() }).contains("open tasks"));
    world.does(Change::TaskDone { id: task });
    world.does(Change::Closed { summary: "nothing was read".into() });
    assert!(world.refuses(Change::Decided { what: "x".into(), why: "y".into() }).contains("is closed"));
    world.does(Change::Noted { text: "the vendor wrote again".into(), at: at(5) });
    world.does(Change::Reopened { reason: "something was read".into() });
    assert!(world.incident.is_open());
    let lines: Vec<_> = world.incident.timeline.iter().map(|line| line.text.as_str()).collect();
    assert!(lines.iter().all(|line| !line.contains("Mara")), "the timeline names nobody: {lines:?}");
    assert_eq!(world.incident.people().count(), 1);
}

#[test]
fn a_notice_is_kept_with_what_proves_it() {
    let mut world = World::new();
    world.now = at(3);
    let said = portcullis_incident::notice::read(
        br#"{"reference":"NG-7","aware":"2026-10-24T21:00:00Z","what":"a mailbox was read","contact":"Ada, +44 1","affected_records":12}"#,
    )
    .unwrap();
    let id = NoticeId(Uuid::from_u128(3));
    let notice = said.clone().received(id, world.now, Way::Hand, "ab".into(), Some("a.b.c".into())).unwrap();
    assert_eq!(world.by(Change::NoticeReceived { notice: Box::new(notice.clone()) }, None).unwrap(), 1);
    assert_eq!(world.by(Change::NoticeReceived { notice: Box::new(notice) }, None).unwrap(), 0);
    assert_eq!(world.incident.people().count(), 2, "its contact, and the form that names one");
    assert!(said.received(id, at(-2), Way::Hand, "ab".into(), None).is_err(), "nobody knows of the future");
}

#[test]
fn what_is_no_notice_is_refused() {
    use portcullis_incident::notice::read;
    let good = serde_json::json!({ "reference": "NG-7", "aware": "2026-10-24T21:00:00Z", "what": "x" });
    let with = |name: &str, value: serde_json::Value| {
        let mut notice = good.clone();
        notice[name] = value;
        serde_json::to_vec(&notice).unwrap()
    };
    read(&serde_json::to_vec(&good).unwrap()).unwrap();
    let many: Vec<String> = (0..21).map(|class| class.to_string()).collect();
    for (body, says) in [
        (b"".to_vec(), "no notice"),
        (b"[1]".to_vec(), "no notice"),
        (b"{}".to_vec(), "reference"),
        (with("aware", "yesterday".into()), "no notice"),
        (with("reference", "".into()), "`reference` is empty"),
        (with("reference", "a\nb".into()), "control"),
        (with("what", "x".repeat(2_001).into()), "`what`"),
        (with("contact", "\u{0}".into()), "`contact`"),
        (with("data", many.into()), "`data`"),
        (with("affected_records", (-1).into()), "no notice"),
        (with("incident", "x".into()), "unknown field"),
        (with("what", "x".repeat(17_000).into()), "bytes"),
    ] {
        let said = read(&body).unwrap_err().to_string();
        assert!(said.contains(says) && said.contains("hint: "), "{said}");
    }
}

#[derive(Clone, Debug)]
enum Deed {
    Wait(i64),
    Record(&'static str, i64),
    Meet(usize, i64),
    SetAside(usize),
    TakeUp(usize),
    /// The contract gives other hours from now on.
    Contract(Option<u32>),
    Other(u8),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let moment = prop::sample::select(vec![
        "we_aware",
        "vendor_aware",
        "vendor_notified",
        "determined_material",
        "determined_notifiable",
        "classified_major",
        "classified_not_major",
    ]);
    prop::collection::vec(
        prop_oneof![
            (1_i64..60).prop_map(Deed::Wait),
            (moment, 0_i64..90).prop_map(|(moment, back)| Deed::Record(moment, back)),
            (0_usize..12, 0_i64..50).prop_map(|(clock, back)| Deed::Meet(clock, back)),
            (0_usize..12).prop_map(Deed::SetAside),
            (0_usize..12).prop_map(Deed::TakeUp),
            prop::option::of(1_u32..100).prop_map(Deed::Contract),
            (0_u8..4).prop_map(Deed::Other),
        ],
        1..40,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever anybody does: a clock that was started is there, with the time that it was given, is due no later than it ever was, and what is missed
    /// stays missed, unless it was met in time and that is recorded later, or somebody sets it aside in plain sight.
    #[test]
    fn nothing_pauses_a_clock(deeds in deeds()) {
        let mut world = World::new();
        let by = Some(OperatorId(Uuid::from_u128(7)));
        let mut seen: BTreeMap<ClockName, (Timestamp, Within, bool)> = BTreeMap::new();
        let pick = |world: &World, at: usize| world.incident.clocks.keys().nth(at).cloned();
        for deed in deeds {
            match deed {
                Deed::Wait(hours) => world.now += SignedDuration::from_hours(hours),
                Deed::Record(moment, back) => {
                    let when = world.now - SignedDuration::from_hours(back);
                    let _ = world.by(recorded(moment, when), by);
                }
                Deed::Meet(clock, back) => if let Some(clock) = pick(&world, clock) {
                    let when = world.now - SignedDuration::from_hours(back);
                    let _ = world.by(Change::ClockMet { clock, at: when, reference: "r".into() }, by);
                },
                Deed::SetAside(clock) => if let Some(clock) = pick(&world, clock) {
                    let _ = world.by(Change::ClockSetAside { clock, reason: "r".into() }, by);
                },
                Deed::TakeUp(clock) => if let Some(clock) = pick(&world, clock) {
                    let _ = world.by(Change::ClockTakenUp { clock, reason: "r".into() }, by);
                },
                Deed::Contract(hours) => world.window_hours = hours,
                Deed::Other(0) => drop(world.by(Change::Closed { summary: "s".into() }, by)),
                Deed::Other(1) => drop(world.by(Change::Reopened { reason: "s".into() }, by)),
                Deed::Other(_) => {
                    let severity = Severity::Low;
                    drop(world.by(Change::SeverityChanged { severity, reason: "s".into() }, by));
                }
            }
            for (name, (due, within, missed)) in &mut seen {
                let clock = world.incident.clocks.get(name).expect("a clock that was started is there");
                prop_assert!(clock.due <= *due, "{name} is due later than it was");
                prop_assert_eq!(clock.within, *within, "{} was given another time", name);
                let state = clock.state(world.now);
                let in_time = clock.met.as_ref().is_some_and(|met| met.at <= clock.due);
                prop_assert!(
                    !*missed || in_time || matches!(state, ClockState::Missed | ClockState::SetAside),
                    "{name} was missed"
                );
                *due = clock.due;
                *missed |= state == ClockState::Missed;
            }
            for (name, clock) in &world.incident.clocks {
                let missed = clock.state(world.now) == ClockState::Missed;
                seen.entry(name.clone()).or_insert((clock.due, clock.within, missed));
            }
            let whole = world.incident.stages_count();
            prop_assert_eq!(world.incident.clocks.len() + world.incident.waiting().count(), whole);
        }
    }
}

trait Count {
    fn stages_count(&self) -> usize;
}

impl Count for Incident {
    fn stages_count(&self) -> usize {
        self.regimes.values().map(|taken| taken.regime.stages.len()).sum()
    }
}

#[test]
fn moments_that_are_recorded_are_named() {
    assert!("we_aware".parse::<MomentName>().is_ok());
    for wrong in ["", "We", "9a", "a b", &"a".repeat(41)] {
        assert!(wrong.parse::<MomentName>().is_err(), "{wrong}");
    }
}
