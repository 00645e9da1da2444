//! How soon the risk model catches a thief, beside what others would do, and what it costs the honest.

mod corpora;
mod curve;
mod detector;
mod protocol;
mod random;
mod reference;
mod rivals;
mod statistics;

use std::path::PathBuf;

use detector::{Kind, Thresholds};
use reference::{Learns, Sums};

/// As in the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const STEPS: Thresholds = Thresholds::Steps { from: 10.0, step: 5.0, count: 30 };

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1).cloned()
    };
    let shared = std::env::var_os("PORTCULLIS_SHARED").map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
    let traces = shared.join("data/traces");
    let places = corpora::Places {
        wiki: value("--wiki").map_or_else(|| traces.join("wiki-bots.jsonl.gz"), PathBuf::from),
        k8s: value("--k8s").map_or_else(|| traces.join("k8s-audit.csv.gz"), PathBuf::from),
    };
    let Some(corpora) = corpora::read(&places) else {
        println!("skipped: no traces at `{}`; hint: set `PORTCULLIS_SHARED`, or give `--wiki` and `--k8s`", traces.display());
        return;
    };
    for corpus in &corpora {
        println!("{}", corpus.filter);
    }
    let cases = protocol::cases(&corpora, &protocol::SEEDS);
    let kinds = [
        Kind { name: "reference", thresholds: STEPS, with_peers: |peers| reference::factory(peers, Learns::Confirmed, Sums::Cusum) },
        Kind { name: "learn everything", thresholds: STEPS, with_peers: |peers| reference::factory(peers, Learns::Everything, Sums::Cusum) },
        Kind { name: "fixed CUSUM", thresholds: STEPS, with_peers: |peers| reference::factory(peers, Learns::Nothing, Sums::Cusum) },
        Kind { name: "one-shot likelihood ratio", thresholds: Thresholds::Seen, with_peers: |peers| reference::factory(peers, Learns::Everything, Sums::Single) },
        Kind { name: "own rate limit", thresholds: Thresholds::Seen, with_peers: |peers| rivals::factory(rivals::OwnRate::default(), peers) },
        Kind { name: "z-score + EWMA", thresholds: Thresholds::Seen, with_peers: |peers| rivals::factory(rivals::Smoothed::default(), peers) },
        Kind { name: "half-space trees", thresholds: Thresholds::Seen, with_peers: |peers| rivals::factory(rivals::HalfSpaceTrees::default(), peers) },
        Kind { name: "random cut forest", thresholds: Thresholds::Seen, with_peers: |peers| rivals::factory(rivals::Forest::default(), peers) },
    ];
    let only = value("--only");
    let kinds: Vec<_> = kinds.into_iter().filter(|kind| only.as_ref().is_none_or(|only| kind.name.contains(only.as_str()))).collect();
    let detail = value("--detail").map(|t| t.parse::<f64>().unwrap());
    for kind in &kinds {
        let began = std::time::Instant::now();
        let curve = curve::measure(kind, &cases);
        println!("{} {:?}", curve.name, began.elapsed());
        for point in &curve.points {
            println!("  {:7.1} val {:6.2} test {:6.2} [{:.2} {:.2}]  {}  same {}  leaked {:.1}", point.threshold, point.validation * 1e3, point.test.value * 1e3, point.test.low * 1e3, point.test.high * 1e3,
              point.any.map(|e| format!("{:.2}", e.value)).join(" "), point.same.map(|e| format!("{:.2}", e.value)).join(" "), point.leaked.value);
            if detail == Some(point.threshold) {
              for v in &point.victims { println!("      {:10} {:60} val {}/{} test {}/{} any {:?} same {:?} of {}", v.corpus, v.victim, v.validation.hits, v.validation.size, v.test.hits, v.test.size, [0,1,2].map(|w| v.any.rate(w).unwrap_or(f64::NAN)), [0,1,2].map(|w| v.same.rate(w).unwrap_or(f64::NAN)), v.same.thieves); }
            }
        }
    }
}
