//! The token endpoint, one core, kept connections: how many tokens a second, and what each costs.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use portcullis_bench_load::client::{Client, Requests};
use portcullis_bench_load::engine::{self, Plan, Shape};
use portcullis_bench_load::figures::{Bar, Series, bars_table, cpu_us, series_table};
use portcullis_bench_load::keys::{Algorithm, Key};
use portcullis_bench_load::portcullis::{Binding, Portcullis};
use portcullis_bench_load::process;
use portcullis_bench_load::proofs::Prover;
use portcullis_bench_load::report::Report;
use portcullis_bench_load::stand::{Cores, Folder, Upstream, on_both_cores, write_server_certificate};
use portcullis_bench_load::tls::{self, Group};

#[derive(clap::Args)]
pub struct Line {
    /// The release binary
    #[arg(long, default_value = "target/release/portcullis")]
    binary: PathBuf,
    /// Two rounds of a second
    #[arg(long)]
    short: bool,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// The gate relays 64 at a time of one network
    #[arg(long, default_value_t = 48)]
    connections: usize,
    #[arg(long, default_value_t = 0)]
    proxy_core: usize,
    #[arg(long, default_value_t = 1)]
    load_core: usize,
    /// Write the results as Markdown, too
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

/// One kind of grant.
struct Grant {
    label: &'static str,
    algorithm: Algorithm,
    with_proof: bool,
    /// Tokens a second that are asked for.
    least: Option<f64>,
    rate: Cell<f64>,
}

const WARM_UP: Duration = Duration::from_millis(500);
/// Assertions are remembered until they expire: no longer than a round takes.
const ASSERTION_SECONDS: u64 = 12;
/// Tokens a second that are signed for, until it is known better.
const RATE_GUESS: f64 = 14_000.0;

/// Whether all bars were met.
pub fn run(line: &Line) -> Result<bool> {
    process::raise_descriptors();
    let cores = Cores { proxy: line.proxy_core, load: line.load_core };
    process::pin(&[cores.load])?;
    let (rounds, seconds) = if line.short { (2, 1.0) } else { (line.rounds, line.seconds) };
    let binary = line.binary.canonicalize();
    let binary = binary.with_context(|| format!("`{}` is missing", line.binary.display()))?;
    let folder = Folder::new()?;
    write_server_certificate(&folder)?;
    let upstream = Upstream::start(&folder, cores.load, false)?;
    let url = format!("http://{}", upstream.address);
    let portcullis = Portcullis::start(&folder, &binary, cores, &url)?;
    let grants = [
        grant("bound by certificate, assertion ES256", Algorithm::Es256, false, Some(8_000.0)),
        grant("bound by certificate, assertion EdDSA", Algorithm::Eddsa, false, None),
        grant("DPoP, assertion and proof EdDSA", Algorithm::Eddsa, true, Some(5_000.0)),
        grant("DPoP, assertion and proof ES256", Algorithm::Es256, true, Some(5_000.0)),
    ];
    let mut all: Vec<Series> =
        grants.iter().map(|grant| Series { label: grant.label.to_owned(), reports: Vec::new() }).collect();
    for round in 1..=rounds {
        for (grant, series) in grants.iter().zip(&mut all) {
            let report = measure(&portcullis, cores, grant, line.connections, seconds)?;
            eprintln!(
                "{round}/{rounds} {:<40} {:>6.0}/s {:>6.1} µs {:?} {}",
                grant.label,
                report.per_second,
                cpu_us(&report),
                report.refused,
                report.first_fault.as_deref().unwrap_or("")
            );
            series.reports.push(report);
        }
    }
    let bars: Vec<Bar> = grants.iter().zip(&all).flat_map(|(grant, series)| bar(grant, series)).collect();
    let note = format!(
        "Closed loop, {} kept connections, one core, assertions and proofs signed before.",
        line.connections
    );
    let text = format!("{}{}", bars_table(&bars).text(), series_table("Tokens", &note, &all, false).text());
    println!("{text}");
    if let Some(path) = &line.markdown {
        std::fs::write(path, &text).with_context(|| format!("`{}` can't be written", path.display()))?;
    }
    Ok(bars.iter().all(|bar| bar.verdict() != "MISS"))
}

fn grant(label: &'static str, algorithm: Algorithm, with_proof: bool, least: Option<f64>) -> Grant {
    Grant { label, algorithm, with_proof, least, rate: Cell::new(RATE_GUESS) }
}

/// A core that makes 8,000 tokens a second has 125 µs for each; said of CPU time, the figure doesn't
/// depend on what else the machine does.
fn bar(grant: &Grant, series: &Series) -> Option<Bar> {
    Some(Bar {
        name: format!("CPU of a token, {}; {:.0} a second on a core", grant.label, grant.least?),
        bar: Some(1e6 / grant.least?),
        goal: None,
        figure: series.figure(cpu_us),
        unit: "µs",
        decimals: 1,
    })
}

fn measure(
    portcullis: &Portcullis,
    cores: Cores,
    grant: &Grant,
    connections: usize,
    seconds: f64,
) -> Result<Report> {
    let window = Duration::from_secs_f64(seconds);
    let mut clients = clients(portcullis, cores, grant, (WARM_UP + window).as_secs_f64())?;
    let plan = Plan {
        target: portcullis.issuer.address,
        connections,
        warm_up: WARM_UP,
        window,
        shape: Shape::Closed,
        networks: 0,
        watched: Some(portcullis.running.pid()),
    };
    let report = engine::run(&plan, vec![&mut clients]).context(grant.label)?;
    grant.rate.set((report.per_second * 1.4).max(2_000.0));
    Ok(report)
}

/// Every client with all the assertions (and proofs) that it will need.
fn clients(portcullis: &Portcullis, cores: Cores, grant: &Grant, seconds: f64) -> Result<Vec<Client>> {
    struct Making<'a> {
        name: &'a str,
        key: Key,
        client: Client,
    }
    let issuer = &portcullis.issuer;
    let identity = (!grant.with_proof).then_some(&portcullis.other);
    let config = tls::client_config(Group::X25519, identity, "http/1.1")?;
    let mut making = Vec::new();
    for machine in portcullis.machines(Binding::Dpop(grant.algorithm)) {
        let key = machine.key.as_ref().context("it has a key")?.again()?;
        let prover = if grant.with_proof {
            let mut prover = Prover::new(key.again()?, "POST", issuer.token_endpoint(), None);
            prover.take_nonce(issuer.nonce(&key, &config)?);
            Some(Box::new(prover))
        } else {
            None
        };
        let head = issuer.token_head().into_bytes();
        let requests = Requests::Once { head, rests: Vec::new(), prover };
        making.push(Making {
            name: &machine.name,
            key,
            client: Client { tls: Some(config.clone()), requests },
        });
    }
    let each = (grant.rate.get() * seconds) as usize / making.len().max(1) + 100;
    on_both_cores(cores, &mut making, |making| {
        let Requests::Once { rests, prover, .. } = &mut making.client.requests else { return Ok(()) };
        for _ in 0..each {
            let form = issuer.assertion_form(making.name, &making.key, ASSERTION_SECONDS)?;
            rests.push(format!("content-length: {}\r\n\r\n{form}", form.len()).into_bytes());
        }
        prover.as_mut().map_or(Ok(()), |prover| prover.sign_ahead(each))
    })?;
    Ok(making.into_iter().map(|making| making.client).collect())
}
