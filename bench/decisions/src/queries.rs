//! Thirty days of decisions, and how long it takes to find some.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};
use portcullis_archive::{Archive, FileName, Filter, Hour};
use portcullis_domain::archive::{Content, SealedFiles};
use portcullis_domain::decision::{DecisionId, Verdict};
use portcullis_domain::reason::Reason;

use crate::generate::{self, Random};
use crate::{now_ns, quantile};

const HOURS: u64 = 30 * 24;
/// 2026-10-20T00:00:00Z.
const FIRST: Hour = Hour(1_792_454_400 / 3_600);
const PAGE: usize = 100;

pub fn measure(folder: &Path, rows: u64, rounds: usize) {
    let begun = now_ns();
    let (files, ids) = generate_all(folder, rows);
    let seconds = (now_ns() - begun) as f64 / 1e9;
    let (count, bytes) =
        files.values().fold((0, 0), |(count, bytes), sealed| (count + sealed.rows, bytes + sealed.bytes));
    println!(
        "{count} decisions of {} vendors over 30 days, made and written in {seconds:.0} s",
        generate::VENDORS
    );
    println!("  files                    {:>12}", files.len());
    println!("  bytes                    {:>12}  ({:.1} a decision)\n", bytes, bytes as f64 / count as f64);

    let archive = Archive::new(folder.join("archive"));
    let day = |number: u64| -> (Timestamp, Timestamp) {
        let start = Hour(FIRST.0 + number * 24).start();
        (start, start + SignedDuration::from_hours(24))
    };
    let of_day = |vendor: u64, number: u64| {
        let (since, until) = day(number);
        Filter {
            vendor: Some(generate::vendor(vendor)),
            since: Some(since),
            until: Some(until),
            ..Filter::default()
        }
    };
    // As after a start: each file is verified before anything is read from it.
    let begun = now_ns();
    let found = archive.newest(&files, &of_day(20, 17), PAGE).rows.len();
    told("a vendor's day, first page, first look since the start", begun, found);
    let begun = now_ns();
    let fresh = Archive::new(folder.join("archive"));
    let found = whole(&fresh, &files, of_day(20, 12));
    told("a vendor's day, whole, first look since the start", begun, found);
    let begun = now_ns();
    let found = whole(&fresh, &files, of_day(20, 12));
    told("a vendor's day, whole, once more", begun, found);
    let begun = now_ns();
    archive.rows_by_vendor(&files);
    told("every file verified and summed up", begun, files.len());

    println!("\n{rounds} of each over 30 days, first page of {PAGE}, ms: median, p99, longest");
    let mut random = Random(99);
    let base = Filter::default();
    type Make<'a> = Box<dyn FnMut(&mut Random) -> Filter + 'a>;
    let makes: Vec<(&str, Make<'_>)> = vec![
        (
            "vendor",
            Box::new(|random| Filter { vendor: Some(generate::vendor(random.below(60))), ..base.clone() }),
        ),
        ("vendor and day", Box::new(|random| of_day(random.below(60), random.below(30)))),
        (
            "client",
            Box::new(|random| Filter {
                client: Some(generate::client(random.below(60), random.below(8))),
                ..base.clone()
            }),
        ),
        ("verdict deny", Box::new(|_| Filter { verdict: Some(Verdict::Deny), ..base.clone() })),
        (
            "vendor, reason requests_limit",
            Box::new(|random| Filter {
                vendor: Some(generate::vendor(random.below(60))),
                reason: Some(Reason::RequestsLimit),
                ..base.clone()
            }),
        ),
        (
            "an hour of some day",
            Box::new(|random| {
                let since = Hour(FIRST.0 + random.below(HOURS)).start();
                Filter {
                    since: Some(since),
                    until: Some(since + SignedDuration::from_hours(1)),
                    ..base.clone()
                }
            }),
        ),
        (
            "vendor and a reason that one in a million has",
            Box::new(|random| Filter {
                vendor: Some(generate::vendor(random.below(60))),
                reason: Some(Reason::KeySevered),
                ..base.clone()
            }),
        ),
        (
            "a reason that one in a million has",
            Box::new(|_| Filter { reason: Some(Reason::KeySevered), ..base.clone() }),
        ),
        (
            "a reason that nobody has",
            Box::new(|_| Filter { reason: Some(Reason::BodyNotCountable), ..base.clone() }),
        ),
    ];
    for (name, mut make) in makes {
        // The rare ones look into many files.
        let rounds = if name.contains("million") { rounds.div_ceil(10) } else { rounds };
        let mut spent = Vec::new();
        let mut found = 0;
        for _ in 0..rounds {
            let filter = make(&mut random);
            let begun = now_ns();
            let answer = archive.newest(&files, &filter, PAGE);
            spent.push(now_ns() - begun);
            assert!(answer.unreadable.is_empty(), "{:?}", answer.unreadable);
            found += answer.rows.len();
        }
        line(name, spent, found as f64 / rounds as f64);
    }
    let mut spent = Vec::new();
    for _ in 0..rounds {
        let id = ids[random.below(ids.len() as u64) as usize];
        let begun = now_ns();
        assert!(archive.find(&files, id).expect("a look").is_some());
        spent.push(now_ns() - begun);
    }
    line("explain", spent, 1.0);
    let mut spent = Vec::new();
    for _ in 0..rounds {
        let at_ms = FIRST.start_ms() + random.below(HOURS * 3_600_000);
        let begun = now_ns();
        assert!(archive.find(&files, DecisionId::new(at_ms, [0; 10])).expect("a look").is_none());
        spent.push(now_ns() - begun);
    }
    line("explain of what isn't there", spent, 0.0);
}

