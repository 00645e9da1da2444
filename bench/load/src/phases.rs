//! What is measured, and what each part says of the bars.

use anyhow::Result;

use crate::comparison::{BY_CERTIFICATE, BY_EDDSA, BY_ES256, Effort, Job, Stand, Subject};
use crate::engine::{self, Shape};
use crate::figures::{Bar, Figure, Series, Table, cpu_ratio, series_table};
use crate::process::{self, Memory};
use crate::tls::Group;

/// What a phase leaves.
#[derive(Default)]
pub struct Findings {
    pub bars: Vec<Bar>,
    pub tables: Vec<Table>,
}

/// All jobs in turn, as often as there are rounds: what changes on the machine changes for all.
pub fn rounds(stand: &Stand, jobs: &[Job], effort: Effort) -> Result<Vec<Series>> {
    let mut all: Vec<Series> =
        jobs.iter().map(|job| Series { label: job.label.clone(), reports: Vec::new() }).collect();
    for round in 1..=effort.rounds {
        for (job, series) in jobs.iter().zip(&mut all) {
            let report = stand.run(job, effort)?;
            eprintln!(
                "{round}/{} {:<44} {:>7.0}/s {:>7.1} µs p50 {:>6.0} p99 {:>6.0}{}",
                effort.rounds,
                job.label,
                report.per_second,
                report.cpu_us.unwrap_or_default(),
                report.p50_us,
                report.p99_us,
                errors_of(&report),
            );
            series.reports.push(report);
        }
    }
    Ok(all)
}

fn errors_of(report: &crate::report::Report) -> String {
    let mut text = String::new();
    if report.errors() > 0 {
        text = format!("  errors: {:?} {} broken {} late", report.refused, report.broken, report.unfinished);
    }
    if let Some(fault) = &report.first_fault {
        text.push_str(&format!("  ({fault})"));
    }
    if report.proofs_signed_late > 0 {
        text.push_str(&format!("  {} proofs signed late", report.proofs_signed_late));
    }
    text
}

const DIRECT: &str = "a TLS server without a proxy";
const CERTIFICATE: &str = "portcullis, certificate";
const UNMETERED: &str = "portcullis, certificate, route unmetered";
const EDDSA: &str = "portcullis, DPoP EdDSA";
const ES256: &str = "portcullis, DPoP ES256";
const HAPROXY: &str = "haproxy, no JWT";
const HAPROXY_JWT: &str = "haproxy, jwt_verify ES256, stick-table";
const NGINX: &str = "nginx, limit_req";

fn unmetered() -> Job {
    Job { path: "/json-unmetered", ..Job::new(UNMETERED, BY_CERTIFICATE) }
}

/// Closed loop: what a request costs, and how many there are.
pub fn requests(stand: &Stand, effort: Effort, findings: &mut Findings) -> Result<Vec<Series>> {
    let jobs = [
        Job::new(DIRECT, Subject::Direct),
        Job::new(CERTIFICATE, BY_CERTIFICATE),
        unmetered(),
        Job::new(HAPROXY, Subject::Haproxy),
        Job::new(NGINX, Subject::Nginx),
        Job::new(EDDSA, BY_EDDSA),
        Job::new(HAPROXY_JWT, Subject::HaproxyJwt),
        Job::new(ES256, BY_ES256),
    ];
    let all = rounds(stand, &jobs, effort)?;
    let ratio = |one: usize, other: usize| all[one].against(&all[other], cpu_ratio);
    let row = |name: &str, bar, figure| Bar::ratio(name, bar, figure);
    let goal = Some(0.65);
    findings.bars.extend([
        Bar { goal, ..row("CPU of a certificate-bound request, of HAProxy's without JWT", 1.0, ratio(1, 3)) },
        Bar { goal, ..row("the same, records not counted", 1.0, ratio(2, 3)) },
        row("CPU of a DPoP request (EdDSA), of HAProxy's with jwt_verify", 0.6, ratio(5, 6)),
        Bar { bar: None, ..row("the same with ES256", 0.6, ratio(7, 6)) },
    ]);
    let note = "Closed loop, 64 kept connections, 1 KiB of JSON (8 records).";
    findings.tables.push(series_table("Requests over HTTP/1.1", note, &all, false));
    Ok(all)
}

