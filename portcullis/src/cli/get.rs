//! `get` and `delete`.

use anyhow::Result;
use portcullis_api::apply::ApplyReport;
use portcullis_api::resource::ResourceView;
use portcullis_domain::access::Access;
use portcullis_domain::spec::Kind;
use serde_json::{Value, json};

use super::output::{Format, Output, Style, Watch, json as as_json};
use super::server::{Server, resources, text_of, texts_of};
use super::table::{Cell, Table};
use super::{Outcome, Place, apply, time};
use crate::clock::system_clock;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// vendor, contract, upstream, route, integration, client, issuer, trustdomain, policy or feed; plurals too
    #[arg(value_parser = kind)]
    kind: Kind,
    /// Name of the one that is wanted; without it, all of the kind
    name: Option<String>,
    #[command(flatten)]
    watch: Watch,
}

#[derive(clap::Args)]
pub(super) struct DeleteArguments {
    /// vendor, contract, upstream, route, integration, client, issuer, trustdomain, policy or feed
    #[arg(value_parser = kind)]
    kind: Kind,
    /// Its name
    name: String,
    /// Say what would be deleted, and delete nothing
    #[arg(long)]
    dry_run: bool,
}

/// A word for a kind, or the words that there are.
pub(super) fn kind(word: &str) -> Result<Kind, String> {
    Kind::from_word(word).ok_or_else(|| {
        let known: Vec<String> = Kind::ALL.iter().map(|kind| kind.as_str().to_ascii_lowercase()).collect();
        format!("the kinds are {}", known.join(", "))
    })
}

pub(super) async fn get(place: &Place, out: &Output, arguments: Arguments) -> Result<Outcome> {
    let server = Server::find(place)?;
    let Arguments { kind, name, watch } = arguments;
    out.watch(watch.watch, async || {
        let views = match &name {
            Some(name) => vec![one(&server, kind, name).await?],
            None => all(&server, kind).await?,
        };
        rendered(out, kind, &views, name.is_some())
    })
    .await?;
    Ok(Outcome::Done)
}

pub(super) async fn delete(place: &Place, out: &Output, arguments: DeleteArguments) -> Result<Outcome> {
    let [first, second, kind] = resources(arguments.kind);
    let path = [first.as_str(), second.as_str(), kind.as_str(), arguments.name.as_str()];
    let query = [("dry_run", arguments.dry_run.to_string())];
    let report: ApplyReport = Server::find(place)?.delete(&path, &query).await?;
    apply::show(out, &report)
}

pub(super) async fn one(server: &Server, kind: Kind, name: &str) -> Result<ResourceView> {
    let [first, second, kind] = resources(kind);
    server.get(&[&first, &second, &kind, name]).await
}

pub(super) async fn all(server: &Server, kind: Kind) -> Result<Vec<ResourceView>> {
    let [first, second, kind] = resources(kind);
    server.all(&[&first, &second, &kind]).await
}

fn rendered(out: &Output, kind: Kind, views: &[ResourceView], single: bool) -> Result<String> {
    match (out.format, views) {
        (Format::Table, _) => {
            let table = table_of(kind, views, system_clock().now());
            Ok(out.table(&table, &format!("no {} yet", plural(kind))))
        }
        (Format::Json, [view]) if single => as_json(view),
        (Format::Json, _) => as_json(&json!({ "items": views })),
        (Format::Yaml, _) => {
            let manifests: Result<Vec<String>, _> =
                views.iter().map(portcullis_api::render::manifest).collect();
            Ok(manifests?.join("---\n"))
        }
    }
}

pub(super) fn plural(kind: Kind) -> String {
    let name = kind.as_str().to_ascii_lowercase();
    name.strip_suffix('y').map_or(format!("{name}s"), |stem| format!("{stem}ies"))
}

