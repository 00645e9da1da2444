//! `calendar`: what ends and what is due, for calendar programs.

use anyhow::Result;
use portcullis_api::work::CalendarLink;
use serde_json::json;

use super::output::Output;
use super::server::Server;
use super::{Outcome, Place, examples};

#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// Make an address that reads the calendar and nothing else
    #[command(after_help = examples::CALENDAR_LINK)]
    Link,
}

pub(super) async fn calendar(place: &Place, out: &Output, verb: Verb) -> Result<Outcome> {
    let server = Server::find(place)?;
    let Verb::Link = verb;
    let (_, link): (_, CalendarLink) = server.post(&["v1", "calendar", "link"], &json!({})).await?;
    let address = format!("{}{}", server.address(), link.path);
    out.show(&json!({ "address": address }), |_| format!("{address}\n"))?;
    Ok(Outcome::Done)
}
