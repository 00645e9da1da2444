//! A vendor at whom nothing is wrong, and what happens to it. Ids count up; everything is judged before it is folded.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use portcullis_assurance::Access;
use portcullis_assurance::assessment::{Step, StepState};
use portcullis_assurance::change::{Change, Entry};
use portcullis_assurance::contract::{Clause, ClauseKind, ContractKnown};
use portcullis_assurance::dossier::Dossier;
use portcullis_assurance::entity::{EntityRecord, EntitySource, EntityStanding, Officer};
use portcullis_assurance::evidence::{
    Channel, Content, ControlTest, Document, Domain, Evidence, Opinion, PenetrationTest, RecoveryTest, Soc2,
};
use portcullis_assurance::exposure::Tier;
use portcullis_assurance::order::{DossierRefusal, Moment, Order};
use portcullis_assurance::request::EvidenceRequest;
use portcullis_assurance::screening::{Match, Screening};
use portcullis_assurance::stops::{self, Held, Known, StopMode, StopRules};
use portcullis_assurance::vulnerability::Vulnerability;
use portcullis_ids::ids::{EvidenceId, ExceptionId, OperatorId, RequestId};
use portcullis_ids::personal::Personal;
use uuid::Uuid;

pub const NOW: &str = "2026-06-01T00:00:00Z";

#[derive(Clone)]
pub struct World {
    pub dossier: Dossier,
    pub legal_name: String,
    pub contracts: Vec<ContractKnown>,
    pub tier: Tier,
    pub rules: StopRules,
    pub now: Timestamp,
    pub next: u128,
}

pub fn ann() -> OperatorId {
    OperatorId(Uuid::from_u128(0xa))
}

pub fn bob() -> OperatorId {
    OperatorId(Uuid::from_u128(0xb))
}

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn date(text: &str) -> Date {
    text.parse().unwrap()
}

impl World {
    /// Nobody has said anything.
    pub fn empty() -> Self {
        Self {
            dossier: Dossier::default(),
            legal_name: "Acme Ltd".into(),
            contracts: vec![contract("2026-01-01T00:00:00Z", "2029-01-01T00:00:00Z")],
            tier: Tier::One,
            rules: StopRules::all(StopMode::Enforce),
            now: time(NOW),
            next: 0x1000,
        }
    }

    /// Admitted, at tier 1, with all that a vendor needs.
    pub fn clear() -> Self {
        let mut world = Self::empty();
        world.does(Change::EntityChecked { record: Box::new(entity("Acme Ltd")) });
        world.files("penetration test", "2026-05-01", penetration_test());
        world.files("exit test", "2026-05-01", exit_test());
        world.admits()
    }

    pub fn admits(mut self) -> Self {
        for step in Step::ALL {
            self.does(Change::StepDecided { step, state: StepState::Approved, reason: "seen".into() });
        }
        self.does(Change::Admitted);
        self
    }

    pub fn order(&mut self, change: Change, by: Option<OperatorId>) -> Result<Vec<Change>, DossierRefusal> {
        let mut new_id = || {
            self.next += 1;
            Uuid::from_u128(self.next)
        };
        let mut moment = Moment { now: self.now, new_id: &mut new_id, contracts: &self.contracts };
        let changes = self.dossier.decide(Order { change, by }, &mut moment)?;
        for change in &changes {
            self.dossier.apply(&Entry { change: change.clone(), by, time: self.now });
        }
        Ok(changes)
    }

    pub fn does(&mut self, change: Change) -> &mut Self {
        self.order(change.clone(), Some(ann())).unwrap_or_else(|refusal| panic!("{change:?}: {refusal}"));
        self
    }

    pub fn refuses(&mut self, change: Change) -> DossierRefusal {
        let before = self.dossier.clone();
        let refusal = self.order(change.clone(), Some(ann())).expect_err(&format!("{change:?}"));
        assert_eq!(before, self.dossier);
        refusal
    }

    pub fn files(&mut self, title: &str, issued: &str, content: Content) -> EvidenceId {
        let evidence = evidence(title, issued, content);
        self.files_this(evidence)
    }

    pub fn files_this(&mut self, evidence: Evidence) -> EvidenceId {
        let changes = self.order(Change::EvidenceAdded { evidence: Box::new(evidence) }, None).unwrap();
        let Some(Change::EvidenceAdded { evidence }) = changes.first() else { panic!("no evidence") };
        evidence.id
    }

    pub fn asks(&mut self, wanted: &str) -> RequestId {
        self.next += 1;
        let id = RequestId(Uuid::from_u128(self.next));
        let request = EvidenceRequest {
            id,
            wanted: wanted.into(),
            note: None,
            contact: Personal::Plain("security desk".into()),
            due: date("2030-01-01"),
            code_sha256: "ab".repeat(32),
            asked_at: self.now,
        };
        self.does(Change::EvidenceRequested { request });
        id
    }

