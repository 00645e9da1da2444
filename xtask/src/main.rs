//! The checks of this repository that cargo has no command for.
//!
//! `cargo run -q -p xtask -- check` runs them all and prints a line for each; `-- reasons` and
//! `-- endpoints` write the reference pages of the reason codes and of control's API anew.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool answers by printing")]

mod advisories;
mod cargo;
mod deny;
mod docs;
mod endpoints;
mod events;
mod invariants;
mod layout;
mod licence;
mod packages;
mod report;
mod rust_text;
mod sources;
mod tree;

use std::path::Path;
use std::process::ExitCode;

use report::{Outcome, Verdict};
use tree::Tree;

type Check = fn(&Tree) -> Result<Outcome, String>;

/// By the names that ARCHITECTURE.md calls them.
const CHECKS: [(&str, Check); 14] = [
    ("layout", layout::check),
    ("purity", layout::check_purity),
    ("licences", packages::check_licences),
    ("duplicates", packages::check_duplicates),
    ("attributes", sources::check_attributes),
    ("unfinished", sources::check_unfinished),
    ("sleeping", sources::check_sleeping),
    ("size", sources::check_size),
    ("paths", sources::check_paths),
    ("events", events::check),
    ("docs", docs::check),
    ("endpoints", endpoints::check),
    ("invariants", invariants::check),
    ("advisories", advisories::check),
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["check"] => check(),
        ["reasons"] => docs::write_reasons(root()).map(|()| true),
        ["endpoints"] => endpoints::write(root()).map(|()| true),
        _ => {
            eprintln!("usage: cargo run -q -p xtask -- check | reasons | endpoints");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn check() -> Result<bool, String> {
    let tree = Tree::read(root())?;
    let mut faults = 0;
    for (name, check) in CHECKS {
        // What can't be checked is a fault too: silence is not assurance.
        let outcome = check(&tree).unwrap_or_else(Outcome::fault);
        faults += usize::from(outcome.verdict == Verdict::Fault);
        println!("{:<7} {name}: {}", outcome.verdict.word(), outcome.line);
        for detail in &outcome.details {
            println!("          {detail}");
        }
    }
    println!("xtask: {} checks, {faults} with faults", CHECKS.len());
    Ok(faults == 0)
}

/// The project's folder, which this crate lies in.
fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}
