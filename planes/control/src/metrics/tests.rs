use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_archive::{Archive, Gathered, LateOutcome, Row};
use portcullis_decision_log::{Options, Reader, SegmentWriter, Syncer};
use portcullis_domain::archive::Content;
use portcullis_domain::decision::{
    DECISION_KIND, DecisionId, DecisionRecord, Ending, OUTCOME_KIND, OutcomeRecord, PAYLOAD_VERSION, Verdict,
};
use portcullis_domain::ids::{IntegrationId, RouteId, VendorId};
use portcullis_domain::reason::Reason;
use portcullis_domain::spec::Kind;
use portcullis_domain::state::State;
use portcullis_metrics::registry::{Family, Key};
use portcullis_metrics::rolling::{Totals, Window};
use portcullis_policy::link::LogBatch;
use uuid::Uuid;

use super::exposition::Surroundings;
use super::{FAMILIES, Metrics, Past, PromiseStanding};
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
        risk: None,
        would_stop: None,
        tunnel: None,
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
        risk: None,
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
    let decisions = Verdict::ALL.map(|verdict| (verdict, 7));
    let findings = vec![("high", 1)];
    metrics.write(
        &mut text,
        &Surroundings {
            state,
            gates: 1,
            decisions,
            findings,
            clock: Default::default(),
            acted: Default::default(),
            now,
        },
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
    // Counted by the gate, and by whoever reads feeds: they add theirs.
    let elsewhere = ["portcullis_strangers", "portcullis_feed", "portcullis_tunnel"];
    assert!(outside.iter().all(|name| elsewhere.iter().any(|one| name.starts_with(one))), "{outside:?}");
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
    let (kind, outcome_kind) = (DECISION_KIND, OUTCOME_KIND);
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
    let state = Arc::new(acme());
    let archive = Archive::new(folder.path().join("archive"));
    read(&metrics, &Reader::new(folder.path()), &archive, &state);
    // All that there is: the oldest says since when.
    assert_eq!(metrics.since(), at(-30 * 3_600));
    metrics.take(&batch(1, 3, 0));
    let key = Key { vendor: VendorId(Uuid::from_u128(1)), integration: None, route: None };
    let good = |window| metrics.totals(Family::Vendor, &[key], window, (START + 2) as u64).counts.good;
    assert_eq!([good(Window::FiveMinutes), good(Window::Hour), good(Window::Day)], [7, 7, 27]);
    assert_eq!(good(Window::Days(30)), 34);
    let latencies = metrics.totals(Family::Vendor, &[key], Window::Day, (START + 2) as u64).latencies;
    assert_eq!(latencies.total(), 27);
    // Counters for Prometheus are of this process alone.
    assert!(written(&metrics, &acme(), at(2)).contains("verdict=\"allow\"} 3\n"));
}

fn read(metrics: &Metrics, log: &Reader, archive: &Archive, state: &Arc<State>) {
    let state = || Some(Arc::clone(state));
    metrics.read_history(&Past { log, archive, state: &state }, at(0)).unwrap();
}

/// What is in every window of every family, and where the promises stand.
fn all_of(metrics: &Metrics, state: &State) -> (Vec<Totals>, Vec<PromiseStanding>) {
    let vendor = VendorId(Uuid::from_u128(1));
    let integration = Some(IntegrationId(Uuid::from_u128(3)));
    let key = Key { vendor, integration, route: Some(RouteId(Uuid::from_u128(4))) };
    let now = u64::try_from(START).unwrap();
    let windows = Family::ALL.into_iter().flat_map(|family| Window::NAMED.map(|window| (family, window)));
    let totals = windows.map(|(family, window)| metrics.totals(family, &[family.key(key)], window, now));
    (totals.collect(), metrics.promises(state, at(0)))
}

/// Seals decisions with their outcomes, hour by hour.
fn seal(archive: &Archive, state: &mut State, decided: &[DecisionRecord], ended: &[OutcomeRecord]) {
    let vendor = *Uuid::from_u128(1).as_bytes();
    let mut gathered = Gathered::default();
    decided.iter().for_each(|record| {
        gathered.decision(record.id, vendor, PAYLOAD_VERSION, &record.to_bytes().unwrap())
    });
    ended.iter().for_each(|end| gathered.outcome(end.id, vendor, PAYLOAD_VERSION, &end.to_bytes().unwrap()));
    while let Some((hour, part)) = gathered.pop() {
        let (rows, late) = part.into_rows();
        let name = archive.next_name(hour, Content::Decisions, &state.sealed);
        let decisions = archive.write::<Row>(name, rows, &mut |_| ()).unwrap();
        let name = archive.next_name(hour, Content::Outcomes, &state.sealed);
        let outcomes = archive.write::<LateOutcome>(name, late, &mut |_| ()).unwrap();
        for sealed in decisions.into_iter().chain(outcomes) {
            Arc::make_mut(&mut state.sealed).insert((sealed.hour, sealed.file.clone()), sealed);
        }
    }
}

