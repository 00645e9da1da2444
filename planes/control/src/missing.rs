//! Segments of the decision log that vanished before they were sealed.

use std::path::Path;

use jiff::Timestamp;
use portcullis_api::decisions::MissingSegment;
use portcullis_decision_log::{LogError, Missing};

/// As the outside sees it.
#[must_use]
pub fn view(missing: &Missing) -> MissingSegment {
    let &Missing { core, sequence, since_ms, until_ms } = missing;
    let (since, until) = (time(since_ms), until_ms.map(time));
    MissingSegment { file: missing.file_name(), core, sequence, since, until }
}

pub(crate) fn named(log: &Path) -> Result<Vec<MissingSegment>, LogError> {
    Ok(portcullis_decision_log::missing(log)?.iter().map(view).collect())
}

pub(crate) fn acknowledge(log: &Path) -> Result<Vec<MissingSegment>, LogError> {
    Ok(portcullis_decision_log::acknowledge_missing(log)?.iter().map(view).collect())
}

fn time(at_ms: u64) -> Timestamp {
    i64::try_from(at_ms)
        .ok()
        .and_then(|at_ms| Timestamp::from_millisecond(at_ms).ok())
        .unwrap_or(Timestamp::MAX)
}
