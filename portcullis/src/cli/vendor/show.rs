//! `vendor show` and `vendor outlook`: a vendor's access first, then all that it rests on.

pub(super) mod tables;

use anyhow::Result;
use jiff::Timestamp;
use portcullis_api::dossiers::{DossierView, OutlookView};
use portcullis_assurance::entity::{EntityRecord, EntitySource, EntityStanding};
use portcullis_assurance::stops::{Held, StopMode, Stretch};
use portcullis_domain::access::Access;

use super::{bare, dossier, list};
use crate::cli::output::{Output, Paint, Style};
use crate::cli::server::Server;
use crate::cli::{Outcome, get, time};
use crate::clock::system_clock;

#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Name of the vendor
    name: String,
}

#[derive(clap::Args)]
pub(in crate::cli) struct OutlookArguments {
    /// Name of the vendor
    name: String,
    /// How many days ahead
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    days: u32,
}

pub(super) async fn show(server: &Server, out: &Output, arguments: Arguments) -> Result<Outcome> {
    let view = dossier(server, &arguments.name).await?;
    out.show(&view, |paint| told(&view, paint, system_clock().now()))?;
    Ok(Outcome::Done)
}

pub(super) async fn outlook(server: &Server, out: &Output, arguments: OutlookArguments) -> Result<Outcome> {
    let path = ["v1", "vendors", bare(&arguments.name), "outlook"];
    let view: OutlookView = server.query(&path, &[("days", arguments.days.to_string())]).await?;
    out.show(&view, |paint| foretold(&view, paint, system_clock().now()))?;
    Ok(Outcome::Done)
}

/// `Blocked: critical vulnerability CVE-2026-1 open 47 days`.
pub(super) fn headline(view: &DossierView, paint: Paint) -> String {
    let observed = view.stops.iter().filter(|held| held.mode == StopMode::Observe).count();
    let observed = match (view.access, observed) {
        (Access::Clear, 1) => "; a stop is observed only".to_owned(),
        (Access::Clear, 2..) => format!("; {observed} stops are observed only"),
        _ => String::new(),
    };
    let why = worst(view).map(|why| format!(": {why}")).unwrap_or(observed);
    paint.paint(&format!("{}{why}", word(view.access)), get::access_style(view.access))
}

fn worst(view: &DossierView) -> Option<String> {
    if view.access == Access::Clear {
        return None;
    }
    let enforced = |held: &&Held| held.mode == StopMode::Enforce && held.access == view.access;
    let by_hand = || {
        let reason = view.hold.as_ref()?.reasons.iter().find(|reason| reason.level == view.access)?;
        Some(reason.sentence.clone())
    };
    view.stops.iter().find(enforced).map(|held| held.fact.clone()).or_else(by_hand)
}

pub(super) fn word(access: Access) -> &'static str {
    match access {
        Access::Clear => "Clear",
        Access::Limited => "Limited",
        Access::Held => "Held",
        Access::Blocked => "Blocked",
    }
}

/// What to do, as commands to copy.
pub(super) fn next(view: &DossierView, paint: Paint) -> String {
    if view.next.is_empty() {
        return String::new();
    }
    let mut text = paint.paint("\nwhat to do next\n", Style::Dim);
    for command in &view.next {
        text.push_str(&format!("  {command}\n"));
    }
    text
}

fn told(view: &DossierView, paint: Paint, now: Timestamp) -> String {
    let mut text = format!("vendor/{}  {}\n", paint.paint(&view.vendor, Style::Strong), view.legal_name);
    text.push_str(&format!("  {}\n", headline(view, paint)));
    let facts = [
        ("tier", list::tier(view.tier).to_owned()),
        ("admitted", list::admitted(&view.admission)),
        ("version", view.version.to_string()),
    ];
    for (name, value) in facts {
        text.push_str(&format!("  {name:<9} {value}\n"));
    }
    if let Some(hold) = &view.hold {
        text.push_str(&format!("  {:<9} {}\n", "by hand", hold.sentence()));
    }
    stops(&mut text, view, paint);
    warnings(&mut text, view, paint);
    tables::all(&mut text, view, paint, now);
    text.push_str(&next(view, paint));
    text
}

/// Of several that one stop gives at one moment, the first stands for all.
fn warnings(text: &mut String, view: &DossierView, paint: Paint) {
    let mut rest = view.warnings.as_slice();
    while let Some((first, _)) = rest.split_first() {
        let same = rest.iter().take_while(|other| (other.stop, other.at) == (first.stop, first.at)).count();
        let more = match same {
            1 => String::new(),
            many => format!("; and {} more like it", many - 1),
        };
        text.push_str(&format!("  {}\n", paint.paint(&format!("{}{more}", first.sentence), Style::Warning)));
        rest = rest.get(same..).unwrap_or_default();
    }
}