/// All of a query's pages.
fn whole(archive: &Archive, files: &SealedFiles, mut filter: Filter) -> usize {
    let mut all = 0;
    loop {
        let found = archive.newest(files, &filter, 1_000).rows;
        all += found.len();
        filter.below = found.last().map(|row| row.record.id);
        if found.len() < 1_000 {
            return all;
        }
    }
}

fn told(name: &str, begun: u64, found: usize) {
    println!("  {name:<56} {:>9.1} ms, {found} found", (now_ns() - begun) as f64 / 1e6);
}

fn line(name: &str, mut spent: Vec<u64>, found: f64) {
    spent.sort_unstable();
    let ms = |ns: u64| ns as f64 / 1e6;
    let longest = spent.last().copied().unwrap_or(0);
    println!(
        "  {name:<46} {:>9.2} {:>9.2} {:>9.2}   {found:.1} found",
        ms(quantile(&spent, 500)),
        ms(quantile(&spent, 990)),
        ms(longest)
    );
}

/// By as many threads as there are cores; some ids of each file, to ask for.
fn generate_all(folder: &Path, rows: u64) -> (SealedFiles, Vec<DecisionId>) {
    let archive = Archive::new(folder.join("archive"));
    let (next, all) = (AtomicU64::new(0), Mutex::new((BTreeMap::new(), Vec::new())));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= HOURS {
                        return;
                    }
                    let hour = Hour(FIRST.0 + number);
                    let made = generate::hour(hour, rows / HOURS);
                    let some: Vec<_> =
                        made.iter().step_by(made.len() / 5 + 1).map(|row| row.record.id).collect();
                    let name = FileName { hour, content: Content::Decisions, part: 1, revision: 0 };
                    let sealed = archive.write(name, made.into_iter().map(Ok), &mut |_| ());
                    let sealed = sealed.expect("a file").expect("rows");
                    let (files, ids) = &mut *all.lock().expect("no panic");
                    files.insert((sealed.hour, sealed.file.clone()), sealed);
                    ids.extend(some);
                }
            });
        }
    });
    all.into_inner().expect("no panic")
}
