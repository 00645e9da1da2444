//! What must hold for the ceilings of an integration: each names something, and what it names exists.

use std::collections::BTreeSet;

use super::issuers::Faults;
use crate::command::Fault;
use crate::network_pattern::{NetworkPattern, NetworkPatternError};
use crate::spec::ceilings::is_country;
use crate::spec::{Declaration, IntegrationSpec};

const RECORDS_MAX: u64 = 1_000_000_000_000;
/// Each request is compared with all of them.
const NAMED_MAX: usize = 256;

pub fn check(declaration: &Declaration, spec: &IntegrationSpec, found: &mut Vec<Fault>) {
    let mut faults = Faults::of(declaration, found);
    let ceilings = &spec.ceilings;
    if ceilings.records_per_day.is_some_and(|records| !(1..=RECORDS_MAX).contains(&records)) {
        let hint = format!("use 1 to {RECORDS_MAX}; to close the integration, sever it");
        faults.add("/spec/ceilings/records_per_day", "that is no number of records a day", Some(&hint));
    }
    list("routes", ceilings.routes.as_deref(), &mut faults, |route| {
        let granted = spec.routes.iter().any(|known| known == route);
        (!granted).then(|| {
            let message = format!("route `{route}` is not among the integration's `routes`");
            (message, "a ceiling grants nothing: add it there, or take it out here".to_owned())
        })
    });
    list("countries", ceilings.countries.as_deref(), &mut faults, |code| {
        (!is_country(code)).then(|| (format!("`{code}` is not a country"), country_hint(code)))
    });
    list("networks", ceilings.networks.as_deref(), &mut faults, |network| {
        let error = network.parse::<NetworkPattern>().err()?;
        let hint = match error {
            NetworkPatternError::HostBits(meant) => format!("write `{meant}`, or all bits for one address"),
            _ => "write a prefix such as `192.0.2.0/24` or `2001:db8::/32`, or a number such as `AS64500`"
                .to_owned(),
        };
        Some((format!("`{network}` is not a network: {error}"), hint))
    });
}

/// An empty list, one that is too long, what is named twice, and what `fault` says of each member.
fn list(
    name: &str,
    members: Option<&[String]>,
    faults: &mut Faults<'_>,
    fault: impl Fn(&str) -> Option<(String, String)>,
) {
    let Some(members) = members else { return };
    let pointer = format!("/spec/ceilings/{name}");
    if members.is_empty() {
        let hint = "leave it out to set no ceiling; to close the integration, sever it";
        faults.add(&pointer, "the list names nothing, so nothing would pass", Some(hint));
    }
    if members.len() > NAMED_MAX {
        faults.add(&pointer, format!("the list names more than {NAMED_MAX}"), None);
        return;
    }
    let mut seen = BTreeSet::new();
    for (place, member) in members.iter().enumerate() {
        let pointer = format!("{pointer}/{place}");
        if let Some((message, hint)) = fault(member) {
            faults.add(&pointer, message, Some(&hint));
        } else if !seen.insert(member) {
            faults.add(&pointer, format!("`{member}` is named twice"), None);
        }
    }
}

fn country_hint(code: &str) -> String {
    let upper = code.to_ascii_uppercase();
    match upper.as_str() {
        "UK" => "the code of the United Kingdom is `GB` (ISO 3166-1)".to_owned(),
        _ if is_country(&upper) => format!("write `{upper}`"),
        _ => "write two capital letters of ISO 3166-1, such as `DE`".to_owned(),
    }
}
