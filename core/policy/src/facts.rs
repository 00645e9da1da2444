//! What a snapshot is compiled from: plain lists that can be sent to a gate in another process.

use std::collections::BTreeMap;

use ipnet::IpNet;
use portcullis_domain::decision::DecisionId;
use portcullis_domain::event::ExternalKeys;
use portcullis_domain::ids::{ClientId, IntegrationId, IssuerId, RouteId, TunnelId, UpstreamId, VendorId};
use portcullis_domain::spec::{
    AllowUnbound, Impact, Limits, ScopeClaim, TokenAlgorithm, UnboundTokens, UpstreamProtocol, UpstreamTls,
};
use portcullis_domain::target::Target;
use portcullis_risk::{Context, Grade, Judgement};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::access::{AccessFrom, line_or_level};
use crate::ceilings::CeilingFacts;
use crate::doors::Door;
use crate::outside::OutsideFacts;
use crate::policies::PolicyFacts;
use crate::posture::PostureFacts;

/// Everything that the gate needs, as of one size of the ledger.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct SnapshotFacts {
    /// Size of the ledger that it was made from; later ones replace earlier ones.
    pub version: u64,
    pub issuer: String,
    /// Origins (`https://host:port`) that clients may name in `htu` and `resource`.
    pub public_origins: Vec<String>,
    /// Public keys that access tokens are signed with.
    pub signing_keys: Vec<SigningKeyFacts>,
    pub vendors: Vec<VendorFacts>,
    pub integrations: Vec<IntegrationFacts>,
    pub clients: Vec<ClientFacts>,
    pub routes: Vec<RouteFacts>,
    pub upstreams: Vec<UpstreamFacts>,
    /// Open severances of vendors, integrations and clients.
    pub severed: Vec<SeveredFacts>,
    pub refused_keys: Vec<String>,
    pub refused_sessions: Vec<String>,
    /// Token id and expiry in seconds since the Unix epoch.
    pub revoked_tokens: Vec<(String, i64)>,
    /// Restored keys and sessions, with the ledger's size after that.
    pub lifted: Vec<(String, u64)>,
    /// Vendors, integrations and clients whose tokens from elsewhere are dead if they were issued
    /// until this second of the Unix epoch, and including it.
    #[serde(default)]
    pub cut_offs: Vec<(Uuid, i64)>,
    #[serde(default)]
    pub issuers: Vec<IssuerFacts>,
    #[serde(default)]
    pub trust_domains: Vec<TrustDomainFacts>,
    #[serde(default)]
    pub policies: Vec<PolicyFacts>,
    /// The newest of each client, in the ledger's order.
    #[serde(default)]
    pub judgements: Vec<JudgementFacts>,
    /// All that are declared, closed ones too: their networks stay one vendor's.
    #[serde(default)]
    pub tunnels: Vec<TunnelFacts>,
}

/// A vendor's tunnel, as it is known by where a connection comes from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TunnelFacts {
    pub id: TunnelId,
    pub vendor: VendorId,
    /// Behind it at the vendor's side; no part of them is another tunnel's.
    pub networks: Vec<IpNet>,
}

/// An analyst's word on a decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JudgementFacts {
    /// Its place in the ledger: a gate applies each once, and in this order.
    pub sequence: u64,
    pub client: ClientId,
    pub decision: DecisionId,
    pub context: Context,
    pub judgement: Judgement,
    /// It takes the earlier word on this decision back.
    pub undo: bool,
    /// Microseconds since the Unix epoch.
    pub at_us: i64,
}

/// A vendor's own authorization server.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct IssuerFacts {
    pub id: IssuerId,
    pub name: String,
    pub vendor: VendorId,
    /// The `iss` of its tokens.
    pub issuer: String,
    pub keys: FetchedKeys,
    pub algorithms: Vec<TokenAlgorithm>,
    pub audiences: Vec<String>,
    pub token_types: Vec<String>,
    pub scope_claim: ScopeClaim,
    pub scopes: BTreeMap<String, String>,
    pub clients: Vec<MappedClaims>,
    pub lifetime_seconds_max: u32,
    pub allow_unbound: AllowUnbound,
}

