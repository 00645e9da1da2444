//! `feed` and `origin`: lists and databases, and what they say of an address.

use std::fs::File;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};
use jiff::Timestamp;
use portcullis_api::feeds::{FeedView, OriginView, RefreshRequest};
use portcullis_domain::spec::{FeedFormat, Holds};
use portcullis_intel::{Database, Limits, Report, read_list_file};
use serde::Serialize;

use super::output::{Output, Paint, Style, Watch};
use super::server::Server;
use super::table::{Cell, Table};
use super::{Outcome, Place, time};
use crate::clock::system_clock;

#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List feeds and installed databases: age, entries, broken lines, errors
    #[command(after_help = super::examples::FEED_LIST)]
    List(Watch),
    /// Read a file as a feed would be read, without a server
    #[command(after_help = super::examples::FEED_CHECK)]
    Check(CheckArguments),
    /// Fetch a feed and have it read, now
    #[command(after_help = super::examples::FEED_REFRESH)]
    Refresh(RefreshArguments),
}

#[derive(clap::Args)]
pub(super) struct CheckArguments {
    /// The list or database
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What it is for: reputation, tor, hosting, country, asn or place
    #[arg(long, default_value = "reputation", value_name = "WHAT", value_parser = holds)]
    holds: Holds,
    /// Whether the list names this address
    #[arg(long, value_name = "ADDRESS")]
    address: Option<IpAddr>,
}

#[derive(clap::Args)]
pub(super) struct RefreshArguments {
    /// Name of the feed
    #[arg(value_name = "NAME")]
    name: String,
    /// Take it although it has lost most of its entries
    #[arg(long)]
    accept: bool,
}

#[derive(clap::Args)]
pub(super) struct OriginArguments {
    /// IPv4 or IPv6
    #[arg(value_name = "ADDRESS")]
    address: IpAddr,
}

fn holds(text: &str) -> Result<Holds, String> {
    let found = Holds::ALL.into_iter().find(|holds| holds.as_str() == text);
    found.ok_or_else(|| "write reputation, tor, hosting, country, asn or place".to_owned())
}

pub(super) async fn feed(place: &Place, out: &Output, verb: Verb) -> Result<Outcome> {
    match verb {
        Verb::List(watch) => list(place, out, watch).await,
        Verb::Check(arguments) => check(out, &arguments),
        Verb::Refresh(arguments) => refresh(place, out, arguments).await,
    }
}

async fn list(place: &Place, out: &Output, watch: Watch) -> Result<Outcome> {
    let server = Server::find(place)?;
    out.watch(watch.watch, async || {
        let views: Vec<FeedView> = server.get(&["v1", "feeds"]).await?;
        let now = system_clock().now();
        out.rendered(&views, |paint| {
            let none = "no feed is declared, and no database installed: origins say `no data`";
            let mut text = out.table(&table(&views, now), none);
            views.iter().for_each(|view| text.push_str(&troubles(view, paint)));
            text
        })
    })
    .await?;
    Ok(Outcome::Done)
}

async fn refresh(place: &Place, out: &Output, arguments: RefreshArguments) -> Result<Outcome> {
    let server = Server::find(place)?;
    let request = RefreshRequest { accept: arguments.accept };
    let path = ["v1", "feeds", &arguments.name, "refresh"];
    let (_, view): (_, FeedView) = server.post(&path, &request).await?;
    let now = system_clock().now();
    let failed = view.error.is_some() || view.fetch_error.is_some();
    out.show(&view, |paint| {
        let text = out.table(&table(std::slice::from_ref(&view), now), "");
        format!("{text}{}", troubles(&view, paint))
    })?;
    Ok(if failed { Outcome::Refused } else { Outcome::Done })
}

fn table(views: &[FeedView], now: Timestamp) -> Table {
    let mut table = Table::new(["NAME", "HOLDS", "STATE", "AGE", "ENTRIES", "BROKEN", "~SOURCE"]);
    for view in views {
        let age = view.as_of.map(|as_of| now.duration_since(as_of).as_secs().max(0));
        let stale = age.is_some_and(|age| age > i64::from(view.stale_seconds));
        let state = match (view.in_use, view.error.is_some() || view.fetch_error.is_some()) {
            (true, false) if stale => Cell::styled("stale", Style::Warning),
            (true, false) => Cell::styled("in use", Style::Good),
            (true, true) => Cell::styled("last good", Style::Warning),
            (false, true) => Cell::styled("no data", Style::Bad),
            (false, false) => Cell::styled("no data yet", Style::Warning),
        };
        table.row([
            view.name.as_str().into(),
            view.holds.as_str().into(),
            state,
            age.map_or_else(|| "-".to_owned(), time::span).into(),
            view.entries.to_string().into(),
            view.broken.to_string().into(),
            view.source.as_str().into(),
        ]);
    }
    table
}

