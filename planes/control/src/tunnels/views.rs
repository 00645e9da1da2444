//! How tunnels stand, for operators.

use jiff::Timestamp;
use portcullis_api::tunnels::{TunnelCredentialsView, TunnelMeasured, TunnelPersonView, TunnelView};
use portcullis_domain::ids::TunnelId;
use portcullis_domain::state::State;
use portcullis_domain::state::tunnels::{Person, TunnelStanding};
use portcullis_domain::tunnel::TunnelCredentials;
use portcullis_network::order::Measures;
use portcullis_network::plan::{ClosedBy, Standing, Tunnel};

use super::read;
use crate::network::tunnels::{closed_by, of_gateway, of_person};
use crate::process::TunnelVault;

pub(super) fn view(
    state: &State,
    standing: &TunnelStanding<'_>,
    vault: Option<&dyn TunnelVault>,
    measures: &Measures,
    now: Timestamp,
) -> TunnelView {
    let spec = standing.spec;
    let texts = |networks: &[String]| networks.to_vec();
    let is_for_people = spec.is_for_people();
    let closed = match of_gateway(state, standing, vault, now) {
        Some(tunnel) if !is_for_people => closed_of(&tunnel),
        // Each person is open or closed by the own credentials.
        _ => closed_by(state, standing, now),
    };
    let all = state.tunnels.people.get(&standing.id());
    let people = all.into_iter().flat_map(|people| people.values());
    let people = people.map(|person| person_view(state, standing, person, vault, measures, now)).collect();
    TunnelView {
        name: standing.name.to_owned(),
        id: standing.id().to_string(),
        vendor: standing.vendor.declaration.name.clone(),
        integration: standing.integration.declaration.name.clone(),
        kind: if spec.wireguard.is_some() { "wireguard" } else { "ipsec" }.to_owned(),
        open: closed.is_none(),
        closed_by: closed.map(|why| word(why).to_owned()),
        why: closed.map(|why| sentence(why, standing)),
        local_networks: texts(&spec.local_networks),
        remote_networks: texts(&spec.remote_networks),
        credentials: state
            .tunnels
            .credentials
            .get(&standing.id())
            .map(|issued| credentials(state, issued, vault, now)),
        people,
        measured: measured(measures, standing.id()),
    }
}

fn person_view(
    state: &State,
    standing: &TunnelStanding<'_>,
    person: &Person,
    vault: Option<&dyn TunnelVault>,
    measures: &Measures,
    now: Timestamp,
) -> TunnelPersonView {
    let tunnel = of_person(state, standing, person, vault, now);
    let open = person.revoked.is_none() && tunnel.is_some_and(|tunnel| tunnel.standing.is_open());
    TunnelPersonView {
        id: person.added.id.to_string(),
        name: person.added.name.text().to_owned(),
        address: person.added.address,
        open,
        credentials: person.credentials.as_ref().map(|issued| credentials(state, issued, vault, now)),
        revoked_at: person.revoked.as_ref().map(|revocation| revocation.time),
        measured: measured(measures, person.added.id),
    }
}

fn credentials(
    state: &State,
    issued: &TunnelCredentials,
    vault: Option<&dyn TunnelVault>,
    now: Timestamp,
) -> TunnelCredentialsView {
    TunnelCredentialsView {
        id: issued.id.to_string(),
        fingerprints: issued.fingerprints.clone(),
        issued_at: issued.time,
        not_after: issued.not_after,
        void: !state.credentials_hold(issued, now),
        shown: vault.and_then(|vault| read(vault, issued)).is_some_and(|kept| kept.shown),
    }
}

pub(crate) fn measured(measures: &Measures, id: TunnelId) -> Option<TunnelMeasured> {
    let found = measures.tunnels.iter().find(|measure| measure.tunnel == id)?;
    Some(TunnelMeasured {
        up: found.up,
        bytes_in: found.bytes_in,
        bytes_out: found.bytes_out,
        handshake_age_seconds: found.handshake_age_seconds,
        peer: found.peer.clone(),
        associations: found.associations,
    })
}

fn closed_of(tunnel: &Tunnel) -> Option<ClosedBy> {
    match tunnel.standing {
        Standing::Open => None,
        Standing::Closed { why } => Some(why),
    }
}

fn word(why: ClosedBy) -> &'static str {
    match why {
        ClosedBy::Severance { .. } => "severance",
        ClosedBy::Contract => "contract",
        ClosedBy::Access => "access",
        ClosedBy::Credentials => "credentials",
    }
}

fn sentence(why: ClosedBy, standing: &TunnelStanding<'_>) -> String {
    let (name, vendor) = (standing.name, &standing.vendor.declaration.name);
    match why {
        ClosedBy::Severance { severance } => {
            format!(
                "severed, by severance {severance}; two people restore it, and it needs other credentials then"
            )
        }
        ClosedBy::Contract => "no contract or grant is in force now".to_owned(),
        ClosedBy::Access => {
            format!("the vendor is held or blocked; `portcullis describe vendor {vendor}` says what it needs")
        }
        ClosedBy::Credentials => format!(
            "no credentials were issued since it was declared, severed or restored, or their time is over; `portcullis tunnel credentials {name}` issues them"
        ),
    }
}
