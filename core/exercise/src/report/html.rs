//! The page: no script, nothing from elsewhere, light and dark, and it prints.

use jiff::Timestamp;

use super::chart::chart;
use super::took;
use crate::run::{ActionOutcome, Run};
use crate::trend::{Trend, trends};

/// Runs that are told in full.
const RUNS_MAX: usize = 20;

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1c2430;--quiet:#5b6675;--paper:#fff;--card:#f5f7fa;--rule:#d9dfe7;--good:#1a7f4b;--late:#a86400;--bad:#b3261e;--line:#3b6fb6}
@media (prefers-color-scheme:dark){:root{--ink:#e6eaf0;--quiet:#9aa6b6;--paper:#12161c;--card:#1b212a;--rule:#323b48;--good:#5ec78f;--late:#e0a84c;--bad:#f2867d;--line:#7fa9e6}}
body{margin:0 auto;max-width:60rem;padding:2rem 1.25rem 4rem;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.7rem;margin:0 0 .25rem}h2{font-size:1.25rem;margin:2.5rem 0 .25rem}h3{font-size:1rem;margin:1.25rem 0 .25rem}
p{margin:.25rem 0}.quiet{color:var(--quiet)}table{border-collapse:collapse;width:100%;margin:.5rem 0 1rem;font-size:.92rem}
th,td{text-align:left;padding:.35rem .6rem .35rem 0;border-bottom:1px solid var(--rule);vertical-align:top}
th{color:var(--quiet);font-weight:600}td.number{font-variant-numeric:tabular-nums;white-space:nowrap}
.good{color:var(--good)}.late{color:var(--late)}.bad{color:var(--bad)}
.card{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:1rem 1.1rem;margin:1rem 0;break-inside:avoid}
.grade{float:right;font-size:1.6rem;font-weight:700;line-height:1}
svg{width:100%;height:auto;display:block}.grid{stroke:var(--rule)}.axis{fill:var(--quiet);font-size:12px;text-anchor:end}
.target{stroke:var(--late);stroke-dasharray:5 4}.targetword{fill:var(--late);font-size:12px;text-anchor:end}
.line{fill:none;stroke:var(--line);stroke-width:1.5}circle.good{fill:var(--good)}circle.late{fill:var(--late)}circle.bad{fill:var(--bad)}
@media print{body{padding:0;max-width:none}.card{background:none}}
";

/// The whole page. `runs` in any order.
#[must_use]
pub fn page(runs: &[Run], made_at: Timestamp, installation: &str) -> String {
    let trends = trends(runs);
    let mut body = format!(
        "<h1>Exercises</h1>\n<p class=\"quiet\">{} · {} UTC · {} from the ledger</p>\n",
        escaped(installation),
        made_at.strftime("%Y-%m-%d %H:%M"),
        counted(runs.len(), "run"),
    );
    if trends.is_empty() {
        body.push_str("<p>Nothing was exercised yet.</p>\n");
    }
    if trends.len() > 1 {
        body.push_str(&overview(&trends));
    }
    for trend in &trends {
        body.push_str(&section(trend));
        let mut own: Vec<&Run> =
            runs.iter().filter(|run| run.exercise == trend.exercise && run.mode == trend.mode).collect();
        own.sort_by_key(|run| std::cmp::Reverse(run.started_at));
        for run in own.iter().take(RUNS_MAX) {
            body.push_str(&card(run));
        }
        if own.len() > RUNS_MAX {
            let more = own.len() - RUNS_MAX;
            body.push_str(&format!("<p class=\"quiet\">and {} before</p>\n", counted(more, "run")));
        }
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>Exercises</title>\n<style>{STYLE}</style>\n{body}</html>\n"
    )
}

fn overview(trends: &[Trend]) -> String {
    let mut table = "<table><tr><th>Exercise</th><th>How</th><th>Runs</th><th>Passed</th><th>Last</th><th>Grade</th></tr>\n".to_owned();
    for trend in trends {
        let Some(last) = trend.runs.last() else { continue };
        table.push_str(&format!(
            "<tr><td>{}</td><td>{}</td><td class=\"number\">{}</td><td class=\"number {}\">{}</td><td class=\"number\">{}</td><td class=\"{}\">{}</td></tr>\n",
            escaped(&trend.title),
            trend.mode.as_str(),
            trend.runs.len(),
            if trend.passed == trend.runs.len() { "good" } else { "bad" },
            trend.passed,
            last.started_at.strftime("%Y-%m-%d %H:%M"),
            if last.passed { "good" } else { "bad" },
            escaped(&last.grade),
        ));
    }
    table + "</table>\n"
}

fn section(trend: &Trend) -> String {
    let mut text = format!(
        "<h2>{}</h2>\n<p class=\"quiet\">{} · {} · {}, {} passed</p>\n",
        escaped(&trend.title),
        escaped(&trend.exercise),
        trend.mode.as_str(),
        counted(trend.runs.len(), "run"),
        trend.passed,
    );
    let passed: Vec<bool> = trend.runs.iter().map(|run| run.passed).collect();
    for milestone in &trend.milestones {
        let shown = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), took);
        text.push_str(&format!(
            "<h3>Time to {}</h3>\n<p class=\"quiet\">median {} · worst {} · in time {} of {} · {}</p>\n{}",
            milestone.milestone.as_str(),
            shown(milestone.median_us),
            shown(milestone.worst_us),
            milestone.met,
            trend.runs.len(),
            milestone.direction.as_str().replace('-', "too few runs for a trend"),
            chart(milestone, &passed),
        ));
    }
    text
}

