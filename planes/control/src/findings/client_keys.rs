//! Client keys that are about to lapse, and signs that somebody has stolen one.

use jiff::Timestamp;
use portcullis_api::findings::{Finding, FindingCode, Severity};
use portcullis_domain::event::Cause;
use portcullis_domain::state::State;

use super::ends_in;

pub(super) fn find(state: &State, now: Timestamp, found: &mut Vec<Finding>) {
    for standing in state.standings() {
        let name = standing.client.declaration.name.as_str();
        let about = format!("client/{name}");
        // What matters is the key that is good for longest: an older one beside it may go.
        let keys = state
            .key_terms(&standing)
            .filter(|(key, _)| key.end.is_none() && !state.refused_keys.contains_key(&key.thumbprint));
        if let Some((key, term)) = keys.max_by_key(|(_, term)| term.until)
            && now >= term.warn_from
            && standing.client_spec.subject.is_none()
        {
            let lapsed = now >= term.until;
            let gone =
                if lapsed { "has lapsed, and is refused".to_owned() } else { ends_in(term.until, now) };
            found.push(Finding {
                severity: if lapsed { Severity::High } else { Severity::Medium },
                code: FindingCode::ClientKeyLapses,
                message: format!("the key `{}` of `{name}` {gone}", key.thumbprint),
                hint: if lapsed {
                    format!("`portcullis client enroll {name} --recover` gives the vendor a new way in")
                } else {
                    format!("the vendor runs `portcullis client rotate {name}`, or any client that does it")
                },
                about: about.clone(),
                due: Some(term.until),
            });
        }
        let ring = state.keyring(standing.client_id());
        if let Some(enrolment) = ring.and_then(|ring| ring.enrolment.as_ref())
            && enrolment.reused > 0
        {
            found.push(Finding {
                severity: Severity::Critical,
                code: FindingCode::EnrolmentReused,
                message: format!("another key came with the link that `{name}` was enrolled by: theft is suspected"),
                hint: format!(
                    "ask the vendor which key is theirs; `portcullis client enroll {name} --recover` ends both"
                ),
                about: about.clone(),
                due: enrolment.used.as_ref().map(|(_, at)| *at),
            });
        }
        let theft = state.severances.values().find(|severance| {
            severance.target.id() == standing.client.id && matches!(severance.cause, Cause::KeyTheft { .. })
        });
        if let Some(theft) = theft {
            found.push(Finding {
                severity: Severity::Critical,
                code: FindingCode::ClientKeyTheft,
                message: format!("a replaced key of `{name}` tried to register another one: it was stolen, or used by two machines"),
                hint: format!(
                    "when that is settled, `portcullis restore client/{name}`, then `portcullis client enroll {name} --recover`"
                ),
                about,
                due: Some(theft.time),
            });
        }
    }
}