/// A vendor's SPIFFE trust domain.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TrustDomainFacts {
    pub id: IssuerId,
    pub name: String,
    pub vendor: VendorId,
    pub trust_domain: String,
    pub keys: FetchedKeys,
    pub audiences: Vec<String>,
    pub clients: Vec<MappedWorkload>,
    pub lifetime_seconds_max: u32,
    pub allow_unbound: AllowUnbound,
}

/// Keys from outside, and until when they may be used.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct FetchedKeys {
    pub keys: ExternalKeys,
    /// The first second in which they are stale, unless a later message says otherwise; `i64::MAX` for
    /// keys of a manifest.
    pub good_until_seconds: i64,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MappedClaims {
    pub client: ClientId,
    pub claims: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MappedWorkload {
    pub client: ClientId,
    pub spiffe_id: String,
    /// Without any, those of its integration.
    pub scopes: Vec<String>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SigningKeyFacts {
    pub kid: String,
    pub jwk: Value,
    /// From when on nothing under it is valid, in seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_from: Option<i64>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct VendorFacts {
    pub id: VendorId,
    pub name: String,
    pub epoch: u64,
    /// Records in any ten seconds over all its integrations.
    pub records_max: u64,
    /// What it may have, in the order of time; everything without a word.
    #[serde(default, deserialize_with = "line_or_level")]
    pub access: Vec<AccessFrom>,
    /// What it was assessed as.
    #[serde(default)]
    pub risk: Option<Grade>,
    /// What is dropped of its networks.
    #[serde(default)]
    pub outside: OutsideFacts,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct IntegrationFacts {
    pub id: IntegrationId,
    pub vendor: VendorId,
    pub name: String,
    pub epoch: u64,
    pub scopes: Vec<String>,
    pub routes: Vec<RouteId>,
    pub limits: Limits,
    /// `[starts, contract_ends)`, and `grant_ends` if earlier, in microseconds since the Unix epoch.
    pub starts_us: i64,
    pub contract_ends_us: i64,
    pub grant_ends_us: i64,
    #[serde(default)]
    pub ceilings: CeilingFacts,
    /// Where it is served alone, and nobody else is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Door,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ClientFacts {
    pub id: ClientId,
    pub integration: IntegrationId,
    pub name: String,
    pub epoch: u64,
    /// What it may prove itself by, and could until lately.
    pub keys: Vec<ClientKeyFacts>,
    /// Certificates that aren't among them are trusted through an authority.
    pub by_subject: bool,
    /// What is held of its machine.
    #[serde(default)]
    pub posture: PostureFacts,
    /// Patterns of JA4 fingerprints that its TLS client is declared to have.
    #[serde(default)]
    pub ja4: Vec<String>,
}

/// One key of a client. Times are microseconds since the Unix epoch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClientKeyFacts {
    pub thumbprint: String,
    /// The first moment in which it is refused.
    pub until_us: i64,
    /// It ends by its age.
    pub lapses: bool,
    /// From when on answers say so.
    pub warn_from_us: i64,
    /// When it was registered, if that is known.
    #[serde(default)]
    pub registered_us: Option<i64>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RouteFacts {
    pub id: RouteId,
    pub name: String,
    pub upstream: UpstreamId,
    pub methods: Vec<String>,
    pub path: String,
    pub scope: String,
    pub impact: Impact,
    pub metered: bool,
    pub records: Option<String>,
    pub page_max: Option<u64>,
    pub record_bytes: Option<u64>,
    pub websocket: bool,
    #[serde(default)]
    pub unbound: UnboundTokens,
    pub timeout_seconds: u32,
    pub request_bytes_max: u64,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct UpstreamFacts {
    pub id: UpstreamId,
    pub name: String,
    pub url: String,
    pub tls: Option<UpstreamTls>,
    pub protocol: UpstreamProtocol,
    pub connect_seconds: u32,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SeveredFacts {
    pub target: Target,
    pub epoch: u64,
}
