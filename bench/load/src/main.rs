//! The gate beside HAProxy and nginx; the token endpoint; the soak; and the load generator by itself.

mod gate;
mod soak;
mod token;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use portcullis_bench_load::client::{self, Client, Requests};
use portcullis_bench_load::engine::{self, Plan, Shape};
use portcullis_bench_load::http2;
use portcullis_bench_load::keys::Key;
use portcullis_bench_load::oauth::Issuer;
use portcullis_bench_load::proofs::Prover;
use portcullis_bench_load::tls::{self, Group, Identity};
use portcullis_bench_load::{process, upstream};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(about = "Measures the gate beside others")]
struct Line {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Measures the gate beside HAProxy and nginx
    Gate(gate::Line),
    /// Measures the token endpoint
    Token(token::Line),
    /// Serves a mixed load for long, and looks whether memory and descriptors stay where they are
    Soak(soak::Line),
    /// Sends requests and says what came of them
    Run(Box<Run>),
    /// Answers requests: 1 KiB of JSON, or 1 MB under /large
    Upstream {
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// PEM of the certificate; without it plain TCP
        #[arg(long, requires = "key")]
        certificate: Option<PathBuf>,
        #[arg(long)]
        key: Option<PathBuf>,
    },
}

#[derive(clap::Args)]
struct Run {
    /// Address of the server
    target: SocketAddr,
    #[arg(long, default_value = "/json")]
    path: String,
    #[arg(long, default_value_t = 64)]
    connections: usize,
    #[arg(long, default_value_t = 1)]
    threads: usize,
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    #[arg(long, default_value_t = 0.5)]
    warm_up_seconds: f64,
    /// Open loop: so many requests a second, latency from the moment at which each was due
    #[arg(long)]
    rate: Option<f64>,
    /// A full handshake for each request
    #[arg(long, conflicts_with = "rate")]
    handshakes: bool,
    /// With --handshakes: ask nothing
    #[arg(long)]
    no_request: bool,
    /// HTTP/2 with so many streams on each connection
    #[arg(long, value_name = "STREAMS")]
    http2: Option<usize>,
    /// Open all connections, ask once on each, and hold them for the seconds
    #[arg(long)]
    idle: bool,
    /// No TLS
    #[arg(long)]
    plain: bool,
    #[arg(long, value_enum, default_value = "x25519")]
    group: Group,
    /// Come from so many networks of 127.64.0.0/10
    #[arg(long, default_value_t = 0)]
    networks: usize,
    /// Name of the client that gets a token; with --certificate or --key
    #[arg(long)]
    client: Option<String>,
    /// PEM of the client's certificate
    #[arg(long, requires = "certificate_key")]
    certificate: Option<PathBuf>,
    #[arg(long)]
    certificate_key: Option<PathBuf>,
    /// PEM of the key for assertions and proofs (DPoP)
    #[arg(long)]
    key: Option<PathBuf>,
    /// DPoP: proofs that are signed before the load begins
    #[arg(long, default_value_t = 0)]
    ahead: usize,
    /// Process whose CPU time is counted
    #[arg(long)]
    pid: Option<u32>,
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    process::raise_descriptors();
    match dispatch() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether what was measured is as it should be.
fn dispatch() -> Result<bool> {
    match Line::parse().verb {
        Verb::Gate(line) => gate::run(&line),
        Verb::Token(line) => token::run(&line),
        Verb::Soak(line) => soak::run(&line),
        Verb::Upstream { listen, certificate, key } => {
            let tls = match (certificate, key) {
                (Some(certificate), Some(key)) => {
                    let certificates =
                        CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
                    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
                    let config = rustls::ServerConfig::builder_with_provider(provider)
                        .with_protocol_versions(&[&rustls::version::TLS13])?
                        .with_no_client_auth()
                        .with_single_cert(certificates, PrivateKeyDer::from_pem_file(key)?)?;
                    Some(Arc::new(config))
                }
                _ => None,
            };
            upstream::serve(listen, tls).map(|()| true)
        }
        Verb::Run(line) => run(&line).map(|()| true),
    }
}

fn run(line: &Run) -> Result<()> {
    let shape = match line.rate {
        Some(per_second) => Shape::Open { per_second },
        None if line.handshakes => Shape::Handshakes { with_request: !line.no_request },
        None => Shape::Closed,
    };
    let plan = Plan {
        target: line.target,
        connections: line.connections,
        warm_up: Duration::from_secs_f64(line.warm_up_seconds),
        window: Duration::from_secs_f64(line.seconds),
        shape,
        networks: line.networks,
        watched: line.pid,
    };
    let (mut clients, ask) = clients(line)?;
    if line.idle {
        return idle(line, &plan, &mut clients);
    }
    let report = match line.http2 {
        Some(streams) => http2::run(&plan, &mut clients, &[ask], streams)?,
        None => engine::run(&plan, clients.chunks_mut(1).collect())?,
    };
    if line.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        report.print();
    }
    Ok(())
}

