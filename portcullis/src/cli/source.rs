//! `source`: registers, lists and catalogues that vendors are looked up in.

use anyhow::Result;
use jiff::Timestamp;
use portcullis_api::sources::{SourceRefreshRequest, SourceView};

use super::output::{Output, Paint, Style, Watch};
use super::server::Server;
use super::table::{Cell, Table};
use super::{Outcome, Place, examples, time};
use crate::clock::system_clock;

#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List them: what is in use, how old it is, and what is wrong
    #[command(after_help = examples::SOURCE_LIST)]
    List(Watch),
    /// Have one anew, now
    #[command(after_help = examples::SOURCE_REFRESH)]
    Refresh(RefreshArguments),
}

#[derive(clap::Args)]
pub(super) struct RefreshArguments {
    /// Name of the source
    #[arg(value_name = "NAME")]
    name: String,
    /// Take it although it has lost more than half of its entries
    #[arg(long)]
    accept: bool,
}

pub(super) async fn source(place: &Place, out: &Output, verb: Verb) -> Result<Outcome> {
    let server = Server::find(place)?;
    match verb {
        Verb::List(watch) => {
            out.watch(watch.watch, async || {
                let views: Vec<SourceView> = server.get(&["v1", "sources"]).await?;
                let now = system_clock().now();
                out.rendered(&views, |paint| told(out, &views, now, paint))
            })
            .await?;
            Ok(Outcome::Done)
        }
        Verb::Refresh(RefreshArguments { name, accept }) => {
            let path = ["v1", "sources", name.as_str(), "refresh"];
            let (_, view): (_, SourceView) = server.post(&path, &SourceRefreshRequest { accept }).await?;
            let now = system_clock().now();
            out.show(&view, |paint| told(out, std::slice::from_ref(&view), now, paint))?;
            Ok(if view.error.is_some() { Outcome::Refused } else { Outcome::Done })
        }
    }
}

fn told(out: &Output, views: &[SourceView], now: Timestamp, paint: Paint) -> String {
    let none = "there is no source: `sources` of `settings.json` names registers, lists and catalogues";
    let mut text = out.table(&table(views, now), none);
    views.iter().for_each(|view| text.push_str(&trouble(view, paint)));
    text
}

fn table(views: &[SourceView], now: Timestamp) -> Table {
    let mut table = Table::new(["NAME", "KIND", "STATE", "AGE", "ENTRIES", "NEXT", "~PLACE"]);
    for view in views {
        let age = view.as_of.map(|as_of| now.duration_since(as_of).as_secs().max(0));
        let stale = age.is_some_and(|age| age > view.stale_seconds);
        let state = match (view.entries, &view.error) {
            // A register is only asked about vendors whose manifests name a number.
            (Some(0), None) => Cell::styled("nobody to ask", Style::Dim),
            (Some(_), None) if stale => Cell::styled("stale", Style::Warning),
            (Some(_), None) => Cell::styled("in use", Style::Good),
            (Some(_), Some(_)) => Cell::styled("last good", Style::Warning),
            (None, Some(_)) => Cell::styled("no data", Style::Bad),
            (None, None) => Cell::styled("no data yet", Style::Warning),
        };
        table.row([
            view.name.as_str().into(),
            view.kind.name().into(),
            state,
            age.map_or_else(|| "-".to_owned(), time::span).into(),
            view.entries.map_or_else(|| "-".to_owned(), |entries| entries.to_string()).into(),
            view.next.map_or_else(|| "-".to_owned(), time::instant).into(),
            view.place.as_str().into(),
        ]);
    }
    table
}

fn trouble(view: &SourceView, paint: Paint) -> String {
    let Some(error) = &view.error else { return String::new() };
    let error = error.replace("refresh NAME", &format!("refresh {}", view.name)).replace('\n', "\n  ");
    let since = view.error_since.map(|since| format!(" (since {})", time::instant(since)));
    let line = format!("{}{}: {error}", view.name, since.unwrap_or_default());
    format!("{}\n", paint.paint(&line, Style::Warning))
}
