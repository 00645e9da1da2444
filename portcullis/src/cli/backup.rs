//! `backup`: key, create, verify, restore.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use serde_json::json;

use super::output::Output;
use super::{Outcome, Place, examples, time};
use crate::backup::{self, Identity, Manifest, MasterPart, Recipient, Source};
use crate::clock::system_clock;

#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// Make the key that opens backups, and print its public half
    #[command(after_help = examples::BACKUP_KEY)]
    Key {
        /// Where to write it; keep it away from the machine that makes backups
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Write a backup, while the installation runs or not
    #[command(after_help = examples::BACKUP_CREATE)]
    Create {
        /// Where to write it
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Public half of the key that shall open it
        #[arg(long, value_name = "RECIPIENT")]
        recipient: Recipient,
        /// Leave out the keys of personal texts: a backup can't bring back what is erased later
        #[arg(long)]
        without_subject_keys: bool,
    },
    /// Check that a backup is whole
    #[command(after_help = examples::BACKUP_VERIFY)]
    Verify {
        /// The backup
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The key that opens it
        #[arg(long, value_name = "KEYFILE")]
        identity: PathBuf,
    },
    /// Make a data folder of a backup
    #[command(after_help = examples::BACKUP_RESTORE)]
    Restore {
        /// The backup
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The key that opens it
        #[arg(long, value_name = "KEYFILE")]
        identity: PathBuf,
        /// Replace a stopped installation; what its gate remembers and what was erased there stays so
        #[arg(long)]
        force_over: bool,
    },
}

pub(super) async fn backup(place: &Place, out: &Output, verb: Verb) -> Result<Outcome> {
    match verb {
        Verb::Key { file } => {
            let identity = Identity::generate()?;
            identity.write(&file)?;
            let recipient = identity.recipient()?.to_string();
            out.show(&json!({ "recipient": recipient, "file": file }), |_| format!("{recipient}\n"))?;
        }
        Verb::Create { file, recipient, without_subject_keys } => {
            let directory = directory(place)?;
            let source = Source {
                directory: &directory,
                subject_keys: !without_subject_keys,
                now: system_clock().now(),
            };
            let manifest = backup::create(&source, &file, &recipient, &mut |step| out.note(step)).await?;
            show(out, "written", &manifest)?;
        }
        Verb::Verify { file, identity } => {
            let manifest = backup::verify(&file, &Identity::read(&identity)?)?;
            show(out, "whole", &manifest)?;
        }
        Verb::Restore { file, identity, force_over } => {
            // Not one that happens to lie here.
            let directory = place
                .dir
                .clone()
                .ok_or_else(|| anyhow!("where to?\nhint: give `--dir DIR`, an empty or a new folder"))?;
            let identity = Identity::read(&identity)?;
            let restored =
                backup::restore(&file, &identity, &directory, force_over, &mut |step| out.note(step)).await?;
            show(out, "restored", &restored.manifest)?;
            if let Some(before) = restored.before {
                out.note(&format!("what was there lies in `{}`", before.display()));
            }
            let size = restored.manifest.ledger.size;
            out.note(&format!(
                "events from {size} on are unknown now; hint: start it, and look at `portcullis severances`"
            ));
        }
    }
    Ok(Outcome::Done)
}

fn directory(place: &Place) -> Result<PathBuf> {
    place.directory().ok_or_else(|| anyhow!("no data folder is known\nhint: give `--dir DIR`"))
}

fn show(out: &Output, word: &str, manifest: &Manifest) -> Result<()> {
    out.show(manifest, |_| {
        let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
        format!(
            "{word}: {} files, {} MiB, of {}\nledger  {} events, root {}\n{}{}",
            manifest.files.len(),
            bytes / (1024 * 1024),
            time::instant(manifest.time),
            manifest.ledger.size,
            manifest.ledger.root,
            master(manifest),
            if manifest.subject_keys { "" } else { "without the keys of personal texts\n" }
        )
    })
}

/// What the keys in it can't be opened without.
fn master(manifest: &Manifest) -> String {
    match &manifest.master_key {
        Some(MasterPart { id, included: true }) => {
            format!("master key  `{id}`, the folder's own, lies in it\n")
        }
        Some(MasterPart { id, included: false }) => format!(
            "master key  `{id}` is needed and does not lie in it: keep that apart, and give it to the first start by `--master-key-file FILE`\n"
        ),
        None => String::new(),
    }
}
