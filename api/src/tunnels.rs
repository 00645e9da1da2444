//! Tunnels: how they stand, their credentials, their people, and the files of both sides.

use std::net::IpAddr;

use jiff::Timestamp;
use portcullis_domain::tunnel::Fingerprint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct TunnelsView {
    pub tunnels: Vec<TunnelView>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TunnelView {
    pub name: String,
    #[schemars(with = "String")]
    pub id: String,
    pub vendor: String,
    pub integration: String,
    /// `ipsec` or `wireguard`.
    pub kind: String,
    /// Whether the plan has it open; that it is up is in `measured`.
    pub open: bool,
    /// Why it is closed: `severance`, `contract`, `access` or `credentials`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_by: Option<String>,
    /// In words, with the next step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    pub local_networks: Vec<String>,
    pub remote_networks: Vec<String>,
    /// Of its gateway; none of a tunnel for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<TunnelCredentialsView>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<TunnelPersonView>,
    /// None while nobody has measured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<TunnelMeasured>,
}

/// Which credentials there are, and never what they are.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TunnelCredentialsView {
    pub id: String,
    pub fingerprints: Vec<Fingerprint>,
    #[schemars(with = "String")]
    pub issued_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub not_after: Option<Timestamp>,
    /// Whether a severance or a restoration came after them, or their time is over.
    pub void: bool,
    /// Whether the vendor's secrets were shown already: they are shown once.
    pub shown: bool,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TunnelPersonView {
    pub id: String,
    pub name: String,
    /// Inside of the tunnel.
    #[schemars(with = "String")]
    pub address: IpAddr,
    pub open: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<TunnelCredentialsView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub revoked_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<TunnelMeasured>,
}

/// What flows, since the association was made or the peer was set.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct TunnelMeasured {
    pub up: bool,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Seconds since the last handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handshake_age_seconds: Option<u64>,
    /// Address and port that the peer speaks from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// Machines that are connected with the same credentials.
    pub associations: u32,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TunnelCredentialsRequest {
    /// The vendor's PKCS#10 request as PEM, of which the key alone counts; without one its key is made here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// How long certificates are good, 1 to 397; `keys.certificate_days` of the settings without a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TunnelPersonRequest {
    /// Of the person, as others call them.
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TunnelPersonRevokeRequest {
    /// Id or name.
    pub person: String,
    pub reason: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TunnelRenderRequest {
    /// Id or name, of a tunnel for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// With the secrets of both sides: once for each credentials.
    #[serde(default)]
    pub with_secrets: bool,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TunnelRenderAnswer {
    pub files: Vec<TunnelFile>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TunnelFile {
    /// `ours` or `vendor`.
    pub side: String,
    /// Below a folder of your choice.
    pub path: String,
    pub text: String,
    /// Whether it holds a key.
    pub secret: bool,
}
