use super::super::Cli;
use clap::{CommandFactory as _, Parser as _};

/// Every command with its words behind `portcullis`.
pub(in super::super) fn commands() -> Vec<(String, clap::Command)> {
    fn under(path: &str, command: &clap::Command, found: &mut Vec<(String, clap::Command)>) {
        for verb in command.get_subcommands() {
            let path = format!("{path} {}", verb.get_name()).trim().to_owned();
            under(&path, verb, found);
            found.push((path, verb.clone()));
        }
    }
    let mut found = Vec::new();
    let mut whole = Cli::command();
    whole.build();
    under("", &whole, &mut found);
    found
}

/// What stands between single quotes is one word.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    parts
        .flat_map(|(at, part)| match at % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

#[test]
fn every_example_is_understood_by_the_verb_that_shows_it() {
    let mut shown = 0;
    let whole = [(String::new(), Cli::command())];
    for (path, command) in commands().into_iter().chain(whole) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for line in help.lines().filter_map(|line| line.strip_prefix("  portcullis ")) {
            // What the shell does with it, and words beside it, are no arguments.
            let line = line.split("   ").next().unwrap().split(" > ").next().unwrap();
            // Others' programs take what ours prints.
            let ours = |command: &&str| !["nft "].iter().any(|other| command.starts_with(other));
            for command in line.split(" | ").filter(ours) {
                let command = command.strip_prefix("portcullis ").unwrap_or(command);
                let parsed =
                    Cli::try_parse_from(std::iter::once("portcullis".to_owned()).chain(words(command)));
                assert!(parsed.is_ok(), "{line}: {:?}", parsed.err());
            }
            assert!(line.contains(&path), "`{path}` shows: {line}");
            shown += 1;
        }
    }
    assert!(shown > 30, "{shown}");
}

#[test]
fn every_verb_and_every_argument_says_what_it_is() {
    for (path, command) in commands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(!about.is_empty() && !about.ends_with('.'), "`{path}`: {about:?}");
        for argument in command.get_arguments() {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(!help.is_empty() && !help.ends_with('.'), "`{path}`, `{}`: {help:?}", argument.get_id());
        }
    }
}
