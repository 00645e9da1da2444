//! What each stop comes to on both sides of each boundary.

use portcullis_assurance::Access::{self, Blocked, Clear, Held, Limited};
use portcullis_assurance::change::Change;
use portcullis_assurance::contract::{Clause, ClauseKind};
use portcullis_assurance::entity::{EntityRecord, EntitySource, EntityStanding, LeiStatus};
use portcullis_assurance::evidence::{Channel, Content, Evidence, Opinion, Proof, ProofForm, ProofOutcome};
use portcullis_assurance::exposure::Tier;
use portcullis_assurance::screening::MatchWord;
use portcullis_assurance::stops::{Stop, warnings};
use portcullis_assurance::vulnerability::Exploitability;
use portcullis_ids::ids::FindingId;
use uuid::Uuid;

use crate::world::{
    World, clause, contract, date, document, entity, evidence, penetration_test, screening, soc2, time,
    weakness,
};

/// The worst of one stop at each moment.
#[track_caller]
fn check(world: &World, stop: Stop, expected: &[(&str, Access)]) {
    for (at, access) in expected {
        let held = world.held(time(at));
        let worst = held.iter().filter(|held| held.stop == stop).map(|held| held.access).max();
        assert_eq!(worst.unwrap_or(Clear), *access, "stop {} at {at}: {held:#?}", stop.number());
    }
}

fn found(published: Option<&str>) -> Change {
    Change::VulnerabilityFound { vulnerability: weakness("CVE-2026-1", published), evidence: None }
}

#[test]
fn nothing_holds_where_nothing_is_wrong_and_everything_where_nobody_said_anything() {
    let world = World::clear();
    assert_eq!(world.numbers(world.now), []);
    let silent = World::empty();
    assert_eq!(silent.numbers(silent.now), [(12, Blocked), (13, Blocked), (3, Held), (11, Limited)]);
}

#[test]
fn the_thirtieth_day_of_a_vulnerability_is_limited_and_the_next_microsecond_blocked() {
    let mut world = World::clear();
    world.does(found(Some("2026-05-20T10:00:00Z")));
    check(
        &world,
        Stop::Vulnerability,
        &[
            ("2026-06-01T00:00:00Z", Limited),
            ("2026-06-19T10:00:00Z", Limited),
            ("2026-06-19T10:00:00.000001Z", Blocked),
        ],
    );
    let stated = |word| Change::ExploitabilityStated {
        vulnerability: "CVE-2026-1".into(),
        word,
        justification: "not loaded".into(),
        evidence: None,
    };
    let mut not_affected = world.clone();
    not_affected.does(stated(Exploitability::NotAffected));
    check(&not_affected, Stop::Vulnerability, &[("2027-06-19T10:00:00Z", Limited)]);
    let mut affected = world.clone();
    affected.does(stated(Exploitability::Affected));
    check(&affected, Stop::Vulnerability, &[("2026-07-19T10:00:00Z", Blocked)]);
    let mut excepted = world.clone();
    excepted.excepts(Stop::Vulnerability, "2026-06-30T00:00:00Z");
    check(
        &excepted,
        Stop::Vulnerability,
        &[
            ("2026-06-10T00:00:00Z", Limited),
            ("2026-06-29T23:59:59.999999Z", Limited),
            ("2026-06-30T00:00:00Z", Blocked),
        ],
    );
    world.does(Change::VulnerabilityClosed {
        vulnerability: "CVE-2026-1".into(),
        proof: None,
        reason: "updated".into(),
    });
    check(&world, Stop::Vulnerability, &[("2027-06-19T10:00:00Z", Clear)]);
}

/// No date is not no age, and no score is not zero.
#[test]
fn what_nobody_has_dated_runs_from_when_it_was_known() {
    let mut world = World::clear();
    world.does(found(None));
    check(
        &world,
        Stop::Vulnerability,
        &[
            ("2026-06-01T00:00:00Z", Limited),
            ("2026-07-01T00:00:00Z", Limited),
            ("2026-07-01T00:00:00.000001Z", Blocked),
        ],
    );
}

#[test]
fn an_auditors_exception_runs_on_the_same_clock_and_is_named_with_its_age() {
    let mut world = World::clear();
    let row = weakness("CVE-2026-9", Some("2026-04-15T00:00:00Z"));
    world.files("SOC 2 Type II 2026", "2026-05-20", soc2(Opinion::Unqualified, 25, Some(row)));
    let held = world.held(world.now);
    assert_eq!(held[0].fact, "critical vulnerability CVE-2026-9 of `SOC 2 Type II 2026` open 47 days");
    assert_eq!((held[0].stop.number(), held[0].access), (4, Blocked));
}

