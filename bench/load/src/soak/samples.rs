//! What the kernel says of the gate, every few seconds, and whether that is flat.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use portcullis_bench_load::figures::Table;
use portcullis_bench_load::portcullis::Portcullis;
use portcullis_bench_load::process::{self, Memory};

#[derive(Clone, Debug, Default)]
pub struct Sample {
    pub at: Duration,
    pub memory: Memory,
    pub descriptors: usize,
    pub threads: usize,
    /// Of the decision log's folder.
    pub log_bytes: u64,
    /// Of all callers, so far.
    pub answers: u64,
}

impl Sample {
    pub fn take(at: Duration, portcullis: &Portcullis, answers: u64) -> Result<Self> {
        let pid = portcullis.running.pid();
        Ok(Self {
            at,
            memory: process::memory(pid)?,
            descriptors: process::descriptors(pid)?,
            threads: process::threads(pid)?,
            log_bytes: bytes_under(&portcullis.directory().join("decisions")),
            answers,
        })
    }

    pub fn line(&self) -> String {
        self.cells().join("  ")
    }

    fn cells(&self) -> Vec<String> {
        let seconds = self.at.as_secs();
        vec![
            format!("{}:{:02}", seconds / 60, seconds % 60),
            megabytes(self.memory.resident as f64),
            megabytes(self.memory.anonymous as f64),
            megabytes(self.memory.file as f64),
            self.descriptors.to_string(),
            self.threads.to_string(),
            megabytes(self.log_bytes as f64),
            self.answers.to_string(),
        ]
    }
}

/// A row for the first sample, the last, and one for each `step`.
pub fn table(samples: &[Sample], step: Duration) -> Table {
    let mut rows = Vec::new();
    let mut next = Duration::ZERO;
    for (number, sample) in samples.iter().enumerate() {
        if sample.at < next && number + 1 < samples.len() {
            continue;
        }
        rows.push(sample.cells());
        while next <= sample.at {
            next += step;
        }
    }
    Table {
        title: "The gate's process".to_owned(),
        note: "Megabytes; mapped are the program itself and the decision log's open segments.".to_owned(),
        head: vec![
            "minute",
            "resident",
            "heap",
            "mapped",
            "descriptors",
            "threads",
            "decision log",
            "answers",
        ],
        rows,
    }
}

