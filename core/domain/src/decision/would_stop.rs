//! What hard stops that are only observed would have made of a request.

use portcullis_assurance::stops::StopSet;
use serde::{Deserialize, Serialize};

use super::Verdict;
use crate::access::Access;

/// Which stops they are, and what they would have left together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WouldStop {
    /// The worst that they leave.
    pub access: Access,
    /// All that leave less than those that are enforced.
    pub stops: StopSet,
}

impl WouldStop {
    /// What enforcing would have come to.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        match self.access {
            Access::Clear => Verdict::Allow,
            Access::Limited => Verdict::Limit,
            Access::Held | Access::Blocked => Verdict::Deny,
        }
    }

    /// None where enforcing would have changed nothing about what was decided.
    #[must_use]
    pub fn beyond(self, decided: Verdict) -> Option<Self> {
        (self.verdict() > decided).then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_enforcing_would_have_made_worse_counts() {
        for (access, decided, expect) in [
            (Access::Clear, Verdict::Allow, false),
            (Access::Limited, Verdict::Allow, true),
            (Access::Limited, Verdict::Limit, false),
            (Access::Limited, Verdict::Challenge, false),
            (Access::Held, Verdict::Allow, true),
            (Access::Held, Verdict::Limit, true),
            (Access::Held, Verdict::Challenge, true),
            (Access::Blocked, Verdict::Allow, true),
            (Access::Blocked, Verdict::Deny, false),
            (Access::Blocked, Verdict::Sever, false),
        ] {
            let would = WouldStop { access, stops: StopSet::default() };
            assert_eq!(would.beyond(decided).is_some(), expect, "{access:?} {decided:?}");
        }
    }
}
