//! Rules of the sources that clippy has no lint for.

use crate::report::Outcome;
use crate::rust_text::{attributes, blanked, test_modules, words};
use crate::tree::{TextFile, Tree, line_of};

/// Files of more lines are taken apart.
const LINES_MAX: usize = 800;
/// Files aim at no more lines than this.
const LINES_AIM: usize = 400;

/// Files of tests that may wait for a while, how often, and why. A test waits on a condition.
const SLEEPERS: [(&str, usize, &str); 2] = [
    ("planes/control/tests/control/world.rs", 1, "the step of `until`, which waits on any condition"),
    ("planes/control/tests/control/folding.rs", 1, "the step of a wait for the store to forget a text"),
];

/// Every exception from a lint says why.
///
/// # Errors
/// None.
pub fn check_attributes(tree: &Tree) -> Result<Outcome, String> {
    let mut exceptions = 0;
    let mut faults = Vec::new();
    for file in tree.with_ending(".rs") {
        let text = blanked(&file.text);
        for range in attributes(&text) {
            let attribute = text.get(range.clone()).unwrap_or_default();
            if words(attribute, "allow(").chain(words(attribute, "expect(")).next().is_none() {
                continue;
            }
            exceptions += 1;
            if words(attribute, "reason").next().is_none() {
                faults.push(at(file, range.start, "an exception from a lint gives no `reason`"));
            }
        }
    }
    Ok(Outcome::of(faults, format!("{exceptions} exceptions from lints, each with its reason")))
}

/// Nothing is left open, and no module hides in a mod.rs.
///
/// # Errors
/// None.
pub fn check_unfinished(tree: &Tree) -> Result<Outcome, String> {
    let mut faults = Vec::new();
    let mut files = 0;
    for file in tree.with_ending(".rs") {
        files += 1;
        if file.path.ends_with("/mod.rs") {
            faults.push(format!("{}: hint: `foo.rs` beside `foo/`", file.path));
        }
        let text = blanked(&file.text);
        for word in ["todo!", "unimplemented!", "dbg!", "#[ignore]"] {
            faults.extend(words(&text, word).map(|place| at(file, place, &format!("`{word}`"))));
        }
    }
    Ok(Outcome::of(
        faults,
        format!("{files} Rust files without `todo!`, `dbg!`, mod.rs, or tests ignored for no reason"),
    ))
}

/// No test sleeps. Clippy bans `std::thread::sleep` everywhere; the runtime may wait for timeouts, tests may not.
///
/// # Errors
/// None.
pub fn check_sleeping(tree: &Tree) -> Result<Outcome, String> {
    let mut faults = Vec::new();
    let mut tests = 0;
    for file in &tree.files {
        let naps = match file.path.rsplit_once('.') {
            Some((_, "rs")) => rust_naps(file),
            Some((_, "mjs" | "js" | "ts")) if is_test(&file.path) => {
                script_naps(file, &["setTimeout(", "setInterval("])
            }
            Some((_, "py")) if is_test(&file.path) => script_naps(file, &["time.sleep(", "sleep("]),
            _ => continue,
        };
        tests += 1;
        let permitted = SLEEPERS.iter().find(|(path, ..)| *path == file.path).map_or(0, |(_, naps, _)| *naps);
        if naps.len() <= permitted {
            continue;
        }
        faults.extend(
            naps.into_iter().map(|place| at(file, place, "a test sleeps; hint: wait on a condition")),
        );
    }
    Ok(Outcome::of(faults, format!("{tests} files with no test that sleeps")))
}

/// # Errors
/// None.
pub fn check_size(tree: &Tree) -> Result<Outcome, String> {
    let mut sizes: Vec<(usize, &str)> = tree
        .files
        .iter()
        .filter(|file| matches!(file.path.rsplit_once('.'), Some((_, "rs" | "mjs" | "py"))))
        .map(|file| (file.text.lines().count(), file.path.as_str()))
        .collect();
    sizes.sort_unstable();
    let at_share = |share: usize| sizes.get(sizes.len() * share / 100).map_or(0, |(lines, _)| *lines);
    let line = format!("{} files, median {} lines, p90 {}", sizes.len(), at_share(50), at_share(90));
    let told = |lines: usize, path: &str| format!("{path}: {lines} lines");
    let faults = sizes
        .iter()
        .filter(|(lines, _)| *lines > LINES_MAX)
        .map(|(lines, path)| told(*lines, path))
        .collect();
    let long = sizes.iter().filter(|(lines, _)| (LINES_AIM + 1..=LINES_MAX).contains(lines));
    Ok(Outcome::of(faults, line).noting(long.map(|(lines, path)| told(*lines, path))))
}

