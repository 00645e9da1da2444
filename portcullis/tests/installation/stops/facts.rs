//! What becomes known of the vendor, each as an operator, a register or a gate says it.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use portcullis_assurance::assessment::{Step, StepState};
use portcullis_assurance::change::Change;
use portcullis_assurance::entity::{EntityRecord, EntitySource, EntityStanding, LeiStatus, Officer};
use portcullis_assurance::evidence::{
    BySeverity, Channel, Content, Document, Evidence, Opinion, PenetrationTest, RecoveryTest, Soc2,
};
use portcullis_assurance::request::EvidenceRequest;
use portcullis_assurance::screening::{Match, MatchWord, Screening};
use portcullis_assurance::stops::Stop;
use portcullis_assurance::vulnerability::{Exploitability, Vulnerability};
use portcullis_domain::ids::{EvidenceId, ExceptionId, FindingId, RequestId};
use portcullis_domain::personal::Personal;
use uuid::Uuid;

pub const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
pub const WEAKNESS: &str = "CVE-2026-12345";
pub const PENETRATION_TEST: u128 = 1;
pub const RECOVERY_TEST: u128 = 2;

pub fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

/// Everything that a vendor of tier 1 needs, and its admission.
pub fn sound(now: Timestamp) -> Vec<Change> {
    let steps = Step::ALL.into_iter().map(|step| Change::StepDecided {
        step,
        state: StepState::Approved,
        reason: "seen".to_owned(),
    });
    let first = [
        entity(now, EntityStanding::Active, None),
        evidence(PENETRATION_TEST, now, 30, penetration_test()),
        evidence(RECOVERY_TEST, now, 30, recovery_test()),
    ];
    first.into_iter().chain(steps).chain([Change::Admitted]).collect()
}

pub fn entity(at: Timestamp, standing: EntityStanding, lei_status: Option<LeiStatus>) -> Change {
    let record = EntityRecord {
        source: EntitySource::Registry { name: "companies".to_owned() },
        at,
        legal_name: "Acme Ltd".to_owned(),
        lei: None,
        lei_status,
        registry_number: None,
        jurisdiction: None,
        standing,
        formed: None,
        legal_form: None,
        registered_address: None,
        head_office: None,
        officers: vec![Officer { name: Personal::Plain("Olga Officer".to_owned()), role: None }],
        parent: None,
        ultimate_parent: None,
    };
    Change::EntityChecked { record: Box::new(record) }
}

fn day(now: Timestamp, days_ago: i64) -> Date {
    (now - hours(24 * days_ago)).to_zoned(TimeZone::UTC).date()
}

pub fn id(number: u128) -> EvidenceId {
    EvidenceId(Uuid::from_u128(number))
}

pub fn evidence(number: u128, now: Timestamp, days_ago: i64, content: Content) -> Change {
    let evidence = Evidence {
        id: id(number),
        title: format!("Paper {number}"),
        issuer: "An Auditor".to_owned(),
        scope: None,
        covers: Vec::new(),
        period_from: None,
        period_to: None,
        issued: day(now, days_ago),
        expires: None,
        channel: Channel::Portal,
        document: Some(Document {
            name: "paper.pdf".to_owned(),
            media_type: "application/pdf".to_owned(),
            bytes: 7,
            sha256: format!("{number:064x}"),
        }),
        proof: None,
        content,
        added_at: now,
    };
    Change::EvidenceAdded { evidence: Box::new(evidence) }
}

pub fn penetration_test() -> Content {
    let (open, closed) = (BySeverity::default(), BySeverity::default());
    Content::PenetrationTest(PenetrationTest { tester: None, open, closed })
}

pub fn recovery_test() -> Content {
    Content::RecoveryTest(RecoveryTest {
        rto_minutes: 60,
        rto_achieved_minutes: 50,
        rpo_minutes: 60,
        rpo_achieved_minutes: 50,
        redundant_sites: 1,
        exit_tested: true,
    })
}

