//! Where a client stands for the scores of risk, and which policies are in force.

use anyhow::Result;
use jiff::Timestamp;
use portcullis_api::resource::ResourceView;
use portcullis_api::risk::{ClientRiskView, InForceView};
use portcullis_domain::spec::Kind;
use portcullis_risk::{Mode, Place};
use serde_json::{Value, json};

use super::super::failure::Refused;
use super::super::output::{Paint, Style};
use super::super::server::Server;
use super::super::table::{Cell, Table};
use super::super::time;

/// What is known of the risk of a resource.
#[derive(Default)]
pub(super) struct Risk {
    pub client: Option<ClientRiskView>,
    pub in_force: Vec<InForceView>,
}

pub(super) async fn look(server: &Server, view: &ResourceView) -> Result<Risk> {
    let of = match view.kind {
        Kind::Client => {
            let found: Result<ClientRiskView> = server.get(&["v1", "clients", &view.name, "risk"]).await;
            return match found {
                Ok(client) => Ok(Risk { client: Some(client), ..Risk::default() }),
                // No gate has told of it yet.
                Err(error)
                    if error.downcast_ref::<Refused>().is_some_and(|refused| refused.0.status == 404) =>
                {
                    Ok(Risk::default())
                }
                Err(error) => Err(error),
            };
        }
        Kind::Vendor => "vendor",
        Kind::Integration => "integration",
        Kind::Route => "route",
        _ => return Ok(Risk::default()),
    };
    let in_force = server.query(&["v1", "risk", "policies"], &[(of, view.name.clone())]).await?;
    Ok(Risk { client: None, in_force })
}

impl Risk {
    /// For JSON and YAML.
    pub fn member(&self) -> Option<Value> {
        match &self.client {
            Some(client) => Some(json!(client)),
            None if self.in_force.is_empty() => None,
            None => Some(json!(self.in_force)),
        }
    }

    /// What is in force, route by route.
    pub fn policies(&self) -> Option<Table> {
        if self.in_force.is_empty() {
            return None;
        }
        let mut table = Table::new(["INTEGRATION", "ROUTE", "MODE", "~FAMILIES", "SEVERS", "~FROM"]);
        for said in &self.in_force {
            let families =
                said.families.iter().map(|(family, mode)| format!("{} {}", family.as_str(), mode.as_str()));
            let mut from: Vec<&str> = said.policies.values().map(String::as_str).collect();
            from.sort_unstable();
            from.dedup();
            let from = if from.is_empty() { "by default".to_owned() } else { from.join(", ") };
            let severs = if said.sever_by_evidence { "by evidence" } else { "never alone" };
            table.row([
                said.integration.as_str().into(),
                said.route.as_str().into(),
                mode(said.mode),
                families.collect::<Vec<_>>().join(", ").into(),
                severs.into(),
                from.into(),
            ]);
        }
        Some(table)
    }
}

fn mode(mode: Mode) -> Cell {
    let style = if mode == Mode::Enforce { Style::Good } else { Style::Warning };
    Cell::styled(mode.as_str(), style)
}

/// Standing, what is missing to the next one, and drift.
pub(super) fn told(client: &ClientRiskView, paint: Paint, now: Timestamp) -> String {
    let mut text = format!("  standing  {}\n", client.summary);
    for (place, lack) in client.lacks.iter().enumerate() {
        let name = if place == 0 { "to go up" } else { "" };
        text.push_str(&format!("  {name:<9} {}\n", lack.sentence));
    }
    let passed = client.passed_lately;
    text.push_str(&format!(
        "  seen      on {} days, {} exchanges judged, {passed} challenges for its score passed lately\n",
        client.days, client.exchanges
    ));
    if let Some(drift) = client.drift {
        let line = format!("{drift:.1} (the alarm is at 5)");
        let line = if client.drift_alarm { paint.paint(&format!("{line}: ALARM"), Style::Bad) } else { line };
        text.push_str(&format!("  drift     {line}\n"));
    }
    let told = time::span(now.duration_since(client.time).as_secs());
    text.push_str(&format!("  told      by a gate, {told} ago\n"));
    text
}

pub(super) fn contexts(client: &ClientRiskView) -> Table {
    let mut table = Table::new(["CONTEXT", "FROM", "~TLS CLIENT", "W", "V", "LAST SEEN (UTC)", "~NOTE"]);
    for context in &client.contexts {
        let (place, style) = match context.place {
            Place::Admitted => ("admitted", Style::Good),
            Place::Probation => ("probation", Style::Warning),
            Place::Shared => ("all others", Style::Dim),
        };
        let origin = match (&context.country, context.asn) {
            (Some(country), Some(asn)) => format!("{country} AS{asn}"),
            (Some(country), None) => country.clone(),
            (None, Some(asn)) => format!("AS{asn}"),
            (None, None) => context.peer.clone().unwrap_or_else(|| "-".to_owned()),
        };
        let question =
            context.question_since.map(|since| format!("a question is open since {}", time::short(since)));
        let until = context.probation_until.map(|until| format!("until {}", time::short(until)));
        table.row([
            Cell::styled(place, style),
            origin.into(),
            context.ja4.clone().unwrap_or_else(|| "-".to_owned()).into(),
            format!("{:.1}", context.evidence.since_pass).into(),
            format!("{:.1}", context.evidence.in_all).into(),
            time::short(context.last_seen).into(),
            question.or(until).unwrap_or_default().into(),
        ]);
    }
    table
}
