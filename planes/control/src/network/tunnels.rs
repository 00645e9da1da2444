//! Tunnels of the network plan: what each is, whether it may be up, and what it proves itself by.

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use portcullis_domain::access::Access;
use portcullis_domain::ids::TunnelId;
use portcullis_domain::spec::{IntegrationSpec, Kind, Spec, TunnelAuthentication};
use portcullis_domain::state::State;
use portcullis_domain::state::tunnels::{Person, TunnelStanding};
use portcullis_domain::target::Target;
use portcullis_domain::tunnel::TunnelCredentials;
use portcullis_network::plan::{Authentication, ClosedBy, Ipsec, Link, Owner, Standing, Tunnel, Wireguard};
use portcullis_network::secret::Secret;
use portcullis_network::swanctl::connection_name;

use crate::process::TunnelVault;
use crate::projection::grant_ends;
use crate::tunnels::kept::Kept;

/// Every tunnel that is declared, and every person's, closed ones too. What can't be read from the vault is closed.
#[must_use]
pub fn tunnels(state: &State, vault: Option<&dyn TunnelVault>, now: Timestamp) -> Vec<Tunnel> {
    let mut tunnels = Vec::new();
    for standing in state.tunnel_standings() {
        if standing.spec.is_for_people() {
            let people = state.people_of(standing.id());
            tunnels.extend(people.filter_map(|person| of_person(state, &standing, person, vault, now)));
        } else {
            tunnels.extend(of_gateway(state, &standing, vault, now));
        }
    }
    tunnels
}

/// The tunnel of a vendor's gateway.
#[must_use]
pub fn of_gateway(
    state: &State,
    standing: &TunnelStanding<'_>,
    vault: Option<&dyn TunnelVault>,
    now: Timestamp,
) -> Option<Tunnel> {
    let credentials = state.tunnels.credentials.get(&standing.id());
    make(state, standing, None, (credentials, kept(credentials, vault)), now)
}

/// The tunnel of one of a vendor's people.
#[must_use]
pub fn of_person(
    state: &State,
    standing: &TunnelStanding<'_>,
    person: &Person,
    vault: Option<&dyn TunnelVault>,
    now: Timestamp,
) -> Option<Tunnel> {
    let credentials = person.credentials.as_ref();
    make(state, standing, Some(person), (credentials, kept(credentials, vault)), now)
}

/// What a person calls themselves towards charon: no name of theirs, which could be erased nowhere.
#[must_use]
pub fn person_identity(person: TunnelId, local_identity: &str) -> String {
    let host = local_identity.rsplit_once('@').map_or(local_identity, |(_, host)| host);
    format!("p-{}.{host}", person.0.simple())
}

/// Why the tunnels of an integration are closed, apart from their credentials.
#[must_use]
pub fn closed_by(state: &State, standing: &TunnelStanding<'_>, now: Timestamp) -> Option<ClosedBy> {
    let targets =
        [Target::Vendor { id: standing.vendor_id() }, Target::Integration { id: standing.integration_id() }];
    if let Some(severance) = targets.iter().find_map(|target| state.severances_of(target).next()) {
        return Some(ClosedBy::Severance { severance: severance.id });
    }
    if !is_in_force(state, standing.integration_spec, now) {
        return Some(ClosedBy::Contract);
    }
    (state.access(standing.vendor_id(), now).level >= Access::Held).then_some(ClosedBy::Access)
}

fn is_in_force(state: &State, integration: &IntegrationSpec, now: Timestamp) -> bool {
    let contract = state.resource(Kind::Contract, &integration.contract);
    let Some(Spec::Contract(contract)) = contract.map(|found| &found.declaration.spec) else { return false };
    let Ok((starts, ends)) = contract.term() else { return false };
    starts <= now && now.as_microsecond() < grant_ends(integration, contract, ends)
}

fn kept(credentials: Option<&TunnelCredentials>, vault: Option<&dyn TunnelVault>) -> Option<Kept> {
    let id = credentials?.id;
    match vault?.get(id) {
        Ok(bytes) => Kept::read(&bytes?),
        Err(problem) => {
            tracing::error!(problem = %problem.detail, %id, "credentials of a tunnel can't be read: it stays closed");
            None
        }
    }
}

