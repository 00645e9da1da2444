//! `metrics`, and the health that `describe` shows of a vendor.

use anyhow::Result;
use jiff::Timestamp;
use portcullis_api::metrics::{MetricsView, ServiceLevelView, VendorMetrics};

use super::output::{Output, Paint, Style, Watch, width_max};
use super::server::Server;
use super::table::{Cell, Table};
use super::{Outcome, Place, time};
use crate::clock::system_clock;

const BAR_CELLS: usize = 20;
const WINDOWS: [&str; 6] = ["1m", "5m", "1h", "6h", "24h", "30d"];

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Name of the vendor
    name: String,
    /// How far back to look
    #[arg(long, value_name = "WINDOW", value_parser = WINDOWS, default_value = "1h")]
    window: String,
    #[command(flatten)]
    watch: Watch,
}

pub(super) async fn metrics(place: &Place, out: &Output, arguments: Arguments) -> Result<Outcome> {
    let server = Server::find(place)?;
    out.watch(arguments.watch.watch, async || {
        let found = look(&server, &arguments.name, &arguments.window).await?;
        out.rendered(&found, |paint| told(&found, paint, system_clock().now()))
    })
    .await?;
    Ok(Outcome::Done)
}

pub(super) async fn look(server: &Server, name: &str, window: &str) -> Result<VendorMetrics> {
    server.query(&["v1", "vendors", name, "metrics"], &[("window", window.to_owned())]).await
}

fn told(found: &VendorMetrics, paint: Paint, now: Timestamp) -> String {
    let title = paint.paint(&found.vendor, Style::Strong);
    let mut text = format!("{title}, last {}\n{}", found.window, health(found, paint, now));
    let mut table = Table::new(["~", "REQ/S", "AVAIL", "P50", "P95", "P99", "RECORDS", "REFUSED", "OPEN"]);
    for integration in &found.integrations {
        table.cells(row(&integration.name, &integration.total));
        for route in &integration.routes {
            table.cells(row(&format!("  {}", route.name), &route.total));
        }
    }
    if !table.is_empty() {
        text.push_str(&paint.paint("\nintegrations and their routes\n", Style::Dim));
        for line in table.render_within(paint, width_max().saturating_sub(2)).lines() {
            text.push_str(&format!("  {line}\n"));
        }
    }
    text
}

/// A few lines that tell at a glance whether all is well.
pub(super) fn health(found: &VendorMetrics, paint: Paint, now: Timestamp) -> String {
    let total = &found.total;
    let mut lines: Vec<(&str, String)> = Vec::new();
    if total.requests == 0 {
        lines.push(("requests", paint.paint("none", Style::Dim)));
    } else {
        let rate = format!("{}/s", number(total.requests_per_second));
        let open = if total.open > 0 { format!(", {} under way", total.open) } else { String::new() };
        lines.push(("requests", format!("{} ({rate}){open}", grouped(total.requests))));
        lines.push(("available", available(total, paint)));
        let latency = total.latency_ms.map(|of| {
            format!("p50 {}   p95 {}   p99 {}", shown_ms(of.p50), shown_ms(of.p95), shown_ms(of.p99))
        });
        lines.extend(latency.map(|latency| ("latency", latency)));
        lines.push(("records", format!("{} in {}", grouped(total.records), bytes(total.response_bytes))));
        let refused = listed(total.refused.iter().map(|(name, count)| (name.as_str(), *count)));
        lines.extend(refused.map(|refused| ("refused", refused)));
        let challenged = total.verdicts.get("challenge").copied().unwrap_or(0);
        lines.extend((challenged > 0).then(|| ("challenged", grouped(challenged))));
        let broken = total.ended.iter().filter(|(name, _)| *name != "complete");
        let broken = listed(broken.map(|(name, count)| (name.as_str(), *count)));
        lines.extend(broken.map(|broken| ("broken off", broken)));
    }
    for level in &found.service_levels {
        lines.push(("promise", promise(level, paint)));
    }
    let counted = now.duration_since(found.since).as_secs();
    if counted < window_seconds(&found.window) {
        lines.push(("counted", paint.paint(&format!("for {} only", time::span(counted)), Style::Dim)));
    }
    lines.iter().map(|(name, value)| format!("  {name:<10}  {value}\n")).collect()
}

