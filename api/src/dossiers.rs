//! What is known of a vendor, what it leaves of the vendor's access, and what is to be done next.

pub mod changes;

use jiff::Timestamp;
use jiff::civil::Date;
use portcullis_assurance::Access;
use portcullis_assurance::assessment::{Admission, Step, StepState};
use portcullis_assurance::change::Change;
use portcullis_assurance::entity::{EntityRecord, EntitySource};
use portcullis_assurance::evidence::{Evidence, Severity};
use portcullis_assurance::exposure::Tier;
use portcullis_assurance::request::{EvidenceRequest, RequestState};
use portcullis_assurance::screening::{Match, MatchWord};
use portcullis_assurance::stops::{Held, Stop, StopMode, Stretch, Warning};
use portcullis_assurance::vulnerability::{Exploitability, Vulnerability};
use portcullis_domain::ids::{EvidenceId, ExceptionId, FindingId, TaskId};
use portcullis_domain::personal::Personal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::access::AccessView;

/// What becomes known of a vendor, or is decided about it: all of it or nothing.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DossierRequest {
    /// 1,000 at most. Ids and times that are made here may be left out.
    #[schemars(with = "Vec<Change>")]
    pub changes: Vec<Value>,
    /// Say what it would come to, and change nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DossierAnswer {
    /// How many changes it came to; none where all was so already.
    pub changed: usize,
    /// Their kinds, in their order; and the ids that were made for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ChangeMade>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    pub ledger_size: u64,
    /// Gates that don't decide by it yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates_behind: Vec<String>,
    pub dossier: DossierView,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ChangeMade {
    pub change: String,
    /// What it is about, in a few words: the step and what it is now, a title, a name that isn't a person's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Of the evidence, request, exception, finding, breach, task or audit that it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// A vendor in a list.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct VendorLine {
    pub vendor: String,
    pub access: Access,
    pub tier: Tier,
    pub admission: Admission,
    /// Steps that are approved, of eight.
    pub approved: usize,
    pub steps: usize,
    /// How many stops hold and are only observed.
    pub observed: usize,
    /// The worst stop that holds, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When the access changes next if nobody does anything, and to what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<NextAccess>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NextAccess {
    pub at: Timestamp,
    pub access: Access,
}

/// All that is known of a vendor.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DossierView {
    pub vendor: String,
    pub legal_name: String,
    /// How many changes it is made of: the `ETag`.
    pub version: u64,
    pub access: Access,
    pub tier: Tier,
    pub admission: Admission,
    /// What somebody has said by hand, beside the stops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<AccessView>,
    /// Those that hold now, the worst first; observed ones too.
    pub stops: Vec<Held>,
    pub steps: Vec<StepView>,
    /// What registers say, the newest of each.
    pub entity: Vec<EntityRecord>,
    /// What in those may point to a shell: each a fact of its own, and nothing is made of their number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shell_signs: Vec<ShellSignView>,
    pub evidence: Vec<EvidenceView>,
    pub requests: Vec<RequestView>,
    pub vulnerabilities: Vec<VulnerabilityView>,
    pub matches: Vec<MatchView>,
    pub exceptions: Vec<ExceptionView>,
    pub findings: Vec<FindingView>,
    pub tasks: Vec<TaskView>,
    pub screenings: Vec<ScreeningView>,
    pub breaches: Vec<BreachView>,
    pub undeclared: Vec<UndeclaredView>,
    /// Who may sign for the vendor, beside its officers.
    pub signers: Vec<Personal>,
    pub audits: Vec<AuditView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offboarding: Option<OffboardingView>,
    /// What will narrow or end its access by itself within 30 days.
    pub warnings: Vec<Warning>,
    /// What to do next, as commands.
    pub next: Vec<String>,
}