pub(super) fn table_of(kind: Kind, views: &[ResourceView], now: jiff::Timestamp) -> Table {
    match kind {
        Kind::Vendor => {
            rows(["NAME", "~ACCESS", "~LEGAL NAME", "PLACE", "~OWNER", "~PURPOSE", "STATE"], views, |view| {
                let text = |name| text_of(&view.spec, name);
                [
                    access(view),
                    text("legal_name").into(),
                    text("jurisdiction").into(),
                    owner(view).into(),
                    text("purpose").into(),
                    state(view, now),
                ]
            })
        }
        Kind::Contract => rows(["NAME", "~VENDOR", "STARTS", "ENDS", "~TIME ZONE", "STATE"], views, |view| {
            let text = |name| text_of(&view.spec, name).into();
            [text("vendor"), text("starts"), text("ends"), text("time_zone"), state(view, now)]
        }),
        Kind::Upstream => rows(["NAME", "~URL", "CLIENT CERTIFICATE"], views, |view| {
            let identity = view.spec.pointer("/tls/identity").and_then(Value::as_str);
            [text_of(&view.spec, "url").into(), identity.unwrap_or("none").into()]
        }),
        Kind::Route => rows(["NAME", "METHODS", "~PATH", "~SCOPE", "~UPSTREAM", "IMPACT"], views, |view| {
            let text = |name| text_of(&view.spec, name).into();
            [
                texts_of(&view.spec, "methods").join(",").into(),
                text("path"),
                text("scope"),
                text("upstream"),
                text("impact"),
            ]
        }),
        Kind::Integration => {
            rows(["NAME", "~CONTRACT", "~ROUTES", "~OWNER", "~PURPOSE", "STATE"], views, |view| {
                let text = |name| text_of(&view.spec, name).into();
                [
                    text("contract"),
                    texts_of(&view.spec, "routes").join(",").into(),
                    owner(view).into(),
                    text("purpose"),
                    state(view, now),
                ]
            })
        }
        Kind::Client => rows(["NAME", "~INTEGRATION", "PROVES ITSELF BY", "STATE"], views, |view| {
            [text_of(&view.spec, "integration").into(), proofs(view).into(), state(view, now)]
        }),
        Kind::Issuer => rows(["NAME", "~VENDOR", "~ISSUER", "CLIENTS", "UNBOUND"], views, |view| {
            let text = |name| text_of(&view.spec, name).into();
            [text("vendor"), text("issuer"), mapped(view).into(), unbound(view)]
        }),
        Kind::TrustDomain => {
            rows(["NAME", "~VENDOR", "~TRUST DOMAIN", "CLIENTS", "UNBOUND"], views, |view| {
                let text = |name| text_of(&view.spec, name).into();
                [text("vendor"), text("trust_domain"), mapped(view).into(), unbound(view)]
            })
        }
        Kind::Policy => rows(["NAME", "~ABOUT", "MODE", "~SAYS ALSO"], views, |view| {
            [policy_about(&view.spec).into(), mode(&view.spec), policy_says(&view.spec).into()]
        }),
        Kind::Tunnel => rows(["NAME", "~INTEGRATION", "KIND", "~REMOTE NETWORKS", "STATE"], views, |view| {
            let kind = if view.spec.get("wireguard").is_some() { "wireguard" } else { "ipsec" };
            let remote = texts_of(&view.spec, "remote_networks").join(", ");
            [text_of(&view.spec, "integration").into(), kind.into(), remote.into(), state(view, now)]
        }),
        Kind::Exercise => rows(["NAME", "~TITLE", "~CANARY", "INJECTS", "LIVE STEPS"], views, |view| {
            let count = |pointer: &str| {
                let list = view.spec.pointer(pointer).and_then(Value::as_array);
                list.map_or(0, Vec::len).to_string()
            };
            let canary = match text_of(&view.spec, "canary") {
                "" => portcullis_exercise::spec::CANARY,
                named => named,
            };
            [
                text_of(&view.spec, "title").into(),
                canary.into(),
                count("/injects").into(),
                count("/live/steps").into(),
            ]
        }),
        Kind::Feed => rows(["NAME", "HOLDS", "~SOURCE"], views, |view| {
            let source = ["url", "file"].map(|name| text_of(&view.spec, name)).into_iter().max();
            [text_of(&view.spec, "holds").into(), source.unwrap_or_default().into()]
        }),
    }
}

/// Who answers for it at our side, and for which unit; those of an integration are its vendor's without a word.
fn owner(view: &ResourceView) -> String {
    let said = ["owner", "business_unit"].map(|name| text_of(&view.spec, name));
    said.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ")
}