/// What scoring costs: the same requests on a route whose policy is off.
pub fn scoring(stand: &Stand, effort: Effort, findings: &mut Findings) -> Result<()> {
    let off = |label, subject| Job { path: "/json-unscored", ..Job::new(label, subject) };
    let jobs = [
        Job::new(CERTIFICATE, BY_CERTIFICATE),
        off("the same, not scored", BY_CERTIFICATE),
        Job::new(EDDSA, BY_EDDSA),
        off("the same, not scored", BY_EDDSA),
    ];
    let all = rounds(stand, &jobs, effort)?;
    // Throughput is the inverse of what a request costs: at least 0.93 of it is at most 1 / 0.93 of that.
    for (scored, unscored, name) in [
        (0, 1, "CPU of a scored request, of an unscored one's, certificate"),
        (2, 3, "the same with DPoP EdDSA"),
    ] {
        findings.bars.push(Bar::ratio(name, 1.0 / 0.93, all[scored].against(&all[unscored], cpu_ratio)));
    }
    for (scored, unscored, name) in [
        (0, 1, "requests a second with scoring, of those without, certificate"),
        (2, 3, "the same with DPoP EdDSA"),
    ] {
        let figure = all[scored].against(&all[unscored], |one, other| one.per_second / other.per_second);
        findings.bars.push(Bar { bar: None, ..Bar::ratio(name, 0.93, figure) });
    }
    let note = "Closed loop, 64 kept connections, 1 KiB of JSON (8 records).";
    findings.tables.push(series_table("Scoring on and off", note, &all, false));
    Ok(())
}

/// Open loop at half of what the slower ones can do.
pub fn half_load(stand: &Stand, effort: Effort, closed: &[Series], findings: &mut Findings) -> Result<()> {
    let rate_of = |label: &str| {
        let series = closed.iter().find(|series| series.label == label);
        series.map_or(f64::NAN, |series| series.figure(|report| report.per_second).median)
    };
    let groups = [
        vec![(CERTIFICATE, BY_CERTIFICATE), (HAPROXY, Subject::Haproxy), (NGINX, Subject::Nginx)],
        vec![(EDDSA, BY_EDDSA), (HAPROXY_JWT, Subject::HaproxyJwt)],
    ];
    let mut jobs = Vec::new();
    for group in &groups {
        let least = group.iter().map(|(label, _)| rate_of(label)).fold(f64::INFINITY, f64::min);
        for (label, subject) in group {
            let shape = Shape::Open { per_second: least / 2.0 };
            jobs.push(Job { shape, ..Job::new(label, *subject) });
        }
    }
    let same = rounds(stand, &jobs, effort)?;
    let note = "Open loop at half of what the slowest of each group can do, the same rate for all of the group; latency counts from the moment at which a request was due.";
    findings.tables.push(series_table("Half load, the same rate", note, &same, false));
    for (one, other, name) in [
        (0, 1, "p99 at half load, certificate-bound, of HAProxy's without JWT"),
        (3, 4, "p99 at half load, DPoP EdDSA, of HAProxy's with jwt_verify"),
    ] {
        let figure = same[one].against(&same[other], |one, other| one.p99_us / other.p99_us);
        findings.bars.push(Bar::ratio(name, 1.0, figure));
    }
    for job in &mut jobs {
        job.shape = Shape::Open { per_second: rate_of(&job.label) / 2.0 };
    }
    let own = rounds(stand, &jobs, effort)?;
    let note = "As before, each at half of what it can do itself.";
    findings.tables.push(series_table("Half load, each its own", note, &own, false));
    Ok(())
}

