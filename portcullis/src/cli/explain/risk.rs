//! What a score is made of, for somebody who reads it at night.

use portcullis_api::risk::{PartView, RiskView};
use portcullis_risk::{Action, Points, Standing, grouped};

use super::super::output::{Paint, Style, width_max};
use crate::fold::folded;

/// Cells of the longest bar.
const BAR: usize = 16;
/// Column of a part's sentence, behind its points and their bar.
const SENTENCE_AT: usize = 2 + 7 + 2 + BAR + 2;
/// Parts of so few points are told together.
const SMALL: f64 = 0.05;

pub(super) fn told(risk: &RiskView, paint: Paint) -> String {
    let mut text = "\nrisk:".to_owned();
    for (place, line) in folded(&risk.summary, width_max().saturating_sub(6)).into_iter().enumerate() {
        let before = if place == 0 { " " } else { "      " };
        text.push_str(&format!("{before}{}\n", paint.paint(&line, style(risk))));
    }
    for line in risk.would_have_passed.iter().flat_map(|text| folded(text, width_max().saturating_sub(6))) {
        text.push_str(&format!("      {line}\n"));
    }
    text.push('\n');
    text.push_str(&table(&risk.parts, paint));
    text.push_str(&format!(
        "  {}  {:BAR$}  {}\n",
        paint.paint(&format!("{:>7}", shown(risk.score)), Style::Strong),
        "",
        thresholds(risk, paint)
    ));
    if let Some(after) = risk.after.as_ref().filter(|after| after.parts.iter().any(is_shown)) {
        text.push_str(&paint.paint("\n  the response added\n", Style::Dim));
        text.push_str(&table(&after.parts, paint));
        text.push_str(&format!(
            "  {:>7}  {:BAR$}  is what the next request here begins with\n",
            shown(after.score),
            ""
        ));
    }
    text.push('\n');
    for (name, value) in facts(risk) {
        text.push_str(&fact(name, &value, |line| line.to_owned()));
    }
    for line in without_data(&risk.parts) {
        text.push_str(&fact("no data", &line, |line| paint.paint(line, Style::Dim)));
    }
    text
}

/// A name and what it stands for, which may take several lines.
fn fact(name: &str, value: &str, painted: impl Fn(&str) -> String) -> String {
    const NAME: usize = 12;
    let lines = folded(value, width_max().saturating_sub(NAME + 3));
    let names = std::iter::once(name).chain(std::iter::repeat(""));
    let told = names.zip(lines).map(|(name, line)| format!("  {name:<NAME$} {}\n", painted(&line)));
    told.collect()
}

fn style(risk: &RiskView) -> Style {
    match risk.action {
        Action::Allow if risk.would > Action::Allow => Style::Warning,
        Action::Allow => Style::Good,
        Action::Limit | Action::Challenge => Style::Warning,
        Action::Deny | Action::Sever => Style::Bad,
    }
}

fn is_shown(part: &PartView) -> bool {
    part.no_data.is_none() && part.points.abs() >= SMALL
}

/// A line for each part that counts, with a bar of its points, and what was seen beside what is usual.
fn table(parts: &[PartView], paint: Paint) -> String {
    let rows: Vec<&PartView> = parts.iter().filter(|part| is_shown(part)).collect();
    let small: Vec<&PartView> =
        parts.iter().filter(|part| part.no_data.is_none() && !is_shown(part)).collect();
    let most = rows.iter().map(|part| part.points.abs()).fold(1.0, f64::max);
    let mut text = String::new();
    let longest = rows.iter().map(|part| part.sentence.chars().count()).max().unwrap_or_default();
    let widest = rows.iter().map(|part| seen(part).chars().count()).max().unwrap_or_default();
    // Then what was seen is told below its sentence.
    let narrow = SENTENCE_AT + longest + 2 + widest > width_max();
    for part in rows {
        let bar = bar(part.points, most);
        let painted = match part.points < 0.0 {
            true => paint.paint(&bar, Style::Good),
            false if part.points > most / 2.0 => paint.paint(&bar, Style::Bad),
            false => paint.paint(&bar, Style::Warning),
        };
        let only =
            if part.observed_only { paint.paint("  (only observed)", Style::Dim) } else { String::new() };
        let seen = seen(part);
        let pad = if narrow || seen.is_empty() { 0 } else { longest };
        let gap = match (narrow, seen.is_empty()) {
            (_, true) => String::new(),
            (true, _) => format!("\n{:SENTENCE_AT$}", ""),
            (false, _) => "  ".to_owned(),
        };
        text.push_str(&format!(
            "  {:>7}  {painted}{:bars$}  {:<pad$}{gap}{seen}{only}\n",
            shown(part.points),
            "",
            part.sentence,
            bars = BAR.saturating_sub(bar.chars().count())
        ));
    }
    if !small.is_empty() {
        let things = if small.len() == 1 { "thing" } else { "things" };
        let line = format!("{} other {things} as usual", small.len());
        text.push_str(&format!("  {:>7}  {:BAR$}  {}\n", "0.0", "", paint.paint(&line, Style::Dim)));
    }
    text
}

