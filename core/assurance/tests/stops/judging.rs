//! What is refused, what is no news, and who must say it.

use portcullis_assurance::assessment::{Step, StepState};
use portcullis_assurance::change::Change;
use portcullis_assurance::entity::{EntityRecord, EntitySource, EntityStanding, Officer};
use portcullis_assurance::evidence::{Content, Evidence, Opinion, Soc2};
use portcullis_assurance::order::{DossierRefusal, RefusalKind};
use portcullis_assurance::screening::MatchWord;
use portcullis_assurance::stops::Stop;
use portcullis_ids::ids::{EvidenceId, ExceptionId, FindingId, SubjectId};
use portcullis_ids::personal::Personal;
use uuid::Uuid;

use crate::world::{
    World, ann, bob, date, document, entity, evidence, penetration_test, screening, soc2, time, weakness,
};

#[test]
fn dates_that_cannot_be_are_refused_with_a_hint() {
    let base = || evidence("report", "2026-05-01", penetration_test());
    for wrong in [
        Evidence { issued: date("2026-06-03"), ..base() },
        Evidence { period_from: Some(date("2026-04-01")), period_to: Some(date("2026-03-01")), ..base() },
        Evidence { period_to: Some(date("2026-05-02")), ..base() },
        Evidence { expires: Some(date("2026-04-30")), ..base() },
        Evidence { title: "  ".into(), ..base() },
    ] {
        let refusal = World::clear().refuses(Change::EvidenceAdded { evidence: Box::new(wrong) });
        assert_eq!(refusal.kind(), RefusalKind::Invalid, "{refusal}");
        assert!(refusal.to_string().contains("hint: "));
    }
    let (aware, noticed) = (time("2026-05-02T00:00:00Z"), time("2026-05-01T00:00:00Z"));
    let id = FindingId(Uuid::from_u128(1));
    World::clear().refuses(Change::BreachNoticed {
        id,
        aware,
        noticed,
        what: "x".into(),
        window_hours: None,
    });
    World::clear().refuses(Change::BreachNoticed {
        id,
        aware: noticed,
        noticed: time("2026-06-01T00:00:01Z"),
        what: "x".into(),
        window_hours: None,
    });
    let future = weakness("CVE-1", Some("2026-06-02T00:00:00Z"));
    World::clear().refuses(Change::VulnerabilityFound { vulnerability: future, evidence: None });
}

#[test]
fn the_same_again_is_no_news() {
    let mut world = World::clear();
    let id = EvidenceId(Uuid::from_u128(77));
    let report = Evidence { id, ..evidence("report", "2026-05-02", penetration_test()) };
    let asked = world.asks("policy");
    let changes = [
        Change::EvidenceAdded { evidence: Box::new(report.clone()) },
        Change::EntityChecked {
            record: Box::new(EntityRecord {
                at: time("2026-05-09T00:00:00Z"),
                lei_status: None,
                standing: EntityStanding::Unknown,
                ..entity("Acme Ltd")
            }),
        },
        Change::Screened { screening: screening("ofac-sdn", 800, None) },
        Change::MatchJudged {
            list: "ofac-sdn".into(),
            entry: "17".into(),
            word: MatchWord::Cleared,
            reason: "x".into(),
        },
        Change::VulnerabilityFound { vulnerability: weakness("CVE-1", None), evidence: Some(id) },
        Change::RequestRefused { request: asked, reason: "no".into() },
        Change::UndeclaredDataSeen { class: "pii".into(), route: None, at: time("2026-05-30T00:00:00Z") },
        Change::Reminded { what: "an end".into() },
    ];
    for change in changes {
        assert_eq!(world.order(change.clone(), Some(ann())).unwrap().len(), 1, "{change:?}");
        world.later(1);
        assert_eq!(world.order(change.clone(), Some(ann())).unwrap(), [], "{change:?}");
    }
    let other = Evidence { title: "another".into(), ..report };
    assert!(matches!(
        world.refuses(Change::EvidenceAdded { evidence: Box::new(other) }),
        DossierRefusal::Taken { .. }
    ));
}

