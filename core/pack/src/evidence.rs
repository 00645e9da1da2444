//! `evidence.json`: everything that a pack says, in sections.

use jiff::Timestamp;
use portcullis_domain::archive::Content;
use portcullis_domain::decision::{DecisionId, DecisionRecord, Ending, OutcomeRecord, Verdict};
use portcullis_domain::ids::{ClientId, IntegrationId, RestoreId, RouteId, SeveranceId, TunnelId, VendorId};
use portcullis_domain::reason::Reason;
use serde::{Deserialize, Serialize};

/// What a pack says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Evidence {
    /// [`FORMAT`](crate::FORMAT).
    pub format: String,
    pub made_at: Timestamp,
    /// Who made it: the name of an operator.
    pub made_by: String,
    /// Name and version.
    pub program: String,
    /// The installation's public address.
    pub installation: String,
    pub ledger: Ledger,
    pub vendor: VendorLine,
    pub window: WindowLine,
    /// Whether every row is in the pack, so that its numbers can be counted anew.
    pub rows_included: bool,
    /// Whether whole sealed files are in it, which hold decisions about other vendors too.
    pub files_included: bool,
    pub sources: Sources,
    pub sections: Vec<Section>,
}

/// The ledger that the pack's proofs lead to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ledger {
    pub origin: String,
    /// Events of the signed tree.
    pub size: u64,
    /// Public key that manifest and checkpoint verify with: to be compared, not believed.
    pub key: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VendorLine {
    pub id: VendorId,
    pub name: String,
}

/// `from` is part of it, `to` is not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WindowLine {
    pub from: Timestamp,
    pub to: Timestamp,
}

/// What the numbers were counted from, and what they weren't.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Sources {
    /// Sealed files with rows of this vendor in this window, in the order in which they were counted.
    pub sealed: Vec<SealedLine>,
    /// Decisions that were read from the decision log, and from no sealed file: of them the pack has no proof but its signature.
    pub unsealed_rows: u64,
    /// Sealed files that could not be read: what they hold is missing here.
    pub unreadable: Vec<Unreadable>,
    /// Names of sealed files out of which rows were taken because they had been kept long enough.
    pub expired: Vec<String>,
    /// Names of segments of the decision log that vanished before they were sealed.
    pub missing_segments: Vec<String>,
}

/// A sealed file, as its event in the ledger has it, and what it has of this vendor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SealedLine {
    pub file: String,
    pub content: Content,
    /// Lower-case hex of the whole file's SHA-256.
    pub sha256: String,
    pub bytes: u64,
    pub rows: u64,
    /// Lower-case hex of the Merkle root over all its rows.
    pub rows_root: String,
    /// The event of the ledger that holds these digests; its proof is the member `proof`.
    pub event: u64,
    pub proof: String,
    /// Rows of this vendor in this window.
    pub rows_counted: u64,
    /// The member with these rows, if it is there; and the one that says which rows of the file they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranges: Option<String>,
    /// The member with the whole file, if it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Unreadable {
    pub file: String,
    pub why: String,
}

/// Which rows of a sealed file stand in a pack: the member beside them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ranges {
    pub file: String,
    /// Of the whole file.
    pub rows: u64,
    pub rows_root: String,
    /// First row and the one behind the last of each run, counted from 0.
    pub ranges: Vec<(u64, u64)>,
    /// Base64 of the roots of the largest subtrees without any of these rows, from left to right.
    pub hashes: Vec<String>,
}

/// A part of the evidence. Later versions have more of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "section", rename_all = "snake_case")]
pub enum Section {
    Summary(Counts),
    Routes(Routes),
    Callers(Callers),
    Networks(Networks),
    Reasons {
        lines: Vec<ReasonLine>,
    },
    Minutes(Minutes),
    /// Severances and restorations of the vendor and of what belongs to it.
    Severances {
        lines: Vec<SeveranceLine>,
    },
    Decisions(Decisions),
    /// Events of the ledger that name the vendor or what belongs to it.
    Events {
        lines: Vec<EventLine>,
        /// Events that are too many to be told here.
        left_out: u64,
    },
    Incident(Box<Incident>),
    /// Which fields were read: this version counts records, and no fields.
    Fields(Absent),
    /// Which classes of data were read.
    DataClasses(Absent),
}

/// A section that there is none of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Absent {
    /// Always false.
    pub present: bool,
    pub why: String,
}

