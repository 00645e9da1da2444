//! Pages that nobody has answered.

use jiff::Timestamp;
use portcullis_api::findings::{Finding, FindingCode, Severity};
use portcullis_domain::state::State;

/// For so long nothing is wrong: somebody may be on the way.
const WAITS_SECONDS: i64 = 600;

pub(super) fn find(state: &State, now: Timestamp, found: &mut Vec<Finding>) {
    for known in state.open_pages() {
        let page = &known.page;
        let minutes = now.duration_since(page.time).as_secs() / 60;
        if minutes * 60 < WAITS_SECONDS {
            continue;
        }
        found.push(Finding {
            severity: Severity::Critical,
            code: FindingCode::PageUnanswered,
            about: "installation".to_owned(),
            message: format!("nobody has answered a page for {minutes} minutes: {}", page.title),
            hint: format!("`portcullis page ack {}`, and look at what it says", page.code),
            due: None,
        });
    }
}
