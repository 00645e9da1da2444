//! `vendor list` and `vendor stops`.

use anyhow::Result;
use jiff::Timestamp;
use portcullis_api::dossiers::{StopView, VendorLine};
use portcullis_assurance::assessment::Admission;
use portcullis_assurance::exposure::Tier;
use portcullis_assurance::stops::StopMode;
use portcullis_domain::access::Access;

use super::bare;
use crate::cli::output::{Output, Style, Watch};
use crate::cli::server::Server;
use crate::cli::table::{Cell, Table};
use crate::cli::{Outcome, get, time};
use crate::clock::system_clock;

#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Only vendors with this access; may be given more than once
    #[arg(long, value_enum)]
    access: Vec<Level>,
    #[command(flatten)]
    watch: Watch,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Level {
    Clear,
    Limited,
    Held,
    Blocked,
}

impl Level {
    fn access(self) -> Access {
        match self {
            Self::Clear => Access::Clear,
            Self::Limited => Access::Limited,
            Self::Held => Access::Held,
            Self::Blocked => Access::Blocked,
        }
    }
}

#[derive(clap::Args)]
pub(in crate::cli) struct StopsArguments {
    /// Its name; without it, what holds for vendors that no policy names
    name: Option<String>,
}

pub(super) async fn list(server: &Server, out: &Output, arguments: Arguments) -> Result<Outcome> {
    let wanted: Vec<Access> = arguments.access.iter().map(|level| level.access()).collect();
    let none = if wanted.is_empty() {
        "no vendor is declared\nhint: `portcullis new integration` prints manifests to begin with"
    } else {
        "no vendor has this access"
    };
    let look = async || {
        let mut lines: Vec<VendorLine> = server.all(&["v1", "dossiers"]).await?;
        lines.retain(|line| wanted.is_empty() || wanted.contains(&line.access));
        out.rendered(&lines, |_| out.table(&table(&lines, system_clock().now()), none))
    };
    out.watch(arguments.watch.watch, look).await?;
    Ok(Outcome::Done)
}

fn table(lines: &[VendorLine], now: Timestamp) -> Table {
    let mut table = Table::new(["VENDOR", "ACCESS", "TIER", "ADMITTED", "STEPS", "NEXT", "~WHY"]);
    for line in lines {
        let steps = format!("{}/{}", line.approved, line.steps);
        let steps_style = if line.approved == line.steps { Style::Plain } else { Style::Warning };
        let next = line.next.as_ref().map_or_else(String::new, |next| {
            let left = time::span(next.at.duration_since(now).as_secs());
            format!("{} in {left}", next.access.as_str())
        });
        let observed = match line.observed {
            0 => String::new(),
            1 => "1 stop is observed only".to_owned(),
            many => format!("{many} stops are observed only"),
        };
        let why = line.why.clone().unwrap_or(observed);
        table.row([
            line.vendor.as_str().into(),
            Cell::styled(line.access.as_str(), get::access_style(line.access)),
            tier(line.tier).into(),
            admitted(&line.admission).into(),
            Cell::styled(steps, steps_style),
            next.into(),
            why.into(),
        ]);
    }
    table
}

pub(super) fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::One => "1",
        Tier::Two => "2",
        Tier::Three => "3",
    }
}

/// In a word, or until when.
pub(super) fn admitted(admission: &Admission) -> String {
    match admission {
        Admission::No => "no".to_owned(),
        Admission::Yes { .. } => "yes".to_owned(),
        Admission::Provisional { until, .. } => format!("until {}", until.strftime("%Y-%m-%d")),
        Admission::Left { since } => format!("left {}", since.strftime("%Y-%m-%d")),
    }
}

pub(super) async fn stops(server: &Server, out: &Output, arguments: StopsArguments) -> Result<Outcome> {
    let query: Vec<(&str, String)> =
        arguments.name.iter().map(|name| ("vendor", bare(name).to_owned())).collect();
    let stops: Vec<StopView> = server.query(&["v1", "stops"], &query).await?;
    out.show(&stops, |paint| {
        let mut table = Table::new(["#", "STOP", "MODE", "~WHAT IT LOOKS AT", "~WHAT IT LEAVES"]);
        for stop in &stops {
            let (mode, style) = match stop.mode {
                StopMode::Off => ("off", Style::Warning),
                StopMode::Observe => ("observe", Style::Warning),
                StopMode::Enforce => ("enforce", Style::Good),
            };
            table.row([
                stop.number.to_string().into(),
                stop.stop.name().into(),
                Cell::styled(mode, style),
                stop.fact.as_str().into(),
                stop.leaves.as_str().into(),
            ]);
        }
        table.render(paint)
    })?;
    if stops.iter().any(|stop| stop.mode == StopMode::Observe) {
        out.note("note: what is observed refuses nobody\nhint: `stops: {default: enforce}` in the spec of a Policy makes stops act");
    }
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Paint;
    use portcullis_api::dossiers::NextAccess;

    #[test]
    fn sixty_vendors_are_read_from_the_top() {
        let now: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let line = |vendor: &str, access, admission, approved, why: Option<&str>| VendorLine {
            vendor: vendor.into(),
            access,
            tier: Tier::One,
            admission,
            approved,
            steps: 8,
            observed: 0,
            why: why.map(str::to_owned),
            next: None,
        };
        let until = "2026-12-31T00:00:00Z".parse().unwrap();
        let provisional = Admission::Provisional { since: now, until, by: None };
        let next = Some(NextAccess { at: until, access: Access::Blocked });
        let lines = [
            line(
                "harrowfield",
                Access::Blocked,
                Admission::Yes { since: now, by: None },
                8,
                Some("critical vulnerability CVE-2026-1 open 47 days"),
            ),
            VendorLine { next, observed: 2, ..line("northgale", Access::Clear, provisional, 3, None) },
        ];
        insta::assert_snapshot!(table(&lines, now).render(Paint { on: false }), @r"
        VENDOR       ACCESS   TIER  ADMITTED          STEPS  NEXT                WHY
        harrowfield  blocked  1     yes               8/8                        critical vulnerability CVE…
        northgale    clear    1     until 2026-12-31  3/8    blocked in 40 days  2 stops are observed only
        ");
    }
}
