//! Issuers whose keys can't be had, and those whose tokens are bound to nothing.

use jiff::{SignedDuration, Timestamp};
use portcullis_api::findings::{Finding, FindingCode, Severity};
use portcullis_domain::spec::{AllowUnbound, Kind, Spec};
use portcullis_domain::state::State;

use super::Runtime;

pub(super) fn find(state: &State, runtime: &Runtime, now: Timestamp, found: &mut Vec<Finding>) {
    for kind in [Kind::Issuer, Kind::TrustDomain] {
        for (name, resource) in state.of_kind(kind) {
            let about = format!("{}/{name}", kind.as_str().to_ascii_lowercase());
            let (unbound, stale_seconds) = match &resource.declaration.spec {
                Spec::Issuer(spec) => (spec.allow_unbound, spec.stale_seconds),
                Spec::TrustDomain(spec) => (spec.allow_unbound, spec.stale_seconds),
                _ => continue,
            };
            if unbound != AllowUnbound::Never {
                found.push(Finding {
                    severity: Severity::Low,
                    code: FindingCode::TokensUnbound,
                    message: format!("`{about}` may give tokens that work for whoever has them"),
                    hint: "have it bind its tokens (`cnf`), then take `allow_unbound` out".to_owned(),
                    about: about.clone(),
                    due: None,
                });
            }
            let Some(failure) = runtime.issuers.get(&resource.id) else { continue };
            let due = failure.fetched.and_then(|fetched| {
                fetched.checked_add(SignedDuration::from_secs(i64::from(stale_seconds))).ok()
            });
            let closed = due.is_none_or(|due| due <= now);
            found.push(Finding {
                severity: if closed { Severity::High } else { Severity::Medium },
                code: FindingCode::IssuerUnreachable,
                message: if closed {
                    format!(
                        "the keys of `{about}` can't be fetched, and its tokens are refused: {}",
                        failure.error
                    )
                } else {
                    format!("the keys of `{about}` can't be fetched: {}", failure.error)
                },
                hint: format!(
                    "see `portcullis describe {} {name}`; ask the vendor",
                    kind.as_str().to_ascii_lowercase()
                ),
                about,
                due,
            });
        }
    }
}
