//! Payloads as the segments hold them, gathered, sorted and sealed.

use std::path::Path;

use portcullis_archive::{Archive, FileName, Gathered, Hour, LateOutcome};
use portcullis_domain::archive::{Content, SealedFiles};
use portcullis_domain::decision::{PAYLOAD_VERSION, Verdict};

use crate::generate::{self, Random};
use crate::{cpu_ns, now_ns};

pub fn measure(folder: &Path, count: usize) {
    let archive = Archive::new(folder.join("sealing"));
    let mut random = Random(11);
    let hour = Hour::of_ms(1_795_000_000_000);
    let payloads: Vec<_> = (0..count)
        .map(|_| {
            let vendor = random.below(generate::VENDORS);
            let at_ms = hour.start_ms() + random.below(3_600_000);
            let record = generate::decision(&mut random, vendor, at_ms);
            let end = (record.verdict == Verdict::Allow).then(|| generate::outcome(&mut random, &record));
            let key = record.vendor.map_or([0; 16], |vendor| *vendor.0.as_bytes());
            let end = end.map(|end| end.to_bytes().expect("a payload"));
            (record.id, key, record.to_bytes().expect("a payload"), end)
        })
        .collect();
    let (begun, cpu) = (now_ns(), cpu_ns());
    let (mut gathered, mut bytes, mut files) = (Gathered::default(), 0, SealedFiles::new());
    let mut payloads = payloads.iter().peekable();
    while let Some((id, vendor, decided, ended)) = payloads.next() {
        gathered.decision(*id, *vendor, PAYLOAD_VERSION, decided);
        if let Some(ended) = ended {
            gathered.outcome(*id, *vendor, PAYLOAD_VERSION, ended);
        }
        if !gathered.is_full() && payloads.peek().is_some() {
            continue;
        }
        while let Some((hour, part)) = gathered.pop() {
            let (rows, late) = part.into_rows();
            let name = |content| -> FileName { archive.next_name(hour, content, &files) };
            let sealed = archive.write(name(Content::Decisions), rows, &mut |_| ()).expect("a file");
            assert!(
                archive
                    .write::<LateOutcome>(name(Content::Outcomes), late, &mut |_| ())
                    .expect("none")
                    .is_none()
            );
            if let Some(sealed) = sealed {
                bytes += sealed.bytes;
                files.insert((sealed.hour, sealed.file.clone()), sealed);
            }
        }
    }
    let (took, cpu) = (now_ns() - begun, cpu_ns() - cpu);
    println!("sealing, one core, {count} decisions with their outcomes into {} files", files.len());
    println!(
        "  decisions a second       {:>12}  (by the core's own time {})",
        count as u64 * 1_000_000_000 / took,
        count as u64 * 1_000_000_000 / cpu.max(1)
    );
    println!("  bytes a decision         {:>12.1}\n", bytes as f64 / count as f64);
    std::fs::remove_dir_all(archive.folder()).expect("the files go");
}