fn policy_about(spec: &Value) -> String {
    let lists = ["vendors", "integrations", "routes", "impacts"];
    let named = lists.iter().filter_map(|list| {
        let names = texts_of(spec, list);
        (!names.is_empty()).then(|| format!("{list} {}", names.join(", ")))
    });
    let named: Vec<String> = named.collect();
    if named.is_empty() { "everything".to_owned() } else { named.join("; ") }
}

fn mode(spec: &Value) -> Cell {
    match text_of(spec, "mode") {
        "enforce" => Cell::styled("enforce", Style::Good),
        "" => Cell::styled("-", Style::Dim),
        other => Cell::styled(other, Style::Warning),
    }
}

fn policy_says(spec: &Value) -> String {
    let families = spec.get("families").and_then(Value::as_object);
    let families = families.into_iter().flatten();
    let families = families.map(|(family, mode)| format!("{family} {}", mode.as_str().unwrap_or_default()));
    let money = spec.get("money").and_then(Value::as_object).into_iter().flatten();
    let money = money.map(|(name, value)| format!("{} {value}", name.replace('_', " ")));
    let severs = spec.get("sever_by_evidence").and_then(Value::as_bool);
    let severs = severs.map(|severs| if severs { "severs by evidence" } else { "never severs by evidence" });
    families.chain(severs.map(str::to_owned)).chain(money).collect::<Vec<_>>().join(", ")
}

