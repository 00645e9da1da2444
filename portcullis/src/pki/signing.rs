//! The keys that tokens are signed with: one file for each, `keys/signing/KID.pem`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use portcullis_control::keys::{KeyRing, KeyRingError};
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;

use crate::vault::Vault;

/// Files that are read; a folder with more was filled by somebody else.
const FILES_MAX: usize = 256;

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
        let mut keys = Vec::new();
        let entries =
            fs::read_dir(&self.folder).with_context(|| format!("can't read `{}`", self.folder.display()))?;
        for entry in entries.take(FILES_MAX) {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "pem") {
                keys.push(super::read_signing_key(&self.vault, &path)?);
            }
        }
        Ok(keys)
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
        match fs::remove_file(self.path(kid)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(failed("a signing key can't be destroyed", error.into()))
            }
            _ => Ok(()),
        }
    }
}

fn failed(doing: &str, error: anyhow::Error) -> KeyRingError {
    KeyRingError { doing: doing.to_owned(), source: Some(error.into()) }
}
