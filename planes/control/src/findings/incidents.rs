//! Clocks of incidents that are nearly over or were missed, incidents that nobody leads, and files of clocks that aren't used.

use jiff::Timestamp;
use portcullis_api::findings::{Finding, FindingCode, Severity};
use portcullis_domain::state::State;
use portcullis_incident::Incident;
use portcullis_incident::change::Role;
use portcullis_incident::due::shown;
use portcullis_incident::incident::ClockState;
use portcullis_incident::regime::Obliged;

pub(super) fn find(state: &State, faults: &[String], now: Timestamp, found: &mut Vec<Finding>) {
    let open = state.incidents.values().filter(|incident| incident.is_open());
    open.for_each(|incident| of_incident(incident, now, found));
    for fault in faults {
        let (message, hint) = fault.split_once("\nhint: ").unwrap_or((fault, ""));
        found.push(Finding {
            severity: Severity::High,
            code: FindingCode::ClockFile,
            about: "installation".to_owned(),
            message: message.to_owned(),
            hint: format!("{hint}; then `portcullis reload`").trim_start_matches("; ").to_owned(),
            due: None,
        });
    }
}

fn of_incident(incident: &Incident, now: Timestamp, found: &mut Vec<Finding>) {
    let number = incident.number;
    let about = format!("incident/{number}");
    if incident.exercise.is_none() && !incident.roles.contains_key(&Role::Commander) {
        found.push(Finding {
            severity: Severity::High,
            code: FindingCode::IncidentUnled,
            about: about.clone(),
            message: format!("incident {number} has no commander: {}", incident.title),
            hint: format!("`portcullis incident role {number} commander NAME`"),
            due: None,
        });
    }
    for (name, clock) in &incident.clocks {
        let (severity, word) = match clock.state(now) {
            ClockState::Missed if clock.met.is_none() => (Severity::Critical, "was over at"),
            ClockState::Running if clock.is_nearly_over(now) => (Severity::High, "is over at"),
            _ => continue,
        };
        let stage = incident.regime_of(name).and_then(|regime| regime.stage(name.parts().1));
        let hint = if stage.is_some_and(|stage| stage.obliged == Obliged::Vendor) {
            format!(
                "call the vendor; `portcullis incident notice VENDOR --incident {number}` takes down what it says"
            )
        } else {
            format!("tell whom it is for, then `portcullis incident clock {number} {name} met --reference R`")
        };
        found.push(Finding {
            severity,
            code: FindingCode::IncidentClock,
            about: about.clone(),
            message: format!(
                "clock `{name}` of incident {number} {word} {}, and nobody has met it",
                shown(clock.due)
            ),
            hint,
            due: Some(clock.due),
        });
    }
}
