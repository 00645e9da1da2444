//! Counts the records of 10 MB bodies with our counter and with what others would take, and streams
//! a gigabyte through the counter while it watches the memory. `--short` makes fewer rounds.

mod bodies;

use std::hint::black_box;
use std::num::NonZeroU64;

use bodies::Body;
use portcullis_records::{Counter, Format};
use rustix::time::{ClockId, clock_gettime};

/// As in the product; parsers that build values need it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BODY_BYTES: usize = 10_000_000;
const CHUNK_BYTES: usize = 16 * 1_024;

/// A way to count the records of a body.
struct Way<'a> {
    name: &'a str,
    count: Box<dyn Fn(&[u8]) -> u64 + 'a>,
}

fn way<'a>(name: &'a str, count: impl Fn(&[u8]) -> u64 + 'a) -> Way<'a> {
    Way { name, count: Box::new(count) }
}

fn main() {
    let is_short = std::env::args().any(|argument| argument == "--short");
    let rounds = if is_short { 7 } else { 31 };
    println!(
        "medians of {rounds} interleaved rounds, 10 MB each, GB (10^9 bytes) for each second of one core\n"
    );
    compare(rounds);
    println!("\nour counter, by body\n");
    own_bodies(if is_short { 7 } else { 15 });
    println!("\n1 GB streamed in chunks of 16 KiB\n");
    stream(if is_short { 500_000_000 } else { 1_000_000_000 });
}

fn compare(rounds: usize) {
    let orders = bodies::orders(BODY_BYTES);
    println!("{:<64} {:>7} {:>7}", "", "median", "best");
    println!(
        "{} records of {} bytes on average",
        orders.records,
        orders.text.len() / orders.records as usize
    );
    let copy = std::cell::RefCell::new(vec![0; orders.text.len()]);
    let expect = orders.records;
    let ways = [
        way("portcullis-records, AVX2", |text| whole(Counter::new(Format::Json), text)),
        way("portcullis-records, AVX2, chunks of 16 KiB as the gate reads", |text| {
            in_chunks(Counter::new(Format::Json), text)
        }),
        way("portcullis-records, portable", |text| whole(Counter::new(Format::Json).portable(), text)),
        way("sonic-rs, lazy iteration", |text| {
            sonic_rs::to_array_iter(text).map(|element| element.map(black_box).expect("an array")).count()
                as u64
        }),
        way("sonic-rs, lazy iteration, unchecked", |text| {
            // SAFETY: the body was made as JSON.
            let elements = unsafe { sonic_rs::to_array_iter_unchecked(text) };
            elements.map(|element| element.map(black_box).expect("an array")).count() as u64
        }),
        way("serde_json, elements ignored", |text| {
            serde_json::from_slice::<Vec<serde::de::IgnoredAny>>(text).expect("an array").len() as u64
        }),
        way("serde_json, values", |text| {
            let value: serde_json::Value = serde_json::from_slice(text).expect("JSON");
            value.as_array().map_or(0, Vec::len) as u64
        }),
        way("memchr, quotes and brackets", memchr_count),
        way("memcpy", |text| {
            copy.borrow_mut().copy_from_slice(black_box(text));
            black_box(&copy);
            expect
        }),
    ];
    let figures = measure(&ways, &orders, rounds);
    for (way, figure) in ways.iter().zip(figures) {
        println!("{:<64} {:>7.2} {:>7.2}", way.name, figure.median, figure.best);
    }
}

