//! Pages: who is called for what. They are raised here by whoever finds the cause, recorded, and carried out by the process.

use jiff::Timestamp;
use portcullis_api::pages::{PageAnswer, PageView};
use portcullis_domain::command::{Command, Refusal};
use portcullis_domain::ids::{OperatorId, SeveranceId};
use portcullis_domain::spec::Kind;
use portcullis_domain::state::State;
use portcullis_domain::state::pages::KnownPage;
use portcullis_domain::target::Target;
use portcullis_exercise::run::Mode;
use portcullis_incident::Incident;
use portcullis_incident::change::Origin;
use portcullis_incident::incident::ClockState;
use portcullis_incident::page::{PageCause, Raising};
use portcullis_metrics::rolling::Window;
use portcullis_network::order::ArmFault;

use crate::arms::EnforcerStanding;
use crate::control::Control;
use crate::error::ExecuteError;
use crate::incidents::view::vendor_name;
use crate::severing::operator_name;

/// Of a drill, in a call.
const FAILURES_MAX: usize = 10;
/// Pages that a list shows.
const LISTED_MAX: usize = 200;

impl Control {
    /// Calls somebody, once for each cause: told again it is no news. It is recorded when this returns, and survives a restart.
    ///
    /// # Errors
    /// The ledger can't take it, or too many wait for an answer.
    pub async fn raise_page(&self, raising: Raising) -> Result<(), ExecuteError> {
        tracing::warn!(title = raising.title, cause = raising.cause.words(), "somebody is called");
        self.execute(Command::RaisePage(Box::new(raising))).await.map(|_| ())
    }

    /// Somebody answers: nobody else is called.
    ///
    /// # Errors
    /// There is no such page, or the ledger can't take it.
    pub async fn acknowledge_page(&self, named: String, by: OperatorId) -> Result<PageAnswer, ExecuteError> {
        let before = self.execute(Command::AcknowledgePage { page: named.clone(), by }).await?;
        let state = self.state();
        let known = state.page(&named).ok_or(Refusal::Unknown { kind: "page", name: named.clone() })?;
        Ok(PageAnswer { unchanged: before.events.is_empty(), page: view(&state, known) })
    }

    /// Those that wait, the oldest first; with `all`, also those that were answered, the newest first.
    #[must_use]
    pub fn pages(&self, all: bool) -> Vec<PageView> {
        let state = self.state();
        if !all {
            return state.open_pages().into_iter().map(|known| view(&state, known)).collect();
        }
        let mut pages: Vec<_> = state.pages.values().collect();
        pages.sort_by_key(|known| std::cmp::Reverse((known.page.time, known.page.id)));
        pages.into_iter().take(LISTED_MAX).map(|known| view(&state, known)).collect()
    }

    /// Raises what incidents and their clocks ask for. What can't be recorded is tried again at the next look.
    pub async fn raise_due_pages(&self) {
        let (state, now) = (self.state(), self.clock().now());
        let failing = failing_arms(&state, &self.enforcer_standing());
        for mut raising in due(&state, now).into_iter().chain(failing) {
            if state.is_paged(&raising.cause) {
                continue;
            }
            if let Some(lines) = raising.vendor.and_then(|vendor| self.read_lately(&state, vendor.0, now)) {
                raising.text = lines + &raising.text;
            }
            if let Err(error) = self.raise_page(raising).await {
                tracing::error!(%error, "somebody should be called, and that can't be recorded");
            }
        }
    }

    /// What a vendor reads now.
    fn read_lately(&self, state: &State, vendor: uuid::Uuid, now: Timestamp) -> Option<String> {
        let (Kind::Vendor, name, resource) = state.by_id(vendor)? else { return None };
        let records = |window| self.metrics().vendor(state, name, resource, window, now).total.records;
        Some(format!(
            "Records in the last minute: {}; in the last hour: {}.\n",
            records(Window::Minute),
            records(Window::Hour)
        ))
    }
}

/// As it is shown.
fn view(state: &State, known: &KnownPage) -> PageView {
    let page = &known.page;
    PageView {
        id: page.id,
        code: page.code.clone(),
        cause: page.cause.clone(),
        vendor: vendor_name(state, page.vendor),
        title: page.title.clone(),
        text: page.text.clone(),
        time: page.time,
        acknowledged_at: known.acknowledged.as_ref().map(|answered| answered.time),
        acknowledged_by: known.acknowledged.as_ref().map(|answered| operator_name(state, answered.by)),
    }
}

/// What open incidents that aren't rehearsed ask for: those that people opened need no call, their clocks do.
fn due(state: &State, now: Timestamp) -> Vec<Raising> {
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
fn failing_arms(state: &State, enforcer: &EnforcerStanding) -> Vec<Raising> {
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
        "The drill of {} severed the canary, and not all of it was cut, or not in time:\n{failures}A real severance may fail the same way.\n\nNow:\n  portcullis findings\n  portcullis doctor\n",
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
    let cut = match incident.vendor {
        Some(id) => match state.severances_of(&Target::Vendor { id }).next() {
            Some(severance) => format!("Every path of the vendor is severed since {}.\n", severance.time),
            None => "Nothing is severed: the vendor's paths are open.\n".to_owned(),
        },
        None => String::new(),
    };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_asked_for_where_nothing_happens() {
        assert_eq!(due(&State::default(), Timestamp::UNIX_EPOCH), []);
    }
}
