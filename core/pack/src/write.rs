//! Writing a pack: members one after the other, the manifest last.

use std::io::{self, Read, Write};

use jiff::Timestamp;
use portcullis_ledger::{LedgerError, Sha256};

use crate::evidence::Evidence;
use crate::manifest::{MANIFEST, Manifest, NOTE, Statement};
use crate::tally::Series;
use crate::tar::MemberError;
use crate::{EVIDENCE, FAILED, MINUTES, README, REPORT, report, tar};

const COPY_BYTES: usize = 1 << 18;

/// What a pack says of itself to whoever opens it.
const README_TEXT: &str = "\
This is an evidence pack of Portcullis: what one vendor read in one window of time.

  report.html      the report, for any browser; print it for a PDF
  evidence.json    the same, for programs
  minutes.csv      what was read in each minute
  rows/, unsealed.jsonl
                   the decisions, where they were asked for: one a line
  files/           which rows of which sealed file they are
  events/          events of the ledger, each with its proof
  sealed/          whole sealed files, where they were asked for: they hold decisions about other vendors, too
  manifest.sha256  the SHA-256 of each file:  sha256sum -c manifest.sha256
  manifest.note    the signed note about the manifest

To verify it, with the ledger's public key that you keep:

  portcullis pack verify FILE --key VKEY

Everything in it is of public formats, so that it can be verified without Portcullis: C2SP signed notes and tlog-proofs, RFC
6962 trees, RFC 8785 JSON. `docs/reference/evidence-pack.md` of the project tells how.
";

/// Why a pack can't be written on.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("the pack can't be written")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Member(#[from] MemberError),
    #[error("the member `{name}` became shorter while it was read")]
    Shorter { name: String },
    #[error("the evidence can't be written as JSON")]
    Json(#[from] serde_json::Error),
    #[error("the manifest can't be signed")]
    Sign(#[from] LedgerError),
}

/// A pack in the making.
pub struct Writer<W> {
    out: W,
    manifest: Manifest,
    made_at: Timestamp,
    /// Bytes that the member in the making still has to have, its last block's rest included.
    owed: u64,
}

impl<W: Write> Writer<W> {
    /// # Errors
    /// [`WriteError::Io`].
    pub fn new(out: W, made_at: Timestamp) -> Result<Self, WriteError> {
        let mut writer = Self { out, manifest: Manifest::default(), made_at, owed: 0 };
        writer.member(README, README_TEXT.as_bytes())?;
        Ok(writer)
    }

    /// # Errors
    /// [`WriteError`].
    pub fn member(&mut self, name: &str, content: &[u8]) -> Result<(), WriteError> {
        self.member_from(name, content.len() as u64, &mut &*content)
    }

    /// A member of `bytes` bytes that are read while it is written.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn member_from(&mut self, name: &str, bytes: u64, from: &mut dyn Read) -> Result<(), WriteError> {
        let digest = self.put(name, bytes, from)?;
        self.manifest.add(name, digest);
        Ok(())
    }

    /// The last members, which name and sign those before. `sign` makes a signed note of a statement.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn finish(
        mut self,
        evidence: &Evidence,
        series: &Series,
        sign: &dyn Fn(&str) -> Result<String, LedgerError>,
    ) -> Result<W, WriteError> {
        self.member(MINUTES, series.csv().as_bytes())?;
        self.member(EVIDENCE, &serde_json::to_vec_pretty(evidence)?)?;
        self.member(REPORT, report::page(evidence, series).as_bytes())?;
        let note = sign(&Statement::new(&self.manifest, evidence).text())?;
        let text = self.manifest.text();
        self.put(MANIFEST, text.len() as u64, &mut text.as_bytes())?;
        self.put(NOTE, note.len() as u64, &mut note.as_bytes())?;
        self.out.write_all(&tar::END)?;
        Ok(self.out)
    }

    /// It can't be finished: whoever has it is told why, and it verifies as nothing. A member that was begun is filled with
    /// zeros, for readers find the next one by its length.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn fail(mut self, why: &str) -> Result<W, WriteError> {
        let zeros = vec![0; COPY_BYTES];
        while self.owed > 0 {
            let some = zeros.get(..usize::try_from(self.owed).unwrap_or(COPY_BYTES)).unwrap_or(&zeros);
            self.out.write_all(some)?;
            self.owed -= some.len() as u64;
        }
        let text = format!("{why}\n");
        self.put(FAILED, text.len() as u64, &mut text.as_bytes())?;
        self.out.write_all(&tar::END)?;
        Ok(self.out)
    }

    fn put(&mut self, name: &str, bytes: u64, from: &mut dyn Read) -> Result<[u8; 32], WriteError> {
        self.out.write_all(&tar::header(name, bytes, self.made_at)?)?;
        self.owed = bytes + tar::padding(bytes).len() as u64;
        let mut digest = Sha256::default();
        let mut left = bytes;
        let mut buffer = vec![0; COPY_BYTES.min(usize::try_from(bytes).unwrap_or(COPY_BYTES))];
        while left > 0 {
            let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let count = from.read(buffer.get_mut(..wanted).unwrap_or_default())?;
            let Some(some) = buffer.get(..count).filter(|some| !some.is_empty()) else {
                return Err(WriteError::Shorter { name: name.to_owned() });
            };
            digest.update(some);
            self.out.write_all(some)?;
            left -= count as u64;
            self.owed -= count as u64;
        }
        self.out.write_all(tar::padding(bytes))?;
        self.owed = 0;
        Ok(digest.finish())
    }
}
