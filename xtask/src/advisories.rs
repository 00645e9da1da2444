//! Known vulnerabilities of the packages, where a tool and its database are at hand.

use std::path::PathBuf;
use std::process::Command;

use crate::report::Outcome;
use crate::tree::{Tree, output};

/// # Errors
/// What the tool found.
pub fn check(tree: &Tree) -> Result<Outcome, String> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    let has = |folder: &str| home.as_ref().is_some_and(|home| home.join(folder).is_dir());
    let run = |arguments: &[&str]| output(Command::new("cargo").current_dir(&tree.root).args(arguments));
    if run(&["deny", "--version"]).is_ok() && (has("advisory-dbs") || has("advisory-db")) {
        run(&["deny", "--offline", "check", "advisories"])?;
        return Ok(Outcome::good("cargo-deny knows of none"));
    }
    if run(&["audit", "--version"]).is_ok() && has("advisory-db") {
        run(&["audit", "--no-fetch", "--stale"])?;
        return Ok(Outcome::good("cargo-audit knows of none"));
    }
    Ok(Outcome::skipped("neither cargo-deny nor cargo-audit is installed with its database"))
}
