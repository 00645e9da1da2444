//! How long a vendor's connections live after the command that severs it: every kind of them, with real tunnels,
//! in network namespaces. Needs root and `/dev/net/tun`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is what it is for")]

mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use portcullis_lab::available::{Need, available};
use portcullis_lab::severance::{Paths, Peer, Run, measure};

use report::Report;

#[derive(Parser)]
struct Arguments {
    /// The program that is measured
    #[arg(long, default_value = "target/release/portcullis")]
    binary: PathBuf,
    /// Severances of a vendor that answers, and as many of one that is silent
    #[arg(long, default_value_t = 20)]
    runs: usize,
    /// Two runs of each instead
    #[arg(long)]
    short: bool,
    /// Write the page here
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// What else went on on the machine, for the page
    #[arg(long, default_value = "Nothing else ran on the machine.")]
    circumstances: String,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if !available(Need::Tunnels) {
        return ExitCode::FAILURE;
    }
    let runs = if arguments.short { 2 } else { arguments.runs };
    let binary = arguments.binary.canonicalize().unwrap_or(arguments.binary);
    let of = |peer: Peer| -> Vec<Run> {
        let run = |number| {
            let run = measure(&binary, peer, Paths::WithTunnels);
            eprintln!("{peer:?} {number}: receipt after {:.1} ms", run.receipt_ms());
            run
        };
        (1..=runs).map(run).collect()
    };
    let report = Report::new(&binary, of(Peer::Answering), of(Peer::Blackholed), &arguments.circumstances);
    let page = report.page();
    println!("{page}");
    if let Some(file) = arguments.write {
        std::fs::write(&file, &page).expect("the page can be written");
    }
    if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
