//! Whether the ledger still begins with what somebody kept of it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_api::ledger::LedgerConsistency;
use portcullis_ledger::checkpoint::Checkpoint;
use portcullis_ledger::note::{NOTE_BYTES_MAX, NoteVerifier};
use portcullis_ledger::tree::verify_consistency;
use portcullis_ledger::{Hash, LedgerError};
use serde::Serialize;

use super::super::output::Paint;
use super::super::server::{Server, read};
use super::{Known, head, verdict};

/// A checkpoint that was kept.
pub(super) struct Old {
    path: PathBuf,
    note: String,
}

impl Old {
    /// From a file, or from the folder of an export.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let path = if path.is_dir() { path.join("checkpoint") } else { path.to_owned() };
        let size = std::fs::metadata(&path).map_or(0, |found| found.len());
        if size > NOTE_BYTES_MAX as u64 {
            return Err(anyhow!("`{}` is too long for a checkpoint", path.display()));
        }
        let note = String::from_utf8(read(&path)?)
            .with_context(|| format!("`{}` is no checkpoint", path.display()))?;
        Ok(Self { path, note })
    }
}

/// What the comparison found.
#[derive(Serialize)]
pub(super) struct Against {
    old: String,
    /// Events of the older ledger, once its checkpoint is known to be ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    old_size: Option<u64>,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

impl Against {
    pub(super) fn is_good(&self) -> bool {
        self.fault.is_none()
    }

    pub(super) fn told(&self, paint: Paint) -> String {
        let verdict = verdict(self.is_good(), paint);
        match (&self.fault, self.old_size) {
            (Some(fault), _) => format!("{verdict}  {fault}\n"),
            (None, old) => format!(
                "{verdict}  the {} events of `{}` are the beginning of these {}\n",
                old.unwrap_or_default(),
                self.old,
                self.size
            ),
        }
    }
}

/// Asks for the proof, and checks it here.
pub(super) async fn against(server: &Server, old: Old, known: &Known) -> Result<Against> {
    let now = head(server).await?;
    let verifier = known.or_of(&now)?;
    let shown = old.path.display().to_string();
    let mut found = Against { old: shown.clone(), old_size: None, size: now.size, fault: None };
    let signed = match verifier.verify(&old.note) {
        Ok(signed) => signed,
        Err(error) => {
            let what = error.to_string();
            let what = what.split('\n').next().unwrap_or_default();
            found.fault = Some(format!(
                "`{shown}` is no checkpoint of this ledger, whose key is `{verifier}`: {what}. Either it is of another ledger, or this one was founded anew"
            ));
            return Ok(found);
        }
    };
    found.old_size = Some(signed.size);
    if signed.size > now.size {
        found.fault = Some(format!(
            "`{shown}` is of {} events, and the ledger has {} only: it was cut or rewritten, or an older backup was restored",
            signed.size, now.size
        ));
        return Ok(found);
    }
    let query = [("from", signed.size.to_string())];
    let proof: LedgerConsistency = server.query(&["v1", "ledger", "consistency"], &query).await?;
    let newest = match holds(&signed, &proof, &verifier) {
        Ok(newest) => newest,
        Err(error) => {
            found.fault = Some(format!(
                "the ledger does not begin with the {} events of `{shown}`: it was rewritten since, or an older backup was restored and written on ({})",
                signed.size,
                error.to_string().split('\n').next().unwrap_or_default()
            ));
            return Ok(found);
        }
    };
    found.size = newest.size;
    Ok(found)
}

/// The newest head, if the proof leads from `old` to it.
fn holds(
    old: &Checkpoint,
    proof: &LedgerConsistency,
    verifier: &NoteVerifier,
) -> Result<Checkpoint, LedgerError> {
    let newest = verifier.verify(&proof.checkpoint)?;
    let hash = |text: &String| STANDARD.decode(text).ok().and_then(|bytes| Hash::try_from(bytes).ok());
    let hashes: Option<Vec<Hash>> = proof.hashes.iter().map(hash).collect();
    verify_consistency(old.size, newest.size, &hashes.ok_or(LedgerError::Proof)?, &old.root, &newest.root)?;
    Ok(newest)
}
