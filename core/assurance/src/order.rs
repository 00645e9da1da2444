//! What somebody wants to happen to a dossier, and why it may be refused.

mod erased;
mod evidence;
mod exceptions;
mod facts;
mod identity;
mod requests;
mod screening;
mod work;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use portcullis_ids::ids::{EvidenceId, FindingId, OperatorId};
use uuid::Uuid;

use crate::change::Change;
use crate::contract::ContractKnown;
use crate::days::{date_of, plus};
use crate::dossier::Dossier;
use crate::evidence::{ProofOutcome, Severity};

/// What is asked for. Most orders are the change itself; an id that is nil is given here.
#[derive(Clone, PartialEq, Debug)]
pub struct Order {
    pub change: Change,
    /// None where the program does it by itself, or a vendor by its link.
    pub by: Option<OperatorId>,
}

/// What judging may not fetch by itself.
pub struct Moment<'a> {
    pub now: Timestamp,
    pub new_id: &'a mut dyn FnMut() -> Uuid,
    /// Those of the vendor.
    pub contracts: &'a [ContractKnown],
}

/// Why nothing has changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DossierRefusal {
    #[error("there is no {what} `{id}` in this dossier")]
    Unknown { what: &'static str, id: String },
    #[error(
        "{what} `{id}` is there already, and says something else\nhint: give the new one an id of its own"
    )]
    Taken { what: &'static str, id: String },
    #[error("{0}\nhint: {1}")]
    Conflict(String, &'static str),
    #[error("{0}\nhint: {1}")]
    Invalid(String, &'static str),
    #[error("a reason is needed\nhint: say in a few words why, for those who read it at night")]
    ReasonMissing,
    #[error("somebody must answer for it\nhint: an operator does it, under a name")]
    NobodyAnswers,
    #[error(
        "the person who proposed can't confirm\nhint: an exception takes two people; another operator must confirm"
    )]
    SamePerson,
    #[error("not approved yet: {}\nhint: approve them, or admit the vendor provisionally with an end", .0.join(", "))]
    NotApproved(Vec<&'static str>),
    #[error(
        "there are {most} {what} in this dossier, which is the most\nhint: close or withdraw those that are over"
    )]
    TooMany { what: &'static str, most: usize },
}

/// What to do about a refusal, whatever it is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefusalKind {
    /// Something isn't there.
    Unknown,
    /// It would be right at another time, or after something else.
    Conflict,
    /// It can't be.
    Invalid,
    /// Somebody else must do it.
    NeedsOther,
}

impl DossierRefusal {
    #[must_use]
    pub fn kind(&self) -> RefusalKind {
        match self {
            Self::Unknown { .. } => RefusalKind::Unknown,
            Self::Taken { .. } | Self::Conflict(..) | Self::NotApproved(_) | Self::TooMany { .. } => {
                RefusalKind::Conflict
            }
            Self::Invalid(..) | Self::ReasonMissing => RefusalKind::Invalid,
            Self::NobodyAnswers | Self::SamePerson => RefusalKind::NeedsOther,
        }
    }
}

/// Most of each kind of thing that a dossier may hold: strangers answer requests, and feeds find weaknesses.
const ITEMS_MAX: usize = 5_000;
const TEXT_MAX: usize = 2_000;

impl Dossier {
    /// The changes that an order comes to; none where all is so already.
    ///
    /// # Errors
    /// [`DossierRefusal`], with a next step.
    pub fn decide(&self, order: Order, moment: &mut Moment<'_>) -> Result<Vec<Change>, DossierRefusal> {
        let Order { mut change, by } = order;
        settle(&mut change, moment);
        erased::keep(self, &mut change);
        let case = Case { dossier: self, by, now: moment.now, contracts: moment.contracts };
        if let Some(reason) = reason(&change) {
            check_reason(reason)?;
        }
        if needs_operator(&change) && by.is_none() {
            return Err(DossierRefusal::NobodyAnswers);
        }
        let news = case
            .identity(&change)
            .or_else(|| case.screening(&change))
            .or_else(|| case.evidence(&change))
            .or_else(|| case.requests(&change))
            .or_else(|| case.facts(&change))
            .or_else(|| case.exceptions(&change))
            .unwrap_or_else(|| case.work(&change))?;
        if !news {
            return Ok(Vec::new());
        }
        let finding = finding_of(self, &change, moment);
        Ok(std::iter::once(change).chain(finding).collect())
    }
}

