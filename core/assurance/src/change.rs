//! What has happened to a dossier: the only way in which it changes.
//!
//! Changes are never edited; new ones go at the end, and new fields of old ones have defaults.

use jiff::Timestamp;
use jiff::civil::Date;
use portcullis_ids::ids::{EvidenceId, ExceptionId, FindingId, OperatorId, RequestId, TaskId};
use portcullis_ids::personal::Personal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::assessment::{Step, StepState};
use crate::entity::EntityRecord;
use crate::evidence::{Evidence, Proof, Severity};
use crate::request::EvidenceRequest;
use crate::screening::{MatchWord, Screening};
use crate::stops::Stop;
use crate::vulnerability::{Exploitability, Vulnerability};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// A register, or somebody who vouches, has said who the vendor is.
    EntityChecked {
        record: Box<EntityRecord>,
    },
    StepAssigned {
        step: Step,
        owner: Option<String>,
        due: Option<Date>,
    },
    StepDecided {
        step: Step,
        state: StepState,
        reason: String,
    },
    Admitted,
    AdmittedProvisionally {
        until: Timestamp,
    },
    AdmissionEnded {
        reason: String,
    },
    EvidenceAdded {
        evidence: Box<Evidence>,
    },
    EvidenceProven {
        evidence: EvidenceId,
        proof: Proof,
    },
    /// The stored document isn't what was taken in: stop 9.
    DocumentChanged {
        evidence: EvidenceId,
        expected: String,
        found: Option<String>,
    },
    /// The document is whole again, or another one is in its place.
    DocumentMended {
        evidence: EvidenceId,
        reason: String,
    },
    EvidenceWithdrawn {
        evidence: EvidenceId,
        reason: String,
    },
    EvidenceRequested {
        request: EvidenceRequest,
    },
    RequestAnswered {
        request: RequestId,
        evidence: EvidenceId,
    },
    RequestRefused {
        request: RequestId,
        reason: String,
    },
    RequestWithdrawn {
        request: RequestId,
    },
    VulnerabilityFound {
        vulnerability: Vulnerability,
        evidence: Option<EvidenceId>,
    },
    ExploitabilityStated {
        vulnerability: String,
        word: Exploitability,
        justification: String,
        evidence: Option<EvidenceId>,
    },
    VulnerabilityClosed {
        vulnerability: String,
        proof: Option<EvidenceId>,
        reason: String,
    },
    Screened {
        screening: Screening,
    },
    MatchJudged {
        list: String,
        entry: String,
        word: MatchWord,
        reason: String,
    },
    /// Somebody who is no officer may sign for the vendor.
    SignerAuthorised {
        name: Personal,
        evidence: Option<EvidenceId>,
        reason: String,
    },
    /// The vendor became aware of a breach, and told us of it.
    BreachNoticed {
        id: FindingId,
        aware: Timestamp,
        noticed: Timestamp,
        what: String,
        /// Hours that the contract gives, where those are fewer than 24.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window_hours: Option<u32>,
    },
    BreachClosed {
        id: FindingId,
        reason: String,
    },
    /// The gate saw personal data that no inventory declares.
    UndeclaredDataSeen {
        class: String,
        route: Option<String>,
        at: Timestamp,
    },
    UndeclaredDataSettled {
        class: String,
        reason: String,
    },
    ExceptionProposed {
        id: ExceptionId,
        stop: Stop,
        subject: Option<String>,
        control: String,
        until: Timestamp,
    },
    /// By somebody else.
    ExceptionConfirmed {
        id: ExceptionId,
    },
    ExceptionEnded {
        id: ExceptionId,
        reason: String,
    },
    FindingOpened {
        id: FindingId,
        title: String,
        severity: Severity,
        owner: Option<String>,
        due: Option<Date>,
    },
    FindingClosed {
        id: FindingId,
        evidence: Option<EvidenceId>,
        reason: String,
    },
    TaskOpened {
        id: TaskId,
        title: String,
        owner: Option<String>,
        due: Option<Date>,
    },
    TaskDone {
        id: TaskId,
    },
    /// What was said to people once, such as a reminder before an end: never said again.
    Reminded {
        what: String,
    },
    OffboardingBegun {
        plan: String,
        ends: Timestamp,
    },
    /// The vendor certifies that it has deleted what it held.
    DeletionCertified {
        evidence: EvidenceId,
    },
    OffboardingEnded {
        kept: Vec<String>,
        shredded: Vec<String>,
    },
    /// An audit by us is due; done; what it found are findings.
    AuditPlanned {
        id: TaskId,
        due: Date,
        every_months: Option<u32>,
        scope: String,
    },
    AuditDone {
        id: TaskId,
        evidence: Option<EvidenceId>,
        summary: String,
    },
    /// The vendor stays after all.
    OffboardingCancelled {
        reason: String,
    },
    /// A stored document was kept long enough: its bytes go, and what it said stays.
    DocumentExpired {
        sha256: String,
        /// Kind of evidence that it was stored as.
        document_kind: String,
        stored_at: Timestamp,
        reason: String,
    },
}

/// A change with who made it, and when, as the ledger holds it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Entry {
    #[serde(flatten)]
    pub change: Change,
    /// None where the program did it by itself, or a vendor by its link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<OperatorId>,
    pub time: Timestamp,
}

impl Change {
    /// Texts about people, each group one person's.
    pub fn people_mut(&mut self) -> Vec<&mut Personal> {
        match self {
            Self::EntityChecked { record } => {
                record.officers.iter_mut().map(|officer| &mut officer.name).collect()
            }
            Self::EvidenceRequested { request } => vec![&mut request.contact],
            Self::SignerAuthorised { name, .. } => vec![name],
            _ => Vec::new(),
        }
    }
}
