//! Records decisions as the gate does, seals them, and looks for some of a hundred million.
//! `--rows N` makes fewer, `--short` makes two million, `--dir D` puts them on another disk.

mod generate;
mod queries;
mod recording;
mod sealing;

use std::path::PathBuf;

/// As in the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1).cloned()
    };
    let is_short = arguments.iter().any(|argument| argument == "--short");
    let rows = value("--rows").map_or(if is_short { 2_000_000 } else { 100_000_000 }, |rows| {
        rows.parse().expect("--rows takes a number")
    });
    let base = value("--dir").map_or_else(std::env::temp_dir, PathBuf::from);
    // Removed at the end, whatever happens before.
    let folder = tempfile::tempdir_in(base).expect("a folder for the files");
    recording::measure(folder.path(), if is_short { 200_000 } else { 2_000_000 });
    sealing::measure(folder.path(), if is_short { 200_000 } else { 2_000_000 });
    queries::measure(folder.path(), rows, if is_short { 100 } else { 1_000 });
}

/// Nanoseconds of a clock that doesn't jump.
fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// What this thread had of its core.
fn cpu_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// Of sorted values, the one that so many in a thousand are not above.
fn quantile(sorted: &[u64], in_thousand: usize) -> u64 {
    sorted.get((sorted.len().saturating_sub(1)) * in_thousand / 1_000).copied().unwrap_or(0)
}