#[test]
fn what_is_not_there_is_unknown_and_what_a_person_must_say_needs_one() {
    let mut world = World::clear();
    let evidence = EvidenceId(Uuid::from_u128(404));
    let judged = Change::MatchJudged {
        list: "x".into(),
        entry: "1".into(),
        word: MatchWord::Cleared,
        reason: "x".into(),
    };
    let closed =
        Change::VulnerabilityClosed { vulnerability: "CVE-404".into(), proof: None, reason: "x".into() };
    let withdrawn = Change::EvidenceWithdrawn { evidence, reason: "x".into() };
    for change in [judged.clone(), closed, withdrawn.clone()] {
        assert_eq!(world.refuses(change).kind(), RefusalKind::Unknown);
    }
    for change in [judged, withdrawn.clone(), Change::Admitted] {
        assert_eq!(world.order(change, None), Err(DossierRefusal::NobodyAnswers));
    }
    let Change::EvidenceWithdrawn { evidence, .. } = withdrawn else { panic!() };
    assert_eq!(
        world.refuses(Change::EvidenceWithdrawn { evidence, reason: " ".into() }),
        DossierRefusal::ReasonMissing
    );
}

#[test]
fn nobody_is_admitted_before_all_eight_are_approved() {
    let mut world = World::empty();
    let approve = |step| Change::StepDecided { step, state: StepState::Approved, reason: "seen".into() };
    assert_eq!(world.refuses(approve(Step::EntityCheck)).kind(), RefusalKind::Conflict);
    let dissolved = EntityRecord { standing: EntityStanding::Dissolved, ..entity("Acme Ltd") };
    world.does(Change::EntityChecked { record: Box::new(dissolved) });
    assert_eq!(world.refuses(approve(Step::EntityCheck)).kind(), RefusalKind::Conflict);
    let contracts = std::mem::take(&mut world.contracts);
    assert_eq!(world.refuses(approve(Step::Contract)).kind(), RefusalKind::Conflict);
    world.contracts = contracts;
    world.does(approve(Step::Contract));
    let refusal = world.refuses(Change::Admitted);
    assert!(refusal.to_string().contains("entity_check, security_practices"), "{refusal}");
    for (until, good) in [
        ("2026-06-01T00:00:00Z", false),
        ("2026-08-30T00:00:00.000001Z", false),
        ("2026-08-30T00:00:00Z", true),
    ] {
        let change = Change::AdmittedProvisionally { until: time(until) };
        assert_eq!(world.order(change, Some(ann())).is_ok(), good, "{until}");
    }
    // Prolonging doesn't add up.
    world.later(24 * 30).refuses(Change::AdmittedProvisionally { until: time("2026-09-15T00:00:00Z") });
}

#[test]
fn exceptions_take_two_people_end_and_are_not_for_everything() {
    let mut world = World::clear();
    let id = ExceptionId(Uuid::from_u128(66));
    let propose = |stop, until: &str| Change::ExceptionProposed {
        id,
        stop,
        subject: None,
        control: "watched".into(),
        until: time(until),
    };
    for (stop, until, good) in [
        (Stop::Contract, "2026-06-02T00:00:00Z", false),
        (Stop::Integrity, "2026-06-02T00:00:00Z", false),
        (Stop::Vulnerability, "2026-07-01T00:00:00.000001Z", false),
        (Stop::Vulnerability, "2026-07-01T00:00:00Z", true),
        (Stop::Exit, "2026-08-30T00:00:00.000001Z", false),
        (Stop::Exit, "2026-08-30T00:00:00Z", true),
        (Stop::Exit, "2026-06-01T00:00:00Z", false),
    ] {
        assert_eq!(world.clone().order(propose(stop, until), Some(ann())).is_ok(), good, "{stop:?} {until}");
    }
    world.does(propose(Stop::Exit, "2026-08-30T00:00:00Z"));
    assert_eq!(world.order(Change::ExceptionConfirmed { id }, Some(ann())), Err(DossierRefusal::SamePerson));
    assert_eq!(world.order(Change::ExceptionConfirmed { id }, None), Err(DossierRefusal::NobodyAnswers));
    assert!(!world.dossier.exceptions[&id].in_force(world.now));
    world.order(Change::ExceptionConfirmed { id }, Some(bob())).unwrap();
    assert!(world.dossier.exceptions[&id].in_force(world.now));
    // A match that is sure can't be let pass, whatever the exception says.
    let mut sure = World::clear();
    sure.does(Change::Screened { screening: screening("ofac-sdn", 990, Some("LEI")) });
    sure.excepts(Stop::Sanctions, "2026-07-01T00:00:00Z");
    assert_eq!(sure.access(sure.now), portcullis_assurance::Access::Blocked);
}

