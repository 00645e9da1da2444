//! `replay`: scores logs of others with the gate's own arithmetic, no gate in place.

mod input;
mod origins;

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};
use portcullis_replay::page::page;
use portcullis_replay::report::{Report, report};
use portcullis_replay::{Assume, ClientBy, Format, Limits, Log, Mapping, Reading, Settings, score};
use portcullis_risk::{Rules, Stakes};

use super::failure::Usage;
use super::output::{Output, Paint, Style};
use super::table::{Cell, Table};
use super::time::Since;
use super::{Outcome, Place};
use crate::clock::system_clock;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Logs, plain or in gzip, tar archives of them, folders, or `-` for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What they are: cloudtrail, k8s-audit, combined or jsonl; without it, their content says
    #[arg(long)]
    format: Option<Format>,
    /// Write a report with plots, one HTML file that needs nothing else
    #[arg(long, value_name = "HTML")]
    report: Option<PathBuf>,
    /// Only requests since then: `90s`, `15m`, `2h`, `7d`, or an instant such as `2026-12-31T18:00:00Z`
    #[arg(long)]
    since: Option<Since>,
    /// Only requests before then, written like `--since`
    #[arg(long)]
    until: Option<Since>,
    /// Only clients whose name contains this
    #[arg(long)]
    client: Option<String>,
    /// What stands for a client in access logs
    #[arg(long, value_enum, default_value_t)]
    client_by: By,
    /// Which member of somebody's JSON stands for a field of ours, as `client=user.name`; may be given again
    #[arg(long, value_name = "FIELD=MEMBER")]
    map: Vec<String>,
    /// Whether those who would have been challenged are taken to answer; the first context of a client always does
    #[arg(long, value_enum, default_value_t)]
    assume: Assumed,
    /// What a request can do at worst: it says at which score something is done
    #[arg(long, value_enum, default_value_t)]
    impact: Impact,
    /// Folder of databases and feeds of addresses, as `make geo` fills it; without it those of the data folder, if there are any
    #[arg(long, value_name = "DIR")]
    origin: Option<PathBuf>,
    /// Requests that are kept in memory, 100 bytes each
    #[arg(long, default_value_t = Limits::default().calls_max, value_name = "N")]
    calls_max: usize,
    /// Clients that are kept in memory, 16 KB each
    #[arg(long, default_value_t = Limits::default().clients_max, value_name = "N")]
    clients_max: usize,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum By {
    /// The user who signed in, and the address where nobody did
    #[default]
    User,
    Address,
    /// The products of the user agent
    Agent,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum Assumed {
    #[default]
    Pass,
    Fail,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum Impact {
    Low,
    #[default]
    Moderate,
    High,
    Critical,
}

pub(super) fn replay(place: &Place, out: &Output, arguments: &Arguments) -> Result<Outcome> {
    let now = system_clock().now();
    let mut mapping = Mapping::default();
    for entry in &arguments.map {
        mapping.add(entry).map_err(|error| Usage(error.to_string()))?;
    }
    let wanted = input::Wanted {
        format: arguments.format,
        reading: Reading { mapping, client_by: arguments.client_by.into() },
        since_us: arguments.since.map_or(i64::MIN, |since| since.before(now).as_microsecond()),
        until_us: arguments.until.map_or(i64::MAX, |until| until.before(now).as_microsecond()),
        client: arguments.client.clone(),
    };
    let origins = origins::Origins::of(place, arguments.origin.as_deref(), now)?;
    let progress = Progress::new();
    let limits = Limits { calls_max: arguments.calls_max, clients_max: arguments.clients_max };
    let mut log = Log::new(limits);
    let formats = input::read(&arguments.files, &wanted, &mut log, &progress)?;
    progress.end();
    if log.is_empty() {
        return Err(nothing(&log));
    }
    log.sort();
    let settings = Settings {
        rules: Rules::default(),
        stakes: arguments.impact.stakes(),
        assume: match arguments.assume {
            Assumed::Pass => Assume::Pass,
            Assumed::Fail => Assume::Fail,
        },
    };
    let all = log.len().max(1);
    let scored = score(&log, origins.library(), settings, &mut |judged| {
        progress.tell(&format!("scoring: {} %", judged * 100 / all));
    });
    progress.end();
    let report = report(&log, &scored, &formats, origins.said());
    if let Some(path) = &arguments.report {
        let made =
            format!("made by portcullis {} on {}", env!("CARGO_PKG_VERSION"), super::time::instant(now));
        std::fs::write(path, page(&report, &made))
            .with_context(|| format!("can't write `{}`", path.display()))?;
        out.note(&format!("report: {}", path.display()));
    }
    out.show(&report, |paint| told(&report, origins.said(), paint))?;
    Ok(Outcome::Done)
}

/// Why there is nothing to score.
fn nothing(log: &Log) -> anyhow::Error {
    let seen = log.seen();
    let mut why = format!("nothing could be read as a request: {} broken lines", seen.broken);
    for (passed, count) in portcullis_replay::Passed::ALL.iter().zip(seen.passed) {
        if count > 0 {
            why.push_str(&format!(", {count} that {}", passed.sentence()));
        }
    }
    if seen.filtered > 0 {
        why.push_str(&format!(", {} that were not asked for", seen.filtered));
    }
    if let Some(first) = seen.broken_shown.first() {
        why.push_str(&format!(", the first at {first}"));
    }
    anyhow!(
        "{why}\nhint: say what the logs are by `--format`, and look at `--since`, `--until`, `--client` and `--map`"
    )
}

fn told(report: &Report, origins: &str, paint: Paint) -> String {
    let mut text = String::new();
    for sentence in &report.summary {
        text.push_str(&format!("{sentence}\n"));
    }
    let mut marks = Table::new(["TIME (UTC)", "~CLIENT", "MARK", "~REQUEST", "~WHY"]);
    for client in &report.clients {
        for mark in client.marks.iter().filter(|mark| mark.verdict != "over").take(MARKS_OF_CLIENT) {
            marks.row([
                mark.at.as_str().into(),
                client.name.as_str().into(),
                Cell::styled(mark.verdict, style(mark.verdict)),
                mark.endpoint.as_str().into(),
                mark.why.as_str().into(),
            ]);
        }
    }
    if !marks.is_empty() {
        text.push_str(&format!("\n{}", marks.render(paint)));
    }
    let mut table =
        Table::new(["~CLIENT", "REQUESTS", "CHALLENGED", "LIMITED", "REFUSED", "OBSERVED", "CONTEXTS"]);
    for client in report.clients.iter().take(CLIENTS_TOLD) {
        let counts = &client.counts;
        table.row([
            client.name.as_str().into(),
            client.calls.to_string().into(),
            counts.challenge.to_string().into(),
            counts.limit.to_string().into(),
            (counts.blocked + counts.deny + counts.sever).to_string().into(),
            counts.over.to_string().into(),
            client.contexts.len().to_string().into(),
        ]);
    }
    text.push_str(&format!("\n{}", table.render(paint)));
    if report.clients.len() > CLIENTS_TOLD {
        text.push_str(&format!(
            "{} more clients: `-o json` or `--report`\n",
            report.clients.len() - CLIENTS_TOLD
        ));
    }
    text.push_str(&format!("\n{}\n", paint.paint(origins, Style::Dim)));
    for example in &report.read.broken_examples {
        text.push_str(&format!("{}  {example}\n", paint.paint("not read", Style::Warning)));
    }
    text
}

/// Of each client, in the table of marks.
const MARKS_OF_CLIENT: usize = 5;
const CLIENTS_TOLD: usize = 30;

fn style(verdict: &str) -> Style {
    match verdict {
        "deny" | "sever" | "blocked" => Style::Bad,
        "challenge" | "limit" => Style::Warning,
        _ => Style::Plain,
    }
}

impl From<By> for ClientBy {
    fn from(by: By) -> Self {
        match by {
            By::User => Self::User,
            By::Address => Self::Address,
            By::Agent => Self::Agent,
        }
    }
}

impl Impact {
    fn stakes(self) -> Stakes {
        let money = match self {
            Self::Low => 1_000,
            Self::Moderate => 10_000,
            Self::High => 100_000,
            Self::Critical => 1_000_000,
        };
        // A log holds no nonces: what wants a fresh one each time would be challenged each time.
        Stakes { money, critical: false }
    }
}

/// A line on a terminal that says how far it is; nothing elsewhere.
pub(super) struct Progress {
    on: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { on: std::io::stderr().is_terminal() }
    }

    pub(super) fn tell(&self, text: &str) {
        if self.on {
            // Nothing depends on it.
            let _ = write!(std::io::stderr(), "\r\u{1b}[2K{text}");
        }
    }

    pub(super) fn end(&self) {
        self.tell("");
    }
}
