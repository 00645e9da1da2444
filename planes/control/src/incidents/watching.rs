//! The task that opens incidents by itself, and says once when a clock is nearly over or missed: as changes of the incident,
//! so that a restart says nothing twice, and whoever follows the ledger is told.

use jiff::{SignedDuration, Timestamp};
use portcullis_domain::command::{Command, IncidentChanges, NewIncident};
use portcullis_domain::event::{Cause, Severance};
use portcullis_domain::ids::{ClientId, VendorId};
use portcullis_domain::state::State;
use portcullis_domain::target::Target;
use portcullis_incident::change::{Change, ClockName, Origin};
use portcullis_incident::moment::MomentName;
use portcullis_incident::{Incident, Severity};

use super::view::vendor_name;
use crate::control::Control;

/// How often it is looked what time alone has changed.
const BY_TIME: SignedDuration = SignedDuration::from_secs(15);
/// Severances that are older belong to times before there were incidents.
const SEVERED_LATELY: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A drift that was looked into isn't opened again for so long.
const DRIFT_AGAIN: SignedDuration = SignedDuration::from_hours(30 * 24);
const REASON_MAX: usize = 500;
const WARNED: &str = "nearly over: ";

impl Control {
    /// Opens what severances and drift ask for, and looks at the clocks, until control is gone.
    pub fn keep_incidents(&self) {
        self.keep_looking(BY_TIME, |control| async move { control.look_at_incidents().await });
    }

    /// One look. What can't be recorded is tried again at the next.
    pub(crate) async fn look_at_incidents(&self) {
        let (state, now) = (self.state(), self.clock().now());
        let drifting = self.drifting();
        for new in severed(self, &state, now).into_iter().chain(drifted(self, &state, &drifting, now)) {
            if let Err(error) = self.open_incident(new).await {
                tracing::warn!(%error, "an incident can't be opened");
            }
        }
        let zone = self.regimes().zone();
        for (incident, changes) in to_say(&self.state(), now) {
            let said = IncidentChanges { incident, changes, by: None, version: None, zone: zone.clone() };
            if let Err(error) = self.execute(Command::ChangeIncident(Box::new(said))).await {
                tracing::warn!(%incident, %error, "what a clock says can't be recorded");
            }
        }
    }
}

/// An operator's severances of vendors and integrations that no incident knows.
fn severed(control: &Control, state: &State, now: Timestamp) -> Vec<NewIncident> {
    let lately = |severance: &&Severance| now.duration_since(severance.time) <= SEVERED_LATELY;
    let unknown = |severance: &&Severance| {
        state.incidents.values().all(|incident| !incident.severances.contains(&severance.id))
    };
    let severances = state.severances.values().filter(lately).filter(unknown);
    severances
        .filter_map(|severance| {
            let Cause::Operator { reason, .. } = &severance.cause else { return None };
            let vendor = vendor_of(state, &severance.target)?;
            let origin = Origin::Severance { severance: severance.id, at: Some(severance.time) };
            let title = format!("{} was severed", state.name_of(&severance.target));
            let new = control.new_incident(vendor_name(state, Some(vendor)), title, origin);
            let why = format!("severed: {}", reason.chars().take(REASON_MAX).collect::<String>());
            let moments = vec![(MomentName::we_aware(), severance.time, why)];
            Some(NewIncident { moments, exercise: exercise_of(state, vendor), ..new })
        })
        .collect()
}

/// What happens to a canary isn't real. What exercises sever by themselves opens nothing: their cause is another.
fn exercise_of(state: &State, vendor: VendorId) -> Option<String> {
    state.is_canarys(&Target::Vendor { id: vendor }).then(|| "canary".to_owned())
}

/// An alarm is no knowledge of a breach: no clock of the law counts from it, until somebody has looked.
fn drifted(control: &Control, state: &State, drifting: &[ClientId], now: Timestamp) -> Vec<NewIncident> {
    let known = |client: ClientId| {
        state.incidents.values().any(|incident| {
            let same = incident.origin == Origin::Drift { client };
            let lately = |incident: &Incident| match &incident.closed {
                Some(closing) => now.duration_since(closing.at) <= DRIFT_AGAIN,
                None => true,
            };
            same && lately(incident)
        })
    };
    let new = drifting.iter().copied().filter(|client| !known(*client));
    new.filter_map(|client| {
        let standing = state.standing_of(client)?;
        let name = &standing.client.declaration.name;
        let title = format!("client `{name}` takes more and more records, day by day");
        let vendor = vendor_name(state, Some(standing.vendor_id()));
        let new = control.new_incident(vendor, title, Origin::Drift { client });
        Some(NewIncident { severity: Severity::Medium, ..new })
    })
    .collect()
}

fn vendor_of(state: &State, target: &Target) -> Option<VendorId> {
    match target {
        Target::Vendor { id } => Some(*id),
        Target::Integration { id } => {
            let (_, name, _) = state.by_id(id.0)?;
            state.vendor_of_integration(name).map(|vendor| VendorId(vendor.id))
        }
        // Of a client, a key or a session: they are cut by day and by night, and most of it is nothing.
        _ => None,
    }
}

/// What the clocks say now that they haven't said.
pub(crate) fn to_say(
    state: &State,
    now: Timestamp,
) -> Vec<(portcullis_domain::ids::IncidentId, Vec<Change>)> {
    let open = state.incidents.values().filter(|incident| incident.is_open());
    open.filter_map(|incident| {
        let changes: Vec<Change> = incident
            .clocks
            .iter()
            .filter_map(|(name, clock)| {
                if clock.is_missed_in_silence(now) {
                    return Some(Change::ClockMissed { clock: name.clone(), due: clock.due });
                }
                let what = warning(name);
                let first = clock.is_nearly_over(now) && !incident.told.contains(&what);
                first.then_some(Change::Told { what })
            })
            .collect();
        (!changes.is_empty()).then_some((incident.id, changes))
    })
    .collect()
}

/// How it is recorded that people were told of a clock.
fn warning(clock: &ClockName) -> String {
    format!("{WARNED}{clock}")
}

/// The clock that a record of it is about.
pub(crate) fn warned_of(what: &str) -> Option<ClockName> {
    what.strip_prefix(WARNED)?.parse().ok()
}
