//! `vendor hold` and `vendor release`: give a vendor less than it was granted, and give it back.

use anyhow::{Result, anyhow};
use portcullis_api::access::{HoldVendorRequest, ReleaseVendorRequest, VendorAccessAnswer};
use portcullis_domain::access::Access;
use serde::Serialize;

use crate::cli::Outcome;
use crate::cli::output::Output;
use crate::cli::server::Server;

#[derive(clap::Args)]
pub(in crate::cli) struct HoldArguments {
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
pub(in crate::cli) struct ReleaseArguments {
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

pub(super) async fn hold(server: &Server, out: &Output, arguments: HoldArguments) -> Result<Outcome> {
    let HoldArguments { name, level, reason } = arguments;
    let level = match level {
        Level::Limited => Access::Limited,
        Level::Held => Access::Held,
        Level::Blocked => Access::Blocked,
    };
    tell(server, out, &name, "hold", &HoldVendorRequest { level, reason }).await
}

pub(super) async fn release(server: &Server, out: &Output, arguments: ReleaseArguments) -> Result<Outcome> {
    let ReleaseArguments { name, reason } = arguments;
    tell(server, out, &name, "release", &ReleaseVendorRequest { reason }).await
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
