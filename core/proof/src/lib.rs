//! What proves a document: its digest, a detached JWS, a PDF signature, and the chain or key behind it.
//!
//! Pure: bytes in, a [`Verdict`] out, in bounded time and memory. Nothing here reads a clock: the moment at which
//! certificates must be valid comes in as an argument, and is the one at which the document became known.
//!
//! An error says that nothing could be verified (no signature, a form or an algorithm that isn't read here); a
//! verdict says what a signature proves. Neither is ever taken for a valid one.

pub mod auditor;
pub mod certificate;
mod cms;
mod der;
pub mod jws;
pub mod pdf;
mod signature;
pub mod verdict;

use aws_lc_rs::digest::{SHA256, digest as hash};

pub use auditor::AuditorKey;
pub use certificate::Roots;
pub use verdict::{Signer, Verdict};

/// The longest document that is looked at.
pub const DOCUMENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// SHA-256 in lower-case hexadecimal: the name of a document.
pub fn digest(document: &[u8]) -> String {
    hash(&SHA256, document).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whose signatures count, and when.
#[derive(Clone, Copy, Debug)]
pub struct Trust<'a> {
    /// Registered keys of auditors.
    pub keys: &'a [AuditorKey],
    /// Where chains must end.
    pub roots: &'a Roots,
    /// Moment at which the document became known: certificates must be valid then.
    pub at: jiff::Timestamp,
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_document_is_named_by_its_digest() {
        // FIPS 180-4, example of SHA-256.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(super::digest(b"abc"), expected);
    }
}
