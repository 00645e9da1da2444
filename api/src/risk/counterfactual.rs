//! What would have made it pass: the fewest parts without which the score stays below the threshold.

use portcullis_risk::{Action, Cause, Part, RiskRecord, Signal};

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
    let [challenge, deny, _] = risk.thresholds;
    let acted = risk.action.max(risk.would);
    let threshold = if acted == Action::Challenge { challenge } else { deny };
    let counts = |part: &&Part| part.missing.is_none() && !(risk.action == acted && part.observed_only);
    let mut parts: Vec<&Part> = risk.parts.iter().filter(counts).collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.points));
    let score: i64 = parts.iter().map(|part| i64::from(part.points)).sum();
    let wanted = score - threshold.milli() + 1;
    if wanted <= 0 {
        // The evidence carried it, not the sum: the next lower bar is what counts then.
        return None;
    }
    // What one exchange may count was cut already: so much of its parts changes nothing.
    let cut: i64 =
        parts.iter().filter(|part| part.signal == Signal::Cap).map(|part| -i64::from(part.points)).sum();
    let (mut taken, mut gone, mut learnt) = (Vec::new(), 0_i64, 0_i64);
    for part in parts.iter().filter(|part| part.points > 0 && part.signal != Signal::Floor) {
        match is_capped(part.signal) {
            true => learnt += i64::from(part.points),
            false => gone += i64::from(part.points),
        }
        taken.push(**part);
        if gone + (learnt - cut).max(0) >= wanted {
            return Some(told(&taken));
        }
    }
    None
}

/// Evidence of this very exchange, which the cap is about.
fn is_capped(signal: Signal) -> bool {
    use portcullis_risk::Family;
    let fixed = [
        Signal::Carried,
        Signal::Cap,
        Signal::Floor,
        Signal::AddressListed,
        Signal::Tor,
        Signal::Hosting,
        Signal::Movement,
        Signal::Ja4Listed,
        Signal::Ja4Misfit,
        Signal::AlpnOdd,
        Signal::SniOdd,
    ];
    matches!(signal.family(), Family::Behaviour | Family::Origin | Family::Tls) && !fixed.contains(&signal)
}

fn told(taken: &[Part]) -> String {
    let each: Vec<String> = taken.iter().map(without).collect();
    match each.as_slice() {
        [one] => format!("it would have passed {one}"),
        [first @ .., last] => format!("it would have passed {} and {last}", first.join(", ")),
        [] => String::new(),
    }
}

fn without(part: &Part) -> String {
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
