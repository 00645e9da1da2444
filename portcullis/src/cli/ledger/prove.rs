//! `ledger prove` and `ledger verify-proof`: one event or decision, and the way from it to a signed checkpoint.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use portcullis_api::ledger::LedgerProof;
use portcullis_domain::decision::DecisionId;
use portcullis_ledger::note::NoteVerifier;

use super::super::Outcome;
use super::super::output::{Output, json};
use super::super::server::{Server, read};
use super::proof::{check, told};
use super::{Known, head};
use crate::settings::write_whole;

/// A payload may have a megabyte, and JSON in JSON grows.
const PROOF_BYTES_MAX: u64 = 8 << 20;

#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Number of an event, from 0, or id of a decision
    #[arg(value_name = "EVENT|DECISION")]
    what: What,
    /// Where to write the proof; default: `event-N.proof.json` or `decision-ID.proof.json` here; `-` is standard output
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

impl What {
    fn is(self, event: u64, decision: Option<DecisionId>) -> bool {
        match self {
            Self::Event(sequence) => sequence == event && decision.is_none(),
            Self::Decision(id) => decision == Some(id),
        }
    }
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Event(sequence) => sequence.fmt(f),
            Self::Decision(id) => id.fmt(f),
        }
    }
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

pub(super) async fn prove(server: &Server, out: &Output, arguments: &Arguments) -> Result<Outcome> {
    let what = arguments.what.to_string();
    let verifier = arguments.known.or_of(&head(server).await?)?;
    let proof: LedgerProof = server.get(&["v1", "ledger", "proofs", &what]).await?;
    // What wouldn't convince others is not written.
    let mut proved = check(&proof, &verifier).context("the server's proof does not hold")?;
    if !arguments.what.is(proved.event, proved.decision()) {
        bail!("the server proved something else than `{what}`");
    }
    proved.key_is_known = arguments.known.key.is_some();
    let text = json(&proof)?;
    let file = match &arguments.file {
        Some(file) if file.as_os_str() == "-" => {
            out.text(&text)?;
            return Ok(Outcome::Done);
        }
        Some(file) => file.clone(),
        None => PathBuf::from(match arguments.what {
            What::Event(sequence) => format!("event-{sequence}.proof.json"),
            What::Decision(id) => format!("decision-{id}.proof.json"),
        }),
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
