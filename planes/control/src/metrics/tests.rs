use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use portcullis_decision_log::{Options, Reader, SegmentWriter, Syncer};
use portcullis_domain::decision::{
    DecisionId, DecisionRecord, Ending, OutcomeRecord, PAYLOAD_VERSION, Verdict,
};
use portcullis_domain::ids::{IntegrationId, RouteId, VendorId};
use portcullis_domain::reason::Reason;
use portcullis_domain::spec::Kind;
use portcullis_domain::state::State;
use portcullis_metrics::registry::{Family, Key};
use portcullis_metrics::rolling::Window;
use portcullis_policy::link::LogBatch;
use uuid::Uuid;

use super::exposition::Surroundings;
use super::{FAMILIES, Metrics};
use crate::findings::tests::{define, state};

const START: i64 = 1_800_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(START + second).unwrap()
}

/// Vendor, contract, integration `acme` under the ids 1 to 3, and the route of id 4.
fn acme() -> State {
    let mut state = state(2, "security", "2027-12-31", None);
    let contract = serde_json::json!({
        "vendor": "acme", "starts": "2026-01-01", "ends": "2027-12-31", "time_zone": "UTC",
        "service_levels": { "availability_percent": 99.9, "latency_p99_ms": 200 },
    });
    define(&mut state, 2, "Contract", contract);
    let route =
        serde_json::json!({ "upstream": "acme", "methods": ["GET"], "path": "/acme", "scope": "acme" });
    define(&mut state, 4, "Route", route);
    state
}

fn decided(number: u64, second: i64, verdict: Verdict, reason: Reason) -> DecisionRecord {
    let time = at(second);
    let mut unique = [0; 10];
    unique[2..].copy_from_slice(&number.to_be_bytes());
    DecisionRecord {
        id: DecisionId::new(u64::try_from(time.as_millisecond()).unwrap(), unique),
        time,
        verdict,
        reason,
        gate: "gate".into(),
        snapshot: 1,
        vendor: Some(VendorId(Uuid::from_u128(1))),
        integration: Some(IntegrationId(Uuid::from_u128(3))),
        client: None,
        route: Some(RouteId(Uuid::from_u128(4))),
        method: "GET".into(),
        path: "/acme".into(),
        session: None,
        client_key: None,
        binding: None,
        peer: String::new(),
        ja4: None,
        ja4_context: None,
        protocol: "h2".into(),
        scope: Vec::new(),
    }
}

fn ended(decision: &DecisionRecord, ending: Ending, reason: Reason, status: u16, ms: u64) -> OutcomeRecord {
    OutcomeRecord {
        id: decision.id,
        time: decision.time,
        ending,
        reason,
        status,
        request_bytes: 10,
        response_bytes: 1_000,
        records: 5,
        duration_us: ms * 1_000,
    }
}

/// `good` exchanges of 100 ms and `failed` ones, `second` seconds after the start.
fn batch(second: i64, good: u64, failed: u64) -> LogBatch {
    let (mut decisions, mut outcomes) = (Vec::new(), Vec::new());
    for number in 0..good + failed {
        let decision = decided(number, second, Verdict::Allow, Reason::Allowed);
        outcomes.push(if number < good {
            ended(&decision, Ending::Complete, Reason::Allowed, 200, 100)
        } else {
            ended(&decision, Ending::UpstreamFailed, Reason::UpstreamTimeout, 504, 30_000)
        });
        decisions.push(decision);
    }
    LogBatch::of(&decisions, &outcomes).unwrap()
}

fn written(metrics: &Metrics, state: &State, now: Timestamp) -> String {
    let mut text = String::new();
    let decisions =
        [Verdict::Allow, Verdict::Challenge, Verdict::Deny, Verdict::Sever].map(|verdict| (verdict, 7));
    let findings = vec![("high", 1)];
    metrics.write(
        &mut text,
        &Surroundings { state, gates: 1, decisions, findings, clock: Default::default(), now },
    );
    text
}

