//! What a proof says, checked with nothing but a public key.

use anyhow::{Context as _, Result, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_api::ledger::{LedgerProof, RowProof};
use portcullis_domain::archive::{Content, SealedFile};
use portcullis_domain::decision::{DecisionId, DecisionRecord, OutcomeRecord};
use portcullis_domain::event::Event;
use portcullis_ledger::leaf::Envelope;
use portcullis_ledger::note::NoteVerifier;
use portcullis_ledger::proof::InclusionProof;
use portcullis_ledger::tree::{leaf_hash, verify_inclusion};
use portcullis_ledger::{Hash, from_hex, sha256};
use serde::{Deserialize, Serialize};

use super::super::output::Paint;
use super::super::time;
use super::verdict;

const FORMAT: &str = "portcullis-ledger-proof/1";
const DECISION_FORMAT: &str = "portcullis-decision-proof/1";

/// What a proof says, once it holds.
#[derive(Serialize)]
pub(super) struct Proved {
    good: bool,
    pub event: u64,
    kind: String,
    time: String,
    aggregate: String,
    /// Events that the signed tree has.
    size: u64,
    ledger: String,
    key: String,
    /// Whether the key came from elsewhere than from the proof.
    pub key_is_known: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[serde(flatten)]
    row: Option<ProvedRow>,
}

/// A decision, as its row says.
#[derive(Serialize)]
struct ProvedRow {
    decision: DecisionRecord,
    outcome: Option<OutcomeRecord>,
    sealed_file: String,
    sealed_file_sha256: String,
    row: u64,
    rows: u64,
}

#[derive(Deserialize)]
struct Leaf {
    decision: DecisionRecord,
    outcome: Option<OutcomeRecord>,
}

impl Proved {
    pub fn decision(&self) -> Option<DecisionId> {
        self.row.as_ref().map(|row| row.decision.id)
    }
}

/// Whether the row is in the file of the payload, the payload is the leaf's, and the leaf in the tree that was signed.
pub(super) fn check(proof: &LedgerProof, verifier: &NoteVerifier) -> Result<Proved> {
    match (proof.format.as_str(), &proof.row) {
        (FORMAT, None) | (DECISION_FORMAT, Some(_)) => {}
        (FORMAT | DECISION_FORMAT, _) => bail!("its members are not those of the format `{}`", proof.format),
        (format, _) => {
            bail!("its format is `{format}`, this program reads `{FORMAT}` and `{DECISION_FORMAT}`")
        }
    }
    let path = InclusionProof::parse(&proof.proof)?;
    let signed = path.verify(verifier, proof.entry.envelope.as_bytes())?;
    let envelope = Envelope::parse(proof.entry.envelope.as_bytes())?;
    if envelope.sequence != path.index {
        return Err(anyhow!(
            "the event says that it is `{}`, and stands at `{}`",
            envelope.sequence,
            path.index
        ));
    }
    if envelope.payload_sha256 != sha256(proof.entry.payload.as_bytes()) {
        bail!("the payload is not the one that the event names");
    }
    let row = proof.row.as_ref().map(|row| check_row(row, &proof.entry.payload)).transpose()?;
    Ok(Proved {
        good: true,
        event: envelope.sequence,
        kind: envelope.kind,
        time: time::instant(envelope.time),
        aggregate: envelope.aggregate.to_string(),
        size: signed.size,
        ledger: signed.origin,
        key: verifier.to_string(),
        key_is_known: false,
        file: None,
        row,
    })
}

/// Whether the row leads to the root in the payload, which is proved already.
fn check_row(row: &RowProof, payload: &str) -> Result<ProvedRow> {
    let sealed = sealed_file(payload)?;
    let path = row.path.iter().map(|hash| Hash::try_from(STANDARD.decode(hash).ok()?).ok());
    let path: Option<Vec<Hash>> = path.collect();
    let path = path.context("a hash of the row's path is no base64 of 32 bytes")?;
    let root = from_hex(&sealed.rows_root).context("the event's `rows_root` is no hash")?;
    verify_inclusion(&leaf_hash(row.leaf.as_bytes()), row.index, sealed.rows, &path, &root)
        .context("the row is not in the file that the event tells of")?;
    let leaf: Leaf = serde_json::from_str(&row.leaf).context("the row is no decision")?;
    Ok(ProvedRow {
        decision: leaf.decision,
        outcome: leaf.outcome,
        sealed_file: sealed.file,
        sealed_file_sha256: sealed.sha256,
        row: row.index,
        rows: sealed.rows,
    })
}

/// The file of decisions that an event brought into force: when it was sealed, or written anew by the retention.
fn sealed_file(payload: &str) -> Result<SealedFile> {
    let sealed = match serde_json::from_str(payload).context("the event is none that this program knows")? {
        Event::DecisionsSealed(sealed) => Some(sealed),
        Event::DecisionsExpired(expiry) => expiry.replaced_by,
        _ => None,
    };
    let sealed = sealed.filter(|sealed| sealed.content == Content::Decisions);
    sealed.context("the event is not one that seals decisions")
}

pub(super) fn told(proved: &Proved, paint: Paint) -> String {
    let good = verdict(true, paint);
    let mut text = String::new();
    if let Some(row) = &proved.row {
        let decision = &row.decision;
        text.push_str(&format!(
            "{good}  decision {} of {}: {} `{}`, {} {}\nrow   {} of the {} in `{}`\nby    ",
            decision.id,
            time::instant(decision.time),
            decision.verdict.as_str(),
            decision.reason.code(),
            decision.method,
            decision.path,
            row.row,
            row.rows,
            row.sealed_file
        ));
    } else {
        text.push_str(&format!("{good}  "));
    }
    text.push_str(&format!(
        "event {} `{}` of {}, about {}\nin    the {} events of `{}`\nkey   {}\n",
        proved.event, proved.kind, proved.time, proved.aggregate, proved.size, proved.ledger, proved.key
    ));
    if let Some(file) = &proved.file {
        text.push_str(&format!("file  {file}\n"));
    } else if !proved.key_is_known {
        text.push_str("      the key is the file's own word: compare it with the one that you keep, or give that one by `--key`\n");
    }
    text
}

#[cfg(test)]
mod tests;
