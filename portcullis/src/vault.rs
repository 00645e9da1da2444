//! Secrets at rest: each file sealed under a data key of its own, which the master key wraps.
//!
//! A sealed file is one line of JSON: `{"sealed":1,"wraps":[{"master":ID,"key":B64}],"data":B64}`, base64url
//! without padding. `key` and `data` are AES-256-GCM (NIST SP 800-38D) as nonce ‖ ciphertext ‖ tag, with the
//! file's name in the folder as associated data: no file can be passed off as another. While the
//! master key is changed a file holds two wraps, so that one of the two keys opens everything at
//! every moment.

mod local;
mod lost;
mod rewrap;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::settings::write_whole;
pub use local::{LocalMaster, new_master};
pub use lost::{REPLACED, Replaced, replace_lost};
pub use rewrap::rewrap;

/// Where the master key comes from when nothing is said.
pub const OWN_MASTER: &str = "master.key";
/// The longest file that is read.
const BYTES_MAX: u64 = 1024 * 1024;
/// Of each folder: more tunnels and people than any installation has.
const FILES_MAX: usize = 100_000;

/// Whoever wraps data keys: a key in a file or in the environment here, a key management service
/// behind the same three calls.
pub trait Master: Send + Sync {
    /// Names the key in what it wrapped; says nothing about it.
    fn id(&self) -> &str;

    /// # Errors
    /// It can't be asked.
    fn wrap(&self, data_key: &[u8; 32], name: &str) -> Result<Vec<u8>>;

    /// # Errors
    /// It can't be asked, or has not wrapped this.
    fn unwrap(&self, wrapped: &[u8], name: &str) -> Result<[u8; 32]>;
}

/// The secrets of the folder `keys`.
#[derive(Clone)]
pub struct Vault {
    folder: PathBuf,
    master: Arc<dyn Master>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    sealed: u8,
    wraps: Vec<Wrap>,
    data: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrap {
    master: String,
    key: String,
}

impl Vault {
    /// Opens the folder with the master key that is given (by the environment, or as a file), or
    /// with the folder's own, which the first start makes. Files that lie open are sealed.
    ///
    /// # Errors
    /// The master key is not there, or is not the one that files are sealed with.
    pub fn open(folder: &Path, given: Option<&Path>) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("can't make `{}`", folder.display()))?;
        let vault = Self { folder: folder.to_owned(), master: Arc::new(find_master(folder, given)?) };
        let foreign = vault.foreign()?;
        if !foreign.is_empty() {
            return Err(lost::wrong(folder, vault.master.id(), &foreign));
        }
        for path in secrets(folder)? {
            let bytes = bounded(&path)?;
            if parse(&bytes).is_none() {
                vault.write(&path, &bytes)?;
            }
        }
        Ok(vault)
    }

    /// What a secret file holds, sealed or not.
    ///
    /// # Errors
    /// It isn't there, or can't be opened.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>> {
        let bytes = bounded(path)?;
        match parse(&bytes) {
            Some(sealed) => self.unseal(path, &sealed),
            None => Ok(bytes),
        }
    }

    /// Writes `secret`, sealed, for this user alone.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&self, path: &Path, secret: &[u8]) -> Result<()> {
        let name = self.name(path);
        let data_key = local::random()?;
        let sealed = Sealed {
            sealed: 1,
            wraps: vec![Wrap {
                master: self.master.id().to_owned(),
                key: URL_SAFE_NO_PAD.encode(self.master.wrap(&data_key, &name)?),
            }],
            data: URL_SAFE_NO_PAD.encode(local::seal(&data_key, secret, &name)?),
        };
        write_whole(path, &serde_json::to_vec(&sealed)?, 0o600)
    }

    fn unseal(&self, path: &Path, sealed: &Sealed) -> Result<Vec<u8>> {
        let name = self.name(path);
        let own = sealed.wraps.iter().find(|wrap| wrap.master == self.master.id());
        let Some(own) = own else {
            return Err(lost::wrong(&self.folder, self.master.id(), &[path.to_owned()]));
        };
        let damaged = || anyhow!("`{}` is damaged\nhint: restore it from a backup", path.display());
        let key = URL_SAFE_NO_PAD.decode(&own.key).map_err(|_| damaged())?;
        let data_key = self.master.unwrap(&key, &name).map_err(|_| damaged())?;
        let data = URL_SAFE_NO_PAD.decode(&sealed.data).map_err(|_| damaged())?;
        local::unseal(&data_key, &data, &name).ok_or_else(damaged)
    }

    /// Sealed files that this master key doesn't open.
    fn foreign(&self) -> Result<Vec<PathBuf>> {
        let mut foreign = Vec::new();
        for path in secrets(&self.folder)? {
            let own = parse(&bounded(&path)?)
                .is_none_or(|sealed| sealed.wraps.iter().any(|wrap| wrap.master == self.master.id()));
            if !own {
                foreign.push(path);
            }
        }
        Ok(foreign)
    }

    /// As associated data: the place in the folder.
    fn name(&self, path: &Path) -> String {
        path.strip_prefix(&self.folder).unwrap_or(path).display().to_string()
    }
}