/// What a proxy adds when there is little to do.
pub fn quiet(stand: &Stand, effort: Effort, findings: &mut Findings) -> Result<()> {
    let job = |label, subject| Job { shape: Shape::Open { per_second: 1_000.0 }, ..Job::new(label, subject) };
    let jobs = [
        job(DIRECT, Subject::Direct),
        job(CERTIFICATE, BY_CERTIFICATE),
        job(HAPROXY, Subject::Haproxy),
        job(NGINX, Subject::Nginx),
    ];
    let all = rounds(stand, &jobs, effort)?;
    for (place, name) in [
        (1, "p50 added over direct TLS at 1,000 a second"),
        (2, "the same of HAProxy"),
        (3, "the same of nginx"),
    ] {
        let figure = all[place].against(&all[0], |one, direct| one.p50_us - direct.p50_us);
        let goal = (place == 1).then_some(100.0);
        findings.bars.push(Bar { name: name.to_owned(), bar: None, goal, figure, unit: "µs", decimals: 0 });
    }
    findings.tables.push(series_table(
        "1,000 requests a second",
        "Open loop, 64 kept connections.",
        &all,
        false,
    ));
    Ok(())
}

/// Full handshakes, with the same shown on both sides.
pub fn handshakes(stand: &Stand, effort: Effort, findings: &mut Findings) -> Result<()> {
    let job = |label: &str, subject, with_request| Job {
        shape: Shape::Handshakes { with_request },
        connections: 32,
        ..Job::new(label, subject)
    };
    let jobs = [
        job("portcullis, certificate shown, request", BY_CERTIFICATE, true),
        job("haproxy, certificate shown, request", Subject::HaproxyAsking, true),
        job("portcullis, no certificate, request with DPoP EdDSA", BY_EDDSA, true),
        job("haproxy, no certificate, request", Subject::Haproxy, true),
        job("portcullis, no certificate, no request", BY_EDDSA, false),
        job("haproxy, no certificate, no request", Subject::Haproxy, false),
        job("nginx, no certificate, request", Subject::Nginx, true),
        Job {
            group: Group::X25519mlkem768,
            ..job("portcullis, certificate shown, request, X25519MLKEM768", BY_CERTIFICATE, true)
        },
    ];
    let all = rounds(stand, &jobs, effort)?;
    for (one, other, name) in [
        (0, 1, "CPU of a full handshake and a request, certificate shown, of HAProxy's"),
        (2, 3, "the same without a certificate (the gate's request carries a DPoP proof)"),
        (4, 5, "CPU of a full handshake without a request or certificate, of HAProxy's"),
    ] {
        findings.bars.push(Bar::ratio(name, 0.6, all[one].against(&all[other], cpu_ratio)));
    }
    let note = "Closed loop, 32 at a time, X25519 unless it says otherwise, no resumption, ECDSA P-256 on both sides. HAProxy asks for a certificate only in the row that says so; the gate always asks.";
    findings.tables.push(series_table("Full handshakes", note, &all, false));
    Ok(())
}

/// Sixteen connections with sixteen streams.
pub fn http2(stand: &Stand, effort: Effort, findings: &mut Findings) -> Result<()> {
    let job = |label, subject| Job { streams: Some(16), connections: 16, ..Job::new(label, subject) };
    let jobs = [
        job(CERTIFICATE, BY_CERTIFICATE),
        Job { streams: Some(16), connections: 16, ..unmetered() },
        job(HAPROXY, Subject::Haproxy),
        job(NGINX, Subject::Nginx),
    ];
    let all = rounds(stand, &jobs, effort)?;
    findings.bars.extend([
        Bar::ratio("CPU of a request over HTTP/2, of HAProxy's", 1.35, all[0].against(&all[2], cpu_ratio)),
        Bar::ratio("the same, records not counted", 1.35, all[1].against(&all[2], cpu_ratio)),
    ]);
    let note = "Closed loop, 16 connections with 16 streams each, 1 KiB of JSON.";
    findings.tables.push(series_table("Requests over HTTP/2", note, &all, false));
    Ok(())
}

