//! Issuers and trust domains as the gate needs them.

use jiff::{Timestamp, ToSpan};
use portcullis_domain::event::ExternalKeys;
use portcullis_domain::ids::{ClientId, IssuerId, VendorId};
use portcullis_domain::spec::{KeysFrom, Kind, Spec};
use portcullis_domain::state::{Resource, State};
use portcullis_policy::facts::{FetchedKeys, IssuerFacts, MappedClaims, MappedWorkload, TrustDomainFacts};
use portcullis_tokens::external_keys::Form;
use uuid::Uuid;

use crate::issuers::read::read;

/// When the keys of an issuer were fetched last, since the start.
type Fetched<'a> = &'a dyn Fn(Uuid) -> Option<Timestamp>;

pub fn issuers(state: &State, fetched: Fetched<'_>) -> Vec<IssuerFacts> {
    state.of_kind(Kind::Issuer).filter_map(|(name, found)| issuer(state, name, found, fetched)).collect()
}

pub fn trust_domains(state: &State, fetched: Fetched<'_>) -> Vec<TrustDomainFacts> {
    let found = state.of_kind(Kind::TrustDomain);
    found.filter_map(|(name, found)| trust_domain(state, name, found, fetched)).collect()
}

fn issuer(state: &State, name: &str, resource: &Resource, fetched: Fetched<'_>) -> Option<IssuerFacts> {
    let Spec::Issuer(spec) = &resource.declaration.spec else { return None };
    let clients = spec.clients.iter().filter_map(|mapping| {
        Some(MappedClaims { client: client(state, &mapping.client)?, claims: mapping.claims.clone() })
    });
    Some(IssuerFacts {
        id: IssuerId(resource.id),
        name: name.to_owned(),
        vendor: VendorId(state.resource(Kind::Vendor, &spec.vendor)?.id),
        issuer: spec.issuer.clone(),
        keys: keys(state, resource.id, &spec.source(), spec.stale_seconds, fetched),
        algorithms: spec.algorithms.clone(),
        audiences: spec.audiences.clone(),
        token_types: spec.token_types.clone(),
        scope_claim: spec.scope_claim,
        scopes: spec.scopes.clone(),
        clients: clients.collect(),
        lifetime_seconds_max: spec.lifetime_seconds_max,
        allow_unbound: spec.allow_unbound,
    })
}

fn trust_domain(
    state: &State,
    name: &str,
    resource: &Resource,
    fetched: Fetched<'_>,
) -> Option<TrustDomainFacts> {
    let Spec::TrustDomain(spec) = &resource.declaration.spec else { return None };
    let clients = spec.clients.iter().filter_map(|mapping| {
        Some(MappedWorkload {
            client: client(state, &mapping.client)?,
            spiffe_id: mapping.spiffe_id.clone(),
            scopes: mapping.scopes.clone(),
        })
    });
    Some(TrustDomainFacts {
        id: IssuerId(resource.id),
        name: name.to_owned(),
        vendor: VendorId(state.resource(Kind::Vendor, &spec.vendor)?.id),
        trust_domain: spec.trust_domain.clone(),
        keys: keys(state, resource.id, &spec.source()?, spec.stale_seconds, fetched),
        audiences: spec.audiences.clone(),
        clients: clients.collect(),
        lifetime_seconds_max: spec.lifetime_seconds_max,
        allow_unbound: spec.allow_unbound,
    })
}

/// The keys of an issuer or a trust domain, and until when they are good.
pub fn of_resource(state: &State, resource: &Resource, fetched: Fetched<'_>) -> Option<FetchedKeys> {
    match &resource.declaration.spec {
        Spec::Issuer(spec) => Some(keys(state, resource.id, &spec.source(), spec.stale_seconds, fetched)),
        Spec::TrustDomain(spec) => {
            Some(keys(state, resource.id, &spec.source()?, spec.stale_seconds, fetched))
        }
        _ => None,
    }
}

fn client(state: &State, name: &str) -> Option<ClientId> {
    state.resource(Kind::Client, name).map(|found| ClientId(found.id))
}

/// Keys of a manifest are good as long as they are declared; those that were fetched, as long as the
/// issuer could be asked not too long ago.
fn keys(
    state: &State,
    id: Uuid,
    source: &KeysFrom<'_>,
    stale_seconds: u32,
    fetched: Fetched<'_>,
) -> FetchedKeys {
    match source {
        KeysFrom::Declared(declared) => {
            FetchedKeys { keys: declared_keys(state, id, declared), good_until_seconds: i64::MAX }
        }
        KeysFrom::At(_) | KeysFrom::Discovered(_) => {
            let Some(known) = state.issuer_keys.get(&id) else { return FetchedKeys::default() };
            let last = fetched(id).map_or(known.since, |last| last.max(known.since));
            FetchedKeys { keys: known.keys.clone(), good_until_seconds: good_until(last, stale_seconds) }
        }
    }
}

/// The first second in which keys that were fetched at `last` are stale.
pub fn good_until(last: Timestamp, stale_seconds: u32) -> i64 {
    let until = last.checked_add(i64::from(stale_seconds).seconds());
    until.map_or(i64::MIN, Timestamp::as_second)
}

/// `apply` has read them; what can't be read after all opens nothing.
fn declared_keys(state: &State, id: Uuid, declared: &serde_json::Value) -> ExternalKeys {
    let form = match state.by_id(id) {
        Some((Kind::TrustDomain, _, _)) => Form::Bundle,
        _ => Form::KeySet,
    };
    read(declared.to_string().as_bytes(), form, None).map(|read| read.keys).unwrap_or_default()
}