#[test]
fn terms_end_at_their_moments_and_renewals_follow_without_a_gap() {
    let mut world = World::clear();
    world.contracts = vec![contract("2026-01-01T00:00:00Z", "2026-10-25T23:00:00Z")];
    check(
        &world,
        Stop::Contract,
        &[
            ("2025-12-31T23:59:59Z", Blocked),
            ("2026-10-25T22:59:59.999999Z", Clear),
            ("2026-10-25T23:00:00Z", Blocked),
        ],
    );
    let warned: Vec<(u8, &str)> = [
        "2026-09-25T22:00:00Z",
        "2026-09-25T23:00:00Z",
        "2026-10-11T23:00:00Z",
        "2026-10-18T23:00:00Z",
        "2026-10-24T23:00:00Z",
    ]
    .into_iter()
    .flat_map(|at| warnings(&world.known(), time(at)).into_iter().map(move |warning| (warning.days, at)))
    .collect();
    assert_eq!(
        warned,
        [
            (30, "2026-09-25T23:00:00Z"),
            (14, "2026-10-11T23:00:00Z"),
            (7, "2026-10-18T23:00:00Z"),
            (1, "2026-10-24T23:00:00Z"),
        ]
    );
    world.contracts.push(contract("2026-10-25T23:00:00Z", "2028-03-01T00:00:00Z"));
    check(
        &world,
        Stop::Contract,
        &[
            ("2026-10-25T23:00:00Z", Clear),
            ("2028-02-29T23:59:59Z", Clear),
            ("2028-03-01T00:00:00Z", Blocked),
        ],
    );
}

#[test]
fn a_clause_that_does_not_say_what_it_must_is_as_good_as_none() {
    let with = |change: fn(&mut Clause), kind: ClauseKind| {
        let mut world = World::clear();
        world.contracts[0].clauses.iter_mut().filter(|clause| clause.kind == kind).for_each(change);
        world
    };
    let now = "2026-06-01T00:00:00Z";
    check(
        &with(|clause| clause.report_hours = None, ClauseKind::IncidentReporting),
        Stop::Clause,
        &[(now, Held)],
    );
    check(
        &with(|clause| clause.report_hours = Some(25), ClauseKind::IncidentReporting),
        Stop::Clause,
        &[(now, Held)],
    );
    check(
        &with(|clause| clause.report_hours = Some(24), ClauseKind::IncidentReporting),
        Stop::Clause,
        &[(now, Clear)],
    );
    check(&with(|clause| clause.expires = None, ClauseKind::Insurance), Stop::Clause, &[(now, Held)]);
    check(
        &with(|clause| clause.expires = Some(date("2026-07-31")), ClauseKind::Insurance),
        Stop::Clause,
        &[("2026-07-31T23:59:59Z", Clear), ("2026-08-01T00:00:00Z", Held)],
    );
    for kind in ClauseKind::ALL {
        let mut world = World::clear();
        world.contracts[0].clauses.retain(|clause| clause.kind != kind);
        check(&world, Stop::Clause, &[(now, Held)]);
        world.rules.clauses.remove(&kind);
        check(&world, Stop::Clause, &[(now, Clear)]);
        world.contracts[0].clauses.push(clause(kind));
        check(&world, Stop::Clause, &[(now, Clear)]);
    }
}

#[test]
fn matches_hold_or_block_by_two_thresholds_and_stay_until_somebody_has_looked() {
    for (score, identifier, access) in [
        (699, Some("LEI"), Clear),
        (700, None, Held),
        (949, Some("LEI"), Held),
        (950, None, Held),
        (950, Some("LEI"), Blocked),
    ] {
        let mut world = World::clear();
        world.does(Change::Screened { screening: screening("ofac-sdn", score, identifier) });
        check(&world, Stop::Sanctions, &[("2026-06-01T00:00:00Z", access)]);
        // A later list that doesn't have it any more clears nothing.
        let mut none = screening("ofac-sdn", score, identifier);
        none.matches.clear();
        world.does(Change::Screened { screening: none });
        check(&world, Stop::Sanctions, &[("2026-06-01T00:00:00Z", access)]);
        let judged = |word| Change::MatchJudged {
            list: "ofac-sdn".into(),
            entry: "17".into(),
            word,
            reason: "seen".into(),
        };
        world.does(judged(MatchWord::Cleared));
        check(&world, Stop::Sanctions, &[("2026-06-01T00:00:00Z", Clear)]);
        // The entry has changed: the word was about another one.
        let mut changed = screening("ofac-sdn", 980, Some("registry number"));
        changed.matches[0].name = "Acme Limited".into();
        world.does(Change::Screened { screening: changed });
        check(&world, Stop::Sanctions, &[("2026-06-01T00:00:00Z", Blocked)]);
        world.does(judged(MatchWord::Confirmed));
        check(&world, Stop::Sanctions, &[("2026-06-01T00:00:00Z", Blocked)]);
    }
    let mut world = World::clear();
    world.does(Change::Screened { screening: screening("own", 800, Some("address")) });
    check(&world, Stop::Sanctions, &[("2026-06-01T00:00:00Z", Clear)]);
    check(&world, Stop::Relation, &[("2026-06-01T00:00:00Z", Held)]);
}

