//! `ledger`: its head, whether all of it holds, and what strangers need to see that for themselves.

mod directory;
mod export;
mod history;
mod proof;
mod prove;

use std::path::PathBuf;

use anyhow::Result;
use portcullis_api::ledger::{LedgerHead, LedgerReport};
use portcullis_ledger::note::NoteVerifier;
use serde::Serialize;

use super::output::{Output, Paint, Style};
use super::server::Server;
use super::{Outcome, Place, examples, time};

#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// Print size, root and signed checkpoint
    Head,
    /// Print the public key that checkpoints verify with
    Key,
    /// Check every stored event against the tree
    #[command(after_help = examples::LEDGER_VERIFY)]
    Verify(VerifyArguments),
    /// Write the ledger as files that others can verify, or add to them what is new
    #[command(after_help = examples::LEDGER_EXPORT)]
    Export(export::Arguments),
    /// Write the proof that an event, or a decision, stands in the ledger
    #[command(after_help = examples::LEDGER_PROVE)]
    Prove(prove::Arguments),
    /// Check a proof, without any server
    #[command(after_help = examples::LEDGER_VERIFY_PROOF)]
    VerifyProof(prove::VerifyArguments),
}

#[derive(clap::Args)]
pub(super) struct VerifyArguments {
    /// Checkpoint or folder of an export that was kept: the ledger must still begin with it
    #[arg(long, value_name = "OLD")]
    against: Option<PathBuf>,
    #[command(flatten)]
    known: Known,
}

/// The ledger's public key, where the asker has it from elsewhere.
#[derive(clap::Args)]
struct Known {
    /// Public key of the ledger that you keep; without it, the server's word is taken
    #[arg(long, value_name = "VKEY")]
    key: Option<NoteVerifier>,
}

impl Known {
    /// The key that was given, or the one that the server tells.
    fn or_of(&self, head: &LedgerHead) -> Result<NoteVerifier> {
        match (&self.key, &head.key) {
            (Some(key), _) => Ok(key.clone()),
            (None, Some(key)) => Ok(key.parse()?),
            (None, None) => Err(anyhow::anyhow!(
                "the server tells no key of its ledger\nhint: are server and command line of one version?"
            )),
        }
    }
}

pub(super) async fn ledger(place: &Place, out: &Output, verb: Verb) -> Result<Outcome> {
    if let Verb::VerifyProof(arguments) = verb {
        return prove::verify(out, &arguments);
    }
    let server = Server::find(place)?;
    match verb {
        Verb::Head => {
            let head = head(&server).await?;
            out.show(&head, |_| head_told(&head))?;
            Ok(Outcome::Done)
        }
        Verb::Key => {
            let head = head(&server).await?;
            let key = Known { key: None }.or_of(&head)?.to_string();
            out.show(&serde_json::json!({ "key": key }), |_| format!("{key}\n"))?;
            Ok(Outcome::Done)
        }
        Verb::Verify(arguments) => verified(&server, out, &arguments).await,
        Verb::Export(arguments) => export::export(&server, out, &arguments).await,
        Verb::Prove(arguments) => prove::prove(&server, out, &arguments).await,
        Verb::VerifyProof(_) => Ok(Outcome::Done),
    }
}

pub(super) async fn verify(server: &Server) -> Result<LedgerReport> {
    Ok(server.post(&["v1", "ledger", "verify"], &serde_json::json!({})).await?.1)
}

pub(super) async fn head(server: &Server) -> Result<LedgerHead> {
    server.get(&["v1", "ledger", "head"]).await
}

/// What both verifications found.
#[derive(Serialize)]
struct Verified {
    #[serde(flatten)]
    report: LedgerReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<history::Against>,
}

async fn verified(server: &Server, out: &Output, arguments: &VerifyArguments) -> Result<Outcome> {
    // What can't be read is told before a long ledger is gone through.
    let old = arguments.against.as_deref().map(history::Old::read).transpose()?;
    let report = verify(server).await?;
    let against = match old {
        Some(old) => Some(history::against(server, old, &arguments.known).await?),
        None => None,
    };
    let verified = Verified { report, against };
    out.show(&verified, |paint| {
        let mut text = report_told(&verified.report, paint);
        text.extend(verified.against.iter().map(|against| against.told(paint)));
        text
    })?;
    let good = verified.report.good && verified.against.as_ref().is_none_or(history::Against::is_good);
    Ok(if good { Outcome::Done } else { Outcome::Refused })
}

fn head_told(head: &LedgerHead) -> String {
    let mut text = format!("size  {}\nroot  {}\n", head.size, head.root);
    if let Some(key) = &head.key {
        text.push_str(&format!("key   {key}\n"));
    }
    for posting in &head.posted {
        let state = match (&posting.error, posting.size) {
            (Some(error), _) => error.clone(),
            (None, Some(size)) => format!("size {size} arrived"),
            (None, None) => "nothing arrived yet".to_owned(),
        };
        text.push_str(&format!("post  {}: {state}\n", posting.to));
    }
    if let Some(restored) = &head.restored {
        text.push_str(&format!(
            "back  restored on {} from a backup of {}: events after {} are unknown\n",
            time::instant(restored.restored_at),
            time::instant(restored.backup_time),
            restored.size
        ));
    }
    if let Some(checkpoint) = &head.checkpoint {
        text.push_str(&format!("\n{checkpoint}"));
    }
    text
}

fn report_told(report: &LedgerReport, paint: Paint) -> String {
    let mut text = format!(
        "{}  {} events checked in {}\nroot  {}\n",
        verdict(report.good, paint),
        report.events_checked,
        time::milliseconds(report.took_us),
        report.root
    );
    for fault in &report.faults {
        text.push_str(&format!("  {fault}\n"));
    }
    text
}

fn verdict(good: bool, paint: Paint) -> String {
    let (verdict, style) = if good { ("GOOD", Style::Good) } else { ("NOT GOOD", Style::Bad) };
    paint.paint(verdict, style)
}
