//! What a load has measured.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Counts and latencies of one thread, or of all.
pub struct Tally {
    /// Nanoseconds.
    pub latency: Histogram<u64>,
    /// Answers in the window, whatever they say.
    pub answers: u64,
    pub bytes: u64,
    /// Handshakes that ended in the window.
    pub handshakes: u64,
    /// Other statuses than 2xx.
    pub refused: BTreeMap<u16, u64>,
    /// Connections that broke.
    pub broken: u64,
    pub first_fault: Option<String>,
    /// Requests of an open loop that had no answer when it was over.
    pub unfinished: u64,
    pub proofs_signed_late: u64,
}

const NS_MAX: u64 = 60_000_000_000;

impl Default for Tally {
    fn default() -> Self {
        Self {
            latency: Histogram::new_with_bounds(100, NS_MAX, 3).expect("the bounds are good"),
            answers: 0,
            bytes: 0,
            handshakes: 0,
            refused: BTreeMap::new(),
            broken: 0,
            first_fault: None,
            unfinished: 0,
            proofs_signed_late: 0,
        }
    }
}

impl Tally {
    pub fn record(&mut self, latency_ns: u64) {
        self.latency.saturating_record(latency_ns);
    }

    pub fn fault(&mut self, error: &anyhow::Error) {
        self.broken += 1;
        self.first_fault.get_or_insert_with(|| format!("{error:#}"));
    }

    pub fn add(&mut self, other: &Self) {
        let _ = self.latency.add(&other.latency);
        self.answers += other.answers;
        self.bytes += other.bytes;
        self.handshakes += other.handshakes;
        for (status, count) in &other.refused {
            *self.refused.entry(*status).or_default() += count;
        }
        self.broken += other.broken;
        if self.first_fault.is_none() {
            self.first_fault.clone_from(&other.first_fault);
        }
        self.unfinished += other.unfinished;
        self.proofs_signed_late += other.proofs_signed_late;
    }
}

/// A load's figures.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub seconds: f64,
    pub answers: u64,
    pub per_second: f64,
    pub handshakes: u64,
    pub bytes: u64,
    pub p50_us: f64,
    pub p90_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub max_us: f64,
    /// Of the watched process, for each answer (or handshake, if nothing was asked).
    pub cpu_us: Option<f64>,
    /// Of the watched process, in cores.
    pub cpu_cores: Option<f64>,
    /// Of the generator itself, in cores.
    pub own_cores: f64,
    pub refused: BTreeMap<u16, u64>,
    pub broken: u64,
    pub first_fault: Option<String>,
    pub unfinished: u64,
    pub proofs_signed_late: u64,
}

impl Report {
    pub fn new(tally: &Tally, window: Duration, watched: Option<Duration>, own: Duration) -> Self {
        let seconds = window.as_secs_f64();
        let us = |quantile: f64| tally.latency.value_at_quantile(quantile) as f64 / 1e3;
        let counted = if tally.answers > 0 { tally.answers } else { tally.handshakes };
        Self {
            seconds,
            answers: tally.answers,
            per_second: counted as f64 / seconds,
            handshakes: tally.handshakes,
            bytes: tally.bytes,
            p50_us: us(0.5),
            p90_us: us(0.9),
            p99_us: us(0.99),
            p999_us: us(0.999),
            max_us: tally.latency.max() as f64 / 1e3,
            cpu_us: watched.map(|watched| watched.as_secs_f64() * 1e6 / counted.max(1) as f64),
            cpu_cores: watched.map(|watched| watched.as_secs_f64() / seconds),
            own_cores: own.as_secs_f64() / seconds,
            refused: tally.refused.clone(),
            broken: tally.broken,
            first_fault: tally.first_fault.clone(),
            unfinished: tally.unfinished,
            proofs_signed_late: tally.proofs_signed_late,
        }
    }

    /// Everything that isn't an answer with 2xx.
    pub fn errors(&self) -> u64 {
        self.refused.values().sum::<u64>() + self.broken + self.unfinished
    }

    pub fn print(&self) {
        println!(
            "{:>10.0} a second, {} answers, {} handshakes, {:.1} MB/s in {:.2} s",
            self.per_second,
            self.answers,
            self.handshakes,
            self.bytes as f64 / self.seconds / 1e6,
            self.seconds
        );
        println!(
            "latency µs: p50 {:.0}  p90 {:.0}  p99 {:.0}  p99.9 {:.0}  max {:.0}",
            self.p50_us, self.p90_us, self.p99_us, self.p999_us, self.max_us
        );
        if let (Some(cpu_us), Some(cores)) = (self.cpu_us, self.cpu_cores) {
            println!("watched process: {cpu_us:.2} CPU µs each, {cores:.2} cores");
        }
        println!("generator: {:.2} cores", self.own_cores);
        if self.errors() > 0 {
            println!("errors: {:?}, {} broken, {} unfinished", self.refused, self.broken, self.unfinished);
        }
        if let Some(fault) = &self.first_fault {
            println!("first fault: {fault}");
        }
        if self.proofs_signed_late > 0 {
            println!("{} proofs were signed while the load ran", self.proofs_signed_late);
        }
    }
}
