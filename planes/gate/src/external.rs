//! Issuers and trust domains of vendors, prepared for verifying.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use portcullis_domain::event::ExternalKeys as PublishedKeys;
use portcullis_domain::ids::{IssuerId, VendorId};
use portcullis_domain::spec::{AllowUnbound, ScopeClaim, TokenAlgorithm};
use portcullis_policy::facts::{IssuerFacts, MappedClaims, SnapshotFacts};
use portcullis_policy::liveness::{Freshness, Liveness};
use portcullis_tokens::external_token::ExternalKeys;
use portcullis_tokens::jwk::Jwk;
use portcullis_tokens::jws::Algorithm;

/// Who may vouch for clients beside ourselves.
#[derive(Debug, Default)]
pub struct Externals {
    /// By the `iss` of their tokens.
    issuers: HashMap<String, Arc<Issuer>>,
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
        !self.keys.keys.is_empty() && self.fresh.is_good(now_seconds)
    }
}

/// The keys of one source.
#[derive(Debug, Default)]
pub struct PreparedKeys {
    pub keys: ExternalKeys,
}

/// Prepared keys with what they were made of: a snapshot changes those that have changed.
#[derive(Default)]
pub struct KnownKeys(HashMap<IssuerId, (PublishedKeys, Arc<PreparedKeys>)>);

impl Externals {
    pub fn new(facts: &SnapshotFacts, known: &mut KnownKeys, liveness: &Liveness) -> Self {
        let ids: Vec<IssuerId> = facts.issuers.iter().map(|issuer| issuer.id).collect();
        known.0.retain(|id, _| ids.contains(id));
        let issuer = |facts: &IssuerFacts| {
            let keys = known.prepare(facts.id, &facts.name, &facts.keys.keys);
            (facts.issuer.clone(), Arc::new(Issuer::new(facts, keys, liveness)))
        };
        Self { issuers: facts.issuers.iter().map(issuer).collect() }
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
    PreparedKeys { keys: ExternalKeys::new(&keys) }
}

fn algorithm_of(algorithm: TokenAlgorithm) -> Algorithm {
    match algorithm {
        TokenAlgorithm::ES256 => Algorithm::ES256,
        TokenAlgorithm::EdDSA => Algorithm::EdDSA,
        TokenAlgorithm::PS256 => Algorithm::PS256,
        TokenAlgorithm::RS256 => Algorithm::RS256,
    }
}