fn stops(text: &mut String, view: &DossierView, paint: Paint) {
    text.push_str(&paint.paint("\nstops\n", Style::Dim));
    if view.stops.is_empty() {
        text.push_str(&format!("  {}\n", paint.paint("none holds", Style::Good)));
    }
    let mut before: Option<&Held> = None;
    for held in &view.stops {
        text.push_str(&stop_told(held, before, paint));
        before = Some(held);
    }
}

/// What several have in common is said once.
fn stop_told(held: &Held, before: Option<&Held>, paint: Paint) -> String {
    let (what, style) = match held.mode {
        StopMode::Enforce => (held.access.as_str().to_owned(), get::access_style(held.access)),
        _ => (format!("{}, observed only", held.access.as_str()), Style::Dim),
    };
    let (number, name) = (held.stop.number(), held.stop.name());
    let what = paint.paint(&what, style);
    let excepted = held.exception.map(|id| format!("\n     exception {id}")).unwrap_or_default();
    let key = |held: &Held| (held.stop, held.access, held.mode, held.remedy.clone());
    if before.is_some_and(|before| key(before) == key(held)) {
        return format!("     {}{excepted}\n", held.fact);
    }
    format!("  {number:>2} {name}: {what}\n     hint: {}\n     {}{excepted}\n", held.remedy, held.fact)
}

fn source_told(source: &EntitySource) -> String {
    match source {
        EntitySource::Gleif => "GLEIF".to_owned(),
        EntitySource::Registry { name } => name.clone(),
        EntitySource::Manual { .. } => "vouched for".to_owned(),
    }
}

/// What one source says, in lines.
pub(super) fn entity_told(record: &EntityRecord) -> Vec<String> {
    let source = source_told(&record.source);
    let standing = match record.standing {
        EntityStanding::Active => "active",
        EntityStanding::Inactive => "inactive",
        EntityStanding::Dissolved => "dissolved",
        EntityStanding::Merged => "merged",
        EntityStanding::Unknown => "standing unknown",
    };
    let known = [
        record.jurisdiction.clone(),
        record.registry_number.clone(),
        record.lei.as_ref().map(|lei| format!("LEI {lei}")),
        record.formed.map(|day| format!("formed {day}")),
    ];
    let known: Vec<String> = known.into_iter().flatten().collect();
    let mut lines = vec![
        format!("{}, {standing}  ({source}, {})", record.legal_name, time::instant(record.at)),
        format!("  {}", known.join(", ")),
    ];
    if !record.officers.is_empty() {
        let officers: Vec<String> = record
            .officers
            .iter()
            .map(|officer| match &officer.role {
                Some(role) => format!("{} ({role})", officer.name.text()),
                None => officer.name.text().to_owned(),
            })
            .collect();
        lines.push(format!("  officers: {}", officers.join("; ")));
    }
    match (&record.parent, &record.ultimate_parent) {
        (Some(parent), Some(last)) if parent != last => {
            lines.push(format!("  owned by {parent}, in the end by {last}"));
        }
        (Some(parent), _) | (None, Some(parent)) => lines.push(format!("  owned by {parent}")),
        (None, None) => {}
    }
    lines.retain(|line| !line.trim().is_empty());
    lines
}

fn foretold(view: &OutlookView, paint: Paint, now: Timestamp) -> String {
    let mut text = format!("vendor/{}, if nobody does anything\n", paint.paint(&view.vendor, Style::Strong));
    let mut before: Option<&Stretch> = None;
    for stretch in &view.stretches {
        let from = if before.is_none() { "now".to_owned() } else { in_time(stretch.from, now) };
        let what = paint.paint(stretch.access.as_str(), get::access_style(stretch.access));
        text.push_str(&format!("  {from:<32} {what}\n"));
        let known = |held: &&Held| {
            before.is_some_and(|before| {
                before.held.iter().any(|old| {
                    (old.stop, &old.subject, old.access) == (held.stop, &held.subject, held.access)
                })
            })
        };
        for held in stretch.held.iter().filter(|held| !known(held)) {
            let observed = if held.mode == StopMode::Enforce { "" } else { "(observed only) " };
            text.push_str(&format!("  {:<32}   {observed}{}\n", "", held.fact));
        }
        before = Some(stretch);
    }
    text
}

fn in_time(at: Timestamp, now: Timestamp) -> String {
    let left = time::span(at.duration_since(now).as_secs());
    format!("{} (in {left})", at.strftime("%Y-%m-%d %H:%M"))
}
