//! `doctor`: whether everything is as it should be, and what to do where it isn't.

mod certificates;
mod machine;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use portcullis_api::checks::{Check, Health};
use portcullis_api::decisions::MissingSegment;
use portcullis_api::findings::Severity;
use portcullis_api::ledger::{Posting, RestoredView};

use super::output::{Output, Paint, Style};
use super::server::Server;
use super::{Outcome, Place, ledger, time};
use crate::clock::system_clock;
use crate::settings::Settings;

/// How long a port may take.
const PORT_WAIT: Duration = Duration::from_secs(3);
/// The release's own time: no clock can be right that is before it.
const EARLIEST: i64 = 1_735_689_600;
const CLOCK_OFF_SECONDS_MAX: i64 = 5;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Only ask whether the server is ready, for health checks
    #[arg(long)]
    ready: bool,
}

pub(super) async fn doctor(place: &Place, out: &Output, arguments: Arguments) -> Result<Outcome> {
    let now = system_clock().now();
    let directory = place.directory();
    let mut checks = Vec::new();
    if !arguments.ready {
        checks.push(data_folder(directory.as_deref()));
        match directory.as_deref() {
            Some(directory) => checks.extend(of_folder(directory, now)),
            None => checks.push(Check::new("disk space", Health::Unknown, "no data folder is known here")),
        }
        checks.push(machine::time_service());
    }
    match Server::find(place) {
        Ok(server) if arguments.ready => checks.push(answers(&server).await.0),
        Ok(server) => {
            checks.extend(of_server(&server, now).await);
            checks.push(gate_port(place).await);
        }
        Err(error) => {
            let detail = portcullis_api::problem::split_hint(&format!("{error:#}")).0;
            checks.push(
                Check::new("server", Health::Bad, detail)
                    .hint("start `portcullis up`, or say where it is by `--dir` or `--server`"),
            );
            checks.push(clock(now, None));
        }
    }
    let bad = checks.iter().any(|check| check.finding == Health::Bad);
    out.show(&checks, |paint| told(&checks, paint))?;
    Ok(if bad { Outcome::Refused } else { Outcome::Done })
}

/// The folder's own master key opens everything for whoever gets the folder.
fn master_key(keys: &Path) -> Option<Check> {
    let own = keys.join(crate::vault::OWN_MASTER);
    own.exists().then(|| {
        Check::new("master key", Health::Warning, format!("`{}` lies beside what it protects", own.display()))
            .hint("keep it elsewhere: `portcullis keys new-master FILE`, then `portcullis keys rewrap`")
    })
}

/// What the folder itself tells, whether anything runs on it or not.
fn of_folder(directory: &Path, now: Timestamp) -> Vec<Check> {
    let mut checks = machine::disk(directory);
    checks.push(machine::reserve(directory));
    checks.push(machine::permissions(directory));
    checks.push(decision_log(&directory.join("decisions")));
    let keys = directory.join("keys");
    checks.extend(master_key(&keys));
    let settings = Settings::read(&directory.join("settings.json")).ok().flatten();
    let gate = settings.as_ref().and_then(|settings| host(&settings.public_url));
    checks.push(certificates::certificate(&keys, "ca.crt", None, now));
    checks.push(certificates::certificate(&keys, "gate.crt", gate.as_deref(), now));
    checks.push(certificates::certificate(&keys, "control.crt", Some("localhost"), now));
    checks
}

fn host(url: &str) -> Option<String> {
    let host = reqwest::Url::parse(url).ok()?.host_str()?.to_owned();
    Some(host.trim_matches(['[', ']']).to_owned())
}

/// Whether vendors' machines could come in, as far as this machine can tell.
async fn gate_port(place: &Place) -> Check {
    let name = "gate port";
    let Some(gate) = place.endpoints().ok().map(|endpoints| endpoints.gate) else {
        return Check::new(name, Health::Unknown, "no data folder tells the gate's address");
    };
    let url = reqwest::Url::parse(&gate).ok();
    let address =
        url.as_ref().and_then(|url| Some((url.host_str()?.to_owned(), url.port_or_known_default()?)));
    let Some((host, port)) = address else {
        return Check::new(name, Health::Bad, format!("`{gate}` is no address"));
    };
    let host = host.trim_matches(['[', ']']);
    match tokio::time::timeout(PORT_WAIT, tokio::net::TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => Check::new(name, Health::Good, format!("`{gate}` takes connections")),
        Ok(Err(error)) => Check::new(name, Health::Bad, format!("`{gate}`: {error}"))
            .hint("is it the address of a balancer that this machine can't reach? Then look from outside"),
        Err(_) => Check::new(name, Health::Warning, format!("`{gate}` doesn't answer this machine"))
            .hint("is it the address of a balancer that this machine can't reach? Then look from outside"),
    }
}

