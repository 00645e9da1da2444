//! A master key that lies in a file or in the environment.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Master;
use crate::clock::entropy;
use crate::settings::write_whole;

/// AES-256-GCM under 32 random bytes.
pub struct LocalMaster {
    id: String,
    key: [u8; 32],
}

impl LocalMaster {
    /// Reads 32 bytes as base64url.
    ///
    /// # Errors
    /// It is something else.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            anyhow!(
                "it is not a master key: 32 bytes as base64url, 43 characters\nhint: `portcullis keys new-master FILE` makes one"
            )
        };
        let bytes = URL_SAFE_NO_PAD.decode(text.trim().trim_end_matches('=')).map_err(|_| wrong())?;
        let key: [u8; 32] = bytes.try_into().map_err(|_| wrong())?;
        let named = digest(&SHA256, &[b"portcullis master key\n", key.as_slice()].concat());
        let id: String = named.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { id, key })
    }

    /// # Errors
    /// The file can't be read, or holds something else.
    pub fn read(path: &Path) -> Result<Self> {
        let reading = || {
            format!(
                "can't read the master key `{}`\nhint: is its disk mounted, and may this user read it?",
                path.display()
            )
        };
        let text = std::fs::read_to_string(path).with_context(reading)?;
        Self::parse(&text).with_context(|| format!("`{}` can't be used", path.display()))
    }
}

impl Master for LocalMaster {
    fn id(&self) -> &str {
        &self.id
    }

    fn wrap(&self, data_key: &[u8; 32], name: &str) -> Result<Vec<u8>> {
        seal(&self.key, data_key, name)
    }

    fn unwrap(&self, wrapped: &[u8], name: &str) -> Result<[u8; 32]> {
        let key = unseal(&self.key, wrapped, name).and_then(|key| key.try_into().ok());
        key.ok_or_else(|| anyhow!("master key `{}` has not wrapped this", self.id))
    }
}

/// Makes a master key in a new file, for this user alone.
///
/// # Errors
/// There is such a file, or it can't be written.
pub fn new_master(path: &Path) -> Result<()> {
    if path.exists() {
        bail!(
            "`{}` is there already\nhint: choose another file; what a master key has sealed is lost without it",
            path.display()
        );
    }
    write_whole(path, format!("{}\n", URL_SAFE_NO_PAD.encode(random()?)).as_bytes(), 0o600)
}

pub(super) fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    entropy()(&mut bytes);
    Ok(bytes)
}

/// Nonce ‖ ciphertext ‖ tag.
pub(super) fn seal(key: &[u8; 32], secret: &[u8], name: &str) -> Result<Vec<u8>> {
    let failed = |_| anyhow!("the cryptographic library refused, hint: is the system out of entropy?");
    let cipher = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(failed)?;
    let mut data = secret.to_vec();
    let nonce = cipher.seal_in_place_append_tag(associated(name), &mut data).map_err(failed)?;
    Ok([nonce.as_ref().as_slice(), &data].concat())
}

pub(super) fn unseal(key: &[u8; 32], sealed: &[u8], name: &str) -> Option<Vec<u8>> {
    let (nonce, data) = sealed.split_at_checked(NONCE_LEN)?;
    let cipher = RandomizedNonceKey::new(&AES_256_GCM, key).ok()?;
    let mut data = data.to_vec();
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let opened = cipher.open_in_place(nonce, associated(name), &mut data).ok()?;
    Some(opened.to_vec())
}

fn associated(name: &str) -> Aad<Vec<u8>> {
    Aad::from([b"portcullis sealed file 1\n", name.as_bytes()].concat())
}
