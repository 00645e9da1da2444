//! Holds `docs/reference/cli.md` to the command line: it names every verb and every option, and no
//! option that isn't there.

use std::collections::{BTreeMap, BTreeSet};

use super::examples::tests::commands;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/cli.md");

/// Options that a section names because another verb has them.
const OF_OTHERS: [(&str, &str); 2] = [("diff", "--dry-run"), ("enforcer", "--enforcer")];

/// What the page says about each verb, or about all of them, by heading.
fn sections() -> BTreeMap<String, String> {
    let page = std::fs::read_to_string(PAGE).unwrap();
    page.split("\n## ")
        .skip(1)
        .map(|section| {
            let (heading, text) = section.split_once('\n').unwrap();
            (heading.to_owned(), text.to_owned())
        })
        .collect()
}

/// The words of a text that are options, such as `--dry-run`.
fn options(text: &str) -> BTreeSet<String> {
    text.split(|character: char| !(character.is_ascii_alphanumeric() || character == '-'))
        .filter(|word| {
            word.strip_prefix("--").is_some_and(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_reference_names_every_verb_and_every_option() {
    let sections = sections();
    let everywhere = sections.get("Options of every verb").unwrap();
    let mut faults = Vec::new();
    let mut headings = BTreeSet::from(["Options of every verb".to_owned(), "Not yet".to_owned()]);
    for (path, command) in commands() {
        // `token` and `decisions` do something by themselves, too.
        let mut own = command.get_arguments().filter(|own| !own.is_global_set() && own.get_id() != "help");
        if command.has_subcommands() && own.next().is_none() {
            continue;
        }
        headings.insert(path.clone());
        let Some(section) = sections.get(&path) else {
            faults.push(format!("`{path}` has no section"));
            continue;
        };
        for argument in command.get_arguments() {
            let place =
                if argument.is_global_set() || argument.get_id() == "help" { everywhere } else { section };
            match argument.get_long() {
                Some(long) if options(place).contains(&format!("--{long}")) => {}
                Some(long) => faults.push(format!("`{path}` does not name `--{long}`")),
                None => {
                    let name = argument.get_value_names().unwrap_or_default().first().unwrap();
                    if !section.contains(&format!("`{name}`")) {
                        faults.push(format!("`{path}` does not name `{name}`"));
                    }
                }
            }
            if let Some(short) = argument.get_short()
                && !place.contains(&format!("`-{short}`"))
            {
                faults.push(format!("`{path}` does not name `-{short}`"));
            }
        }
        for option in options(section) {
            let known =
                command.get_arguments().any(|argument| argument.get_long() == option.strip_prefix("--"));
            if !known && !OF_OTHERS.contains(&(path.as_str(), option.as_str())) {
                faults.push(format!("`{path}` has no `{option}`"));
            }
        }
    }
    let dead: Vec<&String> = sections.keys().filter(|heading| !headings.contains(*heading)).collect();
    assert!(faults.is_empty() && dead.is_empty(), "{faults:#?}, headings of no verb: {dead:?}");
}
