//! The snapshot: compiled once, immutable, swapped whole. A decision sees one from start to end.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use portcullis_domain::ids::{ClientId, IntegrationId, RouteId, UpstreamId, VendorId};
use portcullis_domain::ja4_pattern::Ja4Pattern;
use portcullis_domain::spec::Limits;
use portcullis_domain::target::Target;
use portcullis_risk::{Grade, Known, Points};

use crate::access::AccessLine;
use crate::ceilings::Ceilings;
use crate::doors::{Door, Doors};
use crate::facts::{IntegrationFacts, JudgementFacts, RouteFacts, SnapshotFacts, UpstreamFacts};
use crate::liveness::{Lifeline, Liveness, RefusedNames};
use crate::meters::{Meter, Meters, RecordWindows};
use crate::outside::OutsideCell;
use crate::policies::{RiskRules, Subject, in_force};
use crate::posture::PostureCell;
use crate::risks::{PeersCell, RiskCell, Risks};
use crate::tunnels::Tunnels;

/// What the gate decides by.
#[derive(Debug)]
pub struct Snapshot {
    pub version: u64,
    pub issuer: String,
    pub public_origins: Vec<String>,
    clients: HashMap<ClientId, Arc<Client>>,
    routes: HashMap<RouteId, Arc<Route>>,
    upstreams: HashMap<UpstreamId, Arc<UpstreamFacts>>,
    paths: matchit::Router<PathEntry>,
    pub tunnels: Tunnels,
    pub doors: Doors,
}

/// A client with all that a decision about it needs.
#[derive(Debug)]
pub struct Client {
    pub id: ClientId,
    pub name: String,
    pub integration: Arc<Integration>,
    pub lifeline: Lifeline,
    pub meter: Arc<Meter>,
    windows: RecordWindows,
    /// In the ledger's order.
    pub judgements: Vec<JudgementFacts>,
    /// What is held of its machine.
    pub posture: Arc<PostureCell>,
    /// Those that it is declared to have; none where nothing is declared.
    pub ja4: Vec<Ja4Pattern>,
    /// What its narrowed contexts share.
    pub narrow: Arc<Meter>,
    pub risk: Arc<RiskCell>,
    pub peers: Arc<PeersCell>,
}

#[derive(Debug)]
pub struct Integration {
    pub id: IntegrationId,
    pub name: String,
    pub vendor: VendorId,
    pub vendor_name: String,
    pub scopes: BTreeSet<String>,
    pub routes: HashSet<RouteId>,
    pub limits: Limits,
    /// What its vendor may have, by the clock.
    pub access: Arc<AccessLine>,
    /// Tenths of its own records and of its vendor's, made where they are needed.
    tenths: OnceLock<Arc<[Arc<Meter>; 2]>>,
    vendor_records_max: u64,
    pub ceilings: Ceilings,
    /// Where it is served alone.
    pub door: Door,
    /// What its vendor was assessed as, in points.
    pub vendor_risk: Known<Points>,
    /// What is dropped of its vendor's networks.
    pub outside: Arc<OutsideCell>,
    /// Of each granted route.
    risk: HashMap<RouteId, RiskRules>,
}

impl Client {
    /// What its records are reserved in: a tenth of everything while its vendor is limited.
    #[must_use]
    pub fn windows(&self, limited: bool, meters: &Meters) -> RecordWindows {
        if limited { self.limit(&self.windows, meters) } else { self.windows.clone() }
    }

    /// The same windows with the tenths beside them.
    #[must_use]
    pub fn limit(&self, windows: &RecordWindows, meters: &Meters) -> RecordWindows {
        let integration = &self.integration;
        let tenths = integration.tenths.get_or_init(|| {
            Arc::new([
                meters.narrow(integration.id.0, integration.limits.records.per_integration),
                meters.narrow(integration.vendor.0, integration.vendor_records_max),
            ])
        });
        let (narrow, limited) = (Some(Arc::clone(&self.narrow)), Some(Arc::clone(tenths)));
        RecordWindows { narrow, limited, ..windows.clone() }
    }
}

