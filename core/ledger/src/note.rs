//! C2SP `signed-note`, version 1: a text, an empty line, signature lines.
//!
//! Only Ed25519 (signature type `0x01`) is made and checked. Signatures of
//! unknown keys are skipped, as the specification demands, so a witness's
//! line does no harm; a bad signature of the known key condemns the note.
//! Source: <https://c2sp.org/signed-note>, and Go's `sumdb/note`.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::checkpoint::Checkpoint;
use crate::{LedgerError, sha256_of};

/// The most bytes of a note that is read.
pub const NOTE_BYTES_MAX: usize = 64 * 1_024;

/// The most signature lines that are looked at.
pub const SIGNATURES_MAX: usize = 64;

const ED25519_TYPE: u8 = 0x01;
const SIGNATURE_PREFIX: &str = "\u{2014} ";

/// A named private key. Prints nothing secret.
pub struct NoteSigner {
    name: String,
    key_pair: Ed25519KeyPair,
    former: Vec<NoteVerifier>,
}

impl NoteSigner {
    /// From the 32-byte seed of RFC 8032.
    ///
    /// # Errors
    /// [`LedgerError::KeyName`] and [`LedgerError::Key`].
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, LedgerError> {
        let key_pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| LedgerError::Key)?;
        Self::new(name, key_pair)
    }

    /// From a PKCS#8 document (RFC 5958), version 1 or 2.
    ///
    /// # Errors
    /// [`LedgerError::KeyName`] and [`LedgerError::Key`].
    pub fn from_pkcs8(name: &str, document: &[u8]) -> Result<Self, LedgerError> {
        let key_pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(document).map_err(|_| LedgerError::Key)?;
        Self::new(name, key_pair)
    }

    fn new(name: &str, key_pair: Ed25519KeyPair) -> Result<Self, LedgerError> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), key_pair, former: Vec::new() })
    }

    /// The same key, whose verifier takes notes of these earlier keys, too.
    #[must_use]
    pub fn after(self, former: Vec<NoteVerifier>) -> Self {
        Self { former, ..self }
    }

    /// The key's name; for a ledger its origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public half.
    #[must_use]
    pub fn verifier(&self) -> NoteVerifier {
        let mut public_key = [0; 32];
        public_key.copy_from_slice(self.key_pair.public_key().as_ref());
        NoteVerifier { name: self.name.clone(), public_key, former: self.former.clone() }
    }

    /// `text` as a note with this key's signature.
    ///
    /// # Errors
    /// [`LedgerError::Note`] for a text that doesn't end in a newline or has
    /// other control characters.
    pub fn sign(&self, text: &str) -> Result<String, LedgerError> {
        check_text(text)?;
        let mut signature = self.verifier().key_id().to_vec();
        signature.extend_from_slice(self.key_pair.sign(text.as_bytes()).as_ref());
        let encoded = BASE64_STANDARD.encode(signature);
        Ok(format!("{text}\n{SIGNATURE_PREFIX}{} {encoded}\n", self.name))
    }
}

impl NoteSigner {
    /// As [`Self::sign`], but never what could be read as a checkpoint: for statements that this key makes beside the log.
    ///
    /// # Errors
    /// Those of [`Self::sign`], and [`LedgerError::Note`] for the text of a checkpoint.
    pub fn sign_statement(&self, text: &str) -> Result<String, LedgerError> {
        if Checkpoint::parse(text).is_ok() {
            return Err(LedgerError::Note { what: "the text is that of a checkpoint" });
        }
        self.sign(text)
    }
}

impl std::fmt::Debug for NoteSigner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("NoteSigner").field("name", &self.name).field("key", &"****").finish()
    }
}

/// A named public key. Displays as `name+hash+base64`, the verifier key that
/// auditors are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteVerifier {
    name: String,
    public_key: [u8; 32],
    /// Keys that signed before this one; their notes are taken, too.
    former: Vec<NoteVerifier>,
}

