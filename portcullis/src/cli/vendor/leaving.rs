//! `vendor offboard`: the way out of a vendor, step by step.

use anyhow::Result;
use jiff::Timestamp;
use portcullis_api::leaving::{LeaveReport, LeaveRequest};
use portcullis_domain::ids::EvidenceId;

use super::{bare, show, when};
use crate::cli::output::{Output, Paint, Style};
use crate::cli::server::Server;
use crate::cli::{Outcome, get, time};

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("step").multiple(false))]
pub(in crate::cli) struct Arguments {
    /// Name of the vendor
    name: String,
    /// Begin: what becomes of what the vendor does for us, and who sees to it
    #[arg(long, group = "step", value_name = "TEXT", requires = "ends")]
    plan: Option<String>,
    /// When its access ends: a day (to its end, in UTC), an instant, or a span such as `30d`
    #[arg(long, value_name = "TIME", value_parser = when::until, requires = "plan")]
    ends: Option<Timestamp>,
    /// The evidence that is the vendor's certificate of deletion
    #[arg(long, group = "step", value_name = "EVIDENCE")]
    deletion_certificate: Option<EvidenceId>,
    /// Block the vendor for good, and destroy the key of its documents; this can't be taken back
    #[arg(long, group = "step")]
    finish: bool,
    /// The vendor stays after all
    #[arg(long, group = "step", requires = "reason")]
    cancel: bool,
    /// Why it stays, for those who read it later
    #[arg(long, value_name = "TEXT", requires = "cancel")]
    reason: Option<String>,
}

pub(super) async fn offboard(server: &Server, out: &Output, arguments: Arguments) -> Result<Outcome> {
    let Arguments { name, plan, ends, deletion_certificate, finish, cancel, reason } = arguments;
    let path = ["v1", "vendors", bare(&name), "leaving"];
    let step = match (plan.zip(ends), deletion_certificate) {
        (Some((plan, ends)), _) => Some(LeaveRequest::Begin { plan, ends }),
        (None, Some(evidence)) => Some(LeaveRequest::Certify { evidence }),
        (None, None) if finish => Some(LeaveRequest::Finish {}),
        (None, None) if cancel => Some(LeaveRequest::Cancel { reason: reason.unwrap_or_default() }),
        (None, None) => None,
    };
    let report: LeaveReport = match step {
        Some(step) => server.post(&path, &step).await?.1,
        None => server.get(&path).await?,
    };
    out.show(&report, |paint| told(&report, paint))?;
    Ok(Outcome::Done)
}

fn told(report: &LeaveReport, paint: Paint) -> String {
    let mut text = format!("vendor/{}\n", report.vendor);
    let mut line = |what: &str, said: &str| text.push_str(&format!("  {what:<9} {said}\n"));
    line("access", &paint.paint(show::word(report.access), get::access_style(report.access)));
    if let Some(plan) = &report.plan {
        line("plan", plan);
    }
    let times = [("begun", report.begun), ("ends", report.ends), ("left", report.done)];
    for (what, at) in times.into_iter().filter_map(|(what, at)| Some((what, at?))) {
        line(what, &time::instant(at));
    }
    if report.plan.is_some() {
        let certified = report.deletion.map(|evidence| format!("certified by {evidence}"));
        line("deletion", &certified.unwrap_or_else(|| "not certified".to_owned()));
    }
    for (what, list) in [("shredded", &report.shredded), ("kept", &report.kept)] {
        for (at, item) in list.iter().enumerate() {
            line(if at == 0 { what } else { "" }, item);
        }
    }
    text.push_str(&format!("  {}\n", paint.paint(&format!("next      {}", report.next), Style::Dim)));
    text
}
