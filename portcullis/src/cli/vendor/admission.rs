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
    /// entity_check, contract, security_practices, compliance_evidence, resilience, service_levels, dependencies, integration, the beginning of one, or `all` that aren't approved; several at once, also with commas; without any, show all of them
    #[arg(value_name = "STEP", value_parser = steps)]
    steps: Vec<Steps>,
    /// What is needed is there, and good
    #[arg(long, group = "decision", requires = "steps", requires = "reason")]
    approve: bool,
    /// It isn't good: whoever was admitted by it is stopped
    #[arg(long, group = "decision", requires = "steps", requires = "reason")]
    reject: bool,
    /// Somebody works on it
    #[arg(long, group = "decision", requires = "steps")]
    start: bool,
    /// Who sees to it
    #[arg(long, requires = "steps")]
    owner: Option<String>,
    /// Until which day
    #[arg(long, value_name = "DATE", value_parser = when::day, requires = "steps")]
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

/// Some, by their names; or all that aren't approved.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Steps {
    All,
    These(Vec<Step>),
}

fn steps(text: &str) -> Result<Steps, String> {
    if text.eq_ignore_ascii_case("all") {
        return Ok(Steps::All);
    }
    text.split(',').map(|word| step(word.trim())).collect::<Result<_, _>>().map(Steps::These)
}

/// By its name, the beginning that no other one has, or its number.
fn step(text: &str) -> Result<Step, String> {
    let wanted = text.replace('-', "_").to_ascii_lowercase();
    let by_number =
        wanted.parse::<usize>().ok().and_then(|number| Step::ALL.get(number.wrapping_sub(1)).copied());
    let mut begin =
        Step::ALL.into_iter().filter(|step| !wanted.is_empty() && step.name().starts_with(&wanted));
    let by_name = begin.next().filter(|_| begin.next().is_none());
    by_name.or(by_number).ok_or_else(|| {
        let names: Vec<&str> = Step::ALL.into_iter().map(Step::name).collect();
        format!("the steps are {}, or `all`", names.join(", "))
    })
}

/// Each once, in their order.
fn chosen(steps: &[Steps], view: &DossierView) -> Vec<Step> {
    let wanted = |step: &Step| {
        steps.iter().any(|steps| match steps {
            Steps::All => {
                let mut known = view.steps.iter();
                known.any(|known| known.step == *step && known.state != StepState::Approved)
            }
            Steps::These(these) => these.contains(step),
        })
    };
    Step::ALL.into_iter().filter(wanted).collect()
}

pub(super) async fn assess(server: &Server, out: &Output, arguments: AssessArguments) -> Result<Outcome> {
    let AssessArguments { name, steps, approve, reject, start, owner, due, reason } = arguments;
    let view = dossier(server, &name).await?;
    if steps.is_empty() {
        out.show(&view.steps, |paint| guided(&view, paint))?;
        return Ok(Outcome::Done);
    }
    let chosen = chosen(&steps, &view);
    let mut changes = Vec::new();
    if owner.is_some() || due.is_some() {
        for step in &chosen {
            let known = view.steps.iter().find(|known| known.step == *step);
            // What isn't said anew stays.
            let owner = owner.clone().or_else(|| known.and_then(|known| known.owner.clone()));
            let due = due.or_else(|| known.and_then(|known| known.due));
            changes.push(json!({ "change": "step_assigned", "step": step, "owner": owner, "due": due }));
        }
    }
    let decision = match (approve, reject, start) {
        (true, ..) => Some(StepState::Approved),
        (_, true, _) => Some(StepState::Rejected),
        (.., true) => Some(StepState::InProgress),
        _ => None,
    };
    if let Some(state) = decision {
        let reason = reason.unwrap_or_else(|| "begun".to_owned());
        changes.extend(
            chosen.iter().map(
                |step| json!({ "change": "step_decided", "step": step, "state": state, "reason": reason }),
            ),
        );
    } else if changes.is_empty() {
        bail!(
            "nothing is said of {}\nhint: `--approve`, `--reject`, `--start`, `--owner` or `--due`",
            if chosen.len() == 1 { "the step" } else { "the steps" }
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
    use super::{Steps, step, steps};
    use portcullis_assurance::assessment::Step;

    #[test]
    fn a_step_is_named_or_numbered() {
        for (text, expect) in [
            ("entity-check", Step::EntityCheck),
            ("Contract", Step::Contract),
            ("8", Step::Integration),
            ("sec", Step::SecurityPractices),
        ] {
            assert_eq!(step(text), Ok(expect));
        }
        for wrong in ["", "0", "9", "due", "se", "co", "all"] {
            assert!(step(wrong).is_err(), "{wrong}");
        }
        assert_eq!(steps("ALL"), Ok(Steps::All));
        assert_eq!(steps("entity, 3"), Ok(Steps::These(vec![Step::EntityCheck, Step::SecurityPractices])));
        assert!(steps("entity,,contract").is_err());
    }
}
