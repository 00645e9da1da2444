//! The folders are the architecture: which crates there are, and who may depend on whom.

use std::collections::{BTreeMap, BTreeSet};

use crate::cargo::{self, Member};
use crate::report::Outcome;
use crate::tree::Tree;

/// Every folder that holds a crate. A new one is a decision: add it here, and to ARCHITECTURE.md.
const FOLDERS: [&str; 32] = [
    "core/domain",
    "core/policy",
    "core/tokens",
    "core/wire",
    "core/records",
    "core/ledger",
    "core/metrics",
    "core/risk",
    "core/replay",
    "core/ids",
    "core/assurance",
    "core/proof",
    "core/pack",
    "core/network",
    "core/incident",
    "core/exercise",
    "adapters/store",
    "adapters/decision_log",
    "adapters/archive",
    "adapters/intel",
    "adapters/documents",
    "adapters/sheets",
    "adapters/mail",
    "adapters/enforcement",
    "adapters/wireguard",
    "planes/gate",
    "planes/control",
    "planes/enforcer",
    "api",
    "portcullis",
    "lab",
    "xtask",
];

/// Which folders a crate may depend on, by the folder it lies in: the first match counts.
const LAYERS: [(&str, &[&str]); 7] = [
    ("core/", &["core/"]),
    ("adapters/", &["core/"]),
    ("api", &["core/"]),
    ("planes/gate", &["core/", "adapters/decision_log"]),
    ("planes/control", &["core/", "adapters/", "api"]),
    ("planes/enforcer", &["core/", "adapters/enforcement"]),
    ("portcullis", &["core/", "adapters/", "api", "planes/"]),
];

/// What the gate must not reach by any way: it stands in the DMZ and holds no credential.
const GATE_NEVER: [&str; 3] = ["portcullis-control", "portcullis-store", "portcullis-enforcement"];

/// Crates that only one folder may name, of any dependency kind.
const OWNERS: [(&str, &[&str]); 2] = [
    (
        "adapters/store",
        &["sqlx", "sqlx-core", "sqlx-sqlite", "sqlx-postgres", "rusqlite", "tokio-postgres", "postgres"],
    ),
    ("adapters/enforcement", &["rsvici", "nftables"]),
];

/// What must not come into core by any way: no I/O, no async, no randomness, no database.
const CORE_NEVER: [&str; 9] =
    ["tokio", "sqlx", "rand", "rand_core", "getrandom", "hyper", "reqwest", "mio", "async-std"];

/// # Errors
/// When cargo can't resolve the workspace.
pub fn check(tree: &Tree) -> Result<Outcome, String> {
    let packages = cargo::packages(&tree.root)?;
    let folders: BTreeMap<&str, &str> =
        packages.members.iter().map(|member| (member.name.as_str(), member.folder.as_str())).collect();
    let mut faults: Vec<String> =
        packages.members.iter().flat_map(|member| member_faults(member, &folders)).collect();
    for folder in FOLDERS {
        if !packages.members.iter().any(|member| member.folder == folder) {
            faults.push(format!("`{folder}` holds no crate of the workspace"));
        }
    }
    let gate = cargo::reachable(&tree.root, "portcullis-gate")?;
    for (name, _) in gate.iter().filter(|(name, _)| GATE_NEVER.contains(&name.as_str())) {
        faults.push(format!("planes/gate reaches `{name}`: hint: they meet only in `policy::Snapshot`"));
    }
    let line = format!(
        "{} crates, each in its layer; the gate reaches none of {}",
        FOLDERS.len(),
        GATE_NEVER.join(", ")
    );
    Ok(Outcome::of(faults, line))
}