fn idle(line: &Run, plan: &Plan, clients: &mut [Client]) -> Result<()> {
    let before = line.pid.map(process::memory).transpose()?;
    let held = engine::hold(plan, clients)?;
    println!("{} connections stand", held.open());
    if let (Some(pid), Some(before)) = (line.pid, before) {
        let after = process::memory(pid)?;
        let each = after.resident.saturating_sub(before.resident) / held.open().max(1) as u64;
        println!("resident {} kB, {each} bytes for each", after.resident / 1024);
    }
    std::thread::sleep(plan.window);
    Ok(())
}

/// One client for each thread, all the same.
fn clients(line: &Run) -> Result<(Vec<Client>, http2::Ask)> {
    let identity = match (&line.certificate, &line.certificate_key) {
        (Some(certificate), Some(key)) => Some(Identity {
            certificate: CertificateDer::from_pem_file(certificate)?,
            key: PrivateKeyDer::from_pem_file(key)?,
            pem: String::new(),
        }),
        _ => None,
    };
    let protocol = if line.http2.is_some() { "h2" } else { "http/1.1" };
    let config = tls::client_config(line.group, identity.as_ref(), protocol)?;
    let issuer = Issuer::new(&format!("https://{}", line.target))?;
    let for_tokens = tls::client_config(line.group, identity.as_ref(), "http/1.1")?;
    let key = match &line.key {
        Some(path) => Some(Key::from_der(PrivateKeyDer::from_pem_file(path)?.secret_der())?),
        None => None,
    };
    let token = match (&line.client, &key) {
        (Some(client), Some(key)) => Some(issuer.token_by_key(client, key, &for_tokens)?),
        (Some(client), None) => Some((issuer.token_by_certificate(client, &for_tokens)?, String::new())),
        (None, _) => None,
    };
    let scheme = if key.is_some() { "DPoP" } else { "Bearer" };
    let authorization = token.as_ref().map(|(token, _)| format!("{scheme} {token}"));
    let mut clients = Vec::new();
    for _ in 0..line.threads {
        let mut head = client::head(issuer.host(), &line.path, authorization.as_deref());
        let requests = match (&token, &key) {
            (Some((token, nonce)), Some(key)) => {
                let url = format!("{}{}", issuer.url, line.path);
                let mut prover = Prover::new(key.again()?, "GET", url, Some(token));
                prover.take_nonce(nonce.clone());
                prover.sign_ahead(line.ahead / line.threads).context("signing ahead")?;
                Requests::Proved { head, rest: b"\r\n".to_vec(), prover: Box::new(prover) }
            }
            _ => {
                head.extend_from_slice(b"\r\n");
                Requests::Same(head)
            }
        };
        clients.push(Client { tls: (!line.plain).then(|| Arc::clone(&config)), requests });
    }
    let ask = http2::Ask { authority: issuer.host().to_owned(), path: line.path.clone(), authorization };
    Ok((clients, ask))
}