impl NoteVerifier {
    /// The key's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text of a note that this key has signed.
    ///
    /// # Errors
    /// [`LedgerError::Note`], [`LedgerError::Unsigned`] and [`LedgerError::Signature`].
    pub fn open<'note>(&self, note: &'note str) -> Result<&'note str, LedgerError> {
        match self.open_own(note) {
            Err(unsigned @ LedgerError::Unsigned { .. }) => {
                self.former.iter().find_map(|former| former.open_own(note).ok()).ok_or(unsigned)
            }
            opened => opened,
        }
    }

    fn open_own<'note>(&self, note: &'note str) -> Result<&'note str, LedgerError> {
        let malformed = |what| LedgerError::Note { what };
        if note.len() > NOTE_BYTES_MAX {
            return Err(malformed("it is too long"));
        }
        // The text may have empty lines: the last one separates.
        let split = note.rfind("\n\n").ok_or_else(|| malformed("it has no signatures"))?;
        let (text, signatures) =
            note.split_at_checked(split + 1).ok_or_else(|| malformed("it has no signatures"))?;
        check_text(text)?;
        let lines = signatures
            .strip_prefix('\n')
            .and_then(|lines| lines.strip_suffix('\n'))
            .ok_or_else(|| malformed("it doesn't end in a newline"))?;
        let mut verified = false;
        for (position, line) in lines.split('\n').enumerate() {
            if position >= SIGNATURES_MAX {
                return Err(malformed("it has too many signatures"));
            }
            let (name, key_id, signature) =
                parse_signature(line).ok_or_else(|| malformed("a signature line is broken"))?;
            if name != self.name || key_id != self.key_id() {
                continue;
            }
            UnparsedPublicKey::new(&ED25519, &self.public_key)
                .verify(text.as_bytes(), &signature)
                .map_err(|_| LedgerError::Signature { name: self.name.clone() })?;
            verified = true;
        }
        if verified { Ok(text) } else { Err(LedgerError::Unsigned { name: self.name.clone() }) }
    }

    /// `SHA-256(name ‖ newline ‖ type ‖ public key)`, its first four bytes.
    fn key_id(&self) -> [u8; 4] {
        let hash = sha256_of(&[self.name.as_bytes(), b"\n", &[ED25519_TYPE], &self.public_key]);
        let [a, b, c, d, ..] = hash;
        [a, b, c, d]
    }
}

impl std::fmt::Display for NoteVerifier {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let typed = [&[ED25519_TYPE], self.public_key.as_slice()].concat();
        let key_id = u32::from_be_bytes(self.key_id());
        write!(formatter, "{}+{key_id:08x}+{}", self.name, BASE64_STANDARD.encode(typed))
    }
}

impl std::str::FromStr for NoteVerifier {
    type Err = LedgerError;

    /// Reads `name+hash+base64` and checks that the hash fits.
    fn from_str(text: &str) -> Result<Self, LedgerError> {
        let malformed = |what| LedgerError::VerifierKey { what };
        // Base64 may have `+` too, names may not.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(key_id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed("it isn't `name+hash+base64`"));
        };
        check_name(name)?;
        let typed = BASE64_STANDARD.decode(key).map_err(|_| malformed("the key isn't base64"))?;
        let Some((&ED25519_TYPE, key)) = typed.split_first() else {
            return Err(malformed("the key isn't of type Ed25519"));
        };
        let public_key = key.try_into().map_err(|_| malformed("the key hasn't 32 bytes"))?;
        let verifier = Self { name: name.to_owned(), public_key, former: Vec::new() };
        if format!("{:08x}", u32::from_be_bytes(verifier.key_id())) != key_id {
            return Err(malformed("the hash doesn't fit name and key"));
        }
        Ok(verifier)
    }
}

fn check_name(name: &str) -> Result<(), LedgerError> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if name.is_empty() || name.len() > 256 || name.contains(bad) {
        return Err(LedgerError::KeyName { name: name.to_owned() });
    }
    Ok(())
}

fn check_text(text: &str) -> Result<(), LedgerError> {
    if !text.ends_with('\n') {
        return Err(LedgerError::Note { what: "the text doesn't end in a newline" });
    }
    if text.chars().any(|c| c < ' ' && c != '\n') {
        return Err(LedgerError::Note { what: "the text has control characters" });
    }
    Ok(())
}

