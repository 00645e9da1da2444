//! What people say about single facts: matches, exceptions, vulnerabilities, breaches.

use anyhow::Result;
use jiff::Timestamp;
use portcullis_assurance::stops::Stop;
use portcullis_domain::ids::{EvidenceId, ExceptionId, FindingId};
use serde_json::json;

use super::{say, when};
use crate::cli::Outcome;
use crate::cli::output::Output;
use crate::cli::server::Server;

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("word").required(true))]
pub(in crate::cli) struct MatchArguments {
    /// Name of the vendor
    name: String,
    /// The list, such as `ofac-sdn`, or `own` for vendors that we parted from
    list: String,
    /// Id of the entry in the list
    entry: String,
    /// It is somebody else
    #[arg(long, group = "word")]
    clear: bool,
    /// It is the vendor
    #[arg(long, group = "word")]
    confirm: bool,
    /// Why, for those who read it later
    #[arg(long)]
    reason: String,
}

pub(super) async fn judge(server: &Server, out: &Output, arguments: MatchArguments) -> Result<Outcome> {
    let MatchArguments { name, list, entry, confirm, reason, .. } = arguments;
    let word = if confirm { "confirmed" } else { "cleared" };
    let change =
        json!({ "change": "match_judged", "list": list, "entry": entry, "word": word, "reason": reason });
    say(server, out, &name, change).await
}

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(in crate::cli) struct ExceptArguments {
    /// Name of the vendor
    name: String,
    /// Propose an exception from this stop, by number or name
    #[arg(long, group = "what", value_parser = stop, requires = "control", requires = "until")]
    stop: Option<Stop>,
    /// What is done instead, for as long as it lasts
    #[arg(long, value_name = "TEXT", requires = "stop")]
    control: Option<String>,
    /// Its end: a span such as `14d`, a day, or an instant
    #[arg(long, value_name = "TIME", value_parser = when::until, requires = "stop")]
    until: Option<Timestamp>,
    /// Only for this vulnerability, match (`LIST/ENTRY`), contract or clause (`CONTRACT/CLAUSE`)
    #[arg(long, value_name = "TEXT", requires = "stop")]
    subject: Option<String>,
    /// Confirm what another person has proposed
    #[arg(long, group = "what", value_name = "ID")]
    confirm: Option<ExceptionId>,
    /// End an exception before its time
    #[arg(long, group = "what", value_name = "ID", requires = "reason")]
    end: Option<ExceptionId>,
    /// Why it ends, for those who read it later
    #[arg(long, requires = "end")]
    reason: Option<String>,
}

fn stop(text: &str) -> Result<Stop, String> {
    let by_number = text.parse().ok().and_then(Stop::from_number);
    let by_name = Stop::ALL.into_iter().find(|stop| stop.name() == text.replace('-', "_"));
    by_number.or(by_name).ok_or_else(|| {
        "write a number from 1 to 15 or a name; `portcullis vendor stops` lists them".to_owned()
    })
}

pub(super) async fn except(server: &Server, out: &Output, arguments: ExceptArguments) -> Result<Outcome> {
    let ExceptArguments { name, stop, control, until, subject, confirm, end, reason } = arguments;
    let change = if let Some(id) = confirm {
        json!({ "change": "exception_confirmed", "id": id })
    } else if let Some(id) = end {
        json!({ "change": "exception_ended", "id": id, "reason": reason })
    } else {
        json!({ "change": "exception_proposed", "stop": stop, "subject": subject, "control": control, "until": until })
    };
    let outcome = say(server, out, &name, change).await?;
    if stop.is_some() {
        out.note(
            "note: it takes another person, who confirms it by `portcullis vendor except NAME --confirm ID`",
        );
    }
    Ok(outcome)
}

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("end").multiple(false))]
pub(in crate::cli) struct VulnerabilityArguments {
    /// Name of the vendor
    name: String,
    /// Such as `CVE-2026-12345`
    id: String,
    /// What it is, in a few words
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// CVSS base score, 0.0 to 10.0; from 9.0 on it is critical
    #[arg(long, value_name = "SCORE", value_parser = tenths)]
    cvss: Option<u8>,
    /// Somebody exploits it
    #[arg(long)]
    exploited: bool,
    /// When the vendor knew: a day, an instant, or a span ago
    #[arg(long, value_name = "TIME", value_parser = when::past)]
    aware: Option<Timestamp>,
    /// When it was published
    #[arg(long, value_name = "TIME", value_parser = when::past)]
    published: Option<Timestamp>,
    /// When it was listed as exploited
    #[arg(long, value_name = "TIME", value_parser = when::past)]
    listed: Option<Timestamp>,
    /// What it is in, such as a package URL
    #[arg(long, value_name = "TEXT")]
    component: Option<String>,
    /// Evidence that says so
    #[arg(long, value_name = "ID")]
    evidence: Option<EvidenceId>,
    /// What the vendor says of it (VEX)
    #[arg(long, value_enum, group = "end", requires = "reason")]
    word: Option<Word>,
    /// It is mended
    #[arg(long, group = "end", requires = "reason")]
    close: bool,
    /// Evidence that it is mended
    #[arg(long, value_name = "ID", requires = "close")]
    proof: Option<EvidenceId>,
    /// Why, for those who read it later: of a word its justification
    #[arg(long, requires = "end")]
    reason: Option<String>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Word {
    NotAffected,
    Affected,
    Fixed,
    UnderInvestigation,
}

impl Word {
    fn as_str(self) -> &'static str {
        match self {
            Self::NotAffected => "not_affected",
            Self::Affected => "affected",
            Self::Fixed => "fixed",
            Self::UnderInvestigation => "under_investigation",
        }
    }
}

