//! Clauses of contracts that a vendor's machines have broken: the gate refused them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_api::findings::{Finding, FindingCode, Severity};
use portcullis_assurance::contract::Clause;
use portcullis_domain::reason::Reason;
use portcullis_domain::spec::{ContractSpec, Kind, Spec};
use portcullis_domain::state::State;

use super::DAY_SECONDS;
use crate::clauses::Breach;

/// Told of for so long after the last one.
const TOLD_DAYS: i64 = 30;

/// One for each contract and clause, over all its integrations.
pub(super) fn find(state: &State, breaches: &[Breach], now: Timestamp, found: &mut Vec<Finding>) {
    let mut all: BTreeMap<(&str, Reason), Vec<&Breach>> = BTreeMap::new();
    for breach in breaches {
        let since = now.as_second().saturating_sub(breach.last.as_second());
        let Some((_, _, integration)) = state.by_id(breach.integration.0) else { continue };
        if let Spec::Integration(spec) = &integration.declaration.spec
            && since <= TOLD_DAYS * DAY_SECONDS
        {
            all.entry((&spec.contract, breach.reason)).or_default().push(breach);
        }
    }
    found.extend(all.into_iter().filter_map(|((contract, reason), of)| broken(state, contract, reason, &of)));
}

/// None where the contract has no such clause any more.
fn broken(state: &State, contract: &str, reason: Reason, breaches: &[&Breach]) -> Option<Finding> {
    let Spec::Contract(spec) = &state.resource(Kind::Contract, contract)?.declaration.spec else {
        return None;
    };
    let clause = clauses(spec, reason)?;
    let last = breaches.iter().max_by_key(|breach| breach.last)?;
    let count: u64 = breaches.iter().map(|breach| breach.count).sum();
    let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
    let (vendor, code) = (&spec.vendor, reason.code());
    Some(Finding {
        severity: Severity::Medium,
        code: FindingCode::ClauseBreached,
        about: format!("contract/{contract}"),
        message: format!(
            "vendor `{vendor}` breaks {clause} of its contract `{contract}`: refused {times} since this process began, last at {}",
            last.last.strftime("%Y-%m-%dT%H:%M:%SZ")
        ),
        hint: format!(
            "`portcullis decisions --vendor {vendor} --reason {code}` lists the requests, `portcullis explain {}` the last one; tell the vendor, or amend the contract",
            last.decision
        ),
        due: None,
    })
}

/// The clause that a refusal is by, as a person would name it; with several all of them, as each may have been the one.
fn clauses(spec: &ContractSpec, reason: Reason) -> Option<String> {
    let told = |clause: &Clause| {
        let wants = match reason {
            Reason::ClauseTls if clause.tls_min.as_deref() == Some("1.3") => "TLS 1.3".to_owned(),
            Reason::ClauseCountry => format!("calls from {}", clause.countries.as_ref()?.join(", ")),
            _ => return None,
        };
        let place = clause.place.as_ref().map(|place| format!("{place}, ")).unwrap_or_default();
        Some(format!("`{}` ({place}{wants})", clause.kind.name()))
    };
    let told: Vec<String> = spec.clauses.iter().filter_map(told).collect();
    match told.as_slice() {
        [] => None,
        [one] => Some(format!("the clause {one}")),
        more => Some(format!("the clauses {}", more.join(" and "))),
    }
}
