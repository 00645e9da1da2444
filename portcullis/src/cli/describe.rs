//! `describe`: a resource and what hangs on it.

mod risk;

use std::collections::BTreeMap;

use anyhow::Result;
use jiff::Timestamp;
use portcullis_api::dossiers::DossierView;
use portcullis_api::metrics::VendorMetrics;
use portcullis_api::posture::PostureView;
use portcullis_api::resource::{ResourceView, SourceView};
use portcullis_api::severing::{SeveranceView, SeverancesView};
use portcullis_domain::spec::Kind;
use portcullis_domain::target::Target;
use serde_json::{Value, json};
use uuid::Uuid;

use super::output::{Format, Output, Paint, Style, json as as_json, width_max};
use super::restore::cause;
use super::server::{Server, text_of, texts_of};
use super::table::Table;
use super::{Outcome, Place, get, metrics, posture, time, vendor};
use crate::clock::system_clock;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// vendor, contract, upstream, route, integration, client, issuer, trustdomain, policy or feed
    #[arg(value_parser = get::kind)]
    kind: Kind,
    /// Its name
    name: String,
}

/// Everything there is: an installation has hundreds of resources, not millions.
struct World {
    of: BTreeMap<Kind, Vec<ResourceView>>,
    open: Vec<SeveranceView>,
    /// Of a vendor.
    health: Option<VendorMetrics>,
    /// Of a vendor.
    dossier: Option<DossierView>,
    /// Of a client.
    posture: Option<PostureView>,
    risk: risk::Risk,
}

pub(super) async fn describe(place: &Place, out: &Output, arguments: Arguments) -> Result<Outcome> {
    let server = Server::find(place)?;
    // First, so that what isn't there is refused with the server's words.
    let view = get::one(&server, arguments.kind, &arguments.name).await?;
    let mut of = BTreeMap::new();
    for kind in Kind::ALL {
        of.insert(kind, get::all(&server, kind).await?);
    }
    let severances: SeverancesView = server.get(&["v1", "severances"]).await?;
    let health = match arguments.kind {
        Kind::Vendor => Some(metrics::look(&server, &arguments.name, "1h").await?),
        _ => None,
    };
    let dossier = match arguments.kind {
        Kind::Vendor => Some(vendor::dossier(&server, &arguments.name).await?),
        _ => None,
    };
    let held = match arguments.kind {
        Kind::Client => Some(server.get(&["v1", "clients", &arguments.name, "posture"]).await?),
        _ => None,
    };
    let risk = risk::look(&server, &view).await?;
    let world = World { of, open: severances.open, health, dossier, posture: held, risk };
    let text = match out.format {
        Format::Table => told(&world, &view, out.paint, system_clock().now())?,
        Format::Json => as_json(&whole(&world, &view))?,
        Format::Yaml => portcullis_api::render::yaml(&whole(&world, &view))?,
    };
    out.text(&text)?;
    Ok(Outcome::Done)
}

