//! What the page says about one client.

use super::markup::Markup;
use super::{head_of, plots, tag, verdict_word};
use crate::report::{Client, ContextView, MarkView, Named, Pictures};

/// Rows of a table of marks.
const MARKS_SHOWN_MAX: usize = 60;
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

pub(super) fn client(to: &mut Markup, number: usize, client: &Client, pictures: &Pictures) {
    to.raw("<section class=\"client\"").attribute("id", &format!("client-{number}")).raw("><h3>");
    to.name(&client.name).raw("</h3><p class=\"facts\">");
    to.count(client.calls).raw(" requests from ").text(&client.first).raw(" to ").text(&client.last);
    to.raw(" · ").text(standing(client)).raw("</p>");
    plots::timeline(to, client, pictures);
    marks(to, client);
    contexts(to, client);
    to.raw("<div class=\"pair\"><div>");
    named(to, "Endpoints", "Endpoint", &pictures.endpoints, pictures.other_endpoints);
    to.raw("</div><div><h4>Hours of the week (UTC)</h4>");
    plots::heat_map(to, pictures);
    hours_table(to, pictures);
    to.raw("</div></div><div class=\"pair\">");
    for (title, sizes) in [
        ("Size of requests", &pictures.request_bytes),
        ("Size of responses", &pictures.response_bytes),
        ("Records of responses", &pictures.records),
    ] {
        // One size for all says nothing: the log doesn't hold it.
        if sizes.iter().filter(|count| **count > 0).count() > 1 {
            to.raw("<div>");
            named(
                to,
                title,
                if title.starts_with("Rec") { "Records" } else { "Bytes" },
                &histogram(sizes),
                0,
            );
            to.raw("</div>");
        }
    }
    if !pictures.statuses.is_empty() {
        to.raw("<div>");
        named(to, "Statuses", "Status", &pictures.statuses, 0);
        to.raw("</div>");
    }
    to.raw("</div></section>");
}

fn standing(client: &Client) -> &'static str {
    match client.standing {
        portcullis_risk::Standing::Observe => "still being learnt: evidence is only observed",
        portcullis_risk::Standing::Challenge => "known well enough to be challenged by evidence",
        portcullis_risk::Standing::Deny => "known well enough to be denied by evidence",
    }
}

fn marks(to: &mut Markup, client: &Client) {
    if client.marks.is_empty() {
        to.raw("<p class=\"small pass\">Nothing of it would have been asked or refused.</p>");
        return;
    }
    to.raw("<h4>Marks</h4><ul class=\"key\" aria-hidden=\"true\">");
    let mut verdicts: Vec<&str> = client.marks.iter().map(|mark| mark.verdict).collect();
    verdicts.sort_unstable();
    verdicts.dedup();
    for verdict in verdicts {
        to.raw("<li><svg viewBox=\"-8 -8 16 16\">");
        plots::symbol(to, verdict, 0.0, 0.0, verdict_word(verdict));
        to.raw("</svg>").text(verdict_word(verdict)).raw("</li>");
    }
    to.raw("</ul><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Marks\"><table class=\"cards\">");
    head_of(to, &["Time (UTC)", "Mark", "Why", "Request", "Score", "What weighed"]);
    to.raw("<tbody>");
    let mut all: Vec<&MarkView> = client.marks.iter().collect();
    all.sort_by_key(|mark| mark.at_us);
    let mut shown: Vec<&[&MarkView]> = all.chunk_by(|one, next| is_like(one, next)).collect();
    // Those that something would have been done about come first when not all fit.
    shown.sort_by_key(|run| run.first().is_some_and(|mark| mark.verdict == "over"));
    let left_out: usize = shown.iter().skip(MARKS_SHOWN_MAX).map(|run| run.len()).sum();
    shown.truncate(MARKS_SHOWN_MAX);
    shown.sort_by_key(|run| run.first().map(|mark| mark.at_us));
    for run in shown {
        mark_row(to, run);
    }
    to.raw("</tbody></table></div>");
    let left_out = client.marks_left_out + left_out as u64;
    if left_out > 0 {
        to.raw("<p class=\"small soft\">").count(left_out).raw(" more marks are only counted.</p>");
    }
}

/// Marks that follow each other and tell the same are one row: only their scores differ.
fn is_like(one: &MarkView, next: &MarkView) -> bool {
    let tells = |mark: &'_ MarkView| (mark.verdict, mark.cause, mark.at_end);
    tells(one) == tells(next)
        && one.why == next.why
        && one.endpoint == next.endpoint
        && one.address == next.address
}

