//! Live runs: they happen in the server's process, and are told here as they happen.

use std::time::Duration;

use anyhow::Result;
use portcullis_api::apply::ApplyReport;
use portcullis_api::exercises::{CanaryRequest, CanaryWireguard, LiveOutcome, LiveRequest, ProgressLine};

use super::super::Outcome;
use super::super::output::{Format, Output, Style};
use super::super::server::Server;

/// How often it is looked how far it is.
const LOOK: Duration = Duration::from_millis(100);

pub(super) async fn run(server: &Server, out: &Output, path: &[&str], dry_run: bool) -> Result<Outcome> {
    // The lines of the run before are there until this one has begun.
    let before: Vec<ProgressLine> = server.get(&["v1", "exercise-progress"]).await?;
    let mut begun = before.is_empty();
    let request = LiveRequest { dry_run };
    let running = server.post::<LiveOutcome>(path, &request);
    tokio::pin!(running);
    let mut look = tokio::time::interval(LOOK);
    let mut told = 0;
    let outcome = loop {
        tokio::select! {
            done = &mut running => break done?.1,
            _ = look.tick(), if !dry_run => {
                let lines: Vec<ProgressLine> = server.get(&["v1", "exercise-progress"]).await?;
                begun |= lines.len() < before.len();
                if begun {
                    told = tell(out, &lines, told);
                }
            }
        }
    };
    match outcome {
        LiveOutcome::Plan { lines } => {
            out.show(&lines, |_| lines.iter().map(|line| format!("{line}\n")).collect())?;
            Ok(Outcome::Done)
        }
        LiveOutcome::Run(view) => {
            let lines: Vec<ProgressLine> = server.get(&["v1", "exercise-progress"]).await?;
            tell(out, &lines, told);
            super::finished(out, &view)
        }
    }
}

/// Lines from number `told` on; answers how many there are.
fn tell(out: &Output, lines: &[ProgressLine], told: usize) -> usize {
    for line in lines.iter().skip(told) {
        let style = match line.good {
            None => Style::Strong,
            Some(true) => Style::Good,
            Some(false) => Style::Bad,
        };
        out.note(&out.paint.paint(&line.text, style));
    }
    lines.len()
}

pub(super) async fn make(server: &Server, out: &Output, wireguard: Option<CanaryWireguard>) -> Result<()> {
    let request = CanaryRequest { wireguard };
    let (_, report): (_, ApplyReport) = server.post(&["v1", "canary"], &request).await?;
    out.show(&report, |_| {
        "the canary is there: vendor/canary, with an integration and two machines that are nobody's\n"
            .to_owned()
    })?;
    if out.format == Format::Table {
        out.note("the kill drill runs within seconds, and each day from now on, when `kill_drill` of settings.json says\nhint: `portcullis exercise run NAME --live` rehearses on it; `portcullis new exercise NAME` prints a scenario");
    }
    Ok(())
}
