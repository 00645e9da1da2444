//! Errors as people read them: what is wrong, where, and what to do.

use std::io::{self, Write as _};
use std::process::ExitCode;

use portcullis_api::problem::{Problem, split_hint};

use super::output::plain;

/// What the server refused.
#[derive(Debug)]
pub(super) struct Refused(pub(super) Box<Problem>);

impl std::error::Error for Refused {}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.detail.is_empty() { &self.0.title } else { &self.0.detail })
    }
}

/// Arguments that can't be meant: told like other errors, and the process ends with 2.
#[derive(Debug)]
pub(super) struct Usage(pub(super) String);

impl std::error::Error for Usage {}

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) fn report(error: &anyhow::Error) -> ExitCode {
    if reader_is_gone(error) {
        // `portcullis get vendors | head`: nobody is left to be told.
        return ExitCode::SUCCESS;
    }
    // Nowhere is left to say that it can't be said.
    let _ = io::stderr().write_all(text(error, super::output::colours(&io::stderr())).as_bytes());
    if error.is::<Usage>() { ExitCode::from(2) } else { ExitCode::from(1) }
}

fn reader_is_gone(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    kind == Some(io::ErrorKind::BrokenPipe)
}

/// `error: …`, then `hint: …` on a line of its own; for each fault, if there are many.
fn text(error: &anyhow::Error, coloured: bool) -> String {
    let mut text = String::new();
    match error.downcast_ref::<Refused>() {
        Some(Refused(problem)) if !problem.faults.is_empty() => {
            for fault in &problem.faults {
                let (detail, hint) = split_hint(&fault.to_string());
                push(&mut text, &detail, hint.as_deref(), coloured);
            }
        }
        Some(Refused(problem)) => {
            let refused = error.to_string();
            push(&mut text, &refused, problem.hint.as_deref(), coloured);
        }
        None => {
            let (message, hint) = chain(error);
            push(&mut text, &message, hint.as_deref(), coloured);
        }
    }
    text
}

/// All causes in one line; the hint nearest to what was asked for, for it knows best what to do.
pub(crate) fn chain(error: &anyhow::Error) -> (String, Option<String>) {
    let mut whole = String::new();
    let mut found = None;
    for cause in error.chain() {
        let (message, hint) = split_hint(&cause.to_string());
        let message = without_number(&message);
        // Some errors repeat what their cause says.
        if !whole.ends_with(message) {
            if !whole.is_empty() {
                whole.push_str(": ");
            }
            whole.push_str(message);
        }
        found = found.or(hint);
    }
    (whole, found)
}

/// The system's words for an error say it; its number is for programs.
fn without_number(message: &str) -> &str {
    match message.rsplit_once(" (os error ") {
        Some((words, number)) if number.ends_with(')') => words,
        _ => message,
    }
}

fn push(text: &mut String, message: &str, hint: Option<&str>, coloured: bool) {
    let (error, note) = if coloured {
        ("\u{1b}[1;31merror:\u{1b}[0m", "\u{1b}[1;36mhint:\u{1b}[0m")
    } else {
        ("error:", "hint:")
    };
    // What is wrong may be said in words of others: of a server, a vendor, or a file from anywhere.
    let lines = |text: &str| text.lines().map(plain).collect::<Vec<_>>().join("\n");
    text.push_str(&format!("{error} {}\n", lines(message)));
    if let Some(hint) = hint {
        text.push_str(&format!("{note} {}\n", lines(hint)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context as _, anyhow};
    use portcullis_api::problem::FaultView;

    #[test]
    fn what_is_wrong_then_what_to_do() {
        let check = |error: anyhow::Error, expect: &str| assert_eq!(text(&error, false), expect);
        check(anyhow!("no"), "error: no\n");
        check(anyhow!("no\nhint: try"), "error: no\nhint: try\n");
        let deep = Err::<(), _>(anyhow!("it is gone, hint: look")).context("can't read `a`").unwrap_err();
        check(deep, "error: can't read `a`: it is gone\nhint: look\n");
        let deep = Err::<(), _>(anyhow!("gone")).context("can't read `a`: gone").unwrap_err();
        check(deep, "error: can't read `a`: gone\n");
        check(io::Error::from_raw_os_error(2).into(), "error: No such file or directory\n");
        let problem = Problem::new(409, "title", "detail").hint("hint");
        check(Refused(Box::new(problem)).into(), "error: detail\nhint: hint\n");
        check(Refused(Box::new(Problem::new(409, "title", ""))).into(), "error: title\n");
    }

    #[test]
    fn every_fault_has_its_place() {
        let fault = |line| FaultView {
            file: Some("a.yaml".into()),
            line: Some(line),
            column: Some(3),
            message: "unknown field `nmae`".into(),
            hint: Some("did you mean `name`?".into()),
            ..FaultView::default()
        };
        let problem = Problem { faults: vec![fault(2), fault(4)], ..Problem::new(400, "t", "d") };
        let shown = text(&Refused(Box::new(problem)).into(), false);
        assert_eq!(
            shown,
            "error: a.yaml:2:3: unknown field `nmae`\nhint: did you mean `name`?\nerror: a.yaml:4:3: unknown field `nmae`\nhint: did you mean `name`?\n"
        );
    }

    #[test]
    fn words_of_others_steer_no_terminal() {
        let error =
            anyhow!("no\u{1b}]0;title\u{7}\u{9b}2J\r\u{202e}gnp\nline two\nhint: \u{1b}[8mtry\u{2069}");
        assert_eq!(text(&error, false), "error: no ]0;title  2J  gnp\nline two\nhint:  [8mtry \n");
    }

    #[test]
    fn colours_only_when_asked() {
        assert!(!text(&anyhow!("a\nhint: b"), false).contains('\u{1b}'));
        assert!(text(&anyhow!("a\nhint: b"), true).contains('\u{1b}'));
    }
}
