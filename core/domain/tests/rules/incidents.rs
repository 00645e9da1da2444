//! Incidents as parts of the whole: what opens one, what a notice says in the dossier, and who is forgotten.

use jiff::{SignedDuration, Timestamp};
use portcullis_assurance::change::Change as DossierWord;
use portcullis_domain::command::{Command, IncidentChanges, NewIncident, NewNotice, Refusal};
use portcullis_domain::event::{DossierChange, Event};
use portcullis_domain::ids::{ClientId, IncidentId, NoticeId, SeveranceId, VendorId};
use portcullis_domain::personal::{ERASED, Personal};
use portcullis_domain::spec::Kind;
use portcullis_domain::state::State;
use portcullis_incident::Severity;
use portcullis_incident::change::{Change, Origin, Role};
use portcullis_incident::incident::ClockState;
use portcullis_incident::moment::MomentName;
use portcullis_incident::notice::{Notice, Way};
use portcullis_incident::regime::{SHIPPED, Taken, read};
use serde_json::json;
use uuid::Uuid;

use crate::case::{Case, given, prepared};

fn regimes() -> Vec<Taken> {
    let read =
        |(file, text): &(&str, &str)| Taken { regime: read(file, text).unwrap(), sha256: "ab".repeat(32) };
    SHIPPED.iter().map(read).collect()
}

fn open(origin: Origin) -> NewIncident {
    NewIncident {
        vendor: Some("acme".into()),
        title: "acme was severed".into(),
        severity: Severity::High,
        origin,
        exercise: None,
        moments: Vec::new(),
        regimes: regimes(),
        zone: "UTC".into(),
        by: None,
    }
}

fn vendor(case: &Case) -> VendorId {
    VendorId(case.state.resource(Kind::Vendor, "acme").unwrap().id)
}

fn notice(case: &Case, reference: &str, aware: Timestamp) -> NewNotice {
    let notice = Notice {
        id: NoticeId(Uuid::from_u128(u128::from(case.now.as_second().cast_unsigned()))),
        reference: reference.into(),
        aware,
        received: case.now,
        what: "a mailbox was read".into(),
        severity: None,
        contact: Some(Personal::Plain("Ada, +44 1".into())),
        affected_records: None,
        data: Vec::new(),
        way: Way::Client {
            client: case.client("robot"),
            key: "key-1".into(),
            severed: false,
            refused: false,
        },
        sha256: format!("{reference} {} {aware}", case.now),
        signed: Some(Personal::Plain("a.b.c".into())),
    };
    NewNotice {
        vendor: vendor(case),
        notice,
        incident: None,
        regimes: regimes(),
        zone: "UTC".into(),
        by: None,
    }
}

fn noticed(case: Case, reference: &str, aware: Timestamp) -> Case {
    let command = Command::ReceiveNotice(Box::new(notice(&case, reference, aware)));
    case.after(command)
}

fn said(case: &Case, number: u32, changes: Vec<Change>) -> Command {
    let incident = case.state.incident(&number.to_string()).unwrap().id;
    let by = Some(case.operator("ann"));
    Command::ChangeIncident(Box::new(IncidentChanges {
        incident,
        changes,
        by,
        version: None,
        zone: "UTC".into(),
    }))
}

fn breaches(case: &Case) -> Vec<(Timestamp, Timestamp, Option<u32>)> {
    let word = |event: &Event| match event {
        Event::DossierChanged(DossierChange { entry, .. }) => match &entry.change {
            DossierWord::BreachNoticed { aware, noticed, window_hours, .. } => {
                Some((*aware, *noticed, *window_hours))
            }
            _ => None,
        },
        _ => None,
    };
    case.events.iter().filter_map(word).collect()
}

fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

fn folded(case: &Case) {
    let mut folded = State::default();
    for event in &case.events {
        let stored: Event = serde_json::from_str(&serde_json::to_string(event).unwrap()).unwrap();
        folded.apply(&stored);
    }
    assert_eq!(folded, case.state, "what the ledger holds adds up to the same");
}