#[derive(Debug)]
pub struct Route {
    pub facts: RouteFacts,
    pub upstream: Arc<UpstreamFacts>,
    /// Of its random id, for hashes that must be the same at every gate and after every start.
    pub seed: u64,
}

/// The routes that share one path template, by method.
#[derive(Default, Debug)]
struct PathEntry {
    by_method: HashMap<String, Arc<Route>>,
    /// Value of the `Allow` header.
    allow: String,
}

/// Where a request goes.
#[derive(Clone, Debug)]
pub enum Found {
    Route(Arc<Route>),
    /// The path is known, the method isn't; with the methods that are.
    OtherMethods(String),
    Nothing,
}

#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    #[error("route `{route}` needs upstream `{upstream}`, which the snapshot lacks")]
    Upstream { route: String, upstream: UpstreamId },
    #[error("route `{route}` can't be told from another: {reason}")]
    Path { route: String, reason: String },
    #[error("integration `{integration}` belongs to a vendor that the snapshot lacks")]
    Vendor { integration: String },
    #[error("client `{client}` belongs to an integration that the snapshot lacks")]
    Integration { client: String },
}

impl Snapshot {
    /// Compiles `facts`, and brings liveness and meters up to them.
    ///
    /// # Errors
    /// The facts don't fit together; the snapshot in use should stay.
    pub fn compile(
        facts: SnapshotFacts,
        liveness: &Liveness,
        meters: &Meters,
        risks: &Risks,
        now_seconds: i64,
    ) -> Result<Self, CompileError> {
        let upstreams: HashMap<_, _> =
            facts.upstreams.iter().map(|upstream| (upstream.id, Arc::new(upstream.clone()))).collect();
        let (routes, paths) = compile_routes(&facts.routes, &upstreams)?;
        let clients = compile_clients(&facts, &routes, (liveness, meters, risks))?;
        // Only now, when nothing can fail any more, does liveness change.
        update_liveness(&facts, liveness, now_seconds);
        for vendor in &facts.vendors {
            risks.outside(vendor.id).take_over(&vendor.outside);
        }
        Ok(Self {
            tunnels: Tunnels::of(&facts.tunnels),
            doors: Doors::of(&facts.integrations, &facts.public_origins),
            version: facts.version,
            issuer: facts.issuer,
            public_origins: facts.public_origins,
            clients,
            routes,
            upstreams,
            paths,
        })
    }

    #[must_use]
    pub fn client(&self, id: ClientId) -> Option<&Arc<Client>> {
        self.clients.get(&id)
    }

    /// What clients may take for the gate's origin at a door.
    #[must_use]
    pub fn origins_at(&self, door: Door) -> &[String] {
        door.and_then(|port| self.doors.origins(port)).unwrap_or(&self.public_origins)
    }

    /// What the policies say for exchanges of `integration` on `route`.
    #[must_use]
    pub fn rules(&self, integration: &Integration, route: &Route) -> RiskRules {
        let granted = integration.risk.get(&route.facts.id).copied();
        granted.unwrap_or_else(|| RiskRules::of_impact(route.facts.impact))
    }

    #[must_use]
    pub fn route(&self, id: RouteId) -> Option<&Arc<Route>> {
        self.routes.get(&id)
    }

    pub fn clients(&self) -> impl Iterator<Item = &Arc<Client>> {
        self.clients.values()
    }

    pub fn upstreams(&self) -> impl Iterator<Item = &Arc<UpstreamFacts>> {
        self.upstreams.values()
    }

    /// `path` must be canonical: the caller has refused what isn't.
    #[must_use]
    pub fn find(&self, method: &str, path: &str) -> Found {
        let Ok(matched) = self.paths.at(path) else { return Found::Nothing };
        match matched.value.by_method.get(method) {
            Some(route) => Found::Route(Arc::clone(route)),
            None => Found::OtherMethods(matched.value.allow.clone()),
        }
    }
}

