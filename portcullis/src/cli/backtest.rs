//! `backtest`: decides the decision log again, under the same rules or under other policies.

mod read;
mod recorded;
mod rules;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, anyhow};
use jiff::Timestamp;
use portcullis_replay::redecide::{Outcome as Redecided, Redecider};
use portcullis_risk::{Action, Cause};
use serde::Serialize;
use uuid::Uuid;

use super::failure::Usage;
use super::output::{Output, Paint, Style};
use super::replay::Progress;
use super::server::Server;
use super::table::{Cell, Table};
use super::time::{self, Since};
use super::{Outcome, Place};
use crate::clock::system_clock;

/// Rows of a table.
const FLIPS_TOLD: usize = 50;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Policies to decide by, in place of those of the same name; without any, every score is checked against its record
    #[arg(short = 'f', long = "file", value_name = "PATH")]
    files: Vec<PathBuf>,
    /// Decisions since then: `90s`, `15m`, `2h`, `7d`, or an instant such as `2026-12-31T18:00:00Z`
    #[arg(long, default_value = "7d")]
    since: Since,
    /// Only decisions before then, written like `--since`
    #[arg(long)]
    until: Option<Since>,
    /// Only this client, by its name or id
    #[arg(long)]
    client: Option<String>,
}

/// What came out.
#[derive(Serialize)]
struct Report {
    since: String,
    until: String,
    /// Where the states of clients begin.
    begins: String,
    decisions: u64,
    ends: u64,
    /// Of decisions and ends, those that came out as recorded, bit for bit.
    same: u64,
    differences: Vec<DifferenceView>,
    gaps: Vec<GapView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flips: Option<Flips>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct DifferenceView {
    decision: String,
    client: String,
    step: u64,
    what: &'static str,
    recorded: String,
    computed: String,
}

#[derive(Serialize)]
struct GapView {
    client: String,
    from: u64,
    to: u64,
}

#[derive(Serialize)]
struct Flips {
    total: u64,
    by_change: Vec<Changed>,
    by_client: BTreeMap<String, u64>,
    by_cause: BTreeMap<&'static str, u64>,
    items: Vec<FlipView>,
    left_out: u64,
}

#[derive(Serialize)]
struct Changed {
    from: Action,
    to: Action,
    decisions: u64,
}

#[derive(Serialize)]
struct FlipView {
    decision: String,
    time: String,
    client: String,
    request: String,
    from: Action,
    to: Action,
    cause: &'static str,
    score_from: String,
    score_to: String,
}

pub(super) async fn backtest(place: &Place, out: &Output, arguments: Arguments) -> Result<Outcome> {
    let now = system_clock().now();
    let since = arguments.since.before(now);
    let until = arguments.until.map_or(now, |until| until.before(now));
    if since >= until {
        return Err(Usage("`--since` is not before `--until`".to_owned()).into());
    }
    let directory = place.directory().filter(|directory| directory.is_dir()).ok_or_else(|| {
        anyhow!("the decision log is read from the data folder\nhint: give `--dir DIR` of `portcullis up`, on its machine")
    })?;
    let mut policies = if arguments.files.is_empty() {
        None
    } else {
        let server = Server::find(place)?;
        Some(rules::Policies::of(&server, &arguments.files).await?)
    };
    // Names are nice to have: without a server ids are told.
    let names = match Server::find(place) {
        Ok(server) => rules::clients(&server).await.unwrap_or_default(),
        Err(_) => BTreeMap::new(),
    };
    let wanted = match &arguments.client {
        Some(name) => Some(rules::client(&names, name)?),
        None => None,
    };
    let progress = Progress::new();
    let log = read::Log::open(&directory)?;
    let mut nothing = ();
    let mut redecider = match &mut policies {
        Some(policies) => Redecider::new(policies),
        None => Redecider::checking(&mut nothing),
    };
    let begins = log.begin(&mut redecider, since, wanted)?;
    let read = log.decide(&mut redecider, (begins.from, since, until), wanted, &progress)?;
    let redecided = redecider.finish();
    progress.end();
    let mut notes = read.notes;
    if read.without_risk > 0 {
        notes.push(format!(
            "{} decisions have no score: they were made before there was one, or by mode off",
            read.without_risk
        ));
    }
    if let Some(policies) = &policies {
        notes.extend(policies.notes());
    }
    if redecided.decisions == 0 {
        notes.push("no decision of that time has a score".to_owned());
    }
    let compares = policies.is_some();
    let report = report(&redecided, &names, (since, until, begins.said), notes, compares);
    out.show(&report, |paint| told(&report, paint))?;
    // What differs without a change is a fault; what flips by a change is what was asked for.
    let same = compares || redecided.differences.is_empty();
    Ok(if same { Outcome::Done } else { Outcome::Refused })
}

fn report(
    redecided: &Redecided,
    names: &BTreeMap<Uuid, String>,
    (since, until, begins): (Timestamp, Timestamp, String),
    notes: Vec<String>,
    compares: bool,
) -> Report {
    let name = |id: Uuid| names.get(&id).cloned().unwrap_or_else(|| id.to_string());
    let flips = compares.then(|| Flips {
        total: redecided.by_change.values().sum(),
        by_change: redecided
            .by_change
            .iter()
            .map(|((from, to), decisions)| Changed { from: *from, to: *to, decisions: *decisions })
            .collect(),
        by_client: redecided.by_client.iter().map(|(client, count)| (name(client.0), *count)).collect(),
        by_cause: redecided.by_cause.iter().map(|(cause, count)| (cause_word(*cause), *count)).collect(),
        items: redecided
            .flips
            .iter()
            .map(|flip| FlipView {
                decision: flip.decided.id.to_string(),
                time: Timestamp::from_microsecond(flip.at_us).map(time::instant).unwrap_or_default(),
                client: name(flip.decided.client.0),
                request: format!("{} {}", flip.decided.method, flip.decided.path),
                from: flip.from,
                to: flip.to,
                cause: cause_word(if flip.cause_to == Cause::Nothing {
                    flip.cause_from
                } else {
                    flip.cause_to
                }),
                score_from: flip.score_from.to_string(),
                score_to: flip.score_to.to_string(),
            })
            .collect(),
        left_out: redecided.flips_left_out,
    });
    Report {
        since: time::instant(since),
        until: time::instant(until),
        begins,
        decisions: redecided.decisions,
        ends: redecided.ends,
        same: redecided.same,
        differences: redecided
            .differences
            .iter()
            .map(|difference| DifferenceView {
                decision: difference.id.to_string(),
                client: name(difference.client.0),
                step: difference.step,
                what: difference.what,
                recorded: difference.recorded.clone(),
                computed: difference.computed.clone(),
            })
            .collect(),
        gaps: redecided
            .gaps
            .iter()
            .map(|gap| GapView { client: name(gap.client.0), from: gap.from, to: gap.to })
            .collect(),
        flips,
        notes,
    }
}

fn told(report: &Report, paint: Paint) -> String {
    let all = report.decisions + report.ends;
    let mut text = format!(
        "{} decisions and {} ends from {} to {}; {}\n",
        report.decisions, report.ends, report.since, report.until, report.begins
    );
    let (word, style) = if report.same == all { ("SAME", Style::Good) } else { ("DIFFERS", Style::Bad) };
    text.push_str(&format!(
        "{}  {} of {all} come out as recorded, to the bit, under the rules they were made by\n",
        paint.paint(word, style),
        report.same
    ));
    for difference in report.differences.iter().take(10) {
        let DifferenceView { decision, client, what, recorded, computed, .. } = difference;
        let short = |text: &str| text.chars().take(120).collect::<String>();
        text.push_str(&format!(
            "  {decision}  {client}: {what} is {} and was {}\n",
            short(computed),
            short(recorded)
        ));
    }
    if let Some(gap) = report.gaps.first() {
        text.push_str(&format!(
            "{} calls are not in the log, the first being number {} to {} of `{}`: an analyst's word, or a lost record. What follows may differ\n",
            report.gaps.iter().map(|gap| gap.to + 1 - gap.from).sum::<u64>(),
            gap.from,
            gap.to,
            gap.client
        ));
    }
    if let Some(flips) = &report.flips {
        text.push_str(&flips_told(flips, paint));
    }
    for note in &report.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    text
}

fn flips_told(flips: &Flips, paint: Paint) -> String {
    if flips.total == 0 {
        return "under these policies no decision comes out otherwise\n".to_owned();
    }
    let mut text = format!("under these policies {} decisions come out otherwise:\n", flips.total);
    for change in &flips.by_change {
        text.push_str(&format!("  {:>8}  {} → {}\n", change.decisions, word(change.from), word(change.to)));
    }
    text.push('\n');
    let mut table =
        Table::new(["TIME (UTC)", "DECISION", "~CLIENT", "~REQUEST", "FROM", "TO", "CAUSE", "SCORE"]);
    for flip in flips.items.iter().take(FLIPS_TOLD) {
        let style = if flip.to > flip.from { Style::Bad } else { Style::Good };
        table.row([
            flip.time.as_str().into(),
            flip.decision.as_str().into(),
            flip.client.as_str().into(),
            flip.request.as_str().into(),
            word(flip.from).into(),
            Cell::styled(word(flip.to), style),
            flip.cause.into(),
            format!("{} → {}", flip.score_from, flip.score_to).into(),
        ]);
    }
    text.push_str(&table.render(paint));
    let left = flips.total.saturating_sub(FLIPS_TOLD as u64);
    if left > 0 {
        text.push_str(&format!("{left} more: `-o json`\n"));
    }
    text
}

fn word(action: Action) -> &'static str {
    match action {
        Action::Allow => "allow",
        Action::Limit => "limit",
        Action::Challenge => "challenge",
        Action::Deny => "deny",
        Action::Sever => "sever",
    }
}

fn cause_word(cause: Cause) -> &'static str {
    match cause {
        Cause::Nothing => "nothing",
        Cause::NewContext => "new_context",
        Cause::Listed => "listed",
        Cause::Pending => "question_open",
        Cause::NotFresh => "fresh_nonce",
        Cause::Score => "score",
        Cause::ChallengeFailed => "challenge_failed",
        Cause::KeyEvidence => "key_evidence",
        Cause::Rehearsal => "rehearsal",
    }
}