/// Bodies of a megabyte.
pub fn large(stand: &Stand, effort: Effort, findings: &mut Findings) -> Result<()> {
    let job = |label, subject, path| Job { path, connections: 16, ..Job::new(label, subject) };
    let jobs = [
        job(DIRECT, Subject::Direct, "/large"),
        job(CERTIFICATE, BY_CERTIFICATE, "/large"),
        job(UNMETERED, BY_CERTIFICATE, "/large-unmetered"),
        job(HAPROXY, Subject::Haproxy, "/large"),
        job(NGINX, Subject::Nginx, "/large"),
    ];
    let all = rounds(stand, &jobs, effort)?;
    for (place, name) in [
        (1, "CPU of a megabyte of body, records counted, of HAProxy's"),
        (2, "the same, records not counted"),
    ] {
        let figure = all[place].against(&all[3], cpu_ratio);
        findings.bars.push(Bar { bar: None, ..Bar::ratio(name, 0.0, figure) });
    }
    let note = "Closed loop, 16 kept connections, 1 MB of JSON (8,000 records).";
    findings.tables.push(series_table("Bodies of 1 MB", note, &all, true));
    Ok(())
}

/// Two tables of 2^18 cells of eight bytes.
const REPLAY_BYTES: u64 = 2 * (1 << 18) * 8;

/// Memory as it is after all of that, and what an idle connection costs.
pub fn memory(stand: &Stand, effort: Effort, idle: usize, findings: &mut Findings) -> Result<()> {
    let mut table = Table {
        title: "Memory".to_owned(),
        note: format!(
            "Resident, in MB (10^6 bytes). Idle connections: TLS, one request was answered on each, HTTP/1.1. The gate's replay tables ({:.1} MB) are in its figures.",
            REPLAY_BYTES as f64 / 1e6
        ),
        head: vec!["", "before", "of it anonymous", "with idle connections", "connections", "kB for each"],
        rows: Vec::new(),
    };
    for (label, subject) in
        [(CERTIFICATE, BY_CERTIFICATE), (HAPROXY, Subject::Haproxy), (NGINX, Subject::Nginx)]
    {
        let job = Job { connections: idle, ..Job::new(label, subject) };
        // What is allocated for work at all isn't an idle connection's.
        stand.run(&Job::new(label, subject), Effort { rounds: 1, ..effort })?;
        let (mut clients, _) = stand.clients(&job, 0)?;
        let pid = stand.target(subject).1;
        let before = process::memory(pid)?;
        let held = engine::hold(&stand.plan(&job, effort), &mut clients)?;
        let after = process::memory(pid)?;
        let open = held.open();
        let refused: u64 = held.tally().refused.values().sum();
        anyhow::ensure!(refused == 0, "{label}: {:?}", held.tally().refused);
        drop(held);
        let each = after.resident.saturating_sub(before.resident) as f64 / open.max(1) as f64 / 1e3;
        let megabytes = |bytes: u64| format!("{:.1}", bytes as f64 / 1e6);
        eprintln!(
            "{label}: {} MB, {each:.1} kB for each of {open} idle connections",
            megabytes(before.resident)
        );
        table.rows.push(vec![
            label.to_owned(),
            megabytes(before.resident),
            megabytes(before.anonymous),
            megabytes(after.resident),
            open.to_string(),
            format!("{each:.1}"),
        ]);
        if subject == BY_CERTIFICATE {
            let apart = |memory: Memory| memory.resident.saturating_sub(REPLAY_BYTES) as f64 / 1e6;
            let bar = |name: &str, bar, figure, unit| Bar {
                name: name.to_owned(),
                bar: Some(bar),
                goal: None,
                figure: Figure::one(figure),
                unit,
                decimals: 1,
            };
            findings.bars.extend([
                bar(
                    "memory with 1,000 clients known, at start, replay tables apart",
                    30.0,
                    apart(stand.memory_at_start),
                    "MB",
                ),
                bar("the same after all of the load", 30.0, apart(before), "MB"),
                bar("memory of an idle connection", 24.0, each, "kB"),
            ]);
        }
    }
    findings.tables.push(table);
    Ok(())
}
