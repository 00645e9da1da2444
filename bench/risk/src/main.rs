//! How soon the risk model catches a thief, beside what others would do, and what it costs the honest.
//!
//! `--short` takes one seed and fewer days and prints only; `--wiki FILE` and `--k8s FILE` take other traces of the same formats;
//! `--out DIR` says where page and plots go; `--only NAME` prints the curve of one detector, `--victims
//! THRESHOLD` with each victim at that threshold, `--tune` with thieves in the validation part; `--part gates|drift|stolen|kills`
//! prints that alone.

mod corpora;
mod cost;
mod curve;
mod detector;
mod drift;
mod figures;
mod gates;
mod generated;
mod kills;
mod ladder;
mod model;
mod places;
mod plot;
mod protocol;
mod random;
mod reference;
mod report;
mod rivals;
mod statistics;
mod stolen_key;

use std::path::PathBuf;

use corpora::{Account, Corpus};
use detector::{Factory, Kind, Thresholds};
use model::Sight;
use reference::{Learns, Sums};

/// As in the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const STEPS: Thresholds = Thresholds::Steps { from: 10.0, step: 2.5, count: 60 };

/// The first is the product's.
const KINDS: [Kind; 9] = [
    Kind { name: "the model", thresholds: STEPS, with_peers: |peers| model::factory(peers, Sight::Nothing) },
    Kind { name: "the model's formulas in floating point", thresholds: STEPS, with_peers: confirmed },
    Kind { name: "learn everything", thresholds: STEPS, with_peers: everything },
    Kind { name: "fixed CUSUM", thresholds: STEPS, with_peers: fixed },
    Kind { name: "one-shot likelihood ratio", thresholds: Thresholds::Seen, with_peers: one_shot },
    Kind {
        name: "half-space trees",
        thresholds: Thresholds::Seen,
        with_peers: |_| rivals::factory(rivals::HalfSpaceTrees::default()),
    },
    Kind {
        name: "random cut forest",
        thresholds: Thresholds::Seen,
        with_peers: |_| rivals::factory(rivals::Forest::default()),
    },
    Kind {
        name: "z-score + EWMA",
        thresholds: Thresholds::Seen,
        with_peers: |_| rivals::factory(rivals::Smoothed::default()),
    },
    Kind {
        name: "own rate limit",
        thresholds: Thresholds::Seen,
        with_peers: |_| rivals::factory(rivals::OwnRate::default()),
    },
];

fn confirmed(peers: &[&Account]) -> Factory {
    reference::factory(peers, Learns::Confirmed, Sums::Cusum)
}

fn everything(peers: &[&Account]) -> Factory {
    reference::factory(peers, Learns::Everything, Sums::Cusum)
}

fn fixed(peers: &[&Account]) -> Factory {
    reference::factory(peers, Learns::Nothing, Sums::Cusum)
}

fn one_shot(peers: &[&Account]) -> Factory {
    reference::factory(peers, Learns::Everything, Sums::Single)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let value = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1).cloned()
    };
    let shared =
        std::env::var_os("PORTCULLIS_SHARED").map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
    let traces = shared.join("data/traces");
    let places = corpora::Places {
        wiki: value("--wiki").map_or_else(|| traces.join("wiki-bots.jsonl.gz"), PathBuf::from),
        k8s: value("--k8s").map_or_else(|| traces.join("k8s-audit.csv.gz"), PathBuf::from),
    };
    let Some(corpora) = corpora::read(&places) else {
        println!(
            "skipped: the traces aren't there; hint: set `PORTCULLIS_SHARED`, or give `--wiki FILE` and `--k8s FILE`"
        );
        return;
    };
    for corpus in &corpora {
        println!("{}", corpus.filter);
    }
    if let Some(only) = value("--only") {
        let victims_at = value("--victims").and_then(|threshold| threshold.parse().ok());
        return print_curve(&corpora, &only, has("--tune"), victims_at);
    }
    if let Some(which) = value("--part") {
        return report::part(&corpora, &which);
    }
    let is_short = has("--short");
    let measured = report::Measured::of(&corpora, is_short);
    println!("{}", report::page(&corpora, &measured));
    if !is_short || value("--out").is_some() {
        let folder = value("--out").map_or_else(|| PathBuf::from("docs/benchmarks"), PathBuf::from);
        report::write(&folder, &corpora, &measured);
    }
}

/// For whoever tunes: `--tune` lets thieves in during validation, so that the test part stays unseen.
fn print_curve(corpora: &[Corpus], only: &str, is_tuning: bool, victims_at: Option<f64>) {
    let cases = protocol::cases(corpora, &protocol::SEEDS, is_tuning);
    for kind in KINDS.iter().filter(|kind| kind.name == only) {
        let curve = curve::measure(kind, &cases);
        for point in &curve.points {
            println!("{}", report::curve_row(point));
        }
        let at = curve.points.iter().filter(|point| Some(point.threshold) == victims_at);
        for victim in at.flat_map(|point| &point.victims) {
            println!("{}", report::victim_row(victim));
        }
    }
}

/// What this thread had of its core.
pub fn cpu_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}
