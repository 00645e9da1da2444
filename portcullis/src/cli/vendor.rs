//! `vendor`: what is known of vendors, what it leaves of their access, and what to do next.

mod admission;
mod check;
mod facts;
mod hold;
mod leaving;
mod list;
mod record;
mod show;
mod vouch;
pub(super) mod when;

use anyhow::{Result, anyhow};
use jiff::Timestamp;
use portcullis_api::dossiers::{DossierAnswer, DossierRequest, DossierView};
use portcullis_assurance::assessment::StepState;
use portcullis_assurance::request::RequestState;
use serde_json::Value;

use super::output::{Output, Paint, Style};
use super::server::Server;
use super::table::Table;
use super::{Outcome, Place, examples};

#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List the vendors with their access, where their assessment stands, and what comes next
    #[command(after_help = examples::VENDOR_LIST)]
    List(list::Arguments),
    /// Show all that is known of a vendor: its access first, and what to do next
    #[command(after_help = examples::VENDOR_SHOW)]
    Show(show::Arguments),
    /// Go through the eight steps of a vendor's assessment: look at them, assign, start, approve or reject one
    #[command(after_help = examples::VENDOR_ASSESS)]
    Assess(admission::AssessArguments),
    /// Say who a vendor is, from a paper that you have seen
    #[command(after_help = examples::VENDOR_VOUCH)]
    Vouch(Box<vouch::Arguments>),
    /// Look a vendor up in the answer of a register that you have as a file, and record what it says
    #[command(after_help = examples::VENDOR_CHECK)]
    Check(check::Arguments),
    /// Let a vendor in: when all eight steps are approved, or provisionally until a day
    #[command(after_help = examples::VENDOR_ADMIT)]
    Admit(admission::AdmitArguments),
    /// Show what becomes of a vendor's access if nobody does anything
    #[command(after_help = examples::VENDOR_OUTLOOK)]
    Outlook(show::OutlookArguments),
    /// Say whether a match with a list is the vendor, or somebody else
    #[command(after_help = examples::VENDOR_MATCH)]
    Match(facts::MatchArguments),
    /// Propose an exception from a stop, confirm what another person has proposed, or end one
    #[command(after_help = examples::VENDOR_EXCEPT)]
    Except(facts::ExceptArguments),
    /// Say that a vendor has a vulnerability, what the vendor says of it, or that it is mended
    #[command(after_help = examples::VENDOR_VULNERABILITY)]
    Vulnerability(facts::VulnerabilityArguments),
    /// Say that a vendor has told of a breach, or that one is over
    #[command(after_help = examples::VENDOR_BREACH)]
    Breach(facts::BreachArguments),
    /// Record changes of a dossier from a file, all of them or none
    #[command(after_help = examples::VENDOR_RECORD)]
    Record(record::Arguments),
    /// Show how far a vendor's exit is, or take its next step: a plan with an end, the certificate of deletion, the end
    #[command(after_help = examples::VENDOR_OFFBOARD)]
    Offboard(leaving::Arguments),
    /// List the fifteen hard stops, what each does to a vendor, and their modes
    #[command(after_help = examples::VENDOR_STOPS)]
    Stops(list::StopsArguments),
    /// Limit, hold or block a vendor until it is released; a severance closes it for good
    #[command(after_help = examples::VENDOR_HOLD)]
    Hold(hold::HoldArguments),
    /// Give a vendor back what it was granted
    Release(hold::ReleaseArguments),
}

