//! The report as one HTML file: no script, nothing from elsewhere, readable on paper, on a phone and by a screen reader.

mod client;
pub mod markup;
mod plots;

use markup::Markup;

use crate::report::{NoData, Read, ReasonView, Report};

/// Light, dark, on paper and on a phone; other reports look the same.
pub const STYLE: &str = include_str!("page/style.css");
/// Rows of the table of clients.
const CLIENTS_MAX: usize = 500;

/// The whole page. `made` says when, by which program.
#[must_use]
pub fn page(report: &Report, made: &str) -> String {
    let mut to = Markup::default();
    // The policy forbids what the page doesn't have: should a name ever become markup, it still would not run.
    to.raw("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\"><meta name=\"referrer\" content=\"no-referrer\"><title>What the gate would have done</title><style>");
    to.raw(STYLE).raw("</style></head><body><main><h1>What the gate would have done</h1><p class=\"soft\">");
    if let (Some(begins), Some(ends)) = (&report.begins, &report.ends) {
        to.element("<span class=\"whole\">", begins, "</span> to ");
        to.element("<span class=\"whole\">", ends, "</span> · ");
    }
    to.text(&report.read.format).raw(" ·");
    // A time is never broken.
    for word in made.split(' ') {
        to.element(" <span class=\"whole\">", word, "</span>");
    }
    to.raw("</p>");
    tiles(&mut to, report);
    to.raw("<div class=\"lead\">");
    for sentence in &report.summary {
        to.raw("<p>").sentence(sentence).raw("</p>");
    }
    to.raw("</div>");
    reasons(&mut to, report);
    clients(&mut to, report);
    to.raw("<h2 id=\"details\">Client by client</h2>");
    to.raw("<p class=\"soft\">The time line shows the highest score of each moment, and below it the number of requests. A score is evidence in points (decibans): relative odds, never a probability.</p>");
    let mut left_out = 0_u64;
    for (number, one) in report.clients.iter().enumerate() {
        match &one.pictures {
            Some(pictures) => client::client(&mut to, number, one, pictures),
            None => left_out += 1,
        }
    }
    if left_out > 0 {
        to.raw("<p class=\"soft\">").count(left_out).raw(
            " more clients are told in the table above only; <code>--client</code> shows one of them.</p>",
        );
    }
    how(&mut to, report);
    to.raw("</main></body></html>\n");
    to.finish()
}

fn tiles(to: &mut Markup, report: &Report) {
    to.raw("<ul class=\"tiles\">");
    let counts = &report.counts;
    for (count, what, class, always) in [
        (report.calls, "requests", "ink", true),
        (report.clients_seen, "clients", "ink", true),
        (counts.challenge, "would be challenged", "challenge", true),
        (counts.blocked, "blocked behind a question", "blocked", false),
        (counts.limit, "limited to a tenth", "limit", false),
        (counts.deny, "denied", "deny", true),
        (counts.sever, "sessions ended", "sever", false),
        (counts.over, "over the threshold, observed", "over", false),
    ] {
        if count > 0 || always {
            to.raw("<li><b")
                .attribute("class", class)
                .raw(">")
                .count(count)
                .raw("</b><span>")
                .raw(what)
                .raw("</span></li>");
        }
    }
    to.raw("</ul>");
}

fn reasons(to: &mut Markup, report: &Report) {
    if report.causes.is_empty() {
        return;
    }
    to.raw("<h2>Why</h2><div class=\"pair\"><div>");
    reason_table(to, "Causes of marks", &report.causes, |reason| reason.marks as f64, false);
    to.raw("</div><div>");
    reason_table(to, "Signals that weighed most", &report.reasons, |reason| reason.points, true);
    to.raw("</div></div>");
}

fn reason_table(
    to: &mut Markup,
    title: &'static str,
    all: &[ReasonView],
    size: impl Fn(&ReasonView) -> f64,
    points: bool,
) {
    let most = all.iter().map(&size).fold(1.0, f64::max);
    to.raw("<h4>")
        .raw(title)
        .raw("</h4><table><thead><tr><th scope=\"col\">Reason</th><th scope=\"col\" class=\"n\">");
    to.raw(if points { "Points" } else { "Marks" }).raw("</th><th scope=\"col\"></th></tr></thead><tbody>");
    for reason in all {
        to.raw("<tr><td>")
            .text(reason.about)
            .raw("<br><code class=\"soft\">")
            .text(reason.code)
            .raw("</code></td><td class=\"n\">");
        if points {
            to.sum(reason.points);
        } else {
            to.count(reason.marks);
        }
        to.raw("</td><td class=\"b\">");
        plots::bar(to, size(reason) / most);
        to.raw("</td></tr>");
    }
    to.raw("</tbody></table>");
}

