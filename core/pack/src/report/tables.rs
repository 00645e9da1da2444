//! The tables of the report.

use jiff::Timestamp;
use portcullis_domain::decision::Ending;
use portcullis_replay::page::markup::Markup;

use crate::evidence::{Counts, DecisionLine, Evidence, Incident, Section, SeveranceLine, Why};

/// How a clock stands that ended before anybody met it.
const MISSED: &str = "missed";
/// Rows of one table; all of them are in `evidence.json`.
const ROWS_MAX: usize = 200;

pub(super) fn section(to: &mut Markup, section: &Section) {
    match section {
        Section::Summary(_) | Section::Minutes(_) | Section::Incident(_) => {}
        Section::Routes(routes) => {
            heading(to, "By route");
            let lines = routes.lines.iter().map(|line| {
                let none = if line.route.is_none() { "no route was found" } else { "a route that is gone" };
                (line.name.clone().unwrap_or_else(|| none.to_owned()), &line.counts)
            });
            counts_table(to, "route", lines, routes.lines.len(), routes.others.as_ref());
        }
        Section::Callers(callers) => {
            heading(to, "By integration and client");
            let lines = callers.lines.iter().map(|line| {
                let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "gone".to_owned());
                (format!("{} / {}", name(&line.integration_name), name(&line.client_name)), &line.counts)
            });
            counts_table(to, "integration / client", lines, callers.lines.len(), callers.others.as_ref());
        }
        Section::Networks(networks) => {
            heading(to, "By network");
            let lines = networks.lines.iter().map(|line| (line.network.clone(), &line.counts));
            counts_table(to, "network", lines, networks.lines.len(), networks.others.as_ref());
        }
        Section::Reasons { lines } => {
            heading(to, "Why");
            table(to, &["reason", "meaning", "requests"]);
            for line in lines {
                to.raw("<tr><td class=\"id\" data-label=\"reason\"><code>").name(line.reason.code());
                to.raw("</code></td><td class=\"w\" data-label=\"meaning\">").text(line.reason.title());
                to.raw("</td><td class=\"n\" data-label=\"requests\">")
                    .count(line.requests)
                    .raw("</td></tr>");
            }
            end(to, lines.len());
        }
        Section::Severances { lines } => severances(to, lines),
        Section::Decisions(decisions) => {
            heading(to, "Decisions that mattered");
            to.raw("<p class=\"soft small\">Those that severances name, the first 200 cuts, the 20 largest answers, and the first with each reason.");
            if decisions.cuts_left_out > 0 {
                to.raw(" ").count(decisions.cuts_left_out).raw(" later cuts are not told one by one.");
            }
            to.raw("</p>");
            decisions_table(to, &decisions.lines);
        }
        Section::Events { lines, left_out } => {
            heading(to, "What the ledger holds about this vendor");
            to.raw("<p class=\"soft small\">Events of the window that name the vendor or what belongs to it. Each is in this pack, with the proof that it stands in the ledger.");
            if *left_out > 0 {
                to.raw(" ").count(*left_out).raw(" more are too many for one pack.");
            }
            to.raw("</p>");
            table(to, &["time", "event", "kind", "proof"]);
            for line in lines.iter().take(ROWS_MAX) {
                time(to, "time", line.time);
                to.raw("<td class=\"n\" data-label=\"event\">").count(line.event);
                to.raw("</td><td data-label=\"kind\"><code>").name(&line.kind);
                to.raw("</code></td><td class=\"w\" data-label=\"proof\"><code>").name(&line.proof);
                to.raw("</code></td></tr>");
            }
            end(to, lines.len());
        }
        Section::Fields(absent) => missing(to, "Fields", &absent.why),
        Section::DataClasses(absent) => missing(to, "Classes of data", &absent.why),
    }
}

