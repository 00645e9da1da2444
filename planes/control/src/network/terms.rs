//! When the network plan changes by itself: terms of contracts and grants, ends of credentials, and what the clock alone
//! makes of a vendor's access.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_assurance::days::{days, plus};
use portcullis_assurance::stops::outlook;
use portcullis_domain::access::Access;
use portcullis_domain::ids::VendorId;
use portcullis_domain::spec::{Kind, Spec};
use portcullis_domain::state::State;
use portcullis_domain::state::tunnels::TunnelStanding;

use crate::projection::grant_ends;

/// How far ahead vendors' access is looked at: after that the plan is made anew, whatever comes of it.
const HORIZON_DAYS: i64 = 1;

/// The first moment after `now` at which the plan of this state may be another one. Segments close by events alone.
#[must_use]
pub fn next_change(state: &State, now: Timestamp) -> Timestamp {
    let horizon = plus(now, days(HORIZON_DAYS));
    let mut vendors = BTreeMap::new();
    let moments = state.tunnel_standings().flat_map(|standing| {
        let vendor = standing.vendor_id();
        let turn = *vendors.entry(vendor).or_insert_with(|| access_turns(state, vendor, now, horizon));
        term(state, &standing)
            .into_iter()
            .chain(credentials_end(state, &standing))
            .chain(turn)
            .collect::<Vec<_>>()
    });
    moments.filter(|moment| *moment > now).fold(horizon, Timestamp::min)
}

/// When contract and grant begin and end.
fn term(state: &State, standing: &TunnelStanding<'_>) -> Vec<Timestamp> {
    let integration = standing.integration_spec;
    let contract = state.resource(Kind::Contract, &integration.contract);
    let Some(Spec::Contract(contract)) = contract.map(|found| &found.declaration.spec) else {
        return Vec::new();
    };
    let Ok((starts, ends)) = contract.term() else { return Vec::new() };
    let ends = Timestamp::from_microsecond(grant_ends(integration, contract, ends));
    [starts].into_iter().chain(ends.ok()).collect()
}

fn credentials_end(state: &State, standing: &TunnelStanding<'_>) -> Vec<Timestamp> {
    let own = state.tunnels.credentials.get(&standing.id());
    let people = state.people_of(standing.id()).filter_map(|person| person.credentials.as_ref());
    own.into_iter().chain(people).filter_map(|issued| issued.not_after).collect()
}

/// When a vendor begins or ceases to be held.
fn access_turns(state: &State, vendor: VendorId, now: Timestamp, horizon: Timestamp) -> Option<Timestamp> {
    let known = state.known(vendor)?;
    let stretches = outlook(&known.known(), now, horizon);
    let is_held = |access: Access| access >= Access::Held;
    let first = is_held(stretches.first()?.access);
    stretches.iter().find(|stretch| is_held(stretch.access) != first).map(|stretch| stretch.from)
}
