//! Encryption to a recipient: X25519, HKDF-SHA-256, AES-256-GCM in chunks.
//!
//! Header: the line `portcullis-backup/1`, the recipient's and an ephemeral public key of 32 bytes each.
//! The file's key is HKDF-SHA-256 of the shared secret, salted with the header. Then chunks of 64 KiB, the last
//! one shorter or equal, each with its tag of 16 bytes. A nonce is the chunk's number in 11 big-endian bytes and
//! a byte 1 for the last chunk, else 0: chunks can't change places, and none can be missing (the STREAM
//! construction of Hoang, Reyhanitabar, Rogaway and Vizár, CRYPTO 2015). Associated data is the header.

use std::io::{self, BufRead, Read, Write};
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::encoding::{AsBigEndian as _, Curve25519SeedBin};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::settings::write_whole;

const MAGIC: &[u8; 20] = b"portcullis-backup/1\n";
const KEY_LEN: usize = 32;
const HEADER_LEN: usize = MAGIC.len() + 2 * KEY_LEN;
const CHUNK_LEN: usize = 64 * 1024;
const INFO: &[u8] = b"portcullis backup chunks";
const RECIPIENT: &str = "pcb_";
const IDENTITY: &str = "pcbkey_";

/// The public half: backups are encrypted to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recipient([u8; KEY_LEN]);

impl std::fmt::Display for Recipient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{RECIPIENT}{}", URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl std::str::FromStr for Recipient {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        decoded(text, RECIPIENT).map(Self).ok_or_else(|| {
            format!(
                "write the recipient that `portcullis backup key` printed: `{RECIPIENT}` and 43 characters"
            )
        })
    }
}

/// The private half: opens backups. Prints nothing secret.
pub struct Identity(PrivateKey);

impl Identity {
    pub fn generate() -> Result<Self> {
        PrivateKey::generate(&X25519).map(Self).map_err(|_| anyhow!("no key can be made"))
    }

    /// From a file of `portcullis backup key`.
    pub fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("can't read `{shown}`"))?;
        let line = text.lines().find(|line| line.starts_with(IDENTITY));
        let bytes = line.and_then(|line| decoded(line.trim(), IDENTITY));
        let key = bytes.and_then(|bytes| PrivateKey::from_private_key(&X25519, &bytes).ok());
        key.map(Self).ok_or_else(|| {
            anyhow!("`{shown}` holds no key of backups\nhint: `portcullis backup key FILE` makes one")
        })
    }

    /// For this user alone; a file that is there is not replaced.
    pub fn write(&self, path: &Path) -> Result<()> {
        if path.exists() {
            bail!(
                "`{}` is there already\nhint: a key that is gone opens no backup any more; name another file",
                path.display()
            );
        }
        let seed: Curve25519SeedBin<'_> =
            self.0.as_be_bytes().map_err(|_| anyhow!("the key can't be written"))?;
        let secret = URL_SAFE_NO_PAD.encode(seed.as_ref());
        let text = format!(
            "# Opens backups that were made for {}. Keep it away from the machine that makes them.\n{IDENTITY}{secret}\n",
            self.recipient()?
        );
        write_whole(path, text.as_bytes(), 0o600)
    }

    pub fn recipient(&self) -> Result<Recipient> {
        let public = self.0.compute_public_key().ok();
        public
            .and_then(|key| key.as_ref().try_into().ok())
            .map(Recipient)
            .ok_or_else(|| anyhow!("the key can't be used"))
    }
}

fn decoded(text: &str, prefix: &str) -> Option<[u8; KEY_LEN]> {
    URL_SAFE_NO_PAD.decode(text.strip_prefix(prefix)?).ok()?.try_into().ok()
}

/// The key of one file.
fn key(secret: &PrivateKey, public: &[u8], header: &[u8]) -> Result<LessSafeKey> {
    let wrong = || anyhow!("the key can't be used");
    agree(secret, UnparsedPublicKey::new(&X25519, public), wrong(), |shared| {
        let pseudorandom = Salt::new(HKDF_SHA256, header).extract(shared);
        let expanded = pseudorandom.expand(&[INFO], &AES_256_GCM).map_err(|_| wrong())?;
        Ok(LessSafeKey::new(UnboundKey::from(expanded)))
    })
}

fn nonce(chunk: u64, last: bool) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    if let Some(place) = bytes.get_mut(NONCE_LEN - 9..NONCE_LEN - 1) {
        place.copy_from_slice(&chunk.to_be_bytes());
    }
    if let Some(place) = bytes.last_mut() {
        *place = u8::from(last);
    }
    Nonce::assume_unique_for_key(bytes)
}

/// Encrypts what is written; [`Self::finish`] ends it.
pub struct Sealer<W: Write> {
    out: W,
    key: LessSafeKey,
    header: Vec<u8>,
    chunk: u64,
    buffer: Vec<u8>,
}

impl<W: Write> Sealer<W> {
    pub fn new(mut out: W, recipient: &Recipient) -> Result<Self> {
        let ephemeral = Identity::generate()?;
        let header = [MAGIC.as_slice(), &recipient.0, &ephemeral.recipient()?.0].concat();
        let key = key(&ephemeral.0, &recipient.0, &header)?;
        out.write_all(&header)?;
        Ok(Self { out, key, header, chunk: 0, buffer: Vec::with_capacity(CHUNK_LEN + MAX_TAG_LEN) })
    }

