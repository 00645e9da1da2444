//! What has happened to an incident: the only way in which it changes.
//!
//! Changes are never edited; new ones go at the end, and new fields of old ones have defaults. There is none that stops a
//! clock.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use portcullis_ids::ids::{ClientId, IncidentId, OperatorId, SeveranceId, TaskId, VendorId};
use portcullis_ids::personal::Personal;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::moment::MomentName;
use crate::notice::Notice;
use crate::regime::{Taken, Within};
use crate::severity::Severity;

/// The first event of an incident.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Opening {
    pub id: IncidentId,
    /// What people call it: the first incident of a ledger is 1.
    pub number: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<VendorId>,
    pub title: String,
    pub severity: Severity,
    pub origin: Origin,
    /// The exercise that it belongs to, which isn't real.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exercise: Option<String>,
    /// The texts whose clocks run, as they were when it was opened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regimes: Vec<Taken>,
    /// None where the program opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<OperatorId>,
    pub time: Timestamp,
}

/// What opened it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "opened_by", rename_all = "snake_case")]
#[schemars(rename = "IncidentOrigin")]
pub enum Origin {
    Hand,
    Notice,
    Severance {
        severance: SeveranceId,
        /// When it was cut.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        at: Option<Timestamp>,
    },
    /// A client takes more and more, day by day.
    Drift {
        client: ClientId,
    },
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    RoleGiven {
        role: Role,
        person: Personal,
    },
    /// A line of the timeline, about something that was at `at`.
    Noted {
        text: String,
        at: Timestamp,
    },
    Decided {
        what: String,
        why: String,
    },
    TaskOpened {
        id: TaskId,
        title: String,
        owner: Option<String>,
        due: Option<Timestamp>,
    },
    TaskDone {
        id: TaskId,
    },
    SeverityChanged {
        severity: Severity,
        reason: String,
    },
    /// Something that clocks count from. Said again it can only be earlier.
    MomentRecorded {
        moment: MomentName,
        at: Timestamp,
        why: String,
    },
    /// Another text applies, from now on as it is now.
    RegimeTaken {
        taken: Box<Taken>,
    },
    /// Said again it is due earlier: it counts from an earlier moment than was known.
    ClockStarted {
        clock: ClockName,
        from: Timestamp,
        due: Timestamp,
        /// Where its days are counted.
        zone: String,
        within: Within,
    },
    ClockMet {
        clock: ClockName,
        at: Timestamp,
        /// Where that can be looked up: the authority's number, a letter.
        reference: String,
    },
    /// It was over, and nobody had met it.
    ClockMissed {
        clock: ClockName,
        due: Timestamp,
    },
    /// Somebody has decided that it doesn't bind us here. Its time goes on.
    ClockSetAside {
        clock: ClockName,
        reason: String,
    },
    /// It does bind us, from when on it always did.
    ClockTakenUp {
        clock: ClockName,
        reason: String,
    },
    NoticeReceived {
        notice: Box<Notice>,
    },
    SeveranceLinked {
        severance: SeveranceId,
        /// When it was cut.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Timestamp>,
    },
    /// What was said to people once: never said again.
    Told {
        what: String,
    },
    Closed {
        summary: String,
    },
    Reopened {
        reason: String,
    },
}

/// A change with who made it, and when, as the ledger holds it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Entry {
    #[serde(flatten)]
    pub change: Change,
    /// None where the program did it by itself, or a vendor by its notice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<OperatorId>,
    pub time: Timestamp,
}

/// Who does what while it lasts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "IncidentRole")]
pub enum Role {
    Commander,
    Deputy,
    Technical,
    Communications,
    Legal,
    Privacy,
    Scribe,
    /// The vendor's own person.
    VendorContact,
}

impl Role {
    pub const ALL: [Self; 8] = [
        Self::Commander,
        Self::Deputy,
        Self::Technical,
        Self::Communications,
        Self::Legal,
        Self::Privacy,
        Self::Scribe,
        Self::VendorContact,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Commander => "commander",
            Self::Deputy => "deputy",
            Self::Technical => "technical",
            Self::Communications => "communications",
            Self::Legal => "legal",
            Self::Privacy => "privacy",
            Self::Scribe => "scribe",
            Self::VendorContact => "vendor_contact",
        }
    }
}

/// `REGIME/STAGE`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct ClockName(String);

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is no name of a clock\nhint: write REGIME/STAGE, such as `gdpr-33/authority`")]
pub struct ClockNameError(String);

impl ClockName {
    #[must_use]
    pub fn of(regime: &str, stage: &str) -> Self {
        Self(format!("{regime}/{stage}"))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Regime and stage.
    #[must_use]
    pub fn parts(&self) -> (&str, &str) {
        self.0.split_once('/').unwrap_or((&self.0, ""))
    }
}

impl fmt::Display for ClockName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ClockName {
    type Err = ClockNameError;

    fn from_str(text: &str) -> Result<Self, ClockNameError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let named = |part: &str| !part.is_empty() && part.len() <= 60 && part.bytes().all(plain);
        match text.split_once('/') {
            Some((regime, stage)) if named(regime) && named(stage) => Ok(Self(text.to_owned())),
            _ => Err(ClockNameError(text.chars().take(60).collect())),
        }
    }
}

impl<'de> Deserialize<'de> for ClockName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Change {
    /// Texts about people. Those of a notice are one person's: whoever signed it for the vendor.
    pub fn people_mut(&mut self) -> Vec<&mut Personal> {
        match self {
            Self::RoleGiven { person, .. } => vec![person],
            Self::NoticeReceived { notice } => notice.people_mut().collect(),
            _ => Vec::new(),
        }
    }
}
