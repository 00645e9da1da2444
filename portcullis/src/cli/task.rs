//! `task`: what is to be done about vendors, by whom and by when.

use anyhow::Result;
use jiff::civil::Date;
use portcullis_api::work::{TaskAnswer, TaskDoneRequest, TaskRequest, WorkView};

use super::output::{Output, Style};
use super::server::Server;
use super::table::{Cell, Table};
use super::{Outcome, Place, examples};

#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List what is open: tasks, steps, evidence that was asked for, findings and audits
    #[command(after_help = examples::TASK_LIST)]
    List(ListArguments),
    /// Open a task about a vendor
    #[command(after_help = examples::TASK_ADD)]
    Add(AddArguments),
    /// Say that a task is done
    #[command(after_help = examples::TASK_DONE)]
    Done(DoneArguments),
}

#[derive(clap::Args)]
pub(super) struct ListArguments {
    /// Only of this vendor
    #[arg(long, value_name = "NAME")]
    vendor: Option<String>,
    /// Only what is this one's, or of vendors that it answers for
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
}

#[derive(clap::Args)]
pub(super) struct AddArguments {
    /// Name of the vendor
    vendor: String,
    /// What is to be done
    title: String,
    /// Who does it; whoever answers for the vendor without a word
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// Its last day, such as 2027-01-31
    #[arg(long, value_name = "DATE")]
    due: Option<Date>,
}

#[derive(clap::Args)]
pub(super) struct DoneArguments {
    /// As the list shows it
    id: String,
}

pub(super) async fn task(place: &Place, out: &Output, verb: Verb) -> Result<Outcome> {
    let server = Server::find(place)?;
    match verb {
        Verb::List(ListArguments { vendor, owner }) => {
            let mut query = Vec::new();
            query.extend(vendor.map(|vendor| ("vendor", bare(&vendor).to_owned())));
            query.extend(owner.map(|owner| ("owner", owner)));
            let views: Vec<WorkView> = server.query(&["v1", "tasks"], &query).await?;
            out.show(&views, |_| out.table(&table(&views), "nothing is to be done"))?;
        }
        Verb::Add(AddArguments { vendor, title, owner, due }) => {
            let request = TaskRequest { vendor: bare(&vendor).to_owned(), title, owner, due };
            let (_, answer): (_, TaskAnswer) = server.post(&["v1", "tasks"], &request).await?;
            out.show(&answer, |_| {
                format!("task `{}` about vendor `{}` is open\n", answer.id, answer.vendor)
            })?;
        }
        Verb::Done(DoneArguments { id }) => {
            let path = ["v1", "tasks", id.as_str(), "done"];
            let (_, answer): (_, TaskAnswer) = server.post(&path, &TaskDoneRequest::default()).await?;
            let before = if answer.unchanged { ", and was before" } else { "" };
            out.show(&answer, |_| {
                format!("task `{}` about vendor `{}` is done{before}\n", answer.id, answer.vendor)
            })?;
        }
    }
    Ok(Outcome::Done)
}

fn bare(name: &str) -> &str {
    name.strip_prefix("vendor/").unwrap_or(name)
}

fn table(views: &[WorkView]) -> Table {
    let mut table = Table::new(["VENDOR", "KIND", "DUE", "OWNER", "ID", "~TITLE"]);
    for view in views {
        let due = view.due.map_or_else(|| "-".to_owned(), |due| due.to_string());
        let style = match view.days_left {
            Some(left) if left < 0 => Style::Bad,
            Some(..=7) => Style::Warning,
            _ => Style::Plain,
        };
        let late = view.days_left.filter(|left| *left < 0).map(|left| format!(" ({} days late)", -left));
        table.row([
            view.vendor.as_str().into(),
            view.kind.name().into(),
            Cell::styled(format!("{due}{}", late.unwrap_or_default()), style),
            view.owner.as_deref().unwrap_or("-").into(),
            view.id.as_str().into(),
            view.title.as_str().into(),
        ]);
    }
    table
}
