//! What goes into the binary: under which licences, and whether twice.

use std::collections::{BTreeMap, BTreeSet};

use crate::licence::Licence;
use crate::report::Outcome;
use crate::tree::Tree;
use crate::{cargo, deny};

const BINARY: &str = "portcullis";

/// # Errors
/// When cargo or deny.toml can't be read.
pub fn check_licences(tree: &Tree) -> Result<Outcome, String> {
    let permitted = deny::list(tree.text("deny.toml")?, "licenses", "allow")?;
    let permitted: Vec<&str> = permitted.into_iter().map(|entry| entry.trim_matches('"')).collect();
    let licences = cargo::packages(&tree.root)?.licences;
    let reachable = cargo::reachable(&tree.root, BINARY)?;
    let faults = reachable.iter().filter_map(|id| {
        let (name, version) = id;
        let fault = match licences.get(id) {
            Some(Some(text)) => match Licence::parse(text) {
                Ok(licence) if licence.is_permitted(&permitted) => return None,
                Ok(_) => format!("`{text}` is not permitted"),
                Err(error) => format!("`{text}` can't be read: {error}"),
            },
            Some(None) => "it states no licence".to_owned(),
            None => "cargo metadata doesn't know it".to_owned(),
        };
        Some(format!("{name} {version}: {fault}"))
    });
    Ok(Outcome::of(faults.collect(), format!("{} packages in the binary, all permitted", reachable.len())))
}

/// # Errors
/// When cargo or deny.toml can't be read.
pub fn check_duplicates(tree: &Tree) -> Result<Outcome, String> {
    let skipped = deny::list(tree.text("deny.toml")?, "bans", "skip")?;
    let mut faults = Vec::new();
    let mut excused: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for entry in skipped {
        let (id, reason) = (deny::member(entry, "crate"), deny::member(entry, "reason"));
        match (id.and_then(|id| id.split_once('@')), reason) {
            (Some((name, version)), Some(reason)) => drop(excused.insert(name, (version, reason))),
            _ => faults.push(format!("deny.toml skips `{entry}` without a version or a reason")),
        }
    }
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, version) in cargo::reachable(&tree.root, BINARY)? {
        versions.entry(name).or_default().insert(version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    let mut notes = Vec::new();
    for (name, versions) in &versions {
        let listed = versions.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let excuse = excused.remove(name.as_str());
        let left = versions.iter().filter(|version| {
            !excuse.is_some_and(|(skipped, _)| {
                *version == skipped || version.starts_with(&format!("{skipped}."))
            })
        });
        match excuse {
            Some((_, reason)) if left.count() < 2 => notes.push(format!("{name} {listed}: {reason}")),
            _ => faults.push(format!(
                "{name} {listed}; hint: agree on one, or skip one in deny.toml with the reason"
            )),
        }
    }
    notes.extend(
        excused.keys().map(|name| format!("deny.toml skips `{name}` without need; hint: take it out")),
    );
    Ok(Outcome::of(faults, format!("{} packages in two versions, each for a reason", versions.len()))
        .noting(notes))
}