pub(super) fn incident(to: &mut Markup, incident: &Incident) {
    heading(to, "The incident");
    to.raw("<p><b>").sentence(&incident.title).raw("</b> (").text(&incident.id).raw("), ");
    to.text(&incident.status).raw("; opened on <span class=\"whole\">").text(&seconds(incident.opened_at));
    to.raw("</span> by ").text(&incident.opened_by);
    if let Some(closed) = incident.closed_at {
        to.raw(", closed on <span class=\"whole\">").text(&seconds(closed)).raw("</span>");
    }
    to.raw(".</p>");
    if !incident.facts.is_empty() {
        to.raw("<dl class=\"facts-list\">");
        for fact in &incident.facts {
            to.element("<dt>", &fact.name, "</dt>").raw("<dd>").sentence(&fact.text).raw("</dd>");
        }
        to.raw("</dl>");
    }
    let optional = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), seconds);
    if !incident.clocks.is_empty() {
        to.raw("<h4>Clocks</h4>");
        table(to, &["clock", "state", "started", "due", "done", "basis"]);
        for clock in &incident.clocks {
            to.raw("<tr><td class=\"w\" data-label=\"clock\">").text(&clock.name);
            // What was missed is what is looked for.
            let missed = if clock.status == MISSED { "<b class=\"deny\">" } else { "<span>" };
            to.raw("</td><td data-label=\"state\">").raw(missed).sentence(&clock.status);
            to.raw(if clock.status == MISSED { "</b>" } else { "</span>" });
            for (label, time) in
                [("started", clock.started_at), ("due", clock.due_at), ("done", clock.done_at)]
            {
                to.raw("</td><td class=\"t\"").attribute("data-label", label).raw(">").text(&optional(time));
            }
            to.raw("</td><td class=\"w\" data-label=\"basis\">").sentence(&clock.basis).raw("</td></tr>");
        }
        end(to, incident.clocks.len());
    }
    if !incident.timeline.is_empty() {
        to.raw("<h4>Timeline</h4>");
        table(to, &["time", "what", "by", "words"]);
        for line in incident.timeline.iter().take(ROWS_MAX) {
            time(to, "time", line.time);
            to.raw("<td class=\"id\" data-label=\"what\">").text(&line.kind);
            to.raw("</td><td class=\"id\" data-label=\"by\">").text(&line.by);
            to.raw("</td><td class=\"w\" data-label=\"words\">").sentence(&line.text).raw("</td></tr>");
        }
        end(to, incident.timeline.len());
    }
    if !incident.tasks.is_empty() {
        to.raw("<h4>Tasks</h4>");
        table(to, &["task", "owner", "due", "done"]);
        for task in &incident.tasks {
            to.raw("<tr><td class=\"w\" data-label=\"task\">").text(&task.title);
            let owner = if task.owner.is_empty() { "-" } else { &task.owner };
            to.raw("</td><td data-label=\"owner\">").text(owner);
            for (label, time) in [("due", task.due_at), ("done", task.done_at)] {
                to.raw("</td><td class=\"t\"").attribute("data-label", label).raw(">").text(&optional(time));
            }
            to.raw("</td></tr>");
        }
        end(to, incident.tasks.len());
    }
}

