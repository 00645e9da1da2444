//! `report.html`: the evidence for people. One file, no script, nothing from elsewhere, light and dark, readable on paper.

mod chart;
mod tables;

use portcullis_replay::page::STYLE;
use portcullis_replay::page::markup::Markup;

use crate::evidence::{Counts, Evidence, Section, SeveranceLine};
use crate::gaps::{gaps, minutes_before};
use crate::tally::Series;
use crate::verify::summary;

const OWN_STYLE: &str = include_str!("report/style.css");

/// The whole page. The same evidence gives the same page.
#[must_use]
pub fn page(evidence: &Evidence, series: &Series) -> String {
    let mut to = Markup::default();
    // The policy forbids what the page doesn't have: should a name ever become markup, it still would not run.
    to.raw("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\"><meta name=\"referrer\" content=\"no-referrer\"><title>What ");
    to.text(&evidence.vendor.name).raw(" read</title><style>").raw(STYLE).raw(OWN_STYLE);
    to.raw("</style></head><body><main>");
    head(&mut to, evidence);
    let severances = severances(evidence);
    tiles(&mut to, &summary(evidence));
    lead(&mut to, evidence, severances);
    if let Some(incident) = incident(evidence) {
        tables::incident(&mut to, incident);
    }
    charts(&mut to, evidence, series, severances);
    for section in &evidence.sections {
        tables::section(&mut to, section);
    }
    tables::sources(&mut to, evidence);
    to.raw("</main></body></html>\n");
    to.finish()
}

fn head(to: &mut Markup, evidence: &Evidence) {
    to.raw("<h1>What <code>").text(&evidence.vendor.name).raw("</code> read</h1><p class=\"soft\">");
    to.element("<span class=\"whole\">", &evidence.window.from.to_string(), "</span> to ");
    to.element("<span class=\"whole\">", &evidence.window.to.to_string(), "</span> · times are UTC</p>");
    to.raw("<p class=\"soft small\">Evidence pack of <code>").name(&evidence.installation);
    to.raw("</code>, made on <span class=\"whole\">").text(&evidence.made_at.to_string());
    to.raw("</span> by ").text(&evidence.made_by).raw(" with ").text(&evidence.program).raw(".</p>");
}

fn tiles(to: &mut Markup, counts: &Counts) {
    to.raw("<ul class=\"tiles\">");
    for (count, what, class, always) in [
        (counts.records, "records delivered", "ink", true),
        (counts.requests, "requests", "ink", true),
        (counts.allowed, "allowed", "pass", true),
        (counts.limited, "of them limited", "limit", false),
        (counts.cut, "answers cut", "challenge", true),
        (counts.challenged, "challenged", "challenge", false),
        (counts.denied, "denied", "deny", true),
        (counts.severed, "contexts closed", "sever", false),
        (counts.open, "without a known end", "over", false),
    ] {
        if count > 0 || always {
            to.raw("<li><b").attribute("class", class).raw(">").count(count).raw("</b><span>").raw(what);
            to.raw("</span></li>");
        }
    }
    to.raw("<li><b class=\"ink whole\">").text(&tables::bytes(counts.response_bytes));
    to.raw("</b><span>delivered</span></li></ul>");
}

/// What a hurried reader must know.
fn lead(to: &mut Markup, evidence: &Evidence, severances: &[SeveranceLine]) {
    let counts = summary(evidence);
    to.raw("<div class=\"lead\">");
    match (counts.first, counts.last) {
        (Some(first), Some(last)) => {
            to.raw("<p>First request <span class=\"whole\">").text(&first.to_string());
            to.raw("</span>, last <span class=\"whole\">").text(&last.to_string()).raw("</span>.</p>");
        }
        _ => {
            to.raw("<p>No request of this vendor was decided in this window.</p>");
        }
    }
    for line in severances {
        to.raw("<p><b class=\"sever\">").text(&line.target).raw("</b> was severed on <span class=\"whole\">");
        to.text(&line.time.to_string()).raw("</span> by ").text(&line.by);
        if !line.why.is_empty() {
            to.raw(": ").text(&line.why);
        }
        to.raw(". In the ").count(minutes_before(evidence, line)).raw(" minutes");
        // Fewer than 60, where it was severed in the window's first hour.
        to.raw(if minutes_before(evidence, line) < 60 { " of the window before" } else { " before" });
        to.raw(", and in that minute, ");
        to.count(line.records_by_minute.iter().fold(0, |sum, records| sum.saturating_add(*records)));
        to.raw(" records were delivered");
        match &line.restored {
            Some(restored) => {
                to.raw("; it was restored on <span class=\"whole\">").text(&restored.time.to_string());
                to.raw("</span>.</p>");
            }
            None => {
                to.raw("; it is not restored in this window.</p>");
            }
        }
    }
    if severances.is_empty() {
        to.raw("<p>No severance of this vendor, or of what belongs to it, was found in this window.</p>");
    }
    let gaps = gaps(evidence);
    if gaps.is_empty() {
        to.raw(
            "<p>Every number stands on decisions that were sealed, and whose digests are in the ledger.</p>",
        );
    } else {
        to.raw("<p><b>What the numbers do not stand on:</b></p><ul class=\"plain\">");
        for gap in &gaps {
            to.raw("<li>").sentence(gap).raw("</li>");
        }
        to.raw("</ul>");
    }
    to.raw("</div>");
}

fn charts(to: &mut Markup, evidence: &Evidence, series: &Series, severances: &[SeveranceLine]) {
    to.raw("<h2>Records by time</h2>");
    to.raw("<p class=\"soft small\">An exchange counts in the minute in which it ended.</p>");
    chart::overview(to, evidence, series, severances);
    for line in
        severances.iter().filter(|line| line.records_by_minute.iter().any(|records| *records > 0)).take(4)
    {
        to.raw("<h4>The hour before <code>").text(&line.target).raw("</code> was severed</h4>");
        chart::hour_before(to, line, series);
    }
}

fn severances(evidence: &Evidence) -> &[SeveranceLine] {
    let found = evidence.sections.iter().find_map(|section| match section {
        Section::Severances { lines } => Some(lines.as_slice()),
        _ => None,
    });
    found.unwrap_or_default()
}

fn incident(evidence: &Evidence) -> Option<&crate::evidence::Incident> {
    evidence.sections.iter().find_map(|section| match section {
        Section::Incident(incident) => Some(incident.as_ref()),
        _ => None,
    })
}
