//! The ledger's pure part: the leaf format, the Merkle tree with its proofs,
//! and signed checkpoints.
//!
//! Nothing here reads, writes, waits or asks for the time: a store hands in
//! hashes and bytes and keeps what comes out. All formats are public
//! ones, so that an export can be verified without our code:
//!
//! - leaves are RFC 8785 canonical JSON ([`leaf`], [`canonical`]);
//! - the tree is that of RFC 6962 §2.1 ([`tree`]);
//! - checkpoints are C2SP `tlog-checkpoint`s in C2SP `signed-note`s
//!   ([`checkpoint`], [`note`]);
//! - rows of others are proved by what they leave out of a tree ([`ranges`]);
//! - an export is C2SP `tlog-tiles`, a single proof a C2SP `tlog-proof` ([`tiles`], [`proof`]).

pub mod canonical;
pub mod checkpoint;
pub mod error;
pub mod leaf;
pub mod note;
pub mod proof;
pub mod ranges;
pub mod tiles;
pub mod tree;

pub use error::LedgerError;

use aws_lc_rs::digest;

/// A SHA-256 digest: of a payload, a leaf, an inner node or a whole tree.
pub type Hash = [u8; 32];

/// SHA-256 of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Hash {
    sha256_of(&[bytes])
}

/// SHA-256 of bytes that come in pieces.
#[derive(Clone)]
pub struct Sha256(digest::Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
}

impl Sha256 {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    #[must_use]
    pub fn finish(self) -> Hash {
        let mut hash = [0; 32];
        hash.copy_from_slice(self.0.finish().as_ref());
        hash
    }
}

/// SHA-256 of the parts, one after the other.
pub(crate) fn sha256_of(parts: &[&[u8]]) -> Hash {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Lower-case hexadecimal of a hash, as the leaf format writes it.
#[must_use]
pub fn hex(hash: &Hash) -> String {
    use std::fmt::Write as _;
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The inverse of [`hex`]; anything but 64 lower-case digits is `None`.
#[must_use]
pub fn from_hex(text: &str) -> Option<Hash> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = nibble(high)? << 4 | nibble(low)?;
    }
    Some(hash)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}
