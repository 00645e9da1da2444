//! C2SP `tlog-checkpoint`: a tree head as the text of a signed note.
//!
//! Three lines: origin, size in decimal, root hash in base64. Extension lines
//! are read over, and never written. Source: <https://c2sp.org/tlog-checkpoint>.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::note::{NoteSigner, NoteVerifier};
use crate::{Hash, LedgerError};

/// The head of a log's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's identity, such as `example.com/ledger`.
    pub origin: String,
    /// The number of leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The note text.
    ///
    /// # Errors
    /// [`LedgerError::Checkpoint`] for an origin that is empty or has control characters.
    pub fn text(&self) -> Result<String, LedgerError> {
        if self.origin.is_empty() || self.origin.contains(char::is_control) {
            return Err(LedgerError::Checkpoint { what: "the origin is empty or has control characters" });
        }
        Ok(format!("{}\n{}\n{}\n", self.origin, self.size, BASE64_STANDARD.encode(self.root)))
    }

    /// The signed note.
    ///
    /// # Errors
    /// Those of [`Self::text`] and [`NoteSigner::sign`].
    pub fn sign(&self, signer: &NoteSigner) -> Result<String, LedgerError> {
        signer.sign(&self.text()?)
    }

    /// Reads a note's text. Use [`NoteVerifier::verify`] for a note: an
    /// unsigned text proves nothing.
    ///
    /// # Errors
    /// [`LedgerError::Checkpoint`].
    pub fn parse(text: &str) -> Result<Self, LedgerError> {
        let malformed = |what| LedgerError::Checkpoint { what };
        let body = text.strip_suffix('\n').ok_or_else(|| malformed("it doesn't end in a newline"))?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(malformed("it has fewer than three lines"));
        };
        if origin.is_empty() || lines.any(str::is_empty) {
            return Err(malformed("it has an empty line"));
        }
        let canonical = |&parsed: &u64| parsed.to_string() == size;
        let size = size.parse().ok().filter(canonical).ok_or_else(|| malformed("the size is no number"))?;
        let root = BASE64_STANDARD
            .decode(root)
            .ok()
            .and_then(|bytes| Hash::try_from(bytes).ok())
            .ok_or_else(|| malformed("the root is no base64 of 32 bytes"))?;
        Ok(Self { origin: origin.to_owned(), size, root })
    }
}

impl NoteVerifier {
    /// The checkpoint in a signed note. Its origin must be this key's name.
    ///
    /// # Errors
    /// Those of [`NoteVerifier::open`] and [`Checkpoint::parse`], and
    /// [`LedgerError::Origin`] for a checkpoint of another log.
    pub fn verify(&self, note: &str) -> Result<Checkpoint, LedgerError> {
        let checkpoint = Checkpoint::parse(self.open(note)?)?;
        if checkpoint.origin != self.name() {
            let expected = self.name().to_owned();
            return Err(LedgerError::Origin { found: checkpoint.origin, expected });
        }
        Ok(checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Checkpoint {
        let root = BASE64_STANDARD.decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=").unwrap();
        Checkpoint {
            origin: "example.com/behind-the-sofa".to_owned(),
            size: 20_852_163,
            root: root.try_into().unwrap(),
        }
    }

    #[test]
    fn the_text_of_the_specifications_example() {
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        assert_eq!(example().text().unwrap(), text);
        assert_eq!(Checkpoint::parse(text).unwrap(), example());
        assert_eq!(Checkpoint::parse(&format!("{text}an extension\n")).unwrap(), example());
        for (from, to) in [
            ("20852163", "020852163"),
            ("20852163", "+20852163"),
            ("20852163", "20852163 "),
            ("20852163", "18446744073709551616"),
            ("CsUY", "Csu"),
            ("q2I=\n", "q2I=\n\nx\n"),
            ("q2I=\n", "q2I="),
            ("example.com/behind-the-sofa\n", "\n"),
            ("example.com/behind-the-sofa\n", ""),
        ] {
            let bad = text.replacen(from, to, 1);
            assert!(matches!(Checkpoint::parse(&bad), Err(LedgerError::Checkpoint { .. })), "{bad}");
        }
    }

    #[test]
    fn a_signed_checkpoint_verifies_with_its_key_only() {
        let signer = NoteSigner::from_seed("example.com/behind-the-sofa", &[9; 32]).unwrap();
        let note = example().sign(&signer).unwrap();
        let verifier: NoteVerifier = signer.verifier().to_string().parse().unwrap();
        assert_eq!(verifier.verify(&note).unwrap(), example());
        let changed = note.replace("20852163", "20852164");
        assert!(matches!(verifier.verify(&changed), Err(LedgerError::Signature { .. })));
        let other = NoteSigner::from_seed("example.com/other", &[9; 32]).unwrap();
        let foreign = example().sign(&other).unwrap();
        assert!(matches!(other.verifier().verify(&foreign), Err(LedgerError::Origin { .. })));
        let forged = Checkpoint { origin: "a\n999".to_owned(), ..example() };
        assert!(matches!(forged.sign(&signer), Err(LedgerError::Checkpoint { .. })));
    }
}