fn card(run: &Run) -> String {
    let class = if run.passed { "good" } else { "bad" };
    let mut text = format!(
        "<div class=\"card\"><span class=\"grade {class}\">{}</span><h3>{} UTC · {}</h3>\n<p class=\"quiet\">run {} · {} of 100 points</p>\n",
        escaped(&run.grade),
        run.started_at.strftime("%Y-%m-%d %H:%M"),
        if run.passed { "passed" } else { "failed" },
        run.id,
        run.points,
    );
    for failure in &run.failures {
        text.push_str(&format!("<p class=\"bad\">{}</p>\n", sentence(failure)));
    }
    text.push_str(&measured(run));
    text.push_str(&actions(run));
    text.push_str(&paths(run));
    text + "</div>\n"
}

fn measured(run: &Run) -> String {
    let mut table = "<table><tr><th>Milestone</th><th>Took</th><th>Target</th></tr>\n".to_owned();
    for measure in &run.measures {
        let class = match (measure.is_met(), measure.took_us) {
            (true, _) => "good",
            (false, Some(_)) => "late",
            (false, None) => "bad",
        };
        table.push_str(&format!(
            "<tr><td>{}</td><td class=\"number {class}\">{}</td><td class=\"number\">{}</td></tr>\n",
            measure.milestone.as_str(),
            measure.took_us.map_or_else(|| "never reached".to_owned(), took),
            measure.target.map_or_else(|| "-".to_owned(), |target| target.to_string()),
        ));
    }
    if run.measures.is_empty() { String::new() } else { table + "</table>\n" }
}

fn actions(run: &Run) -> String {
    if run.actions.is_empty() && run.others.is_empty() {
        return String::new();
    }
    let mut table =
        "<table><tr><th>Expected</th><th>Of</th><th>Within</th><th>Came</th><th>After</th></tr>\n".to_owned();
    for action in &run.actions {
        let class = match action.outcome {
            ActionOutcome::InTime => "good",
            ActionOutcome::Late | ActionOutcome::ByAnother => "late",
            ActionOutcome::Missed => "bad",
        };
        let who = action.who.as_ref().map(|who| format!(", {who}")).unwrap_or_default();
        table.push_str(&format!(
            "<tr><td>{}</td><td>{}</td><td class=\"number\">{}</td><td class=\"{class}\">{}{}</td><td class=\"number\">{}</td></tr>\n",
            sentence(&action.action),
            escaped(&action.by.join(", ")),
            action.within,
            action.outcome.as_str(),
            escaped(&who),
            action.took_us.map_or_else(|| "-".to_owned(), took),
        ));
    }
    for other in run.others.iter().filter_map(|other| other.wrong.as_ref().map(|wrong| (other, wrong))) {
        let (other, wrong) = other;
        table.push_str(&format!(
            "<tr><td class=\"bad\">{}</td><td>{}</td><td></td><td class=\"bad\">should not have been</td><td class=\"number\">{}</td></tr>\n",
            sentence(wrong),
            escaped(&other.who),
            took(other.at_us),
        ));
    }
    table + "</table>\n"
}

fn paths(run: &Run) -> String {
    if run.paths.is_empty() {
        return String::new();
    }
    let mut table = "<table><tr><th>Path</th><th>After the receipt</th></tr>\n".to_owned();
    for path in &run.paths {
        let class = if path.closed && path.bytes_after == 0 { "good" } else { "bad" };
        table.push_str(&format!(
            "<tr><td>{}</td><td class=\"{class}\">{}</td></tr>\n",
            escaped(&path.path),
            escaped(&path.how)
        ));
    }
    table + "</table>\n"
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// The same, in which what stands between backticks is what was written there, and looks so.
fn sentence(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return escaped(text);
    }
    let shown = |(place, part): (usize, &&str)| match place % 2 {
        0 => escaped(part),
        _ => format!("<code>{}</code>", escaped(part)),
    };
    parts.iter().enumerate().map(shown).collect()
}

/// A text as HTML shows it: nothing in it is markup.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