#[test]
fn nothing_bad_goes_by_withdrawing_the_paper_that_says_it() {
    let mut world = World::clear();
    let adverse = world.files("adverse", "2026-05-01", soc2(Opinion::Adverse, 20, None));
    let row = world.files("row", "2026-05-02", soc2(Opinion::Qualified, 20, Some(weakness("CVE-5", None))));
    for evidence in [adverse, row] {
        let refusal = world.refuses(Change::EvidenceWithdrawn { evidence, reason: "a mistake".into() });
        assert_eq!(refusal.kind(), RefusalKind::Conflict);
    }
    world.does(Change::VulnerabilityClosed {
        vulnerability: "CVE-5".into(),
        proof: None,
        reason: "updated".into(),
    });
    world.does(Change::EvidenceWithdrawn { evidence: row, reason: "a mistake".into() });
    let same = || Evidence {
        document: Some(document("aa")),
        ..evidence("one", "2026-05-01", Content::Soc2TypeOne(Soc2::default()))
    };
    world.files_this(same());
    assert_eq!(
        world.refuses(Change::EvidenceAdded { evidence: Box::new(same()) }).kind(),
        RefusalKind::Conflict
    );
}

#[test]
fn a_vendor_leaves_in_order_and_comes_back_through_all_eight() {
    let mut world = World::clear();
    let end = Change::OffboardingEnded {
        kept: vec!["ledger: the law asks for it".into()],
        shredded: vec!["documents".into()],
    };
    world.refuses(end.clone());
    world.does(Change::OffboardingBegun {
        plan: "move to another".into(),
        ends: time("2026-06-02T00:00:00Z"),
    });
    assert_eq!(world.numbers(time("2026-06-01T23:59:59Z")), []);
    assert_eq!(world.access(time("2026-06-02T00:00:00Z")), portcullis_assurance::Access::Blocked);
    world.later(24).refuses(end.clone());
    let evidence = world.files("certificate", "2026-06-01", Content::Other { name: "deletion".into() });
    world.does(Change::DeletionCertified { evidence });
    world.does(end);
    world.refuses(Change::Admitted);
    let world = world.admits();
    assert_eq!(world.numbers(world.now), []);
}

/// An LEI with wrong check digits is somebody else's, whatever source has brought it.
#[test]
fn an_lei_is_checked_however_it_comes() {
    let record = |lei: &str| EntityRecord { lei: Some(lei.into()), ..entity("Acme Ltd") };
    let says = |lei: &str| Change::EntityChecked { record: Box::new(record(lei)) };
    for (wrong, told) in [
        ("529900T8BM49AURSDO56", "56, and 55 would be expected"),
        ("529900T8BM49AURSD", "20 characters"),
        ("529900 T8BM49 AURSDO-55", "one form"),
        ("", "20 characters"),
    ] {
        let refusal = World::clear().refuses(says(wrong));
        assert_eq!(refusal.kind(), RefusalKind::Invalid);
        assert!(refusal.to_string().contains(told), "{wrong}: {refusal}");
    }
    World::clear().does(says("529900T8BM49AURSDO55"));
}

