//! Where a client stands and why, in numbers for people's screens; and what can be wrong with a stored state.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::Standing;
use crate::points::Points;

/// Where a client stands between being observed, being challenged and being denied by evidence.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    pub standing: Standing,
    /// UTC days on which it was seen.
    pub days: u32,
    /// Weekends that have passed since it was first seen.
    pub weekends: u32,
    /// Exchanges in admitted contexts that were judged.
    pub exchanges: u64,
    /// Of the exchanges that count for graduation: how many, and how many crossed 30 points.
    pub counted: u32,
    pub crossings: u32,
    /// A challenge was passed.
    pub rehearsed: bool,
    /// The upper 95 % bound of the rate of crossings, in parts per million.
    pub crossings_bound_ppm: u32,
    /// The distribution of its evidence is known from this many exchanges; 0 until there are 2,000.
    pub calibrated: u32,
    /// Score challenges passed among the last thousand exchanges at most.
    pub passed_lately: u32,
    /// Why it doesn't stand higher.
    pub lacks: Lacks,
    /// Slow drift, in thousandths: alarm above 5,000. Nothing until its reference is sealed.
    pub drift_milli: Option<u32>,
    pub drift_alarm: bool,
    /// The UTC day (since 1970-01-01) on which the reference was sealed.
    pub anchored_on: Option<u32>,
    pub contexts_admitted: u8,
    pub contexts_on_probation: u8,
    /// The greatest evidence of any context.
    pub evidence: Points,
}

/// What is missing for the next step, as flags.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Lacks {
    pub days: bool,
    pub weekends: bool,
    pub exchanges: bool,
    /// Too many crossings for the exchanges counted so far.
    pub quiet: bool,
    pub rehearsal: bool,
    pub calibration: bool,
}

/// Why stored bytes are no state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Broken {
    #[error("the state of a client has another length than its version says")]
    Length,
    #[error("these bytes aren't the state of a client")]
    Magic,
    #[error("the state of a client has format {0}, which is unknown here")]
    Version(u16),
    #[error("the state of a client is damaged: its checksum differs")]
    Checksum,
    #[error("the state of a client holds a value that can't be: `{0}`")]
    Value(&'static str),
}