/// A sign that a firm may be a shell; many honest firms show one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ShellSignView {
    /// `mail_drop`, `formed_recently`, `no_head_office`, `name_differs` or `form_differs`.
    pub sign: String,
    pub sentence: String,
    /// Whose record shows it.
    pub source: EntitySource,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StepView {
    pub step: Step,
    pub state: StepState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Date>,
    /// Name of whoever decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What people would look for before they approve it, and isn't there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EvidenceView {
    pub evidence: Evidence,
    pub state: EvidenceState,
    /// The first moment at which it says nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
    /// When its document was removed, and why; what it said stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<DocumentGone>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DocumentGone {
    pub at: Timestamp,
    pub why: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceState {
    InForce,
    Expired,
    /// Its document isn't what was taken in.
    Altered,
    /// Its signature is broken.
    Forged,
    Withdrawn,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RequestView {
    pub request: EvidenceRequest,
    pub state: RequestState,
    /// What came by its link, and isn't filed as what was asked for yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent: Vec<EvidenceId>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct VulnerabilityView {
    pub vulnerability: Vulnerability,
    pub critical: bool,
    pub since: Timestamp,
    pub open_days: i64,
    /// What the vendor says of it, as VEX has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word: Option<Exploitability>,
    pub closed: bool,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MatchView {
    pub list: String,
    pub found: Match,
    pub since: Timestamp,
    /// The newest screening still finds it.
    pub present: bool,
    /// What was said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word: Option<MatchWord>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ExceptionView {
    pub id: ExceptionId,
    pub stop: Stop,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    pub control: String,
    pub until: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_by: Option<String>,
    pub state: ExceptionState,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExceptionState {
    /// It waits for its second person.
    Proposed,
    InForce,
    Ended,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ScreeningView {
    pub list: String,
    pub at: Timestamp,
    pub matches: usize,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BreachView {
    pub id: FindingId,
    pub aware: Timestamp,
    pub noticed: Timestamp,
    pub what: String,
    pub closed: bool,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct UndeclaredView {
    pub class: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    pub at: Timestamp,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditView {
    pub id: TaskId,
    pub scope: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Date>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_months: Option<u32>,
    /// When it was done last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OffboardingView {
    pub plan: String,
    pub ends: Timestamp,
    pub deletion_certified: bool,
    pub done: bool,
}

/// What a stop does for a vendor, or for all that no policy names.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StopView {
    pub number: u8,
    pub stop: Stop,
    pub mode: StopMode,
    /// The fact that it looks for, in words.
    pub fact: String,
    /// What it leaves of the vendor's access.
    pub leaves: String,
}

impl StopView {
    #[must_use]
    pub fn new(stop: Stop, mode: StopMode) -> Self {
        let (fact, leaves) = meaning(stop);
        Self { number: stop.number(), stop, mode, fact: fact.to_owned(), leaves: leaves.to_owned() }
    }
}

/// The fact, and what it leaves.
fn meaning(stop: Stop) -> (&'static str, &'static str) {
    match stop {
        Stop::Sanctions => ("a match with a list of sanctions", "sure or confirmed: blocked; near: held"),
        Stop::Entity => (
            "the legal entity is inactive, dissolved, merged, or another one than in the contract",
            "blocked; with a lapsed LEI: limited",
        ),
        Stop::Signer => ("who signed is neither an officer nor authorised", "held"),
        Stop::Vulnerability => (
            "a critical vulnerability is open",
            "limited; after 30 days: blocked; with the vendor's word (VEX): limited",
        ),
        Stop::Contract => ("no contract is in force", "blocked"),
        Stop::Clause => ("a mandatory clause is missing, or doesn't say what it must", "held"),
        Stop::Opinion => ("the newest SOC 2 report refuses its opinion, at tier 1", "blocked"),
        Stop::BreachNotice => ("a breach was noticed later than 24 hours after the vendor knew", "held"),
        Stop::Integrity => ("a stored document or its signature isn't what it was", "blocked"),
        Stop::UndeclaredData => ("personal data that no inventory declares", "masked; after 24 hours: held"),
        Stop::Exit => ("neither exit nor backup was tried, at tier 1", "limited"),
        Stop::VulnerabilityEvidence => (
            "nobody looks for vulnerabilities, at tiers 1 and 2",
            "blocked; lapsed for up to 30 days: limited",
        ),
        Stop::Admission => ("the vendor isn't admitted", "blocked"),
        Stop::PenetrationTestRefused => ("a penetration test's summary was refused", "blocked"),
        Stop::Relation => ("a match with a vendor that was severed, off-boarded or breached", "held"),
    }
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FindingView {
    pub id: FindingId,
    pub title: String,
    pub severity: Severity,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Date>,
    pub closed: bool,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TaskView {
    pub id: TaskId,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Date>,
    pub done: bool,
}

/// What becomes of a vendor's access if nobody does anything.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OutlookView {
    pub vendor: String,
    /// From now on; each lasts until the next.
    pub stretches: Vec<Stretch>,
    /// What ends within 30 days.
    pub warnings: Vec<Warning>,
}
