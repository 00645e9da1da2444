//! `hold`: keep all decisions of a vendor, whatever its retention says.

use anyhow::Result;
use portcullis_api::decisions::{HoldRequest, HoldView};

use super::output::Output;
use super::server::Server;
use super::table::Table;
use super::{Outcome, Place, time};

#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// Keep all decisions of a vendor from now on
    Add(Arguments),
    /// End a hold: what its retention says holds again
    Lift(Arguments),
    /// List the vendors that are held, and why
    List,
}

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// `vendor/NAME`; of a deleted vendor `vendor/ID`
    #[arg(value_parser = vendor)]
    vendor: String,
    /// Why, for those who read it later
    #[arg(long)]
    reason: String,
}

fn vendor(text: &str) -> Result<String, String> {
    let name = text.strip_prefix("vendor/").filter(|name| !name.is_empty());
    name.map(str::to_owned).ok_or_else(|| "write `vendor/NAME`: holds are on vendors".to_owned())
}

pub(super) async fn hold(place: &Place, out: &Output, verb: Verb) -> Result<Outcome> {
    let server = Server::find(place)?;
    match verb {
        Verb::Add(Arguments { vendor, reason }) => {
            let request = HoldRequest { vendor, reason };
            let (_, held): (_, HoldView) = server.post(&["v1", "holds"], &request).await?;
            out.show(&held, |_| {
                format!("vendor/{} is under legal hold: none of its decisions expires\n", held.vendor)
            })?;
        }
        Verb::Lift(Arguments { vendor, reason }) => {
            let request = HoldRequest { vendor, reason };
            let (_, lifted): (_, HoldView) = server.post(&["v1", "holds", "lift"], &request).await?;
            out.show(&lifted, |_| {
                format!("the hold on vendor/{} is lifted: its decisions expire as usual\n", lifted.vendor)
            })?;
        }
        Verb::List => {
            let holds: Vec<HoldView> = server.get(&["v1", "holds"]).await?;
            out.show(&holds, |_| out.table(&table(&holds), "no vendor is under legal hold"))?;
        }
    }
    Ok(Outcome::Done)
}

fn table(holds: &[HoldView]) -> Table {
    let mut table = Table::new(["VENDOR", "SINCE", "BY", "REASON"]);
    for hold in holds {
        table.row([
            hold.vendor.as_str().into(),
            time::instant(hold.time).into(),
            hold.by.as_str().into(),
            hold.reason.as_str().into(),
        ]);
    }
    table
}
