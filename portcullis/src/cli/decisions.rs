//! `decisions`: the list, and the stream of what is decided now.

mod judging;
mod sealed;

use std::collections::HashMap;

use anyhow::Result;
use portcullis_api::decisions::{DecisionPage, DecisionView, FileFault};
use portcullis_api::page::LIMIT_MAX;
use portcullis_domain::decision::{DecisionId, Ending, Verdict};
use serde_json::json;

use super::follow::Events;
use super::output::{Format, Output, Paint, Style, width_max};
use super::server::Server;
use super::table::{Cell, Table};
use super::time::{self, Since};
use super::{Outcome, Place, examples};
use crate::clock::system_clock;

/// Columns of a terminal that shows what was asked for, too.
const WIDTH_OF_REQUESTS: usize = 96;
/// Followed decisions whose lines are remembered.
const TOLD_MAX: usize = 10_000;

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    wanted: Wanted,
}

#[derive(clap::Subcommand)]
enum Verb {
    #[command(flatten)]
    Sealed(sealed::Verb),
    /// Say what a decision was about: the client's own work, or somebody else's
    #[command(after_help = examples::DECISIONS_VERDICT)]
    Verdict(judging::Arguments),
}

#[derive(clap::Args)]
struct Wanted {
    /// Only those about this vendor
    #[arg(long)]
    vendor: Option<String>,
    /// Only those about this client
    #[arg(long)]
    client: Option<String>,
    /// Only those that were decided so: allow, limit, challenge, deny or sever
    #[arg(long, value_parser = verdict)]
    verdict: Option<Verdict>,
    /// Only those with this reason code, of the decision or of its end
    #[arg(long)]
    reason: Option<String>,
    /// Only those of which enforcing would have made something worse: `stop`, of hard stops that are only observed
    #[arg(long, value_parser = ["stop"])]
    would: Option<String>,
    /// Only those that came through this tunnel
    #[arg(long)]
    tunnel: Option<String>,
    /// Only those since then: `90s`, `15m`, `2h`, `7d`, or an instant such as `2026-12-31T18:00:00Z`
    #[arg(long)]
    since: Option<Since>,
    /// Only those before then, written like `--since`
    #[arg(long, conflicts_with = "follow")]
    until: Option<Since>,
    /// At most this many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Print decisions as they are made, until interrupted; with `--since`, those from then on first
    #[arg(long, conflicts_with = "watch")]
    follow: bool,
    /// Look again every second, and print when something has changed
    #[arg(short, long)]
    watch: bool,
}

fn verdict(word: &str) -> Result<Verdict, String> {
    let all = Verdict::ALL;
    all.into_iter()
        .find(|verdict| verdict.as_str() == word)
        .ok_or_else(|| "it is allow, limit, challenge, deny or sever".to_owned())
}

pub(super) async fn decisions(place: &Place, out: &Output, arguments: Arguments) -> Result<Outcome> {
    let server = Server::find(place)?;
    let Arguments { verb, wanted: arguments } = arguments;
    if let Some(verb) = verb {
        return match verb {
            Verb::Sealed(verb) => sealed::decisions(&server, out, verb).await,
            Verb::Verdict(arguments) => judging::judge(&server, out, arguments).await,
        };
    }
    if arguments.follow {
        follow(&server, out, &arguments).await?;
        return Ok(Outcome::Done);
    }
    let asked_for_all =
        arguments.since.is_none() && arguments.until.is_none() && filters(&arguments).is_empty();
    let none = if asked_for_all { "no decisions yet" } else { "no decision is like that" };
    out.watch(arguments.watch, async || {
        let (found, unreadable) = list(&server, &arguments).await?;
        let listed = match unreadable.as_slice() {
            [] => json!({ "items": found }),
            unreadable => json!({ "items": found, "unreadable": unreadable }),
        };
        for fault in &unreadable {
            out.note(&format!("note: `{}` could not be looked into: {}", fault.file, fault.why));
        }
        out.rendered(&listed, |_| out.table(&table(&found), none))
    })
    .await?;
    Ok(Outcome::Done)
}

fn filters(arguments: &Wanted) -> Vec<(&'static str, String)> {
    let mut filters = Vec::new();
    filters.extend(arguments.vendor.clone().map(|vendor| ("vendor", vendor)));
    filters.extend(arguments.client.clone().map(|client| ("client", client)));
    filters.extend(arguments.verdict.map(|verdict| ("verdict", verdict.as_str().to_owned())));
    filters.extend(arguments.reason.clone().map(|reason| ("reason", reason)));
    filters.extend(arguments.would.clone().map(|would| ("would", would)));
    filters.extend(arguments.tunnel.clone().map(|tunnel| ("tunnel", tunnel)));
    filters
}

