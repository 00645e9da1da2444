//! What the kernel says of a process, and where processes may run.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::thread::{CpuSet, sched_setaffinity};

/// Time that all threads of a process have had on a core, the ended ones too.
pub fn cpu(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the process has ended")?;
    // The name, in brackets, may hold anything.
    let after_name = stat.rsplit_once(')').context("`stat` can't be read")?.1;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let (user, system) = (ticks(), ticks());
    let ticks = user.zip(system).map(|(user, system)| user + system).context("`stat` can't be read")?;
    Ok(Duration::from_nanos(ticks * 1_000_000_000 / rustix::param::clock_ticks_per_second()))
}

/// Memory of a process in bytes.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Memory {
    pub resident: u64,
    /// Not backed by files: heap and stacks.
    pub anonymous: u64,
    /// Of the program itself, and of files that are mapped.
    pub file: u64,
}

pub fn memory(pid: u32) -> Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("the process has ended")?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
    };
    Ok(Memory {
        resident: field("VmRSS").context("`status` can't be read")?,
        anonymous: field("RssAnon").unwrap_or_default(),
        file: field("RssFile").unwrap_or_default() + field("RssShmem").unwrap_or_default(),
    })
}

/// Descriptors that a process has open.
pub fn descriptors(pid: u32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd")).context("the process has ended")?.count())
}

pub fn threads(pid: u32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/task")).context("the process has ended")?.count())
}

/// This thread, and what it starts from now on, runs on these cores only.
pub fn pin(cores: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core);
    }
    sched_setaffinity(None, &set).with_context(|| format!("cores {cores:?} can't be had"))
}

/// As many descriptors as may be had.
pub fn raise_descriptors() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let had = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: had.maximum, maximum: had.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(1 << 20)
}