type Routes = (HashMap<RouteId, Arc<Route>>, matchit::Router<PathEntry>);

fn compile_routes(
    facts: &[RouteFacts],
    upstreams: &HashMap<UpstreamId, Arc<UpstreamFacts>>,
) -> Result<Routes, CompileError> {
    let mut routes = HashMap::new();
    let mut by_path: HashMap<&str, PathEntry> = HashMap::new();
    for route in facts {
        let upstream = upstreams
            .get(&route.upstream)
            .ok_or_else(|| CompileError::Upstream { route: route.name.clone(), upstream: route.upstream })?;
        let compiled = Arc::new(Route {
            facts: route.clone(),
            upstream: Arc::clone(upstream),
            seed: route.id.0.as_u64_pair().1,
        });
        routes.insert(route.id, Arc::clone(&compiled));
        let entry = by_path.entry(&route.path).or_default();
        for method in &route.methods {
            entry.by_method.insert(method.clone(), Arc::clone(&compiled));
        }
    }
    let mut paths = matchit::Router::new();
    for (path, mut entry) in by_path {
        let mut methods: Vec<&str> = entry.by_method.keys().map(String::as_str).collect();
        methods.sort_unstable();
        entry.allow = methods.join(", ");
        let name = entry.by_method.values().next().map_or_else(String::new, |route| route.facts.name.clone());
        paths
            .insert(path, entry)
            .map_err(|error| CompileError::Path { route: name, reason: error.to_string() })?;
    }
    Ok((routes, paths))
}

fn compile_clients(
    facts: &SnapshotFacts,
    routes: &HashMap<RouteId, Arc<Route>>,
    (liveness, meters, risks): (&Liveness, &Meters, &Risks),
) -> Result<HashMap<ClientId, Arc<Client>>, CompileError> {
    let vendors: HashMap<_, _> = facts
        .vendors
        .iter()
        .map(|vendor| (vendor.id, (vendor, Arc::new(AccessLine::of(&vendor.access)))))
        .collect();
    let mut judgements: HashMap<ClientId, Vec<JudgementFacts>> = HashMap::new();
    for judgement in &facts.judgements {
        judgements.entry(judgement.client).or_default().push(*judgement);
    }
    let mut integrations = HashMap::new();
    for integration in &facts.integrations {
        let (vendor, line) = vendors
            .get(&integration.vendor)
            .ok_or_else(|| CompileError::Vendor { integration: integration.name.clone() })?;
        let compiled = Arc::new(Integration {
            id: integration.id,
            name: integration.name.clone(),
            vendor: vendor.id,
            vendor_name: vendor.name.clone(),
            scopes: integration.scopes.iter().cloned().collect(),
            routes: integration.routes.iter().copied().collect(),
            limits: integration.limits.clone(),
            access: Arc::clone(line),
            tenths: OnceLock::new(),
            vendor_records_max: vendor.records_max,
            ceilings: Ceilings::of(&integration.ceilings),
            door: integration.door,
            vendor_risk: Grade::prior(vendor.risk),
            outside: risks.outside(vendor.id),
            risk: compile_rules(facts, integration, routes),
        });
        let records = &integration.limits.records;
        let of_integration = meters.meter(integration.id.0, records.per_integration);
        let of_vendor = meters.meter(vendor.id.0, vendor.records_max);
        let day = integration.ceilings.records_per_day.map(|limit| meters.days.meter(integration.id, limit));
        integrations.insert(integration.id, (compiled, of_integration, of_vendor, day));
    }
    let compile = |client: &crate::facts::ClientFacts| {
        let (integration, of_integration, of_vendor, day) = integrations
            .get(&client.integration)
            .ok_or_else(|| CompileError::Integration { client: client.name.clone() })?;
        let meter = meters.meter(client.id.0, integration.limits.records.per_client);
        let narrow = meters.narrow(client.id.0, integration.limits.records.per_client);
        Ok((
            client.id,
            Arc::new(Client {
                id: client.id,
                name: client.name.clone(),
                integration: Arc::clone(integration),
                lifeline: Lifeline {
                    vendor: liveness.cell(integration.vendor.0),
                    integration: liveness.cell(integration.id.0),
                    client: liveness.cell(client.id.0),
                },
                windows: RecordWindows {
                    client: Arc::clone(&meter),
                    integration: Arc::clone(of_integration),
                    vendor: Arc::clone(of_vendor),
                    narrow: None,
                    limited: None,
                    day: day.clone(),
                },
                meter,
                judgements: judgements.get(&client.id).cloned().unwrap_or_default(),
                posture: liveness.posture(client.id),
                // Control takes no other patterns; one that can't be read fits nothing.
                ja4: client.ja4.iter().filter_map(|pattern| pattern.parse().ok()).collect(),
                narrow,
                risk: risks.cell(client.id),
                peers: risks.peers(integration.vendor),
            }),
        ))
    };
    facts.clients.iter().map(compile).collect()
}