/// Which resources hang on one, kind by kind.
fn hanging<'a>(world: &'a World, view: &ResourceView) -> Vec<(Kind, Vec<&'a ResourceView>)> {
    let find = |kind: Kind, wanted: &dyn Fn(&Value) -> bool| -> Vec<&'a ResourceView> {
        let all = world.of.get(&kind).map(Vec::as_slice).unwrap_or_default();
        all.iter().filter(|other| wanted(&other.spec)).collect()
    };
    let names = |views: &[&ResourceView]| views.iter().map(|view| view.name.clone()).collect::<Vec<_>>();
    let among = |kind: Kind, member: &str, of: &[String]| {
        find(kind, &|spec: &Value| of.iter().any(|name| name == text_of(spec, member)))
    };
    let own = [view.name.clone()];
    let naming = |list: &str| find(Kind::Policy, &|spec: &Value| texts_of(spec, list).contains(&view.name));
    match view.kind {
        Kind::Vendor => {
            let contracts = among(Kind::Contract, "vendor", &own);
            let integrations = among(Kind::Integration, "contract", &names(&contracts));
            let clients = among(Kind::Client, "integration", &names(&integrations));
            let tunnels = among(Kind::Tunnel, "integration", &names(&integrations));
            let (issuers, domains) =
                (among(Kind::Issuer, "vendor", &own), among(Kind::TrustDomain, "vendor", &own));
            vec![
                (Kind::Contract, contracts),
                (Kind::Integration, integrations),
                (Kind::Client, clients),
                (Kind::Tunnel, tunnels),
                (Kind::Issuer, issuers),
                (Kind::TrustDomain, domains),
                (Kind::Policy, naming("vendors")),
            ]
        }
        Kind::Contract => {
            let integrations = among(Kind::Integration, "contract", &own);
            let clients = among(Kind::Client, "integration", &names(&integrations));
            vec![(Kind::Integration, integrations), (Kind::Client, clients)]
        }
        Kind::Integration => {
            let granted = texts_of(&view.spec, "routes");
            let routes = world.of.get(&Kind::Route).map(Vec::as_slice).unwrap_or_default();
            let routes = routes.iter().filter(|route| granted.contains(&route.name)).collect();
            vec![
                (Kind::Route, routes),
                (Kind::Client, among(Kind::Client, "integration", &own)),
                (Kind::Tunnel, among(Kind::Tunnel, "integration", &own)),
                (Kind::Policy, naming("integrations")),
            ]
        }
        Kind::Upstream => vec![(Kind::Route, among(Kind::Route, "upstream", &own))],
        Kind::Feed | Kind::Tunnel | Kind::Exercise => Vec::new(),
        Kind::Route => {
            let granted = |spec: &Value| texts_of(spec, "routes").contains(&view.name);
            vec![(Kind::Integration, find(Kind::Integration, &granted)), (Kind::Policy, naming("routes"))]
        }
        Kind::Client => {
            let maps = |spec: &Value| {
                let clients = spec.get("clients").and_then(Value::as_array);
                clients.is_some_and(|all| all.iter().any(|mapping| text_of(mapping, "client") == view.name))
            };
            vec![
                (Kind::Issuer, find(Kind::Issuer, &maps)),
                (Kind::TrustDomain, find(Kind::TrustDomain, &maps)),
            ]
        }
        Kind::Policy => {
            let named = |kind: Kind, list: &str| {
                let names = texts_of(&view.spec, list);
                let all = world.of.get(&kind).map(Vec::as_slice).unwrap_or_default();
                (kind, all.iter().filter(|other| names.contains(&other.name)).collect())
            };
            vec![
                named(Kind::Vendor, "vendors"),
                named(Kind::Integration, "integrations"),
                named(Kind::Route, "routes"),
            ]
        }
        Kind::Issuer | Kind::TrustDomain => {
            let clients = view.spec.get("clients").and_then(Value::as_array);
            let mapped: Vec<&str> =
                clients.into_iter().flatten().map(|mapping| text_of(mapping, "client")).collect();
            let all = world.of.get(&Kind::Client).map(Vec::as_slice).unwrap_or_default();
            vec![(Kind::Client, all.iter().filter(|client| mapped.contains(&&*client.name)).collect())]
        }
    }
}

/// Severances of the resource and of all that hangs on it; what closes it from above is among its status.
fn severances<'a>(
    world: &'a World,
    view: &ResourceView,
    hanging: &[(Kind, Vec<&ResourceView>)],
) -> Vec<&'a SeveranceView> {
    let ids: Vec<Uuid> = std::iter::once(view.id)
        .chain(hanging.iter().flat_map(|(_, views)| views.iter().map(|view| view.id)))
        .collect();
    let touches = |severance: &&SeveranceView| {
        ids.contains(&id_of(&severance.target_id)) || view.status.severances.contains(&severance.id.0)
    };
    world.open.iter().filter(touches).collect()
}

fn id_of(target: &Target) -> Uuid {
    match target {
        Target::Vendor { id } => id.0,
        Target::Integration { id } => id.0,
        Target::Client { id } => id.0,
        Target::Key { client, .. } | Target::Session { client, .. } => client.0,
    }
}

fn whole(world: &World, view: &ResourceView) -> Value {
    let hanging = hanging(world, view);
    let severances = severances(world, view, &hanging);
    let mut whole = json!({ "resource": view });
    if let Some(members) = whole.as_object_mut() {
        for (kind, views) in &hanging {
            members.insert(get::plural(*kind), json!(views));
        }
        members.insert("severances".to_owned(), json!(severances));
        if let Some(health) = &world.health {
            members.insert("metrics".to_owned(), json!(health));
        }
        if let Some(dossier) = &world.dossier {
            members.insert("dossier".to_owned(), json!(dossier));
        }
        members.extend(world.risk.member().map(|risk| ("risk".to_owned(), risk)));
        if let Some(posture) = &world.posture {
            members.insert("posture".to_owned(), json!(posture));
        }
    }
    whole
}

