//! What came out, as values: for JSON, for tables, and for the page.

mod client;
mod words;

pub(crate) use words::grouped;

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_risk::{Cause, Signal};
use serde::Serialize;

pub use client::{Bucket, Client, ContextView, Counts, MarkView, Named, Pictures, ReasonView};

use crate::log::Log;
use crate::score::{Assume, Scored, Settings, Verdict};

/// Clients that are shown with pictures.
pub const PICTURES_MAX: usize = 60;

/// A replay's result.
#[derive(Serialize, Debug)]
pub struct Report {
    /// In plain words, the most important first.
    pub summary: Vec<String>,
    pub begins: Option<String>,
    pub ends: Option<String>,
    pub calls: u64,
    pub clients_seen: u64,
    pub counts: Counts,
    /// What the marks have in common, the most frequent first.
    pub causes: Vec<ReasonView>,
    /// What spoke against them, by points.
    pub reasons: Vec<ReasonView>,
    /// How it was judged.
    pub assumed: Vec<String>,
    /// What the logs can't say.
    pub no_data: Vec<NoData>,
    pub read: Read,
    /// The worst first, then the busiest.
    pub clients: Vec<Client>,
}

/// A signal that had no data.
#[derive(Serialize, Debug)]
pub struct NoData {
    pub signal: &'static str,
    pub about: &'static str,
    pub why: &'static str,
    pub calls: u64,
}

/// What became of the lines.
#[derive(Serialize, Debug)]
pub struct Read {
    pub files: Vec<String>,
    pub format: String,
    pub calls: u64,
    pub broken: u64,
    /// The first of them, as `FILE:LINE: why`.
    pub broken_examples: Vec<String>,
    pub passed_over: Vec<Named>,
    pub filtered: u64,
    pub other_files: Vec<String>,
    pub backwards: u64,
    pub backwards_most_seconds: f64,
    pub backwards_at: Option<String>,
}

/// Files that are named.
const FILES_MAX: usize = 100;

/// Makes the report of a log that was judged. `origins` says in a sentence what was known of addresses.
#[must_use]
pub fn report(log: &Log, scored: &Scored, format: &str, origins: &str) -> Report {
    let mut order: Vec<usize> = (0..scored.clients.len()).collect();
    order.sort_by_key(|number| {
        let client = scored.clients.get(*number);
        std::cmp::Reverse(client.map(|client| (weight(&client.counts), client.calls)))
    });
    let clients = client::views(log, scored, &order);
    let mut counts = [0; Verdict::ALL.len()];
    let (mut causes, mut reasons) = (BTreeMap::<Cause, u64>::new(), BTreeMap::<Signal, (u64, i64)>::new());
    for client in &scored.clients {
        for (sum, count) in counts.iter_mut().zip(client.counts) {
            *sum += count;
        }
        for (cause, count) in &client.causes {
            *causes.entry(*cause).or_default() += count;
        }
        for (signal, (count, points)) in &client.reasons {
            let sum = reasons.entry(*signal).or_default();
            sum.0 += count;
            sum.1 += points;
        }
    }
    let time = |at_us: i64| Timestamp::from_microsecond(at_us).ok().map(client::instant);
    let counts = Counts::of(&counts);
    let causes = client::causes(&causes);
    let reasons = client::reasons(&reasons);
    Report {
        summary: words::summary(log, &counts, &causes, &reasons, &clients),
        begins: log.entries.first().and_then(|entry| time(entry.at_us)),
        ends: log.entries.last().and_then(|entry| time(entry.at_us)),
        calls: log.entries.len() as u64,
        clients_seen: clients.len() as u64,
        counts,
        causes,
        reasons,
        assumed: assumed(scored.settings, origins),
        no_data: no_data(scored),
        read: read(log, format),
        clients,
    }
}

/// The worst that happened, and how often.
fn weight(counts: &[u64; Verdict::ALL.len()]) -> (usize, u64) {
    let worst = counts.iter().rposition(|count| *count > 0).unwrap_or(0);
    (worst, if worst == 0 { 0 } else { counts.get(worst).copied().unwrap_or(0) })
}

fn no_data(scored: &Scored) -> Vec<NoData> {
    let mut all: Vec<NoData> = scored
        .missing
        .iter()
        // That little was learnt so far is no lack of the log.
        .filter(|((_, why), _)| *why != portcullis_risk::Missing::TooEarly)
        .map(|((signal, why), calls)| NoData {
            signal: signal.code(),
            about: signal.sentence(),
            why: words::missing(*why),
            calls: *calls,
        })
        .collect();
    all.sort_by_key(|one| std::cmp::Reverse(one.calls));
    all
}

fn read(log: &Log, format: &str) -> Read {
    let seen = &log.seen;
    let few = |files: &[String]| files.iter().take(FILES_MAX).cloned().collect();
    Read {
        files: few(&log.files),
        format: format.to_owned(),
        calls: log.entries.len() as u64,
        broken: seen.broken,
        broken_examples: seen.broken_shown.clone(),
        passed_over: crate::Passed::ALL
            .iter()
            .zip(seen.passed)
            .filter(|(_, count)| *count > 0)
            .map(|(passed, count)| Named { name: passed.sentence().to_owned(), calls: count })
            .collect(),
        filtered: seen.filtered,
        other_files: few(&seen.other_files),
        backwards: seen.backwards,
        backwards_most_seconds: seen
            .backwards_most
            .as_ref()
            .map_or(0.0, |(back_us, _)| *back_us as f64 / 1e6),
        backwards_at: seen.backwards_most.as_ref().map(|(_, place)| place.clone()),
    }
}

fn assumed(settings: Settings, origins: &str) -> Vec<String> {
    let answers = match settings.assume {
        Assume::Pass => {
            "Whoever would have been challenged is assumed to answer: the question is marked, and what follows is judged as \
             it would have been. A new context that is none of yours would have ended at its mark."
        }
        Assume::Fail => {
            "Challenges are answered in the context that a client is first seen in, and in no other one: whatever comes \
             from elsewhere is blocked from its first request on."
        }
    };
    vec![
        answers.to_owned(),
        origins.to_owned(),
        "The context that a client is first seen in is taken for its own. Each client is learnt from nothing: evidence is \
         only observed until a client is known for three days, while new contexts count from the first request on."
            .to_owned(),
        format!(
            "Up to {} units of money are at stake before the next decision; {}.",
            settings.stakes.money,
            if settings.stakes.critical { "every request would need a fresh nonce" } else { "no route is critical" }
        ),
    ]
}
