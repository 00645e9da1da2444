//! `vendor`: give a vendor less than it was granted, and give it back.

use anyhow::{Result, anyhow};
use portcullis_api::access::{HoldVendorRequest, ReleaseVendorRequest, VendorAccessAnswer};
use portcullis_domain::access::Access;
use serde::Serialize;

use super::output::Output;
use super::server::Server;
use super::{Outcome, Place};

#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// Limit, hold or block a vendor until it is released; a severance closes it for good
    Hold(HoldArguments),
    /// Give a vendor back what it was granted
    Release(ReleaseArguments),
}

#[derive(clap::Args)]
pub(super) struct HoldArguments {
    /// Its name
    name: String,
    /// `limited`: a tenth of its records; `held`: nothing new, requests are refused; `blocked`: what has begun and its tokens end, too
    #[arg(long, value_enum)]
    level: Level,
    /// Why, for those who read it later
    #[arg(long)]
    reason: String,
}

#[derive(clap::Args)]
pub(super) struct ReleaseArguments {
    /// Its name
    name: String,
    /// Why, for those who read it later
    #[arg(long, default_value = "")]
    reason: String,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Level {
    Limited,
    Held,
    Blocked,
}

pub(super) async fn vendor(place: &Place, out: &Output, verb: Verb) -> Result<Outcome> {
    let server = Server::find(place)?;
    match verb {
        Verb::Hold(HoldArguments { name, level, reason }) => {
            let level = match level {
                Level::Limited => Access::Limited,
                Level::Held => Access::Held,
                Level::Blocked => Access::Blocked,
            };
            tell(&server, out, &name, "hold", &HoldVendorRequest { level, reason }).await
        }
        Verb::Release(ReleaseArguments { name, reason }) => {
            tell(&server, out, &name, "release", &ReleaseVendorRequest { reason }).await
        }
    }
}

async fn tell(
    server: &Server,
    out: &Output,
    name: &str,
    verb: &str,
    request: &impl Serialize,
) -> Result<Outcome> {
    let name = name.strip_prefix("vendor/").unwrap_or(name);
    let (_, answer): (_, VendorAccessAnswer) = server.post(&["v1", "vendors", name, verb], request).await?;
    out.show(&answer, |_| {
        let means = meaning(answer.access.level);
        format!("vendor/{}\n  access    {}\n  {means}\n", answer.vendor, answer.access.sentence())
    })?;
    if answer.gates_behind.is_empty() {
        return Ok(Outcome::Done);
    }
    Err(anyhow!(
        "recorded, but these gates have not confirmed yet: {}\nhint: `portcullis doctor` says how they are",
        answer.gates_behind.join(", ")
    ))
}

/// What follows, in a sentence.
fn meaning(level: Access) -> &'static str {
    match level {
        Access::Clear => {
            "it has what it was granted; tokens that ended are asked for anew, with the same keys"
        }
        Access::Limited => "it has a tenth of its records",
        Access::Held => {
            "it gets no tokens and no clients, and its requests are refused; what has begun goes on"
        }
        Access::Blocked => "its requests are refused, its tokens are dead, and what had begun has ended",
    }
}
