//! What came out of deciding again.

use std::collections::BTreeMap;

use portcullis_domain::decision::DecisionId;
use portcullis_domain::ids::{ClientId, RouteId, VendorId};
use portcullis_risk::{Action, Cause, Points};

/// Whose decision it was, and about what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decided {
    pub id: DecisionId,
    pub client: ClientId,
    pub vendor: Option<VendorId>,
    pub integration: Option<portcullis_domain::ids::IntegrationId>,
    pub route: Option<RouteId>,
    pub method: String,
    pub path: String,
}

/// A decision that would come out otherwise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flip {
    pub decided: Decided,
    pub at_us: i64,
    pub from: Action,
    pub to: Action,
    pub cause_from: Cause,
    pub cause_to: Cause,
    pub score_from: Points,
    pub score_to: Points,
}

/// A decision that doesn't come out as it is recorded, although nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    pub id: DecisionId,
    pub client: ClientId,
    pub step: u64,
    /// The first thing that differs, as recorded and as computed.
    pub what: &'static str,
    pub recorded: String,
    pub computed: String,
}

/// Numbers of calls that the log doesn't have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    pub client: ClientId,
    pub from: u64,
    pub to: u64,
}

/// What came out so far.
#[derive(Default, Debug)]
pub struct Outcome {
    /// Decisions and ends that were computed again.
    pub decisions: u64,
    pub ends: u64,
    /// Of them, those that came out as recorded, bit for bit.
    pub same: u64,
    pub differences: Vec<Difference>,
    pub differences_left_out: u64,
    pub gaps: Vec<Gap>,
    pub flips: Vec<Flip>,
    pub flips_left_out: u64,
    /// Flips by what they were and what they become, and by the cause that decides.
    pub by_change: BTreeMap<(Action, Action), u64>,
    pub by_client: BTreeMap<ClientId, u64>,
    pub by_cause: BTreeMap<Cause, u64>,
}

const DIFFERENCES_MAX: usize = 100;
const FLIPS_MAX: usize = 10_000;
pub(super) const GAPS_MAX: usize = 1_000;

impl Outcome {
    pub(super) fn differs(&mut self, difference: Difference) {
        match self.differences.len() < DIFFERENCES_MAX {
            true => self.differences.push(difference),
            false => self.differences_left_out += 1,
        }
    }

    pub(super) fn flips(&mut self, flip: Flip) {
        *self.by_change.entry((flip.from, flip.to)).or_default() += 1;
        *self.by_client.entry(flip.decided.client).or_default() += 1;
        let cause = if flip.cause_to == Cause::Nothing { flip.cause_from } else { flip.cause_to };
        *self.by_cause.entry(cause).or_default() += 1;
        match self.flips.len() < FLIPS_MAX {
            true => self.flips.push(flip),
            false => self.flips_left_out += 1,
        }
    }

    /// All that were computed again came out as recorded, and nothing was missing.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.differences.is_empty() && self.gaps.is_empty()
    }
}
