//! Plots, drawn as SVG.

use super::markup::Markup;
use crate::report::{Bucket, Client, MarkView, Pictures};

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// Marks that are drawn.
const MARKS_DRAWN_MAX: usize = 120;

/// Score and number of requests over time, with the marks; once for wide screens and paper, once for phones.
pub(super) fn timeline(to: &mut Markup, client: &Client, pictures: &Pictures) {
    let label = format!(
        "Time line of {}: {} requests from {} to {}, {} marks; the table below has the same",
        client.name,
        client.calls,
        client.first,
        client.last,
        client.marks.len()
    );
    to.raw("<div class=\"wide\">");
    drawn_timeline(to, client, pictures, &label, 960.0);
    to.raw("</div><div class=\"narrow\">");
    drawn_timeline(to, client, pictures, &label, 360.0);
    to.raw("</div>");
}

/// Higher scores end here.
const SCORE_DRAWN_MAX: f64 = 120.0;
/// Height of the scores, and of the requests below them.
const SCORES: f64 = 120.0;
const CALLS: f64 = 34.0;
const LEFT: f64 = 34.0;
const TOP: f64 = 14.0;

fn drawn_timeline(to: &mut Markup, client: &Client, pictures: &Pictures, label: &str, width: f64) {
    let plot = width - LEFT - 8.0;
    let threshold = client.marks.first().map_or(20.0, |mark| mark.thresholds[0]);
    let most = pictures.timeline.iter().map(|bucket| bucket.score);
    let most =
        most.chain(client.marks.iter().map(|mark| mark.score)).fold(threshold * 1.25, f64::max).max(1.0);
    // What is far beyond says no more by its height, and would hide all else.
    let drawn = most.min(SCORE_DRAWN_MAX.max(threshold * 1.25));
    let unit = if most > drawn { "points; higher ones end here" } else { "points" };
    let most = drawn;
    let y = |score: f64| TOP + SCORES - (score.clamp(0.0, most) / most) * SCORES;
    let column = plot / COLUMNS;
    svg(to, width, TOP + SCORES + CALLS + 24.0, label);
    for value in [0.0, most / 2.0, most] {
        line(to, "axis", LEFT, y(value), width - 8.0, y(value));
        text(to, LEFT - 5.0, y(value) + 4.0, "end", &format!("{value:.0}"));
    }
    text(to, LEFT, TOP - 3.0, "start", unit);
    line(to, "edge", LEFT, y(threshold), width - 8.0, y(threshold));
    let calls_most = pictures.timeline.iter().map(|bucket| bucket.calls).max().unwrap_or(1).max(1) as f64;
    for bucket in &pictures.timeline {
        let left = LEFT + column * bucket.place as f64;
        let thick = (column * 0.85).max(1.5);
        let top = y(bucket.score);
        rectangle(to, "score", left, top, thick, (TOP + SCORES - top).max(1.0), &told(bucket));
        let tall = CALLS * bucket.calls as f64 / calls_most;
        rectangle(to, "calls", left, TOP + SCORES + 6.0 + CALLS - tall, thick, tall, &told(bucket));
    }
    let span = (pictures.ends_us - pictures.begins_us).max(1) as f64;
    // Rare and bad ones are drawn last, on top.
    let mut marks: Vec<&MarkView> = client.marks.iter().collect();
    marks.sort_by_key(|mark| rank(mark.verdict));
    for mark in marks.iter().rev().take(MARKS_DRAWN_MAX).rev() {
        let x = LEFT
            + column * 0.5
            + (COLUMNS - 1.0) * column * ((mark.at_us - pictures.begins_us) as f64 / span);
        symbol(
            to,
            mark.verdict,
            x,
            y(mark.score).max(TOP + 2.0),
            &format!("{} {}: {}", mark.at, mark.verdict, mark.why),
        );
    }
    // At the left, and on top: thieves come late.
    text(to, LEFT + 4.0, y(threshold) - 4.0, "start", "challenge from here");
    let bottom = TOP + SCORES + CALLS + 20.0;
    let short = |time: &str| time.get(5..16).unwrap_or_default().replace('T', " ");
    text(to, LEFT, bottom, "start", &short(&client.first));
    text(to, width - 8.0, bottom, "end", &format!("{} UTC", short(&client.last)));
    let counted = format!("below: requests, up to {calls_most:.0} in a column");
    text(to, width / 2.0, bottom, "middle", if width > 500.0 { &counted } else { "below: requests" });
    to.raw("</svg>");
}

/// As the report makes them.
const COLUMNS: f64 = 180.0;

