//! People who are missing.

use portcullis_api::findings::{Finding, FindingCode, Severity};
use portcullis_domain::spec::{Kind, Spec};
use portcullis_domain::state::State;

/// The role of those who are called when something is stolen.
const SECURITY: &str = "security";

pub(super) fn find(state: &State, found: &mut Vec<Finding>) {
    if state.operators.len() == 1 {
        found.push(Finding {
            severity: Severity::Medium,
            code: FindingCode::OneOperator,
            about: "installation".to_owned(),
            message: "there is one operator only: a restoration has no second person who looks at it"
                .to_owned(),
            hint: "`portcullis operator add NAME`".to_owned(),
            due: None,
        });
    }
    for (name, vendor) in state.of_kind(Kind::Vendor) {
        let Spec::Vendor(spec) = &vendor.declaration.spec else { continue };
        if spec.canary {
            continue;
        }
        let called = |role: &String| role.trim().eq_ignore_ascii_case(SECURITY);
        if !spec.contacts.iter().any(|contact| contact.role.as_ref().is_some_and(called)) {
            found.push(Finding {
                severity: Severity::Low,
                code: FindingCode::SecurityContactMissing,
                about: format!("vendor/{name}"),
                message: format!("nobody is named to call at `{name}` when a key is stolen"),
                hint: "add a contact with `role: security` to the vendor's manifest".to_owned(),
                due: None,
            });
        }
    }
}