/// A register goes on naming whom we have forgotten.
#[test]
fn a_recheck_brings_no_erased_name_back() {
    let officer =
        |name: &str, role: &str| Officer { name: Personal::Plain(name.into()), role: Some(role.into()) };
    let record = |day: &str, officers| {
        let at = time(&format!("2026-05-{day}T00:00:00Z"));
        Change::EntityChecked { record: Box::new(EntityRecord { at, officers, ..entity("Acme Ltd") }) }
    };
    let mut world = World::empty();
    let subject = SubjectId(Uuid::from_u128(9));
    let held = |name: &str, subject| Personal::Plain(name.into()).held_by(subject);
    let first = vec![
        Officer { name: held("Jane Doe", subject), role: Some("director".into()) },
        Officer { name: held("Bob Roe", SubjectId(Uuid::from_u128(8))), role: Some("secretary".into()) },
    ];
    world.does(record("02", first));
    world.dossier.people_mut().for_each(|person| person.erase(subject));
    let names = |world: &World| {
        let known = world.dossier.entity.values().next().unwrap();
        known.officers.iter().map(|officer| officer.name.text().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&world), ["(erased)", "Bob Roe"]);
    // The same people again are no news: no event holds the name.
    let again = record("09", vec![officer("Jane Doe", "director"), officer("Bob Roe", "secretary")]);
    assert_eq!(world.order(again, None).unwrap(), []);
    // Something else is news, and the erased one stays erased; somebody in another role is somebody else.
    let more =
        vec![officer("Jane Doe", "director"), officer("Eve Poe", "auditor"), officer("Bob Roe", "secretary")];
    world.does(record("10", more));
    assert_eq!(names(&world), ["(erased)", "Eve Poe", "Bob Roe"]);
    // Who has seen a paper says it anew, knowingly.
    let said = EntityRecord {
        source: EntitySource::Manual { by: ann() },
        officers: vec![officer("Jane Doe", "director")],
        ..entity("Acme Ltd")
    };
    world.does(Change::EntityChecked { record: Box::new(said) });
    assert!(world.dossier.people().any(|person| person.text() == "Jane Doe"));
}

#[test]
fn a_document_goes_when_nothing_rests_on_it_and_its_words_stay() {
    let mut world = World::clear();
    let sha256 = "ab".repeat(32);
    let gone = |sha256: &str| Change::DocumentExpired {
        sha256: sha256.into(),
        document_kind: "penetration_test".into(),
        stored_at: time("2026-05-02T00:00:00Z"),
        reason: "kept 30 days".into(),
    };
    let report =
        Evidence { document: Some(document("ab")), ..evidence("report", "2026-05-01", penetration_test()) };
    let id = world.files_this(report);
    let refused = world.order(gone(&sha256), None).unwrap_err();
    assert!(refused.to_string().contains("is in force until 2028-"), "{refused}");
    world.later(24 * 731);
    // An integrity incident keeps it, too.
    let changed = Change::DocumentChanged { evidence: id, expected: sha256.clone(), found: None };
    let mut broken = world.clone();
    broken.order(changed, None).unwrap();
    assert_eq!(broken.order(gone(&sha256), None).unwrap_err().kind(), RefusalKind::Conflict);
    assert_eq!(world.order(gone(&sha256), None).unwrap(), [gone(&sha256)]);
    assert_eq!(world.order(gone(&sha256), None).unwrap(), []);
    let filed = &world.dossier.evidence[&id];
    assert_eq!(filed.expired.as_ref().unwrap().reason, "kept 30 days");
    assert!(filed.counts() && filed.evidence.document.is_some());
    // It is gone by our own will: no integrity incident.
    let missing = Change::DocumentChanged { evidence: id, expected: sha256, found: None };
    assert_eq!(world.order(missing, None).unwrap(), []);
    // What nobody has filed leaves this one line.
    assert_eq!(world.order(gone(&"cd".repeat(32)), None).unwrap().len(), 1);
}
