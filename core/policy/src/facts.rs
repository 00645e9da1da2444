//! What a snapshot is compiled from: plain lists that can be sent to a gate in another process.

use portcullis_domain::ids::{ClientId, IntegrationId, RouteId, UpstreamId, VendorId};
use portcullis_domain::spec::{Impact, Limits, UpstreamProtocol, UpstreamTls};
use portcullis_domain::target::Target;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
