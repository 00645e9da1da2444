//! How exercises went: one run as a whole, or many beside each other.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use portcullis_api::exercises::RunView;
use portcullis_exercise::report::{page, took};
use portcullis_exercise::run::{ActionOutcome, Run};
use portcullis_exercise::trend::{Trend, trends};

use super::super::output::{Output, Paint, Style};
use super::super::server::Server;
use super::super::table::{Cell, Table};
use super::super::time;
use super::graded;
use crate::clock::system_clock;

pub(super) async fn report(
    server: &Server,
    out: &Output,
    name: Option<String>,
    html: Option<PathBuf>,
) -> Result<()> {
    let mut query = vec![("limit", "1000".to_owned())];
    query.extend(name.clone().map(|name| ("exercise", name)));
    let views: Vec<RunView> = server.query(&["v1", "exercise-runs"], &query).await?;
    let runs: Vec<Run> = views.into_iter().map(|view| view.run).collect();
    if let Some(file) = html {
        let page = page(&runs, system_clock().now(), server.address());
        std::fs::write(&file, page).with_context(|| format!("can't write `{}`", file.display()))?;
        out.note(&format!("{} runs are written to `{}`", runs.len(), file.display()));
        return Ok(());
    }
    let all = trends(&runs);
    out.show(&all, |paint| {
        if all.is_empty() {
            let hint = "hint: `portcullis exercise run NAME --paper`";
            out.note(&format!("nothing was exercised yet\n{hint}"));
            return String::new();
        }
        let mut text: String = all.iter().map(|trend| trended(trend, paint)).collect::<Vec<_>>().join("\n");
        // The newest one in full, where only one exercise was asked for.
        if let (Some(_), Some(newest)) = (&name, runs.first()) {
            text.push('\n');
            text.push_str(&whole(newest, paint));
        }
        text
    })
}

fn trended(trend: &Trend, paint: Paint) -> String {
    let mut text = format!(
        "{} ({}, {}): {} of {} passed\n",
        paint.paint(&trend.title, Style::Strong),
        trend.exercise,
        trend.mode.as_str(),
        trend.passed,
        trend.runs.len()
    );
    let mut table = Table::new(["TIME TO", "LAST", "MEDIAN", "WORST", "TARGET", "IN TIME", "TREND"]);
    for milestone in &trend.milestones {
        let shown = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), took);
        let last = milestone.took_us.last().copied().flatten();
        let late = last.zip(milestone.target).is_some_and(|(last, target)| last > target.micros());
        let style = if last.is_none() {
            Style::Bad
        } else if late {
            Style::Warning
        } else {
            Style::Good
        };
        table.row([
            milestone.milestone.as_str().into(),
            Cell::styled(shown(last), style),
            shown(milestone.median_us).into(),
            shown(milestone.worst_us).into(),
            milestone.target.map_or_else(|| "-".to_owned(), |target| target.to_string()).into(),
            format!("{}/{}", milestone.met, trend.runs.len()).into(),
            milestone.direction.as_str().into(),
        ]);
    }
    text.push_str(&table.render(paint));
    let mut table = Table::new(["RUN", "GRADE", "POINTS", "~WHAT WENT WRONG"]);
    for run in trend.runs.iter().rev().take(10) {
        table.row([
            time::instant(run.started_at).into(),
            graded(&run.grade, run.passed),
            run.points.to_string().into(),
            run.failure.as_deref().unwrap_or("-").into(),
        ]);
    }
    text.push_str(&table.render(paint));
    text
}

/// One run with all that it says.
pub(super) fn whole(run: &Run, paint: Paint) -> String {
    let (word, style) = if run.passed { ("passed", Style::Good) } else { ("failed", Style::Bad) };
    let mut text = format!(
        "{} · {} · {} · grade {} · {} of 100 points\n",
        paint.paint(&run.title, Style::Strong),
        run.mode.as_str(),
        paint.paint(word, style),
        paint.paint(&run.grade, style),
        run.points
    );
    for failure in &run.failures {
        text.push_str(&format!("  {} {failure}\n", paint.paint("failed:", Style::Bad)));
    }
    if !run.measures.is_empty() {
        let mut table = Table::new(["TIME TO", "TOOK", "TARGET"]);
        for measure in &run.measures {
            let style = match (measure.is_met(), measure.took_us) {
                (true, _) => Style::Good,
                (false, Some(_)) => Style::Warning,
                (false, None) => Style::Bad,
            };
            let shown = measure.took_us.map_or_else(|| "never reached".to_owned(), took);
            let target = measure.target.map_or_else(|| "-".to_owned(), |target| target.to_string());
            table.row([measure.milestone.as_str().into(), Cell::styled(shown, style), target.into()]);
        }
        text.push_str(&table.render(paint));
    }
    text.push_str(&actions(run, paint));
    if !run.paths.is_empty() {
        let mut table = Table::new(["PATH", "CLOSED", "~HOW IT SHOWS"]);
        for path in &run.paths {
            let good = path.closed && path.bytes_after == 0;
            let cell = if good { Cell::styled("yes", Style::Good) } else { Cell::styled("no", Style::Bad) };
            table.row([path.path.as_str().into(), cell, path.how.as_str().into()]);
        }
        text.push_str(&table.render(paint));
    }
    text
}

fn actions(run: &Run, paint: Paint) -> String {
    let mut text = String::new();
    if !run.actions.is_empty() {
        let mut table = Table::new(["ACTION", "CAME", "AFTER", "WITHIN", "~WHAT WAS EXPECTED"]);
        for action in &run.actions {
            let style = match action.outcome {
                ActionOutcome::InTime => Style::Good,
                ActionOutcome::Late | ActionOutcome::ByAnother => Style::Warning,
                ActionOutcome::Missed => Style::Bad,
            };
            table.row([
                action.id.as_str().into(),
                Cell::styled(action.outcome.as_str(), style),
                action.took_us.map_or_else(|| "-".to_owned(), took).into(),
                action.within.to_string().into(),
                action.action.as_str().into(),
            ]);
        }
        text.push_str(&table.render(paint));
    }
    for other in &run.others {
        if let Some(wrong) = &other.wrong {
            let label = paint.paint("should not have been:", Style::Warning);
            text.push_str(&format!("  {label} {wrong} ({}, after {})\n", other.who, took(other.at_us)));
        }
    }
    text
}
