//! Policies: each says something about something, and no two equals disagree.

use std::collections::BTreeSet;

use portcullis_assurance::contract::ClauseKind;
use portcullis_assurance::stops::Stop;
use portcullis_risk::Family;

use super::{After, fault};
use crate::command::{Fault, Prepared};
use crate::spec::{Declaration, Kind, MoneySpec, PolicySpec, Spec};

const PER_RECORD_MAX: u64 = 1_000_000_000;
const REACH_MAX: u32 = 10_000;
const LATERAL_MAX: u64 = 1_000_000_000_000;
/// Policies are few: each granted route is looked up in all of them when a snapshot is compiled.
const POLICIES_MAX: usize = 200;
const NAMED_MAX: usize = 200;

pub fn check(declaration: &Declaration, spec: &PolicySpec, faults: &mut Vec<Fault>) {
    let mut add = |pointer: &str, message: &str, hint: &str| {
        faults.push(fault(declaration, pointer, message.to_owned(), Some(hint)));
    };
    let lists = [
        ("vendors", spec.vendors.as_ref().map(Vec::len)),
        ("integrations", spec.integrations.as_ref().map(Vec::len)),
        ("routes", spec.routes.as_ref().map(Vec::len)),
        ("impacts", spec.impacts.as_ref().map(Vec::len)),
    ];
    for (name, length) in lists {
        let pointer = format!("/spec/{name}");
        match length {
            Some(0) => add(&pointer, "the list names nothing", "leave it out to mean all of them"),
            Some(length) if length > NAMED_MAX => {
                add(&pointer, "the list names more than 200", "write several policies");
            }
            _ => {}
        }
    }
    if says(spec).is_empty() {
        add(
            "/spec",
            "the policy says nothing",
            "give it a `mode`, `families`, `sever_by_evidence`, `money`, `stops` or `mandatory_clauses`",
        );
    }
    let of_vendors =
        [("stops", spec.stops.is_some()), ("mandatory_clauses", spec.mandatory_clauses.is_some())];
    for (name, _) in of_vendors.into_iter().filter(|(_, said)| *said && !spec.is_about_vendors()) {
        let pointer = format!("/spec/{name}");
        let hint = "leave `integrations`, `routes` and `impacts` out, or write another policy for it";
        add(&pointer, "it holds for vendors as a whole", hint);
    }
    if spec.sever_by_evidence == Some(true) && spec.integrations.is_none() {
        add(
            "/spec/sever_by_evidence",
            "evidence alone may sever only those who agreed to it",
            "name them in `integrations`",
        );
    }
    let MoneySpec { per_record, reach, lateral } = spec.money.unwrap_or_default();
    if per_record.is_some_and(|money| money > PER_RECORD_MAX) {
        add("/spec/money/per_record", "that is more than a record is worth", "at most 1000000000");
    }
    if reach.is_some_and(|reach| !(1..=REACH_MAX).contains(&reach)) {
        add("/spec/money/reach", "that is no reach", "use 1 to 10000");
    }
    if lateral.is_some_and(|money| money > LATERAL_MAX) {
        add("/spec/money/lateral", "that is too much", "at most 1000000000000");
    }
}

/// No two policies that name things of the same kinds may say different things about the same exchange: nothing would
/// tell which of them counts.
pub fn check_together(after: &After<'_>, resources: &[Prepared], faults: &mut Vec<Fault>) {
    let all: Vec<(&str, &PolicySpec)> = after
        .iter()
        .filter_map(|((_, name), spec)| match spec {
            Spec::Policy(spec) => Some((*name, &**spec)),
            _ => None,
        })
        .collect();
    let declared = resources.iter().map(|prepared| &prepared.declaration);
    for declaration in declared.filter(|declaration| declaration.spec.kind() == Kind::Policy) {
        let Spec::Policy(spec) = &declaration.spec else { continue };
        if all.len() > POLICIES_MAX {
            let message = format!("there would be more than {POLICIES_MAX} policies");
            faults.push(fault(declaration, "/spec", message, None));
        }
        let others = all.iter().filter(|(name, _)| **name != *declaration.name);
        for (name, other) in others.filter(|(_, other)| meet(spec, other)) {
            let theirs = says(other);
            for (pointer, value) in says(spec) {
                if theirs.iter().any(|(known, said)| *known == pointer && *said != value) {
                    let message = format!("policy `{name}` says something else about the same exchanges");
                    let hint = "name different things in the two, or more in one of them";
                    faults.push(fault(declaration, &pointer, message, Some(hint)));
                }
            }
        }
    }
}

/// Whether both are as specific, and some exchange may be of both.
fn meet(one: &PolicySpec, other: &PolicySpec) -> bool {
    fn both<T: Ord>(one: &Option<Vec<T>>, other: &Option<Vec<T>>) -> bool {
        match (one, other) {
            (None, None) => true,
            (Some(one), Some(other)) => {
                let one: BTreeSet<&T> = one.iter().collect();
                other.iter().any(|named| one.contains(named))
            }
            _ => false,
        }
    }
    both(&one.vendors, &other.vendors)
        && both(&one.integrations, &other.integrations)
        && both(&one.routes, &other.routes)
        && both(&one.impacts, &other.impacts)
}

/// Each setting by its place.
fn says(spec: &PolicySpec) -> Vec<(String, u64)> {
    let MoneySpec { per_record, reach, lateral } = spec.money.unwrap_or_default();
    let of = |pointer: &str, value: Option<u64>| value.map(|value| (pointer.to_owned(), value));
    let families = Family::ALL.iter().filter_map(|family| {
        let mode = spec.families.get(family)?;
        Some((format!("/spec/families/{}", family.as_str()), *mode as u64))
    });
    let modes = spec.stops.unwrap_or_default();
    let stops = Stop::ALL
        .into_iter()
        .filter_map(|stop| Some((format!("/spec/stops/{}", stop.name()), modes.of(stop)? as u64)));
    let default = modes.default.map(|mode| ("/spec/stops/default".to_owned(), mode as u64));
    // As a set: each kind has a bit.
    let clauses = spec.mandatory_clauses.as_ref().map(|clauses| {
        let bit = |kind: &ClauseKind| {
            ClauseKind::ALL.iter().position(|known| known == kind).map_or(0, |at| 1 << at)
        };
        ("/spec/mandatory_clauses".to_owned(), clauses.iter().map(bit).fold(0_u64, |set, bit| set | bit))
    });
    [
        of("/spec/mode", spec.mode.map(|mode| mode as u64)),
        of("/spec/sever_by_evidence", spec.sever_by_evidence.map(u64::from)),
        of("/spec/money/per_record", per_record),
        of("/spec/money/reach", reach.map(u64::from)),
        of("/spec/money/lateral", lateral),
    ]
    .into_iter()
    .flatten()
    .chain(families)
    .chain(stops)
    .chain(default)
    .chain(clauses)
    .collect()
}
