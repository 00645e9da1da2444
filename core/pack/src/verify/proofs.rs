//! Events in a pack: that they stand in the ledger, and say what the evidence says of them.

use std::collections::BTreeMap;

use portcullis_domain::archive::SealedFile;
use portcullis_domain::event::Event;
use portcullis_ledger::leaf::Envelope;
use portcullis_ledger::note::NoteVerifier;
use portcullis_ledger::proof::InclusionProof;
use portcullis_ledger::{Hash, sha256};
use serde::Deserialize;

use super::{VerifyError, json};
use crate::evidence::{EventLine, Evidence, RestorationLine, SealedLine, Section, SeveranceLine};

const PROOF_FORMAT: &str = "portcullis-ledger-proof/1";

/// As `portcullis ledger prove` writes it; the key in it is nobody's.
#[derive(Deserialize)]
struct Written {
    format: String,
    envelope: String,
    payload: String,
    proof: String,
}

/// What the evidence says of an event.
enum Said<'a> {
    Sealed(&'a SealedLine),
    Severed(&'a SeveranceLine),
    Restored(&'a RestorationLine),
    Told(&'a EventLine),
}

pub(super) struct Proofs<'a> {
    verifier: &'a NoteVerifier,
    size: u64,
    /// Of the tree that all proofs lead to.
    root: Option<Hash>,
    said: BTreeMap<&'a str, Vec<Said<'a>>>,
}

impl<'a> Proofs<'a> {
    pub fn new(evidence: &'a Evidence, verifier: &'a NoteVerifier) -> Self {
        let mut said: BTreeMap<&str, Vec<Said<'_>>> = BTreeMap::new();
        for line in &evidence.sources.sealed {
            said.entry(&line.proof).or_default().push(Said::Sealed(line));
        }
        for section in &evidence.sections {
            match section {
                Section::Severances { lines } => {
                    for line in lines {
                        said.entry(&line.proof).or_default().push(Said::Severed(line));
                        if let Some(restored) = &line.restored {
                            said.entry(&restored.proof).or_default().push(Said::Restored(restored));
                        }
                    }
                }
                Section::Events { lines, .. } => {
                    for line in lines {
                        said.entry(&line.proof).or_default().push(Said::Told(line));
                    }
                }
                _ => {}
            }
        }
        Self { verifier, size: evidence.ledger.size, root: None, said }
    }

    pub fn check(&mut self, name: &str, bytes: &[u8]) -> Result<(), VerifyError> {
        let fault = |why: &str| VerifyError::Proof { name: name.to_owned(), why: why.to_owned() };
        let written: Written = json(name, bytes)?;
        if written.format != PROOF_FORMAT {
            return Err(fault("its format is another"));
        }
        let failed = |error: portcullis_ledger::LedgerError| fault(&error.to_string());
        let proof = InclusionProof::parse(&written.proof).map_err(failed)?;
        let signed = proof.verify(self.verifier, written.envelope.as_bytes()).map_err(failed)?;
        let envelope = Envelope::parse(written.envelope.as_bytes()).map_err(failed)?;
        if envelope.sequence != proof.index {
            return Err(fault("the event stands at another place than it says"));
        }
        if envelope.payload_sha256 != sha256(written.payload.as_bytes()) {
            return Err(fault("the payload is not the one that the event names"));
        }
        if signed.size != self.size || *self.root.get_or_insert(signed.root) != signed.root {
            return Err(fault("it leads to another checkpoint than the evidence names"));
        }
        for said in self.said.remove(name).unwrap_or_default() {
            if !is_so(&said, &envelope, &written.payload) {
                return Err(fault("the event says something else than the evidence"));
            }
        }
        Ok(())
    }

    /// # Errors
    /// The evidence names events that no member proved.
    pub fn finish(self) -> Result<(), VerifyError> {
        match self.said.into_keys().next() {
            Some(name) => Err(VerifyError::Missing(name.to_owned())),
            None => Ok(()),
        }
    }
}

fn is_so(said: &Said<'_>, envelope: &Envelope, payload: &str) -> bool {
    let event = || serde_json::from_str::<Event>(payload).ok();
    match said {
        Said::Sealed(line) => {
            line.event == envelope.sequence
                && event().and_then(sealed).is_some_and(|file| of_file(line, &file))
        }
        Said::Severed(line) => {
            line.event == envelope.sequence
                && matches!(event(), Some(Event::Severed(found)) if found.id == line.id && found.time == line.time)
        }
        Said::Restored(line) => {
            line.event == envelope.sequence
                && matches!(event(), Some(Event::Restored(found)) if found.id == line.id && found.time == line.time)
        }
        Said::Told(line) => {
            (line.event, line.kind.as_str(), line.time)
                == (envelope.sequence, envelope.kind.as_str(), envelope.time)
        }
    }
}

/// The file that an event brought into force: when it was sealed, or written anew by the retention.
fn sealed(event: Event) -> Option<SealedFile> {
    match event {
        Event::DecisionsSealed(sealed) => Some(sealed),
        Event::DecisionsExpired(expiry) => expiry.replaced_by,
        _ => None,
    }
}

fn of_file(line: &SealedLine, file: &SealedFile) -> bool {
    (&line.file, line.content, &line.sha256, line.bytes, line.rows, &line.rows_root)
        == (&file.file, file.content, &file.sha256, file.bytes, file.rows, &file.rows_root)
}
