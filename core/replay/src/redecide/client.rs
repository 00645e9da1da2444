//! A client while it is decided again: its states, what waits for its turn, and what is under way.

use std::collections::{BTreeMap, HashMap};

use portcullis_domain::decision::DecisionId;
use portcullis_domain::ids::VendorId;
use portcullis_risk::{Aside, ClientRisk, OutcomeRisk, RiskRecord, Rules, Ticket};

use super::outcome::Decided;

/// A decision with what both states gave it for its end, and the rules that each went by.
pub(super) type UnderWay = (Decided, [Option<Ticket>; 2], [Rules; 2]);

pub(super) struct Client {
    pub(super) vendor: Option<VendorId>,
    /// Under the recorded rules, and under the changed ones.
    pub(super) states: [Box<ClientRisk>; 2],
    /// Where to begin is known: at its first call, or from a copy.
    pub(super) begun: bool,
    /// The number of the last call that the copy has seen.
    pub(super) from: u64,
    /// By the start of the gate, and by number.
    pub(super) steps: BTreeMap<(usize, u64), Step>,
    /// Starts of the gate that the states have seen.
    pub(super) starts: usize,
    /// States that a later start goes back to.
    pub(super) saved: HashMap<u64, ([Box<ClientRisk>; 2], u64)>,
    pub(super) under_way: HashMap<DecisionId, UnderWay>,
    /// Calls that the states have not made, and the recorded ones have.
    pub(super) behind: u64,
}

pub(super) enum Step {
    Decision(Decided, Box<RiskRecord>),
    End(DecisionId, Box<OutcomeRisk>),
    Aside(i64, Aside),
}

impl Step {
    pub(super) fn at_us(&self) -> i64 {
        match self {
            Self::Decision(_, record) => record.before.at_us,
            Self::End(_, outcome) => outcome.after.at_us,
            Self::Aside(at_us, _) => *at_us,
        }
    }
}

impl Client {
    pub(super) fn new(vendor: Option<VendorId>) -> Self {
        Self {
            vendor,
            states: Default::default(),
            begun: false,
            from: 0,
            steps: BTreeMap::new(),
            starts: 0,
            saved: HashMap::new(),
            under_way: HashMap::new(),
            behind: 0,
        }
    }
}
