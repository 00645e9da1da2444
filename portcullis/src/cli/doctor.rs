//! `doctor`: whether everything is as it should be, and what to do where it isn't.

use std::path::Path;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use portcullis_api::findings::Severity;
use portcullis_api::ledger::Posting;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Serialize;

use super::output::{Output, Paint, Style};
use super::server::Server;
use super::{Outcome, Place, ledger, time};
use crate::clock::system_clock;

/// With less, a severance may soon find no room but the reserve.
const FREE_BYTES_MIN: u64 = 1024 * 1024 * 1024;
const FREE_BYTES_LEAST: u64 = 100 * 1024 * 1024;
/// The release's own time: no clock can be right that is before it.
const EARLIEST: i64 = 1_735_689_600;
const CLOCK_OFF_SECONDS_MAX: i64 = 5;
const CERTIFICATE_DAYS_MIN: i64 = 21;
const CERTIFICATES: [&str; 3] = ["ca.crt", "gate.crt", "control.crt"];

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Finding {
    Good,
    Warning,
    Bad,
    /// It can't be seen from here.
    Unknown,
}

#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    finding: Finding,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
}

impl Check {
    fn new(check: &'static str, finding: Finding, detail: impl Into<String>) -> Self {
        Self { check, finding, detail: detail.into(), hint: None }
    }

    fn hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }
}

pub(super) async fn doctor(place: &Place, out: &Output) -> Result<Outcome> {
    let now = system_clock().now();
    let directory = place.directory();
    let mut checks = vec![data_folder(directory.as_deref())];
    checks.push(match directory.as_deref() {
        Some(directory) => disk(directory),
        None => Check::new("disk space", Finding::Unknown, "no data folder is known here"),
    });
    checks.extend(directory.as_deref().map(|directory| decision_log(&directory.join("decisions"))));
    checks.extend(CERTIFICATES.iter().map(|name| certificate(directory.as_deref(), name, now)));
    match Server::find(place) {
        Ok(server) => checks.extend(of_server(&server, now).await),
        Err(error) => {
            let detail = portcullis_api::problem::split_hint(&format!("{error:#}")).0;
            checks.push(
                Check::new("server", Finding::Bad, detail)
                    .hint("start `portcullis up`, or say where it is by `--dir` or `--server`"),
            );
            checks.push(clock(now, None));
        }
    }
    let bad = checks.iter().any(|check| check.finding == Finding::Bad);
    out.show(&checks, |paint| told(&checks, paint))?;
    Ok(if bad { Outcome::Refused } else { Outcome::Done })
}

async fn of_server(server: &Server, now: Timestamp) -> Vec<Check> {
    let mut checks = Vec::new();
    let (ready, their_time) = answers(server).await;
    let answers = ready.finding != Finding::Bad;
    checks.push(ready);
    checks.push(clock(now, their_time));
    if answers {
        checks.push(verified(server).await);
        checks.push(posted(server).await);
        checks.push(findings(server).await);
    }
    checks
}

async fn answers(server: &Server) -> (Check, Option<Timestamp>) {
    match server.look(&["readyz"]).await {
        Ok(response) => {
            let date = response.headers().get("date").and_then(|date| date.to_str().ok());
            let date = date.and_then(|date| DateTimeParser::new().parse_timestamp(date).ok());
            let status = response.status();
            let check = if status.is_success() {
                Check::new("server", Finding::Good, format!("`{}` answers", server.address()))
            } else {
                Check::new("server", Finding::Bad, format!("`{}` answers {status}", server.address()))
                    .hint("look at its log")
            };
            (check, date)
        }
        Err(error) => {
            let detail = portcullis_api::problem::split_hint(&error.to_string()).0;
            (Check::new("server", Finding::Bad, detail).hint("is `portcullis up` running?"), None)
        }
    }
}

async fn verified(server: &Server) -> Check {
    match ledger::verify(server).await {
        Ok(report) if report.good => {
            Check::new("ledger", Finding::Good, format!("{} events verify", report.events_checked))
        }
        Ok(report) => {
            let first = report.faults.first().cloned().unwrap_or_default();
            Check::new("ledger", Finding::Bad, format!("{} faults, the first: {first}", report.faults.len()))
                .hint("keep the data folder as it is, and compare with the last backup")
        }
        Err(error) => Check::new("ledger", Finding::Bad, format!("can't be verified: {error:#}")),
    }
}

async fn posted(server: &Server) -> Check {
    let name = "checkpoints";
    match ledger::head(server).await {
        Ok(head) => postings(&head.posted),
        Err(error) => Check::new(name, Finding::Bad, format!("can't be asked for: {error:#}")),
    }
}

