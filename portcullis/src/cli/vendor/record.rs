//! `vendor record`: changes of a dossier from a file.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use portcullis_api::dossiers::{DossierRequest, changes};

use super::send;
use crate::cli::output::Output;
use crate::cli::server::Server;
use crate::cli::{Outcome, apply};

#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Name of the vendor
    name: String,
    /// List of changes as YAML or JSON, or `-` for standard input
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    file: PathBuf,
    /// Say what it would come to, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Only if the dossier still has this version, as `vendor show` tells it
    #[arg(long, value_name = "N")]
    if_version: Option<u64>,
}

pub(super) async fn record(server: &Server, out: &Output, arguments: Arguments) -> Result<Outcome> {
    let Arguments { name, file, dry_run, if_version } = arguments;
    let mut changes = Vec::new();
    for text in apply::read_all(&[file])? {
        let read = changes::parse(&text.text).map_err(|error| anyhow!("{}: {error}", text.file))?;
        changes.extend(read);
    }
    send(server, out, &name, &DossierRequest { changes, dry_run }, if_version).await
}