    fn seal(&mut self, last: bool) -> io::Result<()> {
        let sealed = self.key.seal_in_place_append_tag(
            nonce(self.chunk, last),
            Aad::from(&self.header),
            &mut self.buffer,
        );
        sealed.map_err(|_| io::Error::other("a chunk can't be encrypted"))?;
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        self.chunk += 1;
        Ok(())
    }

    pub fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Only when more comes: the last chunk is told apart.
        if self.buffer.len() == CHUNK_LEN && !bytes.is_empty() {
            self.seal(false)?;
        }
        let taken = bytes.len().min(CHUNK_LEN - self.buffer.len());
        self.buffer.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Decrypts; nothing of a chunk is given before its tag was good.
pub struct Opener<R: BufRead> {
    from: R,
    key: LessSafeKey,
    header: Vec<u8>,
    chunk: u64,
    buffer: Vec<u8>,
    at: usize,
    ended: bool,
}

impl<R: BufRead> Opener<R> {
    pub fn new(mut from: R, identity: &Identity) -> Result<Self> {
        let mut header = vec![0; HEADER_LEN];
        from.read_exact(&mut header).map_err(|_| anyhow!("it is too short for a backup"))?;
        let (magic, keys) = header.split_at_checked(MAGIC.len()).unwrap_or_default();
        let (recipient, ephemeral) = keys.split_at_checked(KEY_LEN).unwrap_or_default();
        if magic != MAGIC {
            bail!("it is no backup of this version");
        }
        if recipient != identity.recipient()?.0 {
            let made_for =
                recipient.try_into().map(Recipient).map_or_else(|_| String::new(), |key| key.to_string());
            bail!(
                "it was made for `{made_for}`, and this key is that of `{}`\nhint: name the key file of that recipient",
                identity.recipient()?
            );
        }
        let key = key(&identity.0, ephemeral, &header)?;
        Ok(Self { from, key, header, chunk: 0, buffer: Vec::new(), at: 0, ended: false })
    }

    fn open(&mut self) -> io::Result<()> {
        self.buffer.clear();
        self.at = 0;
        (&mut self.from).take((CHUNK_LEN + MAX_TAG_LEN) as u64).read_to_end(&mut self.buffer)?;
        let last = self.from.fill_buf()?.is_empty();
        let opened =
            self.key.open_in_place(nonce(self.chunk, last), Aad::from(&self.header), &mut self.buffer);
        let bytes = opened.map(|opened| opened.len()).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidData, "it was changed or cut off: a chunk does not open")
        })?;
        self.buffer.truncate(bytes);
        self.chunk += 1;
        self.ended = last;
        Ok(())
    }
}

impl<R: BufRead> Read for Opener<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.buffer.len() && !self.ended {
            self.open()?;
        }
        let left = self.buffer.get(self.at..).unwrap_or_default();
        let given = left.len().min(into.len());
        if let (Some(into), Some(left)) = (into.get_mut(..given), left.get(..given)) {
            into.copy_from_slice(left);
        }
        self.at += given;
        Ok(given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(bytes: usize, recipient: &Recipient) -> Vec<u8> {
        let mut sealer = Sealer::new(Vec::new(), recipient).unwrap();
        sealer.write_all(&vec![7; bytes]).unwrap();
        sealer.finish().unwrap()
    }

    fn opened(sealed: &[u8], identity: &Identity) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        Opener::new(sealed, identity)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn what_was_sealed_opens_at_every_length_around_a_chunk() {
        let identity = Identity::generate().unwrap();
        let recipient = identity.recipient().unwrap();
        assert_eq!(recipient.to_string().parse::<Recipient>().unwrap(), recipient);
        for bytes in [0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 2 * CHUNK_LEN, 3 * CHUNK_LEN + 5] {
            let file = sealed(bytes, &recipient);
            assert_eq!(opened(&file, &identity).unwrap(), vec![7; bytes], "{bytes}");
        }
    }

    #[test]
    fn cut_or_changed_anywhere_it_does_not_open() {
        let identity = Identity::generate().unwrap();
        let file = sealed(2 * CHUNK_LEN + 100, &identity.recipient().unwrap());
        let chunk = CHUNK_LEN + MAX_TAG_LEN;
        let cuts =
            [0, 1, HEADER_LEN, HEADER_LEN + 5, HEADER_LEN + chunk, HEADER_LEN + 2 * chunk, file.len() - 1];
        for cut in cuts {
            assert!(opened(&file[..cut], &identity).is_err(), "cut at {cut}");
        }
        for at in [0, 25, 60, HEADER_LEN, HEADER_LEN + chunk, file.len() - 1] {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(opened(&changed, &identity).is_err(), "changed at {at}");
        }
        let mut swapped = file[..HEADER_LEN].to_vec();
        swapped.extend(&file[HEADER_LEN + chunk..HEADER_LEN + 2 * chunk]);
        swapped.extend(&file[HEADER_LEN..HEADER_LEN + chunk]);
        swapped.extend(&file[HEADER_LEN + 2 * chunk..]);
        assert!(opened(&swapped, &identity).is_err());
        let longer = [file.as_slice(), b"x"].concat();
        assert!(opened(&longer, &identity).is_err());
        let other = Identity::generate().unwrap();
        assert!(opened(&file, &other).unwrap_err().to_string().contains("it was made for"));
    }

    #[test]
    fn a_key_file_is_for_its_owner_and_never_replaced() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("backup.key");
        let identity = Identity::generate().unwrap();
        identity.write(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Identity::read(&path).unwrap().recipient().unwrap(), identity.recipient().unwrap());
        assert!(identity.write(&path).is_err());
        std::fs::write(&path, "pcbkey_short\n").unwrap();
        assert!(Identity::read(&path).is_err());
    }
}
