//! `decisions files`, `verify` and `seal`: the sealed part of the decision log.

use anyhow::Result;
use portcullis_api::decisions::{FilesReport, MissingSegment, SealAnswer, SealedFileView};
use portcullis_api::page::Page;
use serde_json::json;

use super::super::output::{Output, Style};
use super::super::server::Server;
use super::super::table::Table;
use super::super::{Outcome, examples};

/// Digits of a digest that tell files apart at a glance; all of them with `-o json`.
const DIGITS: usize = 16;

#[derive(clap::Subcommand)]
pub(in super::super) enum Verb {
    /// List the sealed files, the newest first
    #[command(after_help = examples::DECISIONS_FILES)]
    Files {
        /// At most this many
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Check every sealed file against the ledger, row by row, and that no segment has vanished
    #[command(after_help = examples::DECISIONS_VERIFY)]
    Verify {
        /// Say first that the segments which are missing are known: they are named no more
        #[arg(long)]
        acknowledge_missing: bool,
    },
    /// Seal all decisions that are made, without waiting for the hour
    #[command(after_help = examples::DECISIONS_SEAL)]
    Seal,
}

pub(super) async fn decisions(server: &Server, out: &Output, verb: Verb) -> Result<Outcome> {
    match verb {
        Verb::Files { limit } => {
            let files = files(server, limit).await?;
            out.show(&json!({ "items": files }), |_| out.table(&table(&files), "nothing is sealed yet"))?;
        }
        Verb::Verify { acknowledge_missing } => {
            if acknowledge_missing {
                acknowledge(server, out).await?;
            }
            let (_, report): (_, FilesReport) =
                server.post(&["v1", "decisions", "verify"], &json!({})).await?;
            out.show(&report, |paint| {
                let mut text = String::new();
                for fault in &report.faults {
                    text.push_str(&format!("{}  {}\n", paint.paint(&fault.file, Style::Bad), fault.why));
                }
                for segment in &report.missing_segments {
                    text.push_str(&format!("{}\n", paint.paint(&segment.why(), Style::Bad)));
                }
                let FilesReport { files, rows, bytes, .. } = report;
                let (word, style) =
                    if report.good { ("GOOD", Style::Good) } else { ("NOT GOOD", Style::Bad) };
                text.push_str(&format!(
                    "{}  {files} files with {rows} rows in {bytes} bytes are what the ledger says\n",
                    paint.paint(word, style)
                ));
                text
            })?;
            if !report.missing_segments.is_empty() {
                out.note(&format!("hint: {}", MissingSegment::HINT));
            }
            if !report.good {
                return Ok(Outcome::Refused);
            }
        }
        Verb::Seal => {
            let (_, answer): (_, SealAnswer) = server.post(&["v1", "decisions", "seal"], &json!({})).await?;
            out.show(&answer, |_| {
                let none = "every decision was sealed already";
                let mut text = out.table(&table(&answer.files), none);
                if answer.rows > 0 {
                    text.push_str(&format!("\n{} rows are sealed now\n", answer.rows));
                }
                text
            })?;
            if answer.unreadable > 0 {
                out.note(&format!(
                    "note: {} frames are none that this version reads; they stay in their segments",
                    answer.unreadable
                ));
            }
        }
    }
    Ok(Outcome::Done)
}

async fn acknowledge(server: &Server, out: &Output) -> Result<()> {
    let path = ["v1", "decisions", "missing", "acknowledge"];
    let (_, acknowledged): (_, Vec<MissingSegment>) = server.post(&path, &json!({})).await?;
    for segment in acknowledged {
        out.note(&format!("note: known from now on: {}", segment.why()));
    }
    Ok(())
}

async fn files(server: &Server, limit: u32) -> Result<Vec<SealedFileView>> {
    let mut files: Vec<SealedFileView> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let wanted = (limit as usize).saturating_sub(files.len());
        let mut query = vec![("limit", wanted.min(portcullis_api::page::LIMIT_MAX as usize).to_string())];
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let page: Page<SealedFileView> = server.query(&["v1", "decisions", "files"], &query).await?;
        files.extend(page.items);
        cursor = page.next;
        if cursor.is_none() || files.len() >= limit as usize {
            return Ok(files);
        }
    }
}

fn table(files: &[SealedFileView]) -> Table {
    let mut table = Table::new(["FILE", "ROWS", "BYTES", "SHA-256", "EVENT"]);
    for file in files {
        let digits: String = file.sha256.chars().take(DIGITS).collect();
        let event = file.event.map(|event| event.to_string()).unwrap_or_default();
        table.row([
            file.file.as_str().into(),
            file.rows.to_string().into(),
            file.bytes.to_string().into(),
            format!("{digits}…").into(),
            event.into(),
        ]);
    }
    table
}