/// In tenths: `9.8` is 98.
fn tenths(text: &str) -> Result<u8, String> {
    let refused = || "write a score from 0.0 to 10.0".to_owned();
    let (whole, tenth) = text.split_once('.').unwrap_or((text, "0"));
    let digit = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !digit(whole, 2) || !digit(tenth, 1) {
        return Err(refused());
    }
    let score = format!("{whole}{tenth}").parse::<u8>().ok().filter(|score| *score <= 100);
    score.ok_or_else(refused)
}

pub(super) async fn vulnerability(
    server: &Server,
    out: &Output,
    arguments: VulnerabilityArguments,
) -> Result<Outcome> {
    let VulnerabilityArguments { name, id, word, close, proof, reason, evidence, .. } = &arguments;
    let change = if *close {
        json!({ "change": "vulnerability_closed", "vulnerability": id, "proof": proof, "reason": reason })
    } else if let Some(word) = word {
        json!({ "change": "exploitability_stated", "vulnerability": id, "word": word.as_str(), "justification": reason, "evidence": evidence })
    } else {
        let vulnerability = json!({
            "id": id,
            "title": arguments.title,
            "cvss_tenths": arguments.cvss,
            "known_exploited": arguments.exploited,
            "vendor_aware": arguments.aware,
            "published": arguments.published,
            "kev_listed": arguments.listed,
            "component": arguments.component,
        });
        json!({ "change": "vulnerability_found", "vulnerability": vulnerability, "evidence": evidence })
    };
    say(server, out, name, change).await
}

#[derive(clap::Args)]
pub(in crate::cli) struct BreachArguments {
    /// Name of the vendor
    name: String,
    /// When the vendor knew: an instant, or a span ago
    #[arg(long, value_name = "TIME", value_parser = when::past, required_unless_present = "close")]
    aware: Option<Timestamp>,
    /// When it told us: an instant, or a span ago
    #[arg(long, value_name = "TIME", value_parser = when::past, required_unless_present = "close")]
    noticed: Option<Timestamp>,
    /// What happened, in a few words
    #[arg(long, value_name = "TEXT", required_unless_present = "close")]
    what: Option<String>,
    /// It is over, and dealt with
    #[arg(long, value_name = "ID", requires = "reason", conflicts_with_all = ["aware", "noticed", "what"])]
    close: Option<FindingId>,
    /// Why it can be closed, for those who read it later
    #[arg(long, requires = "close")]
    reason: Option<String>,
}

pub(super) async fn breach(server: &Server, out: &Output, arguments: BreachArguments) -> Result<Outcome> {
    let BreachArguments { name, aware, noticed, what, close, reason } = arguments;
    let change = match close {
        Some(id) => json!({ "change": "breach_closed", "id": id, "reason": reason }),
        None => json!({ "change": "breach_noticed", "aware": aware, "noticed": noticed, "what": what }),
    };
    say(server, out, &name, change).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_tenths() {
        for (text, expect) in [
            ("9.8", Some(98)),
            ("10", Some(100)),
            ("0.0", Some(0)),
            ("10.1", None),
            ("9,8", None),
            ("", None),
            ("9.85", None),
            ("-1", None),
        ] {
            assert_eq!(tenths(text).ok(), expect, "{text}");
        }
    }

    #[test]
    fn a_stop_is_named_or_numbered() {
        assert_eq!(stop("4"), Ok(Stop::Vulnerability));
        assert_eq!(stop("breach-notice"), Ok(Stop::BreachNotice));
        assert!(stop("0").is_err() && stop("16").is_err() && stop("all").is_err());
    }
}