/// Allocated bytes of the files in a folder and below.
fn bytes_under(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_under(&entry.path()),
            Ok(metadata) => metadata.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

fn megabytes(bytes: f64) -> String {
    format!("{:.1}", bytes / 1e6)
}

const WARM_UP_LEAST: Duration = Duration::from_secs(15);
const WARM_UP_SHARE: u32 = 5;
/// Growth over the soak: so much is noise of the allocator, whatever the level.
const GROWTH_BYTES: f64 = 4e6;
const GROWTH_SHARE: f64 = 0.05;
const DESCRIPTORS_MORE: usize = 16;

/// What comes before the samples that are judged.
pub fn warm_up(soak: Duration) -> Duration {
    (soak / WARM_UP_SHARE).max(WARM_UP_LEAST)
}

/// How the process changed after the warm-up.
#[derive(Debug)]
pub struct Verdict {
    /// Heap and mapped files: to be read, while each of the two is judged by itself. What is mapped
    /// goes up and down by whole segments of the decision log, which is no trend.
    resident: Trend,
    heap: Trend,
    mapped: u64,
    mapped_max: u64,
    /// At the end of the warm-up, and at the end.
    descriptors: (usize, usize),
}

#[derive(Debug)]
struct Trend {
    level: f64,
    /// The regression's slope, over all of the soak.
    growth: f64,
}

impl Verdict {
    pub fn of(samples: &[Sample], soak: Duration, mapped_max: u64) -> Self {
        let warm_up = warm_up(soak);
        let warm: Vec<_> = samples.iter().filter(|sample| sample.at >= warm_up).collect();
        let trend = |bytes: fn(&Memory) -> u64| {
            let points = warm.iter().map(|sample| (sample.at.as_secs_f64(), bytes(&sample.memory) as f64));
            Trend::of(&points.collect::<Vec<_>>(), soak.as_secs_f64())
        };
        let descriptors = |sample: Option<&&Sample>| sample.map_or(0, |sample| sample.descriptors);
        Self {
            resident: trend(|memory| memory.resident),
            heap: trend(|memory| memory.anonymous),
            mapped: samples.iter().map(|sample| sample.memory.file).max().unwrap_or_default(),
            mapped_max,
            descriptors: (descriptors(warm.first()), descriptors(warm.last())),
        }
    }

    pub fn is_flat(&self) -> bool {
        self.heap.is_flat() && self.mapped_is_bounded() && self.descriptors_are_flat()
    }

    fn mapped_is_bounded(&self) -> bool {
        self.mapped <= self.mapped_max
    }

    fn descriptors_are_flat(&self) -> bool {
        self.descriptors.0 > 0 && self.descriptors.1 <= self.descriptors.0 + DESCRIPTORS_MORE
    }

    pub fn text(&self) -> String {
        let word = |flat| if flat { "flat" } else { "NOT FLAT" };
        let (first, last) = self.descriptors;
        format!(
            "heap: level {} MB, trend {:+.1} MB over the soak (at most {}): {}\n\
             mapped: {} MB at most (program and two segments of the decision log: {}): {}\n\
             resident, the two together: level {} MB, trend {:+.1} MB\n\
             descriptors: {first} after the warm-up, {last} at the end (at most {}): {}",
            megabytes(self.heap.level),
            self.heap.growth / 1e6,
            megabytes(self.heap.growth_max()),
            word(self.heap.is_flat()),
            megabytes(self.mapped as f64),
            megabytes(self.mapped_max as f64),
            word(self.mapped_is_bounded()),
            megabytes(self.resident.level),
            self.resident.growth / 1e6,
            first + DESCRIPTORS_MORE,
            word(self.descriptors_are_flat()),
        )
    }
}

impl Trend {
    /// Least squares over `(seconds, bytes)`.
    fn of(points: &[(f64, f64)], seconds: f64) -> Self {
        let count = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (time, level) = (mean(|point| point.0), mean(|point| point.1));
        let along: f64 = points.iter().map(|point| (point.0 - time) * (point.1 - level)).sum();
        let across: f64 = points.iter().map(|point| (point.0 - time).powi(2)).sum();
        Self { level, growth: along / across * seconds }
    }

    fn growth_max(&self) -> f64 {
        (self.level * GROWTH_SHARE).max(GROWTH_BYTES)
    }

    /// Too few samples give no number, which isn't flat.
    fn is_flat(&self) -> bool {
        self.growth <= self.growth_max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(bytes: impl Fn(u64) -> u64, descriptors: impl Fn(u64) -> usize) -> Vec<Sample> {
        (1..=20)
            .map(|number| {
                let memory = Memory { resident: bytes(number), anonymous: bytes(number), file: 0 };
                let at = Duration::from_secs(number * 5);
                Sample { at, memory, descriptors: descriptors(number), ..Sample::default() }
            })
            .collect()
    }

    #[test]
    fn growth_is_told_from_noise() {
        let check = |samples: Vec<Sample>, expect: bool| {
            let verdict = Verdict::of(&samples, Duration::from_secs(100), 9_000_000);
            assert_eq!(verdict.is_flat(), expect, "{}", verdict.text());
        };
        check(samples(|_| 50_000_000, |_| 20), true);
        check(samples(|number| 50_000_000 + number % 3 * 1_000_000, |_| 20), true);
        // What the warm-up takes doesn't count.
        check(samples(|number| number.min(4) * 20_000_000, |_| 20), true);
        check(samples(|number| 50_000_000 + number * 190_000, |_| 20), true);
        check(samples(|number| 50_000_000 + number * 210_000, |_| 20), false);
        check(samples(|number| 200_000_000 + number * 400_000, |_| 20), true);
        check(samples(|number| 50_000_000 - number * 1_000_000, |_| 20), true);
        check(samples(|_| 50_000_000, |number| if number == 20 { 36 } else { 20 }), true);
        check(samples(|_| 50_000_000, |number| if number == 20 { 37 } else { 20 }), false);
        let mapped = |most: u64| {
            let mut samples = samples(|_| 50_000_000, |_| 20);
            samples[10].memory.file = most;
            samples
        };
        check(mapped(9_000_000), true);
        check(mapped(9_000_001), false);
        check(Vec::new(), false);
    }

    #[test]
    fn a_row_for_each_step_and_the_last() {
        let minutes = |step| {
            let rows = table(&samples(|_| 0, |_| 0), Duration::from_secs(step)).rows;
            rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(minutes(60), "0:05 1:00 1:40");
        assert_eq!(minutes(50), "0:05 0:50 1:40");
    }
}
