//! What may follow from an assessment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is done about a request, worst last.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    #[default]
    Allow,
    /// It passes with a tenth of the budget, and an analyst is told.
    Limit,
    /// It isn't forwarded; the caller must prove afresh that it holds its key.
    Challenge,
    Deny,
    /// The session is closed.
    Sever,
}

impl Action {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Limit => "limit",
            Self::Challenge => "challenge",
            Self::Deny => "deny",
            Self::Sever => "sever",
        }
    }
}

/// Whether assessments act.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nothing is scored.
    Off,
    /// What enforcing would have done is recorded, and nothing is done. Facts that are never learnt still act.
    Observe,
    #[default]
    Enforce,
}

impl Mode {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
    }
}

/// What the evidence about a client has been found good for.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    #[default]
    Observe,
    Challenge,
    Deny,
}