/// What an order is judged beside. Each judge answers whether the change is news, or none where it is another's to judge.
struct Case<'a> {
    dossier: &'a Dossier,
    by: Option<OperatorId>,
    now: Timestamp,
    contracts: &'a [ContractKnown],
}

type News = Result<bool, DossierRefusal>;

/// Gives an id where there is none, and the time: nobody dates back what came in now.
fn settle(change: &mut Change, moment: &mut Moment<'_>) {
    let mut given = |id: &mut Uuid| {
        if id.is_nil() {
            *id = (moment.new_id)();
        }
    };
    match change {
        Change::EvidenceAdded { evidence } => {
            given(&mut evidence.id.0);
            evidence.added_at = moment.now;
        }
        Change::EvidenceRequested { request } => {
            given(&mut request.id.0);
            request.asked_at = moment.now;
        }
        Change::BreachNoticed { id, .. } | Change::FindingOpened { id, .. } => given(&mut id.0),
        Change::ExceptionProposed { id, .. } => given(&mut id.0),
        Change::TaskOpened { id, .. } | Change::AuditPlanned { id, .. } => given(&mut id.0),
        _ => {}
    }
}

/// A breach of contract and a broken document are findings of their own, which outlive the stop.
fn finding_of(dossier: &Dossier, change: &Change, moment: &mut Moment<'_>) -> Option<Change> {
    let (title, severity) = match change {
        Change::BreachNoticed { aware, noticed, what, window_hours, .. }
            if crate::stops::is_late(*aware, *noticed, *window_hours) =>
        {
            let hours = crate::stops::window(*window_hours);
            (format!("breach of contract: told later than {hours} hours of: {what}"), Severity::High)
        }
        Change::DocumentChanged { evidence, .. } => {
            let filed = dossier.evidence.get(evidence)?;
            (
                format!("integrity incident: the document of `{}` was changed", filed.evidence.title),
                Severity::Critical,
            )
        }
        Change::EvidenceProven { evidence, proof } if proof.outcome == ProofOutcome::Invalid => {
            let filed = dossier.evidence.get(evidence)?;
            (
                format!("integrity incident: the signature of `{}` is broken", filed.evidence.title),
                Severity::Critical,
            )
        }
        _ => return None,
    };
    let id = FindingId((moment.new_id)());
    Some(Change::FindingOpened { id, title, severity, owner: None, due: None })
}

/// What only a person may say.
fn needs_operator(change: &Change) -> bool {
    matches!(
        change,
        Change::StepAssigned { .. }
            | Change::StepDecided { .. }
            | Change::Admitted
            | Change::AdmittedProvisionally { .. }
            | Change::AdmissionEnded { .. }
            | Change::EvidenceWithdrawn { .. }
            | Change::RequestWithdrawn { .. }
            | Change::MatchJudged { .. }
            | Change::SignerAuthorised { .. }
            | Change::BreachClosed { .. }
            | Change::UndeclaredDataSettled { .. }
            | Change::ExceptionProposed { .. }
            | Change::ExceptionConfirmed { .. }
            | Change::ExceptionEnded { .. }
            | Change::OffboardingBegun { .. }
            | Change::OffboardingCancelled { .. }
    )
}

