//! `notify`: who is told of what happens, and whether it arrives.

use anyhow::Result;
use portcullis_api::notify::{WebhookTestAnswer, WebhookTestRequest, WebhookView};

use super::output::{Output, Style, Watch};
use super::server::Server;
use super::table::{Cell, Table};
use super::{Outcome, Place, examples, time};

#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List the webhooks: where each is, what it is told of, and what waits for it
    #[command(after_help = examples::NOTIFY_LIST)]
    List(Watch),
    /// Send a word that tells of nothing, once, and say whether it was taken
    #[command(after_help = examples::NOTIFY_TEST)]
    Test(TestArguments),
}

#[derive(clap::Args)]
pub(super) struct TestArguments {
    /// Name of the webhook, as `settings.json` has it
    #[arg(value_name = "NAME")]
    name: String,
}

pub(super) async fn notify(place: &Place, out: &Output, verb: Verb) -> Result<Outcome> {
    let server = Server::find(place)?;
    match verb {
        Verb::List(watch) => {
            out.watch(watch.watch, async || {
                let views: Vec<WebhookView> = server.get(&["v1", "webhooks"]).await?;
                let none = "nobody is told: `webhooks` of `settings.json` has none";
                out.rendered(&views, |_| out.table(&table(&views), none))
            })
            .await?;
            Ok(Outcome::Done)
        }
        Verb::Test(TestArguments { name }) => {
            let path = ["v1", "webhooks", name.as_str(), "test"];
            let (_, answer): (_, WebhookTestAnswer) =
                server.post(&path, &WebhookTestRequest::default()).await?;
            out.show(&answer, |paint| match &answer.error {
                None => format!("{} `{name}` has taken `{}`\n", paint.paint("ok", Style::Good), answer.id),
                Some(error) => {
                    format!("{} `{name}` has not taken it: {error}\n", paint.paint("failed", Style::Bad))
                }
            })?;
            Ok(if answer.taken { Outcome::Done } else { Outcome::Refused })
        }
    }
}

fn table(views: &[WebhookView]) -> Table {
    let mut table = Table::new(["NAME", "STATE", "WAITING", "LAST TAKEN", "~TO", "~EVENTS", "~ERROR"]);
    for view in views {
        let state = match (&view.error, view.waiting) {
            (Some(_), _) => Cell::styled("failing", Style::Bad),
            (None, 0) => Cell::styled("up to date", Style::Good),
            (None, _) => Cell::styled("behind", Style::Warning),
        };
        let events = if view.events.is_empty() { "all".to_owned() } else { view.events.join(" ") };
        table.row([
            view.name.as_str().into(),
            state,
            view.waiting.to_string().into(),
            view.at.map_or_else(|| "-".to_owned(), time::instant).into(),
            view.to.as_str().into(),
            events.into(),
            view.error.as_deref().unwrap_or("-").replace('\n', " ").into(),
        ]);
    }
    table
}
