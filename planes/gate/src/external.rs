//! Issuers and trust domains of vendors, prepared for verifying.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_domain::event::ExternalKeys as PublishedKeys;
use portcullis_domain::ids::{IssuerId, VendorId};
use portcullis_domain::spec::{AllowUnbound, ScopeClaim, TokenAlgorithm};
use portcullis_policy::facts::{IssuerFacts, MappedClaims, MappedWorkload, SnapshotFacts, TrustDomainFacts};
use portcullis_policy::liveness::{Freshness, Liveness};
use portcullis_tokens::external_token::ExternalKeys;
use portcullis_tokens::jwk::Jwk;
use portcullis_tokens::jws::Algorithm;
use rustls::pki_types::CertificateDer;

/// Who may vouch for clients beside ourselves.
#[derive(Debug, Default)]
pub struct Externals {
    /// By the `iss` of their tokens.
    issuers: HashMap<String, Arc<Issuer>>,
    trust_domains: HashMap<String, Arc<TrustDomain>>,
    /// Version of the snapshot: chains that were verified under another are verified anew.
    pub version: u64,
}

/// A vendor's own authorization server.
#[derive(Debug)]
pub struct Issuer {
    pub source: Source,
    pub issuer: String,
    pub algorithms: Vec<Algorithm>,
    /// None means our public origins.
    pub audiences: Vec<String>,
    pub token_types: Vec<String>,
    pub scope_claim: ScopeClaim,
    pub scopes: BTreeMap<String, String>,
    pub clients: Vec<MappedClaims>,
}

/// A vendor's SPIFFE trust domain.
#[derive(Debug)]
pub struct TrustDomain {
    pub source: Source,
    pub trust_domain: String,
    /// None means our public origins.
    pub audiences: Vec<String>,
    pub clients: Vec<MappedWorkload>,
}

/// What issuers and trust domains have in common.
#[derive(Debug)]
pub struct Source {
    pub id: IssuerId,
    pub vendor: VendorId,
    pub keys: Arc<PreparedKeys>,
    pub fresh: Arc<Freshness>,
    pub lifetime_seconds_max: i64,
    pub allow_unbound: bool,
}

impl Source {
    /// Whether there are keys, and they were fetched not too long ago.
    pub fn is_good(&self, now_seconds: i64) -> bool {
        (!self.keys.keys.is_empty() || !self.keys.roots.is_empty()) && self.fresh.is_good(now_seconds)
    }
}

/// The keys of one source.
#[derive(Debug, Default)]
pub struct PreparedKeys {
    pub keys: ExternalKeys,
    pub roots: Vec<Root>,
}

/// A root certificate of a trust domain.
#[derive(Debug)]
pub struct Root {
    pub der: CertificateDer<'static>,
    pub not_before: i64,
    pub not_after: i64,
}

/// Prepared keys with what they were made of: a snapshot changes those that have changed.
#[derive(Default)]
pub struct KnownKeys(HashMap<IssuerId, (PublishedKeys, Arc<PreparedKeys>)>);

impl Externals {
    pub fn new(facts: &SnapshotFacts, known: &mut KnownKeys, liveness: &Liveness) -> Self {
        let issuers = facts.issuers.iter().map(|issuer| issuer.id);
        let ids: Vec<IssuerId> = issuers.chain(facts.trust_domains.iter().map(|domain| domain.id)).collect();
        known.0.retain(|id, _| ids.contains(id));
        let issuer = |facts: &IssuerFacts| {
            let keys = known.prepare(facts.id, &facts.name, &facts.keys.keys);
            (facts.issuer.clone(), Arc::new(Issuer::new(facts, keys, liveness)))
        };
        let issuers = facts.issuers.iter().map(issuer).collect();
        let trust_domain = |facts: &TrustDomainFacts| {
            let keys = known.prepare(facts.id, &facts.name, &facts.keys.keys);
            (facts.trust_domain.clone(), Arc::new(TrustDomain::new(facts, keys, liveness)))
        };
        let trust_domains = facts.trust_domains.iter().map(trust_domain).collect();
        Self { issuers, trust_domains, version: facts.version }
    }

