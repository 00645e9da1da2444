//! What the process can see of its surroundings.

mod stops;

use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use portcullis_api::checks::{Check, Health};
use portcullis_api::feeds::FeedView;
use portcullis_domain::spec::Holds;
use portcullis_domain::state as domain;

use super::reply::{Reply, json};
use crate::control::Control;
use crate::findings::{BLIND_HINT, Blind, blind};

pub async fn list(State(control): State<Control>) -> Reply {
    let mut checks = gates(&control);
    if let Some(process) = control.process() {
        checks.extend((process.checks)(control.snapshot_facts()).await);
    }
    let views = control.feed_views();
    checks.extend(origins(&views, control.clock().now()));
    checks.extend(ceilings(&control.state(), &views));
    checks.push(stops::stops(&control.state()));
    Ok(json(StatusCode::OK, &checks))
}

fn gates(control: &Control) -> Vec<Check> {
    let (size, gates) = (control.state().size, control.gates());
    if gates.is_empty() {
        let check = Check::new("gate link", Health::Bad, "no gate is attached");
        return vec![check.hint("look at the log: its cores say why they ended")];
    }
    let check = |gate: crate::link::GateStatus| match gate.snapshot {
        Some(snapshot) => {
            let behind = size.saturating_sub(snapshot);
            let detail = format!("`{}` decides by snapshot {snapshot}, {behind} events behind", gate.name);
            Check::new("gate link", Health::Good, detail)
        }
        None => Check::new("gate link", Health::Bad, format!("`{}` has no snapshot", gate.name)),
    };
    gates.into_iter().map(check).collect()
}

/// Databases of countries and networks, without which much of where a caller comes from isn't known. Feeds that fail are
/// among the findings.
fn origins(feeds: &[FeedView], now: Timestamp) -> Vec<Check> {
    let check = |(holds, what): (Holds, &str)| {
        let name = format!("{what} of addresses");
        match feeds.iter().find(|feed| feed.holds == holds && feed.in_use) {
            None => Check::new(name, Health::Warning, "no data: no database is declared or installed")
                .hint("run `make geo`, or declare a Feed: docs/reference/feeds.md"),
            Some(feed) => {
                let seconds = feed.as_of.map_or(0, |as_of| now.duration_since(as_of).as_secs().max(0));
                let detail = format!("`{}`, {} days old", feed.name, seconds / 86_400);
                if seconds <= i64::from(feed.stale_seconds) {
                    return Check::new(name, Health::Good, detail);
                }
                let hint = "install it again by `make geo`, or see `portcullis feed list`";
                Check::new(name, Health::Warning, detail).hint(hint)
            }
        }
    };
    [(Holds::Country, "countries"), (Holds::Asn, "networks")].map(check).into()
}

/// Ceilings of countries and autonomous systems refuse what nobody can look up.
fn ceilings(state: &domain::State, feeds: &[FeedView]) -> Vec<Check> {
    let check = |Blind { what, integrations }: Blind| {
        let (first, others) = integrations.split_first()?;
        let others = match others.len() {
            0 => String::new(),
            many => format!(" and {many} others"),
        };
        let detail = format!(
            "`{first}`{others}: there is a ceiling of {what}, and no database says them: what needs it is refused"
        );
        Some(Check::new(format!("ceilings of {what}"), Health::Warning, detail).hint(BLIND_HINT))
    };
    blind(state, feeds).into_iter().filter_map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_that_are_missing_or_old_are_told() {
        let now: Timestamp = "2030-01-10T00:00:00Z".parse().unwrap();
        let shown = |feeds: &[FeedView]| -> Vec<(Health, String)> {
            origins(feeds, now).into_iter().map(|check| (check.finding, check.detail)).collect()
        };
        let missing = (Health::Warning, "no data: no database is declared or installed".to_owned());
        assert_eq!(shown(&[]), [missing.clone(), missing.clone()]);
        let feed = FeedView {
            name: "geo.asn".to_owned(),
            holds: Holds::Asn,
            in_use: true,
            as_of: Some("2030-01-01T00:00:00Z".parse().unwrap()),
            stale_seconds: 10 * 86_400,
            ..FeedView::default()
        };
        let good = (Health::Good, "`geo.asn`, 9 days old".to_owned());
        assert_eq!(shown(std::slice::from_ref(&feed)), [missing.clone(), good]);
        let old = FeedView { stale_seconds: 600, ..feed.clone() };
        let warning = (Health::Warning, "`geo.asn`, 9 days old".to_owned());
        assert_eq!(shown(&[old]), [missing.clone(), warning]);
        assert_eq!(shown(&[FeedView { in_use: false, ..feed }]), [missing.clone(), missing]);
    }
}
