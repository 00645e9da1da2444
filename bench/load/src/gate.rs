//! The gate beside HAProxy and nginx: what a request, a handshake and a connection cost.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use portcullis_bench_load::comparison::{BY_CERTIFICATE, BY_EDDSA, Effort, Job, Stand, Subject};
use portcullis_bench_load::figures::{Figure, bars_table};
use portcullis_bench_load::phases::{self, Findings};
use portcullis_bench_load::process;
use portcullis_bench_load::stand::{Cores, version_of};

const PHASES: [&str; 8] =
    ["requests", "scoring", "half-load", "quiet", "handshakes", "http2", "large", "memory"];

#[derive(clap::Args)]
pub struct Line {
    /// The release binary
    #[arg(long, default_value = "target/release/portcullis")]
    binary: PathBuf,
    /// Two rounds of two seconds: to see that it works
    #[arg(long)]
    short: bool,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    #[arg(long, default_value_t = 2.5)]
    seconds: f64,
    /// Only these parts
    #[arg(long, value_delimiter = ',', value_parser = PHASES)]
    only: Vec<String>,
    /// Idle connections to open; fewer if there aren't descriptors for them
    #[arg(long, default_value_t = 10_000)]
    idle: usize,
    #[arg(long, default_value_t = 0)]
    proxy_core: usize,
    #[arg(long, default_value_t = 1)]
    load_core: usize,
    /// Keep both cores from sleeping, with work that all else goes before
    #[arg(long)]
    keep_awake: bool,
    /// Write the results as Markdown, too
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Compare our generator with wrk, on nginx
    #[arg(long)]
    check_wrk: bool,
    /// Where the gate's time goes: `perf` while `certificate` or `dpop` requests run
    #[arg(long, value_name = "WHAT", value_parser = ["certificate", "unscored", "dpop", "handshakes", "http2", "large"])]
    profile: Option<String>,
}

/// Whether all bars were met.
pub fn run(line: &Line) -> Result<bool> {
    let descriptors = process::raise_descriptors();
    let cores = Cores { proxy: line.proxy_core, load: line.load_core };
    process::pin(&[cores.load])?;
    let effort = if line.short {
        Effort { rounds: 2, window: Duration::from_secs(2), warm_up: Duration::from_millis(500) }
    } else {
        let window = Duration::from_secs_f64(line.seconds);
        Effort { rounds: line.rounds, window, warm_up: Duration::from_millis(500) }
    };
    let binary = line.binary.canonicalize();
    let binary = binary.with_context(|| {
        format!("`{}` is missing\nhint: cargo build --release -p portcullis", line.binary.display())
    })?;
    let stand = Stand::start(&binary, cores, line.keep_awake)?;
    if line.check_wrk {
        return check_wrk(&stand, effort);
    }
    if let Some(what) = &line.profile {
        return profile(&stand, what).map(|()| true);
    }
    let begun = Instant::now();
    let mut findings = Findings::default();
    // A proxy keeps as many descriptors for its upstream's connections as for its clients'.
    let idle = line.idle.min(usize::try_from(descriptors)?.saturating_sub(1_000) / 2);
    measure(&stand, line, effort, idle, &mut findings)?;
    let mut text = text(&stand, &findings, effort, begun.elapsed());
    if line.keep_awake {
        text.push_str("\nBoth cores were kept from sleeping.\n");
    }
    println!("{text}");
    if let Some(path) = &line.markdown {
        std::fs::write(path, &text).with_context(|| format!("`{}` can't be written", path.display()))?;
    }
    Ok(findings.bars.iter().all(|bar| bar.verdict() != "MISS"))
}

fn measure(stand: &Stand, line: &Line, effort: Effort, idle: usize, findings: &mut Findings) -> Result<()> {
    let wanted = |phase: &str| line.only.is_empty() || line.only.iter().any(|only| only == phase);
    if wanted("requests") || wanted("half-load") {
        let closed = phases::requests(stand, effort, findings)?;
        if wanted("half-load") {
            let window = Duration::from_secs_f64(effort.window.as_secs_f64() * 0.8);
            phases::half_load(stand, Effort { window, ..effort }, &closed, findings)?;
        }
    }
    if wanted("scoring") {
        phases::scoring(stand, effort, findings)?;
    }
    let shorter = Effort { window: Duration::from_secs(2).min(effort.window), ..effort };
    if wanted("quiet") {
        phases::quiet(stand, shorter, findings)?;
    }
    if wanted("handshakes") {
        phases::handshakes(stand, shorter, findings)?;
    }
    if wanted("http2") {
        phases::http2(stand, shorter, findings)?;
    }
    if wanted("large") {
        phases::large(stand, shorter, findings)?;
    }
    if wanted("memory") {
        phases::memory(stand, shorter, idle, findings)?;
    }
    Ok(())
}

fn text(stand: &Stand, findings: &Findings, effort: Effort, took: Duration) -> String {
    let mut text = format!("{}\n", conditions(stand, effort, took));
    text.push_str(&bars_table(&findings.bars).text());
    for table in &findings.tables {
        text.push_str(&table.text());
    }
    text.trim_end().to_owned() + "\n"
}

