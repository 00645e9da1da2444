//! C2SP `tlog-proof`: that a leaf is in the tree of a signed checkpoint, as a
//! text that is checked without log and network. Source: <https://c2sp.org/tlog-proof>.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::checkpoint::Checkpoint;
use crate::note::{NOTE_BYTES_MAX, NoteVerifier};
use crate::tree::{leaf_hash, verify_inclusion};
use crate::{Hash, LedgerError};

/// The first line.
pub const FORMAT: &str = "c2sp.org/tlog-proof@v1";

/// No tree is higher.
const HASHES_MAX: usize = 63;

/// A proof of inclusion with the checkpoint that it leads to. Opaque data of
/// others (`extra`) is read over, and never written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// The leaf's place in the tree.
    pub index: u64,
    /// From the leaf's sibling up.
    pub hashes: Vec<Hash>,
    /// A signed note.
    pub checkpoint: String,
}

impl InclusionProof {
    /// The proof's text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{FORMAT}\nindex {}\n", self.index);
        for hash in &self.hashes {
            text.push_str(&BASE64_STANDARD.encode(hash));
            text.push('\n');
        }
        text + "\n" + &self.checkpoint
    }

    /// Reads a text; what it proves, [`Self::verify`] says.
    ///
    /// # Errors
    /// [`LedgerError::ProofText`].
    pub fn parse(text: &str) -> Result<Self, LedgerError> {
        let malformed = |what| LedgerError::ProofText { what };
        if text.len() > 2 * NOTE_BYTES_MAX {
            return Err(malformed("it is too long"));
        }
        let (head, checkpoint) = text.split_once("\n\n").ok_or_else(|| malformed("it has no checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(FORMAT) {
            return Err(malformed("it doesn't begin with its format"));
        }
        lines.next_if(|line| line.starts_with("extra "));
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(|digits| digits.parse::<u64>().ok().filter(|index| index.to_string() == digits));
        let index = index.ok_or_else(|| malformed("it has no index"))?;
        let mut hashes = Vec::new();
        for line in lines {
            let hash = BASE64_STANDARD.decode(line).ok().and_then(|bytes| Hash::try_from(bytes).ok());
            hashes.push(hash.ok_or_else(|| malformed("a hash is no base64 of 32 bytes"))?);
            if hashes.len() > HASHES_MAX {
                return Err(malformed("it has too many hashes"));
            }
        }
        Ok(Self { index, hashes, checkpoint: checkpoint.to_owned() })
    }

    /// Checks that `leaf` stands at this place of the tree that `verifier` has signed, and gives that tree's head.
    ///
    /// # Errors
    /// Those of [`NoteVerifier::verify`] and [`verify_inclusion`].
    pub fn verify(&self, verifier: &NoteVerifier, leaf: &[u8]) -> Result<Checkpoint, LedgerError> {
        let signed = verifier.verify(&self.checkpoint)?;
        verify_inclusion(&leaf_hash(leaf), self.index, signed.size, &self.hashes, &signed.root)?;
        Ok(signed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::NoteSigner;
    use crate::tree;

    fn leaves() -> Vec<Vec<u8>> {
        (0..11_u8).map(|number| vec![number; 3]).collect()
    }

    fn signer() -> NoteSigner {
        NoteSigner::from_seed("example.com/ledger", &[3; 32]).unwrap()
    }

    fn proof(index: u64) -> InclusionProof {
        let hashes: Vec<_> = leaves().iter().map(|leaf| leaf_hash(leaf)).collect();
        let checkpoint =
            Checkpoint { origin: "example.com/ledger".to_owned(), size: 11, root: tree::root(&hashes) };
        let path = tree::inclusion_proof(index, 11, |at| Ok::<_, LedgerError>(hashes[at as usize])).unwrap();
        InclusionProof { index, hashes: path, checkpoint: checkpoint.sign(&signer()).unwrap() }
    }

    #[test]
    fn every_leaf_is_proved_by_its_own_text_only() {
        let verifier = signer().verifier();
        for (index, leaf) in (0..).zip(leaves()) {
            let text = proof(index).text();
            let read = InclusionProof::parse(&text).unwrap();
            assert_eq!(read, proof(index));
            assert_eq!(read.verify(&verifier, &leaf).unwrap().size, 11);
            assert!(read.verify(&verifier, b"another leaf").is_err());
            let moved = InclusionProof { index: (index + 1) % 11, ..read.clone() };
            assert!(moved.verify(&verifier, &leaf).is_err());
            let other = NoteSigner::from_seed("example.com/ledger", &[4; 32]).unwrap().verifier();
            assert!(read.verify(&other, &leaf).is_err());
        }
    }

    #[test]
    fn texts_are_read_strictly_and_extra_data_is_read_over() {
        let good = proof(5).text();
        assert!(good.starts_with("c2sp.org/tlog-proof@v1\nindex 5\n"));
        let extra = good.replacen("index", "extra YQ==\nindex", 1);
        assert_eq!(InclusionProof::parse(&extra).unwrap(), proof(5));
        for (from, to) in [
            ("@v1", "@v2"),
            ("index 5", "index 05"),
            ("index 5", "index -5"),
            ("index 5\n", ""),
            ("index 5\n", "index 5\nAAAA\n"),
            ("\n\n", "\n"),
        ] {
            let bad = good.replacen(from, to, if from == "\n\n" { 2 } else { 1 });
            assert!(matches!(InclusionProof::parse(&bad), Err(LedgerError::ProofText { .. })), "{bad}");
        }
        let long = good.replacen(
            "index 5\n",
            &("index 5\n".to_owned() + &"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n".repeat(64)),
            1,
        );
        assert!(InclusionProof::parse(&long).is_err());
    }
}