fn seen(part: &PartView) -> String {
    match (&part.observed, &part.usual) {
        (Some(observed), Some(usual)) => format!("{observed}, usually {}", without_unit(usual, observed)),
        (Some(observed), None) => observed.clone(),
        _ => String::new(),
    }
}

/// A number whose unit was just read.
fn without_unit<'a>(usual: &'a str, observed: &str) -> &'a str {
    match (usual.split_once(' '), observed.split_once(' ')) {
        (Some((number, unit)), Some((_, other))) if unit == other => number,
        _ => usual,
    }
}

/// Whole cells and a half one, at least that.
fn bar(points: f64, most: f64) -> String {
    let halves = ((points.abs() / most) * (2 * BAR) as f64).round().clamp(1.0, (2 * BAR) as f64) as usize;
    let half = if halves % 2 == 1 { "▌" } else { "" };
    format!("{}{half}", "█".repeat(halves / 2))
}

fn thresholds(risk: &RiskView, paint: Paint) -> String {
    let all = [
        ("challenge", risk.thresholds.challenge),
        ("deny", risk.thresholds.deny),
        ("sever", risk.thresholds.sever),
    ];
    let words = all.map(|(name, from)| {
        let word = format!("{name} from {}", shown(from));
        if risk.score >= from { paint.paint(&word, Style::Bad) } else { word }
    });
    format!("points in all;  {}", words.join("  "))
}

fn facts(risk: &RiskView) -> Vec<(&'static str, String)> {
    let standing = match risk.standing {
        Standing::Observe => "observed: too little is known yet for the score to act",
        Standing::Challenge => "its score may challenge it",
        Standing::Deny => "its score may challenge it, its evidence may deny it",
    };
    let mode = risk.mode.as_str();
    let families: Vec<String> =
        risk.families.iter().map(|(family, mode)| format!("{} {}", family.as_str(), mode.as_str())).collect();
    let mode = if families.is_empty() { mode.to_owned() } else { format!("{mode}; {}", families.join(", ")) };
    let evidence = risk.evidence;
    let mut facts = vec![
        ("standing", standing.to_owned()),
        ("mode", mode),
        (
            "evidence",
            format!(
                "{} since the last passed challenge, {} whatever was passed, {} of that calibrated",
                shown(evidence.since_pass),
                shown(evidence.in_all),
                shown(evidence.calibrated)
            ),
        ),
        ("at stake", format!("{} before the next decision", grouped(risk.at_stake))),
    ];
    if risk.would != risk.action {
        let would = risk.would.as_str();
        facts.push(("enforced", format!("it would have been: {would}")));
    }
    if risk.probation {
        facts.push(("context", "on probation: it passed its challenge, and isn't admitted yet".to_owned()));
    }
    facts
}

/// Signals without data, by the reason.
fn without_data(parts: &[PartView]) -> Vec<String> {
    let mut by_reason: Vec<(&str, Vec<&str>)> = Vec::new();
    for part in parts {
        let Some(why) = part.no_data.as_deref() else { continue };
        match by_reason.iter_mut().find(|(known, _)| *known == why) {
            Some((_, signals)) => signals.push(&part.signal),
            None => by_reason.push((why, vec![&part.signal])),
        }
    }
    by_reason.into_iter().map(|(why, signals)| format!("{}: {why}", signals.join(", "))).collect()
}

/// One digit, as points are read.
fn shown(points: f64) -> String {
    Points((points * 1_000.0).round() as i64).to_string()
}