fn postings(posted: &[Posting]) -> Check {
    let name = "checkpoints";
    let failing = posted.iter().find_map(|posting| Some((posting, posting.error.as_ref()?)));
    match failing {
        Some((posting, error)) => Check::new(name, Finding::Bad, format!("`{}`: {error}", posting.to))
            .hint("without a checkpoint outside, nobody notices a history that is rewritten"),
        None if posted.is_empty() => Check::new(
            name,
            Finding::Warning,
            "they are posted nowhere: a history that is rewritten here would be noticed nowhere",
        )
        .hint(
            "set `checkpoints` in `settings.json`, or keep one from time to time: `portcullis ledger head`",
        ),
        None => Check::new(name, Finding::Good, format!("posted to {} places", posted.len())),
    }
}

/// The findings in short; `portcullis findings` tells them in full.
async fn findings(server: &Server) -> Check {
    let name = "findings";
    let found: Result<Vec<portcullis_api::findings::Finding>> = server.get(&["v1", "findings"]).await;
    match found {
        Ok(found) => match found.first() {
            None => Check::new(name, Finding::Good, "none"),
            Some(first) => {
                let finding = match first.severity {
                    Severity::Critical | Severity::High => Finding::Bad,
                    Severity::Medium | Severity::Low => Finding::Warning,
                    Severity::Info => Finding::Good,
                };
                let many =
                    if found.len() == 1 { String::new() } else { format!("{}, the first: ", found.len()) };
                let message = format!("{many}{}", first.message);
                Check::new(name, finding, message).hint("`portcullis findings` lists them, with what to do")
            }
        },
        Err(error) => Check::new(name, Finding::Bad, format!("can't be listed: {error:#}")),
    }
}

fn data_folder(directory: Option<&Path>) -> Check {
    let name = "data folder";
    let Some(directory) = directory else {
        return Check::new(name, Finding::Unknown, "none is known here").hint("give `--dir DIR`");
    };
    let shown = directory.display();
    match std::fs::read_to_string(directory.join("FORMAT")) {
        Ok(format) => Check::new(name, Finding::Good, format!("`{shown}`, format {}", format.trim())),
        Err(error) => Check::new(name, Finding::Bad, format!("`{shown}` can't be read as one: {error}"))
            .hint("is it the folder of `portcullis up`, and may you read it?"),
    }
}

