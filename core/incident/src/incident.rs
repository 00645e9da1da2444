//! An incident, as its changes add up.

mod apply;
mod clock;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use portcullis_ids::ids::{IncidentId, OperatorId, SeveranceId, TaskId, VendorId};
use portcullis_ids::personal::Personal;

pub use self::clock::{Clock, ClockState, Late, Met, Waiting};
use crate::change::{ClockName, Origin, Role};
use crate::moment::MomentName;
use crate::notice::Notice;
use crate::regime::{Regime, Taken};
use crate::severity::Severity;

#[derive(Clone, PartialEq, Debug)]
pub struct Incident {
    pub id: IncidentId,
    pub number: u32,
    pub vendor: Option<VendorId>,
    pub title: String,
    pub severity: Severity,
    pub origin: Origin,
    pub exercise: Option<String>,
    pub opened_at: Timestamp,
    pub opened_by: Option<OperatorId>,
    /// How many changes it is made of, its opening included.
    pub version: u64,
    pub roles: BTreeMap<Role, Given>,
    /// What has happened, in the order in which it was recorded.
    pub timeline: Vec<Line>,
    pub decisions: Vec<Decision>,
    pub tasks: BTreeMap<TaskId, Task>,
    pub moments: BTreeMap<MomentName, Timestamp>,
    /// By id, as they were when they were taken.
    pub regimes: BTreeMap<String, Taken>,
    /// Those that run or ran.
    pub clocks: BTreeMap<ClockName, Clock>,
    /// In the order of their arrival.
    pub notices: Vec<Notice>,
    pub severances: Vec<SeveranceId>,
    /// When the first of them cut.
    pub cut_at: Option<Timestamp>,
    pub told: BTreeSet<String>,
    pub closed: Option<Closing>,
}

/// Who has a role.
#[derive(Clone, PartialEq, Debug)]
pub struct Given {
    pub person: Personal,
    pub by: Option<OperatorId>,
    pub at: Timestamp,
}

/// A line of the timeline. It names nobody, so that an erasure leaves it as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// When it was.
    pub at: Timestamp,
    pub recorded: Timestamp,
    pub by: Option<OperatorId>,
    pub text: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    pub what: String,
    pub why: String,
    pub by: Option<OperatorId>,
    pub at: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Task {
    pub title: String,
    pub owner: Option<String>,
    pub due: Option<Timestamp>,
    pub opened_at: Timestamp,
    pub done: Option<(Timestamp, Option<OperatorId>)>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Closing {
    pub at: Timestamp,
    pub by: Option<OperatorId>,
    pub summary: String,
}

impl Incident {
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    /// The text that a clock belongs to, with its stage.
    #[must_use]
    pub fn regime_of(&self, clock: &ClockName) -> Option<&Regime> {
        self.regimes.get(clock.parts().0).map(|taken| &taken.regime)
    }

    pub fn people(&self) -> impl Iterator<Item = &Personal> {
        let roles = self.roles.values().map(|given| &given.person);
        roles.chain(self.notices.iter().flat_map(Notice::people))
    }

    pub fn people_mut(&mut self) -> impl Iterator<Item = &mut Personal> {
        let roles = self.roles.values_mut().map(|given| &mut given.person);
        roles.chain(self.notices.iter_mut().flat_map(Notice::people_mut))
    }
}
