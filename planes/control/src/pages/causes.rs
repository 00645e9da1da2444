//! What somebody is called for, and in which words.

use jiff::Timestamp;
use portcullis_domain::event::Severance;
use portcullis_domain::ids::{SeveranceId, VendorId};
use portcullis_domain::spec::Kind;
use portcullis_domain::state::State;
use portcullis_domain::target::Target;
use portcullis_exercise::run::Mode;
use portcullis_incident::Incident;
use portcullis_incident::change::Origin;
use portcullis_incident::incident::ClockState;
use portcullis_incident::page::{PageCause, Raising};
use portcullis_network::order::ArmFault;

use crate::arms::EnforcerStanding;
use crate::incidents::view::vendor_name;

/// Of a drill, in a call.
const FAILURES_MAX: usize = 10;
/// Names in a call, of what is severed and of what isn't.
const NAMES_MAX: usize = 10;

/// What open incidents that aren't rehearsed ask for: those that people opened need no call, their clocks do.
pub(super) fn due(state: &State, now: Timestamp) -> Vec<Raising> {
    let mut raisings: Vec<Raising> = failed_drill(state).into_iter().collect();
    let real = state.incidents.values().filter(|incident| incident.is_open() && incident.exercise.is_none());
    for incident in real {
        if incident.origin != Origin::Hand {
            let cause = PageCause::IncidentOpened { incident: incident.id };
            raisings.push(raising(state, incident, cause, incident.title.clone()));
        }
        for (name, clock) in &incident.clocks {
            let clock_name = name.to_string();
            let missed = clock.state(now) == ClockState::Missed && clock.met.is_none();
            let (cause, word) = match (missed, clock.is_nearly_over(now)) {
                (true, _) => {
                    (PageCause::ClockMissed { incident: incident.id, clock: clock_name }, "was missed")
                }
                (false, true) => {
                    (PageCause::ClockNear { incident: incident.id, clock: clock_name }, "is nearly over")
                }
                (false, false) => continue,
            };
            let title = format!("clock {name} {word}: due {}", clock.due);
            raisings.push(raising(state, incident, cause, title));
        }
    }
    raisings
}

/// Arms that have not verified closed what is severed.
pub(super) fn failing_arms(state: &State, enforcer: &EnforcerStanding) -> Vec<Raising> {
    let of = |(id, faults): (&SeveranceId, &Vec<ArmFault>)| {
        let severance = state.severances.get(id)?;
        let target = state.name_of(&severance.target);
        let vendor = match &severance.target {
            Target::Vendor { id } => Some(*id),
            _ => None,
        };
        let raised = faults.iter().map(move |fault| Raising {
            cause: PageCause::ArmFailed { severance: severance.id, arm: fault.arm.to_string() },
            vendor,
            title: format!("{target} is severed, but {} is not verified closed", fault.arm),
            text: format!(
                "The gate is closed. What arm {} should have closed may be open:\n  {}\nIt is tried on until it is verified.\n\nNow:\n  close that path by hand\n  portcullis findings\n  portcullis receipt {}\n",
                fault.arm, fault.why, severance.id
            ),
        });
        Some(raised.collect::<Vec<_>>())
    };
    enforcer.failing.iter().filter_map(of).flatten().collect()
}

/// The newest kill drill, if it did not cut as it should.
fn failed_drill(state: &State) -> Option<Raising> {
    let drills = state.runs().map(|done| &done.run).filter(|run| run.mode == Mode::Drill);
    let run = drills.max_by_key(|run| run.started_at).filter(|run| !run.passed)?;
    let failures: String = run.failures.iter().take(FAILURES_MAX).map(|why| format!("  {why}\n")).collect();
    let text = format!(
        "The drill of {} did not show that the canary is cut whole and in time:\n{failures}A real severance may fail the same way.\n\nNow:\n  portcullis findings\n  portcullis doctor\n",
        run.started_at
    );
    Some(Raising {
        cause: PageCause::KillDrillFailed { drill: run.id.to_string() },
        vendor: None,
        title: "the kill drill failed: severing may not cut everything".to_owned(),
        text,
    })
}

fn raising(state: &State, incident: &Incident, cause: PageCause, what: String) -> Raising {
    let number = incident.number;
    let vendor = vendor_name(state, incident.vendor);
    let about = vendor.as_deref().unwrap_or("incident");
    let cut = cut(state, incident);
    let mut text = format!(
        "Incident {number}, severity {}, opened {}.\n{cut}\nNow:\n  portcullis incident show {number}\n",
        incident.severity.name(),
        incident.opened_at
    );
    if let Some(vendor) = &vendor {
        text.push_str(&format!("  portcullis sever vendor/{vendor} --dry-run\n"));
    }
    Raising { cause, vendor: incident.vendor, title: format!("{about}: {what} (incident {number})"), text }
}

/// What is severed now, by name, and what isn't: whoever is called at night decides by this.
fn cut(state: &State, incident: &Incident) -> String {
    let of_vendor = |severance: &Severance| {
        let vendor = state.vendor_of(&severance.target).map(|vendor| VendorId(vendor.id));
        vendor.is_some() && vendor == incident.vendor
    };
    let mut severed: Vec<&Severance> = state
        .severances
        .values()
        .filter(|severance| of_vendor(severance) || incident.severances.contains(&severance.id))
        .collect();
    severed.sort_by_key(|severance| (severance.time, severance.id));
    if let Some(whole) = severed
        .iter()
        .find(|one| matches!(&one.target, Target::Vendor { id } if Some(*id) == incident.vendor))
    {
        return format!("Every path of the vendor is severed since {}.\n", whole.time);
    }
    let open = incident.vendor.map(|vendor| open_integrations(state, vendor, &severed));
    match (severed.is_empty(), open) {
        (true, None) => String::new(),
        (true, Some(_)) if incident.severances.is_empty() => {
            "Nothing is severed: the vendor's paths are open.\n".to_owned()
        }
        (true, Some(_)) => "What was severed is restored: the vendor's paths are open.\n".to_owned(),
        (false, open) => {
            let since = |one: &&Severance| format!("{}, since {}", state.name_of(&one.target), one.time);
            let mut text = format!("Severed:\n{}", listed(severed.iter().map(since)));
            match open {
                Some(open) if open.is_empty() => text.push_str("The vendor has no other integration.\n"),
                Some(open) => {
                    text.push_str(&format!("All else of the vendor is open:\n{}", listed(open.into_iter())));
                }
                None => {}
            }
            text
        }
    }
}

/// The vendor's integrations that aren't severed themselves: what is severed of their clients is said above them.
fn open_integrations(state: &State, vendor: VendorId, severed: &[&Severance]) -> Vec<String> {
    let integrations = state.of_kind(Kind::Integration).filter(|(name, integration)| {
        state.vendor_of_integration(name).is_some_and(|found| found.id == vendor.0)
            && !severed
                .iter()
                .any(|one| matches!(&one.target, Target::Integration { id } if id.0 == integration.id))
    });
    integrations.map(|(name, _)| format!("integration/{name}")).collect()
}

/// A line for each, and one for those that have no place.
fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(NAMES_MAX);
    let mut text: String = names.take(NAMES_MAX).map(|name| format!("  {name}\n")).collect();
    if more > 0 {
        text.push_str(&format!("  and {more} more\n"));
    }
    text
}