fn told(world: &World, view: &ResourceView, paint: Paint, now: Timestamp) -> Result<String> {
    let mut text = format!("{} {}", view.kind, paint.paint(&view.name, Style::Strong));
    if view.status.severed {
        text.push_str(&format!("  {}", paint.paint("SEVERED", Style::Bad)));
    }
    text.push('\n');
    if let Some(access) = &view.status.access {
        let told = paint.paint(&access.sentence(), get::access_style(access.level));
        text.push_str(&format!("  {:<9} {told}\n", "access"));
    }
    if let Some(dossier) = &world.dossier {
        text.push_str(&format!("  {:<9} {}\n", "dossier", vendor::short(dossier)));
    }
    let mut facts = vec![("id", view.id.to_string()), ("version", view.version.to_string())];
    if let Some(term) = term(view, now) {
        facts.extend(term);
    }
    if let Some(epoch) = view.status.epoch {
        facts.push(("epoch", epoch.to_string()));
    }
    for (name, value) in facts {
        text.push_str(&format!("  {name:<9} {value}\n"));
    }
    if let Some(health) = &world.health {
        text.push_str(&paint.paint(&format!("\nhealth, last {}\n", health.window), Style::Dim));
        text.push_str(&metrics::health(health, paint, now));
    }
    text.push_str(&paint.paint("\nspec\n", Style::Dim));
    for line in portcullis_api::render::yaml(&view.spec)?.lines() {
        text.push_str(&format!("  {line}\n"));
    }
    if !view.status.keys.is_empty() {
        text.push_str(&paint.paint("\nkeys\n", Style::Dim));
        for key in &view.status.keys {
            let refused = if key.refused { paint.paint("  refused", Style::Bad) } else { String::new() };
            text.push_str(&format!("  {:<11}  {}{refused}\n", key.form, key.thumbprint));
        }
    }
    if let Some(held) = world.posture.as_ref().filter(|held| held.state != "not_asked") {
        text.push_str(&paint.paint("\nposture\n", Style::Dim));
        text.push_str(&posture::told(held, paint));
    }
    if let Some(source) = &view.status.source {
        text.push_str(&source_told(source, paint));
    }
    if !view.personal.is_empty() {
        text.push_str(&paint.paint("\nabout people (what `portcullis erase` takes)\n", Style::Dim));
        for person in &view.personal {
            let erased = if person.erased { "  erased" } else { "" };
            text.push_str(&format!("  {}  {}{erased}\n", person.subject, person.pointer));
        }
    }
    let hanging = hanging(world, view);
    for (kind, views) in &hanging {
        // Most vendors have none, and need not read so.
        if views.is_empty() && matches!(kind, Kind::Issuer | Kind::TrustDomain | Kind::Policy) {
            continue;
        }
        let views: Vec<ResourceView> = views.iter().map(|view| (*view).clone()).collect();
        section(&mut text, &get::plural(*kind), &get::table_of(*kind, &views, now), paint);
    }
    if let Some(client) = &world.risk.client {
        text.push_str(&paint.paint("\nrisk\n", Style::Dim));
        text.push_str(&risk::told(client, paint, now));
        section(&mut text, "contexts", &risk::contexts(client), paint);
    }
    if let Some(policies) = world.risk.policies() {
        section(&mut text, "risk, as policies have it", &policies, paint);
    }
    let severances = severances(world, view, &hanging);
    if !matches!(view.kind, Kind::Upstream | Kind::Route | Kind::Policy) {
        let mut table = Table::new(["TARGET", "SINCE (UTC)", "~CAUSE"]);
        for severance in severances {
            let since = time::short(severance.time);
            table.row([severance.target.as_str().into(), since.into(), cause(&severance.cause).into()]);
        }
        section(&mut text, "severances", &table, paint);
    }
    Ok(text)
}

/// The keys of an issuer or a trust domain, and how they are had.
fn source_told(source: &SourceView, paint: Paint) -> String {
    let mut text = paint.paint("\nkeys\n", Style::Dim);
    for key in &source.keys {
        text.push_str(&format!("  {key}\n"));
    }
    if source.roots > 0 {
        text.push_str(&format!("  {} root certificates\n", source.roots));
    }
    if source.keys.is_empty() && source.roots == 0 {
        text.push_str(&format!("  {}\n", paint.paint("none: its tokens are refused", Style::Bad)));
    }
    for left_out in &source.left_out {
        text.push_str(&format!("  left out: {left_out}\n"));
    }
    let times = [
        ("changed", source.changed),
        ("fetched", source.fetched),
        ("next", source.next),
        ("good until", source.good_until),
    ];
    for (name, time) in times.into_iter().filter_map(|(name, time)| Some((name, time?))) {
        text.push_str(&format!("  {name:<10} {}\n", time::instant(time)));
    }
    if let Some(error) = &source.error {
        text.push_str(&format!("  {}\n", paint.paint(&format!("last fetch: {error}"), Style::Bad)));
    }
    text
}

fn section(text: &mut String, title: &str, table: &Table, paint: Paint) {
    text.push_str(&paint.paint(&format!("\n{title}\n"), Style::Dim));
    if table.is_empty() {
        text.push_str("  none\n");
        return;
    }
    let indented = width_max().saturating_sub(2);
    for line in table.render_within(paint, indented).lines() {
        text.push_str(&format!("  {line}\n"));
    }
}

