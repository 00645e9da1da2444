//! The manifest, which names every other member by its digest, and the signed note about it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_ledger::note::NoteVerifier;
use portcullis_ledger::{Hash, LedgerError, from_hex, hex, sha256};

use crate::evidence::Evidence;
use crate::{FORMAT, tar};

/// In the form of `sha256sum`.
pub const MANIFEST: &str = "manifest.sha256";
/// A C2SP signed note.
pub const NOTE: &str = "manifest.note";

/// Members of one pack at most.
pub const MEMBERS_MAX: usize = 100_000;

/// Why a manifest or its note is none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("the manifest's line `{0}` is no digest and name")]
    Line(usize),
    #[error("the manifest names `{0}` twice")]
    Twice(String),
    #[error("the manifest has more than `{MEMBERS_MAX}` members")]
    TooLong,
    #[error("the signed text is none of an evidence pack")]
    Text,
    #[error(transparent)]
    Note(#[from] LedgerError),
}

/// Members by name, as they were written one after the other.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Manifest {
    members: Vec<(String, Hash)>,
}

impl Manifest {
    pub fn add(&mut self, name: &str, sha256: Hash) {
        self.members.push((name.to_owned(), sha256));
    }

    #[must_use]
    pub fn members(&self) -> &[(String, Hash)] {
        &self.members
    }

    /// `DIGEST  NAME` for each member, as `sha256sum -c` reads it.
    #[must_use]
    pub fn text(&self) -> String {
        self.members.iter().map(|(name, digest)| format!("{}  {name}\n", hex(digest))).collect()
    }

    /// # Errors
    /// [`ManifestError`].
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let mut seen = BTreeMap::new();
        let mut members = Vec::new();
        let body = text.strip_suffix('\n').ok_or(ManifestError::Line(0))?;
        for (number, line) in body.split('\n').enumerate() {
            let bad = || ManifestError::Line(number + 1);
            let (digest, name) = line.split_once("  ").ok_or_else(bad)?;
            let digest = from_hex(digest).filter(|_| tar::is_name(name)).ok_or_else(bad)?;
            if seen.insert(name.to_owned(), ()).is_some() {
                return Err(ManifestError::Twice(name.to_owned()));
            }
            if members.len() >= MEMBERS_MAX {
                return Err(ManifestError::TooLong);
            }
            members.push((name.to_owned(), digest));
        }
        Ok(Self { members })
    }
}

/// What is signed: which manifest, of which pack.
///
/// Its second line is no number, so that nothing which reads checkpoints takes it for one; and checkpoints don't begin with the
/// name of this format, which is no origin of any ledger.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement {
    pub manifest: Hash,
    pub members: u64,
    pub vendor: String,
    pub from: Timestamp,
    pub to: Timestamp,
    pub made_at: Timestamp,
    /// Origin and size of the ledger that its proofs lead to.
    pub ledger: String,
    pub ledger_size: u64,
}

impl Statement {
    #[must_use]
    pub fn new(manifest: &Manifest, evidence: &Evidence) -> Self {
        Self {
            manifest: sha256(manifest.text().as_bytes()),
            members: manifest.members.len() as u64,
            vendor: evidence.vendor.id.to_string(),
            from: evidence.window.from,
            to: evidence.window.to,
            made_at: evidence.made_at,
            ledger: evidence.ledger.origin.clone(),
            ledger_size: evidence.ledger.size,
        }
    }

    #[must_use]
    pub fn text(&self) -> String {
        let Self { members, vendor, from, to, made_at, ledger, ledger_size, .. } = self;
        let manifest = hex(&self.manifest);
        format!(
            "{FORMAT}\nmanifest {manifest}\nmembers {members}\nvendor {vendor}\nwindow {from} {to}\nmade {made_at}\nledger {ledger} {ledger_size}\n"
        )
    }

