//! From what is known to what the gate needs.

pub mod access;
pub mod issuers;
pub mod policies;

use std::num::NonZeroU16;

use jiff::Timestamp;
use portcullis_domain::ids::{ClientId, IntegrationId, RouteId, UpstreamId, VendorId};
use portcullis_domain::spec::integration::VENDOR_RECORDS_MAX;
use portcullis_domain::spec::{Ceilings, ContractSpec, IntegrationSpec, Kind, Spec};
use portcullis_domain::state::{Resource, State};
use portcullis_domain::target::Target;
use portcullis_policy::access::AccessFrom;
use portcullis_policy::ceilings::CeilingFacts;
use portcullis_policy::facts::{
    ClientFacts, ClientKeyFacts, IntegrationFacts, RouteFacts, SeveredFacts, SigningKeyFacts, SnapshotFacts,
    TunnelFacts, UpstreamFacts, VendorFacts,
};
use portcullis_policy::outside::OutsideFacts;
use portcullis_policy::posture::PostureFacts;
use uuid::Uuid;

use self::access::AccessLines;

/// The snapshot of `state`. Tokens that have expired at `now` need no revocation any more.
/// `fetched` says when the keys of an issuer were fetched last.
#[must_use]
pub fn facts(
    state: &State,
    issuer: &str,
    public_origins: &[String],
    (fetched, lines): (&dyn Fn(Uuid) -> Option<Timestamp>, &AccessLines),
    now: Timestamp,
) -> SnapshotFacts {
    let papers = state.papers(None);
    let access = |name: &str, found: &Resource| lines.line(state, &papers, (name, found), now);
    let vendors: Vec<VendorFacts> = state
        .of_kind(Kind::Vendor)
        .filter_map(|(name, found)| vendor(state, name, found, access(name, found)))
        .collect();
    lines.keep_only(vendors.iter().map(|vendor| vendor.id));
    let integrations: Vec<_> = state
        .of_kind(Kind::Integration)
        .filter_map(|(name, found)| integration(state, name, found))
        .collect();
    SnapshotFacts {
        version: state.size,
        issuer: issuer.to_owned(),
        public_origins: public_origins.to_vec(),
        signing_keys: state
            .signing_keys
            .iter()
            .map(|key| SigningKeyFacts {
                kid: key.kid.clone(),
                jwk: key.jwk.clone(),
                refused_from: key.refused_from().map(|from| from.as_second()),
            })
            .collect(),
        vendors,
        clients: state.of_kind(Kind::Client).filter_map(|(name, found)| client(state, name, found)).collect(),
        routes: state.of_kind(Kind::Route).filter_map(|(name, found)| route(state, name, found)).collect(),
        upstreams: state.of_kind(Kind::Upstream).filter_map(|(name, found)| upstream(name, found)).collect(),
        integrations,
        severed: severed(state),
        refused_keys: refused_keys(state),
        refused_sessions: refused_sessions(state),
        revoked_tokens: state
            .revoked_tokens
            .iter()
            .filter(|(_, expires_at)| **expires_at > now)
            .map(|(id, expires_at)| (id.clone(), expiry_seconds(*expires_at)))
            .collect(),
        lifted: state.lifted.iter().map(|(name, size)| (name.clone(), *size)).collect(),
        cut_offs: state.cut_offs.iter().map(|(id, time)| (*id, expiry_seconds(*time))).collect(),
        issuers: issuers::issuers(state, fetched),
        trust_domains: issuers::trust_domains(state, fetched),
        policies: policies::policies(state),
        judgements: policies::judgements(state),
        tunnels: state
            .tunnel_standings()
            .map(|standing| TunnelFacts {
                id: standing.id(),
                vendor: standing.vendor_id(),
                networks: standing.spec.remote(),
            })
            .collect(),
    }
}

/// A token's expiry in seconds since the Unix epoch, rounded up.
#[must_use]
pub fn expiry_seconds(expires_at: Timestamp) -> i64 {
    expires_at.as_second().saturating_add(i64::from(expires_at.subsec_nanosecond() > 0))
}

fn vendor(state: &State, name: &str, resource: &Resource, access: Vec<AccessFrom>) -> Option<VendorFacts> {
    let Spec::Vendor(spec) = &resource.declaration.spec else { return None };
    Some(VendorFacts {
        id: VendorId(resource.id),
        name: name.to_owned(),
        epoch: state.epoch(resource.id),
        records_max: spec.records_max.unwrap_or(VENDOR_RECORDS_MAX),
        access,
        risk: spec.risk,
        outside: OutsideFacts::default(),
    })
}

/// `None` where a part is missing, which `apply` and `delete` rule out: then nothing of it may pass.
fn integration(state: &State, name: &str, resource: &Resource) -> Option<IntegrationFacts> {
    let Spec::Integration(spec) = &resource.declaration.spec else { return None };
    let Spec::Contract(contract) = &state.resource(Kind::Contract, &spec.contract)?.declaration.spec else {
        return None;
    };
    let (starts, contract_ends) = contract.term().ok()?;
    Some(IntegrationFacts {
        id: IntegrationId(resource.id),
        vendor: VendorId(state.resource(Kind::Vendor, &contract.vendor)?.id),
        name: name.to_owned(),
        epoch: state.epoch(resource.id),
        scopes: spec.scopes.clone(),
        routes: spec.routes.iter().filter_map(|route| Some(RouteId(state.route(route)?.0.id))).collect(),
        limits: spec.limits.clone(),
        starts_us: starts.as_microsecond(),
        contract_ends_us: contract_ends.as_microsecond(),
        grant_ends_us: grant_ends(spec, contract, contract_ends),
        ceilings: ceilings(state, &spec.ceilings, contract),
        door: spec.door.and_then(NonZeroU16::new),
    })
}

