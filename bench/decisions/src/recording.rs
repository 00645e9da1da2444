//! What the gate does for each request: a decision is encoded and appended, and later its outcome.

use std::path::Path;

use portcullis_decision_log::{Options, SegmentWriter, Syncer};
use portcullis_domain::decision::{DECISION_KIND, OUTCOME_KIND, PAYLOAD_VERSION, Verdict};

use crate::generate::{self, Random};
use crate::{cpu_ns, now_ns, quantile};

const NOW_MS: u64 = 1_795_000_000_000;
const SAMPLES: usize = 4_096;

pub fn measure(folder: &Path, count: usize) {
    let mut random = Random(7);
    // Made before: the gate borrows what it has.
    let decided: Vec<_> = (0..SAMPLES)
        .map(|_| {
            let vendor = random.below(generate::VENDORS);
            let record = generate::decision(&mut random, vendor, NOW_MS);
            let end = generate::outcome(&mut random, &record);
            (record, end)
        })
        .collect();
    let directory = folder.join("segments");
    let options = Options { vendor_bytes_max: u64::MAX, ..Options::default() };
    let syncer = Syncer::start(&directory, options).expect("a log");
    let mut writer = SegmentWriter::open(&syncer, 0, NOW_MS).expect("a writer");
    let (mut payload, mut bytes) = (Vec::new(), 0);
    let mut spent: Vec<u64> = Vec::with_capacity(count);
    let (begun, cpu) = (now_ns(), cpu_ns());
    for number in 0..count {
        let (record, end) = &decided[number % SAMPLES];
        let vendor = record.vendor.map_or([0; 16], |vendor| *vendor.0.as_bytes());
        let start = now_ns();
        payload.clear();
        record.draft().write(&mut payload).expect("a payload");
        writer.append(DECISION_KIND, PAYLOAD_VERSION, record.id.0, vendor, &payload, NOW_MS).expect("room");
        bytes += payload.len();
        if record.verdict == Verdict::Allow {
            payload.clear();
            end.write(&mut payload).expect("a payload");
            writer
                .append(OUTCOME_KIND, PAYLOAD_VERSION, record.id.0, vendor, &payload, NOW_MS)
                .expect("room");
            bytes += payload.len();
        }
        spent.push(now_ns() - start);
    }
    let (took, cpu) = (now_ns() - begun, cpu_ns() - cpu);
    spent.sort_unstable();
    let each = |total: u64| total / count as u64;
    println!("recording, one core, {count} decisions with their outcomes, {} bytes each", bytes / count);
    println!(
        "  decisions a second       {:>12}  (by the core's own time {})",
        1_000_000_000 / each(took).max(1),
        1_000_000_000 / each(cpu).max(1)
    );
    println!(
        "  added to a request, ns   {:>12} median, {} p99, {} p99.9\n",
        quantile(&spent, 500),
        quantile(&spent, 990),
        quantile(&spent, 999)
    );
    drop(writer);
    drop(syncer);
    std::fs::remove_dir_all(directory).expect("the segments go");
}