fn disk(directory: &Path) -> Check {
    let name = "disk space";
    let Ok(found) = rustix::fs::statvfs(directory) else {
        return Check::new(name, Finding::Unknown, format!("`{}` can't be looked at", directory.display()));
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let finding = match free {
        FREE_BYTES_MIN.. => Finding::Good,
        FREE_BYTES_LEAST.. => Finding::Warning,
        _ => Finding::Bad,
    };
    let check = Check::new(name, finding, format!("{} MiB free", free / (1024 * 1024)));
    if finding == Finding::Good { check } else { check.hint("make room: without it nothing passes the gate") }
}

fn decision_log(segments: &Path) -> Check {
    let name = "decisions";
    let found = match portcullis_decision_log::survey(segments) {
        Ok(found) => found,
        Err(error) => {
            return Check::new(
                name,
                Finding::Bad,
                format!("`{}` can't be read: {error}", segments.display()),
            );
        }
    };
    let size = format!("{} segments, {} MiB", found.segments, found.bytes / (1024 * 1024));
    match found.set_aside.first() {
        None => Check::new(name, Finding::Good, size),
        Some(first) => {
            let aside = found.set_aside.len();
            Check::new(
                name,
                Finding::Bad,
                format!("{size}; {aside} set aside, the first: `{}`", first.display()),
            )
            .hint(
                "no program reads these any more: copy them, look at the disk's health, then move them away",
            )
        }
    }
}

fn certificate(directory: Option<&Path>, name: &'static str, now: Timestamp) -> Check {
    let Some(directory) = directory else {
        return Check::new(name, Finding::Unknown, "no data folder is known here");
    };
    match expiry(&directory.join("keys").join(name)) {
        Ok(ends) => expires(name, ends, now),
        Err(error) => Check::new(name, Finding::Bad, format!("{error:#}")),
    }
}

fn expires(name: &'static str, ends: i64, now: Timestamp) -> Check {
    let left = ends.saturating_sub(now.as_second());
    let span = time::span(left);
    if left <= 0 {
        return Check::new(name, Finding::Bad, format!("expired {span} ago"))
            .hint("start `portcullis up` again: it makes a new one");
    }
    if left < CERTIFICATE_DAYS_MIN * 86_400 {
        return Check::new(name, Finding::Warning, format!("{span} left"))
            .hint("start `portcullis up` again: it makes a new one");
    }
    Check::new(name, Finding::Good, format!("{span} left"))
}

fn expiry(path: &Path) -> Result<i64> {
    let pem = super::server::read(path)?;
    let der =
        CertificateDer::from_pem_slice(&pem).with_context(|| format!("`{}` is not PEM", path.display()))?;
    let (_, certificate) = x509_parser::parse_x509_certificate(&der)
        .with_context(|| format!("`{}` is no certificate", path.display()))?;
    Ok(certificate.validity().not_after.timestamp())
}

fn clock(now: Timestamp, theirs: Option<Timestamp>) -> Check {
    let name = "clock";
    if now.as_second() < EARLIEST {
        return Check::new(name, Finding::Bad, format!("it is not {} any more", time::instant(now)))
            .hint("set the clock; contracts, tokens and proofs hang on it");
    }
    let Some(theirs) = theirs else {
        return Check::new(name, Finding::Good, format!("{} here", time::instant(now)));
    };
    let off = now.duration_since(theirs).as_secs().abs();
    if off > CLOCK_OFF_SECONDS_MAX {
        return Check::new(name, Finding::Bad, format!("here and at the server it differs by {off} s"))
            .hint("let both follow a time server");
    }
    Check::new(name, Finding::Good, format!("{}, the same at the server", time::instant(now)))
}

fn told(checks: &[Check], paint: Paint) -> String {
    let mut text = String::new();
    for check in checks {
        let (word, style) = match check.finding {
            Finding::Good => ("ok", Style::Good),
            Finding::Warning => ("warning", Style::Warning),
            Finding::Bad => ("bad", Style::Bad),
            Finding::Unknown => ("unknown", Style::Dim),
        };
        let word = paint.paint(&format!("{word:<7}"), style);
        text.push_str(&format!("{word}  {:<11}  {}\n", check.check, check.detail));
        if let Some(hint) = check.hint {
            text.push_str(&format!("{:<22}hint: {hint}\n", ""));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn certificates_are_told_before_they_expire() {
        let now = at("2026-11-21T00:00:00Z");
        for (days, expect) in
            [(22, Finding::Good), (20, Finding::Warning), (0, Finding::Bad), (-3, Finding::Bad)]
        {
            assert_eq!(expires("gate.crt", now.as_second() + days * 86_400, now).finding, expect, "{days}");
        }
    }

    #[test]
    fn a_clock_is_compared() {
        let check = |now, theirs: Option<&str>, expect| {
            assert_eq!(clock(at(now), theirs.map(at)).finding, expect, "{now} {theirs:?}");
        };
        check("2026-11-21T00:00:00Z", None, Finding::Good);
        check("2026-11-21T00:00:00Z", Some("2026-11-21T00:00:03Z"), Finding::Good);
        check("2026-11-21T00:00:00Z", Some("2026-11-20T23:59:50Z"), Finding::Bad);
        check("1970-01-01T00:00:00Z", None, Finding::Bad);
    }

    #[test]
    fn a_place_that_takes_no_checkpoints_is_told() {
        let check = |errors: &[Option<&str>], expect| {
            let posting = |error: &Option<&str>| Posting {
                to: "/kept".to_owned(),
                error: error.map(str::to_owned),
                ..Posting::default()
            };
            let posted: Vec<_> = errors.iter().map(posting).collect();
            assert_eq!(postings(&posted).finding, expect, "{errors:?}");
        };
        check(&[], Finding::Warning);
        check(&[None, None], Finding::Good);
        check(&[None, Some("no")], Finding::Bad);
    }

    #[test]
    fn segments_that_were_set_aside_are_told() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(decision_log(folder.path()).finding, Finding::Good);
        let name = "core-00000-00000000000000000000.segment.damaged";
        std::fs::write(folder.path().join(name), "x").unwrap();
        let check = decision_log(folder.path());
        assert_eq!(check.finding, Finding::Bad);
        assert!(check.detail.contains(name), "{check:?}");
        assert_eq!(decision_log(&folder.path().join("none")).finding, Finding::Bad);
    }

    #[test]
    fn a_folder_that_is_none_is_bad() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(data_folder(Some(folder.path())).finding, Finding::Bad);
        std::fs::write(folder.path().join("FORMAT"), "1\n").unwrap();
        assert_eq!(data_folder(Some(folder.path())).finding, Finding::Good);
        assert_eq!(data_folder(None).finding, Finding::Unknown);
        assert_eq!(certificate(Some(folder.path()), "ca.crt", Timestamp::UNIX_EPOCH).finding, Finding::Bad);
    }
}
