//! All that is known of a vendor, as its changes add up.

mod apply;
mod people;
mod retention;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use portcullis_ids::ids::{EvidenceId, ExceptionId, FindingId, OperatorId, RequestId, TaskId};
use portcullis_ids::personal::Personal;

use crate::assessment::{Admission, Step, StepStanding, StepState};
use crate::entity::{EntityRecord, EntitySource};
use crate::evidence::{Content, Evidence, ProofOutcome, Severity};
use crate::request::{EvidenceRequest, RequestState};
use crate::screening::{Match, MatchWord, Screening};
use crate::stops::Stop;
use crate::vulnerability::{Exploitability, Vulnerability};

#[derive(Clone, PartialEq, Default, Debug)]
pub struct Dossier {
    /// How many changes it is made of.
    pub version: u64,
    pub admission: Admission,
    pub steps: BTreeMap<Step, StepStanding>,
    /// The newest of each source; of what people vouch for, the newest of all.
    pub entity: BTreeMap<EntitySource, EntityRecord>,
    /// Withdrawn ones too.
    pub evidence: BTreeMap<EvidenceId, Filed>,
    pub requests: BTreeMap<RequestId, Asked>,
    /// By their ids, closed ones too.
    pub vulnerabilities: BTreeMap<String, KnownVulnerability>,
    /// The newest of each list.
    pub screenings: BTreeMap<String, Screening>,
    /// By list and entry: each stays until somebody has cleared it, whatever later screenings find.
    pub matches: BTreeMap<(String, String), KnownMatch>,
    pub signers: Vec<AuthorisedSigner>,
    /// Closed ones too.
    pub breaches: BTreeMap<FindingId, Breach>,
    /// By class; settled ones are gone.
    pub undeclared: BTreeMap<String, UndeclaredData>,
    pub exceptions: BTreeMap<ExceptionId, StopException>,
    pub findings: BTreeMap<FindingId, Finding>,
    pub tasks: BTreeMap<TaskId, Task>,
    pub reminded: BTreeSet<String>,
    pub offboarding: Option<Offboarding>,
    pub audits: BTreeMap<TaskId, Audit>,
}

/// Evidence with what has become of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Filed {
    pub evidence: Evidence,
    /// The stored document isn't what was taken in.
    pub altered: Option<Altered>,
    pub withdrawn: Option<Ended>,
    /// Its document was kept long enough, and isn't stored any more.
    pub expired: Option<Ended>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Altered {
    pub expected: String,
    pub found: Option<String>,
    pub at: Timestamp,
}

/// When something was over, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended {
    pub at: Timestamp,
    pub by: Option<OperatorId>,
    pub reason: String,
    pub evidence: Option<EvidenceId>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Asked {
    pub request: EvidenceRequest,
    pub state: RequestState,
}