async fn list(server: &Server, arguments: &Wanted) -> Result<(Vec<DecisionView>, Vec<FileFault>)> {
    let mut found: Vec<DecisionView> = Vec::new();
    let mut unreadable: Vec<FileFault> = Vec::new();
    let mut cursor: Option<String> = None;
    let now = system_clock().now();
    loop {
        let wanted = (arguments.limit as usize).saturating_sub(found.len());
        let mut query = filters(arguments);
        query.push(("limit", wanted.min(LIMIT_MAX as usize).to_string()));
        query.extend(arguments.since.map(|since| ("since", since.before(now).to_string())));
        query.extend(arguments.until.map(|until| ("until", until.before(now).to_string())));
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let page: DecisionPage = server.query(&["v1", "decisions"], &query).await?;
        found.extend(page.items);
        for fault in page.unreadable {
            if !unreadable.contains(&fault) {
                unreadable.push(fault);
            }
        }
        cursor = page.next;
        if cursor.is_none() || found.len() >= arguments.limit as usize {
            return Ok((found, unreadable));
        }
    }
}

async fn follow(server: &Server, out: &Output, arguments: &Wanted) -> Result<()> {
    // The stream first, so that nothing falls between it and the list.
    let mut events = Events::new(server.stream(&["v1", "decisions", "stream"], &filters(arguments)).await?);
    let mut told = Told::default();
    if arguments.since.is_some() {
        for decision in list(server, arguments).await?.0.iter().rev() {
            told.tell(out, decision)?;
        }
    }
    while let Some(event) = events.next().await? {
        match event.name.as_str() {
            "decision" => told.tell(out, &serde_json::from_str(&event.data)?)?,
            "missed" => out.note(&format!("note: {} were missed: too many at once", event.data)),
            _ => {}
        }
    }
    anyhow::bail!("the stream has ended\nhint: the server stopped, or the operator was removed")
}

/// What was printed of each decision: its end is another line only if it says something new.
#[derive(Default)]
struct Told(HashMap<DecisionId, String>);

impl Told {
    fn tell(&mut self, out: &Output, decision: &DecisionView) -> Result<()> {
        if self.is_new(decision) { out.text(&one_line(out, decision)?) } else { Ok(()) }
    }

    fn is_new(&mut self, decision: &DecisionView) -> bool {
        if self.0.len() >= TOLD_MAX {
            // A line may come twice then, which does no harm.
            self.0.clear();
        }
        let (result, _) = result(decision);
        self.0.insert(decision.record.id, result.clone()).is_none_or(|before| before != result)
    }
}

/// Followed decisions come one by one: a line each, so JSON is not laid out.
fn one_line(out: &Output, decision: &DecisionView) -> Result<String> {
    Ok(match out.format {
        Format::Json => format!("{}\n", serde_json::to_string(decision)?),
        Format::Yaml => format!("---\n{}", portcullis_api::render::yaml(decision)?),
        Format::Table => {
            let record = &decision.record;
            let (result, style) = result(decision);
            format!(
                "{}  {}  {:<16}  {:<28}  {}\n",
                time::short(record.time),
                record.id,
                who(decision),
                request(decision),
                out.paint.paint(&result, style)
            )
        }
    })
}

pub(super) fn table(decisions: &[DecisionView]) -> Table {
    // Where not all fits, the id and the result are what is needed: `explain` tells the rest.
    let narrow = width_max() < WIDTH_OF_REQUESTS;
    let scored = decisions.iter().any(|decision| decision.risk.is_some());
    let mut table = match narrow {
        true => Table::new(["TIME (UTC)", "DECISION", "~CLIENT", "RESULT"]),
        false if !scored => Table::new(["TIME (UTC)", "DECISION", "~CLIENT", "~REQUEST", "RESULT"]),
        false => Table::new(["TIME (UTC)", "DECISION", "~CLIENT", "~REQUEST", "POINTS", "RESULT"]),
    };
    for decision in decisions {
        let record = &decision.record;
        let (text, style) = result(decision);
        let mut cells =
            vec![time::short(record.time).into(), record.id.to_string().into(), who(decision).into()];
        if !narrow {
            cells.push(request(decision).into());
            cells.extend(scored.then(|| points(decision)));
        }
        cells.push(Cell::styled(text, style));
        table.cells(cells);
    }
    table
}

/// What it scored; nothing where nothing was.
fn points(decision: &DecisionView) -> Cell {
    let Some(risk) = &decision.risk else { return Cell::from("") };
    let style = match risk.score {
        score if score >= risk.thresholds.deny => Style::Bad,
        score if score >= risk.thresholds.challenge => Style::Warning,
        _ => Style::Dim,
    };
    Cell::styled(format!("{:.1}", risk.score), style)
}

fn who(decision: &DecisionView) -> String {
    match (&decision.names.client, decision.record.client) {
        (Some(name), _) => name.clone(),
        (None, Some(id)) => id.to_string(),
        (None, None) => decision.record.peer.clone(),
    }
}

pub(super) fn request(decision: &DecisionView) -> String {
    let path = if decision.record.path.is_empty() { "(no route)" } else { decision.record.path.as_str() };
    format!("{} {path}", decision.record.method)
}

