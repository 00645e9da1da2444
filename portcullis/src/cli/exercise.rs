//! `exercise`: rehearse what may happen, and see whether it gets better.

mod live;
mod paper;
mod report;

use std::path::PathBuf;

use anyhow::Result;
use portcullis_api::exercises::{CanaryWireguard, ExerciseLine, RunView};
use portcullis_exercise::shipped::SCENARIOS;
use serde_json::json;

use super::failure::Usage;
use super::output::{Format, Output, Style};
use super::server::Server;
use super::table::{Cell, Table};
use super::{Outcome, Place, examples, time};

#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List what can be rehearsed, and how it went last; or what comes with the program
    #[command(after_help = examples::EXERCISE_LIST)]
    List(ListArguments),
    /// Run an exercise: live, on the canary, or on paper
    #[command(after_help = examples::EXERCISE_RUN)]
    Run(RunArguments),
    /// Make the canary: a vendor that is nobody, for live exercises and the kill drill
    #[command(after_help = examples::EXERCISE_CANARY)]
    Canary(CanaryArguments),
    /// Run the kill drill now: cut the canary, try every path again, open it
    #[command(after_help = examples::EXERCISE_DRILL)]
    Drill(DrillArguments),
    /// Show how exercises went, run beside run
    #[command(after_help = examples::EXERCISE_REPORT)]
    Report(ReportArguments),
}

