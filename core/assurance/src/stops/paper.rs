//! The contract and what is in it: stops 5 and 6.

use jiff::Timestamp;

use super::{Fact, Known, Stop};
use crate::access::Access;
use crate::assessment::Admission;
use crate::contract::{Clause, ClauseKind, ContractKnown};
use crate::days::{date_of, starts_after};

/// Within so many hours a vendor reports an incident.
const REPORT_HOURS_MAX: u32 = 24;

pub(super) fn contract(known: &Known<'_>, now: Timestamp) -> Vec<Fact> {
    if known.contracts.iter().any(|contract| in_force(contract, now)) {
        return Vec::new();
    }
    let remedy = "declare the contract, its renewal or its amendment";
    let over =
        known.contracts.iter().filter(|contract| contract.ends <= now).max_by_key(|contract| contract.ends);
    let coming = known
        .contracts
        .iter()
        .filter(|contract| contract.starts > now)
        .min_by_key(|contract| contract.starts);
    let (fact, since) = match (over, coming) {
        (Some(over), _) => {
            (format!("no contract is in force: `{}` ended at {}", over.name, over.ends), Some(over.ends))
        }
        (None, Some(coming)) => {
            (format!("no contract is in force: `{}` begins at {}", coming.name, coming.starts), None)
        }
        (None, None) => ("there is no contract".to_owned(), None),
    };
    vec![Fact::new(Stop::Contract, Access::Blocked, fact, remedy).since(since)]
}

pub(super) fn in_force(contract: &ContractKnown, now: Timestamp) -> bool {
    contract.starts <= now && now < contract.ends
}

pub(super) fn clause(known: &Known<'_>, now: Timestamp) -> Vec<Fact> {
    let in_force = known.contracts.iter().filter(|contract| in_force(contract, now));
    in_force
        .flat_map(|contract| {
            known.rules.clauses.iter().filter_map(move |kind| {
                let (lack, since) = lack(contract, *kind, now)?;
                let mut fact = format!("contract `{}` {lack}", contract.name);
                let remedy = "agree on the clause in an amendment, and declare it with the contract";
                let subject = format!("{}/{}", contract.name, kind.name());
                let unread = contract.clauses.iter().all(|clause| clause.kind != *kind);
                let access = match provisional_until(known, now).filter(|_| unread) {
                    Some(until) => {
                        let day = date_of(until);
                        fact.push_str(&format!("; the provisional admission lets that pass until {day}"));
                        Access::Clear
                    }
                    None => Access::Held,
                };
                Some(
                    Fact::new(Stop::Clause, access, fact, remedy)
                        .about(subject)
                        .since(since.unwrap_or(contract.starts)),
                )
            })
        })
        .collect()
}

/// The end of a provisional admission that is in force. Whoever comes from a list comes without the wording of its
/// contract: until then nobody needs to have read it. What was read and doesn't say what it must holds all the same.
fn provisional_until(known: &Known<'_>, now: Timestamp) -> Option<Timestamp> {
    match known.dossier.admission {
        Admission::Provisional { until, .. } if now < until => Some(until),
        _ => None,
    }
}

/// What is wrong about a clause, if anything. One that is there and doesn't say what it must is as good as none.
fn lack(contract: &ContractKnown, kind: ClauseKind, now: Timestamp) -> Option<(String, Option<Timestamp>)> {
    let clauses: Vec<&Clause> = contract.clauses.iter().filter(|clause| clause.kind == kind).collect();
    let name = kind.name();
    if clauses.is_empty() {
        return Some((format!("lacks the mandatory clause `{name}`"), None));
    }
    match kind {
        ClauseKind::IncidentReporting => {
            let hours = clauses.iter().filter_map(|clause| clause.report_hours).min();
            match hours {
                None => Some((format!("says in clause `{name}` nothing of hours: 24 at most"), None)),
                Some(hours) if hours > REPORT_HOURS_MAX => {
                    Some((format!("has incidents reported within {hours} hours: 24 at most"), None))
                }
                Some(_) => None,
            }
        }
        ClauseKind::Insurance => match clauses.iter().filter_map(|clause| insured_until(clause)).max() {
            None => Some((format!("says in clause `{name}` nothing of its last day (`expires`)"), None)),
            Some(ends) if ends <= now => {
                Some((format!("is without insurance since {}", date_of(ends)), Some(ends)))
            }
            Some(_) => None,
        },
        _ => None,
    }
}

/// The first moment without the insurance.
pub(super) fn insured_until(clause: &Clause) -> Option<Timestamp> {
    clause.expires.map(|last| starts_after(last, 1))
}