fn told(bucket: &Bucket) -> String {
    format!("{} requests, score up to {:.1}", bucket.calls, bucket.score)
}

fn rank(verdict: &str) -> usize {
    ["over", "limit", "blocked", "challenge", "deny", "sever"]
        .iter()
        .position(|one| *one == verdict)
        .unwrap_or(0)
}

/// Its shape says what its colour says.
pub(super) fn symbol(to: &mut Markup, verdict: &str, x: f64, y: f64, title: &str) {
    to.raw("<g");
    to.attribute("class", verdict).raw("><path class=\"mark\"");
    let size = 6.0;
    let points: &[(f64, f64)] = match verdict {
        "challenge" => &[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)],
        "limit" => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        "sever" => &[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
        "deny" => &[
            (-1.0, -1.0),
            (0.0, -0.4),
            (1.0, -1.0),
            (0.4, 0.0),
            (1.0, 1.0),
            (0.0, 0.4),
            (-1.0, 1.0),
            (-0.4, 0.0),
        ],
        "blocked" => &[(-1.2, -0.5), (1.2, -0.5), (1.2, 0.5), (-1.2, 0.5)],
        _ => &[(0.0, 1.1), (0.9, -0.5), (-0.9, -0.5)],
    };
    let path: Vec<String> = points
        .iter()
        .map(|(right, down)| format!("{:.1} {:.1}", x + right * size, y + down * size))
        .collect();
    to.attribute("d", &format!("M{}Z", path.join("L"))).raw(">");
    to.element("<title>", title, "</title>").raw("</path></g>");
}

/// Requests by day of the week and hour.
pub(super) fn heat_map(to: &mut Markup, pictures: &Pictures) {
    let most = pictures.hours.iter().flatten().copied().max().unwrap_or(0).max(1) as f64;
    let (left, top, cell) = (32.0, 4.0, 15.0);
    svg(
        to,
        400.0,
        top + 7.0 * cell + 18.0,
        "Requests by day of the week and hour of the day, UTC; the table below has the same",
    );
    for (row, (day, hours)) in DAYS.iter().zip(&pictures.hours).enumerate() {
        let y = top + cell * row as f64;
        text(to, left - 5.0, y + 11.0, "end", day);
        for (hour, count) in hours.iter().enumerate() {
            let class = if *count == 0 { "none" } else { "cell" };
            to.raw("<rect").attribute("class", class);
            to.number("x", left + cell * hour as f64)
                .number("y", y)
                .number("width", cell - 2.0)
                .number("height", cell - 2.0);
            if *count > 0 {
                // Differences among small numbers count more than among large ones.
                to.attribute("fill-opacity", &format!("{:.2}", 0.15 + 0.85 * (*count as f64 / most).sqrt()));
            }
            to.raw(" rx=\"2\">")
                .element("<title>", &format!("{day} {hour}:00 UTC: {count} requests"), "</title>")
                .raw("</rect>");
        }
    }
    for hour in [0, 6, 12, 18, 23] {
        text(to, left + cell * f64::from(hour) + 6.0, top + 7.0 * cell + 12.0, "middle", &hour.to_string());
    }
    to.raw("</svg>");
}

/// A bar as long as its share.
pub(super) fn bar(to: &mut Markup, share: f64) {
    to.raw("<svg class=\"bar\" viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"score\" height=\"8\"");
    to.number("width", (share.clamp(0.0, 1.0) * 100.0).max(0.5)).raw("/></svg>");
}

fn svg(to: &mut Markup, width: f64, height: f64, label: &str) {
    to.raw("<svg role=\"img\"")
        .attribute("viewBox", &format!("0 0 {width:.0} {height:.0}"))
        .attribute("aria-label", label)
        .raw(">");
}

fn line(to: &mut Markup, class: &'static str, x1: f64, y1: f64, x2: f64, y2: f64) {
    to.raw("<line")
        .attribute("class", class)
        .number("x1", x1)
        .number("y1", y1)
        .number("x2", x2)
        .number("y2", y2)
        .raw("/>");
}

fn rectangle(to: &mut Markup, class: &'static str, x: f64, y: f64, width: f64, height: f64, title: &str) {
    to.raw("<rect")
        .attribute("class", class)
        .number("x", x)
        .number("y", y)
        .number("width", width)
        .number("height", height);
    to.raw(">").element("<title>", title, "</title>").raw("</rect>");
}

fn text(to: &mut Markup, x: f64, y: f64, anchor: &'static str, words: &str) {
    to.raw("<text")
        .number("x", x)
        .number("y", y)
        .attribute("text-anchor", anchor)
        .raw(">")
        .text(words)
        .raw("</text>");
}