fn make(
    state: &State,
    standing: &TunnelStanding<'_>,
    person: Option<&Person>,
    (credentials, kept): (Option<&TunnelCredentials>, Option<Kept>),
    now: Timestamp,
) -> Option<Tunnel> {
    let spec = standing.spec;
    let name = match person {
        None => standing.name.to_owned(),
        Some(person) => format!("{}/{}", standing.name, short(person.added.id)),
    };
    let holds = credentials.is_some_and(|issued| state.credentials_hold(issued, now));
    let kept = kept.filter(|_| holds);
    let link = if let Some(ipsec) = &spec.ipsec {
        let peer_identity = match person {
            Some(person) => person_identity(person.added.id, &ipsec.local_identity),
            None => ipsec.peer_identity.clone()?,
        };
        let authentication = kept.and_then(|kept| authentication(ipsec.authentication, kept));
        Link::Ipsec(Box::new(Ipsec {
            connection: connection_name(&name, &fingerprint(standing, person, credentials)),
            local_address: ipsec.local(),
            peer_address: ipsec.peer_address.as_ref().and_then(|text| text.parse().ok()),
            local_identity: ipsec.local_identity.clone(),
            peer_identity,
            ike_proposals: ipsec.ike_proposals.clone(),
            esp_proposals: ipsec.esp_proposals.clone(),
            encapsulate: ipsec.encapsulate,
            authentication,
            virtual_address: person.map(|person| person.added.address),
        }))
    } else {
        let wireguard = spec.wireguard.as_ref()?;
        let (preshared, private) = match kept {
            Some(kept) => (kept.preshared_key, kept.interface_key),
            None => (None, None),
        };
        Link::Wireguard(Box::new(Wireguard {
            interface: wireguard.interface.clone(),
            // Without credentials of now nobody is let in by the key alone.
            peer_public_key: preshared.as_ref().map(|_| wireguard.peer_public_key.clone()),
            preshared_key: preshared.map(Secret::new),
            endpoint: wireguard.endpoint(),
            keepalive_seconds: wireguard.keepalive_seconds,
            private_key: private.map(Secret::new),
            listen_port: Some(wireguard.listen_port),
        }))
    };
    let has_credentials = match &link {
        Link::Ipsec(ipsec) => ipsec.authentication.is_some(),
        Link::Wireguard(wireguard) => wireguard.peer_public_key.is_some(),
    };
    let closed = closed_by(state, standing, now).or((!has_credentials).then_some(ClosedBy::Credentials));
    Some(Tunnel {
        id: person.map_or_else(|| standing.id(), |person| person.added.id),
        name,
        owner: Owner {
            vendor: standing.vendor_id(),
            vendor_name: standing.vendor.declaration.name.clone(),
            integration: standing.integration_id(),
            integration_name: standing.integration.declaration.name.clone(),
        },
        link,
        local_networks: spec.local(),
        remote_networks: match person {
            Some(person) => vec![person.added.address.into()],
            None => spec.remote(),
        },
        standing: closed.map_or(Standing::Open, |why| Standing::Closed { why }),
    })
}

fn authentication(by: TunnelAuthentication, kept: Kept) -> Option<Authentication> {
    match by {
        TunnelAuthentication::Psk => {
            Some(Authentication::PresharedKey { key: Secret::new(kept.preshared_key?) })
        }
        TunnelAuthentication::Certificate => Some(Authentication::Certificate {
            certificate: kept.our_chain?,
            private_key: Secret::new(kept.our_key?),
            peer_certificate: kept.their_chain?,
            authority: kept.authority?,
        }),
    }
}

/// The first digits of an id, enough for people.
#[must_use]
pub fn short(id: TunnelId) -> String {
    id.0.simple().to_string().chars().take(8).collect()
}

/// Of everything that the two sides and charon must agree on: another one is another connection.
fn fingerprint(
    standing: &TunnelStanding<'_>,
    person: Option<&Person>,
    credentials: Option<&TunnelCredentials>,
) -> String {
    let person = person.map(|person| (person.added.id, person.added.address));
    let all = (standing.id(), person, credentials.map(|issued| issued.id), standing.spec);
    let bytes = serde_json::to_vec(&all).unwrap_or_default();
    digest(&SHA256, &bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
