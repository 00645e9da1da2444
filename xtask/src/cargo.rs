//! What cargo knows of the packages.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::tree::output;

/// Name and version.
pub type PackageId = (String, String);

/// A crate of this workspace.
#[derive(Debug)]
pub struct Member {
    pub name: String,
    /// From the root, such as `core/domain`.
    pub folder: String,
    /// Names of its direct dependencies of any kind: normal, development and build.
    pub named: BTreeSet<String>,
    /// Names of its direct normal dependencies.
    pub normal: BTreeSet<String>,
}

#[derive(Debug)]
pub struct Packages {
    pub members: Vec<Member>,
    /// The licence expression of each package, if it states one.
    pub licences: BTreeMap<PackageId, Option<String>>,
}

/// # Errors
/// When cargo can't resolve the workspace.
pub fn packages(root: &Path) -> Result<Packages, String> {
    let target = host()?;
    let arguments = ["metadata", "--format-version", "1", "--filter-platform", &target];
    let text = offline_first(root, &arguments)?;
    let metadata: Value = serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))?;
    let members: BTreeSet<&str> = array(&metadata, "workspace_members").filter_map(Value::as_str).collect();
    let workspace_root = text_of(&metadata, "workspace_root");
    let mut found = Packages { members: Vec::new(), licences: BTreeMap::new() };
    for package in array(&metadata, "packages") {
        let id = (text_of(package, "name"), text_of(package, "version"));
        if members.contains(text_of(package, "id").as_str()) {
            found.members.push(member(package, &workspace_root));
        }
        let licence = package.get("license").and_then(Value::as_str).map(str::to_owned);
        found.licences.insert(id, licence);
    }
    Ok(found)
}

/// Every package that is compiled into `package` by normal dependencies, itself included.
///
/// # Errors
/// When cargo can't resolve the workspace.
pub fn reachable(root: &Path, package: &str) -> Result<BTreeSet<PackageId>, String> {
    // `cargo metadata` also lists what disabled features would bring: `cargo tree` is exact.
    let arguments =
        ["tree", "--package", package, "--edges", "normal", "--prefix", "none", "--format", "{p}"];
    let text = offline_first(root, &arguments)?;
    let ids = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        let version = words.next()?.strip_prefix('v')?;
        Some((name.to_owned(), version.to_owned()))
    });
    Ok(ids.collect())
}

fn member(package: &Value, workspace_root: &str) -> Member {
    let manifest = text_of(package, "manifest_path");
    let folder = manifest.strip_prefix(workspace_root).unwrap_or(&manifest).trim_start_matches('/');
    let folder = folder.strip_suffix("/Cargo.toml").unwrap_or(folder);
    let dependencies = || array(package, "dependencies");
    Member {
        name: text_of(package, "name"),
        folder: folder.to_owned(),
        named: dependencies().map(|dependency| text_of(dependency, "name")).collect(),
        normal: dependencies()
            .filter(|dependency| dependency.get("kind").is_none_or(Value::is_null))
            .map(|dependency| text_of(dependency, "name"))
            .collect(),
    }
}

/// Without the network if everything is there, as after any build.
fn offline_first(root: &Path, arguments: &[&str]) -> Result<String, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let run = |offline: bool| {
        let mut command = Command::new(&cargo);
        command.current_dir(root).args(arguments);
        if offline {
            command.arg("--offline");
        }
        output(&mut command)
    };
    run(true).or_else(|_| run(false))
}

fn host() -> Result<String, String> {
    let text = output(Command::new("rustc").arg("-vV"))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "`rustc -vV` names no host".to_owned())
}

fn array<'a>(value: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> {
    value.get(member).and_then(Value::as_array).into_iter().flatten()
}

fn text_of(value: &Value, member: &str) -> String {
    value.get(member).and_then(Value::as_str).unwrap_or_default().to_owned()
}
