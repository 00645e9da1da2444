//! What would have made it pass, in words: which changes those are, the model says.

use portcullis_risk::{Action, Cause, Change, Reached, RiskRecord, Signal};

/// Nothing where it passed, and would have.
pub(super) fn would_have_passed(risk: &RiskRecord) -> Option<String> {
    if risk.action == Action::Allow && risk.would == Action::Allow {
        return None;
    }
    Some(match risk.cause {
        Cause::Nothing => return None,
        Cause::NewContext => {
            "it would have passed from a TLS client and network that are admitted".to_owned()
        }
        Cause::Listed => "it would have passed from an address and TLS client that no list names".to_owned(),
        Cause::Pending | Cause::NotFresh | Cause::Rehearsal => {
            "it passes with a proof over the nonce of the answer".to_owned()
        }
        Cause::ChallengeFailed => "it would have passed with a right answer in time".to_owned(),
        Cause::Score | Cause::KeyEvidence => return by_parts(risk),
    })
}

fn by_parts(risk: &RiskRecord) -> Option<String> {
    let action = risk.action.max(risk.would);
    let changes = portcullis_risk::changes(&Reached {
        action,
        parts: &risk.parts,
        thresholds: risk.thresholds,
        evidence: risk.evidence,
        observed_too: risk.action != action,
    });
    (!changes.is_empty()).then(|| told(&changes))
}

fn told(taken: &[Change]) -> String {
    let each: Vec<String> = taken.iter().map(without).collect();
    match each.as_slice() {
        [one] => format!("it would have passed {one}"),
        [first @ .., last] => format!("it would have passed {} and {last}", first.join(", ")),
        [] => String::new(),
    }
}

fn without(change: &Change) -> String {
    let part = &change.part;
    let words = |value| part.signal.unit().words(value);
    match (part.signal, words(part.usual).filter(|_| part.usual > 0), words(part.observed)) {
        (Signal::VendorPrior, _, _) => "as a client of a vendor that is assessed as good".to_owned(),
        (Signal::Carried, _, _) => "without the evidence that this context had left before".to_owned(),
        (Signal::Network, Some(usual), _) => format!("from its usual network ({usual})"),
        (Signal::Network, None, _) => "from a known network".to_owned(),
        (Signal::Ja4 | Signal::Ja4Misfit | Signal::Ja4Listed, _, _) => "from its usual TLS client".to_owned(),
        (Signal::Endpoint, _, _) => "on an endpoint that it usually asks next".to_owned(),
        (Signal::Hour, Some(usual), Some(observed)) => format!("around {usual} instead of {observed}"),
        (signal, Some(usual), Some(observed)) => {
            let number = observed.split(' ').next().unwrap_or_default();
            let observed = if signal.is_amount() { number } else { &observed };
            format!("with about {usual} instead of {observed}")
        }
        (signal, _, _) => format!("without `{}`", signal.code()),
    }
}