fn rows<const N: usize, const M: usize>(
    headings: [&'static str; N],
    views: &[ResourceView],
    cells: impl Fn(&ResourceView) -> [Cell; M],
) -> Table {
    let mut table = Table::new(headings);
    for view in views {
        table.cells(std::iter::once(Cell::from(view.name.as_str())).chain(cells(view)).collect());
    }
    table
}

/// What a vendor may have, and why.
pub(super) fn access(view: &ResourceView) -> Cell {
    view.status.access.as_ref().map_or_else(
        || Cell::styled("-", Style::Dim),
        |access| Cell::styled(access.sentence(), access_style(access.level)),
    )
}

pub(super) fn access_style(level: Access) -> Style {
    match level {
        Access::Clear => Style::Good,
        Access::Limited => Style::Warning,
        Access::Held | Access::Blocked => Style::Bad,
    }
}

/// What a person asks first: does it work?
pub(super) fn state(view: &ResourceView, now: jiff::Timestamp) -> Cell {
    if view.status.severed {
        return Cell::styled("severed", Style::Bad);
    }
    let level = view.status.access.as_ref().map_or(Access::Clear, |access| access.level);
    if level != Access::Clear && view.kind != Kind::Vendor {
        return Cell::styled(format!("vendor {}", level.as_str()), access_style(level));
    }
    match &view.status.term {
        Some(term) if now < term.starts => {
            let left = time::span(term.starts.duration_since(now).as_secs());
            Cell::styled(format!("starts in {left}"), Style::Warning)
        }
        Some(term) if now >= term.ends => Cell::styled("ended", Style::Bad),
        Some(term) => {
            let left = time::span(term.ends.duration_since(now).as_secs());
            Cell::styled(format!("{left} left"), Style::Good)
        }
        None => keys_state(view),
    }
}

/// A client that nothing closes may still have no key that is taken.
fn keys_state(view: &ResourceView) -> Cell {
    let refused = view.status.keys.iter().filter(|key| key.refused).count();
    match (refused, view.status.keys.len()) {
        (0, _) => Cell::styled("open", Style::Good),
        (refused, all) if refused == all && view.spec.get("subject").is_none() => {
            Cell::styled("keys refused", Style::Bad)
        }
        (refused, _) => Cell::styled(format!("{refused} refused"), Style::Warning),
    }
}

/// How many clients an issuer or a trust domain speaks for.
fn mapped(view: &ResourceView) -> String {
    view.spec.get("clients").and_then(Value::as_array).map_or(0, Vec::len).to_string()
}

/// Whether tokens may be bound to nothing: nobody shall overlook it.
fn unbound(view: &ResourceView) -> Cell {
    match text_of(&view.spec, "allow_unbound") {
        "never" => Cell::styled("never", Style::Good),
        other => Cell::styled(other, Style::Warning),
    }
}

fn proofs(view: &ResourceView) -> String {
    let count = |form: &str| view.status.keys.iter().filter(|key| key.form == form).count();
    let mut ways = Vec::new();
    for (form, word) in [("jwk", "key"), ("certificate", "certificate")] {
        match count(form) {
            0 => {}
            1 => ways.push(format!("1 {word}")),
            many => ways.push(format!("{many} {word}s")),
        }
    }
    if view.spec.get("subject").is_some() {
        ways.push("subject".to_owned());
    }
    ways.extend(view.status.mapped_by.iter().cloned());
    ways.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::output::Paint;
    use super::*;
    use portcullis_api::resource::{KeyView, StatusView, TermView};
    use uuid::Uuid;

    fn view(kind: Kind, name: &str, spec: Value, status: StatusView) -> ResourceView {
        ResourceView {
            kind,
            name: name.to_owned(),
            id: Uuid::nil(),
            version: 1,
            labels: std::collections::BTreeMap::new(),
            spec,
            personal: Vec::new(),
            status,
        }
    }

    fn shown(kind: Kind, views: &[ResourceView]) -> String {
        table_of(kind, views, "2026-11-21T00:00:00Z".parse().unwrap()).render(Paint { on: false })
    }

    #[test]
    fn contracts_say_how_long_they_last() {
        let contract = |name: &str, starts: &str, ends: &str| {
            let term = TermView { starts: starts.parse().unwrap(), ends: ends.parse().unwrap() };
            let spec = json!({ "vendor": "acme", "starts": starts.get(..10), "ends": ends.get(..10), "time_zone": "UTC" });
            view(Kind::Contract, name, spec, StatusView { term: Some(term), ..StatusView::default() })
        };
        let views = [
            contract("now", "2026-01-01T00:00:00Z", "2026-12-31T00:00:00Z"),
            contract("then", "2025-01-01T00:00:00Z", "2025-12-31T00:00:00Z"),
            contract("soon", "2026-11-22T00:00:00Z", "2027-12-31T00:00:00Z"),
        ];
        insta::assert_snapshot!(shown(Kind::Contract, &views), @r"
        NAME  VENDOR  STARTS      ENDS        TIME ZONE  STATE
        now   acme    2026-01-01  2026-12-31  UTC        40 days left
        then  acme    2025-01-01  2025-12-31  UTC        ended
        soon  acme    2026-11-22  2027-12-31  UTC        starts in 1 day 0 h
        ");
    }

    #[test]
    fn clients_say_what_they_prove_themselves_by() {
        let key = |form: &str, refused| KeyView { thumbprint: "t".into(), form: form.into(), refused };
        let keys = vec![key("jwk", false), key("jwk", true), key("certificate", false)];
        let spec = json!({ "integration": "acme", "subject": {} });
        let of = |name: &str, spec, keys, severed| {
            view(Kind::Client, name, spec, StatusView { keys, severed, ..StatusView::default() })
        };
        let views = [
            of("a", spec, keys, false),
            of("b", json!({ "integration": "i" }), Vec::new(), true),
            of("c", json!({ "integration": "i" }), vec![key("jwk", true)], false),
            view(
                Kind::Client,
                "d",
                json!({ "integration": "i" }),
                StatusView {
                    mapped_by: vec!["issuer/sso".into(), "trustdomain/prod".into()],
                    ..StatusView::default()
                },
            ),
        ];
        insta::assert_snapshot!(shown(Kind::Client, &views), @r"
        NAME  INTEGRATION  PROVES ITSELF BY                STATE
        a     acme         2 keys, 1 certificate, subject  1 refused
        b     i                                            severed
        c     i            1 key                           keys refused
        d     i            issuer/sso, trustdomain/prod    open
        ");
    }

    #[test]
    fn kinds_have_many_names() {
        for word in ["vendor", "vendors", "Vendor", "INTEGRATIONS"] {
            assert!(kind(word).is_ok(), "{word}");
        }
        assert_eq!(
            kind("lamp").unwrap_err(),
            "the kinds are vendor, contract, upstream, route, integration, client, issuer, trustdomain, policy, feed, tunnel, exercise"
        );
    }
}