/// What everything was counted from, and how to verify it.
pub(super) fn sources(to: &mut Markup, evidence: &Evidence) {
    heading(to, "What it stands on");
    let sources = &evidence.sources;
    to.raw("<p>Every decision of the gate is recorded before it takes effect, and sealed by the hour into files. The digests of each file are an event of the ledger <code>");
    to.name(&evidence.ledger.origin).raw("</code>, whose ").count(evidence.ledger.size);
    to.raw(" events are one Merkle tree (RFC 6962) with a signed root. This pack holds, for each file that it counts from, the proof that its event is in that tree");
    to.raw(if evidence.rows_included {
        ", and for each row that it is in its file: all numbers above can be counted anew.</p>"
    } else {
        ". The rows themselves are not in it: a pack made with <code>--rows</code> has them.</p>"
    });
    if evidence.files_included {
        to.raw("<p><b>Whole sealed files are in this pack: they hold decisions about other vendors, too.</b></p>");
    }
    table(to, &["sealed file", "rows of this vendor", "of all", "SHA-256", "event"]);
    for file in sources.sealed.iter().take(ROWS_MAX) {
        to.raw("<tr><td class=\"w\" data-label=\"sealed file\"><code>").name(&file.file);
        to.raw("</code></td><td class=\"n\" data-label=\"rows\">").count(file.rows_counted);
        to.raw("</td><td class=\"n\" data-label=\"of all\">").count(file.rows);
        to.raw("</td><td class=\"x\" data-label=\"SHA-256\"><code class=\"digest\">").text(&file.sha256);
        to.raw("</code></td><td class=\"n\" data-label=\"event\">").count(file.event).raw("</td></tr>");
    }
    end(to, sources.sealed.len());
    if sources.unsealed_rows > 0 {
        to.raw("<p>").count(sources.unsealed_rows);
        to.raw(" decisions were read from the decision log, and from no sealed file. A pack made with <code>--seal</code> seals first what is not sealed yet.</p>");
    }
    heading(to, "How to verify it");
    to.raw("<p>The archive that this page came in has a manifest of all its files (<code>sha256sum -c manifest.sha256</code>), signed as a C2SP note in <code>manifest.note</code> by the key of the ledger. <code>portcullis pack verify FILE --key VKEY</code> checks all of it, with the public key that you keep; the key that the pack names is</p><p><code>");
    to.name(&evidence.ledger.key).raw("</code></p>");
    to.raw("<p class=\"soft small\">This page is for reading. What counts is <code>evidence.json</code>, which it was made from.</p>");
}

fn severances(to: &mut Markup, lines: &[SeveranceLine]) {
    heading(to, "Severances and restorations");
    if lines.is_empty() {
        to.raw("<p>None was found in this window.</p>");
        return;
    }
    table(to, &["time", "what", "by", "why", "event", "receipts", "restored"]);
    for line in lines.iter().take(ROWS_MAX) {
        time(to, "time", line.time);
        to.raw("<td class=\"w\" data-label=\"what\">").name(&line.target);
        to.raw("</td><td data-label=\"by\">").text(&line.by);
        to.raw("</td><td class=\"w\" data-label=\"why\">").sentence(&line.why);
        to.raw("</td><td class=\"n\" data-label=\"event\">").count(line.event);
        to.raw("</td><td data-label=\"receipts\">");
        let receipts: Vec<String> = line.receipts.iter().map(u64::to_string).collect();
        to.text(if receipts.is_empty() { "none in the ledger" } else { "" }).text(&receipts.join(", "));
        to.raw("</td><td class=\"w\" data-label=\"restored\">");
        match &line.restored {
            Some(restored) => {
                to.raw("<span class=\"whole\">")
                    .text(&restored.time.to_string())
                    .raw("</span>, proposed by ");
                to.text(&restored.proposed_by);
                if let Some(by) = &restored.confirmed_by {
                    to.raw(", confirmed by ").text(by);
                }
            }
            None => {
                to.raw("no");
            }
        }
        to.raw("</td></tr>");
    }
    end(to, lines.len());
}

fn decisions_table(to: &mut Markup, lines: &[DecisionLine]) {
    table(
        to,
        &["time", "decision", "request", "client", "from", "reason", "ending", "records", "told because"],
    );
    for line in lines.iter().take(ROWS_MAX) {
        time(to, "time", line.time);
        to.raw("<td class=\"id\" data-label=\"decision\"><code class=\"digest\">").text(&line.id.to_string());
        to.raw("</code></td><td class=\"w\" data-label=\"request\"><code>").text(&line.method).raw(" ");
        to.name(&line.path).raw("</code></td><td data-label=\"client\">");
        to.text(line.client_name.as_deref().unwrap_or("gone"));
        to.raw("</td><td class=\"id\" data-label=\"from\"><code class=\"digest\">").text(&line.peer);
        to.raw("</code>");
        if let Some(tunnel) = line.tunnel {
            let name = line.tunnel_name.clone().unwrap_or_else(|| tunnel.to_string());
            to.raw(" by tunnel ").name(&name);
        }
        to.raw("</td><td data-label=\"reason\"><code class=\"digest\">").name(line.reason.code());
        to.raw("</code></td><td data-label=\"ending\">").raw(ending(line.ending));
        to.raw("</td><td class=\"n\" data-label=\"records\">").count(line.records);
        to.raw("</td><td data-label=\"told because\">");
        let why: Vec<&str> = line.why.iter().map(|why| Why::words(*why)).collect();
        to.text(&why.join("; ")).raw("</td></tr>");
    }
    end(to, lines.len());
}

