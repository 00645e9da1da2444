//! ARCHITECTURE.md states the invariants; each names what holds it, and that exists.
//!
//! The last column of a row holds, each in backticks: `test: NAME`, a function or a test's title;
//! `xtask: CHECK`; `lint: NAME`, set in Cargo.toml or clippy.toml.

use crate::CHECKS;
use crate::report::Outcome;
use crate::rust_text::words;
use crate::tree::Tree;

const PAGE: &str = "ARCHITECTURE.md";

/// # Errors
/// When the page has no table of invariants.
pub fn check(tree: &Tree) -> Result<Outcome, String> {
    let page = tree.text(PAGE)?;
    let (_, after) =
        page.split_once("\n## Invariants\n").ok_or_else(|| format!("`{PAGE}` has no `## Invariants`"))?;
    let section = after.split_once("\n## ").map_or(after, |(section, _)| section);
    let rows: Vec<(&str, &str)> = section.lines().filter_map(numbered).collect();
    if rows.is_empty() {
        return Err(format!("`{PAGE}` lists no invariant"));
    }
    let mut faults = Vec::new();
    let mut open = Vec::new();
    for (number, holds) in &rows {
        let mut held = 0;
        for name in holds.split('`').skip(1).step_by(2) {
            held += 1;
            if !exists(tree, name) {
                faults.push(format!("invariant {number}: `{name}` does not exist"));
            }
        }
        if held == 0 {
            open.push(format!("invariant {number} names no check yet"));
        }
    }
    Ok(Outcome::of(
        faults,
        format!("{} invariants, {} with a check that exists", rows.len(), rows.len() - open.len()),
    )
    .noting(open))
}

/// The number and the last cell of a row of the table.
fn numbered(line: &str) -> Option<(&str, &str)> {
    let mut cells = line.strip_prefix('|')?.trim_end().strip_suffix('|')?.split('|');
    let number = cells.next()?.trim();
    number.bytes().all(|byte| byte.is_ascii_digit()).then_some((number, cells.next_back()?))
}

fn exists(tree: &Tree, name: &str) -> bool {
    let Some((form, name)) = name.split_once(": ") else { return false };
    match form {
        "xtask" => CHECKS.iter().any(|(check, _)| *check == name),
        "lint" => ["Cargo.toml", "clippy.toml"]
            .iter()
            .filter_map(|path| tree.file(path))
            .any(|file| words(&file.text, name).next().is_some()),
        "test" => {
            // A path in front tells the reader where to look.
            let last = name.rsplit("::").next().unwrap_or(name);
            let function = format!("fn {last}");
            let title = format!("test('{last}'");
            let python = format!("def {last}(");
            tree.files.iter().any(|file| match file.path.rsplit_once('.') {
                Some((_, "rs")) => words(&file.text, &function).next().is_some(),
                Some((_, "mjs")) => file.text.contains(&title),
                Some((_, "py")) => file.text.contains(&python),
                _ => false,
            })
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Verdict;
    use crate::tree::TextFile;

    fn check_with(holds: &str, expect: Option<Verdict>) {
        let page = format!(
            "# A\n\n## Invariants\n\n| # | what | held by |\n| --- | --- | --- |\n| 1 | it holds | {holds} |\n\n## Next\n"
        );
        let file = |path: &str, text: &str| TextFile { path: path.into(), text: text.into() };
        let files = vec![
            file(PAGE, &page),
            file("a/src/b.rs", "#[test]\nfn it_really_holds() {}"),
            file("clippy.toml", "disallowed-methods = []"),
            file("tests/c.mjs", "test('a title', () => {})"),
        ];
        let outcome = check(&Tree { root: "".into(), files });
        assert_eq!(outcome.ok().map(|outcome| outcome.verdict), expect, "{holds}");
    }

    #[test]
    fn what_holds_an_invariant_must_exist() {
        check_with("`test: b::it_really_holds`, `xtask: layout`", Some(Verdict::Good));
        check_with("`lint: disallowed-methods`", Some(Verdict::Good));
        check_with("`test: a title`", Some(Verdict::Good));
        check_with("a test to come", Some(Verdict::Good));
        check_with("`test: it_really`", Some(Verdict::Fault));
        check_with("`test: it_really_holds`, `xtask: nothing`", Some(Verdict::Fault));
        check_with("`it_really_holds`", Some(Verdict::Fault));
    }
}
