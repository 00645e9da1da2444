//! `network`: what vendors' networks may reach, and what passes by it.

use std::fmt::Write as _;

use anyhow::Result;
use portcullis_api::network::{
    BypassView, DifferencesView, NetworkView, RulesView, SegmentationAnswer, SegmentationRequest,
};

use super::output::{Output, Paint, Style};
use super::server::Server;
use super::table::{Cell, Table};
use super::{Outcome, Place};

const SHOW: &str = "\
Examples:
  portcullis network show";

const RENDER: &str = "\
Examples:
  portcullis network render
  portcullis network render | nft -c -f -
  portcullis network render -o json";

const APPLY: &str = "\
Examples:
  portcullis network apply --dry-run
  portcullis network apply
  portcullis network apply --off";

const DIFF: &str = "\
Examples:
  portcullis network diff";

#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// Show whether vendors' networks are kept to the gate's doors, whose they are, and what was dropped
    #[command(after_help = SHOW)]
    Show,
    /// Print the packet filter's rules as the enforcer loads them; nothing is changed
    #[command(after_help = RENDER)]
    Render,
    /// Keep vendors' networks to the gate's doors from now on: all else of theirs is dropped
    #[command(after_help = APPLY)]
    Apply(ApplyArguments),
    /// Say what differs between plan and kernel, and what on the gate's host passes by the gate
    #[command(after_help = DIFF)]
    Diff,
}

#[derive(clap::Args)]
pub(super) struct ApplyArguments {
    /// Let pass again what is not closed
    #[arg(long)]
    off: bool,
    /// Only say what differs, and what passes by the gate
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn network(place: &Place, out: &Output, verb: Verb) -> Result<Outcome> {
    let server = Server::find(place)?;
    match verb {
        Verb::Show => {
            let view: NetworkView = server.get(&["v1", "network"]).await?;
            out.show(&view, |paint| shown(&view, out, paint))?;
            Ok(Outcome::Done)
        }
        Verb::Render => {
            let view: RulesView = server.get(&["v1", "network", "rules"]).await?;
            out.show(&view, |_| view.text.clone())?;
            Ok(Outcome::Done)
        }
        Verb::Apply(ApplyArguments { dry_run: true, .. }) | Verb::Diff => diff(&server, out).await,
        Verb::Apply(ApplyArguments { off, .. }) => {
            let request = SegmentationRequest { on: !off };
            let (_, answer): (_, SegmentationAnswer) =
                server.post(&["v1", "network", "segmentation"], &request).await?;
            out.show(&answer, |paint| applied(&answer, paint))?;
            Ok(if answer.in_force { Outcome::Done } else { Outcome::Refused })
        }
    }
}

async fn diff(server: &Server, out: &Output) -> Result<Outcome> {
    let view: DifferencesView = server.get(&["v1", "network", "differences"]).await?;
    out.show(&view, |paint| differing(&view, out, paint))?;
    let clean = view.differences.is_empty() && view.bypasses.is_empty() && view.failed.is_empty();
    Ok(if clean { Outcome::Done } else { Outcome::Refused })
}

fn shown(view: &NetworkView, out: &Output, paint: Paint) -> String {
    let mut text = String::new();
    let (word, style) = if view.segmented { ("on", Style::Good) } else { ("off", Style::Plain) };
    let _ = write!(text, "segmentation is {}", paint.paint(word, style));
    if let (Some(by), Some(since)) = (&view.by, view.since) {
        let _ = write!(text, ", since {since} by {by}");
    }
    let _ = match view.enforced {
        Some(version) => writeln!(text, "; plan {version} is in force"),
        None => writeln!(text, "; {}", paint.paint("no enforcer has it in force", Style::Bad)),
    };
    let doors: Vec<String> = view.doors.iter().map(ToString::to_string).collect();
    let _ = writeln!(text, "doors: {}", doors.join(", "));
    for own in &view.own_doors {
        let _ = write!(text, "door {}: {} of {} alone", own.port, own.integration, own.vendor);
        let _ = match &*own.faults {
            [] => writeln!(text),
            faults => writeln!(text, "; {}: {}", paint.paint("not open", Style::Bad), faults.join("; ")),
        };
    }
    if !view.balancers.is_empty() {
        let _ = writeln!(text, "balancers: {}", view.balancers.join(", "));
    }
    let mut segments = Table::new(["VENDOR", "INTEGRATION", "TUNNEL", "STANDING", "~NETWORKS"]);
    for of in &view.segments {
        let standing = if of.standing == "open" { Style::Good } else { Style::Bad };
        segments.row([
            of.vendor.as_str().into(),
            of.integration.as_str().into(),
            of.tunnel.as_deref().unwrap_or_default().into(),
            Cell::styled(of.standing.clone(), standing),
            of.networks.join(", ").into(),
        ]);
    }
    let none =
        "no integration has networks of its own\nhint: name them in `ceilings.networks`, or declare a tunnel";
    text.push_str(&out.table(&segments, none));
    let mut dropped = Table::new(["DROPPED OF", "PACKETS", "BYTES", "A MINUTE", "LAST"]);
    for of in view.dropped.iter().filter(|of| of.packets > 0) {
        dropped.row([
            of.vendor.as_str().into(),
            of.packets.to_string().into(),
            of.bytes.to_string().into(),
            of.packets_per_minute.to_string().into(),
            of.last_seen.map(|seen| seen.to_string()).unwrap_or_default().into(),
        ]);
    }
    text.push_str(&out.table(&dropped, "nothing of theirs was dropped"));
    text
}

fn applied(answer: &SegmentationAnswer, paint: Paint) -> String {
    let what = match (answer.on, answer.changed) {
        (true, true) => "vendors' networks reach the gate's doors only",
        (true, false) => "unchanged: vendors' networks reach the gate's doors only",
        (false, true) => "packets of vendors' networks pass again, but for what is closed",
        (false, false) => "unchanged: segmentation is off",
    };
    match &answer.why_not {
        None => format!("{} {what}\n", paint.paint("in force", Style::Good)),
        Some(why) => format!("{} {what}: {why}\n", paint.paint("not in force", Style::Bad)),
    }
}

fn differing(view: &DifferencesView, out: &Output, paint: Paint) -> String {
    let mut text = String::new();
    for difference in &view.differences {
        let _ = writeln!(text, "{} {difference}", paint.paint("differs", Style::Bad));
    }
    for failed in &view.failed {
        let _ = writeln!(text, "{} {failed}", paint.paint("not looked at", Style::Bad));
    }
    if view.differences.is_empty() && view.failed.is_empty() {
        text.push_str("the kernel has what the plan says\n");
    }
    let none = "nothing on the gate's host passes by the gate";
    text.push_str(&out.table(&bypasses(&view.bypasses), none));
    text
}

fn bypasses(found: &[BypassView]) -> Table {
    let mut table = Table::new(["KIND", "~WHAT", "~WHY", "~HINT"]);
    for of in found {
        table.row([
            Cell::styled(of.kind.clone(), Style::Bad),
            of.what.as_str().into(),
            of.why.as_str().into(),
            of.hint.as_str().into(),
        ]);
    }
    table
}