fn compile_rules(
    facts: &SnapshotFacts,
    integration: &IntegrationFacts,
    routes: &HashMap<RouteId, Arc<Route>>,
) -> HashMap<RouteId, RiskRules> {
    let rules = |id: &RouteId| {
        let impact = routes.get(id)?.facts.impact;
        let (vendor, integration) = (integration.vendor, integration.id);
        let subject = Subject { vendor, integration, route: *id, impact };
        Some((*id, in_force(&facts.policies, subject).compiled(impact)))
    };
    integration.routes.iter().filter_map(rules).collect()
}

fn update_liveness(facts: &SnapshotFacts, liveness: &Liveness, now_seconds: i64) {
    let severed: HashMap<_, _> =
        facts.severed.iter().map(|severed| (severed_id(&severed.target), severed.epoch)).collect();
    // Before the epochs: what these reopen must not let older tokens of other issuers in.
    for (id, seconds) in &facts.cut_offs {
        liveness.cell(*id).cut_off(*seconds);
    }
    let issuers = facts.issuers.iter().map(|issuer| (issuer.id, &issuer.keys));
    let domains = facts.trust_domains.iter().map(|domain| (domain.id, &domain.keys));
    for (id, keys) in issuers.chain(domains) {
        liveness.freshness(id).take_over(keys.good_until_seconds);
    }
    let mut present = HashSet::new();
    let mut take = |id: uuid::Uuid, epoch: u64| {
        present.insert(id);
        liveness.cell(id).raise(epoch, severed.contains_key(&Some(id)));
    };
    for vendor in &facts.vendors {
        take(vendor.id.0, vendor.epoch);
        liveness.cell(vendor.id.0).set_access(Arc::new(AccessLine::of(&vendor.access)));
    }
    for client in &facts.clients {
        take(client.id.0, client.epoch);
        liveness.cell(client.id.0).set_by_subject(client.by_subject);
        liveness.posture(client.id).take_over(&client.posture);
    }
    liveness.set_keys(&facts.clients);
    liveness.set_mappings(facts);
    for integration in &facts.integrations {
        take(integration.id.0, integration.epoch);
        liveness.cell(integration.id.0).set_term(
            integration.starts_us,
            integration.contract_ends_us,
            integration.grant_ends_us,
        );
    }
    liveness.keep_only(&present);
    let refused = RefusedNames {
        keys: facts.refused_keys.iter().cloned().collect(),
        sessions: facts.refused_sessions.iter().cloned().collect(),
        tokens: facts.revoked_tokens.iter().cloned().collect(),
        lifted: facts.lifted.iter().cloned().collect(),
    };
    liveness.replace(facts.version, refused, now_seconds);
}

fn severed_id(target: &Target) -> Option<uuid::Uuid> {
    match target {
        Target::Vendor { id } => Some(id.0),
        Target::Integration { id } => Some(id.0),
        Target::Client { id } => Some(id.0),
        Target::Key { .. } | Target::Session { .. } => None,
    }
}