/// Sums over some decisions.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    pub requests: u64,
    /// Those that went upstream.
    pub allowed: u64,
    /// Of those, with a tenth of their budget.
    pub limited: u64,
    pub challenged: u64,
    pub denied: u64,
    /// Those that closed a context.
    pub severed: u64,
    /// Those whose answer the gate cut.
    pub cut: u64,
    /// Those that went upstream, and of whose end nothing is known: what they read is in no sum.
    pub open: u64,
    pub records: u64,
    pub request_bytes: u64,
    pub response_bytes: u64,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Routes {
    /// Those with most records first.
    pub lines: Vec<RouteLine>,
    /// All that are too many to be told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others: Option<Counts>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RouteLine {
    /// None where no route was found for the request.
    pub route: Option<RouteId>,
    pub name: Option<String>,
    #[serde(flatten)]
    pub counts: Counts,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Callers {
    pub lines: Vec<CallerLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others: Option<Counts>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CallerLine {
    pub integration: Option<IntegrationId>,
    pub integration_name: Option<String>,
    pub client: Option<ClientId>,
    pub client_name: Option<String>,
    #[serde(flatten)]
    pub counts: Counts,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Networks {
    pub lines: Vec<NetworkLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others: Option<Counts>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NetworkLine {
    /// The /24 or /48 of the address that the connection came from.
    pub network: String,
    #[serde(flatten)]
    pub counts: Counts,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReasonLine {
    /// Of the outcome where there is one, of the decision else.
    pub reason: Reason,
    pub requests: u64,
}

/// What was read in each minute is a member of its own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Minutes {
    pub member: String,
    /// Minutes in which anything was.
    pub minutes: u64,
    /// Records of minutes that are too many to be told apart.
    pub records_left_out: u64,
    pub busiest: Option<Minute>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Minute {
    pub minute: Timestamp,
    /// Of the exchanges that ended in this minute.
    pub records: u64,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SeveranceLine {
    pub id: SeveranceId,
    /// As a person writes it.
    pub target: String,
    pub time: Timestamp,
    /// Who or what severed.
    pub by: String,
    pub why: String,
    /// The decision that it was for, where a gate severed by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionId>,
    /// Its event in the ledger, and the member with its proof.
    pub event: u64,
    pub proof: String,
    /// Numbers of later events that hold its receipts or are else about it.
    pub receipts: Vec<u64>,
    /// Records in each of the 60 whole minutes before it, then those in its own minute.
    pub records_by_minute: Vec<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<RestorationLine>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RestorationLine {
    pub id: RestoreId,
    pub time: Timestamp,
    pub proposed_by: String,
    pub confirmed_by: Option<String>,
    pub event: u64,
    pub proof: String,
}

/// The decisions that mattered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Decisions {
    /// In the order of their ids, which is that of their times.
    pub lines: Vec<DecisionLine>,
    /// Cuts that are too many to be told one by one: the later ones.
    pub cuts_left_out: u64,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DecisionLine {
    pub id: DecisionId,
    pub time: Timestamp,
    pub verdict: Verdict,
    /// Of the outcome where there is one.
    pub reason: Reason,
    pub method: String,
    /// The route's template.
    pub path: String,
    pub route: Option<RouteId>,
    pub route_name: Option<String>,
    pub client: Option<ClientId>,
    pub client_name: Option<String>,
    pub peer: String,
    /// The tunnel that it came through, and its name at the time of packing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<TunnelId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel_name: Option<String>,
    pub status: Option<u16>,
    pub ending: Option<Ending>,
    pub ended_at: Option<Timestamp>,
    pub records: u64,
    pub response_bytes: u64,
    /// Why it is told.
    pub why: Vec<Why>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// A severance names it.
    Severance,
    /// Its answer was cut.
    Cut,
    /// One of the largest answers.
    Largest,
    /// The first with this reason.
    FirstOfReason,
}

impl Why {
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Severance => "a severance names it",
            Self::Cut => "its answer was cut",
            Self::Largest => "one of the largest answers",
            Self::FirstOfReason => "the first with this reason",
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EventLine {
    /// Its place in the ledger, from 0.
    pub event: u64,
    pub kind: String,
    pub time: Timestamp,
    /// The member with event and proof.
    pub proof: String,
}

/// The incident that a pack is about.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Incident {
    pub id: String,
    pub title: String,
    pub status: String,
    pub opened_at: Timestamp,
    pub opened_by: String,
    pub closed_at: Option<Timestamp>,
    pub facts: Vec<Fact>,
    pub clocks: Vec<ClockLine>,
    pub timeline: Vec<TimelineLine>,
    pub tasks: Vec<TaskLine>,
}

/// A name and what it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fact {
    pub name: String,
    pub text: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClockLine {
    pub name: String,
    /// The law or the contract that it is of.
    pub basis: String,
    pub started_at: Option<Timestamp>,
    pub due_at: Option<Timestamp>,
    pub done_at: Option<Timestamp>,
    /// Such as `met`, `missed` or `runs`.
    pub status: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TimelineLine {
    pub time: Timestamp,
    pub kind: String,
    pub by: String,
    pub text: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TaskLine {
    pub title: String,
    pub owner: String,
    pub due_at: Option<Timestamp>,
    pub done_at: Option<Timestamp>,
}

impl DecisionLine {
    pub(crate) fn new(record: &DecisionRecord, outcome: Option<&OutcomeRecord>, reason: Reason) -> Self {
        Self {
            id: record.id,
            time: record.time,
            verdict: record.verdict,
            reason,
            method: record.method.clone(),
            path: record.path.clone(),
            route: record.route,
            route_name: None,
            client: record.client,
            client_name: None,
            peer: record.peer.clone(),
            tunnel: record.tunnel,
            tunnel_name: None,
            status: outcome.map(|outcome| outcome.status),
            ending: outcome.map(|outcome| outcome.ending),
            ended_at: outcome.map(|outcome| outcome.time),
            records: outcome.map_or(0, |outcome| outcome.records),
            response_bytes: outcome.map_or(0, |outcome| outcome.response_bytes),
            why: Vec::new(),
        }
    }
}

impl Section {
    /// What this version has no numbers for.
    #[must_use]
    pub fn absent() -> [Self; 2] {
        let absent = |why: &str| Absent { present: false, why: why.to_owned() };
        [
            Self::Fields(absent(
                "this version of the gate counts records, and does not look at their fields",
            )),
            Self::DataClasses(absent(
                "this version knows no classes of data: which of them a route's records hold, its owner can tell",
            )),
        ]
    }
}

/// Whole minutes since the Unix epoch, rounded down.
#[must_use]
pub fn minute_of(time: Timestamp) -> i64 {
    time.as_second().div_euclid(60)
}

/// Where a minute begins.
#[must_use]
pub fn minute_start(minute: i64) -> Timestamp {
    Timestamp::from_second(minute.saturating_mul(60)).unwrap_or_default()
}