fn conditions(stand: &Stand, effort: Effort, took: Duration) -> String {
    let first = |path: &str, name: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once([':', '='])
            .map_or(String::new(), |(_, value)| value.trim().trim_matches('"').to_owned())
    };
    let cores = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = cores.lines().filter(|line| line.starts_with("processor")).count();
    format!(
        "{}, {} with {cores} cores, {}, {}.\n{}; {}; {}; {}.\n\
         Medians of {} interleaved rounds of {:.1} s (least–most); a ratio is the median of the rounds' ratios. \
         {:.0} min in all.\nEach proxy has one core and one thread to work; generator and upstream share the other core.\n",
        version_of("date", &["-u", "+%Y-%m-%d"]),
        first("/proc/cpuinfo", "model name"),
        first("/etc/os-release", "PRETTY_NAME"),
        version_of("uname", &["-sr"]),
        stand.portcullis.version(),
        version_of("haproxy", &["-v"]),
        version_of("nginx", &["-v"]),
        version_of("openssl", &["version"]),
        effort.rounds,
        effort.window.as_secs_f64(),
        took.as_secs_f64() / 60.0,
    )
}

/// Both on nginx, in turn; they must agree within 5 %.
fn check_wrk(stand: &Stand, effort: Effort) -> Result<bool> {
    let job = Job { networks: 0, ..Job::new("nginx, our generator", Subject::Nginx) };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..effort.rounds.max(3) {
        // In turn also who is first.
        if round % 2 == 0 {
            theirs.push(wrk(stand, effort)?);
        }
        let report = stand.run(&job, effort)?;
        ours.push((report.per_second, report.cpu_us.unwrap_or(f64::NAN)));
        if round % 2 == 1 {
            theirs.push(wrk(stand, effort)?);
        }
    }
    let rate = |figures: &[(f64, f64)]| Figure::of(figures.iter().map(|figures| figures.0).collect());
    let ratio = rate(&ours).median / rate(&theirs).median;
    for (name, figures) in [("wrk", &theirs), ("our generator", &ours)] {
        let rate = rate(figures).text(0);
        let cpu = Figure::of(figures.iter().map(|figures| figures.1).collect()).text(1);
        println!("{name:<16} {rate} requests/s, nginx: {cpu} CPU µs each");
    }
    println!("ours ÷ wrk's     {ratio:.3}");
    let is_near = (ratio - 1.0).abs() <= 0.05;
    println!("{}", if is_near { "within 5 %: pass" } else { "not within 5 %: MISS" });
    Ok(is_near)
}

/// Requests a second as `wrk` counts them, and nginx's CPU µs for each.
fn wrk(stand: &Stand, effort: Effort) -> Result<(f64, f64)> {
    let (address, pid) = stand.target(Subject::Nginx);
    let url = format!("https://{address}/json");
    let seconds = effort.window.as_secs().max(1).to_string();
    let before = process::cpu(pid)?;
    let output = Command::new("wrk").args(["-t1", "-c64", "-d", &seconds, &url]).output().context("wrk")?;
    let cpu = process::cpu(pid)? - before;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = |line: &str| line.trim().split(' ').next()?.parse::<f64>().ok();
    let rate = text.lines().find_map(|line| number(line.strip_prefix("Requests/sec:")?));
    let count = text.lines().find(|line| line.contains(" requests in ")).and_then(number);
    let (rate, count) = rate.zip(count).with_context(|| format!("wrk said nothing of use: {text}"))?;
    Ok((rate, cpu.as_secs_f64() * 1e6 / count))
}

/// Prints where the gate's time goes, by function.
fn profile(stand: &Stand, what: &str) -> Result<()> {
    use portcullis_bench_load::engine::Shape;
    let base = Job::new(what, if what == "dpop" { BY_EDDSA } else { BY_CERTIFICATE });
    let job = match what {
        "handshakes" => Job { shape: Shape::Handshakes { with_request: true }, connections: 32, ..base },
        "http2" => Job { streams: Some(16), connections: 16, ..base },
        "large" => Job { path: "/large", connections: 16, ..base },
        "unscored" => Job { path: "/json-unscored", ..base },
        _ => base,
    };
    let data = std::env::temp_dir().join(format!("portcullis-bench-{}.perf", std::process::id()));
    let effort = Effort { rounds: 1, window: Duration::from_secs(5), warm_up: Duration::from_millis(500) };
    let pid = stand.portcullis.running.pid().to_string();
    let mut perf = Command::new("perf");
    perf.args(["record", "-q", "-e", "cpu-clock", "-F", "1999", "-g", "-p", &pid, "-o"]).arg(&data);
    // It ends by itself shortly after the load.
    let mut perf = perf.args(["--", "sleep", "6"]).spawn().context("perf")?;
    let report = stand.run(&job, effort);
    perf.wait()?;
    let report = report.inspect(|report| report.print());
    let by_thread = perf_report(&data, &["--sort", "comm"]);
    let by_function = perf_report(&data, &["--sort", "comm,dso,symbol", "--percent-limit", "0.05"]);
    let _ = std::fs::remove_file(&data);
    report?;
    println!("{}\n{}", by_thread?, by_function?);
    Ok(())
}

fn perf_report(data: &Path, more: &[&str]) -> Result<String> {
    let mut command = Command::new("perf");
    command.args(["report", "--stdio", "--no-children", "-g", "none"]).args(more).arg("-i").arg(data);
    let output = command.output().context("perf")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let text = lines.map(|line| format!("{line}\n")).collect::<String>();
    if text.is_empty() {
        bail!("perf said nothing: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(text)
}
