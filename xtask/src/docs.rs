//! The reference pages say what the sources say.

use std::path::Path;

use crate::report::Outcome;
use crate::rust_text::{blanked, test_modules};
use crate::tree::Tree;

const REASONS: &str = "core/domain/src/reason.rs";
const REASONS_PAGE: &str = "docs/reference/reasons.md";
const SPECS: &str = "core/domain/src/spec/";
const MANIFESTS_PAGE: &str = "docs/reference/manifests.md";

/// # Errors
/// When a page or a source is missing or can't be read.
pub fn check(tree: &Tree) -> Result<Outcome, String> {
    let mut faults = Vec::new();
    let reasons = reasons(tree.text(REASONS)?)?;
    if tree.text(REASONS_PAGE)? != page(&reasons) {
        faults.push(format!("`{REASONS_PAGE}` is old; hint: run `cargo run -p xtask -- reasons`"));
    }
    let manifests = tree.text(MANIFESTS_PAGE)?;
    let mut fields = 0;
    for file in tree.files.iter().filter(|file| file.path.starts_with(SPECS)) {
        for field in public_fields(&file.text) {
            fields += 1;
            if !manifests.contains(&format!("`{field}`")) {
                faults.push(format!("`{field}` of {} is not in `{MANIFESTS_PAGE}`", file.path));
            }
        }
    }
    Ok(Outcome::of(
        faults,
        format!("{} reasons and {fields} fields of manifests are described", reasons.len()),
    ))
}

/// Writes the page of the reasons.
///
/// # Errors
/// When the table can't be read or the page not be written.
pub fn write_reasons(root: &Path) -> Result<(), String> {
    let source =
        std::fs::read_to_string(root.join(REASONS)).map_err(|error| format!("`{REASONS}`: {error}"))?;
    std::fs::write(root.join(REASONS_PAGE), page(&reasons(&source)?))
        .map_err(|error| format!("`{REASONS_PAGE}`: {error}"))
}

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
struct Reason<'a> {
    code: &'a str,
    status: &'a str,
    fixer: &'a str,
    title: &'a str,
    how: &'a str,
}

/// The rows of `reasons! { … }`: `Variant "code" status Fixer "title" "how";`.
fn reasons(source: &str) -> Result<Vec<Reason<'_>>, String> {
    let (_, table) =
        source.split_once("\nreasons! {\n").ok_or_else(|| format!("`{REASONS}` has no table"))?;
    let (table, _) = table.split_once("\n}").unwrap_or((table, ""));
    table.lines().filter(|line| !line.trim().is_empty() && !line.trim().starts_with("//")).map(row).collect()
}

fn row(line: &str) -> Result<Reason<'_>, String> {
    let broken = || format!("`{}` is not a row of the table of reasons", line.trim());
    let mut parts = line.split('"');
    let mut next = || parts.next().ok_or_else(broken);
    let (_, code, middle, title, _, how) = (next()?, next()?, next()?, next()?, next()?, next()?);
    let (status, fixer) = middle.trim().split_once(' ').ok_or_else(broken)?;
    Ok(Reason { code, status, fixer, title, how })
}

fn page(reasons: &[Reason<'_>]) -> String {
    let mut page = String::from(
        "# Reason codes\n\n\
         Why something was refused, cut or (`allowed`) not. A code is stable: it is never renamed and never\n\
         given another meaning. It stands in `reasons` of a refusal's problem document, in every decision, and\n\
         in what `portcullis explain` prints. The status is that of an answer that had not begun; after the\n\
         first byte a response is cut and its status stays what it was.\n\n\
         This page is written from `core/domain/src/reason.rs` by `cargo run -p xtask -- reasons`.\n\n\
         | code | status | what it means | who can fix it | how |\n| --- | --- | --- | --- | --- |\n",
    );
    for Reason { code, status, fixer, title, how } in reasons {
        let fixer = match *fixer {
            "VendorDeveloper" => "the vendor's developer",
            "Operator" => "our operators",
            "UpstreamTeam" => "the upstream's team",
            "Time" => "time",
            other => other,
        };
        page.push_str(&format!("| `{code}` | {status} | {title} | {fixer} | {how} |\n"));
    }
    page
}

/// Names of `pub NAME:` outside tests.
fn public_fields(source: &str) -> Vec<String> {
    let mut text = blanked(source);
    if let Some(tests) = test_modules(&text).first() {
        text.truncate(tests.start);
    }
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(": "));
    lines
        .map(|(name, _)| name.to_owned())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_and_written() {
        let source = "macro\nreasons! {\n    Gone \"gone\" 410 Time \"it is gone\" \"wait, or `ask`\";\n}\n";
        let rows = reasons(source).unwrap();
        assert_eq!(
            rows,
            [Reason {
                code: "gone",
                status: "410",
                fixer: "Time",
                title: "it is gone",
                how: "wait, or `ask`"
            }]
        );
        assert!(page(&rows).ends_with("| `gone` | 410 | it is gone | time | wait, or `ask` |\n"));
        assert!(reasons("nothing").is_err());
        assert!(reasons("\nreasons! {\n    Gone \"gone\" 410;\n}").is_err());
    }

    #[test]
    fn fields_are_found() {
        let source = "pub struct A {\n    pub one: u8,\n    two: u8,\n    // pub three: u8,\n}\npub const MAX: u64 = 1;\n#[cfg(test)]\nmod tests {\n    pub four: u8,\n}";
        assert_eq!(public_fields(source), ["one"]);
    }
}