    /// Reads the statement of a note that this key has signed.
    ///
    /// # Errors
    /// The note is none, is signed by somebody else, or says something else.
    pub fn open(note: &str, verifier: &NoteVerifier) -> Result<Self, ManifestError> {
        let text = verifier.open(note)?;
        parse(text).filter(|statement| statement.text() == text).ok_or(ManifestError::Text)
    }
}

fn parse(text: &str) -> Option<Statement> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    if lines.next()? != FORMAT {
        return None;
    }
    let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
    let manifest = from_hex(value("manifest")?)?;
    let members = value("members")?.parse().ok()?;
    let vendor = value("vendor")?.to_owned();
    let (from, to) = value("window")?.split_once(' ')?;
    let made_at = value("made")?.parse().ok()?;
    let (ledger, ledger_size) = value("ledger")?.rsplit_once(' ')?;
    if ledger.contains(' ') {
        return None;
    }
    Some(Statement {
        manifest,
        members,
        vendor,
        from: from.parse().ok()?,
        to: to.parse().ok()?,
        made_at,
        ledger: ledger.to_owned(),
        ledger_size: ledger_size.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_ledger::checkpoint::Checkpoint;
    use portcullis_ledger::note::NoteSigner;

    fn statement() -> Statement {
        Statement {
            manifest: [7; 32],
            members: 3,
            vendor: "019a-x".to_owned(),
            from: "2026-11-18T09:00:00Z".parse().unwrap(),
            to: "2026-11-18T12:00:00Z".parse().unwrap(),
            made_at: "2026-11-22T06:00:00.25Z".parse().unwrap(),
            ledger: "example.com/ledger".to_owned(),
            ledger_size: 41,
        }
    }

    #[test]
    fn a_statement_is_signed_and_read_and_is_no_checkpoint() {
        let signer = NoteSigner::from_seed("example.com/ledger", &[3; 32]).unwrap();
        let note = signer.sign_statement(&statement().text()).unwrap();
        let verifier = signer.verifier();
        assert_eq!(Statement::open(&note, &verifier).unwrap(), statement());
        assert!(matches!(verifier.verify(&note), Err(LedgerError::Checkpoint { .. })));
        // Nor is a checkpoint a statement, whoever it is of.
        let checkpoint = Checkpoint { origin: "example.com/ledger".to_owned(), size: 41, root: [1; 32] };
        let checkpoint = checkpoint.sign(&signer).unwrap();
        assert_eq!(Statement::open(&checkpoint, &verifier), Err(ManifestError::Text));
        let other = NoteSigner::from_seed("example.com/ledger", &[4; 32]).unwrap().verifier();
        assert!(matches!(Statement::open(&note, &other), Err(ManifestError::Note(_))));
    }

    #[test]
    fn what_is_signed_has_one_form() {
        let signer = NoteSigner::from_seed("example.com/ledger", &[3; 32]).unwrap();
        let good = statement().text();
        for (from, to) in [
            ("pack/1", "pack/2"),
            ("members 3", "members 03"),
            ("members 3\n", ""),
            ("manifest 07", "manifest 7"),
            ("ledger example", "ledger  example"),
            ("41\n", "41\nmore\n"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from}");
            let note = signer.sign(&bad).unwrap();
            assert_eq!(Statement::open(&note, &signer.verifier()), Err(ManifestError::Text), "{bad}");
        }
    }

    #[test]
    fn manifests_are_read_as_they_are_written() {
        let mut manifest = Manifest::default();
        manifest.add("README.txt", [1; 32]);
        manifest.add("rows/a.jsonl", [2; 32]);
        let text = manifest.text();
        assert_eq!(Manifest::parse(&text).unwrap(), manifest);
        assert_eq!(text.lines().next().unwrap(), format!("{}  README.txt", "01".repeat(32)));
        for bad in [
            "",
            "\n",
            "README.txt\n",
            text.trim_end(),
            &text.replace("  ", " "),
            &text.replace("README.txt", "../x"),
            &text.replace("01", "0A"),
            &format!("{text}{text}"),
        ] {
            assert!(Manifest::parse(bad).is_err(), "{bad}");
        }
    }
}