    /// By its name, without `spiffe://`.
    pub fn trust_domain(&self, name: &str) -> Option<&Arc<TrustDomain>> {
        self.trust_domains.get(name)
    }

    pub fn has_trust_domains(&self) -> bool {
        !self.trust_domains.is_empty()
    }

    pub fn issuer(&self, issuer: &str) -> Option<&Arc<Issuer>> {
        self.issuers.get(issuer)
    }
}

impl Issuer {
    fn new(facts: &IssuerFacts, keys: Arc<PreparedKeys>, liveness: &Liveness) -> Self {
        Self {
            source: Source {
                id: facts.id,
                vendor: facts.vendor,
                keys,
                fresh: liveness.freshness(facts.id),
                lifetime_seconds_max: i64::from(facts.lifetime_seconds_max),
                allow_unbound: facts.allow_unbound == AllowUnbound::LowImpact,
            },
            issuer: facts.issuer.clone(),
            algorithms: facts.algorithms.iter().map(|algorithm| algorithm_of(*algorithm)).collect(),
            audiences: facts.audiences.clone(),
            token_types: facts.token_types.clone(),
            scope_claim: facts.scope_claim,
            scopes: facts.scopes.clone(),
            clients: facts.clients.clone(),
        }
    }
}

impl TrustDomain {
    fn new(facts: &TrustDomainFacts, keys: Arc<PreparedKeys>, liveness: &Liveness) -> Self {
        Self {
            source: Source {
                id: facts.id,
                vendor: facts.vendor,
                keys,
                fresh: liveness.freshness(facts.id),
                lifetime_seconds_max: i64::from(facts.lifetime_seconds_max),
                allow_unbound: facts.allow_unbound == AllowUnbound::LowImpact,
            },
            trust_domain: facts.trust_domain.clone(),
            audiences: facts.audiences.clone(),
            clients: facts.clients.clone(),
        }
    }
}

impl KnownKeys {
    fn prepare(&mut self, id: IssuerId, name: &str, published: &PublishedKeys) -> Arc<PreparedKeys> {
        if let Some((made_of, prepared)) = self.0.get(&id)
            && made_of == published
        {
            return Arc::clone(prepared);
        }
        let prepared = Arc::new(prepare(name, published));
        self.0.insert(id, (published.clone(), Arc::clone(&prepared)));
        prepared
    }
}

/// A key that can't be read closes what it signed, and nothing else.
fn prepare(name: &str, published: &PublishedKeys) -> PreparedKeys {
    let mut keys = Vec::new();
    for jwk in &published.jwks {
        match Jwk::parse(&jwk.to_string()) {
            Ok(key) => keys.push(key),
            Err(error) => tracing::error!(issuer = name, %error, "a key of an issuer can't be used"),
        }
    }
    let mut roots = Vec::new();
    for root in &published.roots {
        match root_of(root) {
            Some(root) => roots.push(root),
            None => tracing::error!(issuer = name, "a root of a trust domain can't be used"),
        }
    }
    PreparedKeys { keys: ExternalKeys::new(&keys), roots }
}

fn root_of(text: &str) -> Option<Root> {
    let der = STANDARD.decode(text).ok()?;
    let (rest, certificate) = x509_parser::parse_x509_certificate(&der).ok()?;
    let validity = certificate.validity();
    let (not_before, not_after) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    rest.is_empty().then_some(())?;
    Some(Root { not_before, not_after, der: CertificateDer::from(der) })
}

fn algorithm_of(algorithm: TokenAlgorithm) -> Algorithm {
    match algorithm {
        TokenAlgorithm::ES256 => Algorithm::ES256,
        TokenAlgorithm::EdDSA => Algorithm::EdDSA,
        TokenAlgorithm::PS256 => Algorithm::PS256,
        TokenAlgorithm::RS256 => Algorithm::RS256,
    }
}
