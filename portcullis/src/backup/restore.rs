//! Reading a backup: to look whether it is whole, or to make a directory of it.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use portcullis_store::{DataDirectory, ledger_size, verify_file};

use super::pack;
use super::seal::{Identity, Opener};
use super::{MARK, Manifest, Mark};
use crate::settings::write_whole;

const MEMORY: &str = "gate-memory";
/// Marks of vendors whose documents were shredded: the next start takes away what the backup brought back of them.
const SHREDDED: &str = "documents/shredded";
/// Credentials of tunnels, a file each.
const TUNNELS: &str = "keys/tunnels";
const SUBJECT_KEYS: &str = "subject_keys.sqlite";

/// What was restored.
pub struct Restored {
    pub manifest: Manifest,
    /// Where what was there before lies now.
    pub before: Option<PathBuf>,
}

/// Decrypts all of it, and compares every digest.
pub fn verify(file: &Path, identity: &Identity) -> Result<Manifest> {
    open(file, identity, |_| Ok(io::sink()))
}

/// Makes `directory` what it was. Nothing is there before all of it was read and verified.
pub async fn restore(
    file: &Path,
    identity: &Identity,
    directory: &Path,
    force_over: bool,
    progress: &mut dyn FnMut(&str),
) -> Result<Restored> {
    let shown = directory.display();
    let taken = fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some());
    if taken && !force_over {
        bail!(
            "`{shown}` is not empty\nhint: name an empty folder; `--force-over` replaces a stopped installation, and keeps what its gate remembers"
        );
    }
    // A running one is refused here, and none can start until the end.
    let held = if taken { Some(DataDirectory::open(directory)?) } else { None };
    let part = beside(directory, "restoring")?;
    let _ = fs::remove_dir_all(&part);
    let unfinished = Unfinished(part.clone());
    make_folder(&part)?;
    progress("decrypting");
    let manifest = open(file, identity, |path| {
        let path = part.join(path);
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        let opened = File::options().write(true).create_new(true).mode(0o600).open(&path);
        opened.map(BufWriter::new).with_context(|| format!("can't write `{}`", path.display()))
    })?;
    progress("verifying the ledger");
    let verifier = manifest.ledger.key.parse()?;
    let report = verify_file(&part.join("ledger.sqlite"), &verifier, &mut |_| {}).await?;
    if let Some(fault) = report.fault {
        bail!("the ledger in `{}` is damaged: {fault}\nhint: restore an older backup", file.display());
    }
    let mut known_later = None;
    if held.is_some() {
        known_later = ledger_size(&directory.join("ledger.sqlite")).await.ok();
        keep(directory, &part)?;
    }
    let mark = Mark {
        backup_time: manifest.time,
        size: manifest.ledger.size,
        root: manifest.ledger.root.clone(),
        known_later: known_later.filter(|size| *size > manifest.ledger.size),
    };
    write_whole(&part.join(MARK), &serde_json::to_vec_pretty(&mark)?, 0o600)?;
    rustix::fs::syncfs(File::open(&part)?).with_context(|| format!("can't sync `{}`", part.display()))?;
    let before = if taken { Some(beside(directory, "before-restore")?) } else { None };
    match &before {
        Some(before) if before.exists() => {
            bail!("`{}` is there from an earlier restoration\nhint: move it away", before.display())
        }
        Some(before) => {
            fs::rename(directory, before).with_context(|| format!("can't move `{shown}` away"))?
        }
        // An empty folder may be there.
        None => {
            let _ = fs::remove_dir(directory);
        }
    }
    fs::rename(&part, directory).with_context(|| format!("can't make `{shown}`"))?;
    std::mem::forget(unfinished);
    drop(held);
    Ok(Restored { manifest, before })
}

/// What the place knows better than a backup: what its gate remembers, whose texts were erased and documents
/// shredded, and which credentials of tunnels are void. Keys are only added and destroyed, so those that are here hold all that the backup may still open.
fn keep(directory: &Path, part: &Path) -> Result<()> {
    for folder in [MEMORY, SHREDDED] {
        keep_files(&directory.join(folder), &part.join(folder))?;
    }
    let keys = directory.join(SUBJECT_KEYS);
    if keys.exists() {
        fs::copy(&keys, part.join(SUBJECT_KEYS))
            .with_context(|| format!("can't keep `{}`", keys.display()))?;
    }
    forget_void(&directory.join(TUNNELS), &part.join(TUNNELS))
}

/// A file that is gone from here was taken away: others were issued since, or the person has left. A tunnel without its
/// file is closed, and opens by credentials issued anew.
fn forget_void(here: &Path, restored: &Path) -> Result<()> {
    if !here.is_dir() || !restored.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(restored)? {
        let path = entry?.path();
        let known = path.file_name().is_some_and(|name| here.join(name).exists());
        if !known {
            fs::remove_file(&path).with_context(|| format!("can't remove `{}`", path.display()))?;
        }
    }
    Ok(())
}

fn keep_files(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        return Ok(());
    }
    make_folder(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn open<W: io::Write>(
    file: &Path,
    identity: &Identity,
    place: impl FnMut(&str) -> Result<W>,
) -> Result<Manifest> {
    let shown = file.display();
    let opened = File::open(file).with_context(|| format!("can't read `{shown}`"))?;
    let mut opener = Opener::new(BufReader::with_capacity(1 << 17, opened), identity)
        .with_context(|| format!("`{shown}` can't be opened"))?;
    pack::read(&mut opener, place).with_context(|| format!("`{shown}` is not whole"))
}

fn make_folder(path: &Path) -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("can't make `{}`", path.display()))
}

/// `DIR.NAME`, on the same file system.
fn beside(directory: &Path, name: &str) -> Result<PathBuf> {
    let Some(own) = directory.file_name() else {
        bail!("`{}` is no folder to restore to", directory.display())
    };
    let mut own = own.to_owned();
    own.push(format!(".{name}"));
    Ok(directory.with_file_name(own))
}

/// Nothing half is left behind.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_shredded_here_stays_marked() {
        let (here, part) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        make_folder(&here.path().join(SHREDDED)).unwrap();
        fs::write(here.path().join(SHREDDED).join("a"), "\n").unwrap();
        make_folder(&part.path().join(SHREDDED)).unwrap();
        fs::write(part.path().join(SHREDDED).join("b"), "\n").unwrap();
        keep(here.path(), part.path()).unwrap();
        for mark in ["a", "b"] {
            assert!(part.path().join(SHREDDED).join(mark).exists(), "{mark}");
        }
        keep(&here.path().join("nothing"), part.path()).unwrap();
    }

    #[test]
    fn credentials_of_tunnels_that_were_taken_away_here_do_not_come_back() {
        let (here, part) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let tunnels = |folder: &tempfile::TempDir, names: &[&str]| {
            make_folder(&folder.path().join(TUNNELS)).unwrap();
            names.iter().for_each(|name| fs::write(folder.path().join(TUNNELS).join(name), name).unwrap());
        };
        tunnels(&part, &["revoked.key", "same.key"]);
        keep(here.path(), part.path()).unwrap();
        let there = |name: &str| part.path().join(TUNNELS).join(name).exists();
        assert!(there("revoked.key") && there("same.key"), "nothing is known where there were never any");
        tunnels(&here, &["same.key", "later.key"]);
        keep(here.path(), part.path()).unwrap();
        assert_eq!(["revoked.key", "same.key", "later.key"].map(there), [false, true, false]);
    }
}