#[derive(clap::Args)]
pub(super) struct ListArguments {
    /// The scenarios that come with the program; no server is asked
    #[arg(long)]
    shipped: bool,
}

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("how").required(true))]
pub(super) struct RunArguments {
    /// Name of the exercise
    name: String,
    /// It happens to the canary, through the real gate: what is done and what comes of it is told as it happens
    #[arg(long, group = "how")]
    live: bool,
    /// Say what a live run would do, and do nothing
    #[arg(long, requires = "live")]
    dry_run: bool,
    /// People walk through it: what happens is told when it is due, and what they say they did is graded
    #[arg(long, group = "how")]
    paper: bool,
    /// What people answered, as YAML or JSON: a list of `at`, `who` and `did`; nothing is asked then
    #[arg(long, value_name = "FILE", requires = "paper")]
    answers: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(super) struct CanaryArguments {
    /// Exercises carry packets through a WireGuard tunnel, too, over this interface of the machine, such as `pc-canary`
    #[arg(long, value_name = "INTERFACE")]
    wireguard: Option<String>,
    /// UDP port that the interface is to listen on
    #[arg(long, value_name = "PORT", requires = "wireguard", default_value_t = 51_866)]
    wireguard_port: u16,
    /// Network inside of the tunnel: its first address is the interface's, its second the canary's
    #[arg(long, value_name = "NETWORK", requires = "wireguard", default_value = "10.213.66.0/30")]
    wireguard_network: String,
}

impl CanaryArguments {
    fn asked(self) -> Option<CanaryWireguard> {
        let Self { wireguard, wireguard_port: listen_port, wireguard_network: network } = self;
        wireguard.map(|interface| CanaryWireguard { interface, listen_port, network })
    }
}

#[derive(clap::Args)]
pub(super) struct DrillArguments {
    /// Say what it would do, and do nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(clap::Args)]
pub(super) struct ReportArguments {
    /// Only this exercise; `kill-drill` is the drill
    name: Option<String>,
    /// Write a page with plots that needs nothing else
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(super) async fn exercise(place: &Place, out: &Output, verb: Verb) -> Result<Outcome> {
    match verb {
        Verb::List(ListArguments { shipped: true }) => shipped(out)?,
        Verb::List(_) => list(&Server::find(place)?, out).await?,
        Verb::Run(arguments) => return run(place, out, arguments).await,
        Verb::Canary(arguments) => live::make(&Server::find(place)?, out, arguments.asked()).await?,
        Verb::Drill(DrillArguments { dry_run }) => {
            return live::run(&Server::find(place)?, out, &["v1", "kill-drill"], dry_run).await;
        }
        Verb::Report(ReportArguments { name, html }) => {
            report::report(&Server::find(place)?, out, name, html).await?;
        }
    }
    Ok(Outcome::Done)
}

async fn run(place: &Place, out: &Output, arguments: RunArguments) -> Result<Outcome> {
    let RunArguments { name, live, dry_run, paper: _, answers } = arguments;
    let server = Server::find(place)?;
    if live {
        return live::run(&server, out, &["v1", "exercises", &name, "live"], dry_run).await;
    }
    let done = match answers {
        Some(file) => paper::from_file(&server, &name, &file).await?,
        None => paper::at_the_terminal(&server, out, &name).await?,
    };
    finished(out, &done)
}

/// Prints the whole result. A run that failed is a refusal, for scripts.
fn finished(out: &Output, done: &RunView) -> Result<Outcome> {
    out.show(done, |paint| report::whole(&done.run, paint))?;
    Ok(if done.run.passed { Outcome::Done } else { Outcome::Refused })
}

async fn list(server: &Server, out: &Output) -> Result<()> {
    let lines: Vec<ExerciseLine> = server.get(&["v1", "exercises"]).await?;
    let none = "no exercise is declared\nhint: `portcullis exercise list --shipped` lists those that come with the program; `portcullis new exercise NAME` prints one";
    let mut table = Table::new(["NAME", "HOW", "~TITLE", "RUNS", "LAST", "GRADE"]);
    for line in &lines {
        let how = [(line.live, "live"), (line.paper, "paper")];
        let how: Vec<&str> = how.into_iter().filter_map(|(can, how)| can.then_some(how)).collect();
        let last = line.last.as_ref();
        table.row([
            line.name.as_str().into(),
            how.join(", ").into(),
            line.title.as_str().into(),
            line.runs.to_string().into(),
            last.map_or_else(|| "-".to_owned(), |last| time::instant(last.started_at)).into(),
            last.map_or_else(|| "-".into(), |last| graded(&last.grade, last.passed)),
        ]);
    }
    out.show(&lines, |_| out.table(&table, none))
}

fn graded(grade: &str, passed: bool) -> Cell {
    Cell::styled(grade, if passed { Style::Good } else { Style::Bad })
}

/// Name and title of each scenario that comes with the program.
fn shipped(out: &Output) -> Result<()> {
    let mut lines = Vec::new();
    for (name, text) in SCENARIOS {
        // The title stands in a line of its own, which a test holds.
        let title = text.lines().find_map(|line| line.strip_prefix("  title: ")).unwrap_or_default();
        let live = text.lines().any(|line| line == "  live:");
        lines.push((name, title, live));
    }
    let shown: Vec<_> = lines
        .iter()
        .map(|(name, title, live)| json!({ "name": name, "title": title, "live": live, "paper": true }))
        .collect();
    out.show(&shown, |paint| {
        let mut table = Table::new(["NAME", "HOW", "~TITLE"]);
        for (name, title, live) in &lines {
            let how = if *live { "live, paper" } else { "paper" };
            table.row([(*name).into(), how.into(), (*title).into()]);
        }
        table.render(paint)
    })?;
    if out.format == Format::Table {
        out.note("hint: `portcullis new exercise NAME` prints one, for `portcullis apply -f -`");
    }
    Ok(())
}

/// The manifest of a scenario, as `portcullis new exercise` prints it.
pub(super) fn manifest(name: &str) -> Result<&'static str> {
    portcullis_exercise::shipped::scenario(name).ok_or_else(|| {
        let names: Vec<&str> = SCENARIOS.iter().map(|(name, _)| *name).collect();
        let message =
            format!("no scenario `{name}` comes with the program\nhint: choose {}", names.join(", "));
        Usage(message).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_api::manifest::parse;
    use portcullis_domain::spec::Spec;

    #[test]
    fn every_shipped_scenario_holds_together_and_is_listed_as_it_is() {
        for (name, text) in SCENARIOS {
            let documents = parse(name, text).unwrap_or_else(|error| panic!("{error:?}"));
            let [document] = documents.as_slice() else { panic!("{name}") };
            let Spec::Exercise(spec) = &document.declaration.spec else { panic!("{name}") };
            assert_eq!(document.declaration.name, name);
            assert_eq!(portcullis_exercise::check::check(spec), [], "{name}");
            assert!(text.contains(&format!("\n  title: {}\n", spec.title)), "{name}");
            assert_eq!(spec.live.is_some(), text.contains("\n  live:\n"), "{name}");
            assert!(!spec.injects.is_empty(), "{name} has a walk on paper");
        }
        assert!(manifest("fire").unwrap_err().to_string().contains("malicious-update"));
    }
}