pub(super) async fn vendor(place: &Place, out: &Output, verb: Verb) -> Result<Outcome> {
    let server = &Server::find(place)?;
    match verb {
        Verb::List(arguments) => list::list(server, out, arguments).await,
        Verb::Show(arguments) => show::show(server, out, arguments).await,
        Verb::Assess(arguments) => admission::assess(server, out, arguments).await,
        Verb::Vouch(arguments) => vouch::vouch(server, out, *arguments).await,
        Verb::Check(arguments) => check::check(server, out, arguments).await,
        Verb::Offboard(arguments) => leaving::offboard(server, out, arguments).await,
        Verb::Admit(arguments) => admission::admit(server, out, arguments).await,
        Verb::Outlook(arguments) => show::outlook(server, out, arguments).await,
        Verb::Match(arguments) => facts::judge(server, out, arguments).await,
        Verb::Except(arguments) => facts::except(server, out, arguments).await,
        Verb::Vulnerability(arguments) => facts::vulnerability(server, out, arguments).await,
        Verb::Breach(arguments) => facts::breach(server, out, arguments).await,
        Verb::Record(arguments) => record::record(server, out, arguments).await,
        Verb::Stops(arguments) => list::stops(server, out, arguments).await,
        Verb::Hold(arguments) => hold::hold(server, out, arguments).await,
        Verb::Release(arguments) => hold::release(server, out, arguments).await,
    }
}

/// What `vendor/NAME` means, too.
pub(super) fn bare(name: &str) -> &str {
    name.strip_prefix("vendor/").unwrap_or(name)
}

pub(super) async fn dossier(server: &Server, name: &str) -> Result<DossierView> {
    server.get(&["v1", "vendors", bare(name), "dossier"]).await
}

/// Sends one change, and tells what it came to.
pub(super) async fn say(server: &Server, out: &Output, name: &str, change: Value) -> Result<Outcome> {
    let request = DossierRequest { changes: vec![change], dry_run: false };
    send(server, out, name, &request, None).await
}

async fn send(
    server: &Server,
    out: &Output,
    name: &str,
    request: &DossierRequest,
    version: Option<u64>,
) -> Result<Outcome> {
    let path = ["v1", "vendors", bare(name), "dossier"];
    let answer: DossierAnswer = server.post_if(&path, request, version).await?;
    out.show(&answer, |paint| told(&answer, paint))?;
    if answer.gates_behind.is_empty() {
        return Ok(Outcome::Done);
    }
    Err(anyhow!(
        "recorded, but these gates have not confirmed yet: {}\nhint: `portcullis doctor` says how they are",
        answer.gates_behind.join(", ")
    ))
}

pub(super) fn told(answer: &DossierAnswer, paint: Paint) -> String {
    let view = &answer.dossier;
    let mut text = format!("vendor/{}\n", view.vendor);
    let word = if answer.dry_run { "would be" } else { "recorded" };
    for made in &answer.changes {
        let id = made.id.as_deref().map(|id| format!("  {id}")).unwrap_or_default();
        let about = made.about.as_deref().map(|about| format!(": {about}")).unwrap_or_default();
        text.push_str(&format!("  {word:<9} {}{about}{id}\n", made.change.replace('_', " ")));
    }
    if answer.changes.is_empty() {
        text.push_str(&format!("  {}\n", paint.paint("all of it was known already", Style::Dim)));
    }
    text.push_str(&format!("  access    {}\n", show::headline(view, paint)));
    if let Some(next) = view.next.first() {
        text.push_str(&format!("  {}\n", paint.paint(&format!("next      {next}"), Style::Dim)));
    }
    text
}

pub(super) fn evidence_table(view: &DossierView, now: Timestamp) -> Table {
    show::tables::evidence(view, now)
}

/// A dossier in a line.
pub(super) fn short(view: &DossierView) -> String {
    let approved = view.steps.iter().filter(|known| known.state == StepState::Approved).count();
    let open = view.requests.iter().filter(|asked| asked.state == RequestState::Open).count();
    let weak = view.vulnerabilities.iter().filter(|known| known.critical && !known.closed).count();
    format!(
        "tier {}, admitted: {}, {approved} of {} steps, {} pieces of evidence, {open} open requests, {weak} open critical vulnerabilities; `portcullis vendor show {}` says more",
        list::tier(view.tier),
        list::admitted(&view.admission),
        view.steps.len(),
        view.evidence.len(),
        view.vendor
    )
}