/// No path of somebody's machine; pages of docs/ may show a home folder as an example.
///
/// # Errors
/// None.
pub fn check_paths(tree: &Tree) -> Result<Outcome, String> {
    // In two parts, so that this file isn't found by its own search.
    let folders = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
    let mut faults = Vec::new();
    for file in &tree.files {
        let is_page = file.path.starts_with("docs/") && file.path.ends_with(".md");
        for folder in folders.iter().filter(|folder| !(is_page && **folder == folders[2])) {
            let found = file.text.match_indices(folder).map(|(place, _)| place).filter(|place| {
                // Part of a longer path or of an address is something else.
                let before = place.checked_sub(1).and_then(|before| file.text.as_bytes().get(before));
                !before.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"._-}/".contains(byte))
            });
            faults
                .extend(found.map(|place| at(file, place, &format!("`{folder}` is a path of one machine"))));
        }
    }
    Ok(Outcome::of(faults, format!("{} text files without paths of one machine", tree.files.len())))
}

fn rust_naps(file: &TextFile) -> Vec<usize> {
    let text = blanked(&file.text);
    let tests = test_modules(&text);
    let in_test = |place: &usize| is_test(&file.path) || tests.iter().any(|range| range.contains(place));
    words(&text, "sleep(").chain(words(&text, "sleep_until(")).filter(in_test).collect()
}

fn script_naps(file: &TextFile, names: &[&str]) -> Vec<usize> {
    names.iter().flat_map(|name| words(&file.text, name)).collect()
}

fn is_test(path: &str) -> bool {
    path.starts_with("tests/")
        || path.contains("/tests/")
        || path.ends_with("/tests.rs")
        || path.ends_with("_tests.rs")
}

fn at(file: &TextFile, place: usize, what: &str) -> String {
    format!("{}:{}: {what}", file.path, line_of(&file.text, place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Verdict;

    fn check(rule: fn(&Tree) -> Result<Outcome, String>, path: &str, text: &str, expect: Verdict) {
        let file = TextFile { path: path.into(), text: text.into() };
        let outcome = rule(&Tree { root: "".into(), files: vec![file] }).unwrap();
        assert_eq!(outcome.verdict, expect, "{path}: {text}: {:?}", outcome.details);
    }

    #[test]
    fn exceptions_need_a_reason() {
        let good = |text| check(check_attributes, "a.rs", text, Verdict::Good);
        let bad = |text| check(check_attributes, "a.rs", text, Verdict::Fault);
        good("#[expect(dead_code, reason = \"later\")] fn a() {}");
        good("#![allow(\n    dead_code,\n    reason = \"later\"\n)]");
        good("// #[allow(dead_code)]");
        good("let a = \"#[allow(dead_code)]\";");
        good("value.expect(\"there\")");
        bad("#[allow(dead_code)] fn a() {}");
        bad("#![expect(dead_code)]");
        bad("#[cfg_attr(test, allow(dead_code))] fn a() {}");
        bad("#[expect(dead_code)] // reason = \"no\"");
    }

    #[test]
    fn nothing_is_left_open() {
        check(check_unfinished, "a.rs", "todo!()", Verdict::Fault);
        check(check_unfinished, "a.rs", "#[ignore] fn a() {}", Verdict::Fault);
        check(check_unfinished, "a.rs", "#[ignore = \"started by another test\"] fn a() {}", Verdict::Good);
        check(check_unfinished, "a/mod.rs", "", Verdict::Fault);
        check(check_unfinished, "a.rs", "// todo!()", Verdict::Good);
    }

    #[test]
    fn only_tests_may_not_sleep() {
        let nap = "fn a() { tokio::time::sleep(d).await }";
        check(check_sleeping, "a/src/b.rs", nap, Verdict::Good);
        check(check_sleeping, "a/tests/b.rs", nap, Verdict::Fault);
        check(check_sleeping, "a/src/b/tests.rs", nap, Verdict::Fault);
        check(check_sleeping, "a/src/b.rs", &format!("#[cfg(test)]\nmod tests {{ {nap} }}"), Verdict::Fault);
        check(check_sleeping, "a/src/b.rs", &format!("#[cfg(test)]\nmod tests {{}}\n{nap}"), Verdict::Good);
        let (path, most, _) = SLEEPERS[0];
        check(check_sleeping, path, &nap.repeat(most), Verdict::Good);
        check(check_sleeping, path, &nap.repeat(most + 1), Verdict::Fault);
        check(check_sleeping, "tests/clients/a.mjs", "setTimeout(done, 5)", Verdict::Fault);
        check(check_sleeping, "tests/clients/a.py", "time.sleep(5)", Verdict::Fault);
    }

    #[test]
    fn long_files_are_faults() {
        check(check_size, "a.rs", &"\n".repeat(LINES_MAX), Verdict::Good);
        check(check_size, "a.rs", &"\n".repeat(LINES_MAX + 1), Verdict::Fault);
    }

    #[test]
    fn paths_of_a_machine_are_found() {
        let home = concat!("/ho", "me/");
        check(check_paths, "a.rs", &format!("\"{home}you/x\""), Verdict::Fault);
        check(check_paths, "docs/a.md", &format!("`{home}you/x`"), Verdict::Good);
        check(check_paths, "docs/a.md", concat!("`/wo", "rk/x`"), Verdict::Fault);
        check(check_paths, "a.rs", &format!("https://example.com{home}"), Verdict::Good);
    }
}