fn available(total: &MetricsView, paint: Paint) -> String {
    let Some(percent) = total.availability_percent else {
        return paint.paint("nothing to judge by", Style::Dim);
    };
    let style = match percent {
        ..99.0 => Style::Bad,
        ..99.9 => Style::Warning,
        _ => Style::Good,
    };
    paint.paint(&percentage(percent), style)
}

/// `99.9 % available  ████████████░░░░░░░░  62 % of 30 days' budget left, burning at 1.2`
fn promise(level: &ServiceLevelView, paint: Paint) -> String {
    let (what, actual) = match level.objective.as_str() {
        "availability" => (format!("{} available", percentage(level.promised)), level.actual.map(percentage)),
        _ => (format!("p99 in {}", shown_ms(level.promised)), level.actual.map(shown_ms)),
    };
    let Some(actual) = actual else {
        return format!("{what}: {}", paint.paint("nothing to judge by", Style::Dim));
    };
    let left = level.budget_left_percent;
    let style = match (level.alarm.as_deref(), left) {
        (Some("fast" | "spent"), _) | (_, ..=0.0) => Style::Bad,
        (Some(_), _) | (_, ..25.0) => Style::Warning,
        _ => Style::Good,
    };
    let left = if left > 0.0 { format!("{left:.0} % of the budget left") } else { "broken".to_owned() };
    let rate = level.burn_rates.get("1h").filter(|rate| **rate >= 1.0);
    let rate = rate.map(|rate| format!(", burns {}× too fast", number(*rate))).unwrap_or_default();
    let told = paint.paint(&format!("{left}{rate}"), style);
    let bar = paint.paint(&bar(level.budget_left_percent), style);
    format!("{what}  {bar}  {told} (is {actual} over {} days)", level.window_days)
}

fn bar(percent: f64) -> String {
    let cells = (percent.clamp(0.0, 100.0) / 100.0 * BAR_CELLS as f64).ceil() as usize;
    format!("{}{}", "█".repeat(cells), "░".repeat(BAR_CELLS.saturating_sub(cells)))
}

fn row(name: &str, total: &MetricsView) -> Vec<Cell> {
    let latency = |of: fn(&portcullis_api::metrics::LatencyView) -> f64| {
        total.latency_ms.as_ref().map_or_else(String::new, |latency| shown_ms(of(latency)))
    };
    let refused: u64 = total.refused.values().sum();
    let style = match total.availability_percent {
        Some(..99.0) => Style::Bad,
        Some(..99.9) => Style::Warning,
        _ => Style::Plain,
    };
    vec![
        name.into(),
        number(total.requests_per_second).into(),
        Cell::styled(total.availability_percent.map(percentage).unwrap_or_default(), style),
        latency(|latency| latency.p50).into(),
        latency(|latency| latency.p95).into(),
        latency(|latency| latency.p99).into(),
        grouped(total.records).into(),
        grouped(refused).into(),
        total.open.to_string().into(),
    ]
}

/// `7 limit, 2 credentials`, the most first.
fn listed<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> Option<String> {
    let mut counts: Vec<_> = counts.collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let words = counts.iter().map(|(name, count)| format!("{} {}", grouped(*count), name.replace('_', " ")));
    Some(words.collect::<Vec<_>>().join(", ")).filter(|words| !words.is_empty())
}

fn window_seconds(window: &str) -> i64 {
    window.parse().map_or(0, |window: portcullis_metrics::rolling::Window| {
        i64::try_from(window.seconds()).unwrap_or(i64::MAX)
    })
}

/// Never rounded up to what it isn't: 99.999 is not 100.
fn percentage(percent: f64) -> String {
    let cut = (percent * 1_000.0).floor() / 1_000.0;
    format!("{cut} %")
}

fn shown_ms(milliseconds: f64) -> String {
    match milliseconds {
        ..10.0 => format!("{milliseconds:.2} ms"),
        ..10_000.0 => format!("{milliseconds:.0} ms"),
        _ => format!("{:.1} s", milliseconds / 1_000.0),
    }
}