/// The first of a run, and how many like it there are.
fn mark_row(to: &mut Markup, run: &[&MarkView]) {
    let Some(mark) = run.first() else { return };
    let clock = |mark: &MarkView| mark.at.replace('T', " ").replace('Z', "");
    to.raw("<tr><td class=\"t\" data-label=\"Time\"><span>").text(&clock(mark));
    if let [_, .., last] = run {
        to.raw("<br><span class=\"small soft\">to ").text(&clock(last)).raw("</span>");
    }
    to.raw("</span></td><td data-label=\"Mark\"><span>");
    tag(to, mark.verdict);
    if run.len() > 1 {
        to.raw(" <span class=\"small soft whole\">").count(run.len() as u64).raw(" times</span>");
    }
    if mark.at_end {
        to.raw(" <span class=\"small soft\">by its answer</span>");
    }
    to.raw("</span></td><td class=\"x\" data-label=\"Why\"><span>").sentence(&mark.why);
    to.raw("<br><code class=\"soft\">").text(mark.cause).raw("</code></span></td>");
    to.raw("<td class=\"w\" data-label=\"Request\"><span>").name(&mark.endpoint);
    if !mark.address.is_empty() {
        to.raw("<br><span class=\"small soft\">from ").text(&mark.address).raw("</span>");
    }
    to.raw("<br><span class=\"small soft mono\">").name(&mark.line).raw("</span></span></td>");
    to.raw("<td class=\"n\" data-label=\"Score\"><span>").digits(mark.score);
    if matches!(mark.verdict, "challenge" | "over" | "blocked") {
        // Others go by evidence that this score is only a part of.
        to.raw("<br><span class=\"small soft\">of ").digits(mark.thresholds[0]).raw("</span>");
    }
    to.raw("</span></td>");
    to.raw("<td class=\"x small\" data-label=\"What weighed\"><span>");
    for (place, part) in mark.parts.iter().take(5).enumerate() {
        if place > 0 {
            to.raw("<br>");
        }
        to.raw(if part.points > 0.0 { "+" } else { "" }).digits(part.points).raw(" ").text(part.about);
    }
    to.raw("</span></td></tr>");
}

fn contexts(to: &mut Markup, client: &Client) {
    to.raw("<h4>Contexts: network, TLS client and key</h4><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Contexts\"><table class=\"cards\">");
    head_of(to, &["Network", "TLS client", "First seen", "Last seen", "Requests", "Worst mark"]);
    to.raw("<tbody>");
    for context in &client.contexts {
        context_row(to, context);
    }
    to.raw("</tbody></table></div>");
    if client.contexts_left_out > 0 {
        to.raw("<p class=\"small soft\">")
            .count(client.contexts_left_out)
            .raw(" requests came from further contexts.</p>");
    }
}

fn context_row(to: &mut Markup, context: &ContextView) {
    to.raw("<tr><td class=\"w\" data-label=\"Network\"><span>").text(&context.network);
    if !context.address.is_empty() {
        to.raw("<br><span class=\"small soft\">first ").text(&context.address).raw("</span>");
    }
    to.raw("</span></td><td class=\"w\" data-label=\"TLS client\"><span>");
    to.text(if context.tls.is_empty() { "(not in the log)" } else { &context.tls });
    if let Some(key) = &context.key {
        to.raw("<br><span class=\"small soft\">key ").text(key).raw("</span>");
    }
    let clock = |time: &str| time.replace('T', " ").replace('Z', "");
    to.raw("</span></td><td class=\"t\" data-label=\"First seen\"><span>").text(&clock(&context.first));
    to.raw("</span></td><td class=\"t\" data-label=\"Last seen\"><span>").text(&clock(&context.last));
    to.raw("</span></td><td class=\"n\" data-label=\"Requests\"><span>").count(context.calls);
    to.raw("</span></td><td data-label=\"Worst mark\"><span>");
    tag(to, context.worst);
    to.raw("</span></td></tr>");
}

/// Names with bars, which are a table at once.
fn named(to: &mut Markup, title: &'static str, column: &'static str, all: &[Named], others: u64) {
    let most = all.iter().map(|one| one.calls).max().unwrap_or(1).max(others).max(1) as f64;
    to.raw("<h4>").raw(title).raw("</h4><table><thead><tr><th scope=\"col\">").raw(column);
    to.raw("</th><th scope=\"col\" class=\"n\">Requests</th><th scope=\"col\"><span class=\"soft\"></span></th></tr></thead><tbody>");
    let mut row = |name: &str, calls: u64| {
        to.raw("<tr><td class=\"mono\">")
            .name(name)
            .raw("</td><td class=\"n\">")
            .count(calls)
            .raw("</td><td class=\"b\">");
        plots::bar(to, calls as f64 / most);
        to.raw("</td></tr>");
    };
    for one in all {
        row(&one.name, one.calls);
    }
    if others > 0 {
        row("all others", others);
    }
    to.raw("</tbody></table>");
}

fn hours_table(to: &mut Markup, pictures: &Pictures) {
    to.raw("<details><summary>As a table</summary><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Hours\"><table><thead><tr><th scope=\"col\">Day</th>");
    for hour in 0..24 {
        to.raw("<th scope=\"col\" class=\"n\">").count(hour).raw("</th>");
    }
    to.raw("</tr></thead><tbody>");
    for (day, hours) in DAYS.iter().zip(&pictures.hours) {
        to.raw("<tr><th scope=\"row\">").text(day).raw("</th>");
        for count in hours {
            to.raw("<td class=\"n\">").count(*count).raw("</td>");
        }
        to.raw("</tr>");
    }
    to.raw("</tbody></table></div></details>");
}

/// Buckets of powers of two, the empty ones at both ends left out.
fn histogram(sizes: &[u64]) -> Vec<Named> {
    let first = sizes.iter().position(|count| *count > 0).unwrap_or(0);
    let buckets = sizes.iter().enumerate().skip(first).map(|(place, calls)| {
        let name = match place {
            0 => "0".to_owned(),
            1 => "1".to_owned(),
            place => format!(
                "{}–{}",
                short(1_u64.checked_shl(place as u32 - 1)),
                short(1_u64.checked_shl(place as u32))
            ),
        };
        Named { name, calls: *calls }
    });
    buckets.collect()
}

fn short(size: Option<u64>) -> String {
    let size = size.unwrap_or(u64::MAX);
    match size {
        0..1_024 => size.to_string(),
        1_024..1_048_576 => format!("{} Ki", size >> 10),
        1_048_576..1_073_741_824 => format!("{} Mi", size >> 20),
        _ => format!("{} Gi", size >> 30),
    }
}
