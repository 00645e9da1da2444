//! The keys that tokens are signed with: one file for each, `keys/signing/KID.pem`; `KID.withdrawn.pem`, once it must
//! sign no more and the ledger can't be told.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use portcullis_control::keys::{KeyRing, KeyRingError};
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;

use crate::vault::Vault;

/// Files that are read; a folder with more was filled by somebody else.
const FILES_MAX: usize = 256;
const WITHDRAWN: &str = ".withdrawn.pem";

/// The folder `keys/signing`.
pub struct SigningFiles {
    folder: PathBuf,
    vault: Vault,
}

impl SigningFiles {
    /// Opens the folder; `earlier` is the one key that earlier versions kept, which moves into it.
    pub fn open(folder: PathBuf, vault: Vault, earlier: &std::path::Path) -> Result<Self> {
        fs::create_dir_all(&folder).with_context(|| format!("can't make `{}`", folder.display()))?;
        let files = Self { folder, vault };
        if earlier.exists() {
            let key = super::read_signing_key(&files.vault, earlier)?;
            files.keep(&key)?;
            fs::remove_file(earlier).with_context(|| format!("can't remove `{}`", earlier.display()))?;
        }
        Ok(files)
    }

    fn path(&self, kid: &str) -> PathBuf {
        self.folder.join(format!("{kid}.pem"))
    }

    fn keep(&self, key: &SigningKey) -> Result<()> {
        self.vault.write(&self.path(key.kid()), key.to_pkcs8()?.to_pem().as_bytes())
    }

    fn read(&self) -> Result<Vec<SigningKey>> {
        let names = self.names()?;
        let good = names.iter().filter(|name| name.ends_with(".pem") && !name.ends_with(WITHDRAWN));
        good.map(|name| super::read_signing_key(&self.vault, &self.folder.join(name))).collect()
    }

    fn names(&self) -> Result<Vec<String>> {
        let entries =
            fs::read_dir(&self.folder).with_context(|| format!("can't read `{}`", self.folder.display()))?;
        let mut names = Vec::new();
        for entry in entries.take(FILES_MAX) {
            // Another name is none of ours.
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    /// A name changes where nothing more can be written, too.
    fn mark(&self, kid: &str) -> Result<()> {
        let from = self.path(kid);
        match fs::rename(&from, self.withdrawn_path(kid)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("can't rename `{}`", from.display()));
            }
            _ => {}
        }
        let folder = fs::File::open(&self.folder).and_then(|folder| folder.sync_all());
        folder.with_context(|| format!("can't sync `{}`", self.folder.display()))
    }

    fn withdrawn_path(&self, kid: &str) -> PathBuf {
        self.folder.join(format!("{kid}{WITHDRAWN}"))
    }
}

impl KeyRing for SigningFiles {
    fn keys(&self) -> Result<Vec<SigningKey>, KeyRingError> {
        self.read().map_err(|error| failed("the signing keys can't be read", error))
    }

    fn make(&self) -> Result<SigningKey, KeyRingError> {
        let make = || {
            let key = SigningKey::generate(Algorithm::ES256)?;
            self.keep(&key)?;
            anyhow::Ok(key)
        };
        make().map_err(|error| failed("a signing key can't be made", error))
    }

    fn destroy(&self, kid: &str) -> Result<(), KeyRingError> {
        for path in [self.path(kid), self.withdrawn_path(kid)] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(failed("a signing key can't be destroyed", error.into()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn mark_withdrawn(&self, kid: &str) -> Result<(), KeyRingError> {
        self.mark(kid).map_err(|error| failed("a signing key can't be marked as withdrawn", error))
    }

    fn withdrawn(&self) -> Result<Vec<String>, KeyRingError> {
        let names = self.names().map_err(|error| failed("the signing keys can't be read", error))?;
        Ok(names.iter().filter_map(|name| name.strip_suffix(WITHDRAWN)).map(str::to_owned).collect())
    }
}

fn failed(doing: &str, error: anyhow::Error) -> KeyRingError {
    KeyRingError { doing: doing.to_owned(), source: Some(error.into()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_withdrawn_key_is_no_key_any_more_and_known_until_it_is_destroyed() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("signing");
        let open = || {
            let vault = Vault::open(folder.path(), None).unwrap();
            SigningFiles::open(keys.clone(), vault, &folder.path().join("signing.pem")).unwrap()
        };
        let files = open();
        let (stolen, other) = (files.make().unwrap(), files.make().unwrap());
        files.mark_withdrawn(stolen.kid()).unwrap();
        // Said again, and of one that isn't there.
        files.mark_withdrawn(stolen.kid()).unwrap();
        files.mark_withdrawn("nobody").unwrap();
        let files = open();
        let left: Vec<_> = files.keys().unwrap().iter().map(|key| key.kid().to_owned()).collect();
        assert_eq!(
            (left, files.withdrawn().unwrap()),
            (vec![other.kid().to_owned()], vec![stolen.kid().to_owned()])
        );
        files.destroy(stolen.kid()).unwrap();
        assert!(files.withdrawn().unwrap().is_empty());
        assert_eq!(fs::read_dir(&keys).unwrap().count(), 1);
    }
}
