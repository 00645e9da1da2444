//! Events are never edited: each kind's stored form of version 1 stands in a file, byte by byte.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "events_v1/tunnels.rs"]
mod tunnels;

use std::collections::BTreeSet;

use jiff::Timestamp;
use portcullis_assurance::change::{Change, Entry};
use portcullis_assurance::stops::StopMode;
use portcullis_domain::access::{Access, VendorHold, VendorRelease};
use portcullis_domain::archive::{Content, Expiry, HoldLift, LegalHold, SealedFile};
use portcullis_domain::auditor::{AuditorRegistration, AuditorRemoval};
use portcullis_domain::break_glass::{BreakGlassOpening, BreakGlassRemoval, BreakGlassSeal};
use portcullis_domain::decision::DecisionId;
use portcullis_domain::event::{
    Cause, CertificateRevocation, CertificateUse, DossierChange, Event, ExternalKeys, FromBackup,
    IncidentChange, IssuedCertificate, IssuerKeysChange, KeyForm, PostureChange, PostureWord, PublicKey,
    RegisteredKey, Restoration, RestoreProposal, RestoreRefusal, Severance, SignedReceipt,
};
use portcullis_domain::exercise::{CanaryRestoration, ExerciseRun};
use portcullis_domain::ids::{
    AuditorId, ClientId, EvidenceId, IncidentId, IntegrationId, OperatorId, PageId, RestoreId, SeveranceId,
    SubjectId, VendorId,
};
use portcullis_domain::judgement::DecisionJudgement;
use portcullis_domain::personal::Personal;
use portcullis_domain::posture::PushedWord;
use portcullis_domain::reason::Reason;
use portcullis_domain::spec::Kind;
use portcullis_domain::target::Target;
use portcullis_domain::telling::{TellingOutcome, VendorTelling};
use portcullis_risk::{Context, Judgement, Known, Missing};
use serde_json::json;
use uuid::Uuid;

const GOLDEN: &str = include_str!("events_v1.json");

#[test]
fn every_kind_is_written_and_read_as_it_was_from_the_first_release_on() {
    let events = one_of_each();
    // One line for each event, so that a difference names it.
    let lines: Vec<String> = events.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
    let golden: Vec<&str> = GOLDEN.lines().collect();
    let golden: Vec<&str> =
        golden[1..golden.len() - 1].iter().map(|line| line.strip_suffix(',').unwrap_or(line)).collect();
    for (line, golden) in lines.iter().zip(&golden) {
        assert_eq!(line, golden, "the stored form of an event must not change: add a version instead");
    }
    let new: Vec<&String> = lines.iter().skip(golden.len()).collect();
    assert!(new.is_empty(), "lines that the file lacks: {new:#?}");
    assert_eq!(lines.len(), golden.len());
    let read: Vec<Event> = serde_json::from_str(GOLDEN).unwrap();
    assert_eq!(read, events);
    assert_eq!(Event::VERSION, 1);
}