pub fn report(opinion: Opinion) -> Content {
    Content::Soc2TypeTwo(Soc2 { opinion, ..Soc2::default() })
}

pub fn withdrawn(number: u128) -> Change {
    Change::EvidenceWithdrawn { evidence: id(number), reason: "another one comes".to_owned() }
}

pub fn screened(list: &str, at: Timestamp, score: u16, identifier: Option<&str>) -> Change {
    let found = Match {
        entry: "entry-7".to_owned(),
        name: "Acme Limited".to_owned(),
        score,
        identifier: identifier.map(str::to_owned),
        why: "the same words".to_owned(),
    };
    let (list, list_sha256) = (list.to_owned(), DIGEST.to_owned());
    Change::Screened { screening: Screening { list, list_sha256, at, matches: vec![found] } }
}

pub fn cleared(list: &str) -> Change {
    let (list, entry) = (list.to_owned(), "entry-7".to_owned());
    Change::MatchJudged { list, entry, word: MatchWord::Cleared, reason: "another firm".to_owned() }
}

/// Exploited, and known to the vendor since `aware`.
pub fn weakness(aware: Timestamp) -> Change {
    let vulnerability = Vulnerability {
        id: WEAKNESS.to_owned(),
        title: None,
        cvss_tenths: Some(98),
        known_exploited: true,
        vendor_aware: Some(aware),
        published: None,
        kev_listed: None,
        component: None,
    };
    Change::VulnerabilityFound { vulnerability, evidence: Some(id(PENETRATION_TEST)) }
}

pub fn mended() -> Change {
    Change::VulnerabilityClosed {
        vulnerability: WEAKNESS.to_owned(),
        proof: None,
        reason: "the patch was seen".to_owned(),
    }
}

pub fn not_affected() -> Change {
    Change::ExploitabilityStated {
        vulnerability: WEAKNESS.to_owned(),
        word: Exploitability::NotAffected,
        justification: "the code isn't reached".to_owned(),
        evidence: None,
    }
}

pub fn breach(aware: Timestamp, noticed: Timestamp) -> Change {
    let id = FindingId(Uuid::from_u128(70));
    Change::BreachNoticed { id, aware, noticed, what: "a mailbox was read".to_owned(), window_hours: None }
}

pub fn breach_closed() -> Change {
    Change::BreachClosed { id: FindingId(Uuid::from_u128(70)), reason: "agreed upon".to_owned() }
}

pub fn document_changed(number: u128) -> Change {
    let found = Some(DIGEST.to_owned());
    Change::DocumentChanged { evidence: id(number), expected: format!("{number:064x}"), found }
}

pub fn document_mended(number: u128) -> Change {
    Change::DocumentMended { evidence: id(number), reason: "the true one is back".to_owned() }
}

pub fn undeclared(at: Timestamp) -> Change {
    Change::UndeclaredDataSeen { class: "e-mail address".to_owned(), route: None, at }
}

pub fn undeclared_settled() -> Change {
    Change::UndeclaredDataSettled { class: "e-mail address".to_owned(), reason: "declared".to_owned() }
}

pub fn penetration_test_asked(now: Timestamp) -> Change {
    Change::EvidenceRequested {
        request: EvidenceRequest {
            id: RequestId(Uuid::from_u128(80)),
            wanted: "penetration_test".to_owned(),
            note: None,
            contact: Personal::Plain("security@acme.example".to_owned()),
            due: day(now, -10),
            code_sha256: DIGEST.to_owned(),
            asked_at: now,
        },
    }
}

pub fn penetration_test_refused() -> Change {
    Change::RequestRefused { request: RequestId(Uuid::from_u128(80)), reason: "secret".to_owned() }
}

pub const EXCEPTION: ExceptionId = ExceptionId(Uuid::from_u128(90));

pub fn exception(stop: Stop, until: Timestamp) -> Change {
    let control = "an allow list in front of it".to_owned();
    Change::ExceptionProposed { id: EXCEPTION, stop, subject: None, control, until }
}
