//! `vendor check`: what a register's answer says of a vendor.

use std::path::PathBuf;

use anyhow::Result;
use portcullis_api::sources::{CheckAnswer, CheckRequest, SourceKind};

use super::{bare, show};
use crate::cli::output::{Output, Paint, Style};
use crate::cli::server::Server;
use crate::cli::{Outcome, screen};

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("source").required(true))]
pub(in crate::cli) struct Arguments {
    /// Name of the vendor
    name: String,
    /// An answer of GLEIF's API, or its golden copy as CSV
    #[arg(long, group = "source", value_name = "FILE")]
    gleif: Option<PathBuf>,
    /// An answer of a register of companies
    #[arg(long, group = "source", value_name = "FILE")]
    registry: Option<PathBuf>,
    /// The register's answer about officers, where it gives that apart
    #[arg(long, value_name = "FILE", requires = "registry")]
    officers: Option<PathBuf>,
    /// GLEIF's answers about its parents: direct, ultimate
    #[arg(long, value_name = "FILE", requires = "gleif")]
    relationships: Vec<PathBuf>,
}

pub(super) async fn check(server: &Server, out: &Output, arguments: Arguments) -> Result<Outcome> {
    let Arguments { name, gleif, registry, officers, relationships } = arguments;
    let (kind, path) = match (gleif, registry) {
        (Some(path), _) => (SourceKind::Gleif, path),
        (None, path) => (SourceKind::Registry, path.unwrap_or_default()),
    };
    let officers = officers.map(|path| screen::text(&path)).transpose()?;
    let relationships = relationships.iter().map(|path| screen::text(path)).collect::<Result<_>>()?;
    let request = CheckRequest { kind, text: screen::text(&path)?, officers, relationships };
    let answer: CheckAnswer = server.post_long(&["v1", "vendors", bare(&name), "check"], &request).await?;
    out.show(&answer, |paint| told(&answer, paint))?;
    Ok(Outcome::Done)
}

fn told(answer: &CheckAnswer, paint: Paint) -> String {
    let word = if answer.unchanged { "known already" } else { "recorded" };
    let mut text = format!("vendor/{}  {word}\n", answer.vendor);
    for line in show::entity_told(&answer.record) {
        text.push_str(&format!("  {line}\n"));
    }
    for sign in &answer.signs {
        text.push_str(&format!("  {} {sign}\n", paint.paint("sign", Style::Warning)));
    }
    for circle in &answer.circles {
        text.push_str(&format!("  {} {circle}\n", paint.paint("circle", Style::Warning)));
    }
    if answer.signs.is_empty() {
        text.push_str("  no sign of a shell\n");
    }
    text
}
