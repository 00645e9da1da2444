//! What a vendor may have at all.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The worst of all that holds counts.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    #[default]
    Clear,
    /// A tenth of its budgets.
    Limited,
    /// No new token, no new client, and no request passes; nothing is ended.
    Held,
    /// Nothing passes, and its tokens are dead.
    Blocked,
}

impl Access {
    /// The worst last.
    pub const ALL: [Self; 4] = [Self::Clear, Self::Limited, Self::Held, Self::Blocked];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Limited => "limited",
            Self::Held => "held",
            Self::Blocked => "blocked",
        }
    }
}
