//! `ledger`: its head, and whether all of it holds.

use anyhow::Result;
use portcullis_api::ledger::{LedgerHead, LedgerReport};

use super::output::{Output, Paint, Style};
use super::server::Server;
use super::{Outcome, Place, time};

#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// Print size, root and signed checkpoint
    Head,
    /// Check every stored event against the tree
    Verify,
}

pub(super) async fn ledger(place: &Place, out: &Output, verb: Verb) -> Result<Outcome> {
    let server = Server::find(place)?;
    match verb {
        Verb::Head => {
            let head: LedgerHead = server.get(&["v1", "ledger", "head"]).await?;
            out.show(&head, |_| head_told(&head))?;
            Ok(Outcome::Done)
        }
        Verb::Verify => {
            let report = verify(&server).await?;
            out.show(&report, |paint| report_told(&report, paint))?;
            Ok(if report.good { Outcome::Done } else { Outcome::Refused })
        }
    }
}

pub(super) async fn verify(server: &Server) -> Result<LedgerReport> {
    Ok(server.post(&["v1", "ledger", "verify"], &serde_json::json!({})).await?.1)
}

fn head_told(head: &LedgerHead) -> String {
    let mut text = format!("size  {}\nroot  {}\n", head.size, head.root);
    if let Some(checkpoint) = &head.checkpoint {
        text.push_str(&format!("\n{checkpoint}"));
    }
    text
}

fn report_told(report: &LedgerReport, paint: Paint) -> String {
    let (verdict, style) = if report.good { ("GOOD", Style::Good) } else { ("NOT GOOD", Style::Bad) };
    let mut text = format!(
        "{}  {} events checked in {}\nroot  {}\n",
        paint.paint(verdict, style),
        report.events_checked,
        time::milliseconds(report.took_us),
        report.root
    );
    for fault in &report.faults {
        text.push_str(&format!("  {fault}\n"));
    }
    text
}