#[test]
fn the_worst_of_all_sources_says_who_the_vendor_is() {
    let registry = EntitySource::Registry { name: "companies".into() };
    let with = |record: EntityRecord| {
        let mut world = World::clear();
        world.does(Change::EntityChecked { record: Box::new(record) });
        world
    };
    let base = || EntityRecord { source: registry.clone(), ..entity("Acme Limited") };
    let now = "2026-06-01T00:00:00Z";
    check(&with(base()), Stop::Entity, &[(now, Clear)]);
    for (standing, access) in [
        (EntityStanding::Active, Clear),
        (EntityStanding::Unknown, Clear),
        (EntityStanding::Inactive, Blocked),
        (EntityStanding::Dissolved, Blocked),
        (EntityStanding::Merged, Blocked),
    ] {
        check(&with(EntityRecord { standing, ..base() }), Stop::Entity, &[(now, access)]);
    }
    for (status, access) in [
        (LeiStatus::Issued, Clear),
        (LeiStatus::Pending, Clear),
        (LeiStatus::Lapsed, Limited),
        (LeiStatus::Retired, Blocked),
        (LeiStatus::Duplicate, Blocked),
    ] {
        check(&with(EntityRecord { lei_status: Some(status), ..base() }), Stop::Entity, &[(now, access)]);
    }
    // One letter or one legal form is another firm.
    check(&with(EntityRecord { legal_name: "Acme GmbH".into(), ..base() }), Stop::Entity, &[(now, Blocked)]);
    check(
        &with(EntityRecord { legal_name: "Ocme Holdings Ltd".into(), ..base() }),
        Stop::Entity,
        &[(now, Blocked)],
    );
    let mut world = World::clear();
    world.contracts[0].vendor_name = Some("Bcme Trading Ltd".into());
    check(&world, Stop::Entity, &[(now, Blocked)]);
}

#[test]
fn whoever_signs_is_an_officer_or_authorised() {
    let mut world = World::clear();
    let now = "2026-06-01T00:00:00Z";
    check(&world, Stop::Signer, &[(now, Clear)]);
    world.contracts[0].signers.push("Rick Roe".into());
    check(&world, Stop::Signer, &[(now, Held)]);
    assert!(!format!("{:?}", world.held(time(now))).contains("Roe"), "a name of a person goes nowhere");
    let name = portcullis_ids::personal::Personal::Plain("Richard Roe".into());
    world.does(Change::SignerAuthorised { name, evidence: None, reason: "power of attorney".into() });
    check(&world, Stop::Signer, &[(now, Clear)]);
}

#[test]
fn opinions_count_at_tier_one_until_a_newer_report() {
    for (opinion, access) in [
        (Opinion::Unqualified, Clear),
        (Opinion::Qualified, Clear),
        (Opinion::Adverse, Blocked),
        (Opinion::Disclaimed, Blocked),
    ] {
        let mut world = World::clear();
        world.files("report", "2026-04-01", soc2(opinion, 20, None));
        check(&world, Stop::Opinion, &[("2026-06-01T00:00:00Z", access), ("2029-06-01T00:00:00Z", access)]);
        world.tier = Tier::Two;
        check(&world, Stop::Opinion, &[("2026-06-01T00:00:00Z", Clear)]);
        world.tier = Tier::One;
        world.files("newer report", "2026-05-01", soc2(Opinion::Unqualified, 20, None));
        check(&world, Stop::Opinion, &[("2026-06-01T00:00:00Z", Clear)]);
    }
}

