//! Which frames of a segment are to be sealed now.

use portcullis_archive::{Gathered, Hour};
use portcullis_decision_log::{FrameRef, LogError, Unsealed};
use portcullis_domain::decision::{DECISION_KIND, DecisionId, DecisionRecord, OUTCOME_KIND, OutcomeRecord};

/// Frames of hours before this one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Due {
    pub before: Hour,
}

impl Due {
    fn takes(self, frame: &FrameRef<'_>) -> bool {
        Hour::of_ms(frame.id_ms()) < self.before
    }
}

/// What of a segment is in files: everything that was due, up to there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Progress {
    pub end_bytes: usize,
    pub due: Due,
    /// It was closed by then, and something in it is not due or not readable.
    pub rests: bool,
}

/// How a segment was read.
pub(super) struct Visit {
    pub end_bytes: usize,
    pub unreadable: u64,
    left: u64,
    damaged: bool,
}

impl Visit {
    /// Whether all that it holds is in files, once what has gathered is.
    pub fn is_done(&self) -> bool {
        self.left == 0 && self.unreadable == 0 && !self.damaged
    }
}

/// Gathers the frames that are due and not in files; `full` is called when a file's worth is there, and says whether to go
/// on.
pub(super) fn gather(
    segment: &Unsealed,
    due: Due,
    seen: Option<Progress>,
    gathered: &mut Gathered,
    full: &mut dyn FnMut(&mut Gathered) -> bool,
) -> Result<Visit, LogError> {
    let (mut left, mut unreadable, mut goes_on) = (0, 0, true);
    let visited = segment.visit(|frame| {
        if !goes_on {
            return;
        }
        if !due.takes(&frame) {
            left += 1;
        } else if seen.is_some_and(|seen| frame.offset_bytes < seen.end_bytes && seen.due.takes(&frame)) {
            // In a file since an earlier run, readable as it was then.
            unreadable += u64::from(!is_readable(&frame));
        } else if take(&frame, gathered) {
            goes_on = !gathered.is_full() || full(gathered);
        } else {
            unreadable += 1;
        }
    })?;
    if let Some(damage) = &visited.damage {
        tracing::error!(
            path = %damage.path.display(),
            offset_bytes = damage.offset_bytes,
            "a closed segment is damaged: what stands before that is sealed, and the segment stays for you to look at"
        );
    }
    if unreadable > 0 {
        tracing::error!(
            path = %segment.path.display(),
            frames = unreadable,
            "a segment holds frames that this version can't read: it stays until one that can seals it"
        );
    }
    Ok(Visit { end_bytes: visited.end_bytes, unreadable, left, damaged: visited.damage.is_some() })
}

fn take(frame: &FrameRef<'_>, gathered: &mut Gathered) -> bool {
    if !is_readable(frame) {
        return false;
    }
    let id = DecisionId(frame.id);
    match frame.kind {
        DECISION_KIND => gathered.decision(id, frame.vendor, frame.version, frame.payload),
        _ => gathered.outcome(id, frame.vendor, frame.version, frame.payload),
    }
    true
}

fn is_readable(frame: &FrameRef<'_>) -> bool {
    let id = Some(DecisionId(frame.id));
    match frame.kind {
        DECISION_KIND => {
            DecisionRecord::of_version(frame.version, frame.payload).ok().map(|record| record.id) == id
        }
        OUTCOME_KIND => {
            OutcomeRecord::of_version(frame.version, frame.payload).ok().map(|outcome| outcome.id) == id
        }
        _ => false,
    }
}
