//! What was closed and is still closed.

use jiff::Timestamp;
use portcullis_api::findings::{Finding, FindingCode, Severity};
use portcullis_domain::event::Cause;
use portcullis_domain::state::State;

use super::DAY_SECONDS;

pub(super) fn find(state: &State, now: Timestamp, found: &mut Vec<Finding>) {
    for severance in state.severances.values() {
        let days = now.as_second().saturating_sub(severance.time.as_second()) / DAY_SECONDS;
        // What was revoked is not meant to be restored.
        if days < 1 || matches!(severance.cause, Cause::Revoked { .. }) {
            continue;
        }
        let target = state.name_of(&severance.target);
        let span = if days == 1 { "a day".to_owned() } else { format!("{days} days") };
        found.push(Finding {
            severity: Severity::Medium,
            code: FindingCode::SeveranceOpen,
            message: format!("`{target}` has been severed for {span}"),
            hint: format!("when the cause is gone, `portcullis restore {target}`"),
            about: target,
            due: Some(severance.time),
        });
    }
}
