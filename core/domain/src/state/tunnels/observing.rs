//! Which observations of tunnels are worth a line in the ledger.

use jiff::{SignedDuration, Timestamp};

use super::TunnelStanding;
use crate::command::{Context, Refusal};
use crate::event::Event;
use crate::ids::{IntegrationId, TunnelId, VendorId};
use crate::spec::Kind;
use crate::state::State;
use crate::tunnel::{SeenTunnel, TunnelObservation};

/// A tunnel that goes up and down all the time is written down so often at the most.
const CHANGED_AGAIN: SignedDuration = SignedDuration::from_mins(5);
/// How often is written down what one has carried that stays up.
const STILL_UP: SignedDuration = SignedDuration::from_hours(24);

/// Whose a tunnel is.
type Whose = (TunnelId, Option<TunnelId>, VendorId, IntegrationId);

impl State {
    /// Those of `seen` that the ledger should know of at `now`.
    pub fn tunnels_due<'a>(
        &'a self,
        seen: &'a [SeenTunnel],
        now: Timestamp,
    ) -> impl Iterator<Item = &'a SeenTunnel> {
        seen.iter().filter(move |seen| self.is_due(seen, now))
    }

    /// Tunnels, and people's, that the ledger says are up.
    pub fn tunnels_up(&self) -> impl Iterator<Item = TunnelId> {
        self.tunnels.observed.iter().filter(|(_, last)| last.up).map(|(id, _)| *id)
    }

    fn is_due(&self, seen: &SeenTunnel, now: Timestamp) -> bool {
        let Some(last) = self.tunnels.observed.get(&seen.tunnel) else { return seen.up };
        let wait = match last.up != seen.up || seen.changes > 0 {
            true => CHANGED_AGAIN,
            false if seen.up => STILL_UP,
            false => return false,
        };
        now.duration_since(last.time) >= wait
    }

    pub(in crate::state) fn decide_observe_tunnels(
        &self,
        seen: &[SeenTunnel],
        context: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let due = self.tunnels_due(seen, context.now);
        let observed = due.filter_map(|seen| {
            let (tunnel, person, vendor, integration) = self.whose(seen.tunnel)?;
            Some(Event::TunnelObserved(TunnelObservation {
                tunnel,
                person,
                vendor,
                integration,
                up: seen.up,
                since: seen.since,
                changes: seen.changes,
                carried: seen.carried.clone(),
                time: context.now,
            }))
        });
        Ok(observed.collect())
    }

    /// Of one that is declared, or was when it was seen last.
    fn whose(&self, id: TunnelId) -> Option<Whose> {
        let of = |standing: &TunnelStanding<'_>, person| {
            (standing.id(), person, standing.vendor_id(), standing.integration_id())
        };
        let named = |id: TunnelId| {
            let (kind, name, _) = self.by_id(id.0)?;
            self.tunnel(name).filter(|_| kind == Kind::Tunnel)
        };
        if let Some(last) = self.tunnels.observed.get(&id) {
            return Some((last.tunnel, last.person, last.vendor, last.integration));
        }
        if let Some(standing) = named(id) {
            return Some(of(&standing, None));
        }
        let tunnel = self.tunnels.people.iter().find(|(_, people)| people.contains_key(&id))?.0;
        named(*tunnel).map(|standing| of(&standing, Some(id)))
    }

    pub(in crate::state) fn apply_tunnel_observed(&mut self, observed: &TunnelObservation) {
        let is_gone = self.by_id(observed.tunnel.0).is_none();
        if is_gone && !observed.up {
            // Nothing more is seen of it.
            self.tunnels.observed.remove(&observed.watched());
        } else {
            self.tunnels.observed.insert(observed.watched(), observed.clone());
        }
    }
}
