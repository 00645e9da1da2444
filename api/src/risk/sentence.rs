//! One plain sentence about an assessment.

use portcullis_risk::{Action, Cause, Mode, Part, Points, RiskRecord, Signal};

pub(super) fn summary(risk: &RiskRecord) -> String {
    let done = done(risk.action);
    let why = why(risk);
    let [challenge, ..] = risk.thresholds;
    match (risk.action, risk.cause) {
        (Action::Allow, _) if risk.would > Action::Allow => {
            let would = would(risk.would);
            let because = match risk.rules.mode {
                Mode::Enforce => "it stands too low for that yet, or the signals are only observed",
                _ => "it is only observed here",
            };
            format!("it passed because {because}; otherwise {would}: {why}")
        }
        (Action::Allow, Cause::Nothing) => {
            format!("it passed with {} points; a challenge begins at {challenge}", risk.score)
        }
        _ => format!("{done}: {why}"),
    }
}

fn done(action: Action) -> &'static str {
    match action {
        Action::Allow => "it passed",
        Action::Limit => "it passed with a tenth of the budget",
        Action::Challenge => "it was asked for a fresh proof of its key, and forwarded nothing",
        Action::Deny => "it was denied",
        Action::Sever => "its session was closed",
    }
}

fn would(action: Action) -> &'static str {
    match action {
        Action::Allow => "it would have passed",
        Action::Limit => "it would have had a tenth of the budget",
        Action::Challenge => "it would have been challenged",
        Action::Deny => "it would have been denied",
        Action::Sever => "its session would have been closed",
    }
}

fn why(risk: &RiskRecord) -> String {
    match risk.cause {
        Cause::Nothing => match risk.probation {
            true => "the context has passed its challenge and is on probation".to_owned(),
            false => format!("{} points", risk.score),
        },
        Cause::NewContext => "this TLS client on this network isn't admitted for the client".to_owned(),
        Cause::Listed => {
            "a list of bad reputation names it, and this context was never challenged".to_owned()
        }
        Cause::Pending => {
            "a question is open in this context, and nothing passes until it is answered".to_owned()
        }
        Cause::NotFresh => "the route wants a fresh nonce on every request".to_owned(),
        Cause::ChallengeFailed => "a challenge was answered wrongly, or not at all, too often".to_owned(),
        Cause::Rehearsal => {
            "all is learnt but whether this client can answer, so it was asked once".to_owned()
        }
        Cause::Score => format!("{} points, mostly {}; {}", risk.score, mostly(&risk.parts), beyond(risk)),
        Cause::KeyEvidence => format!(
            "{} points of evidence that no passed challenge takes away, mostly {}: whoever is here may hold the key too",
            risk.evidence.get(1).copied().unwrap_or(Points::ZERO),
            mostly(&risk.parts)
        ),
    }
}

/// Which threshold was passed.
fn beyond(risk: &RiskRecord) -> String {
    let [challenge, deny, sever] = risk.thresholds;
    match risk.action.max(risk.would) {
        Action::Sever => format!("severing begins at {sever}"),
        Action::Deny | Action::Limit => format!("denying begins at {deny}"),
        _ => format!("a challenge begins at {challenge}"),
    }
}

/// What the greatest part is about.
fn mostly(parts: &[Part]) -> &'static str {
    let greatest = parts.iter().filter(|part| part.missing.is_none()).max_by_key(|part| part.points);
    greatest.map_or("nothing", |part| about(part.signal))
}

fn about(signal: Signal) -> &'static str {
    signal.sentence()
}
