//! Hard stops: facts that no score can buy off, and what they leave of a vendor's access.

mod admission;
mod documents;
mod facts;
mod identity;
mod known;
mod outlook;
mod paper;
mod set;
mod vulnerability;
mod warnings;

use jiff::Timestamp;
use portcullis_ids::ids::ExceptionId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::Access;
use crate::days::date_of;
use crate::dossier::StopException;

pub(crate) use facts::is_late;
pub use facts::window;
pub use known::{Known, OwnedKnown, StopRules};
pub use outlook::outlook;
pub use set::StopSet;
pub use warnings::{WARNED_DAYS, Warning, warnings};

/// Numbered as the assurance model numbers them; the numbers are public and stay.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    Sanctions,
    Entity,
    Signer,
    Vulnerability,
    Contract,
    Clause,
    Opinion,
    BreachNotice,
    Integrity,
    UndeclaredData,
    Exit,
    VulnerabilityEvidence,
    Admission,
    PenetrationTestRefused,
    Relation,
}

impl Stop {
    pub const ALL: [Self; 15] = [
        Self::Sanctions,
        Self::Entity,
        Self::Signer,
        Self::Vulnerability,
        Self::Contract,
        Self::Clause,
        Self::Opinion,
        Self::BreachNotice,
        Self::Integrity,
        Self::UndeclaredData,
        Self::Exit,
        Self::VulnerabilityEvidence,
        Self::Admission,
        Self::PenetrationTestRefused,
        Self::Relation,
    ];

    #[must_use]
    pub fn number(self) -> u8 {
        Self::ALL.iter().position(|stop| *stop == self).and_then(|at| u8::try_from(at + 1).ok()).unwrap_or(0)
    }

    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|stop| stop.number() == number)
    }

    /// As policies and commands call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sanctions => "sanctions",
            Self::Entity => "entity",
            Self::Signer => "signer",
            Self::Vulnerability => "vulnerability",
            Self::Contract => "contract",
            Self::Clause => "clause",
            Self::Opinion => "opinion",
            Self::BreachNotice => "breach_notice",
            Self::Integrity => "integrity",
            Self::UndeclaredData => "undeclared_data",
            Self::Exit => "exit",
            Self::VulnerabilityEvidence => "vulnerability_evidence",
            Self::Admission => "admission",
            Self::PenetrationTestRefused => "penetration_test_refused",
            Self::Relation => "relation",
        }
    }

    /// Whether the vendor is told more than that it is held or blocked: not where that would warn whoever is looked for.
    #[must_use]
    pub fn is_told_to_vendor(self) -> bool {
        !matches!(self, Self::Sanctions | Self::Signer | Self::Relation)
    }

    /// Whether two people may let it pass for a while. Of sanctions only what nobody has confirmed.
    #[must_use]
    pub fn is_exceptable(self) -> bool {
        !matches!(self, Self::Contract | Self::Integrity)
    }
}

/// What a stop does when its fact holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopMode {
    Off,
    /// Shows what enforcing would have refused.
    Observe,
    Enforce,
}

/// One stop that holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Held {
    pub stop: Stop,
    /// The one vulnerability, match, contract, clause, evidence or class that it is about, where there may be several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What it leaves; with an exception, what that leaves.
    pub access: Access,
    /// Enforced, or only observed.
    pub mode: StopMode,
    /// One sentence: the fact, its evidence and its age.
    pub fact: String,
    /// What ends it, and who can do that.
    pub remedy: String,
    pub since: Option<Timestamp>,
    /// It lets pass, or narrows only, as long as this is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<ExceptionId>,
}

/// A stretch of time in which the same stops hold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Stretch {
    pub from: Timestamp,
    /// The worst of those that are enforced.
    pub access: Access,
    pub held: Vec<Held>,
}

/// The stops that hold at `now`, the worst first.
#[must_use]
pub fn at(known: &Known<'_>, now: Timestamp) -> Vec<Held> {
    let judges = [
        identity::sanctions,
        identity::entity,
        identity::signer,
        vulnerability::critical,
        paper::contract,
        paper::clause,
        documents::opinion,
        facts::breach_notice,
        documents::integrity,
        facts::undeclared_data,
        documents::exit,
        vulnerability::evidence,
        admission::admission,
        documents::penetration_test_refused,
        identity::relation,
    ];
    let facts = judges.into_iter().flat_map(|judge| judge(known, now));
    let mut held: Vec<Held> = facts.filter_map(|fact| hold(known, fact, now)).collect();
    held.sort_by(|one, other| {
        (other.mode, other.access)
            .cmp(&(one.mode, one.access))
            .then_with(|| (one.stop, &one.subject).cmp(&(other.stop, &other.subject)))
    });
    held
}

/// What the enforced ones leave of a vendor's access.
#[must_use]
pub fn access(held: &[Held]) -> Access {
    let enforced = held.iter().filter(|held| held.mode == StopMode::Enforce);
    enforced.map(|held| held.access).max().unwrap_or_default()
}

/// A fact before rules and exceptions were asked.
struct Fact {
    stop: Stop,
    subject: Option<String>,
    access: Access,
    fact: String,
    remedy: String,
    since: Option<Timestamp>,
    exceptable: bool,
}

impl Fact {
    fn new(stop: Stop, access: Access, fact: String, remedy: &str) -> Self {
        let exceptable = stop.is_exceptable();
        Self { stop, subject: None, access, fact, remedy: remedy.to_owned(), since: None, exceptable }
    }

    fn about(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    fn since(self, since: impl Into<Option<Timestamp>>) -> Self {
        Self { since: since.into(), ..self }
    }
}

/// None where the stop is off.
fn hold(known: &Known<'_>, fact: Fact, now: Timestamp) -> Option<Held> {
    let mode = known.rules.mode(fact.stop);
    if mode == StopMode::Off {
        return None;
    }
    let covering = known.dossier.exceptions.iter().filter(|(_, exception)| {
        fact.exceptable && exception.in_force(now) && exception.covers(fact.stop, fact.subject.as_deref())
    });
    // The one that lasts longest tells until when.
    let exception = covering.max_by_key(|(_, exception)| exception.until);
    let mut text = fact.fact;
    if let Some((_, exception)) = exception {
        text.push_str(&until_when(exception));
    }
    Some(Held {
        stop: fact.stop,
        subject: fact.subject,
        access: exception.map_or(fact.access, |_| eased(fact.stop, fact.access)),
        mode,
        fact: text,
        remedy: fact.remedy,
        since: fact.since,
        exception: exception.map(|(id, _)| *id),
    })
}

/// What an exception leaves: what holds or blocks narrows only, and what narrows passes; but a critical vulnerability
/// narrows whatever people agree on.
fn eased(stop: Stop, access: Access) -> Access {
    match access {
        Access::Held | Access::Blocked => Access::Limited,
        Access::Limited if stop == Stop::Vulnerability => Access::Limited,
        Access::Limited | Access::Clear => Access::Clear,
    }
}

fn until_when(exception: &StopException) -> String {
    format!(
        "; two people let it pass until {} with this control: {}",
        date_of(exception.until),
        exception.control
    )
}