/// Of the integration, and of what its contract says that can be held here.
fn ceilings(state: &State, ceilings: &Ceilings, contract: &ContractSpec) -> CeilingFacts {
    let route = |name: &String| Some(RouteId(state.route(name)?.0.id));
    CeilingFacts {
        records_per_day: ceilings.records_per_day,
        routes: ceilings.routes.as_ref().map(|routes| routes.iter().filter_map(route).collect()),
        countries: common(clause_countries(contract).chain(&ceilings.countries)),
        clause_countries: common(clause_countries(contract)),
        networks: ceilings.networks.clone(),
        tls13: contract.clauses.iter().any(|clause| clause.tls_min.as_deref() == Some("1.3")),
    }
}

fn clause_countries(contract: &ContractSpec) -> impl Iterator<Item = &Vec<String>> {
    contract.clauses.iter().filter_map(|clause| clause.countries.as_ref())
}

/// Those that everybody who names countries names.
fn common<'a>(mut lists: impl Iterator<Item = &'a Vec<String>>) -> Option<Vec<String>> {
    let first = lists.next()?.clone();
    Some(lists.fold(first, |both, list| both.into_iter().filter(|code| list.contains(code)).collect()))
}

/// In the contract's zone, and never after the contract.
pub(crate) fn grant_ends(spec: &IntegrationSpec, contract: &ContractSpec, contract_ends: Timestamp) -> i64 {
    let Some(ends) = spec.ends else { return contract_ends.as_microsecond() };
    let ends = portcullis_domain::moment::zone(&contract.time_zone).and_then(|zone| ends.end_in(&zone));
    // An end that can't be computed is over already.
    ends.map_or(i64::MIN, |ends| ends.min(contract_ends).as_microsecond())
}

fn client(state: &State, name: &str, resource: &Resource) -> Option<ClientFacts> {
    let standing = state.standing(name)?;
    Some(ClientFacts {
        id: ClientId(resource.id),
        integration: standing.integration_id(),
        name: name.to_owned(),
        epoch: state.epoch(resource.id),
        keys: state
            .key_terms(&standing)
            .filter(|(_, term)| term.until > Timestamp::MIN)
            .map(|(key, term)| ClientKeyFacts {
                thumbprint: key.thumbprint.clone(),
                until_us: term.until.as_microsecond(),
                lapses: term.lapses,
                warn_from_us: term.warn_from.as_microsecond(),
                registered_us: Some(key.registered_at.as_microsecond()).filter(|registered| *registered > 0),
            })
            .collect(),
        by_subject: standing.client_spec.subject.is_some(),
        posture: PostureFacts::default(),
        ja4: standing.client_spec.tls.ja4.clone(),
    })
}

fn route(state: &State, name: &str, resource: &Resource) -> Option<RouteFacts> {
    let Spec::Route(spec) = &resource.declaration.spec else { return None };
    Some(RouteFacts {
        id: RouteId(resource.id),
        name: name.to_owned(),
        upstream: UpstreamId(state.upstream(&spec.upstream)?.0.id),
        methods: spec.methods.clone(),
        path: spec.path.clone(),
        scope: spec.scope.clone(),
        impact: spec.impact,
        metered: spec.metered,
        records: spec.records.clone(),
        page_max: spec.page_max,
        record_bytes: spec.record_bytes,
        websocket: spec.websocket,
        unbound: spec.unbound,
        timeout_seconds: spec.timeout_seconds,
        request_bytes_max: spec.request_bytes_max,
    })
}

fn upstream(name: &str, resource: &Resource) -> Option<UpstreamFacts> {
    let Spec::Upstream(spec) = &resource.declaration.spec else { return None };
    Some(UpstreamFacts {
        id: UpstreamId(resource.id),
        name: name.to_owned(),
        url: spec.url.clone(),
        tls: spec.tls.clone(),
        protocol: spec.protocol,
        connect_seconds: spec.connect_seconds,
    })
}

fn severed(state: &State) -> Vec<SeveredFacts> {
    let open = state.severances.values();
    open.filter(|severance| {
        matches!(severance.target, Target::Vendor { .. } | Target::Integration { .. } | Target::Client { .. })
    })
    .map(|severance| SeveredFacts { target: severance.target.clone(), epoch: severance.epoch })
    .collect()
}

/// Those of clients, and withdrawn ones of ours: an exchange hangs on both.
fn refused_keys(state: &State) -> Vec<String> {
    let former = state.former_signing_keys.iter();
    let withdrawn = former.filter(|(_, key)| key.withdrawn).map(|(kid, _)| kid);
    state.refused_keys.keys().chain(withdrawn).cloned().collect()
}

fn refused_sessions(state: &State) -> Vec<String> {
    let targets = state.severances.values().map(|severance| &severance.target);
    targets
        .filter_map(|target| match target {
            Target::Session { session, .. } => Some(session.clone()),
            _ => None,
        })
        .collect()
}