#[test]
fn a_contract_may_give_a_vendor_fewer_hours_for_its_notice_and_no_more() {
    let held = |window_hours, hours: i64| {
        let mut world = World::clear();
        let noticed = time("2026-05-31T00:00:00Z");
        let aware = noticed - jiff::SignedDuration::from_hours(hours);
        let id = FindingId(Uuid::from_u128(5));
        world.does(Change::BreachNoticed {
            id,
            aware,
            noticed,
            what: "mail box opened".into(),
            window_hours,
        });
        !world.dossier.findings.is_empty()
    };
    assert!(!held(Some(12), 12) && held(Some(12), 13));
    assert!(!held(Some(72), 24) && held(Some(72), 25), "more than 24 hours nobody has");
}

#[test]
fn a_notice_is_late_after_24_hours_and_holds_until_it_is_closed() {
    for (noticed, access) in [("2026-05-31T00:00:00Z", Clear), ("2026-05-31T00:00:00.000001Z", Held)] {
        let mut world = World::clear();
        let id = FindingId(Uuid::from_u128(5));
        let aware = time("2026-05-30T00:00:00Z");
        world.does(Change::BreachNoticed {
            id,
            aware,
            noticed: time(noticed),
            what: "mail box opened".into(),
            window_hours: None,
        });
        check(
            &world,
            Stop::BreachNotice,
            &[("2026-06-01T00:00:00Z", access), ("2027-06-01T00:00:00Z", access)],
        );
        assert_eq!(
            world.dossier.findings.len(),
            usize::from(access == Held),
            "the breach of contract is recorded"
        );
        world.does(Change::BreachClosed { id, reason: "settled".into() });
        check(&world, Stop::BreachNotice, &[("2026-06-01T00:00:00Z", Clear)]);
    }
}

#[test]
fn one_changed_byte_or_a_broken_signature_blocks_until_it_is_settled() {
    let mut world = World::clear();
    let id = world.files_this(Evidence {
        document: Some(document("ab")),
        ..evidence("policy", "2026-05-01", Content::Policy)
    });
    let now = "2026-06-01T00:00:00Z";
    world.does(Change::DocumentChanged {
        evidence: id,
        expected: "ab".repeat(32),
        found: Some("ac".repeat(32)),
    });
    check(&world, Stop::Integrity, &[(now, Blocked)]);
    assert_eq!(world.dossier.findings.len(), 1);
    world.refuses(Change::EvidenceWithdrawn { evidence: id, reason: "away with it".into() });
    world.does(Change::DocumentMended { evidence: id, reason: "from the backup".into() });
    check(&world, Stop::Integrity, &[(now, Clear)]);
    let proof = |outcome| Proof {
        auditor: None,
        with: None,
        form: ProofForm::Pdf,
        outcome,
        signer: None,
        detail: "digest differs".into(),
        at: time(now),
    };
    for (outcome, access) in
        [(ProofOutcome::Valid, Clear), (ProofOutcome::UnknownSigner, Clear), (ProofOutcome::Invalid, Blocked)]
    {
        world.does(Change::EvidenceProven { evidence: id, proof: proof(outcome) });
        check(&world, Stop::Integrity, &[(now, access)]);
    }
}

#[test]
fn undeclared_data_is_masked_for_a_day_and_then_holds() {
    let mut world = World::clear();
    world.does(Change::UndeclaredDataSeen {
        class: "pii".into(),
        route: None,
        at: time("2026-05-31T12:00:00Z"),
    });
    check(
        &world,
        Stop::UndeclaredData,
        &[
            ("2026-06-01T00:00:00Z", Clear),
            ("2026-06-01T12:00:00Z", Clear),
            ("2026-06-01T12:00:00.000001Z", Held),
        ],
    );
    assert_eq!(world.numbers(world.now), [(10, Clear)], "it is shown before");
    world.does(Change::UndeclaredDataSettled { class: "pii".into(), reason: "declared".into() });
    check(&world, Stop::UndeclaredData, &[("2026-06-02T12:00:00Z", Clear)]);
}

