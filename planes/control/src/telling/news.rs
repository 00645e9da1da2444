//! What a vendor may know of a severance or a restoration: its own names, the times, and a cause without our reasons.

use portcullis_domain::event::Cause;
use portcullis_domain::ids::{IncidentId, SeveranceId};
use portcullis_domain::spec::Kind;
use portcullis_domain::state::State;
use portcullis_domain::state::telling::{Matter, Telling};
use portcullis_domain::target::Target;
use portcullis_incident::telling::{News, Scope, What, Why};

use crate::restoring::tunnels_under;
use crate::severing::clients_under;

/// What was opened meanwhile is told as that, and not as closed.
pub(super) fn is_news(state: &State, telling: &Telling) -> bool {
    match &telling.matter {
        Matter::Severed { severance } => state.severances.contains_key(severance),
        Matter::Restored { .. } => true,
    }
}

/// None where it is no news any more.
pub(super) fn of(state: &State, telling: &Telling) -> Option<News> {
    let at = telling.time;
    match &telling.matter {
        Matter::Severed { severance } => {
            let known = state.severances.get(severance)?;
            let incident = incident_of(state, &[*severance]);
            let what = what(state, telling, false);
            Some(News::Closed { severance: *severance, what, why: why(&known.cause), at, incident })
        }
        Matter::Restored { restoration, severances, closed_at, keys_again } => Some(News::Opened {
            restoration: *restoration,
            what: what(state, telling, true),
            closed_at: *closed_at,
            at,
            keys_again: *keys_again,
            incident: incident_of(state, severances),
        }),
    }
}

fn why(cause: &Cause) -> Why {
    match cause {
        // The reason is ours.
        Cause::Operator { tell, .. } => Why::Operator(tell.clone()),
        Cause::RecordLimit { .. } => Why::RecordLimit,
        // Which evidence it was would teach a thief.
        Cause::Risk { .. } => Why::Risk,
        Cause::Revoked { .. } => Why::Revoked,
        Cause::KeyTheft { .. } => Why::KeyTheft,
        Cause::GateMemory { .. } => Why::Remembered,
        // Nobody outside is told of these at all.
        Cause::Exercise { .. } => Why::Operator(None),
    }
}

fn what(state: &State, telling: &Telling, opened: bool) -> What {
    let target = &telling.target;
    let standing = || state.standing_of(portcullis_domain::ids::ClientId(target.id()));
    let integrations = match target {
        Target::Vendor { id } => {
            let names = state.of_kind(Kind::Integration).map(|(name, _)| name);
            let own = |name: &&str| state.vendor_of_integration(name).is_some_and(|vendor| vendor.id == id.0);
            names.filter(own).map(str::to_owned).collect()
        }
        Target::Integration { id } => {
            state.by_id(id.0).map(|(_, name, _)| name.to_owned()).into_iter().collect()
        }
        Target::Client { .. } | Target::Key { .. } | Target::Session { .. } => {
            standing().map(|standing| standing.integration.declaration.name.clone()).into_iter().collect()
        }
    };
    let vendor = Target::Vendor { id: telling.vendor };
    let is_severed = |target: &Target| state.severances_of(target).next().is_some();
    let around = standing().is_some_and(|standing| {
        let client = Target::Client { id: standing.client_id() };
        let integration = Target::Integration { id: standing.integration_id() };
        is_severed(&integration) || client != *target && is_severed(&client)
    });
    What {
        scope: match target {
            Target::Vendor { .. } => Scope::Vendor,
            Target::Integration { .. } => Scope::Integration,
            Target::Client { .. } => Scope::Client,
            Target::Key { .. } => Scope::Key,
            Target::Session { .. } => Scope::Session,
        },
        integrations,
        clients: clients_under(state, target).into_iter().map(|(_, name)| name).collect(),
        key: match target {
            Target::Key { thumbprint, .. } => Some(thumbprint.clone()),
            _ => None,
        },
        tunnels: !tunnels_under(state, target).is_empty(),
        all_closed: vendor != *target && is_severed(&vendor) || opened && around,
    }
}

fn incident_of(state: &State, severances: &[SeveranceId]) -> Option<IncidentId> {
    let real = state.incidents.values().filter(|incident| incident.exercise.is_none());
    let mut about =
        real.filter(|incident| severances.iter().any(|severance| incident.severances.contains(severance)));
    about.next().map(|incident| incident.id)
}
