//! `page`: who is called for what, and that somebody answers.

use anyhow::Result;
use portcullis_api::pages::{PageAckRequest, PageAnswer, PageTryRequest, PageView};

use super::output::{Output, Style};
use super::server::Server;
use super::table::{Cell, Table};
use super::{Outcome, Place, examples, time};

#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List the pages that nobody has answered
    #[command(after_help = examples::PAGE_LIST)]
    List(ListArguments),
    /// Answer a page: nobody else is called
    #[command(after_help = examples::PAGE_ACK)]
    Ack(AckArguments),
    /// Call whoever is on call, to see whether calls arrive
    #[command(after_help = examples::PAGE_TRY)]
    Try,
}

#[derive(clap::Args)]
pub(super) struct ListArguments {
    /// Those that were answered, too, the newest first
    #[arg(long)]
    all: bool,
}

#[derive(clap::Args)]
pub(super) struct AckArguments {
    /// Its code, as the call says it, or its id
    #[arg(value_name = "PAGE")]
    page: String,
}

pub(super) async fn page(place: &Place, out: &Output, verb: Verb) -> Result<Outcome> {
    let server = Server::find(place)?;
    match verb {
        Verb::List(ListArguments { all }) => {
            let query = [("all", all.to_string())];
            let views: Vec<PageView> = server.query(&["v1", "pages"], &query).await?;
            out.show(&views, |_| out.table(&table(&views), "nobody is waited for"))?;
        }
        Verb::Ack(AckArguments { page }) => {
            let request = PageAckRequest { page };
            let (_, answer): (_, PageAnswer) = server.post(&["v1", "pages", "ack"], &request).await?;
            out.show(&answer, |_| {
                let by = answer.page.acknowledged_by.as_deref().unwrap_or_default();
                let before = if answer.unchanged { "was answered before, by" } else { "is answered by" };
                format!(
                    "page {} {before} {by}: {}\n{}",
                    answer.page.code, answer.page.title, answer.page.text
                )
            })?;
        }
        Verb::Try => {
            let (_, views): (_, Vec<PageView>) =
                server.post(&["v1", "pages"], &PageTryRequest::default()).await?;
            out.show(&views, |_| out.table(&table(&views), "nobody is called"))?;
        }
    }
    Ok(Outcome::Done)
}

fn table(views: &[PageView]) -> Table {
    let mut table = Table::new(["CODE", "SINCE (UTC)", "STATE", "~TITLE"]);
    for view in views {
        let state = match &view.acknowledged_by {
            Some(by) => Cell::styled(format!("answered by {by}"), Style::Good),
            None => Cell::styled("waits", Style::Bad),
        };
        table.row([
            view.code.as_str().into(),
            time::short(view.time).into(),
            state,
            view.title.as_str().into(),
        ]);
    }
    table
}