#[test]
fn a_notice_opens_an_incident_and_says_in_the_dossier_when_the_vendor_knew() {
    let case = given();
    let aware = case.now - hours(23);
    let case = noticed(case, "NG-7", aware);
    let incident = case.state.incident("1").unwrap();
    assert_eq!(incident.title, "breach at `acme`: NG-7");
    let clock = &incident.clocks[&"vendor-notice/notice".parse().unwrap()];
    assert_eq!((clock.from, clock.due, clock.state(case.now)), (aware, aware + hours(24), ClockState::Met));
    let gdpr = &incident.clocks[&"gdpr-33/authority".parse().unwrap()];
    assert_eq!(
        (gdpr.from, gdpr.state(case.now)),
        (case.now, ClockState::Running),
        "ours runs from its arrival"
    );
    assert_eq!(breaches(&case), [(aware, case.now, None)]);
    let dossier = case.state.dossier(vendor(&case));
    assert_eq!((dossier.breaches.len(), dossier.findings.len()), (1, 0));
    folded(&case);
}

#[test]
fn a_late_notice_is_a_breach_of_contract_in_the_same_step() {
    let case = given();
    let aware = case.now - hours(31);
    let case = noticed(case, "NG-7", aware);
    let incident = case.state.incident("1").unwrap();
    assert_eq!(incident.late_notice(case.now).unwrap().noticed, Some(case.now));
    let dossier = case.state.dossier(vendor(&case));
    let finding = dossier.findings.values().next().unwrap();
    assert!(finding.title.contains("told later than 24 hours"), "{}", finding.title);
    folded(&case);
}

#[test]
fn what_a_refused_key_says_opens_an_incident_and_holds_nobody() {
    let case = given();
    let mut new = notice(&case, "NG-7", case.now - hours(31));
    new.notice.way =
        Way::Signed { client: case.client("robot"), key: "key-1".into(), severed: false, refused: true };
    let case = case.after(Command::ReceiveNotice(Box::new(new)));
    assert_eq!(case.state.incidents.len(), 1);
    assert_eq!(breaches(&case), []);
    let incident = case.state.incident("1").unwrap();
    let runs = |clock: &str| incident.clocks.contains_key(&clock.parse().unwrap());
    assert!(runs("gdpr-33/authority") && !runs("vendor-notice/notice"), "ours run, and none of the vendor's");
}

#[test]
fn a_word_of_doubt_takes_no_lateness_from_the_vendors_own() {
    let case = given();
    let aware = case.now;
    let mut doubtful = notice(&case, "NG-7", aware);
    doubtful.notice.way =
        Way::Signed { client: case.client("robot"), key: "key-1".into(), severed: false, refused: true };
    let case = case.after(Command::ReceiveNotice(Box::new(doubtful)));
    let case = noticed(case.later(hours(30)), "NG-7", aware);
    assert_eq!(case.state.incidents.len(), 1);
    assert_eq!(breaches(&case), [(aware, case.now, None)]);
    assert_eq!(case.state.dossier(vendor(&case)).findings.len(), 1, "told later than agreed");
    folded(&case);
}

#[test]
fn a_notice_belongs_to_the_one_incident_that_waits_for_it_or_to_the_one_that_is_named() {
    let opened = |case: Case| case.after(Command::OpenIncident(Box::new(open(Origin::Hand))));
    let knew = |case: Case, number: u32, at: Timestamp| {
        let moment = MomentName::vendor_aware();
        let said = said(&case, number, vec![Change::MomentRecorded { moment, at, why: "the papers".into() }]);
        case.after(said)
    };
    let case = opened(given());
    // Nobody has said yet that the vendor knew of it: that one waits for nothing.
    let aware = case.now - hours(20);
    let case = noticed(case, "NG-1", aware);
    assert_eq!(case.state.incidents.len(), 2);
    let case = knew(case, 1, aware);
    let case = noticed(case.later(hours(1)), "NG-2", aware);
    assert_eq!(case.state.incidents.len(), 2, "it was waited for");
    assert_eq!(case.state.incident("1").unwrap().notices.len(), 1);
    assert!(case.state.incident("1").unwrap().late_notice(case.now + hours(99)).is_none());
    // Of two that wait nobody knows which one it is; somebody may say.
    let case = knew(opened(case), 3, aware);
    let case = knew(opened(case), 4, aware);
    let case = noticed(case.later(hours(1)), "NG-3", aware);
    assert_eq!(case.state.incidents.len(), 5);
    let named = |case: &Case, incident: &str| {
        let mut named = notice(case, "a call", aware);
        named.incident = Some(incident.to_owned());
        Command::ReceiveNotice(Box::new(named))
    };
    let case = case.later(hours(1));
    let command = named(&case, "4");
    let case = case.after(command);
    assert_eq!((case.state.incidents.len(), case.state.incident("4").unwrap().notices.len()), (5, 1));
    let case = case.later(hours(1));
    let refused = case.when(named(&case, "99")).unwrap_err();
    assert!(refused.to_string().contains("open incident of this vendor"), "{refused}");
    folded(&case);
}

