//! `ledger export`: C2SP `tlog-tiles` with the payloads beside them, page by page from the server.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use portcullis_api::ledger::{LedgerEntries, LedgerEntry};
use portcullis_api::page::LIMIT_MAX;
use portcullis_ledger::checkpoint::Checkpoint;
use portcullis_ledger::leaf::Envelope;
use portcullis_ledger::note::NoteVerifier;
use portcullis_ledger::tiles::{TILE_WIDTH, Tile, TileTree, entries_path, payloads_path, push_entry};
use portcullis_ledger::{sha256, tree};
use serde::Serialize;

use super::super::Outcome;
use super::super::output::Output;
use super::super::server::Server;
use super::directory::{Directory, Part};
use super::{Known, head, verdict};
use crate::clock::system_clock;

const PROGRESS: Duration = Duration::from_secs(2);

#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Folder to write to: a new one, or that of an earlier export of this ledger
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    #[command(flatten)]
    known: Known,
}

#[derive(Serialize)]
struct Exported {
    folder: String,
    ledger: String,
    key: String,
    /// Events of the export before.
    from: u64,
    size: u64,
}

pub(super) async fn export(server: &Server, out: &Output, arguments: &Arguments) -> Result<Outcome> {
    let newest = head(server).await?;
    let verifier = arguments.known.or_of(&newest)?;
    let note = newest.checkpoint.unwrap_or_default();
    let signed = verifier.verify(&note).context("the server's checkpoint is not of its ledger")?;
    let directory = Directory::open(&arguments.folder)?;
    let old = old(&directory, &verifier, &signed, arguments)?;
    let from = old.as_ref().map_or(0, |old| old.size);
    let mut export = Export::resume(&directory, old)?;
    let clock = system_clock();
    let mut told = clock.monotonic();
    while export.tree.size() < signed.size {
        let next = export.tree.size();
        let limit = (signed.size - next).min(u64::from(LIMIT_MAX));
        let query = [("from", next.to_string()), ("limit", limit.to_string())];
        let page: LedgerEntries = server.query(&["v1", "ledger", "entries"], &query).await?;
        if page.entries.is_empty() {
            bail!("the server gave no event `{next}`, though its ledger has `{}`", signed.size);
        }
        for entry in &page.entries {
            export.add(entry)?;
        }
        if clock.monotonic().saturating_sub(told) >= PROGRESS {
            told = clock.monotonic();
            out.note(&format!("{} of {} events", export.tree.size(), signed.size));
        }
    }
    export.finish(&signed)?;
    directory.close(&note)?;
    let exported = Exported {
        folder: arguments.folder.display().to_string(),
        ledger: signed.origin,
        key: verifier.to_string(),
        from,
        size: signed.size,
    };
    out.show(&exported, |paint| {
        format!(
            "{}  {} events in `{}`, {} of them new\nkey   {}\n",
            verdict(true, paint),
            exported.size,
            exported.folder,
            exported.size - exported.from,
            exported.key
        )
    })?;
    Ok(Outcome::Done)
}

/// The head of what lies there, if the newest one may be its continuation.
fn old(
    directory: &Directory,
    verifier: &NoteVerifier,
    newest: &Checkpoint,
    arguments: &Arguments,
) -> Result<Option<Checkpoint>> {
    let Some(note) = directory.checkpoint()? else { return Ok(None) };
    let shown = arguments.folder.display();
    let old = verifier.verify(&note).with_context(|| {
        format!("`{shown}` holds another ledger\nhint: name a new folder; keep this one, if it was ours once")
    })?;
    if old.size > newest.size {
        bail!(
            "`{shown}` holds {} events, the ledger has {} only: it was cut or rewritten, or an older backup was restored\nhint: keep this folder as it is, and export to a new one",
            old.size,
            newest.size
        );
    }
    Ok(Some(old))
}

/// An export under way.
struct Export<'a> {
    directory: &'a Directory,
    tree: TileTree,
    /// What lies there already; its root is compared when the tree comes to its size.
    old: Option<Checkpoint>,
    /// The bundle that grows, and its payloads.
    bundle: Vec<u8>,
    payloads: Option<Part>,
}

impl<'a> Export<'a> {
    /// Goes on at the last full bundle of what lies there: what comes after it is read anew.
    fn resume(directory: &'a Directory, old: Option<Checkpoint>) -> Result<Self> {
        let size = old.as_ref().map_or(0, |old| old.size - old.size % TILE_WIDTH as u64);
        let tree = TileTree::resume(size, directory.partial_tiles(size)?)?;
        let export = Self { directory, tree, old, bundle: Vec::new(), payloads: None };
        export.compare()?;
        Ok(export)
    }

    fn add(&mut self, entry: &LedgerEntry) -> Result<()> {
        let sequence = self.tree.size();
        let leaf = entry.envelope.as_bytes();
        let envelope = Envelope::parse(leaf)?;
        if envelope.sequence != sequence || envelope.payload_sha256 != sha256(entry.payload.as_bytes()) {
            bail!(
                "the server's event `{sequence}` does not fit its envelope\nhint: run `portcullis ledger verify`"
            );
        }
        push_entry(&mut self.bundle, leaf)?;
        if self.payloads.is_none() {
            self.payloads = Some(self.directory.begin("payload")?);
        }
        if let Some(payloads) = &mut self.payloads {
            payloads.line(&entry.payload)?;
        }
        let full = self.tree.append(tree::leaf_hash(leaf));
        if !full.is_empty() {
            self.end_bundle(sequence / TILE_WIDTH as u64, TILE_WIDTH)?;
        }
        self.add_tiles(&full)?;
        self.compare()
    }

    /// The files that aren't full, after the last event.
    fn finish(mut self, signed: &Checkpoint) -> Result<()> {
        if self.tree.root() != signed.root {
            bail!(
                "the server's events do not have the root that it signed\nhint: run `portcullis ledger verify`"
            );
        }
        let width = usize::try_from(signed.size % TILE_WIDTH as u64)?;
        if width > 0 {
            self.end_bundle(signed.size / TILE_WIDTH as u64, width)?;
        }
        self.add_tiles(&self.tree.partial())
    }

    fn end_bundle(&mut self, index: u64, width: usize) -> Result<()> {
        self.directory.add(&entries_path(index, width), &std::mem::take(&mut self.bundle))?;
        match self.payloads.take() {
            Some(payloads) => self.directory.finish(payloads, &payloads_path(index, width)),
            None => Ok(()),
        }
    }

    fn add_tiles(&self, tiles: &[Tile]) -> Result<()> {
        tiles.iter().try_for_each(|tile| self.directory.add(&tile.name.path(), &tile.to_bytes()))
    }

    fn compare(&self) -> Result<()> {
        match &self.old {
            Some(old) if old.size == self.tree.size() && old.root != self.tree.root() => bail!(
                "the ledger does not begin with the {} events that lie there: it was rewritten, or the files were changed\nhint: keep this folder as it is, and export to a new one",
                old.size
            ),
            _ => Ok(()),
        }
    }
}
