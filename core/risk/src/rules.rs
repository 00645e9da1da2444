//! What the policy says for an exchange.

use serde::{Deserialize, Serialize};

use crate::action::Mode;
use crate::signal::Family;

/// The policy in force for one vendor's exchange on one route.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rules {
    pub mode: Mode,
    /// By [`Family::ALL`]; what is stricter than `mode` counts as `mode`.
    pub families: [Mode; 6],
    /// The integration agreed that evidence alone may sever a context.
    pub sever_by_evidence: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { mode: Mode::Enforce, families: [Mode::Enforce; 6], sever_by_evidence: false }
    }
}

impl Rules {
    /// How a family's signals count.
    #[must_use]
    pub fn of(&self, family: Family) -> Mode {
        let own = self.families.get(family as usize).copied().unwrap_or_default();
        own.min(self.mode)
    }
}
