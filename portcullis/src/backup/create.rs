//! Making a backup of a directory, while its installation runs or not.

use std::fs::{self, File};
use std::io::BufWriter;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_ledger::note::NoteVerifier;
use portcullis_store::{copy_ledger, copy_subject_keys, verify_file};

use super::pack::{put_file, put_manifest};
use super::seal::{Recipient, Sealer};
use super::{LedgerPart, MARK, Manifest, MasterPart};
use crate::vault;

/// What a backup leaves out: the process's own, tokens that open control to whoever reads them, and what belongs to
/// this machine's gate. The two databases are copied by themselves.
const LEFT_OUT: [&str; 9] = [
    "LOCK",
    "endpoints.json",
    "admin.token",
    "metrics.token",
    "gate-memory",
    "gate-risk",
    "lost+found",
    MARK,
    PART,
];
const DATABASES: [&str; 2] = ["ledger.sqlite", "subject_keys.sqlite"];
const PART: &str = ".backup-part";
const FILES_MAX: usize = 1_000_000;

/// What is to be backed up.
pub struct Source<'a> {
    pub directory: &'a Path,
    pub subject_keys: bool,
    pub now: jiff::Timestamp,
}

/// Writes a backup to `file`, whole or not at all.
pub async fn create(
    source: &Source<'_>,
    file: &Path,
    recipient: &Recipient,
    progress: &mut dyn FnMut(&str),
) -> Result<Manifest> {
    let directory = source.directory;
    if !directory.join("FORMAT").exists() {
        bail!("`{}` is no data folder\nhint: give `--dir DIR` of an installation", directory.display());
    }
    if file.exists() {
        bail!("`{}` is there already\nhint: name another file", file.display());
    }
    // Beside the ledger: what is not encrypted yet must not leave its place.
    let part = Part::make(directory.join(PART))?;
    progress("copying the ledger");
    let copy = part.0.join("ledger.sqlite");
    let head = copy_ledger(&directory.join("ledger.sqlite"), &copy).await?;
    let verifier = verifier(directory)?;
    progress("verifying the copy");
    let report = verify_file(&copy, &verifier, &mut |_| {}).await?;
    if let Some(fault) = report.fault {
        bail!(
            "the ledger is damaged: {fault}\nhint: nothing was written; restore the last good backup, or copy the folder by hand and look at the disk"
        );
    }
    let ledger = LedgerPart { size: head.size, root: STANDARD.encode(head.root), key: verifier.to_string() };
    let unfinished = file.with_extension("part");
    let sealed = File::options().write(true).create(true).truncate(true).mode(0o600).open(&unfinished);
    let sealed = sealed.with_context(|| format!("can't write `{}`", unfinished.display()))?;
    let mut out = Sealer::new(BufWriter::new(sealed), recipient)?;
    let mut files = Vec::new();
    let mut add = |path: &str, from: &Path, out: &mut Sealer<_>| -> Result<()> {
        // Segments come and go while it runs.
        let Ok(mut opened) = File::open(from) else { return Ok(()) };
        let bytes = opened.metadata()?.len();
        files.push(
            put_file(out, path, &mut opened, bytes).with_context(|| format!("can't back up `{path}`"))?,
        );
        Ok(())
    };
    add("ledger.sqlite", &copy, &mut out)?;
    // After the ledger: every text in it has its key by now, unless it was erased.
    if source.subject_keys {
        let copy = part.0.join("subject_keys.sqlite");
        copy_subject_keys(&directory.join("subject_keys.sqlite"), &copy)?;
        add("subject_keys.sqlite", &copy, &mut out)?;
    }
    progress("packing the other files");
    for path in others(directory)? {
        let Some(name) = path.to_str() else { continue };
        add(name, &directory.join(&path), &mut out)?;
    }
    let manifest = Manifest {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        time: source.now,
        ledger,
        subject_keys: source.subject_keys,
        master_key: vault::needed(&directory.join("keys"))?
            .map(|needed| MasterPart { id: needed.id, included: needed.is_own }),
        files,
    };
    put_manifest(&mut out, manifest.clone())?;
    let written = out.finish()?.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    written.sync_all()?;
    fs::rename(&unfinished, file).with_context(|| format!("can't write `{}`", file.display()))?;
    Ok(manifest)
}

/// The key that the ledger's checkpoints verify with, which a start writes down beside the sealed private one.
fn verifier(directory: &Path) -> Result<NoteVerifier> {
    let path = directory.join("keys/checkpoint.vkey");
    let text = fs::read_to_string(&path).with_context(|| {
        format!("can't read `{}`\nhint: start the installation once: it writes this file", path.display())
    })?;
    text.trim().parse().with_context(|| format!("`{}` can't be read", path.display()))
}

/// Every other file, by its path inside of the directory.
fn others(directory: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        let within = directory.join(&folder);
        let entries = fs::read_dir(&within).with_context(|| format!("can't read `{}`", within.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let top = folder.as_os_str().is_empty();
            let database = |name: &str| DATABASES.iter().any(|database| name.starts_with(database));
            if top && (LEFT_OUT.iter().any(|left| name == *left) || name.to_str().is_some_and(database)) {
                continue;
            }
            // Half of what is being written at this moment; and what says which segments there must be, which is true of
            // this place and this moment only.
            if name.to_str().is_some_and(|name| name.ends_with(".new") || name.ends_with(".journal")) {
                continue;
            }
            let path = folder.join(name);
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                found.push(path);
            }
            if found.len() > FILES_MAX {
                bail!("`{}` has more than {FILES_MAX} files", directory.display());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A folder for what is not encrypted yet; gone at the end.
struct Part(PathBuf);

impl Part {
    fn make(path: PathBuf) -> Result<Self> {
        // One that was killed has left it.
        let _ = fs::remove_dir_all(&path);
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("can't make `{}`", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