/// The term in the contract's own zone, and how long it lasts.
fn term(view: &ResourceView, now: Timestamp) -> Option<Vec<(&'static str, String)>> {
    let term = view.status.term.as_ref()?;
    let zone = jiff::tz::TimeZone::get(text_of(&view.spec, "time_zone")).ok();
    let local = |time: Timestamp| match &zone {
        Some(zone) => time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string(),
        None => time::instant(time),
    };
    let seconds = |from: Timestamp, to: Timestamp| time::span(to.duration_since(from).as_secs());
    let lasts = if now < term.starts {
        format!("starts in {}", seconds(now, term.starts))
    } else if now >= term.ends {
        format!("over for {}", seconds(term.ends, now))
    } else {
        format!("in force, {} left", seconds(now, term.ends))
    };
    Some(vec![
        ("starts", local(term.starts)),
        ("ends", format!("{} (from then on nothing passes)", local(term.ends))),
        ("lasts", lasts),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_api::resource::{StatusView, TermView};
    use portcullis_api::severing::CauseView;
    use portcullis_domain::ids::{SeveranceId, VendorId};

    fn view(kind: Kind, number: u128, name: &str, spec: Value) -> ResourceView {
        ResourceView {
            kind,
            name: name.to_owned(),
            id: Uuid::from_u128(number),
            version: 3,
            labels: BTreeMap::new(),
            spec,
            personal: Vec::new(),
            status: StatusView::default(),
        }
    }

    fn world() -> World {
        let mut contract = view(
            Kind::Contract,
            2,
            "acme-contract",
            json!({ "vendor": "acme", "starts": "2026-01-01", "ends": "2026-12-31", "time_zone": "Europe/Berlin" }),
        );
        contract.status.term = Some(TermView {
            starts: "2025-12-31T23:00:00Z".parse().unwrap(),
            ends: "2026-12-31T23:00:00Z".parse().unwrap(),
        });
        let of = BTreeMap::from([
            (Kind::Contract, vec![contract, view(Kind::Contract, 9, "other", json!({ "vendor": "x" }))]),
            (
                Kind::Integration,
                vec![view(
                    Kind::Integration,
                    3,
                    "acme",
                    json!({ "contract": "acme-contract", "routes": ["r"], "purpose": "reads" }),
                )],
            ),
            (Kind::Client, vec![view(Kind::Client, 4, "acme-1", json!({ "integration": "acme" }))]),
        ]);
        let open = vec![SeveranceView {
            id: SeveranceId(Uuid::from_u128(7)),
            target: "vendor/acme".into(),
            target_id: Target::Vendor { id: VendorId(Uuid::from_u128(1)) },
            epoch: 2,
            keys: Vec::new(),
            cause: CauseView::Operator { operator: "jo".into(), reason: "leak".into() },
            time: "2026-11-21T02:00:00Z".parse().unwrap(),
            told: None,
        }];
        World { of, open, health: None, dossier: None, posture: None, risk: risk::Risk::default() }
    }

    #[test]
    fn a_vendor_is_shown_with_all_that_is_its() {
        let vendor = view(Kind::Vendor, 1, "acme", json!({ "legal_name": "Acme Ltd" }));
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        insta::assert_snapshot!(told(&world(), &vendor, Paint { on: false }, now).unwrap(), @r"
        Vendor acme
          id        00000000-0000-0000-0000-000000000001
          version   3

        spec
          legal_name: Acme Ltd

        contracts
          NAME           VENDOR  STARTS      ENDS        TIME ZONE      STATE
          acme-contract  acme    2026-01-01  2026-12-31  Europe/Berlin  40 days left

        integrations
          NAME  CONTRACT       ROUTES  OWNER  PURPOSE  STATE
          acme  acme-contract  r              reads    open

        clients
          NAME    INTEGRATION  PROVES ITSELF BY  STATE
          acme-1  acme                           open

        tunnels
          none

        severances
          TARGET       SINCE (UTC)     CAUSE
          vendor/acme  11-21 02:00:00  jo: leak
        ");
    }

    #[test]
    fn a_contract_is_told_in_its_own_zone() {
        let world = world();
        let contract = world.of[&Kind::Contract][0].clone();
        for (now, expect) in [
            ("2026-11-21T12:00:00Z", "in force, 40 days left"),
            ("2027-01-02T23:00:00Z", "over for 2 days"),
            ("2025-12-31T22:00:00Z", "starts in 1 h 0 min"),
        ] {
            let text = told(&world, &contract, Paint { on: false }, now.parse().unwrap()).unwrap();
            assert!(
                text.contains("starts    2026-01-01 00:00 CET\n  ends      2027-01-01 00:00 CET (from"),
                "{text}"
            );
            assert!(text.contains(expect), "{text}");
        }
    }
}