#[derive(Clone, PartialEq, Debug)]
pub struct KnownVulnerability {
    pub vulnerability: Vulnerability,
    /// An auditor calls it critical, whatever its score.
    pub called_critical: bool,
    /// What says so.
    pub evidence: BTreeSet<EvidenceId>,
    /// When it was known here at the latest: its clock, where nothing else says when that began.
    pub noted: Timestamp,
    pub word: Option<StatedExploitability>,
    pub closed: Option<Ended>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StatedExploitability {
    pub word: Exploitability,
    pub justification: String,
    pub evidence: Option<EvidenceId>,
    pub at: Timestamp,
}

#[derive(Clone, PartialEq, Debug)]
pub struct KnownMatch {
    /// The worst that was found of it, until somebody judges it.
    pub found: Match,
    pub since: Timestamp,
    /// The newest screening still finds it.
    pub present: bool,
    pub word: Option<JudgedMatch>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JudgedMatch {
    pub word: MatchWord,
    pub reason: String,
    pub by: Option<OperatorId>,
    pub at: Timestamp,
}

/// Somebody who is no officer, and may sign.
#[derive(Clone, PartialEq, Debug)]
pub struct AuthorisedSigner {
    pub name: Personal,
    pub evidence: Option<EvidenceId>,
    pub reason: String,
    pub by: Option<OperatorId>,
    pub at: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Breach {
    pub aware: Timestamp,
    pub noticed: Timestamp,
    pub what: String,
    /// Hours that the contract gives, where those are fewer than 24.
    pub window_hours: Option<u32>,
    pub closed: Option<Ended>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UndeclaredData {
    pub route: Option<String>,
    /// When the gate saw it first.
    pub at: Timestamp,
}

/// A stop that two people let pass for a while.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StopException {
    pub stop: Stop,
    /// The one vulnerability, match, contract or clause that it is for; all of the stop without it.
    pub subject: Option<String>,
    pub control: String,
    /// The first moment at which it is over.
    pub until: Timestamp,
    pub proposed_by: Option<OperatorId>,
    pub proposed_at: Timestamp,
    pub confirmed_by: Option<OperatorId>,
    pub confirmed_at: Option<Timestamp>,
    pub ended: Option<Ended>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    pub title: String,
    pub severity: Severity,
    pub owner: Option<String>,
    pub due: Option<Date>,
    pub opened_at: Timestamp,
    pub closed: Option<Ended>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Task {
    pub title: String,
    pub owner: Option<String>,
    pub due: Option<Date>,
    pub opened_at: Timestamp,
    pub done_at: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offboarding {
    pub plan: String,
    pub begun_at: Timestamp,
    /// From then on nothing passes.
    pub ends: Timestamp,
    /// The vendor's certificate of deletion.
    pub deletion: Option<EvidenceId>,
    pub done: Option<OffboardingDone>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OffboardingDone {
    pub at: Timestamp,
    pub kept: Vec<String>,
    pub shredded: Vec<String>,
}

/// An audit by us, with when it was done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Audit {
    /// The next one; none where the last has been done.
    pub due: Option<Date>,
    pub every_months: Option<u32>,
    pub scope: String,
    /// When, with which evidence, and what came out.
    pub done: Vec<Ended>,
}

impl Dossier {
    /// Evidence that is there and whole, whatever its age.
    pub fn good_evidence(&self) -> impl Iterator<Item = &Evidence> {
        self.evidence.values().filter(|filed| filed.counts()).map(|filed| &filed.evidence)
    }

    /// Whether it is there and whole: what rests on anything else doesn't count.
    #[must_use]
    pub fn is_good(&self, evidence: EvidenceId) -> bool {
        self.evidence.get(&evidence).is_some_and(Filed::counts)
    }

    #[must_use]
    pub fn step(&self, step: Step) -> StepState {
        self.steps.get(&step).map_or(StepState::Open, |standing| standing.state)
    }

    /// The steps that aren't approved, in their order.
    #[must_use]
    pub fn missing_steps(&self) -> Vec<Step> {
        Step::ALL.into_iter().filter(|step| self.step(*step) != StepState::Approved).collect()
    }

    /// What somebody refused to show, and nobody has shown since.
    pub fn refused_penetration_tests(&self) -> impl Iterator<Item = (&Asked, Timestamp)> {
        self.requests.values().filter_map(|asked| match &asked.state {
            RequestState::Refused { at, .. } if asked.request.wanted == "penetration_test" => {
                let shown = self.good_evidence().any(|evidence| {
                    matches!(evidence.content, Content::PenetrationTest(_)) && evidence.added_at > *at
                });
                (!shown).then_some((asked, *at))
            }
            _ => None,
        })
    }
}

impl Filed {
    /// It is there, whole, and no signature over it is broken.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.withdrawn.is_none() && !self.is_broken()
    }

    /// Its document or signature isn't what it should be: stop 9.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        let proof = self.evidence.proof.as_ref();
        self.altered.is_some() || proof.is_some_and(|proof| proof.outcome == ProofOutcome::Invalid)
    }
}

impl KnownVulnerability {
    #[must_use]
    pub fn is_critical(&self) -> bool {
        self.called_critical || self.vulnerability.is_critical()
    }

    /// When its clock began. What nobody has dated runs from when it was known here: no date is not no age.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.vulnerability.since().map_or(self.noted, |since| since.min(self.noted))
    }
}

impl StopException {
    #[must_use]
    pub fn in_force(&self, now: Timestamp) -> bool {
        self.confirmed_at.is_some() && self.is_open(now)
    }

    /// Confirmed or still to be.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.until
    }

    /// Whether it speaks of `subject`.
    #[must_use]
    pub fn covers(&self, stop: Stop, subject: Option<&str>) -> bool {
        self.stop == stop && self.subject.as_deref().is_none_or(|own| subject == Some(own))
    }
}