#[test]
fn a_restart_knows_thirty_days_from_sealed_files_and_segments_and_counts_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::new(folder.path().join("archive"));
    let mut state = acme();
    // Four exchanges in every third hour of 29 days, one in fifty failed, some long ones.
    let mut exchanges = Vec::new();
    for number in 0..29 * 32_u64 {
        let (hour, quarter) = (number / 4 * 3, number % 4);
        let second = i64::try_from(hour * 3_600 + quarter * 900).unwrap() - 29 * 86_400;
        let decision = decided(number, second, Verdict::Allow, Reason::Allowed);
        let (ending, reason, status) = match number % 50 {
            7 => (Ending::UpstreamFailed, Reason::UpstreamTimeout, 504),
            _ => (Ending::Complete, Reason::Allowed, 200),
        };
        let lasts = if number % 40 == 3 { 5_000 } else { 0 };
        let outcome = OutcomeRecord {
            time: at((second + lasts).min(-1)),
            ..ended(&decision, ending, reason, status, 20 + number % 300)
        };
        exchanges.push((decision, outcome));
    }
    let before = Metrics::new(None, at(-29 * 86_400));
    let mut timeline: Vec<_> = exchanges
        .iter()
        .flat_map(|(decision, outcome)| {
            [(decision.time, Some(decision), None), (outcome.time, None, Some(outcome))]
        })
        .collect();
    timeline.sort_by_key(|(time, decision, _)| (*time, decision.is_none()));
    for (_, decision, outcome) in timeline {
        let (decided, ended): (Vec<_>, Vec<_>) =
            (decision.into_iter().cloned().collect(), outcome.into_iter().cloned().collect());
        before.take(&LogBatch::of(&decided, &ended).unwrap());
    }
    // Sealed until nine hours ago, the last ends of it late or not at all; in a segment from 30 hours ago on.
    let all = exchanges.len();
    let (sealed_until, segment_from) = (all - 12, all - 40);
    let (decisions, outcomes): (Vec<_>, Vec<_>) = exchanges[..sealed_until].iter().cloned().unzip();
    let (in_time, late) = outcomes.split_at(sealed_until - 60);
    seal(&archive, &mut state, &decisions, in_time);
    seal(&archive, &mut state, &[], &late[..45]);
    // A file could not be read when its hour was sealed once more.
    seal(&archive, &mut state, &decisions[100..110], &outcomes[100..110]);
    let syncer = Syncer::start(folder.path(), Options::default()).unwrap();
    let mut log = SegmentWriter::open(&syncer, 0, u64::try_from(at(0).as_millisecond()).unwrap()).unwrap();
    for (decision, outcome) in &exchanges[segment_from..] {
        for (kind, payload) in
            [(DECISION_KIND, decision.to_bytes().unwrap()), (OUTCOME_KIND, outcome.to_bytes().unwrap())]
        {
            let id = decision.id;
            log.append(kind, PAYLOAD_VERSION, id.0, [1; 16], &payload, id.time_ms()).unwrap();
        }
    }
    let expect = all_of(&before, &state);
    assert_eq!(expect.1[0].standing.tally.all, all as u64, "{:?}", expect.1);
    let after = Metrics::new(None, at(0));
    read(&after, &Reader::new(folder.path()), &archive, &Arc::new(state.clone()));
    assert_eq!(all_of(&after, &state), expect);
    assert_eq!(after.since(), at(-29 * 86_400));

    // A file that was changed isn't counted, and `since` says that what is before it isn't whole.
    let (damaged, _) = state.sealed.iter().nth(200).map(|((hour, file), _)| (*hour, file)).unzip();
    let damaged = damaged.unwrap();
    let file = state.sealed.values().find(|sealed| sealed.hour == damaged).unwrap();
    std::fs::write(archive.folder().join(&file.file), b"something else").unwrap();
    let after = Metrics::new(None, at(0));
    read(&after, &Reader::new(folder.path()), &archive, &Arc::new(state.clone()));
    assert_eq!(after.since(), Timestamp::from_second(damaged.as_second() + 3_600).unwrap());
    assert_eq!(after.promises(&state, at(0))[0].standing.tally.all, all as u64 - file.rows);
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