fn reason(change: &Change) -> Option<&str> {
    match change {
        Change::StepDecided { reason, .. }
        | Change::AdmissionEnded { reason }
        | Change::DocumentMended { reason, .. }
        | Change::DocumentExpired { reason, .. }
        | Change::EvidenceWithdrawn { reason, .. }
        | Change::RequestRefused { reason, .. }
        | Change::VulnerabilityClosed { reason, .. }
        | Change::MatchJudged { reason, .. }
        | Change::SignerAuthorised { reason, .. }
        | Change::BreachClosed { reason, .. }
        | Change::UndeclaredDataSettled { reason, .. }
        | Change::ExceptionEnded { reason, .. }
        | Change::FindingClosed { reason, .. }
        | Change::OffboardingCancelled { reason } => Some(reason),
        Change::ExploitabilityStated { justification, .. } => Some(justification),
        _ => None,
    }
}

fn check_reason(reason: &str) -> Result<(), DossierRefusal> {
    if reason.trim().is_empty() {
        return Err(DossierRefusal::ReasonMissing);
    }
    check_text("reason", reason)
}

/// A text that people read: there, and no longer than they would.
fn check_text(what: &str, text: &str) -> Result<(), DossierRefusal> {
    if text.trim().is_empty() {
        return invalid(format!("the {what} is empty"), "say it in a few words");
    }
    if text.chars().count() > TEXT_MAX {
        return invalid(format!("the {what} is longer than {TEXT_MAX} characters"), "say it in fewer words");
    }
    Ok(())
}

fn check_sha256(what: &str, digest: &str) -> Result<(), DossierRefusal> {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if digest.len() == 64 && digest.bytes().all(hex) {
        return Ok(());
    }
    invalid(format!("the {what} is no SHA-256 digest"), "write it as 64 lower-case hexadecimal digits")
}

fn room(what: &'static str, count: usize) -> Result<(), DossierRefusal> {
    if count < ITEMS_MAX {
        return Ok(());
    }
    Err(DossierRefusal::TooMany { what, most: ITEMS_MAX })
}

fn unknown<T>(what: &'static str, id: impl ToString) -> Result<T, DossierRefusal> {
    Err(DossierRefusal::Unknown { what, id: id.to_string() })
}

fn taken(what: &'static str, id: impl ToString) -> DossierRefusal {
    DossierRefusal::Taken { what, id: id.to_string() }
}

fn conflict<T>(message: impl Into<String>, hint: &'static str) -> Result<T, DossierRefusal> {
    Err(DossierRefusal::Conflict(message.into(), hint))
}

fn invalid<T>(message: impl Into<String>, hint: &'static str) -> Result<T, DossierRefusal> {
    Err(DossierRefusal::Invalid(message.into(), hint))
}

impl Case<'_> {
    fn check_past(&self, what: &str, at: Timestamp) -> Result<(), DossierRefusal> {
        if at <= self.now {
            return Ok(());
        }
        invalid(format!("the {what} `{at}` lies in the future"), "write when it was, in UTC")
    }

    /// Somewhere on earth it is tomorrow already.
    fn check_past_day(&self, what: &str, day: Date) -> Result<(), DossierRefusal> {
        if day <= date_of(plus(self.now, SignedDuration::from_hours(14))) {
            return Ok(());
        }
        invalid(format!("the {what} `{day}` lies in the future"), "write the day on the paper")
    }

    /// Somewhere on earth it is yesterday still.
    fn check_due(&self, due: Option<Date>) -> Result<(), DossierRefusal> {
        let today = date_of(plus(self.now, SignedDuration::from_hours(-12)));
        match due.filter(|due| *due < today) {
            Some(due) => invalid(format!("it would be due on `{due}`, which is over"), "name a day to come"),
            None => Ok(()),
        }
    }

    /// Evidence that something is to rest on must be there and whole.
    fn check_good(&self, evidence: EvidenceId) -> Result<(), DossierRefusal> {
        match self.dossier.evidence.get(&evidence) {
            None => unknown("evidence", evidence),
            Some(filed) if filed.withdrawn.is_some() => {
                conflict(format!("evidence `{evidence}` was withdrawn"), "name another one")
            }
            Some(filed) if filed.is_broken() => conflict(
                format!("the document or signature of evidence `{evidence}` is broken"),
                "mend it first, or name another one",
            ),
            Some(_) => Ok(()),
        }
    }
}
