//! The contexts of a client, for people to read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::input::Context;
use crate::points::Points;

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
