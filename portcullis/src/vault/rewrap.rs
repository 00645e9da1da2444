//! Another master key for everything that is sealed.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{
    LocalMaster, Master as _, OWN_MASTER, Sealed, Vault, Wrap, bounded, find_master, parse, secrets,
};
use crate::settings::write_whole;

/// Has `new` open what the master key in use opens, and then nothing else. First every file gets a
/// second wrap, then every first one goes: whenever it breaks off, one of the two keys opens all of
/// them, and doing it again goes on. Answers how many files there are.
///
/// # Errors
/// A file can't be opened by either key, or not be written.
pub fn rewrap(folder: &Path, given: Option<&Path>, new: &Path) -> Result<usize> {
    let new_master = LocalMaster::read(new)?;
    let files = secrets(folder)?;
    let mut sealed_files = Vec::new();
    for path in &files {
        if let Some(sealed) = parse(&bounded(path)?) {
            sealed_files.push((path, sealed));
        }
    }
    let has = |sealed: &Sealed| sealed.wraps.iter().any(|wrap| wrap.master == new_master.id());
    if !sealed_files.iter().all(|(_, sealed)| has(sealed)) {
        let old = find_master(folder, given)?;
        if old.id() == new_master.id() {
            bail!(
                "`{}` is the master key in use already\nhint: `portcullis keys new-master FILE` makes another",
                new.display()
            );
        }
        let vault = Vault { folder: folder.to_owned(), master: std::sync::Arc::new(old) };
        let foreign: Vec<_> = sealed_files
            .iter()
            .filter(|(_, sealed)| {
                !has(sealed) && sealed.wraps.iter().all(|wrap| wrap.master != vault.master.id())
            })
            .map(|(path, _)| (*path).clone())
            .collect();
        if !foreign.is_empty() {
            return Err(super::lost::wrong(folder, vault.master.id(), &foreign));
        }
        for (path, sealed) in &mut sealed_files {
            let name = vault.name(path);
            let Some(own) = sealed.wraps.iter().find(|wrap| wrap.master == vault.master.id()) else {
                continue;
            };
            if has(sealed) {
                continue;
            }
            let data_key = vault.master.unwrap(&URL_SAFE_NO_PAD.decode(&own.key)?, &name)?;
            let key = URL_SAFE_NO_PAD.encode(new_master.wrap(&data_key, &name)?);
            sealed.wraps.push(Wrap { master: new_master.id().to_owned(), key });
            write_whole(path, &serde_json::to_vec(&*sealed)?, 0o600)?;
        }
    }
    for (path, sealed) in &mut sealed_files {
        sealed.wraps.retain(|wrap| wrap.master == new_master.id());
        write_whole(path, &serde_json::to_vec(&*sealed)?, 0o600)?;
    }
    // What lay open is sealed by the new one, too.
    let vault = Vault { folder: folder.to_owned(), master: std::sync::Arc::new(new_master) };
    for path in &files {
        let bytes = bounded(path)?;
        if parse(&bytes).is_none() {
            vault.write(path, &bytes)?;
        }
    }
    let own = folder.join(OWN_MASTER);
    if given.is_none() && own.exists() && fs::canonicalize(&own).ok() != fs::canonicalize(new).ok() {
        fs::remove_file(&own).with_context(|| format!("can't remove `{}`", own.display()))?;
    }
    Ok(files.len())
}