#[test]
fn a_vendor_is_told_with_integrations_routes_and_promises() {
    let (state, metrics) = (acme(), Metrics::new(None, at(0)));
    metrics.take(&batch(0, 997, 3));
    let refused = decided(5_000, 1, Verdict::Deny, Reason::RequestsLimit);
    let challenged = decided(5_001, 1, Verdict::Challenge, Reason::TokenMissing);
    let open = decided(5_002, 1, Verdict::Allow, Reason::Allowed);
    let token = DecisionRecord { route: None, ..decided(5_004, 1, Verdict::Allow, Reason::Allowed) };
    let given = ended(&token, Ending::Complete, Reason::Allowed, 200, 0);
    metrics.take(&LogBatch::of(&[token], &[given]).unwrap());
    let stranger = DecisionRecord { vendor: None, ..decided(5_003, 1, Verdict::Deny, Reason::TokenMissing) };
    metrics.take(&LogBatch::of(&[refused, challenged, open, stranger], &[]).unwrap());
    let vendor = state.resource(Kind::Vendor, "acme").unwrap();
    let told = metrics.vendor(&state, "acme", vendor, Window::Hour, at(100));
    let total = &told.total;
    assert_eq!((total.requests, total.open, total.records), (1_003, 1, 5_000));
    assert_eq!(total.tokens, 1, "a token is no exchange");
    assert_eq!(total.requests_per_second, 10.03, "over the 100 s that it counts");
    assert_eq!(total.availability_percent, Some(99.7));
    assert_eq!(total.refused, BTreeMap::from([("limit".to_owned(), 1)]));
    assert_eq!(total.verdicts["challenge"], 1);
    let ends = [("complete", 997), ("upstream_timeout", 3)].map(|(name, count)| (name.to_owned(), count));
    assert_eq!(total.ended, BTreeMap::from(ends));
    let p99 = total.latency_ms.unwrap().p99;
    assert!((p99 - 100.0).abs() < 1.0, "{p99}");
    assert_eq!(told.integrations[0].total, *total);
    let route = &told.integrations[0].routes[0].total;
    assert_eq!((route.requests, route.latency_ms, route.open), (total.requests, total.latency_ms, 1));
    let [available, latency] = &told.service_levels[..] else { panic!("{:?}", told.service_levels) };
    assert_eq!((available.promised, available.actual, available.bad), (99.9, Some(99.7), 3));
    assert_eq!((available.budget_left_percent, available.alarm.as_deref()), (-200.0, Some("spent")));
    assert_eq!(available.burn_rates["1h"], 3.0);
    assert_eq!((latency.promised, latency.bad, latency.alarm.as_deref()), (200.0, 0, None));
}

#[test]
fn a_promise_that_burns_is_found() {
    let (state, metrics) = (acme(), Metrics::new(None, at(0)));
    let found = |metrics: &Metrics, now| {
        let runtime =
            crate::findings::Runtime { promises: metrics.promises(&state, now), ..Default::default() };
        let found = crate::findings::findings(&state, &runtime, now);
        found.into_iter().map(|finding| (finding.code.as_str(), finding.message)).collect::<Vec<_>>()
    };
    for day in 0..25 {
        metrics.take(&batch(day * 86_400, 4_000, 0));
    }
    let now = 25 * 86_400;
    assert_eq!(found(&metrics, at(now)), []);
    metrics.take(&batch(now, 980, 20));
    let burning = found(&metrics, at(now + 10));
    assert_eq!(burning[0].0, "service_level_burning");
    assert_eq!(
        burning[0].1,
        "the promise of `availability` in `acme`, 99.9 % over 30 days, lost 2 % of its budget in an hour"
    );
    // Of 101,000 exchanges 101 may fail.
    metrics.take(&batch(now + 20, 0, 100));
    assert_eq!(found(&metrics, at(now + 30))[0].0, "service_level_broken");
}

