//! `vendor assess` and `vendor admit`: the eight steps, and the way in.

use anyhow::{Result, bail};
use jiff::Timestamp;
use jiff::civil::Date;
use portcullis_api::dossiers::{DossierRequest, DossierView, StepView};
use portcullis_assurance::assessment::{Step, StepState};
use serde_json::json;

use super::{bare, dossier, list, say, send, show, when};
use crate::cli::Outcome;
use crate::cli::output::{Output, Paint, Style};
use crate::cli::server::Server;
use crate::cli::table::{Cell, Table};

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("decision").multiple(false))]
pub(in crate::cli) struct AssessArguments {
    /// Name of the vendor
    name: String,
    /// entity_check, contract, security_practices, compliance_evidence, resilience, service_levels, dependencies or integration; without it, show all of them
    #[arg(value_parser = step)]
    step: Option<Step>,
    /// What is needed is there, and good
    #[arg(long, group = "decision", requires = "step", requires = "reason")]
    approve: bool,
    /// It isn't good: whoever was admitted by it is stopped
    #[arg(long, group = "decision", requires = "step", requires = "reason")]
    reject: bool,
    /// Somebody works on it
    #[arg(long, group = "decision", requires = "step")]
    start: bool,
    /// Who sees to it
    #[arg(long, requires = "step")]
    owner: Option<String>,
    /// Until which day
    #[arg(long, value_name = "DATE", value_parser = when::day, requires = "step")]
    due: Option<Date>,
    /// Why, for those who read it later
    #[arg(long, requires = "decision")]
    reason: Option<String>,
}

#[derive(clap::Args)]
pub(in crate::cli) struct AdmitArguments {
    /// Name of the vendor
    name: String,
    /// Although not all steps are approved, until a day
    #[arg(long, requires = "until")]
    provisional: bool,
    /// End of a provisional admission: a span such as `30d`, a day, or an instant; 90 days at most
    #[arg(long, value_name = "TIME", value_parser = when::until, requires = "provisional")]
    until: Option<Timestamp>,
}

fn step(text: &str) -> Result<Step, String> {
    let wanted = text.replace('-', "_").to_ascii_lowercase();
    let by_number =
        wanted.parse::<usize>().ok().and_then(|number| Step::ALL.get(number.wrapping_sub(1)).copied());
    let by_name = Step::ALL.into_iter().find(|step| step.name() == wanted);
    by_name.or(by_number).ok_or_else(|| {
        let names: Vec<&str> = Step::ALL.into_iter().map(Step::name).collect();
        format!("the steps are {}", names.join(", "))
    })
}

pub(super) async fn assess(server: &Server, out: &Output, arguments: AssessArguments) -> Result<Outcome> {
    let AssessArguments { name, step, approve, reject, start, owner, due, reason } = arguments;
    let view = dossier(server, &name).await?;
    let Some(step) = step else {
        out.show(&view.steps, |paint| guided(&view, paint))?;
        return Ok(Outcome::Done);
    };
    let known = view.steps.iter().find(|known| known.step == step);
    let mut changes = Vec::new();
    if owner.is_some() || due.is_some() {
        // What isn't said anew stays.
        let owner = owner.or_else(|| known.and_then(|known| known.owner.clone()));
        let due = due.or_else(|| known.and_then(|known| known.due));
        changes.push(json!({ "change": "step_assigned", "step": step, "owner": owner, "due": due }));
    }
    let decision = match (approve, reject, start) {
        (true, ..) => Some(StepState::Approved),
        (_, true, _) => Some(StepState::Rejected),
        (.., true) => Some(StepState::InProgress),
        _ => None,
    };
    if let Some(state) = decision {
        let reason = reason.unwrap_or_else(|| "begun".to_owned());
        changes.push(json!({ "change": "step_decided", "step": step, "state": state, "reason": reason }));
    }
    if changes.is_empty() {
        bail!(
            "nothing is said of step `{}`\nhint: `--approve`, `--reject`, `--start`, `--owner` or `--due`",
            step.name()
        );
    }
    send(server, out, &name, &DossierRequest { changes, dry_run: false }, None).await
}

/// The steps in their order, what each lacks, and what to do.
fn guided(view: &DossierView, paint: Paint) -> String {
    let mut table = Table::new(["#", "STEP", "STATE", "OWNER", "DUE", "~MISSING"]);
    for (at, known) in view.steps.iter().enumerate() {
        let (state, style) = state_of(known);
        table.row([
            (at + 1).to_string().into(),
            known.step.name().into(),
            Cell::styled(state, style),
            known.owner.clone().unwrap_or_default().into(),
            known.due.map(|due| due.to_string()).unwrap_or_default().into(),
            known.needs.join("; ").into(),
        ]);
    }
    let admitted = list::admitted(&view.admission);
    let mut text = format!("vendor/{}, admitted: {admitted}\n{}", view.vendor, table.render(paint));
    text.push_str(&show::next(view, paint));
    text
}

pub(super) fn state_of(known: &StepView) -> (&'static str, Style) {
    match known.state {
        StepState::Open => ("open", Style::Dim),
        StepState::InProgress => ("in progress", Style::Warning),
        StepState::Approved => ("approved", Style::Good),
        StepState::Rejected => ("rejected", Style::Bad),
    }
}

pub(super) async fn admit(server: &Server, out: &Output, arguments: AdmitArguments) -> Result<Outcome> {
    let name = bare(&arguments.name);
    let change = match arguments.until {
        Some(until) => json!({ "change": "admitted_provisionally", "until": until }),
        None => json!({ "change": "admitted" }),
    };
    say(server, out, name, change).await
}

#[cfg(test)]
mod tests {
    use super::step;
    use portcullis_assurance::assessment::Step;

    #[test]
    fn a_step_is_named_or_numbered() {
        for (text, expect) in
            [("entity-check", Step::EntityCheck), ("Contract", Step::Contract), ("8", Step::Integration)]
        {
            assert_eq!(step(text), Ok(expect));
        }
        assert!(step("0").is_err() && step("9").is_err() && step("due").is_err());
    }
}