    pub fn excepts(&mut self, stop: stops::Stop, until: &str) -> ExceptionId {
        self.next += 1;
        let id = ExceptionId(Uuid::from_u128(self.next));
        let control = "watched by hand".to_owned();
        self.does(Change::ExceptionProposed { id, stop, subject: None, control, until: time(until) });
        self.order(Change::ExceptionConfirmed { id }, Some(bob())).unwrap();
        id
    }

    pub fn later(&mut self, hours: i64) -> &mut Self {
        self.now += SignedDuration::from_hours(hours);
        self
    }

    pub fn known(&self) -> Known<'_> {
        Known {
            dossier: &self.dossier,
            legal_name: &self.legal_name,
            jurisdiction: None,
            registry_number: None,
            lei: None,
            contracts: &self.contracts,
            tier: self.tier,
            rules: &self.rules,
        }
    }

    pub fn held(&self, at: Timestamp) -> Vec<Held> {
        stops::at(&self.known(), at)
    }

    /// Number and effect of each stop that holds.
    pub fn numbers(&self, at: Timestamp) -> Vec<(u8, Access)> {
        self.held(at).iter().map(|held| (held.stop.number(), held.access)).collect()
    }

    pub fn access(&self, at: Timestamp) -> Access {
        stops::access(&self.held(at))
    }
}

pub fn contract(starts: &str, ends: &str) -> ContractKnown {
    ContractKnown {
        name: "acme-2026".into(),
        starts: time(starts),
        ends: time(ends),
        clauses: ClauseKind::ALL.into_iter().map(clause).collect(),
        signers: vec!["Jane Doe".into()],
        vendor_name: None,
    }
}

pub fn clause(kind: ClauseKind) -> Clause {
    Clause {
        kind,
        place: None,
        tls_min: None,
        report_hours: Some(24),
        countries: None,
        amount: None,
        expires: Some(date("2029-12-31")),
        days: None,
    }
}

pub fn entity(legal_name: &str) -> EntityRecord {
    EntityRecord {
        source: EntitySource::Gleif,
        at: time("2026-05-01T00:00:00Z"),
        legal_name: legal_name.into(),
        lei: None,
        lei_status: None,
        registry_number: None,
        jurisdiction: None,
        standing: EntityStanding::Active,
        formed: None,
        legal_form: None,
        registered_address: None,
        head_office: None,
        officers: vec![Officer { name: Personal::Plain("DOE, Jane".into()), role: None }],
        parent: None,
        ultimate_parent: None,
    }
}

pub fn evidence(title: &str, issued: &str, content: Content) -> Evidence {
    Evidence {
        id: EvidenceId(Uuid::nil()),
        title: title.into(),
        issuer: "Auditors LLP".into(),
        scope: None,
        covers: Vec::new(),
        period_from: None,
        period_to: None,
        issued: date(issued),
        expires: None,
        channel: Channel::Email,
        document: None,
        proof: None,
        content,
        added_at: Timestamp::UNIX_EPOCH,
    }
}

pub fn document(byte: &str) -> Document {
    Document { name: "a.pdf".into(), media_type: "application/pdf".into(), bytes: 9, sha256: byte.repeat(32) }
}

pub fn penetration_test() -> Content {
    Content::PenetrationTest(PenetrationTest {
        tester: None,
        open: Default::default(),
        closed: Default::default(),
    })
}

pub fn exit_test() -> Content {
    Content::RecoveryTest(RecoveryTest {
        rto_minutes: 60,
        rto_achieved_minutes: 50,
        rpo_minutes: 60,
        rpo_achieved_minutes: 10,
        redundant_sites: 2,
        exit_tested: true,
    })
}

pub fn soc2(opinion: Opinion, samples: u32, vulnerability: Option<Vulnerability>) -> Content {
    let severity = vulnerability.as_ref().map(|_| portcullis_assurance::evidence::Severity::Critical);
    let test = ControlTest {
        criterion: "CC7.1".into(),
        control: "scans".into(),
        domain: Domain::Vulnerability,
        test: "looked at scans".into(),
        samples,
        deviations: u32::from(vulnerability.is_some()).min(samples),
        severity,
        response: None,
        remediated_by: None,
        vulnerability,
    };
    Content::Soc2TypeTwo(Soc2 { opinion, carve_outs: Vec::new(), tests: vec![test] })
}

pub fn weakness(id: &str, published: Option<&str>) -> Vulnerability {
    Vulnerability {
        id: id.into(),
        title: None,
        cvss_tenths: Some(98),
        known_exploited: false,
        vendor_aware: None,
        published: published.map(time),
        kev_listed: None,
        component: None,
    }
}

pub fn screening(list: &str, score: u16, identifier: Option<&str>) -> Screening {
    Screening {
        list: list.into(),
        list_sha256: "cd".repeat(32),
        at: time("2026-05-30T00:00:00Z"),
        matches: vec![Match {
            entry: "17".into(),
            name: "Acne Ltd".into(),
            score,
            identifier: identifier.map(str::to_owned),
            why: "one letter apart".into(),
        }],
    }
}
