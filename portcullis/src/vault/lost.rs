//! A master key that is gone: what is lost with it, what still works, and how to go on.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Error, Result, anyhow, bail};
use serde::{Deserialize, Serialize};

use super::{Master as _, bounded, find_master, parse, secrets};
use crate::settings::write_whole;

/// Told to the next start, which makes what is missing and records it.
pub const REPLACED: &str = "replaced.json";

#[derive(Serialize, Deserialize, Default)]
pub struct Replaced {
    /// Names of the files that were lost.
    pub lost: Vec<String>,
}

const LOST: &str = "\
without it are lost: the keys that sign tokens (every client must get a new token), the key that signs checkpoints (the \
ledger goes on under another), the keys of the CA and the servers (clients must trust a new `ca.crt`), and the \
personal texts of the ledger (they read as erased); \
what works without it: the ledger and its proofs verify, and its decisions and the decision log can be read";
const HINT: &str = "\
give it by `PORTCULLIS_MASTER_KEY` or `--master-key-file FILE`, or restore the file; if it is lost for good, `portcullis \
keys replace-lost --confirm` founds new keys";

pub(super) fn missing(folder: &Path) -> Error {
    anyhow!(
        "the master key is not there: no `PORTCULLIS_MASTER_KEY`, no `--master-key-file`, no `{}`; {LOST}\nhint: {HINT}",
        folder.join(super::OWN_MASTER).display()
    )
}

pub(super) fn wrong(folder: &Path, id: &str, foreign: &[PathBuf]) -> Error {
    let first = foreign.first().cloned().unwrap_or_default();
    let sealed = bounded(&first).ok().and_then(|bytes| parse(&bytes));
    let by =
        sealed.and_then(|sealed| sealed.wraps.first().map(|wrap| wrap.master.clone())).unwrap_or_default();
    let name = first.strip_prefix(folder).unwrap_or(&first).display();
    anyhow!(
        "the master key `{id}` is another than `{by}`, which sealed {} of the files in `{}`, `{name}` first; {LOST}\nhint: {HINT}",
        foreign.len(),
        folder.display()
    )
}

/// Puts aside what no key opens, in a folder beside, and tells the next start. `directory` is not in use.
/// Answers the names of the files.
///
/// # Errors
/// Nothing is lost, or a file can't be moved.
pub fn replace_lost(directory: &Path, given: Option<&Path>, aside: &str) -> Result<Vec<String>> {
    let folder = directory.join("keys");
    let master = find_master(&folder, given).ok();
    let opens = |id: &str| master.as_ref().is_some_and(|master| master.id() == id);
    let mut lost = Vec::new();
    for path in secrets(&folder)? {
        let Some(sealed) = parse(&bounded(&path)?) else { continue };
        if !sealed.wraps.iter().any(|wrap| opens(&wrap.master)) {
            lost.push(path);
        }
    }
    if lost.is_empty() {
        bail!(
            "nothing is lost: the master key opens every file\nhint: a signing key that is missing is told at the start"
        );
    }
    let name_of = |path: &PathBuf| path.strip_prefix(&folder).unwrap_or(path).display().to_string();
    let names: Vec<String> = lost.iter().map(name_of).collect();
    let aside = folder.join(aside);
    for folder in ["signing", "authorities", "tunnels"] {
        fs::create_dir_all(aside.join(folder))
            .with_context(|| format!("can't make `{}`", aside.display()))?;
    }
    // Told first: when this breaks off, the next start knows, and doing it again goes on.
    let before: Replaced = fs::read(folder.join(REPLACED))
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let mut told = Replaced { lost: before.lost };
    told.lost.extend(names.iter().filter(|name| !before_has(&told.lost, name)).cloned().collect::<Vec<_>>());
    write_whole(&folder.join(REPLACED), &serde_json::to_vec(&told)?, 0o600)?;
    if names.iter().any(|name| name == "checkpoint.pem") {
        keep_former(&folder)?;
    }
    let mut moves: Vec<(PathBuf, PathBuf)> =
        lost.iter().map(|path| (path.clone(), aside.join(name_of(path)))).collect();
    if names.iter().any(|name| name == "ca.key") {
        moves.push((folder.join("ca.crt"), aside.join("ca.crt")));
    }
    if names.iter().any(|name| name == "subjects.key") {
        for name in ["subject_keys.sqlite", "subject_keys.sqlite-journal"] {
            moves.push((directory.join(name), aside.join(name)));
        }
    }
    if names.iter().any(|name| name == "documents.key") {
        moves.push((directory.join("documents"), aside.join("documents")));
    }
    for (from, to) in moves {
        if from.exists() {
            fs::rename(&from, &to).with_context(|| format!("can't move `{}`", from.display()))?;
        }
    }
    Ok(names)
}

fn before_has(lost: &[String], name: &String) -> bool {
    lost.contains(name)
}

/// Its notes verify on, by its public half.
fn keep_former(folder: &Path) -> Result<()> {
    let Ok(key) = fs::read_to_string(folder.join("checkpoint.vkey")) else { return Ok(()) };
    let path = folder.join("checkpoint.former");
    let mut former = fs::read_to_string(&path).unwrap_or_default();
    if !former.lines().any(|line| line == key.trim()) {
        former.push_str(&format!("{}\n", key.trim()));
    }
    write_whole(&path, former.as_bytes(), 0o644)
}
