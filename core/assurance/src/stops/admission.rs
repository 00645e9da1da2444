//! Whether the vendor was let in: stop 13.

use jiff::Timestamp;

use super::{Fact, Known, Stop};
use crate::access::Access;
use crate::assessment::{Admission, Step, StepState};
use crate::days::date_of;

pub(super) fn admission(known: &Known<'_>, now: Timestamp) -> Vec<Fact> {
    let dossier = known.dossier;
    let missing = || {
        let names: Vec<String> =
            dossier.missing_steps().iter().map(|step| format!("`{}`", step.name())).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    };
    let rejected: Vec<&str> = Step::ALL
        .into_iter()
        .filter(|step| dossier.step(*step) == StepState::Rejected)
        .map(Step::name)
        .collect();
    let leaving = dossier.offboarding.as_ref().filter(|leaving| leaving.ends <= now);
    let (fact, since) = match dossier.admission {
        Admission::No => (format!("the vendor isn't admitted; not approved yet: {}", missing()), None),
        Admission::Left { since } => (format!("the vendor left on {}", date_of(since)), Some(since)),
        Admission::Provisional { until, .. } if until <= now => {
            let day = date_of(until);
            (
                format!("the provisional admission ended on {day}; not approved yet: {}", missing()),
                Some(until),
            )
        }
        _ if leaving.is_some() => {
            let ends = leaving.map(|leaving| leaving.ends);
            ("the vendor is being off-boarded, and its access has ended".to_owned(), ends)
        }
        // Steps that are gone through again leave the admission; one that is rejected takes it.
        Admission::Yes { .. } | Admission::Provisional { .. } if !rejected.is_empty() => {
            (format!("what admitted the vendor was rejected: {}", rejected.join(", ")), None)
        }
        Admission::Yes { .. } | Admission::Provisional { .. } => return Vec::new(),
    };
    let remedy = "approve the entity check, the contract and the six steps, and admit the vendor";
    vec![Fact::new(Stop::Admission, Access::Blocked, fact, remedy).since(since)]
}
