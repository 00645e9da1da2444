//! What a replay needs beside the decision log: calls that belong to no decision, and what clients were compared with since when.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use portcullis_policy::risk_log::{
    CALLS_EXTENSION, CALLS_FOLDER, Line, PEERS_EXTENSION, PEERS_FOLDER, PeersFile,
};
use portcullis_policy::risks::Risks;
use portcullis_risk::Peers;

use super::DAYS_KEPT;

const DAY_US: i64 = 86_400_000_000;
/// Of a day's calls: further ones are gaps in a replay.
const CALLS_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Longer ones are none of ours.
const PEERS_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// New peers are said so long before they are in use: no call of that time is under way any more when it comes.
const LEAD_US: i64 = 2_000_000;

/// Files of one extension that are named by a number, the lowest first.
fn numbered(folder: &Path, extension: &str) -> Vec<(i64, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let number = |path: PathBuf| {
        let is_one = path.extension()? == extension;
        let number = path.file_stem()?.to_str()?.parse().ok()?;
        is_one.then_some((number, path))
    };
    let mut found: Vec<(i64, PathBuf)> = entries.filter_map(number).collect();
    found.sort();
    found
}

fn made(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Adds lines, each to the file of its day.
pub fn append(folder: &Path, lines: &[Line]) -> io::Result<()> {
    let folder = folder.join(CALLS_FOLDER);
    made(&folder)?;
    let mut by_day: BTreeMap<i64, Vec<u8>> = BTreeMap::new();
    for line in lines {
        let text = by_day.entry(line.at_us().div_euclid(DAY_US)).or_default();
        serde_json::to_writer(&mut *text, line)?;
        text.push(b'\n');
    }
    for (day, text) in by_day {
        let path = folder.join(format!("{day}.{CALLS_EXTENSION}"));
        let mut file = File::options().append(true).create(true).mode(0o600).open(&path)?;
        if file.metadata()?.len() + text.len() as u64 > CALLS_BYTES_MAX {
            return Err(io::Error::other("the day's calls are too many"));
        }
        file.write_all(&text)?;
    }
    Ok(())
}

/// Removes what is older than the copies of days.
pub fn remove_old(folder: &Path, today: i64) {
    let oldest = today - DAYS_KEPT as i64;
    for (day, path) in numbered(&folder.join(CALLS_FOLDER), CALLS_EXTENSION) {
        if day < oldest {
            let _ = fs::remove_file(path);
        }
    }
    // Of peers those are kept, too, that were in use when the oldest day began.
    let mut peers = numbered(&folder.join(PEERS_FOLDER), PEERS_EXTENSION);
    let first = peers.iter().rposition(|(from_us, _)| *from_us <= oldest * DAY_US).unwrap_or(0);
    peers.truncate(first.min(peers.len().saturating_sub(2)));
    for (_, path) in peers {
        let _ = fs::remove_file(path);
    }
}

/// Puts those peers to use that were in use before, and says since when they are.
///
/// # Errors
/// They can't be read: then there are none.
pub fn recall(folder: &Path, risks: &Risks) -> io::Result<Option<i64>> {
    let found = numbered(&folder.join(PEERS_FOLDER), PEERS_EXTENSION);
    let newest = found.len().saturating_sub(2);
    let mut since = None;
    for (from_us, path) in found.into_iter().skip(newest) {
        if fs::metadata(&path)?.len() > PEERS_BYTES_MAX {
            return Err(io::Error::other("the file is too long"));
        }
        let file: PeersFile = serde_json::from_slice(&fs::read(&path)?)?;
        put_to_use(risks, &file.compiled(), from_us);
        since = Some(from_us);
    }
    Ok(since)
}

/// Writes new peers and puts them to use from a moment on that has not come yet. Whether that was so to the end.
pub fn turn(folder: &Path, risks: &Risks, file: &PeersFile, now_us: impl Fn() -> i64) -> io::Result<bool> {
    let folder = folder.join(PEERS_FOLDER);
    made(&folder)?;
    let beside = folder.join("new");
    let mut new = File::options().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    new.write_all(&serde_json::to_vec(file)?)?;
    new.sync_all()?;
    let compiled = file.compiled();
    let from_us = now_us() + LEAD_US;
    fs::rename(&beside, folder.join(format!("{from_us}.{PEERS_EXTENSION}")))?;
    put_to_use(risks, &compiled, from_us);
    Ok(now_us() < from_us)
}

fn put_to_use(risks: &Risks, compiled: &BTreeMap<portcullis_domain::ids::VendorId, Peers>, from_us: i64) {
    for vendor in compiled.keys() {
        // Made, if nobody has asked for them yet.
        risks.peers(*vendor);
    }
    for (vendor, cell) in risks.all_peers() {
        cell.turn(from_us, compiled.get(&vendor).cloned().unwrap_or_default());
    }
}