/// A master key that sealed files ask for.
pub struct Needed {
    pub id: String,
    /// Whether it lies in the folder itself.
    pub is_own: bool,
}

/// The master key that opens the folder's files, or most of them; none where nothing is sealed.
///
/// # Errors
/// The folder can't be read.
pub fn needed(folder: &Path) -> Result<Option<Needed>> {
    let own = folder.join(OWN_MASTER);
    // One that can't be used opens nothing.
    let own = if own.exists() { LocalMaster::read(&own).ok() } else { None };
    let is_own = |id: &str| own.as_ref().is_some_and(|own| own.id() == id);
    let mut opened: BTreeMap<String, usize> = BTreeMap::new();
    for path in secrets(folder)? {
        for wrap in parse(&bounded(&path)?).into_iter().flat_map(|sealed| sealed.wraps) {
            *opened.entry(wrap.master).or_default() += 1;
        }
    }
    // While the master key is being changed two may open everything: then the one that is at hand.
    let most = opened.into_iter().max_by_key(|(id, files)| (*files, is_own(id)));
    Ok(most.map(|(id, _)| Needed { is_own: is_own(&id), id }))
}

fn find_master(folder: &Path, given: Option<&Path>) -> Result<LocalMaster> {
    if let Some(master) = given_master(given)? {
        return Ok(master);
    }
    let own = folder.join(OWN_MASTER);
    if own.exists() {
        return LocalMaster::read(&own);
    }
    if any_sealed(folder)? {
        return Err(lost::missing(folder));
    }
    new_master(&own)?;
    LocalMaster::read(&own)
}

/// The environment's, or the file's.
fn given_master(given: Option<&Path>) -> Result<Option<LocalMaster>> {
    const VARIABLE: &str = "PORTCULLIS_MASTER_KEY";
    match (std::env::var(VARIABLE), given) {
        (Ok(text), None) if !text.is_empty() => {
            LocalMaster::parse(&text).with_context(|| format!("`{VARIABLE}` can't be used")).map(Some)
        }
        (Ok(text), Some(_)) if !text.is_empty() => {
            bail!("two master keys are given, by `{VARIABLE}` and as a file\nhint: give one of them")
        }
        (_, Some(file)) => LocalMaster::read(file).map(Some),
        _ => Ok(None),
    }
}

fn any_sealed(folder: &Path) -> Result<bool> {
    for path in secrets(folder)? {
        if parse(&bounded(&path)?).is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The files that hold secrets, in a stable order; not those that an operator brought.
fn secrets(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in
        [folder.to_owned(), folder.join("signing"), folder.join("authorities"), folder.join("tunnels")]
    {
        if !folder.is_dir() {
            continue;
        }
        let entries = fs::read_dir(&folder).with_context(|| format!("can't read `{}`", folder.display()))?;
        for entry in entries.take(FILES_MAX) {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let is_secret = name.ends_with(".key") || name.ends_with(".pem");
            if is_secret && name != OWN_MASTER && !name.ends_with(".external.key") && path.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn parse(bytes: &[u8]) -> Option<Sealed> {
    serde_json::from_slice(bytes).ok().filter(|sealed: &Sealed| sealed.sealed == 1)
}

fn bounded(path: &Path) -> Result<Vec<u8>> {
    let reading = || {
        format!(
            "can't read `{}`\nhint: restore it from a backup; the data directory is not whole without it",
            path.display()
        )
    };
    if fs::metadata(path).with_context(reading)?.len() > BYTES_MAX {
        bail!("`{}` is no key: it is longer than a mebibyte", path.display());
    }
    fs::read(path).with_context(reading)
}

#[cfg(test)]
mod tests;