#[test]
fn every_kind_is_in_the_file_and_in_the_list() {
    let events = one_of_each();
    let kinds: BTreeSet<&str> = events.iter().map(Event::kind).collect();
    assert_eq!(kinds, Event::KINDS.into_iter().collect());
    assert_eq!(Event::KINDS.len(), kinds.len());
    for event in &events {
        assert_eq!(serde_json::to_value(event).unwrap()["event"], event.kind());
    }
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn one_of_each() -> Vec<Event> {
    let time: Timestamp = "2026-11-21T10:20:30.123456Z".parse().unwrap();
    let subject = SubjectId(id(7));
    let defined = |declaration: serde_json::Value, keys| Event::ResourceDefined {
        id: id(2),
        declaration: serde_json::from_value(declaration).unwrap(),
        keys,
        time: None,
    };
    let marked = |text: &str| json!({ "$personal": { "subject": subject, "text": text } });
    let severed = |target, keys: &[&str], cause| {
        Event::Severed(Severance {
            id: SeveranceId(id(8)),
            target,
            epoch: 2,
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            cause,
            time,
        })
    };
    let operator = OperatorId(id(3));
    let by_operator = || Cause::Operator { operator, reason: "stolen laptop".into(), tell: None };
    let client = ClientId(id(6));
    let public = |thumbprint: &str, form, public| PublicKey { thumbprint: thumbprint.into(), form, public };
    vec![
        Event::InstallationFounded {
            installation: id(1),
            issuer: "https://gate.example".into(),
            stops: None,
        },
        defined(
            json!({ "kind": "Vendor", "name": "acme", "labels": { "tier": "1" }, "spec": {
                "legal_name": "Acme Ltd", "jurisdiction": "GB", "registry_number": "01234567",
                "lei": "529900T8BM49AURSDO55", "purpose": "parcel tracking", "records_max": 20_000,
                "contacts": [{ "name": marked("Ann Onymous"), "role": "security",
                    "email": marked("ann@acme.example"), "phone": marked("+44 20 7946 0000") }] } }),
            vec![],
        ),
        defined(
            json!({ "kind": "Contract", "name": "acme-2026", "spec": {
                "vendor": "acme", "starts": "2026-01-01", "ends": "2026-12-31T18:00:00",
                "time_zone": "Europe/Berlin", "reference": "C-17",
                "signed_by": [{ "name": marked("Bob Roberts"), "role": "CEO" }] } }),
            vec![],
        ),
        defined(
            json!({ "kind": "Upstream", "name": "tracking", "spec": { "url": "https://tracking.internal:8443",
                "tls": { "certificate_authority": "PEM", "identity": "gate" }, "connect_seconds": 3 } }),
            vec![],
        ),
        defined(
            json!({ "kind": "Route", "name": "parcels", "spec": { "upstream": "tracking",
                "methods": ["GET", "HEAD"], "path": "/parcels/{id}", "scope": "parcels:read",
                "impact": "high", "metered": true, "records": "/items", "page_max": 500,
                "timeout_seconds": 10, "request_bytes_max": 1024 } }),
            vec![],
        ),
        defined(
            json!({ "kind": "Integration", "name": "feed", "spec": { "contract": "acme-2026",
                "purpose": "tracking pages", "direction": "inbound", "routes": ["parcels"],
                "scopes": ["parcels:read"], "ends": "2026-06-30", "token_seconds": 120, "limits": {
                    "requests": { "per_second": 10, "burst": 20 },
                    "bytes": { "per_second": 1000, "burst": 2000 },
                    "concurrency": 4, "records": { "per_client": 100, "per_integration": 200 },
                    "stream_seconds_max": 60 } } }),
            vec![],
        ),
        defined(
            json!({ "kind": "Client", "name": "robot", "spec": { "integration": "feed",
                "jwks": { "keys": [] }, "certificates": ["PEM"],
                "subject": { "certificate_authority": "PEM", "san_dns": "robot.acme.example" },
                "assertion_audience": "token_endpoint" } }),
            vec![
                RegisteredKey { thumbprint: "key-1".into(), form: KeyForm::Jwk },
                RegisteredKey { thumbprint: "key-2".into(), form: KeyForm::Certificate },
            ],
        ),
        Event::ResourceRemoved { id: id(2), kind: Kind::Route, name: "parcels".into() },
        Event::OperatorAdded {
            id: operator,
            name: Personal::Held { subject, text: "ann".into() },
            token_sha256: "ab".repeat(32),
        },
        Event::OperatorAdded {
            id: operator,
            name: Personal::Erased { subject },
            token_sha256: "ab".repeat(32),
        },
        Event::OperatorRemoved { id: operator },
        Event::SigningKeyPublished {
            kid: "kid-1".into(),
            jwk: json!({ "kty": "OKP", "kid": "kid-1" }),
            time: None,
        },
        Event::TokenRevoked { client, token_id: "token-1".into(), expires_at: time, time: None },
        severed(Target::Vendor { id: VendorId(id(4)) }, &["key-1", "key-2"], by_operator()),
        severed(Target::Integration { id: IntegrationId(id(5)) }, &[], by_operator()),
        severed(Target::Client { id: client }, &["key-1"], by_operator()),
        severed(
            Target::Key { client, thumbprint: "key-1".into() },
            &["key-1"],
            Cause::RecordLimit { decision: DecisionId::new(1_795_000_000_123, [9; 10]) },
        ),
        severed(Target::Session { client, session: "session-1".into() }, &[], by_operator()),
        Event::RestoreProposed(RestoreProposal {
            id: RestoreId(id(9)),
            target: Target::Vendor { id: VendorId(id(4)) },
            severances: vec![SeveranceId(id(8))],
            proposed_by: operator,
            expires_at: time,
        }),
        Event::Restored(Restoration {
            id: RestoreId(id(9)),
            target: Target::Client { id: client },
            severances: vec![SeveranceId(id(8))],
            epoch: 3,
            proposed_by: operator,
            confirmed_by: Some(OperatorId(id(10))),
            keys: vec!["key-1".into()],
            time,
        }),
        Event::Restored(Restoration {
            id: RestoreId(id(9)),
            target: Target::Vendor { id: VendorId(id(4)) },
            severances: vec![],
            epoch: 3,
            proposed_by: operator,
            confirmed_by: None,
            keys: vec![],
            time,
        }),
        Event::SubjectErased { subject },
        Event::ResourceDefined {
            id: id(2),
            declaration: serde_json::from_value(json!({ "kind": "Client", "name": "robot",
                "spec": { "integration": "feed" } }))
            .unwrap(),
            keys: vec![],
            time: Some(time),
        },
        Event::ClientKeyRegistered {
            client,
            key: public("key-2", KeyForm::Jwk, json!({ "kty": "OKP" })),
            replaces: "key-1".into(),
            replaced_ends_at: time,
            time,
        },
        Event::EnrolmentOpened {
            client,
            code_sha256: "cd".repeat(32),
            expires_at: time,
            recovery: true,
            by: operator,
            time,
        },
        Event::EnrolmentUsed { client, key: public("key-3", KeyForm::Certificate, json!("PEM")), time },
        Event::EnrolmentReused { client, thumbprint: "key-4".into(), time },
        Event::SignedOut {
            target: Target::Integration { id: IntegrationId(id(5)) },
            epoch: 4,
            by: operator,
            reason: "stolen laptop".into(),
            time,
        },
        severed(
            Target::Key { client, thumbprint: "key-1".into() },
            &["key-1"],
            Cause::Revoked { operator, reason: "stolen laptop".into() },
        ),
        severed(
            Target::Client { id: client },
            &["key-1", "key-2"],
            Cause::KeyTheft { key: "key-1".into(), next_key: "key-9".into() },
        ),
        Event::SigningKeyPublished {
            kid: "kid-2".into(),
            jwk: json!({ "kty": "OKP", "kid": "kid-2" }),
            time: Some(time),
        },
        Event::SigningKeyActivated { kid: "kid-2".into(), time },
        Event::SigningKeyRetired { kid: "kid-1".into(), time },
        Event::SigningKeyWithdrawn {
            kid: "kid-2".into(),
            by: Some(operator),
            reason: "stolen laptop".into(),
            time,
        },
        Event::SigningKeyWithdrawn { kid: "kid-2".into(), by: None, reason: "lost".into(), time },
        defined(
            json!({ "kind": "Issuer", "name": "acme-idp", "spec": { "vendor": "acme",
                "issuer": "https://idp.acme.example", "jwks_uri": "https://idp.acme.example/jwks",
                "certificate_authority": "PEM", "algorithms": ["ES256", "EdDSA", "PS256", "RS256"],
                "audiences": ["api://gate"], "token_types": ["JWT"], "scope_claim": "roles",
                "scopes": { "Read": "read" },
                "clients": [{ "client": "robot", "claims": { "azp": "exports" } }],
                "lifetime_seconds_max": 600, "refresh_seconds": 60, "stale_seconds": 120,
                "allow_unbound": "low_impact" } }),
            vec![],
        ),
        defined(
            json!({ "kind": "TrustDomain", "name": "acme-prod", "spec": { "vendor": "acme",
                "trust_domain": "prod.acme.example", "bundle": { "keys": [] },
                "clients": [{ "client": "robot", "spiffe_id": "spiffe://prod.acme.example/exports",
                    "scopes": ["read"] }],
                "lifetime_seconds_max": 3600, "refresh_seconds": 300, "stale_seconds": 3600,
                "allow_unbound": "never" } }),
            vec![],
        ),
        Event::IssuerKeysChanged(IssuerKeysChange {
            issuer: id(11),
            keys: ExternalKeys {
                jwks: vec![json!({ "kty": "OKP", "kid": "kid-2" })],
                roots: vec!["AAAA".into()],
            },
            time,
        }),
        Event::DecisionsSealed(sealed(1)),
        Event::DecisionsExpired(Expiry {
            file: sealed(1).file,
            replaced_by: Some(sealed(2)),
            vendors: vec![VendorId(id(4)), VendorId(Uuid::nil())],
            rows: 3,
            time,
        }),
        Event::LegalHoldPlaced(LegalHold {
            vendor: VendorId(id(4)),
            name: "acme".into(),
            reason: "a case in court".into(),
            by: operator,
            time,
        }),
        Event::LegalHoldLifted(HoldLift {
            vendor: VendorId(id(4)),
            name: "acme".into(),
            reason: "the case is over".into(),
            by: operator,
            time,
        }),
        Event::KeysReplaced { lost: vec!["ca.key".into(), "signing/kid-2.pem".into()], time },
        Event::RestoredFromBackup(FromBackup {
            backup_time: time,
            size: 41,
            root: "AAAA".into(),
            known_later: Some(57),
            time,
        }),
        severed(
            Target::Client { id: client },
            &["key-1"],
            Cause::GateMemory { gate: "gate".into(), version: 57 },
        ),
        Event::CertificateIssued(IssuedCertificate {
            serial: "0a1b".into(),
            usage: CertificateUse::Clients,
            name: "robot".into(),
            thumbprint: "key-5".into(),
            not_after: time,
            by: operator,
            time,
        }),
        Event::CertificateRevoked(CertificateRevocation {
            serial: "0a1b".into(),
            by: operator,
            reason: "stolen laptop".into(),
            time,
        }),
        Event::TokenRevoked { client, token_id: "token-2".into(), expires_at: time, time: Some(time) },
        defined(
            json!({ "kind": "Policy", "name": "exports", "spec": { "vendors": ["acme"],
                "integrations": ["acme-exports"], "routes": ["exports"], "impacts": ["high"],
                "mode": "observe", "families": { "origin": "off" }, "sever_by_evidence": true,
                "money": { "per_record": 12, "reach": 3, "lateral": 5000 } } }),
            vec![],
        ),
        judged(time, operator, client, false),
        judged(time, operator, client, true),
        Event::PostureChanged(PostureChange {
            client,
            word: PostureWord::Statement {
                failing: vec!["hardening/disk_encrypted".into()],
                good_until: time,
                signed_by: "key-1".into(),
                sha256: "ab".repeat(32),
            },
            time,
        }),
        pushed(PushedWord::Failing),
        pushed(PushedWord::Good { until: time }),
        pushed(PushedWord::Withdrawn),
        Event::DossierChanged(DossierChange {
            vendor: VendorId(id(4)),
            entry: Entry { change: Change::Admitted, by: Some(operator), time },
        }),
        severed(
            Target::Session { client, session: "session-1".into() },
            &[],
            Cause::Risk {
                decision: DecisionId::new(1_795_000_000_123, [9; 10]),
                reason: Reason::ChallengeFailed,
            },
        ),
        defined(
            json!({ "kind": "Integration", "name": "feed", "spec": { "contract": "acme-2026",
                "purpose": "tracking pages", "routes": ["parcels"], "scopes": ["parcels:read"],
                "ceilings": { "records_per_day": 20000, "routes": ["parcels"], "countries": ["DE"],
                    "networks": ["192.0.2.0/24", "AS64500"] } } }),
            vec![],
        ),
        defined(
            json!({ "kind": "Vendor", "name": "acme", "spec": { "legal_name": "Acme Ltd", "risk": "B" } }),
            vec![],
        ),
        held(Access::Limited, None, time, operator),
        held(Access::Held, None, time, operator),
        held(Access::Blocked, Some(5), time, operator),
        Event::VendorReleased(VendorRelease {
            vendor: VendorId(id(4)),
            by: operator,
            reason: "mended".into(),
            time,
        }),
        Event::VendorReleased(VendorRelease {
            vendor: VendorId(id(4)),
            by: operator,
            reason: String::new(),
            time,
        }),
        Event::InstallationFounded {
            installation: id(1),
            issuer: "https://gate.example".into(),
            stops: Some(StopMode::Enforce),
        },
        defined(
            json!({ "name": "acme-2026", "kind": "Contract", "spec": {
                "vendor": "acme", "starts": "2026-01-01", "ends": "2026-12-31", "time_zone": "UTC",
                "signed_by": [{ "name": marked("Our Chief"), "for_vendor": false }],
                "clauses": [{ "kind": "incident_reporting", "place": "§ 7", "report_hours": 24 }],
                "vendor_name": "Acme Limited", "notice_days": 90, "auto_renews": true,
                "amendments": [{ "date": "2026-02-01", "what": "a later end" }],
            } }),
            vec![],
        ),
        defined(
            json!({ "name": "all", "kind": "Policy", "spec": {
                "stops": { "default": "enforce", "exit": "observe" }, "mandatory_clauses": ["deletion"],
            } }),
            vec![],
        ),
    ]
    .into_iter()
    .chain(dossiers(time, operator, subject))
    .chain(auditors(time, operator))
    .chain(incidents(time, operator, subject))
    .chain(receipts_and_break_glass(time, operator))
    .chain(tunnels::tunnels(time, operator, subject))
    .chain(exercises(time, operator, subject))
    .chain([Event::SegmentationChanged { on: true, by: operator, time }])
    .chain(pages(time, operator))
    .chain([Event::RestoreRefused(RestoreRefusal {
        id: RestoreId(id(9)),
        target: Target::Vendor { id: VendorId(id(4)) },
        by: operator,
        reason: "still looking".into(),
        time,
    })])
    .chain(telling(time, operator, subject))
    .chain(tunnels::observed(time))
    .chain(tunnels::canarys(time, operator))
    .collect()
}

fn telling(time: Timestamp, operator: OperatorId, subject: SubjectId) -> Vec<Event> {
    let tell = Some("call us".to_owned());
    let told = |outcome| {
        let (matter, vendor) = (id(8), VendorId(id(4)));
        Event::VendorTold(VendorTelling { matter, vendor, contact: subject, outcome, time })
    };
    vec![
        Event::Severed(Severance {
            id: SeveranceId(id(8)),
            target: Target::Vendor { id: VendorId(id(4)) },
            epoch: 2,
            keys: vec![],
            cause: Cause::Operator { operator, reason: "stolen laptop".into(), tell },
            time,
        }),
        told(TellingOutcome::Told),
        told(TellingOutcome::GivenUp),
    ]
}

fn dossiers(time: Timestamp, operator: OperatorId, subject: SubjectId) -> Vec<Event> {
    let name = Personal::Held { subject, text: "Jane Doe".into() };
    let evidence = EvidenceId(id(20));
    let changes = [
        json!({ "change": "entity_checked", "record": {
            "source": { "from": "registry", "name": "companies-house" }, "at": time, "legal_name": "Acme Ltd",
            "lei_status": "issued", "standing": "active", "officers": [{ "name": name, "role": "director" }],
        } }),
        json!({ "change": "evidence_added", "evidence": {
            "id": evidence, "title": "SOC 2", "issuer": "Auditors LLP", "period_to": "2026-03-31", "issued": "2026-05-01",
            "channel": "portal", "kind": "soc2_type_two", "content": { "opinion": "qualified", "tests": [{
                "criterion": "CC7.1", "control": "scans", "domain": "vulnerability", "test": "looked at scans",
                "samples": 25, "deviations": 1, "severity": "critical",
                "vulnerability": { "id": "CVE-2026-1", "cvss_tenths": 98, "vendor_aware": time },
            }] }, "added_at": time,
        } }),
        json!({ "change": "breach_noticed", "id": id(21), "aware": time, "noticed": time, "what": "mail box opened" }),
        json!({ "change": "exception_proposed", "id": id(22), "stop": "vulnerability", "subject": "CVE-2026-1",
            "control": "watched by hand", "until": time }),
        json!({ "change": "signer_authorised", "name": name, "evidence": evidence, "reason": "power of attorney" }),
        json!({ "change": "offboarding_cancelled", "reason": "they stay" }),
        json!({ "change": "document_expired", "sha256": "ab".repeat(32), "document_kind": "policy",
            "stored_at": time, "reason": "kept 2555 days" }),
    ];
    let event = |change| {
        let change: Change = serde_json::from_value(change).unwrap();
        let entry = Entry { change, by: Some(operator), time };
        Event::DossierChanged(DossierChange { vendor: VendorId(id(4)), entry })
    };
    changes.into_iter().map(event).collect()
}

fn receipts_and_break_glass(time: Timestamp, by: OperatorId) -> [Event; 4] {
    let of = OperatorId(id(18));
    [
        Event::ReceiptSigned(SignedReceipt {
            severance: SeveranceId(id(8)),
            note: "receipt\n\n\u{2014} gate.example/ledger AAAA\n".into(),
            time,
        }),
        Event::BreakGlassSealed(BreakGlassSeal {
            id: of,
            name: "safe".into(),
            token_sha256: "ab".repeat(32),
            by,
            time,
        }),
        Event::BreakGlassOpened(BreakGlassOpening { id: of, time }),
        Event::BreakGlassRemoved(BreakGlassRemoval { id: of, by, time }),
    ]
}

fn auditors(time: Timestamp, by: OperatorId) -> [Event; 3] {
    let key = |thumbprint: &str, form, public| PublicKey { thumbprint: thumbprint.into(), form, public };
    let keys = vec![
        key("key-6", KeyForm::Jwk, json!({ "crv": "Ed25519", "kty": "OKP", "x": "AAAA" })),
        key("root-1", KeyForm::Certificate, json!("-----BEGIN CERTIFICATE-----")),
    ];
    let (id, name) = (AuditorId(id(23)), "Auditors LLP".to_owned());
    let removal = AuditorRemoval { id, name: name.clone(), reason: "key stolen".into(), by, time };
    [
        Event::AuditorRegistered(AuditorRegistration { id, name, keys, by, time }),
        Event::AuditorRemoved(removal.clone()),
        Event::AuditorRemoved(AuditorRemoval { reason: String::new(), ..removal }),
    ]
}

fn incidents(time: Timestamp, by: OperatorId, subject: SubjectId) -> Vec<Event> {
    let regime = json!({
        "id": "own-rule", "title": "Our own rule", "in_force": "2026-01-01", "until": "2027-12-31", "applies_to": "us",
        "basis": { "kind": "policy", "citation": "Handbook 4", "source": "Handbook" }, "zone": "Europe/Berlin",
        "holidays": { "name": "ours", "listed_until": "2026-12-31", "days": ["2026-12-24"] },
        "stages": [
            { "id": "first", "title": "Call", "recipient": "the board", "starts": "vendor_aware", "within": { "hours": 2 },
              "at_most": { "after": "we_aware", "within": { "days": 1 } }, "met_by": ["vendor_notified"],
              "contract_shortens": true, "obliged": "vendor" },
            { "id": "second", "title": "Report", "recipient": "the board", "follows": "first",
              "within": { "business_days": 3 }, "by": "12:00:00" },
        ],
        "notes": ["by telephone"],
    });
    let taken = json!({ "regime": regime, "sha256": "ab".repeat(32) });
    let opening = |origin: serde_json::Value, regimes: serde_json::Value| {
        let opening = json!({
            "id": id(24), "number": 1, "vendor": id(4), "title": "a mailbox was read", "severity": "high",
            "origin": origin, "exercise": "kill-drill", "regimes": regimes, "by": by, "time": time,
        });
        Event::IncidentOpened(Box::new(serde_json::from_value(opening).unwrap()))
    };
    let person = |text: &str| Personal::Held { subject, text: text.into() };
    let notice = |way: serde_json::Value| {
        json!({ "change": "notice_received", "notice": {
            "id": id(25), "reference": "NG-7", "aware": time, "received": time, "what": "a mailbox was read",
            "severity": "critical", "contact": person("Jane Doe"), "affected_records": 12, "data": ["payroll"],
            "way": way, "sha256": "ab".repeat(32), "signed": person("e30.e30.AAAA"),
        } })
    };
    let changes = [
        json!({ "change": "role_given", "role": "commander", "person": person("Jane Doe") }),
        json!({ "change": "noted", "text": "called them", "at": time }),
        json!({ "change": "decided", "what": "stay severed", "why": "nobody answers" }),
        json!({ "change": "task_opened", "id": id(26), "title": "call", "owner": "ops", "due": time }),
        json!({ "change": "task_done", "id": id(26) }),
        json!({ "change": "severity_changed", "severity": "low", "reason": "an error" }),
        json!({ "change": "moment_recorded", "moment": "we_aware", "at": time, "why": "by telephone" }),
        json!({ "change": "regime_taken", "taken": taken }),
        json!({ "change": "clock_started", "clock": "own-rule/first", "from": time, "due": time, "zone": "Europe/Berlin",
            "within": { "hours": 2 } }),
        json!({ "change": "clock_met", "clock": "own-rule/first", "at": time, "reference": "AZ 12/26" }),
        json!({ "change": "clock_missed", "clock": "own-rule/first", "due": time }),
        json!({ "change": "clock_set_aside", "clock": "own-rule/first", "reason": "not ours" }),
        json!({ "change": "clock_taken_up", "clock": "own-rule/first", "reason": "ours after all" }),
        notice(json!({ "way": "client", "client": id(6), "key": "key-1", "severed": true })),
        notice(json!({ "way": "signed", "client": id(6), "key": "key-1", "severed": false })),
        notice(json!({ "way": "hand" })),
        json!({ "change": "severance_linked", "severance": id(8) }),
        json!({ "change": "told", "what": "clock own-rule/first is nearly over" }),
        json!({ "change": "closed", "summary": "nothing was read" }),
        json!({ "change": "reopened", "reason": "something was read" }),
    ];
    let change = |change| {
        let change = serde_json::from_value(change).unwrap();
        let entry = portcullis_incident::change::Entry { change, by: Some(by), time };
        Event::IncidentChanged(Box::new(IncidentChange { incident: IncidentId(id(24)), entry }))
    };
    let openings = [
        opening(json!({ "opened_by": "hand" }), json!([taken])),
        opening(json!({ "opened_by": "notice" }), json!([])),
        opening(json!({ "opened_by": "severance", "severance": id(8) }), json!([])),
        opening(json!({ "opened_by": "drift", "client": id(6) }), json!([])),
    ];
    openings.into_iter().chain(changes.into_iter().map(change)).collect()
}

fn exercises(time: Timestamp, operator: OperatorId, subject: SubjectId) -> Vec<Event> {
    let paper = json!({
        "id": id(30), "exercise": "stolen-token", "title": "A token is stolen", "mode": "paper", "started_at": time,
        "finished_at": time, "passed": false, "grade": "F", "points": 40,
        "measures": [{ "milestone": "detect", "took_us": 90_000_000, "target": "10m" }, { "milestone": "sever" }],
        "failures": ["`sever` was not done"],
        "actions": [{ "id": "see", "action": "Look", "by": ["on-call"], "within": "5m", "outcome": "in_time",
            "who": "on-call", "said": { "$personal": { "subject": subject, "text": "I look" } }, "took_us": 90_000_000,
            "points": 1 },
            { "id": "sever", "action": "Sever", "within": "5m", "outcome": "missed", "points": 3, "must": true }],
        "others": [{ "who": "legal", "said": { "$personal": { "subject": subject, "text": "I wait" } }, "at_us": 5,
            "wrong": "Records leave", "points": 2 }],
    });
    let drill = json!({
        "id": id(31), "exercise": "kill-drill", "title": "Kill drill", "mode": "drill", "started_at": time,
        "finished_at": time, "passed": true, "grade": "A", "points": 100,
        "measures": [{ "milestone": "verify", "took_us": 1_000, "target": "1s" }],
        "steps": [{ "what": "sever", "note": "severed", "good": true, "began_us": 1, "took_us": 2 }],
        "paths": [{ "path": "http/1.1 request", "closed": true, "how": "refused" },
            { "path": "event stream", "closed": true, "how": "reset", "bytes_after": 3 }],
        "severance": id(8),
    });
    let run =
        |run, by| Event::ExerciseRun(Box::new(ExerciseRun { run: serde_json::from_value(run).unwrap(), by }));
    let canary = VendorId(id(32));
    let cause = |operator| Cause::Exercise { run: id(31), operator, reason: "kill drill".into() };
    let severed = |operator| {
        Event::Severed(Severance {
            id: SeveranceId(id(8)),
            target: Target::Vendor { id: canary },
            epoch: 2,
            keys: vec!["key-7".into()],
            cause: cause(operator),
            time,
        })
    };
    let severances = vec![SeveranceId(id(8))];
    let restored = CanaryRestoration { vendor: canary, run: id(31), severances, epoch: 3, by: None, time };
    let defined = |declaration| Event::ResourceDefined {
        id: id(33),
        declaration: serde_json::from_value(declaration).unwrap(),
        keys: vec![],
        time: Some(time),
    };
    vec![
        defined(
            json!({ "name": "canary", "kind": "Vendor", "spec": { "legal_name": "Nobody", "canary": true } }),
        ),
        defined(json!({ "name": "stolen-token", "kind": "Exercise", "spec": {
            "title": "A token is stolen", "story": "It begins.", "scope": "All of it.", "canary": "bird",
            "roles": ["on-call"], "targets": { "live": { "sever": "250ms" }, "paper": { "detect": "10m" } },
            "injects": [{ "id": "page", "at": "0s", "text": "The page." },
                { "id": "call", "at": "2h", "after": "page", "to": "on-call", "text": "The call." }],
            "expect": [{ "id": "see", "action": "Look", "by": ["on-call"], "after": "page", "within": "5m",
                "recognise": ["look"], "milestone": "detect", "points": 2, "must": true }],
            "wrong": [{ "recognise": ["wait"], "why": "Records leave", "points": 2 }], "grades": { "A": 80 },
            "live": { "steps": [{ "do": "work", "requests": 5 },
                { "do": "pull", "tell": "It pulls", "records": 900, "who": "thief", "expect": "stopped", "detects": true },
                { "do": "sever" }, { "do": "verify" }], "leave": "severed" } } })),
        run(paper, Some(operator)),
        run(drill, None),
        severed(Some(operator)),
        severed(None),
        Event::CanaryRestored(restored.clone()),
        Event::CanaryRestored(CanaryRestoration { by: Some(operator), ..restored }),
    ]
}

fn pages(time: Timestamp, by: OperatorId) -> Vec<Event> {
    use portcullis_incident::page::{Acknowledgement, Page, PageCause};
    let (incident, severance) = (IncidentId(id(24)), SeveranceId(id(8)));
    let causes = [
        PageCause::IncidentOpened { incident },
        PageCause::ClockNear { incident, clock: "own-rule/first".into() },
        PageCause::ClockMissed { incident, clock: "own-rule/first".into() },
        PageCause::KillDrillFailed { drill: "2026-11-21".into() },
        PageCause::ArmFailed { severance, arm: "tunnels".into() },
        PageCause::Tried { at: time },
    ];
    let raised = |cause| {
        let (title, text) = ("acme: an incident was opened".into(), "what to do\n".into());
        let vendor = Some(VendorId(id(4)));
        let page = Page { id: PageId(id(30)), code: "7K2M-9QXD".into(), cause, vendor, title, text, time };
        Event::PageRaised(Box::new(page))
    };
    let answered = Event::PageAcknowledged(Acknowledgement { page: PageId(id(30)), by, time });
    causes.into_iter().map(raised).chain([answered]).collect()
}

fn held(level: Access, epoch: Option<u64>, time: Timestamp, by: OperatorId) -> Event {
    let reason = "a breach was announced".into();
    Event::VendorHeld(VendorHold { vendor: VendorId(id(4)), level, epoch, by, reason, time })
}

fn judged(time: Timestamp, by: OperatorId, client: ClientId, undo: bool) -> Event {
    let context =
        Context { key: u64::MAX, ja4: Known::NoData(Missing::BehindBalancer), network: 1, prefix: 2 };
    Event::DecisionJudged(DecisionJudgement {
        decision: DecisionId::new(1_795_000_000_123, [7; 10]),
        client,
        context: (&context).into(),
        judgement: Judgement::Malicious,
        undo,
        by,
        reason: "not our exports".into(),
        time,
    })
}

fn pushed(word: PushedWord) -> Event {
    let (operator, reason) = (OperatorId(id(3)), "malware found".into());
    let word = PostureWord::Operator { operator, word, reason };
    let time = "2026-11-21T10:20:30.123456Z".parse().unwrap();
    Event::PostureChanged(PostureChange { client: ClientId(id(6)), word, time })
}

fn sealed(number: u64) -> SealedFile {
    SealedFile {
        file: format!("date=2026-11-18/decisions-2026-11-18T09-000{number}.parquet"),
        content: Content::Decisions,
        schema: 1,
        hour: "2026-11-18T09:00:00Z".parse().unwrap(),
        rows: number * 3,
        bytes: 4096,
        sha256: "ab".repeat(32),
        rows_root: "cd".repeat(32),
        first: DecisionId::new(1_795_000_000_123, [9; 10]),
        last: DecisionId::new(1_795_000_000_123, [9; 10]),
        event: None,
    }
}
