use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::change::{Change, Entry};
use crate::exposure::Tier;
use crate::stops::{StopMode, StopRules};

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// What is said of `dossier` at each of these moments, and recorded as said.
fn told_at(dossier: &mut Dossier, moments: &[&str]) -> Vec<Vec<String>> {
    let rules = StopRules {
        otherwise: StopMode::Off,
        modes: [(Stop::Admission, StopMode::Enforce)].into(),
        clauses: BTreeSet::new(),
    };
    let mut all = Vec::new();
    for moment in moments {
        let now = time(moment);
        let known = Known {
            dossier,
            legal_name: "Acme GmbH",
            jurisdiction: None,
            registry_number: None,
            lei: None,
            contracts: &[],
            tier: Tier::Three,
            rules: &rules,
        };
        let words: Vec<String> = reminders(&known, now).iter().map(ToString::to_string).collect();
        for what in &words {
            dossier.apply(&Entry { change: Change::Reminded { what: what.clone() }, by: None, time: now });
        }
        all.push(words);
    }
    all
}

fn admitted() -> Dossier {
    let mut dossier = Dossier::default();
    let admitted = Change::AdmittedProvisionally { until: time("2029-01-01T00:00:00Z") };
    dossier.apply(&Entry { change: admitted, by: None, time: time("2026-01-01T00:00:00Z") });
    dossier
}

#[test]
fn each_reminder_of_a_task_is_said_once_at_its_time_and_escalated_in_the_end() {
    let mut dossier = admitted();
    let id = portcullis_ids::ids::TaskId(uuid::Uuid::from_u128(7));
    let change = Change::TaskOpened {
        id,
        title: "ask for the report".into(),
        owner: None,
        due: Some("2026-06-30".parse().unwrap()),
    };
    dossier.apply(&Entry { change, by: None, time: time("2026-01-01T00:00:00Z") });
    let moments = [
        "2026-05-30T23:59:59Z",
        "2026-05-31T00:00:00Z",
        "2026-06-01T00:00:00Z",
        "2026-06-23T10:00:00Z",
        "2026-06-30T23:59:59Z",
        "2026-07-01T00:00:00Z",
        "2026-07-07T23:00:00Z",
        "2026-07-08T00:00:00Z",
        "2026-12-01T00:00:00Z",
    ];
    let said = told_at(&mut dossier, &moments);
    let expect = |days: &str| vec![format!("task `{id}` due on 2026-06-30, {days} before")];
    assert_eq!(
        said,
        [
            vec![],
            expect("30 days"),
            vec![],
            expect("7 days"),
            expect("1 day"),
            vec![format!("task `{id}` overdue since 2026-06-30")],
            vec![],
            vec![format!("task `{id}` escalated, it was due on 2026-06-30")],
            vec![],
        ]
    );
    dossier.apply(&Entry { change: Change::TaskDone { id }, by: None, time: time("2026-12-02T00:00:00Z") });
    assert!(open(&dossier).is_empty());
}

#[test]
fn a_stop_is_warned_of_then_begins_and_ends_and_each_is_said_once() {
    let mut dossier = admitted();
    let begun = Change::OffboardingBegun { plan: "move away".into(), ends: time("2026-03-01T12:00:00Z") };
    dossier.apply(&Entry { change: begun, by: None, time: time("2026-01-01T00:00:00Z") });
    let moments = [
        "2026-01-10T00:00:00Z",
        "2026-02-20T00:00:00Z",
        "2026-02-20T01:00:00Z",
        "2026-03-01T12:00:00Z",
        "2026-03-01T12:00:01Z",
    ];
    let said = told_at(&mut dossier, &moments);
    assert_eq!(said[0], Vec::<String>::new());
    assert_eq!(said[1], ["stop `admission` at 2026-03-01T12:00:00Z, 14 days before"]);
    assert_eq!(said[2], Vec::<String>::new());
    assert_eq!(said[3], ["stop `admission` began at 2026-03-01T12:00:00Z"]);
    assert_eq!(said[4], Vec::<String>::new());
    let cancelled = Change::OffboardingCancelled { reason: "it stays".into() };
    dossier.apply(&Entry { change: cancelled, by: None, time: time("2026-03-02T00:00:00Z") });
    let said = told_at(&mut dossier, &["2026-03-02T00:00:01Z", "2026-03-02T00:00:02Z"]);
    assert_eq!(said, [vec!["stop `admission` ended at 2026-03-02T00:00:01Z".to_owned()], vec![]]);
}

proptest! {
    #[test]
    fn what_was_said_is_read_back(
        stop in 0_usize..15,
        subject in proptest::option::of("[ -~]{0,40}"),
        id in "[ -~]{0,40}",
        second in 0_i64..4_000_000_000,
        kind in 0_usize..5,
        days in prop::sample::select(WARNED_DAYS.to_vec()),
    ) {
        let (stop, kind) = (Stop::ALL[stop], WorkKind::ALL[kind]);
        let at = Timestamp::from_second(second).unwrap();
        let due = date_of(at);
        let all = [
            Reminder::Warned { stop, subject: subject.clone(), at, days },
            Reminder::StopBegan { stop, subject: subject.clone(), at },
            Reminder::StopEnded { stop, subject, at },
            Reminder::Due { kind, id: id.clone(), due, days },
            Reminder::Overdue { kind, id: id.clone(), due },
            Reminder::Escalated { kind, id, due },
        ];
        for reminder in all {
            prop_assert_eq!(Reminder::parse(&reminder.to_string()), Some(reminder.clone()));
        }
    }
}