#[test]
fn a_contract_with_fewer_hours_counts() {
    let contract = prepared(
        "Contract",
        "acme-2026",
        json!({ "vendor": "acme", "starts": "2026-01-01", "ends": "2026-12-31", "time_zone": "UTC" }),
        json!({ "clauses": [{ "kind": "incident_reporting", "report_hours": 12 }] }),
        &[],
    );
    let case = given().after(Command::Apply { resources: vec![contract] });
    let aware = case.now - hours(13);
    let case = noticed(case, "NG-7", aware);
    assert_eq!(breaches(&case), [(aware, case.now, Some(12))]);
    let clock = &case.state.incident("1").unwrap().clocks[&"vendor-notice/notice".parse().unwrap()];
    assert_eq!((clock.due, clock.state(case.now)), (aware + hours(12), ClockState::Missed));
    assert_eq!(case.state.dossier(vendor(&case)).findings.len(), 1);
}

#[test]
fn further_notices_belong_to_their_incident_and_the_same_one_is_refused() {
    let case = given();
    let aware = case.now - hours(2);
    let case = noticed(case, "NG-7", aware);
    let again = notice(&case, "NG-7", aware);
    let refused = case.when(Command::ReceiveNotice(Box::new(again))).unwrap_err();
    assert!(matches!(refused, Refusal::NoticeReplayed(received) if received == case.now), "{refused}");
    // Three days later it says more: that isn't late, it has told us in time.
    let case = noticed(case.later(hours(72)), "NG-7", aware);
    let incident = case.state.incident("1").unwrap();
    assert_eq!((incident.notices.len(), case.state.incidents.len()), (2, 1));
    assert_eq!(breaches(&case).len(), 1);
    // It turns out that it knew for two days before it told us: that is late.
    let case = noticed(case.later(hours(1)), "NG-7", aware - hours(48));
    let told = case.state.incident("1").unwrap().notices[0].received;
    assert_eq!(breaches(&case)[1], (aware - hours(48), told, None));
    assert_eq!(case.state.dossier(vendor(&case)).findings.len(), 1);
    let case = noticed(case.later(hours(1)), "NG-8", aware);
    assert_eq!(case.state.incidents.len(), 2, "another breach");
    folded(&case);
}

#[test]
fn a_vendor_that_does_not_tell_is_recorded_once_and_again_when_it_tells() {
    let case = given();
    let mut new = open(Origin::Hand);
    new.moments = vec![(MomentName::vendor_aware(), case.now, "it was in the papers".into())];
    let case = case.after(Command::OpenIncident(Box::new(new))).later(hours(25));
    let clock = || "vendor-notice/notice".parse().unwrap();
    let due = case.state.incident("1").unwrap().clocks[&clock()].due;
    let missed = said(&case, 1, vec![Change::ClockMissed { clock: clock(), due }]);
    let case = case.after(missed.clone());
    assert_eq!(breaches(&case).len(), 1);
    assert_eq!(case.when(missed).unwrap(), [], "once");
    let aware = case.now - hours(25);
    let case = case.later(hours(6));
    let case = noticed(case, "NG-7", aware);
    assert_eq!(breaches(&case).len(), 2, "its own words, with their hours");
}

#[test]
fn a_severance_opens_one_incident_and_belongs_to_one_that_is_open() {
    let severance = |number| Origin::Severance { severance: SeveranceId(Uuid::from_u128(number)), at: None };
    let case = given();
    let case = case.after(Command::OpenIncident(Box::new(open(severance(901)))));
    assert_eq!(case.when(Command::OpenIncident(Box::new(open(severance(901))))).unwrap(), []);
    let case = case.after(Command::OpenIncident(Box::new(open(severance(902)))));
    assert_eq!(case.state.incidents.len(), 1);
    assert_eq!(case.state.incident("1").unwrap().severances.len(), 2);
    let exercise = NewIncident { exercise: Some("kill-drill".into()), ..open(severance(903)) };
    let case = case.after(Command::OpenIncident(Box::new(exercise)));
    assert_eq!(case.state.incidents.len(), 2, "what is exercised stays apart");
    let drift = || open(Origin::Drift { client: ClientId(Uuid::from_u128(5)) });
    let case = case.after(Command::OpenIncident(Box::new(drift())));
    assert_eq!(case.when(Command::OpenIncident(Box::new(drift()))).unwrap(), []);
}