fn parse_signature(line: &str) -> Option<(&str, [u8; 4], Vec<u8>)> {
    let (name, encoded) = line.strip_prefix(SIGNATURE_PREFIX)?.split_once(' ')?;
    check_name(name).ok()?;
    let bytes = BASE64_STANDARD.decode(encoded).ok()?;
    let (key_id, signature) = bytes.split_first_chunk::<4>()?;
    Some((name, *key_id, signature.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of Go's package golang.org/x/mod/sumdb/note. Its private key
    // is `PRIVATE+KEY+PeterNeumann+c74f20a3+AYEK…`: a type byte and the seed.
    const SEED: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const VERIFIER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const SIGNATURE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    fn signer() -> NoteSigner {
        let typed = BASE64_STANDARD.decode(SEED).unwrap();
        NoteSigner::from_seed("PeterNeumann", typed[1..].try_into().unwrap()).unwrap()
    }

    #[test]
    fn signs_and_opens_the_example_of_sumdb_note() {
        let note = format!("{TEXT}\n{SIGNATURE}");
        assert_eq!(signer().verifier().to_string(), VERIFIER);
        assert_eq!(signer().sign(TEXT).unwrap(), note);
        assert_eq!(VERIFIER.parse::<NoteVerifier>().unwrap().open(&note).unwrap(), TEXT);
    }

    #[test]
    fn pkcs8_and_seed_give_the_same_key() {
        let document = signer().key_pair.to_pkcs8().unwrap();
        let again = NoteSigner::from_pkcs8("PeterNeumann", document.as_ref()).unwrap();
        assert_eq!(again.verifier(), signer().verifier());
        assert!(matches!(NoteSigner::from_pkcs8("x", b"no key"), Err(LedgerError::Key)));
        assert!(!format!("{:?}", signer()).contains("PRIVATE") && format!("{:?}", signer()).contains("****"));
    }

    #[test]
    fn no_statement_is_a_checkpoint() {
        let checkpoint = Checkpoint { origin: "PeterNeumann".to_owned(), size: 7, root: [1; 32] };
        let text = checkpoint.text().unwrap();
        assert!(matches!(signer().sign_statement(&text), Err(LedgerError::Note { .. })));
        assert!(signer().sign_statement(&format!("{text}an extension\n")).is_err());
        assert_eq!(signer().sign_statement(TEXT).unwrap(), signer().sign(TEXT).unwrap());
    }

    #[test]
    fn foreign_signatures_are_skipped_and_bad_ones_condemn() {
        let verifier = signer().verifier();
        let witness = NoteSigner::from_seed("witness.example", &[7; 32]).unwrap();
        let witness_line = witness.sign(TEXT).unwrap().rsplit_once("\n\n").unwrap().1.to_owned();
        let open = |note: &str| verifier.open(note).map(str::to_owned);

        assert_eq!(open(&format!("{TEXT}\n{witness_line}{SIGNATURE}")).unwrap(), TEXT);
        assert!(matches!(open(&format!("{TEXT}\n{witness_line}")), Err(LedgerError::Unsigned { .. })));
        let changed = format!("{}\n{SIGNATURE}", TEXT.replace("your", "their"));
        assert!(matches!(open(&changed), Err(LedgerError::Signature { .. })));
        // The same name with another key is an unknown key.
        let namesake = NoteSigner::from_seed("PeterNeumann", &[7; 32]).unwrap().sign(TEXT).unwrap();
        assert!(matches!(open(&namesake), Err(LedgerError::Unsigned { .. })));
    }

    #[test]
    fn broken_notes_and_keys_are_refused() {
        let good = format!("{TEXT}\n{SIGNATURE}");
        for bad in [
            String::new(),
            TEXT.to_owned(),
            format!("{TEXT}{SIGNATURE}"),
            good.trim_end().to_owned(),
            good.replace('\u{2014}', "-"),
            good.replace("x08go", "x08g*"),
            good.replace("If", "\tIf"),
            format!("{good}trailing\n"),
            format!("{TEXT}\n{}", SIGNATURE.repeat(SIGNATURES_MAX + 1)),
            format!("{}{good}", "x".repeat(NOTE_BYTES_MAX)),
        ] {
            assert!(matches!(signer().verifier().open(&bad), Err(LedgerError::Note { .. })), "{bad}");
        }
        for bad in ["", "a+b", "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"] {
            assert!(bad.parse::<NoteVerifier>().is_err(), "{bad}");
        }
        for name in ["", "a b", "a+b", "a\nb"] {
            assert!(matches!(NoteSigner::from_seed(name, &[1; 32]), Err(LedgerError::KeyName { .. })));
        }
        assert!(signer().sign("no newline").is_err());
    }
}