/// With three digits that say something.
fn number(number: f64) -> String {
    match number {
        ..10.0 => format!("{number:.2}"),
        ..100.0 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

/// `1 234 567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut amount = bytes as f64;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while amount >= 1_024.0
        && let Some(next) = units.next()
    {
        amount /= 1_024.0;
        unit = Some(next);
    }
    let unit = unit.copied().unwrap_or_default();
    if bytes < 1_024 { format!("{bytes} B") } else { format!("{} {unit}", number(amount)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use portcullis_api::metrics::{IntegrationMetrics, LatencyView, RouteMetrics};

    fn counts<const N: usize>(counts: [(&str, u64); N]) -> BTreeMap<String, u64> {
        counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
    }

    fn found() -> VendorMetrics {
        let total = MetricsView {
            requests: 51_234,
            requests_per_second: 14.231,
            availability_percent: Some(99.9996),
            latency_ms: Some(LatencyView { p50: 4.123, p90: 30.0, p95: 41.4, p99: 212.0 }),
            verdicts: counts([("allow", 51_000), ("challenge", 30)]),
            refused: counts([("credentials", 4), ("limit", 200)]),
            ended: counts([("complete", 50_990), ("client_gone", 3), ("upstream_timeout", 1)]),
            statuses: counts([("2xx", 50_990)]),
            request_bytes: 0,
            response_bytes: 3_500_000,
            records: 1_204_332,
            tokens: 170,
            open: 3,
        };
        let quiet = MetricsView::default();
        let level =
            |objective: &str, promised, actual, left, rate: f64, alarm: Option<&str>| ServiceLevelView {
                contract: "acme-2026".into(),
                objective: objective.into(),
                promised,
                actual,
                window_days: 30,
                exchanges: 50_000,
                bad: 20,
                budget_left_percent: left,
                burn_rates: BTreeMap::from([("1h".to_owned(), rate)]),
                alarm: alarm.map(str::to_owned),
            };
        VendorMetrics {
            vendor: "acme".into(),
            window: "1h".into(),
            since: "2026-11-21T09:00:00Z".parse().unwrap(),
            integrations: vec![IntegrationMetrics {
                name: "acme-reads".into(),
                total: total.clone(),
                routes: vec![
                    RouteMetrics { name: "parcels".into(), total: total.clone() },
                    RouteMetrics { name: "labels".into(), total: quiet },
                ],
            }],
            total,
            service_levels: vec![
                level("availability", 99.9, Some(99.961), 61.4, 0.4, None),
                level("latency_p99", 200.0, Some(212.0), -6.0, 16.2, Some("spent")),
                level("availability", 99.5, None, 100.0, 0.0, None),
            ],
        }
    }

    #[test]
    fn a_vendor_is_told_at_a_glance() {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        insta::assert_snapshot!(told(&found(), Paint { on: false }, now), @"
        acme, last 1h
          requests    51 234 (14.2/s), 3 under way
          available   99.999 %
          latency     p50 4.12 ms   p95 41 ms   p99 212 ms
          records     1 204 332 in 3.34 MiB
          refused     200 limit, 4 credentials
          challenged  30
          broken off  3 client gone, 1 upstream timeout
          promise     99.9 % available  █████████████░░░░░░░  61 % of the budget left (is 99.961 % over 30 days)
          promise     p99 in 200 ms  ░░░░░░░░░░░░░░░░░░░░  broken, burns 16.2× too fast (is 212 ms over 30 days)
          promise     99.5 % available: nothing to judge by

        integrations and their routes
                      REQ/S  AVAIL     P50      P95    P99     RECORDS    REFUSED  OPEN
          acme-reads  14.2   99.999 %  4.12 ms  41 ms  212 ms  1 204 332  204      3
            parcels   14.2   99.999 %  4.12 ms  41 ms  212 ms  1 204 332  204      3
            labels    0.00                                     0          0        0
        ");
    }

    #[test]
    fn a_vendor_that_does_nothing_is_told_so() {
        let mut quiet = found();
        quiet.total = MetricsView::default();
        quiet.service_levels.clear();
        let now = "2026-11-21T09:20:00Z".parse().unwrap();
        assert_eq!(
            health(&quiet, Paint { on: false }, now),
            "  requests    none\n  counted     for 20 min only\n"
        );
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(
            [grouped(0), grouped(999), grouped(1_000), grouped(12_345_678)],
            ["0", "999", "1 000", "12 345 678"]
        );
        assert_eq!([bytes(1_023), bytes(1_024), bytes(5 << 30)], ["1023 B", "1.00 KiB", "5.00 GiB"]);
        assert_eq!(percentage(99.99999), "99.999 %");
        assert_eq!(bar(0.1), format!("█{}", "░".repeat(19)));
        assert_eq!(bar(-10.0), "░".repeat(20));
    }
}