#[test]
fn what_is_written_is_in_the_table_and_the_table_in_the_reference() {
    let (state, metrics) = (acme(), Metrics::new(None, at(0)));
    metrics.take(&batch(0, 10, 1));
    let text = written(&metrics, &state, at(5));
    let (mut current, mut seen) = (None, BTreeSet::new());
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("# HELP ") {
            let name = head.split(' ').next().unwrap();
            current = FAMILIES.iter().find(|metric| metric.name == name);
            assert!(current.is_some() && seen.insert(name), "{line}");
            continue;
        }
        let metric = current.unwrap();
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            assert_eq!(kind, format!("{} {}", metric.name, metric.kind));
            continue;
        }
        let (name, rest) = line.split_at(line.find(['{', ' ']).unwrap());
        assert_eq!(
            name.trim_end_matches("_bucket").trim_end_matches("_sum").trim_end_matches("_count"),
            metric.name
        );
        let labels: Vec<&str> =
            rest.split('"').step_by(2).filter_map(|part| part.strip_suffix('=')).collect();
        let labels: Vec<&str> = labels.iter().map(|label| label.trim_start_matches(['{', ','])).collect();
        let labels: Vec<&str> = labels.into_iter().filter(|label| *label != "le").collect();
        assert_eq!(labels, metric.labels, "{line}");
        rest.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
    }
    let all: BTreeSet<&str> = FAMILIES.iter().map(|metric| metric.name).collect();
    let outside: Vec<_> = all.difference(&seen).copied().collect();
    // Counted by the gate and by the process, which add theirs.
    assert!(outside.iter().all(|name| name.starts_with("portcullis_strangers")), "{outside:?}");
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/metrics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `portcullis_")).collect();
    let expect: Vec<String> = FAMILIES
        .iter()
        .map(|metric| {
            let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            format!("| `{}` | {} | {} | {} |", metric.name, metric.kind, labels.join(", "), metric.help)
        })
        .collect();
    assert_eq!(rows, expect, "docs/reference/metrics.md has another table");
}

#[test]
fn beyond_the_limit_things_are_counted_together_and_it_is_said() {
    let (state, metrics) = (acme(), Metrics::new(Some(10), at(0)));
    let decisions: Vec<_> = (0..50_u64)
        .map(|number| DecisionRecord {
            vendor: Some(VendorId(Uuid::from_u128(1_000 + u128::from(number)))),
            ..decided(number, 0, Verdict::Allow, Reason::Allowed)
        })
        .collect();
    let outcomes: Vec<_> =
        decisions.iter().map(|decision| ended(decision, Ending::Complete, Reason::Allowed, 200, 1)).collect();
    metrics.take(&LogBatch::of(&decisions, &outcomes).unwrap());
    let text = written(&metrics, &state, at(1));
    let is_in = |line: &str| assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    is_in("portcullis_metrics_series{family=\"vendor\"} 10");
    is_in("portcullis_metrics_other_total{family=\"vendor\"} 40");
    let other = "vendor=\"_other\",integration=\"_other\",route=\"_other\"";
    is_in(&format!("portcullis_requests_total{{{other},verdict=\"allow\"}} 40"));
    is_in(&format!("portcullis_exchanges_total{{{other},ending=\"complete\"}} 40"));
    assert!(text.len() < 200_000, "{}", text.len());
    // What isn't declared makes room.
    metrics.tidy(&state, at(60));
    assert!(written(&metrics, &state, at(61)).contains("portcullis_metrics_series{family=\"vendor\"} 0\n"));
}

#[test]
fn a_start_counts_what_was_decided_before() {
    let folder = tempfile::tempdir().unwrap();
    let syncer = Syncer::start(folder.path(), Options::default()).unwrap();
    let mut log = SegmentWriter::open(&syncer, 0, u64::try_from(at(0).as_millisecond()).unwrap()).unwrap();
    let mut append = |kind, id: DecisionId, payload: Vec<u8>| {
        log.append(kind, PAYLOAD_VERSION, id.0, [1; 16], &payload, id.time_ms()).unwrap();
    };
    let (kind, outcome_kind) =
        (portcullis_domain::decision::DECISION_KIND, portcullis_domain::decision::OUTCOME_KIND);
    for (second, times) in [(-30 * 3_600, 7), (-5 * 3_600, 20), (-60, 4)] {
        for number in 0..times {
            let decision = decided(number, second, Verdict::Allow, Reason::Allowed);
            let outcome = ended(&decision, Ending::Complete, Reason::Allowed, 200, 50);
            append(kind, decision.id, decision.to_bytes().unwrap());
            append(outcome_kind, outcome.id, outcome.to_bytes().unwrap());
        }
    }
    let metrics = Metrics::new(None, at(0));
    assert_eq!(metrics.since(), at(0));
    let sealed = (&portcullis_archive::Archive::new(folder.path().join("archive")), &Default::default());
    metrics.read_history(&Reader::new(folder.path()), sealed, at(0)).unwrap();
    // The day before is too old; the oldest of the last 24 hours says since when it is whole.
    assert_eq!(metrics.since(), at(-5 * 3_600));
    metrics.take(&batch(1, 3, 0));
    let key = Key { vendor: VendorId(Uuid::from_u128(1)), integration: None, route: None };
    let good = |window| metrics.totals(Family::Vendor, &[key], window, (START + 2) as u64).counts.good;
    assert_eq!([good(Window::FiveMinutes), good(Window::Hour), good(Window::Day)], [7, 7, 27]);
    let latencies = metrics.totals(Family::Vendor, &[key], Window::Day, (START + 2) as u64).latencies;
    assert_eq!(latencies.total(), 27);
    // Counters for Prometheus are of this process alone.
    assert!(written(&metrics, &acme(), at(2)).contains("verdict=\"allow\"} 3\n"));
}

#[test]
fn prometheus_own_tool_takes_what_is_written() {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let (state, metrics) = (acme(), Metrics::new(None, at(0)));
    metrics.take(&batch(0, 10, 1));
    let spawned = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = spawned else {
        eprintln!("skipped: there is no promtool (Debian's package `prometheus`)");
        return;
    };
    promtool.stdin.take().unwrap().write_all(written(&metrics, &state, at(5)).as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}