async fn of_server(server: &Server, now: Timestamp) -> Vec<Check> {
    let mut checks = Vec::new();
    let (ready, their_time) = answers(server).await;
    let answers = ready.finding != Health::Bad;
    checks.push(ready);
    checks.push(clock(now, their_time));
    if answers {
        checks.push(verified(server).await);
        checks.extend(posted(server).await);
        checks.push(findings(server).await);
        match server.get::<Vec<Check>>(&["v1", "checks"]).await {
            Ok(found) => checks.extend(found),
            Err(error) => checks.push(Check::new("gate link", Health::Unknown, format!("{error:#}"))),
        }
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
                Check::new("server", Health::Good, format!("`{}` answers", server.address()))
            } else {
                Check::new("server", Health::Bad, format!("`{}` answers {status}", server.address()))
                    .hint("look at its log")
            };
            (check, date)
        }
        Err(error) => {
            let detail = portcullis_api::problem::split_hint(&error.to_string()).0;
            (Check::new("server", Health::Bad, detail).hint("is `portcullis up` running?"), None)
        }
    }
}

async fn verified(server: &Server) -> Check {
    match ledger::verify(server).await {
        Ok(report) if report.good => {
            Check::new("ledger", Health::Good, format!("{} events verify", report.events_checked))
        }
        Ok(report) => {
            let first = report.faults.first().cloned().unwrap_or_default();
            Check::new("ledger", Health::Bad, format!("{} faults, the first: {first}", report.faults.len()))
                .hint("keep the data folder as it is, and compare with the last backup")
        }
        Err(error) => Check::new("ledger", Health::Bad, format!("can't be verified: {error:#}")),
    }
}

async fn posted(server: &Server) -> Vec<Check> {
    let name = "checkpoints";
    match ledger::head(server).await {
        Ok(head) => {
            vec![postings(&head.posted)].into_iter().chain(head.restored.as_ref().map(restored)).collect()
        }
        Err(error) => vec![Check::new(name, Health::Bad, format!("can't be asked for: {error:#}"))],
    }
}

fn restored(restored: &RestoredView) -> Check {
    let detail = format!(
        "restored on {} from a backup of {}: events after {} are unknown",
        time::instant(restored.restored_at),
        time::instant(restored.backup_time),
        restored.size
    );
    Check::new("backup", Health::Warning, detail).hint(
        "what was severed, revoked or erased after the backup is so again only where a gate remembered it",
    )
}

fn postings(posted: &[Posting]) -> Check {
    let name = "checkpoints";
    let failing = posted.iter().find_map(|posting| Some((posting, posting.error.as_ref()?)));
    match failing {
        Some((posting, error)) => Check::new(name, Health::Bad, format!("`{}`: {error}", posting.to))
            .hint("without a checkpoint outside, nobody notices a history that is rewritten"),
        None if posted.is_empty() => Check::new(
            name,
            Health::Warning,
            "they are posted nowhere: a history that is rewritten here would be noticed nowhere",
        )
        .hint(
            "set `checkpoints` in `settings.json`, or keep one from time to time: `portcullis ledger head`",
        ),
        None => Check::new(name, Health::Good, format!("posted to {} places", posted.len())),
    }
}

/// The findings in short; `portcullis findings` tells them in full.
async fn findings(server: &Server) -> Check {
    let name = "findings";
    let found: Result<Vec<portcullis_api::findings::Finding>> = server.get(&["v1", "findings"]).await;
    match found {
        Ok(found) => match found.first() {
            None => Check::new(name, Health::Good, "none"),
            Some(first) => {
                let health = match first.severity {
                    Severity::Critical | Severity::High => Health::Bad,
                    Severity::Medium | Severity::Low => Health::Warning,
                    Severity::Info => Health::Good,
                };
                let many =
                    if found.len() == 1 { String::new() } else { format!("{}, the first: ", found.len()) };
                let message = format!("{many}{}", first.message);
                Check::new(name, health, message).hint("`portcullis findings` lists them, with what to do")
            }
        },
        Err(error) => Check::new(name, Health::Bad, format!("can't be listed: {error:#}")),
    }
}

fn data_folder(directory: Option<&Path>) -> Check {
    let name = "data folder";
    let Some(directory) = directory else {
        return Check::new(name, Health::Unknown, "none is known here").hint("give `--dir DIR`");
    };
    let shown = directory.display();
    match std::fs::read_to_string(directory.join("FORMAT")) {
        Ok(format) => Check::new(name, Health::Good, format!("`{shown}`, format {}", format.trim())),
        Err(error) => Check::new(name, Health::Bad, format!("`{shown}` can't be read as one: {error}"))
            .hint("is it the folder of `portcullis up`, and may you read it?"),
    }
}

