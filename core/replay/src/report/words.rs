//! Sentences for people.

use portcullis_risk::{Cause, Missing};

use super::client::{Client, Counts, ReasonView};
use crate::log::Log;

pub(super) fn cause_code(cause: Cause) -> &'static str {
    match cause {
        Cause::Nothing => "observed_evidence",
        Cause::NewContext => "challenge_new_context",
        Cause::Listed => "challenge_listed",
        Cause::Pending => "challenge_open",
        Cause::NotFresh => "challenge_fresh_nonce",
        Cause::Score => "challenge_risk",
        Cause::ChallengeFailed => "challenge_failed",
        Cause::KeyEvidence => "key_evidence",
        Cause::Rehearsal => "challenge_rehearsal",
    }
}

pub(super) fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Nothing => "evidence beyond the threshold, only observed so far",
        Cause::NewContext => "a network or TLS client that this client was not known in",
        Cause::Listed => "a list names it",
        Cause::Pending => "a question is open in this context",
        Cause::NotFresh => "the route wants a fresh nonce on every request",
        Cause::Score => "its behaviour is unlike its past, beyond the threshold",
        Cause::ChallengeFailed => "a challenge was not answered, too often",
        Cause::KeyEvidence => "evidence that no answered challenge takes away: the key may be stolen too",
        Cause::Rehearsal => "asked once, to know that it can answer",
    }
}

pub(super) fn missing(missing: Missing) -> &'static str {
    match missing {
        Missing::NoDatabase => "no database or feed of this kind is installed",
        Missing::NotInDatabase => "the database does not know it",
        Missing::BehindBalancer => "a balancer ends TLS",
        Missing::NotAsked => "nobody asks for it",
        Missing::NeverSent => "it was never sent",
        Missing::NotCounted => "nothing was counted",
        Missing::TooEarly => "too little was learnt so far",
        Missing::NotAssessed => "nobody has assessed it",
        Missing::NotInLog => "the log does not hold it",
    }
}

/// `1 request`, `1,234 requests`.
pub(super) fn number_of(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// Digits in groups of three.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(super) fn summary(
    log: &Log,
    counts: &Counts,
    causes: &[ReasonView],
    reasons: &[ReasonView],
    clients: &[Client],
) -> Vec<String> {
    let calls = log.entries.len() as u64;
    let mut said = Vec::new();
    let acted = counts.challenge + counts.blocked + counts.limit + counts.deny + counts.sever;
    let touched = clients.iter().filter(|client| client.counts.acted() > 0).count() as u64;
    if calls == 0 {
        return vec!["No request was read: there is nothing to judge.".to_owned()];
    }
    if acted == 0 {
        said.push(format!(
            "All {} of {} would have passed without a question.",
            number_of(calls, "request", "requests"),
            number_of(clients.len() as u64, "client", "clients")
        ));
    } else {
        let mut parts = Vec::new();
        for (count, what) in [
            (counts.sever, "ended a session"),
            (counts.deny, "been denied"),
            (counts.blocked, "been blocked behind a question that nobody answered"),
            (counts.challenge, "been challenged"),
            (counts.limit, "passed with a tenth of the budget"),
        ] {
            if count > 0 {
                parts.push(format!("{} would have {what}", grouped(count)));
            }
        }
        said.push(format!(
            "Of {} by {}, {}; the others would have passed.",
            number_of(calls, "request", "requests"),
            number_of(clients.len() as u64, "client", "clients"),
            parts.join(", ")
        ));
        said.push(format!(
            "{} concerned.",
            match touched {
                1 => "1 client is".to_owned(),
                many => format!("{} clients are", grouped(many)),
            }
        ));
    }
    if let Some(worst) = clients.first().filter(|client| client.counts.acted() > 0) {
        let why = worst.marks.iter().find(|mark| mark.verdict == worst.worst).or_else(|| worst.marks.first());
        let why = why.map(|mark| format!(" First at {}: {}.", mark.at, mark.why)).unwrap_or_default();
        said.push(format!("Look at `{}` first.{why}", worst.name));
    }
    if let Some(cause) = causes.first() {
        said.push(format!("The most frequent cause: {} ({}).", cause.about, grouped(cause.marks)));
    }
    let against: Vec<&str> = reasons.iter().take(3).map(|reason| reason.about).collect();
    if !against.is_empty() {
        said.push(format!("What weighed most: {}.", against.join("; ")));
    }
    if counts.over > 0 {
        said.push(format!(
            "{} more stood over the threshold while the client was still being learnt: observed, and not acted upon. A log of a few \
             days can not tell what is usual: give it a few weeks to see what evidence would do.",
            number_of(counts.over, "request", "requests")
        ));
    }
    let seen = &log.seen;
    if seen.broken > 0 {
        said.push(format!("{} could not be read.", number_of(seen.broken, "line", "lines")));
    }
    if let Some((most_us, place)) = &seen.backwards_most {
        said.push(format!(
            "{} behind a later one of the same client and file, by up to {:.1} seconds ({place}): they were put into the order \
             of their times. If a clock was set back there, gaps and rates around it mean little.",
            match seen.backwards {
                1 => "1 line stands".to_owned(),
                many => format!("{} lines stand", grouped(many)),
            },
            *most_us as f64 / 1e6
        ));
    }
    said
}
