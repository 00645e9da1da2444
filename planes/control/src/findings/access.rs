//! Vendors that somebody has said may not have all that their contracts say; stops have findings of their own.

use portcullis_api::findings::{Finding, FindingCode, Severity};
use portcullis_domain::access::Access;
use portcullis_domain::ids::VendorId;
use portcullis_domain::spec::Kind;
use portcullis_domain::state::State;

/// One for each vendor, with the worst of its reasons.
pub(super) fn find(state: &State, found: &mut Vec<Finding>) {
    for (name, vendor) in state.of_kind(Kind::Vendor) {
        let by_hand = state.held_by_hand(VendorId(vendor.id)).reasons;
        let Some(worst) = by_hand.first() else { continue };
        let (severity, what) = match worst.level {
            Access::Clear => continue,
            Access::Limited => (Severity::Low, "has a tenth of its records"),
            Access::Held => (Severity::Medium, "is held: nothing of it passes"),
            Access::Blocked => {
                (Severity::High, "is blocked: nothing of it passes, and its tokens have ended")
            }
        };
        let others = match by_hand.len() {
            1 => String::new(),
            many => format!("; {} more reasons", many - 1),
        };
        found.push(Finding {
            severity,
            code: FindingCode::VendorHeld,
            about: format!("vendor/{name}"),
            message: format!("vendor `{name}` {what} ({}: {}{others})", worst.code, worst.sentence),
            hint: format!(
                "`portcullis describe vendor {name}` says why; `portcullis vendor release {name}` ends a hold that somebody has set"
            ),
            due: None,
        });
    }
}
