//! Whether packets of vendors' networks outside the network plan are dropped.

use jiff::Timestamp;

use crate::event::Event;
use crate::ids::OperatorId;
use crate::state::State;

/// What was said last, by whom, and since when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segmentation {
    pub on: bool,
    pub by: OperatorId,
    pub since: Timestamp,
}

impl State {
    #[must_use]
    pub fn is_segmented(&self) -> bool {
        self.segmentation.is_some_and(|known| known.on)
    }

    /// Saying again what holds changes nothing.
    pub(super) fn decide_segmentation(&self, on: bool, by: OperatorId, time: Timestamp) -> Vec<Event> {
        if self.is_segmented() == on { Vec::new() } else { vec![Event::SegmentationChanged { on, by, time }] }
    }

    pub(super) fn apply_segmentation(&mut self, on: bool, by: OperatorId, since: Timestamp) {
        self.segmentation = Some(Segmentation { on, by, since });
    }
}
