//! What happens to tunnels: credentials are issued, and people get in and are shut out again.

use std::net::IpAddr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::{IntegrationId, OperatorId, TunnelId, VendorId};
use crate::personal::Personal;

/// Credentials of a tunnel, or of one person's, were made anew: those before are void. It says which they are, and
/// never what they are.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TunnelCredentials {
    /// Names them where they are kept.
    pub id: Uuid,
    pub tunnel: TunnelId,
    /// None of the vendor's gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<TunnelId>,
    pub vendor: VendorId,
    pub integration: IntegrationId,
    /// Epochs in which they were issued: a severance or a restoration since makes them void.
    pub vendor_epoch: u64,
    pub integration_epoch: u64,
    pub fingerprints: Vec<Fingerprint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// None where the kill drill had them issued at its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<OperatorId>,
    /// The exercise that had them issued to the canary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Uuid>,
    pub time: Timestamp,
}

/// By which a secret or a key is known.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Fingerprint {
    pub of: CredentialPart,
    /// Lower-case hex: of a pre-shared key itself, of a key's public half (its SubjectPublicKeyInfo in a certificate).
    pub sha256: String,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialPart {
    PresharedKey,
    /// Of the certificate at our side.
    OurKey,
    /// Of the certificate at the vendor's side.
    TheirKey,
    /// Of our WireGuard interface.
    InterfaceKey,
}

impl CredentialPart {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PresharedKey => "preshared_key",
            Self::OurKey => "our_key",
            Self::TheirKey => "their_key",
            Self::InterfaceKey => "interface_key",
        }
    }
}

/// One of a vendor's people may come in through a tunnel, with a certificate and an address of their own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TunnelPerson {
    pub id: TunnelId,
    pub tunnel: TunnelId,
    pub name: Personal,
    /// Inside of the tunnel.
    pub address: IpAddr,
    pub by: OperatorId,
    pub time: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TunnelPersonRevocation {
    pub tunnel: TunnelId,
    pub person: TunnelId,
    pub by: OperatorId,
    pub reason: String,
    pub time: Timestamp,
}

/// A tunnel, or one person's, went up or down as far as was seen, or is still up a day later; and what it has carried.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TunnelObservation {
    pub tunnel: TunnelId,
    /// None of the vendor's gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<TunnelId>,
    pub vendor: VendorId,
    pub integration: IntegrationId,
    pub up: bool,
    /// When it was first seen so, which is up to ten seconds later than it was.
    pub since: Timestamp,
    /// How often it was seen to go up or down since it was written down last.
    pub changes: u32,
    /// None where nobody has counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried: Option<TunnelCarried>,
    pub time: Timestamp,
}

impl TunnelObservation {
    /// What was seen: the person's part, or the gateway's.
    #[must_use]
    pub fn watched(&self) -> TunnelId {
        self.person.unwrap_or(self.tunnel)
    }
}

/// Bytes since it was written down as down, as the kernel counts them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TunnelCarried {
    /// Out of the tunnel, to us.
    pub bytes_in: u64,
    pub bytes_out: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handshake: Option<Timestamp>,
}

/// A tunnel, or one person's, as it was seen before anybody has judged whether that is news.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeenTunnel {
    pub tunnel: TunnelId,
    pub up: bool,
    pub since: Timestamp,
    pub changes: u32,
    pub carried: Option<TunnelCarried>,
}