/// The verdict with its reason, and the end if it was none that was meant.
fn result(decision: &DecisionView) -> (String, Style) {
    let record = &decision.record;
    let ended = decision.outcome.as_ref().filter(|outcome| outcome.ending != Ending::Complete);
    let (text, style) = match (record.verdict, ended) {
        (Verdict::Allow, None) => ("allow".to_owned(), Style::Good),
        (Verdict::Limit, None) => ("limit".to_owned(), Style::Warning),
        (Verdict::Limit, Some(outcome)) => (format!("limit, then {}", outcome.reason.code()), Style::Warning),
        (Verdict::Allow, Some(outcome)) => (format!("allow, then {}", outcome.reason.code()), Style::Warning),
        (verdict, _) => (format!("{} {}", verdict.as_str(), record.reason.code()), Style::Bad),
    };
    let (text, style) = match &decision.would_stop {
        // Which stops they are, `explain` tells.
        Some(would) => (format!("{text}, would {}", would.verdict.as_str()), Style::Warning),
        None => (text, style),
    };
    match &decision.judgement {
        Some(word) => (format!("{text}, judged {}", judging::word(word.judgement)), style),
        None => (text, style),
    }
}

/// For `explain`, which tells the same at length.
pub(super) fn verdict_line(decision: &DecisionView, paint: Paint) -> String {
    let (text, style) = result(decision);
    paint.paint(&text, style)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use portcullis_api::decisions::NamesView;
    use portcullis_domain::access::Access;
    use portcullis_domain::decision::{DecisionId, DecisionRecord, OutcomeRecord, Stop, WouldStop};
    use portcullis_domain::ids::{ClientId, VendorId};
    use portcullis_domain::reason::Reason;
    use uuid::Uuid;

    pub(in super::super) fn decision(reason: Reason, ended: Option<(Ending, Reason)>) -> DecisionView {
        let id = DecisionId::new(1_795_000_000_123, [7; 10]);
        let time = "2026-11-18T10:13:20.123Z".parse().unwrap();
        let record = DecisionRecord {
            id,
            time,
            verdict: if reason == Reason::Allowed { Verdict::Allow } else { Verdict::Deny },
            reason,
            gate: "gate".into(),
            snapshot: 12,
            vendor: Some(VendorId(Uuid::from_u128(1))),
            integration: None,
            client: Some(ClientId(Uuid::from_u128(3))),
            route: None,
            method: "GET".into(),
            path: "/parcels/{id}".into(),
            session: Some("s".into()),
            client_key: Some("k".into()),
            binding: Some("dpop".into()),
            peer: "192.0.2.1:4711".into(),
            ja4: None,
            ja4_context: None,
            protocol: "h2".into(),
            scope: vec!["parcels.read".into()],
            risk: None,
            would_stop: None,
            tunnel: None,
        };
        let outcome = ended.map(|(ending, reason)| OutcomeRecord {
            id,
            time,
            ending,
            reason,
            status: 200,
            request_bytes: 0,
            response_bytes: 123_456,
            records: 500,
            duration_us: 12_345,
            risk: None,
        });
        let names =
            NamesView { vendor: Some("acme".into()), client: Some("acme-1".into()), ..NamesView::default() };
        DecisionView::new(record, outcome, names)
    }

    /// Allowed, while stops that are only observed would have refused it.
    pub(in super::super) fn observed() -> DecisionView {
        let stops = [Stop::Admission, Stop::Exit].into_iter().collect();
        let would = WouldStop { access: Access::Blocked, stops };
        DecisionView { would_stop: Some(would.into()), ..decision(Reason::Allowed, None) }
    }

    #[test]
    fn an_end_is_told_only_if_it_is_news() {
        let mut told = Told::default();
        for (ended, expect) in [
            (None, true),
            (Some((Ending::Complete, Reason::Allowed)), false),
            (Some((Ending::Cut, Reason::RecordsCut)), true),
            (Some((Ending::Cut, Reason::RecordsCut)), false),
        ] {
            assert_eq!(told.is_new(&decision(Reason::Allowed, ended)), expect, "{ended:?}");
        }
    }

    #[test]
    fn decisions_are_told_in_a_line_each() {
        let found = [
            decision(Reason::Allowed, Some((Ending::Complete, Reason::Allowed))),
            decision(Reason::Allowed, Some((Ending::Cut, Reason::RecordsCut))),
            decision(Reason::VendorSevered, None),
            observed(),
        ];
        insta::assert_snapshot!(table(&found).render(Paint { on: false }), @r"
        TIME (UTC)      DECISION                    CLIENT  REQUEST            RESULT
        11-18 10:13:20  01M7Q5CQKV0W3GE1R70W3GE1R7  acme-1  GET /parcels/{id}  allow
        11-18 10:13:20  01M7Q5CQKV0W3GE1R70W3GE1R7  acme-1  GET /parcels/{id}  allow, then records_cut
        11-18 10:13:20  01M7Q5CQKV0W3GE1R70W3GE1R7  acme-1  GET /parcels/{id}  deny vendor_severed
        11-18 10:13:20  01M7Q5CQKV0W3GE1R70W3GE1R7  acme-1  GET /parcels/{id}  allow, would deny
        ");
    }
}
