//! What a score is made of, for somebody who reads it at night.

use portcullis_api::risk::{PartView, RiskView};
use portcullis_risk::{Action, Points, Standing, grouped};

use super::super::output::{Paint, Style, width_max};

/// Cells of the longest bar.
const BAR: usize = 16;
/// Parts of so few points are told together.
const SMALL: f64 = 0.05;

pub(super) fn told(risk: &RiskView, paint: Paint) -> String {
    let mut text = format!("\nrisk: {}\n", paint.paint(&risk.summary, style(risk)));
    if let Some(counterfactual) = &risk.would_have_passed {
        text.push_str(&format!("      {counterfactual}\n"));
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
        text.push_str(&format!("  {name:<12} {value}\n"));
    }
    for line in without_data(&risk.parts) {
        text.push_str(&format!("  {:<12} {}\n", "no data", paint.paint(&line, Style::Dim)));
    }
    text
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
    let narrow = width_max() < 90;
    let longest = rows.iter().map(|part| part.sentence.len()).max().unwrap_or_default();
    for part in rows {
        let bar = bar(part.points, most);
        let painted = match part.points < 0.0 {
            true => paint.paint(&bar, Style::Good),
            false if part.points > most / 2.0 => paint.paint(&bar, Style::Bad),
            false => paint.paint(&bar, Style::Warning),
        };
        let only =
            if part.observed_only { paint.paint("  (only observed)", Style::Dim) } else { String::new() };
        let seen = match (&part.observed, &part.usual) {
            (Some(observed), Some(usual)) => format!("{observed}, usually {}", without_unit(usual, observed)),
            (Some(observed), None) => observed.clone(),
            _ => String::new(),
        };
        let pad = if narrow || seen.is_empty() { 0 } else { longest };
        let gap = match (narrow, seen.is_empty()) {
            (_, true) => String::new(),
            (true, _) => format!("\n{:29}", ""),
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