fn ending(ending: Option<Ending>) -> &'static str {
    match ending {
        Some(Ending::Complete) => "whole",
        Some(Ending::Cut) => "cut",
        Some(Ending::ClientGone) => "the client left",
        Some(Ending::UpstreamFailed) => "the upstream failed",
        None => "-",
    }
}

fn counts_table<'a>(
    to: &mut Markup,
    what: &'static str,
    lines: impl Iterator<Item = (String, &'a Counts)>,
    all: usize,
    others: Option<&'a Counts>,
) {
    table(to, &[what, "records", "delivered", "requests", "allowed", "cut", "denied", "first", "last"]);
    let others = others.map(|others| ("all others".to_owned(), others));
    for (name, counts) in lines.take(ROWS_MAX).chain(others) {
        to.raw("<tr><td class=\"w\"").attribute("data-label", what).raw(">").name(&name);
        to.raw("</td><td class=\"n\" data-label=\"records\">").count(counts.records);
        to.raw("</td><td class=\"n\" data-label=\"delivered\">").text(&bytes(counts.response_bytes));
        to.raw("</td><td class=\"n\" data-label=\"requests\">").count(counts.requests);
        to.raw("</td><td class=\"n\" data-label=\"allowed\">").count(counts.allowed);
        to.raw("</td><td class=\"n\" data-label=\"cut\">").count(counts.cut);
        let denied = counts.denied.saturating_add(counts.challenged).saturating_add(counts.severed);
        to.raw("</td><td class=\"n\" data-label=\"denied\">").count(denied);
        for (label, time) in [("first", counts.first), ("last", counts.last)] {
            to.raw("</td><td class=\"t\"").attribute("data-label", label).raw(">");
            to.text(&time.map(seconds).unwrap_or_default());
        }
        to.raw("</td></tr>");
    }
    end(to, all);
}

fn heading(to: &mut Markup, words: &'static str) {
    to.raw("<h2>").raw(words).raw("</h2>");
}

fn missing(to: &mut Markup, what: &'static str, why: &str) {
    heading(to, what);
    to.raw("<p class=\"soft\">There is no such section: ").text(why).raw(".</p>");
}

/// Those of numbers stand at the right.
fn table(to: &mut Markup, heads: &[&'static str]) {
    const NUMBERS: [&str; 11] = [
        "records",
        "delivered",
        "requests",
        "allowed",
        "cut",
        "denied",
        "event",
        "rows of this vendor",
        "of all",
        "rows",
        "events",
    ];
    to.raw("<div class=\"scroll\" tabindex=\"0\"><table class=\"cards\"><thead><tr>");
    for head in heads {
        to.raw(if NUMBERS.contains(head) { "<th class=\"n\">" } else { "<th>" }).raw(head).raw("</th>");
    }
    to.raw("</tr></thead><tbody>");
}

fn end(to: &mut Markup, all: usize) {
    to.raw("</tbody></table></div>");
    if all > ROWS_MAX {
        to.raw("<p class=\"soft small\">").count((all - ROWS_MAX) as u64);
        to.raw(" more are in <code>evidence.json</code>.</p>");
    }
}

fn time(to: &mut Markup, label: &'static str, time: Timestamp) {
    to.raw("<tr><td class=\"t\"").attribute("data-label", label).raw(">").text(&seconds(time)).raw("</td>");
}

/// To the second: for what needs more there is `evidence.json`.
fn seconds(time: Timestamp) -> String {
    let second = Timestamp::from_second(time.as_second()).unwrap_or(time);
    second.to_string().replace('T', " ")
}

/// Such as `1.2 MiB`.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = count as f64;
    let mut unit = UNITS[0];
    for next in UNITS.into_iter().skip(1) {
        if value < 1_024.0 {
            break;
        }
        value /= 1_024.0;
        unit = next;
    }
    if unit == "B" { format!("{count} B") } else { format!("{value:.1} {unit}") }
}
