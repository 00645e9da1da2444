//! A long mixed load at a modest rate: what the gate holds must stay where it is.

mod callers;
mod operator;
mod samples;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use portcullis_bench_load::portcullis::Portcullis;
use portcullis_bench_load::process;
use portcullis_bench_load::stand::{Cores, Folder, Upstream, write_server_certificate};

use callers::Callers;
use operator::Operator;
use samples::{Sample, Verdict};

#[derive(clap::Args)]
pub struct Line {
    /// The release binary
    #[arg(long, default_value = "target/release/portcullis")]
    binary: PathBuf,
    #[arg(long, default_value_t = 30.0)]
    minutes: f64,
    /// One minute: to see that it works
    #[arg(long)]
    short: bool,
    /// Requests a second, of all kinds together; while it warms up, tokens come on top
    #[arg(long, default_value_t = 300.0)]
    rate: f64,
    #[arg(long, default_value_t = 0)]
    proxy_core: usize,
    #[arg(long, default_value_t = 1)]
    load_core: usize,
}

/// So short that what is remembered of tokens comes and goes many times.
const TOKEN_SECONDS: u64 = 120;
const SAMPLE_EVERY: Duration = Duration::from_secs(5);
const OPERATE_EVERY: Duration = Duration::from_secs(30);
/// Shorter soaks show every sample, longer ones one for each minute.
const SHOWN_WHOLE_MAX: Duration = Duration::from_secs(150);

/// Whether everything stayed flat, and no honest client saw an error.
pub fn run(line: &Line) -> Result<bool> {
    process::raise_descriptors();
    let cores = Cores { proxy: line.proxy_core, load: line.load_core };
    process::pin(&[cores.load])?;
    let minutes = if line.short { 1.0 } else { line.minutes };
    let soak = Duration::from_secs_f64(minutes * 60.0);
    let binary = line.binary.canonicalize();
    let binary = binary.with_context(|| {
        format!("`{}` is missing\nhint: cargo build --release -p portcullis", line.binary.display())
    })?;
    let folder = Folder::new()?;
    write_server_certificate(&folder)?;
    let upstream = Upstream::start(&folder, cores.load, false)?;
    let url = format!("http://{}", upstream.address);
    let mut portcullis = Portcullis::start_with(&folder, &binary, cores, &url, TOKEN_SECONDS)?;
    let callers = Callers::start(&portcullis, line.rate, samples::warm_up(soak))?;
    let samples = watch(&folder, &portcullis, &callers, soak);
    let tally = callers.stop();
    let samples = samples.inspect_err(|_| {
        let log = portcullis.running.log();
        let last: Vec<_> = log.lines().rev().take(5).collect();
        last.iter().rev().for_each(|line| eprintln!("the gate's log: {line}"));
    })?;
    let stopped = portcullis.running.stop();
    let step = if soak <= SHOWN_WHOLE_MAX { SAMPLE_EVERY } else { Duration::from_secs(60) };
    println!("{}", samples::table(&samples, step).text());
    println!("{}", tally.table(soak).text());
    let log = portcullis.running.log();
    for line in log.lines().filter(|line| line.contains("ERROR") || line.contains("panicked")).take(5) {
        println!("the gate's log: {line}");
    }
    stopped?;
    let verdict = Verdict::of(&samples, soak, mapped_max(&binary)?);
    println!("{}", verdict.text());
    let (flat, errors) = (verdict.is_flat(), tally.errors());
    println!(
        "soak of {minutes:.1} min at {:.0} requests/s, {}: {errors} errors of honest clients, {}: {}",
        tally.per_second(soak),
        portcullis.version(),
        if flat { "flat" } else { "not flat" },
        if flat && errors == 0 { "pass" } else { "MISS" },
    );
    Ok(flat && errors == 0)
}

/// Of files, the gate maps itself and, for its one core, the segment of the decision log that it
/// writes and the next.
fn mapped_max(binary: &Path) -> Result<u64> {
    const SEGMENT_BYTES: u64 = 16 << 20;
    Ok(binary.metadata()?.len() + 2 * SEGMENT_BYTES)
}

/// Samples, and in between what operators do, until the soak is over.
fn watch(folder: &Folder, portcullis: &Portcullis, callers: &Callers, soak: Duration) -> Result<Vec<Sample>> {
    let begun = Instant::now();
    let mut operator = Operator::new(folder, portcullis)?;
    let (mut next_sample, mut next_deed) = (SAMPLE_EVERY, OPERATE_EVERY / 2);
    let mut samples = Vec::new();
    while next_sample <= soak {
        std::thread::sleep(next_sample.min(next_deed).saturating_sub(begun.elapsed()));
        if begun.elapsed() >= next_deed {
            next_deed += OPERATE_EVERY;
            operator.act(portcullis)?;
        }
        if begun.elapsed() >= next_sample {
            let sample = Sample::take(begun.elapsed(), portcullis, callers.answers())?;
            if next_sample.as_secs().is_multiple_of(60) {
                eprintln!("{}", sample.line());
            }
            samples.push(sample);
            next_sample += SAMPLE_EVERY;
        }
    }
    Ok(samples)
}