fn clients(to: &mut Markup, report: &Report) {
    to.raw("<h2>Clients</h2><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Clients\"><table class=\"cards\">");
    head_of(
        to,
        &[
            "Client",
            "Requests",
            "Challenged",
            "Limited",
            "Refused",
            "Only observed",
            "Contexts",
            "Worst mark",
        ],
    );
    to.raw("<tbody>");
    for (number, client) in report.clients.iter().enumerate().take(CLIENTS_MAX) {
        let counts = &client.counts;
        to.raw("<tr><td class=\"w\" data-label=\"Client\"><span>");
        match client.pictures {
            Some(_) => {
                to.raw("<a")
                    .attribute("href", &format!("#client-{number}"))
                    .raw(">")
                    .name(&client.name)
                    .raw("</a>");
            }
            None => {
                to.name(&client.name);
            }
        }
        to.raw("</span></td>");
        for (label, count) in [
            ("Requests", client.calls),
            ("Challenged", counts.challenge),
            ("Limited", counts.limit),
            ("Refused", counts.blocked + counts.deny + counts.sever),
            ("Only observed", counts.over),
            ("Contexts", client.contexts.len() as u64),
        ] {
            to.raw("<td class=\"n\"")
                .attribute("data-label", label)
                .raw("><span>")
                .count(count)
                .raw("</span></td>");
        }
        to.raw("<td data-label=\"Worst mark\"><span>");
        tag(to, client.worst);
        to.raw("</span></td></tr>");
    }
    to.raw("</tbody></table></div>");
    let left_out = report.clients.len().saturating_sub(CLIENTS_MAX) as u64;
    if left_out > 0 {
        to.raw("<p class=\"small soft\">")
            .count(left_out)
            .raw(" more clients are not listed; <code>-o json</code> has all of them.</p>");
    }
}

fn how(to: &mut Markup, report: &Report) {
    to.raw("<h2>How this was judged</h2><ul class=\"plain\">");
    for sentence in &report.assumed {
        to.raw("<li>").sentence(sentence).raw("</li>");
    }
    to.raw("</ul>");
    no_data(to, &report.no_data);
    to.raw("<h2>What was read</h2>");
    read(to, &report.read);
}

fn no_data(to: &mut Markup, all: &[NoData]) {
    if all.is_empty() {
        return;
    }
    to.raw("<h4>Signals without data</h4><p class=\"small soft\">They add nothing to a score, for or against. At the gate most of them speak.</p><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Signals without data\"><table class=\"cards\">");
    head_of(to, &["Signal", "Why", "Requests"]);
    to.raw("<tbody>");
    for one in all {
        to.raw("<tr><td data-label=\"Signal\"><span>")
            .text(one.about)
            .raw(" <code class=\"soft\">")
            .text(one.signal);
        to.raw("</code></span></td><td data-label=\"Why\"><span>").text(one.why);
        to.raw("</span></td><td class=\"n\" data-label=\"Requests\"><span>")
            .count(one.calls)
            .raw("</span></td></tr>");
    }
    to.raw("</tbody></table></div>");
}

fn read(to: &mut Markup, read: &Read) {
    to.raw("<ul class=\"plain\"><li>")
        .count(read.calls)
        .raw(" requests from ")
        .count(read.files.len() as u64);
    to.raw(if read.files.len() == 1 { " file</li>" } else { " files</li>" });
    for passed in &read.passed_over {
        to.raw("<li>").count(passed.calls).raw(" lines ").text(&passed.name).raw(" and are passed over</li>");
    }
    if read.filtered > 0 {
        to.raw("<li>").count(read.filtered).raw(" lines were not asked for</li>");
    }
    if read.broken > 0 {
        to.raw("<li>").count(read.broken).raw(" lines can not be read, such as<ul class=\"plain mono\">");
        for example in &read.broken_examples {
            to.element("<li>", example, "</li>");
        }
        to.raw("</ul></li>");
    }
    if !read.other_files.is_empty() {
        to.raw("<li>files of no format that is read: ").text(&read.other_files.join(", ")).raw("</li>");
    }
    to.raw("</ul><details><summary>Files</summary><ul class=\"plain mono small\">");
    for file in &read.files {
        to.element("<li>", file, "</li>");
    }
    to.raw("</ul></details>");
}

fn head_of(to: &mut Markup, columns: &[&'static str]) {
    to.raw("<thead><tr>");
    for column in columns {
        let numbers = ["Requests", "Challenged", "Limited", "Refused", "Only observed", "Contexts", "Score"];
        to.raw(if numbers.contains(column) {
            "<th scope=\"col\" class=\"n\">"
        } else {
            "<th scope=\"col\">"
        });
        to.raw(column).raw("</th>");
    }
    to.raw("</tr></thead>");
}

fn tag(to: &mut Markup, verdict: &str) {
    to.raw("<span")
        .attribute("class", &format!("tag {verdict}"))
        .raw(">")
        .text(verdict_word(verdict))
        .raw("</span>");
}

fn verdict_word(verdict: &str) -> &'static str {
    match verdict {
        "pass" => "passes",
        "over" => "observed",
        "limit" => "limit",
        "challenge" => "challenge",
        "blocked" => "blocked",
        "deny" => "deny",
        "sever" => "sever",
        _ => "other",
    }
}