fn decision_log(segments: &Path) -> Check {
    let name = "decisions";
    let found = match portcullis_decision_log::survey(segments) {
        Ok(found) => found,
        Err(error) => {
            return Check::new(name, Health::Bad, format!("`{}` can't be read: {error}", segments.display()));
        }
    };
    let size = format!("{} segments, {} MiB", found.segments, found.bytes / (1024 * 1024));
    if let Some(first) = found.missing.first() {
        let first = portcullis_control::missing::view(first).why();
        let missing = found.missing.len();
        return Check::new(name, Health::Bad, format!("{size}; {missing} missing, the first: {first}"))
            .hint(MissingSegment::HINT);
    }
    match found.set_aside.first() {
        None => Check::new(name, Health::Good, size),
        Some(first) => {
            let aside = found.set_aside.len();
            Check::new(
                name,
                Health::Bad,
                format!("{size}; {aside} set aside, the first: `{}`", first.display()),
            )
            .hint(
                "no program reads these any more: copy them, look at the disk's health, then move them away",
            )
        }
    }
}

fn clock(now: Timestamp, theirs: Option<Timestamp>) -> Check {
    let name = "clock";
    if now.as_second() < EARLIEST {
        return Check::new(name, Health::Bad, format!("it is not {} any more", time::instant(now)))
            .hint("set the clock; contracts, tokens and proofs hang on it");
    }
    let Some(theirs) = theirs else {
        return Check::new(name, Health::Good, format!("{} here", time::instant(now)));
    };
    let off = now.duration_since(theirs).as_secs().abs();
    if off > CLOCK_OFF_SECONDS_MAX {
        return Check::new(name, Health::Bad, format!("here and at the server it differs by {off} s"))
            .hint("let both follow a time server");
    }
    Check::new(name, Health::Good, format!("{}, the same at the server", time::instant(now)))
}

fn told(checks: &[Check], paint: Paint) -> String {
    let width = checks.iter().map(|check| check.check.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for check in checks {
        let (word, style) = match check.finding {
            Health::Good => ("ok", Style::Good),
            Health::Warning => ("warning", Style::Warning),
            Health::Bad => ("bad", Style::Bad),
            Health::Unknown => ("unknown", Style::Dim),
        };
        let word = paint.paint(&format!("{word:<7}"), style);
        text.push_str(&format!("{word}  {:<width$}  {}\n", check.check, check.detail));
        if let Some(hint) = &check.hint {
            text.push_str(&format!("{:<9}{:<width$}  hint: {hint}\n", "", ""));
        }
    }
    let count = |health| checks.iter().filter(|check| check.finding == health).count();
    let (bad, warnings) = (count(Health::Bad), count(Health::Warning));
    let (word, style) = match (bad, warnings) {
        (0, 0) => ("all is well".to_owned(), Style::Good),
        (0, warnings) => (format!("well, with {warnings} to look at"), Style::Warning),
        (bad, _) => (format!("{bad} bad, {warnings} to look at"), Style::Bad),
    };
    text.push_str(&format!("\n{}\n", paint.paint(&word, style)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_clock_is_compared() {
        let check = |now, theirs: Option<&str>, expect| {
            assert_eq!(clock(at(now), theirs.map(at)).finding, expect, "{now} {theirs:?}");
        };
        check("2026-11-21T00:00:00Z", None, Health::Good);
        check("2026-11-21T00:00:00Z", Some("2026-11-21T00:00:03Z"), Health::Good);
        check("2026-11-21T00:00:00Z", Some("2026-11-20T23:59:50Z"), Health::Bad);
        check("1970-01-01T00:00:00Z", None, Health::Bad);
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
        check(&[], Health::Warning);
        check(&[None, None], Health::Good);
        check(&[None, Some("no")], Health::Bad);
    }

    #[test]
    fn segments_that_were_set_aside_are_told() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(decision_log(folder.path()).finding, Health::Good);
        let name = "core-00000-00000000000000000000.segment.damaged";
        std::fs::write(folder.path().join(name), "x").unwrap();
        let check = decision_log(folder.path());
        assert_eq!(check.finding, Health::Bad);
        assert!(check.detail.contains(name), "{check:?}");
        assert_eq!(decision_log(&folder.path().join("none")).finding, Health::Bad);
    }

    #[test]
    fn a_folder_that_is_none_is_bad() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(data_folder(Some(folder.path())).finding, Health::Bad);
        std::fs::write(folder.path().join("FORMAT"), "1\n").unwrap();
        assert_eq!(data_folder(Some(folder.path())).finding, Health::Good);
        assert_eq!(data_folder(None).finding, Health::Unknown);
    }
}