/// Expiry dates that are stored act.
#[test]
fn vulnerability_evidence_lapses_to_limited_and_thirty_days_later_to_blocked() {
    let world = World::clear();
    check(
        &world,
        Stop::VulnerabilityEvidence,
        &[
            ("2027-05-01T23:59:59Z", Clear),
            ("2027-05-02T00:00:00Z", Limited),
            ("2027-05-31T23:59:59Z", Limited),
            ("2027-06-01T00:00:00Z", Blocked),
        ],
    );
    check(&world, Stop::Exit, &[("2028-04-29T23:59:59Z", Clear), ("2028-04-30T00:00:00Z", Limited)]);
    let mut early = World::empty();
    early.files_this(Evidence {
        expires: Some(date("2026-06-10")),
        ..evidence("test", "2026-05-01", penetration_test())
    });
    check(
        &early,
        Stop::VulnerabilityEvidence,
        &[
            ("2026-06-10T23:59:59Z", Clear),
            ("2026-06-11T00:00:00Z", Limited),
            ("2026-07-11T00:00:00Z", Blocked),
        ],
    );
    let now = "2026-06-01T00:00:00Z";
    let with = |evidence: Evidence| {
        let mut world = World::empty();
        world.files_this(evidence);
        world
    };
    let scan = || Content::Scan { open_critical: 0 };
    let questionnaire = Content::Questionnaire {
        name: "all yes".into(),
        answered: 300,
        unanswered: 0,
        not_applicable: 0,
        rows: Vec::new(),
    };
    for (evidence, access) in [
        // Every answer yes is a claim, and no test.
        (evidence("all yes", "2026-05-30", questionnaire), Blocked),
        (evidence("scan by mail", "2026-05-30", scan()), Blocked),
        (Evidence { channel: Channel::Portal, ..evidence("scan", "2026-05-30", scan()) }, Clear),
        (evidence("SOC 2", "2026-05-30", soc2(Opinion::Unqualified, 25, None)), Clear),
        (evidence("nothing sampled", "2026-05-30", soc2(Opinion::Unqualified, 0, None)), Blocked),
        (evidence("adverse", "2026-05-30", soc2(Opinion::Adverse, 25, None)), Blocked),
        // It was over when it came.
        (evidence("old", "2025-05-20", penetration_test()), Blocked),
    ] {
        let title = evidence.title.clone();
        let mut world = with(evidence);
        check(&world, Stop::VulnerabilityEvidence, &[(now, access)]);
        world.tier = Tier::Three;
        check(&world, Stop::VulnerabilityEvidence, &[(now, Clear)]);
        assert!(!title.is_empty());
    }
}

#[test]
fn a_provisional_admission_ends_and_a_refusal_stays_until_the_vendor_shows_the_test() {
    let mut world = World::empty();
    world.does(Change::AdmittedProvisionally { until: time("2026-08-30T00:00:00Z") });
    check(&world, Stop::Admission, &[("2026-08-29T23:59:59Z", Clear), ("2026-08-30T00:00:00Z", Blocked)]);
    let mut world = World::clear();
    world.tier = Tier::Three;
    let asked = world.asks("penetration_test");
    world.does(Change::RequestRefused { request: asked, reason: "secret".into() });
    check(&world, Stop::PenetrationTestRefused, &[("2026-06-01T00:00:00Z", Blocked)]);
    world.refuses(Change::RequestWithdrawn { request: asked });
    world.later(1).files("summary", "2026-05-20", penetration_test());
    check(&world, Stop::PenetrationTestRefused, &[("2026-06-01T01:00:00Z", Clear)]);
    let policy = world.asks("policy");
    world.does(Change::RequestRefused { request: policy, reason: "secret".into() });
    check(&world, Stop::PenetrationTestRefused, &[("2026-06-01T01:00:00Z", Clear)]);
}

#[test]
fn a_provisional_admission_lets_clauses_pass_that_nobody_has_read_until_it_ends() {
    let mut world = World::empty();
    world.contracts[0].clauses.clear();
    check(&world, Stop::Clause, &[("2026-06-01T00:00:00Z", Held)]);
    world.does(Change::AdmittedProvisionally { until: time("2026-08-30T00:00:00Z") });
    check(&world, Stop::Clause, &[("2026-08-29T23:59:59Z", Clear), ("2026-08-30T00:00:00Z", Held)]);
    let shown = world.held(time("2026-08-01T00:00:00Z"));
    let shown = shown.iter().find(|held| held.stop == Stop::Clause).unwrap();
    assert!(shown.fact.contains("lets that pass until 2026-08-30"), "{}", shown.fact);
    // People are told before.
    let warnings = warnings(&world.known(), time("2026-08-29T20:00:00Z"));
    let warned = warnings.iter().find(|warning| warning.stop == Stop::Clause).unwrap();
    assert!(
        warned.sentence.starts_with("in 4 hours, on 2026-08-30, the vendor will be held"),
        "{}",
        warned.sentence
    );
    // What was read and is too little holds all the same.
    world.contracts[0].clauses =
        vec![Clause { report_hours: Some(72), ..clause(ClauseKind::IncidentReporting) }];
    check(&world, Stop::Clause, &[("2026-08-01T00:00:00Z", Held)]);
    // Whoever is admitted in full has a contract that somebody has read.
    let mut admitted = World::clear();
    admitted.contracts[0].clauses.clear();
    check(&admitted, Stop::Clause, &[("2026-06-01T00:00:00Z", Held)]);
}
