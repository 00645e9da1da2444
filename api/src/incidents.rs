//! Incidents: what they are asked for, and how they are shown.

use jiff::Timestamp;
use portcullis_domain::ids::{IncidentId, NoticeId, SeveranceId, TaskId};
use portcullis_incident::change::{ClockName, Role};
use portcullis_incident::moment::MomentName;
use portcullis_incident::notice::Said;
use portcullis_incident::regime::Regime;
use portcullis_incident::{Severity, change::Origin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::telling::ToldCount;

/// A new incident.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IncidentRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// The exercise that it belongs to: nothing of it is real, and nothing gets into a dossier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exercise: Option<String>,
    /// What clocks count from; without `we_aware`, that is now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moments: Vec<MomentRequest>,
    /// Ids of the texts whose clocks run; those of the settings without any, which are all of them unless somebody has chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regimes: Vec<String>,
}

/// A moment that clocks count from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MomentRequest {
    pub moment: MomentName,
    /// Now, without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub at: Option<Timestamp>,
    pub why: String,
}

/// What is said of an incident: all of it or nothing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IncidentChangeRequest {
    /// Refused where the incident has another version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    pub changes: Vec<IncidentWord>,
}

/// One word of a person. There is none that stops a clock.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
pub enum IncidentWord {
    Role {
        role: Role,
        person: String,
    },
    Note {
        text: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        at: Option<Timestamp>,
    },
    Decide {
        what: String,
        why: String,
    },
    Task {
        title: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        due: Option<Timestamp>,
    },
    TaskDone {
        id: TaskId,
    },
    Severity {
        severity: Severity,
        reason: String,
    },
    Moment {
        moment: MomentName,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        at: Option<Timestamp>,
        why: String,
    },
    /// Another text applies, as it is now.
    Regime {
        id: String,
    },
    ClockMet {
        clock: ClockName,
        /// Now, without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        at: Option<Timestamp>,
        /// Where that can be looked up.
        reference: String,
    },
    /// It doesn't bind us here. Its time goes on.
    ClockSetAside {
        clock: ClockName,
        reason: String,
    },
    ClockTakenUp {
        clock: ClockName,
        reason: String,
    },
    Close {
        summary: String,
    },
    Reopen {
        reason: String,
    },
}

/// A notice that came another way than by the gate: somebody took it down, or it came signed by mail.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoticeRequest {
    /// Of what was taken down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Said>,
    /// Or the signed form, which says whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<String>,
    /// When it reached us; now, without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub received: Option<Timestamp>,
    /// Number or id of the open incident that it is about. Without it: the one with a notice of the same reference, or else
    /// the vendor's only one that waits for its word, or else a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
}

/// An incident in a list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct IncidentLine {
    pub id: IncidentId,
    pub number: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    pub title: String,
    pub severity: Severity,
    pub open: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exercise: Option<String>,
    #[schemars(with = "String")]
    pub opened_at: Timestamp,
    /// Who leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commander: Option<String>,
    /// The running clock that is over first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_clock: Option<ClockView>,
    pub running: usize,
    pub missed: usize,
}

/// An incident with all that is known of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct IncidentView {
    pub id: IncidentId,
    pub number: u32,
    pub version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    pub title: String,
    pub severity: Severity,
    pub origin: Origin,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exercise: Option<String>,
    #[schemars(with = "String")]
    pub opened_at: Timestamp,
    /// None where the program opened it, or a vendor by its notice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<ClosedView>,
    pub roles: Vec<RoleView>,
    /// By when they are over; those that wait for something come last.
    pub clocks: Vec<ClockView>,
    pub moments: Vec<MomentView>,
    pub notices: Vec<NoticeView>,
    pub severances: Vec<IncidentSeverance>,
    pub decisions: Vec<IncidentDecision>,
    pub tasks: Vec<IncidentTask>,
    pub timeline: Vec<TimelineView>,
    /// What the vendor read, minute by minute, until it was cut; none for an incident without a vendor, and none in
    /// the answer to a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<ReadingView>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ClosedView {
    #[schemars(with = "String")]
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    pub summary: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RoleView {
    pub role: Role,
    pub person: String,
    #[schemars(with = "String")]
    pub at: Timestamp,
}

/// How it stands with a clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClockStanding {
    Running,
    Missed,
    Met,
    /// Somebody has decided that it doesn't bind us here.
    SetAside,
    /// What it counts from isn't known, or hasn't happened.
    Waiting,
}

impl ClockStanding {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Missed => "missed",
            Self::Met => "met",
            Self::SetAside => "set aside",
            Self::Waiting => "waiting",
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ClockView {
    pub clock: ClockName,
    pub title: String,
    pub recipient: String,
    /// Article, section or clause.
    pub citation: String,
    pub standing: ClockStanding,
    /// How long it gives, in words.
    pub within: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub from: Option<Timestamp>,
    /// The last second in which it is met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub due: Option<Timestamp>,
    /// Until it is over; fewer than 0 when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<i64>,
    /// Where its days are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub met_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Why it doesn't bind us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The moment, or the clock, that it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MomentView {
    pub moment: MomentName,
    pub meaning: String,
    #[schemars(with = "String")]
    pub at: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NoticeView {
    pub id: NoticeId,
    pub reference: String,
    #[schemars(with = "String")]
    pub aware: Timestamp,
    #[schemars(with = "String")]
    pub received: Timestamp,
    pub what: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affected_records: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<String>,
    /// `client`, `signed` or `hand`.
    pub way: String,
    /// The client that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Thumbprint of the key that proved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The key had ended or was revoked: it says nothing in the vendor's dossier until somebody has asked the vendor.
    #[serde(default)]
    pub doubtful: bool,
    /// Lower-case hex, of the bytes that came.
    pub sha256: String,
    /// The whole compact JWS of a signed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct IncidentSeverance {
    pub severance: SeveranceId,
    /// None where it is restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub time: Option<Timestamp>,
    /// How many of the vendor's people were told; none where nobody is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<ToldCount>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct IncidentDecision {
    pub what: String,
    pub why: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[schemars(with = "String")]
    pub at: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct IncidentTask {
    pub id: TaskId,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub due: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub done_at: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TimelineView {
    /// When it was.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// When it was recorded.
    #[schemars(with = "String")]
    pub recorded: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    pub text: String,
}

/// Records that the vendor's exchanges delivered, by the minute in which they ended.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReadingView {
    #[schemars(with = "String")]
    pub from: Timestamp,
    #[schemars(with = "String")]
    pub to: Timestamp,
    /// It ends with the vendor's severance.
    pub cut: bool,
    pub records: u64,
    pub bytes: u64,
    pub exchanges: u64,
    /// One for each minute, the last of which may be shorter; empty where nothing was read at all.
    pub minutes: Vec<u64>,
    /// The log held more than is read for this, or a part of it can't be read: there was more.
    #[serde(default)]
    pub partial: bool,
}

/// A text whose clocks may run, as it is in use now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RegimeView {
    pub regime: Regime,
    /// Lower-case hex, of the file.
    pub sha256: String,
    pub file: String,
    /// Whether it came with the program.
    pub shipped: bool,
    /// Whether its clocks run in incidents that nobody chooses texts for.
    pub chosen: bool,
}

/// The texts in use, and the files that aren't.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RegimesView {
    pub zone: String,
    pub regimes: Vec<RegimeView>,
    /// What is wrong with files of the installation, each with file and line.
    pub faults: Vec<String>,
}