fn own_bodies(rounds: usize) {
    println!("{:<40} {:>7} {:>9}", "", "AVX2", "portable");
    let both = |body: &Body, format: Format| {
        let ways = [
            way("", |text| in_chunks(Counter::new(format), text)),
            way("", |text| in_chunks(Counter::new(format).portable(), text)),
        ];
        let figures = measure(&ways, body, rounds);
        println!("{:<40} {:>7.2} {:>9.2}", body.name, figures[0].median, figures[1].median);
    };
    let alone = |body: &Body, counter: Counter| {
        let figures = measure(&[way("", |text| in_chunks(counter.clone(), text))], body, rounds);
        println!("{:<40} {:>7.2}", body.name, figures[0].median);
    };
    both(&bodies::orders(BODY_BYTES), Format::Json);
    bodies::other_json(BODY_BYTES).iter().for_each(|body| both(body, Format::Json));
    alone(&bodies::lines(BODY_BYTES), Counter::new(Format::NdJson));
    for table in bodies::tables(BODY_BYTES) {
        both(&table, Format::Csv { has_header: true });
    }
    alone(&bodies::messages(BODY_BYTES), Counter::new(Format::Grpc));
    let piece = const { NonZeroU64::new(1_000).unwrap() };
    let opaque =
        Body { name: "any body, by bytes", text: vec![7; BODY_BYTES], records: BODY_BYTES as u64 / 1_000 };
    alone(&opaque, Counter::by_bytes(piece));
}

/// In GB/s.
struct Figure {
    median: f64,
    best: f64,
}

/// Every round runs every way once, so that the noise of the machine is shared.
fn measure(ways: &[Way<'_>], body: &Body, rounds: usize) -> Vec<Figure> {
    let mut seconds: Vec<Vec<f64>> = ways.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (way, seconds) in ways.iter().zip(&mut seconds) {
            let start = processor_seconds();
            let records = (way.count)(black_box(&body.text));
            seconds.push(processor_seconds() - start);
            assert_eq!(records, body.records, "{} of {}", way.name, body.name);
        }
    }
    let speed = |seconds: f64| body.text.len() as f64 / seconds / 1e9;
    let figure = |mut seconds: Vec<f64>| {
        seconds.sort_by(f64::total_cmp);
        Figure { median: speed(seconds[seconds.len() / 2]), best: speed(seconds[0]) }
    };
    seconds.into_iter().map(figure).collect()
}

/// What this thread had of a processor: others may be busy at the same time.
fn processor_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn whole(mut counter: Counter, text: &[u8]) -> u64 {
    let records = counter.push(text, u64::MAX).expect("the body can be counted").records;
    records + counter.finish().expect("the body is whole")
}

/// As the gate does: each chunk on a clone, which is kept.
fn in_chunks(mut counter: Counter, text: &[u8]) -> u64 {
    let mut records = 0;
    for chunk in text.chunks(CHUNK_BYTES) {
        let mut probe = counter.clone();
        records += probe.push(chunk, u64::MAX).expect("the body can be counted").records;
        counter = probe;
    }
    records + counter.finish().expect("the body is whole")
}

/// What a plain scanner does: looks for quotes and brackets, and counts the commas of the array.
fn memchr_count(text: &[u8]) -> u64 {
    let (mut depth, mut commas, mut at) = (0_u32, 0, 0);
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => {
                while let Some(found) = memchr::memchr2(b'"', b'\\', &text[at..]) {
                    at += found + 1;
                    if text[at - 1] == b'"' {
                        break;
                    }
                    at += 1;
                }
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            b',' if depth == 1 => commas += 1,
            _ => {}
        }
    }
    commas + 1
}

fn stream(bytes: usize) {
    let orders = bodies::orders(BODY_BYTES).text;
    let mut counter = Counter::new(Format::Json);
    let (mut streamed, mut records) = (0, 0);
    let mut resident = Vec::new();
    let start = processor_seconds();
    while streamed < bytes {
        for chunk in orders.chunks(CHUNK_BYTES) {
            let mut probe = counter.clone();
            records += probe.push(chunk, u64::MAX).expect("the body can be counted").records;
            counter = probe;
            streamed += chunk.len();
        }
        resident.push(memory_kb("VmRSS:"));
    }
    let seconds = processor_seconds() - start;
    let (first, last) = (resident[0], resident[resident.len() - 1]);
    println!("{} bytes, {records} records, {:.2} GB/s", streamed, streamed as f64 / seconds / 1e9);
    println!("state of the counter: {} bytes", size_of::<Counter>());
    println!(
        "VmRSS after the first 10 MB {first} kB, at the end {last} kB, grown by {} kB",
        last.saturating_sub(first)
    );
    println!("VmHWM {} kB, of the runs before with their parsed values", memory_kb("VmHWM:"));
}

fn memory_kb(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or_default()
}
