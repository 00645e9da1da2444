//! Where a client stands, and why, for people to read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::Standing;
use crate::input::Context;
use crate::points::Points;

/// A client as it is now.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct ClientReport {
    pub standing: Standing,
    /// Since when it stands there, in microseconds since the Unix epoch.
    pub since_us: i64,
    /// What is missing to the next standing; nothing at the highest one.
    pub lacks: Vec<Lack>,
    /// Admitted ones first, then those on probation, then the shared slot.
    pub contexts: Vec<ContextReport>,
    /// Exchanges that were scored, ever.
    pub requests: u64,
    /// Score challenges that were passed among the last thousand requests.
    pub passed_of_thousand: u16,
    /// The slow-drift statistic, in thousandths.
    pub drift_milli: u32,
    /// Since when it is too high, in microseconds since the Unix epoch; nothing while it isn't.
    pub drift_alarm_us: Option<i64>,
}

/// One thing that is missing to the next standing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lack {
    /// UTC days on which it was at work.
    Days {
        have: u32,
        need: u32,
    },
    /// Weekends within them.
    Weekends {
        have: u32,
        need: u32,
    },
    Requests {
        have: u64,
        need: u64,
    },
    /// Too many of its requests would have been challenged, by the upper bound of their share.
    Crossings {
        crossed: u32,
        of: u32,
    },
    /// No challenge was passed yet.
    Rehearsal,
    /// There was evidence of 50 points or more.
    HighEvidence {
        points: Points,
    },
}

/// A pair of key and place that a client is seen in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ContextReport {
    pub place: Place,
    /// The last one seen there; the shared slot has many.
    pub context: Context,
    /// Evidence since the last passed challenge, and whatever was passed.
    pub w: Points,
    pub v: Points,
    /// The same as `v`, by how often the client's own exchanges looked like that.
    pub calibrated: Points,
    /// In microseconds since the Unix epoch, as all times here.
    pub last_us: i64,
    /// When probation ends.
    pub until_us: Option<i64>,
    /// Since when a question is open.
    pub question_us: Option<i64>,
}

/// What a context is to its client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Judged on its own, and learnt from.
    Admitted,
    /// It passed once; a tenth of the budget, and nothing is learnt.
    Probation,
    /// Every other one.
    Shared,
}