/// What is wrong with a feed, a line each.
fn troubles(view: &FeedView, paint: Paint) -> String {
    let mut text = String::new();
    let mut line = |what: &str, said: &str| {
        let said = said.replace('\n', "\n  ");
        text.push_str(&format!(
            "{}\n",
            paint.paint(&format!("{} {what}: {said}", view.name), Style::Warning)
        ));
    };
    if let Some(error) = &view.error {
        let since = view.error_since.map(|since| format!(" (since {})", time::instant(since)));
        line("can't be used", &format!("{error}{}", since.unwrap_or_default()));
    }
    if let Some(error) = &view.fetch_error {
        let next = view.next.map(|next| format!("; next try {}", time::instant(next)));
        line("can't be fetched", &format!("{error}{}", next.unwrap_or_default()));
    }
    for broken in &view.first_broken {
        line("is broken in", broken);
    }
    text
}

/// What was found in a file.
#[derive(Serialize)]
struct Checked {
    file: String,
    format: String,
    bytes: u64,
    entries: u64,
    kept: u64,
    reserved: u64,
    broken: u64,
    first_broken: Vec<String>,
    unended: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

fn check(out: &Output, arguments: &CheckArguments) -> Result<Outcome> {
    let path = arguments.file.display();
    let file = File::open(&arguments.file).with_context(|| format!("can't read `{path}`"))?;
    let refused = |error: portcullis_intel::FeedError| anyhow!("`{path}` can't be used: {error}");
    let (report, said): (Report, Option<String>) = if arguments.holds.is_list() {
        let (list, report) = read_list_file(file, FeedFormat::Auto, Limits::default()).map_err(refused)?;
        let said = |address| if list.has_address(address) { "listed" } else { "not listed" };
        (report, arguments.address.map(|address| format!("{address} is {}", said(address))))
    } else {
        let (database, report) =
            Database::read(file, arguments.holds, FeedFormat::Auto, Limits::default()).map_err(refused)?;
        (report, arguments.address.map(|address| of_database(&database, arguments.holds, address)))
    };
    let checked = Checked {
        file: path.to_string(),
        format: report.format,
        bytes: report.bytes,
        entries: report.entries,
        kept: report.kept,
        reserved: report.reserved,
        broken: report.broken,
        first_broken: report.first_broken.iter().map(ToString::to_string).collect(),
        unended: report.unended,
        address: said,
    };
    out.show(&checked, |_| told(&checked))?;
    Ok(Outcome::Done)
}

fn of_database(database: &Database, holds: Holds, address: IpAddr) -> String {
    let said = match holds {
        Holds::Country => database.country(address).map(|text| String::from_utf8_lossy(&text).into_owned()),
        Holds::Asn => database.asn(address).map(|asn| {
            format!("AS{asn} {}", database.network_name(address).unwrap_or_default()).trim_end().to_owned()
        }),
        _ => database.place(address).map(|(latitude, longitude)| {
            format!("at {:.2}, {:.2}", f64::from(latitude) / 100.0, f64::from(longitude) / 100.0)
        }),
    };
    match said {
        Some(said) => format!("{address} is {said}"),
        None => format!("{address} is not in it"),
    }
}

fn told(checked: &Checked) -> String {
    let Checked { file, format, bytes, entries, kept, reserved, broken, .. } = checked;
    let mut text = format!("{file}: {format}, {bytes} bytes\n{entries} entries, kept as {kept}\n");
    if *reserved > 0 {
        text.push_str(&format!("{reserved} whole reserved blocks are left out\n"));
    }
    if *broken > 0 {
        text.push_str(&format!("{broken} are broken, and left out; the first ones:\n"));
        checked.first_broken.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
    }
    if checked.unended {
        text.push_str("the last line doesn't end: something may be missing\n");
    }
    if let Some(address) = &checked.address {
        text.push_str(&format!("{address}\n"));
    }
    text
}

pub(super) async fn origin(place: &Place, out: &Output, arguments: OriginArguments) -> Result<Outcome> {
    let server = Server::find(place)?;
    let address = arguments.address.to_string();
    let view: OriginView = server.get(&["v1", "origins", &address]).await?;
    out.show(&view, |paint| known(&view, paint))?;
    Ok(Outcome::Done)
}

/// A line for each fact; what isn't known says so.
fn known(view: &OriginView, paint: Paint) -> String {
    let mut text = format!("{}\n", view.address);
    let mut line = |what: &str, said: Option<String>| {
        let said = said.unwrap_or_else(|| {
            let why = view.no_data.get(what).map_or("not known", String::as_str);
            paint.paint(&format!("no data ({why})"), Style::Dim)
        });
        text.push_str(&format!("  {what:<11} {said}\n"));
    };
    line("country", view.country.clone());
    let name = view.network_name.as_deref().unwrap_or_default();
    line("network", view.asn.map(|asn| format!("AS{asn} {name}").trim_end().to_owned()));
    line("place", view.place.map(|[latitude, longitude]| format!("{latitude:.2}, {longitude:.2}")));
    let listed = |listed: bool, what: &str| {
        let (said, style) = if listed { (what, Style::Bad) } else { ("no", Style::Good) };
        paint.paint(said, style)
    };
    line("reputation", view.reputation.map(|bad| listed(bad, "listed")));
    line("tor", view.tor.map(|tor| listed(tor, "an exit")));
    line("hosting", view.hosting.map(|hosting| listed(hosting, "machines for rent")));
    for said in &view.by {
        text.push_str(&format!("  by {}: {} {}\n", said.feed, said.holds.as_str(), said.says));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_api::feeds::OriginSaid;

    #[test]
    fn a_feed_in_trouble_says_so_and_how_old_it_is() {
        let feed = FeedView {
            name: "exits".into(),
            holds: Holds::Tor,
            source: "https://lists.example/exits".into(),
            in_use: true,
            entries: 1_204,
            broken: 1,
            first_broken: vec!["line 7: `oops` is not an address, a prefix or a range".into()],
            as_of: Some("2030-01-01T00:00:00Z".parse().unwrap()),
            stale_seconds: 604_800,
            ..FeedView::default()
        };
        let failing = FeedView {
            name: "own".into(),
            in_use: false,
            as_of: None,
            fetch_error: Some("`https://lists.example/own`: it answered 503".into()),
            next: Some("2030-01-02T00:01:00Z".parse().unwrap()),
            ..feed.clone()
        };
        let now = "2030-01-02T00:00:00Z".parse().unwrap();
        let table = table(&[feed.clone(), failing.clone()], now);
        let text = Output::new(super::super::output::Format::Table).table(&table, "");
        assert!(text.contains("in use") && text.contains("no data") && text.contains("1204"), "{text}");
        insta::assert_snapshot!(troubles(&feed, Paint { on: false }) + &troubles(&failing, Paint { on: false }), @r"
        exits is broken in: line 7: `oops` is not an address, a prefix or a range
        own can't be fetched: `https://lists.example/own`: it answered 503; next try 2030-01-02T00:01:00Z
        own is broken in: line 7: `oops` is not an address, a prefix or a range
        ");
    }

    #[test]
    fn what_is_not_known_of_an_address_says_so() {
        let view = OriginView {
            address: "192.0.2.1".into(),
            country: Some("DE".into()),
            asn: Some(64_500),
            network_name: Some("Example".into()),
            place: Some([51.0, 9.0]),
            tor: Some(true),
            reputation: Some(false),
            by: vec![OriginSaid { feed: "exits".into(), holds: Holds::Tor, says: "listed".into() }],
            no_data: [("hosting".to_owned(), "no feed or database of this kind".to_owned())].into(),
            ..OriginView::default()
        };
        insta::assert_snapshot!(known(&view, Paint { on: false }), @r"
        192.0.2.1
          country     DE
          network     AS64500 Example
          place       51.00, 9.00
          reputation  no
          tor         an exit
          hosting     no data (no feed or database of this kind)
          by exits: tor listed
        ");
    }
}