#[test]
fn what_is_exercised_is_no_breach() {
    let case = given();
    let mut new = NewIncident { exercise: Some("sunday".into()), ..open(Origin::Hand) };
    new.moments = vec![(MomentName::vendor_aware(), case.now - hours(30), "the scenario says so".into())];
    let case = case.after(Command::OpenIncident(Box::new(new)));
    let told = Change::MomentRecorded {
        moment: MomentName::vendor_notified(),
        at: case.now,
        why: "the scenario says so".into(),
    };
    let command = said(&case, 1, vec![told]);
    let case = case.after(command);
    assert!(case.state.incident("1").unwrap().late_notice(case.now).is_some());
    assert_eq!(breaches(&case), []);
}

#[test]
fn two_who_edit_one_incident_lose_nothing_and_what_is_wrong_changes_nothing() {
    let case = given().after(Command::OpenIncident(Box::new(open(Origin::Hand))));
    let note = |text: &str, at| Change::Noted { text: text.into(), at };
    let changes = |version, changes| {
        let incident = case.state.incident("1").unwrap().id;
        let by = Some(case.operator("bob"));
        let zone = "UTC".into();
        Command::ChangeIncident(Box::new(IncidentChanges { incident, changes, by, version, zone }))
    };
    let refused = case.when(changes(Some(9), vec![note("x", case.now)])).unwrap_err();
    assert!(matches!(refused, Refusal::IncidentMoved { number: 1, .. }), "{refused}");
    let refused = case.when(changes(None, vec![note("x", case.now), note("", case.now)])).unwrap_err();
    assert!(refused.to_string().starts_with("incident 1: the note is empty"), "{refused}");
    let nowhere = Command::ChangeIncident(Box::new(IncidentChanges {
        incident: IncidentId(Uuid::from_u128(4)),
        changes: vec![],
        by: None,
        version: None,
        zone: "UTC".into(),
    }));
    assert!(matches!(case.when(nowhere), Err(Refusal::Unknown { kind: "incident", .. })));
    let mut long = open(Origin::Hand);
    long.title = "x".repeat(201);
    assert!(case.when(Command::OpenIncident(Box::new(long))).is_err());
}

#[test]
fn a_vendor_can_open_twenty_incidents_and_no_more() {
    let mut case = given();
    for number in 0..20 {
        let aware = case.now;
        case = noticed(case.later(hours(1)), &format!("NG-{number}"), aware);
    }
    let more = notice(&case, "NG-20", case.now);
    let refused = case.when(Command::ReceiveNotice(Box::new(more))).unwrap_err();
    assert!(matches!(refused, Refusal::IncidentsMany { most: 20, .. }), "{refused}");
    let aware = case.now - hours(3);
    let case = noticed(case.later(hours(1)), "NG-3", aware);
    assert_eq!(case.state.incidents.len(), 20, "what belongs to an open one gets in");
}

#[test]
fn an_erased_person_is_in_no_incident() {
    let case = given();
    let aware = case.now;
    let case = noticed(case, "NG-7", aware);
    let role = Change::RoleGiven { role: Role::VendorContact, person: Personal::Plain("Ada, +44 1".into()) };
    let command = said(&case, 1, vec![role]);
    let case = case.after(command);
    let people = |case: &Case| {
        let incident = case.state.incident("1").unwrap().clone();
        incident.people().cloned().collect::<Vec<_>>()
    };
    let subject = people(&case)[0].subject().unwrap();
    assert!(people(&case).iter().all(|person| person.subject() == Some(subject)), "one person's");
    assert!(!format!("{:?}", case.events).contains("Ada"));
    let case = case.after(Command::EraseSubject { subject });
    assert_eq!(people(&case).iter().map(Personal::text).collect::<Vec<_>>(), [ERASED; 3]);
    assert!(!format!("{:?}", case.state.incident("1").unwrap().timeline).contains("Ada"));
}
