//! How documents and keys are sealed: AES-256-GCM (NIST SP 800-38D) in pieces, under a key for each document.
//!
//! A document's key is HKDF-SHA-256 (RFC 5869) of the vendor's, with the document's own random salt. So pieces may
//! be numbered from zero: no number is used twice under one key. The last piece's number says that it is the last
//! (Hoang et al., "Online authenticated-encryption and its nonce-reuse misuse-resistance", 2015: STREAM), so that
//! pieces can neither be moved nor cut off. The line before the pieces is authenticated with each of them.

use std::fmt;
use std::io::{self, Read, Write};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};

pub(crate) const PIECE_BYTES: usize = 64 * 1024;
const TAG_BYTES: usize = 16;

/// The installation's key for documents. It comes from the vault, and seals each vendor's.
#[derive(Clone)]
pub struct RootKey([u8; 32]);

impl RootKey {
    pub fn new(key: [u8; 32]) -> Self {
        Self(key)
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

/// A vendor's key.
pub(crate) struct VendorKey([u8; 32]);

impl VendorKey {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// Nonce ‖ ciphertext ‖ tag, for the vendor of this name alone.
    pub(crate) fn wrapped(&self, root: &RootKey, name: &str, nonce: [u8; NONCE_LEN]) -> Option<Vec<u8>> {
        wrap(&root.0, &self.0, name, nonce)
    }

    pub(crate) fn unwrapped(root: &RootKey, name: &str, sealed: &[u8]) -> Option<Self> {
        unwrap(&root.0, sealed, name)?.try_into().ok().map(Self)
    }

    fn of_document(&self, salt: &[u8]) -> Option<LessSafeKey> {
        let derived = Salt::new(HKDF_SHA256, salt).extract(&self.0);
        let key = derived.expand(&[b"portcullis document 1"], &AES_256_GCM).ok().map(UnboundKey::from)?;
        Some(LessSafeKey::new(key))
    }
}

/// A few bytes under the installation's key.
pub(crate) fn wrap_text(root: &RootKey, text: &[u8], name: &str, nonce: [u8; NONCE_LEN]) -> Option<Vec<u8>> {
    wrap(&root.0, text, name, nonce)
}

pub(crate) fn unwrap_text(root: &RootKey, sealed: &[u8], name: &str) -> Option<Vec<u8>> {
    unwrap(&root.0, sealed, name)
}

fn wrap(key: &[u8; 32], secret: &[u8], name: &str, nonce: [u8; NONCE_LEN]) -> Option<Vec<u8>> {
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
    let mut data = secret.to_vec();
    let unique = Nonce::assume_unique_for_key(nonce);
    cipher.seal_in_place_append_tag(unique, named(name), &mut data).ok()?;
    Some([nonce.as_slice(), &data].concat())
}

fn unwrap(key: &[u8; 32], sealed: &[u8], name: &str) -> Option<Vec<u8>> {
    let (nonce, data) = sealed.split_at_checked(NONCE_LEN)?;
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
    let mut data = data.to_vec();
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let opened = cipher.open_in_place(nonce, named(name), &mut data).ok()?;
    Some(opened.to_vec())
}

fn named(name: &str) -> Aad<Vec<u8>> {
    Aad::from([b"portcullis documents 1\n", name.as_bytes()].concat())
}

/// Writes `document` in sealed pieces. `line` is what stands before them.
pub(crate) fn seal(
    key: &VendorKey,
    salt: &[u8],
    line: &[u8],
    document: &[u8],
    into: &mut impl Write,
) -> io::Result<()> {
    let refused = || io::Error::other("the cryptographic library refused");
    let cipher = key.of_document(salt).ok_or_else(refused)?;
    let pieces = document.len().div_ceil(PIECE_BYTES).max(1);
    let mut piece = Vec::with_capacity(PIECE_BYTES + TAG_BYTES);
    for number in 0..pieces {
        let start = number * PIECE_BYTES;
        let end = document.len().min(start + PIECE_BYTES);
        piece.clear();
        piece.extend_from_slice(document.get(start..end).unwrap_or_default());
        let nonce = nonce(number, number + 1 == pieces);
        cipher.seal_in_place_append_tag(nonce, Aad::from(line), &mut piece).map_err(|_| refused())?;
        into.write_all(&piece)?;
    }
    Ok(())
}

/// Reads what [`seal`] wrote; none if anything of it isn't so.
pub(crate) fn unseal(
    key: &VendorKey,
    salt: &[u8],
    line: &[u8],
    bytes: usize,
    from: &mut impl Read,
) -> io::Result<Option<Vec<u8>>> {
    let Some(cipher) = key.of_document(salt) else { return Ok(None) };
    let mut document = Vec::with_capacity(bytes);
    let pieces = bytes.div_ceil(PIECE_BYTES).max(1);
    let mut piece = Vec::new();
    for number in 0..pieces {
        let length = PIECE_BYTES.min(bytes - document.len()) + TAG_BYTES;
        piece.clear();
        from.by_ref().take(u64::try_from(length).unwrap_or(u64::MAX)).read_to_end(&mut piece)?;
        if piece.len() != length {
            return Ok(None);
        }
        let nonce = nonce(number, number + 1 == pieces);
        let Ok(opened) = cipher.open_in_place(nonce, Aad::from(line), &mut piece) else { return Ok(None) };
        document.extend_from_slice(opened);
    }
    let is_end = from.read(&mut [0])? == 0;
    Ok(is_end.then_some(document))
}

fn nonce(number: usize, is_last: bool) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    let [.., a, b, c, d, last] = &mut bytes;
    // At most 2^11 pieces: four bytes hold any number of them.
    let digits = u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
    [a, b, c, d].into_iter().zip(digits).for_each(|(to, digit)| *to = digit);
    *last = u8::from(is_last);
    Nonce::assume_unique_for_key(bytes)
}