/// # Errors
/// When cargo can't resolve the workspace.
pub fn check_purity(tree: &Tree) -> Result<Outcome, String> {
    let mut faults = Vec::new();
    let core: Vec<String> =
        FOLDERS.into_iter().filter_map(|folder| folder.strip_prefix("core/")).map(crate_name).collect();
    for name in &core {
        let impure: BTreeSet<String> = cargo::reachable(&tree.root, name)?
            .into_iter()
            .map(|(package, _)| package)
            .filter(|package| CORE_NEVER.contains(&package.as_str()) || package.starts_with("sqlx-"))
            .collect();
        faults.extend(impure.into_iter().map(|package| format!("{name} reaches `{package}`")));
    }
    // Clippy bans the clock; core may not ask to be excused.
    for file in tree.with_ending(".rs").filter(|file| file.path.starts_with("core/")) {
        if file.text.contains("clippy::disallowed_methods") {
            faults.push(format!("{}: core makes an exception from the banned methods", file.path));
        }
    }
    Ok(Outcome::of(faults, format!("{} crates in core reach none of {}", core.len(), CORE_NEVER.join(", "))))
}

fn member_faults(member: &Member, folders: &BTreeMap<&str, &str>) -> Vec<String> {
    let Member { name, folder, named, normal } = member;
    let mut faults = Vec::new();
    if !FOLDERS.contains(&folder.as_str()) {
        faults.push(format!(
            "`{folder}` is no folder that may hold a crate; hint: list it in xtask/src/layout.rs"
        ));
    }
    let last = folder.rsplit('/').next().unwrap_or(folder);
    let expected = if ["portcullis", "xtask"].contains(&last) { last.to_owned() } else { crate_name(last) };
    if *name != expected {
        faults.push(format!("the crate of `{folder}` is called `{name}`, not `{expected}`"));
    }
    for (owner, crates) in OWNERS.iter().filter(|(owner, _)| owner != folder) {
        let taken = named.iter().filter(|named| crates.contains(&named.as_str()));
        faults.extend(taken.map(|named| format!("`{folder}` names `{named}`, which only `{owner}` may")));
    }
    let permitted =
        LAYERS.iter().find(|(layer, _)| folder.starts_with(layer)).map_or(&[][..], |(_, below)| below);
    for dependency in normal {
        let Some(below) = folders.get(dependency.as_str()) else { continue };
        if !permitted.iter().any(|layer| below.starts_with(layer)) {
            faults.push(format!("`{folder}` depends on `{below}`, which is not below it"));
        }
    }
    faults
}

fn crate_name(folder: &str) -> String {
    format!("portcullis-{}", folder.replace('_', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(name: &str, folder: &str, dependencies: &[&str]) -> Vec<String> {
        let names: BTreeSet<String> = dependencies.iter().map(|&name| name.to_owned()).collect();
        let member = Member { name: name.into(), folder: folder.into(), named: names.clone(), normal: names };
        let folders = BTreeMap::from([
            ("portcullis-domain", "core/domain"),
            ("portcullis-store", "adapters/store"),
            ("portcullis-decision-log", "adapters/decision_log"),
            ("portcullis-gate", "planes/gate"),
            ("portcullis-control", "planes/control"),
            ("portcullis-api", "api"),
        ]);
        member_faults(&member, &folders)
    }

    #[test]
    fn each_layer_depends_on_what_is_below_it() {
        for (name, folder, dependencies, expect) in [
            ("portcullis-policy", "core/policy", &["portcullis-domain", "serde"][..], 0),
            ("portcullis-policy", "core/policy", &["portcullis-store"], 1),
            ("portcullis-gate", "planes/gate", &["portcullis-domain", "portcullis-decision-log"], 0),
            ("portcullis-gate", "planes/gate", &["portcullis-store"], 1),
            ("portcullis-gate", "planes/gate", &["portcullis-api"], 1),
            ("portcullis-control", "planes/control", &["portcullis-gate"], 1),
            ("portcullis-control", "planes/control", &["sqlx"], 1),
            ("portcullis-store", "adapters/store", &["sqlx"], 0),
            ("portcullis-decision-log", "adapters/decision_log", &["portcullis-store"], 1),
            ("portcullis", "portcullis", &["portcullis-gate", "portcullis-control", "portcullis-store"], 0),
            ("xtask", "xtask", &["portcullis-domain"], 1),
            ("portcullis-decisions", "adapters/decision_log", &[], 1),
            ("portcullis-extra", "core/extra", &[], 1),
        ] {
            let faults = faults_of(name, folder, dependencies);
            assert_eq!(faults.len(), expect, "{folder} with {dependencies:?}: {faults:?}");
        }
    }
}
