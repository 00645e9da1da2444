//! `ledger prove` and `ledger verify-proof`: one event, and the way from it to a signed checkpoint.

use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, bail};
use portcullis_api::ledger::LedgerProof;
use portcullis_domain::decision::DecisionId;
use portcullis_ledger::leaf::Envelope;
use portcullis_ledger::note::NoteVerifier;
use portcullis_ledger::proof::InclusionProof;
use portcullis_ledger::sha256;
use serde::Serialize;

use super::super::output::{Output, Paint, json};
use super::super::server::{Server, read};
use super::super::{Outcome, time};
use super::{Known, head, verdict};
use crate::settings::write_whole;

const FORMAT: &str = "portcullis-ledger-proof/1";
/// A payload may have a megabyte, and JSON in JSON grows.
const PROOF_BYTES_MAX: u64 = 8 << 20;

#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Number of an event, from 0, or id of a decision
    #[arg(value_name = "EVENT|DECISION")]
    what: What,
    /// Where to write the proof; default: `event-N.proof.json` here; `-` is standard output
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    known: Known,
}

#[derive(clap::Args)]
pub(in crate::cli) struct VerifyArguments {
    /// The proof
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Public key of the ledger that you keep; without it, the one in the file is taken, and shown
    #[arg(long, value_name = "VKEY")]
    key: Option<NoteVerifier>,
}

/// What is to be proved.
#[derive(Clone, Copy, Debug)]
enum What {
    Event(u64),
    Decision(DecisionId),
}

impl std::str::FromStr for What {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Ids of decisions have 26 characters, numbers of events at most 16.
        if text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(Self::Event).map_err(|error| error.to_string());
        }
        text.parse()
            .map(Self::Decision)
            .map_err(|_| "write the number of an event, such as `41`, or the id of a decision".to_owned())
    }
}

/// What a proof says, once it holds.
#[derive(Serialize)]
struct Proved {
    good: bool,
    event: u64,
    kind: String,
    time: String,
    aggregate: String,
    /// Events that the signed tree has.
    size: u64,
    ledger: String,
    key: String,
    /// Whether the key came from elsewhere than from the proof.
    key_is_known: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

pub(super) async fn prove(server: &Server, out: &Output, arguments: &Arguments) -> Result<Outcome> {
    let sequence = match arguments.what {
        What::Event(sequence) => sequence,
        What::Decision(id) => bail!(
            "decision `{id}` is not sealed yet\nhint: decisions are proved once their hour is sealed; `portcullis explain {id}` shows it"
        ),
    };
    let verifier = arguments.known.or_of(&head(server).await?)?;
    let proof: LedgerProof = server.get(&["v1", "ledger", "proofs", &sequence.to_string()]).await?;
    // What wouldn't convince others is not written.
    let mut proved = check(&proof, &verifier).context("the server's proof does not hold")?;
    if proved.event != sequence {
        bail!("the server proved event `{}`, not `{sequence}`", proved.event);
    }
    proved.key_is_known = arguments.known.key.is_some();
    let text = json(&proof)?;
    let file = match &arguments.file {
        Some(file) if file.as_os_str() == "-" => {
            out.text(&text)?;
            return Ok(Outcome::Done);
        }
        Some(file) => file.clone(),
        None => PathBuf::from(format!("event-{sequence}.proof.json")),
    };
    write_whole(&file, text.as_bytes(), 0o644)?;
    proved.file = Some(file.display().to_string());
    out.show(&proved, |paint| told(&proved, paint))?;
    Ok(Outcome::Done)
}

pub(super) fn verify(out: &Output, arguments: &VerifyArguments) -> Result<Outcome> {
    let shown = arguments.file.display();
    if std::fs::metadata(&arguments.file).is_ok_and(|found| found.len() > PROOF_BYTES_MAX) {
        bail!("`{shown}` is too long for a proof");
    }
    let proof: LedgerProof = serde_json::from_slice(&read(&arguments.file)?)
        .with_context(|| format!("`{shown}` is no proof\nhint: `portcullis ledger prove` writes them"))?;
    let verifier = match &arguments.key {
        Some(key) => key.clone(),
        None => proof.key.parse()?,
    };
    let mut proved = check(&proof, &verifier).with_context(|| format!("`{shown}` proves nothing"))?;
    proved.key_is_known = arguments.key.is_some();
    out.show(&proved, |paint| told(&proved, paint))?;
    Ok(Outcome::Done)
}

/// Whether the payload is the leaf's, and the leaf in the tree that was signed.
fn check(proof: &LedgerProof, verifier: &NoteVerifier) -> Result<Proved> {
    if proof.format != FORMAT {
        bail!("its format is `{}`, this program reads `{FORMAT}`", proof.format);
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
    })
}

fn told(proved: &Proved, paint: Paint) -> String {
    let mut text = format!(
        "{}  event {} `{}` of {}, about {}\nin    the {} events of `{}`\nkey   {}\n",
        verdict(true, paint),
        proved.event,
        proved.kind,
        proved.time,
        proved.aggregate,
        proved.size,
        proved.ledger,
        proved.key
    );
    if let Some(file) = &proved.file {
        text.push_str(&format!("file  {file}\n"));
    } else if !proved.key_is_known {
        text.push_str("      the key is the file's own word: compare it with the one that you keep, or give that one by `--key`\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_numbers_and_decisions_ids() {
        assert!(matches!("41".parse(), Ok(What::Event(41))));
        assert!(matches!("01M7Z0C6B71DFTGC1GRW00000W".parse(), Ok(What::Decision(_))));
        for bad in ["", "x", "-1", "99999999999999999", "vendor/acme"] {
            assert!(bad.parse::<What>().is_err(), "{bad}");
        }
    }
}
