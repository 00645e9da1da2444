//! The messages between gate and control: plain data, so that they travel in memory in
//! `portcullis up` and over mutual TLS where the planes run apart.

use std::fmt;
use std::num::NonZeroU16;

use portcullis_domain::decision::DecisionId;
use portcullis_domain::ids::{ClientId, IntegrationId, IssuerId, SeveranceId, VendorId};
use portcullis_domain::reason::Reason;
use portcullis_domain::target::Target;
use serde::{Deserialize, Serialize};

use crate::doors::Door;
use crate::facts::SnapshotFacts;
use crate::outside::OutsideFacts;
use crate::posture::{Attested, PostureFacts};
use crate::tunnels::Through;

mod batch;
mod risk;

pub use batch::{LogBatch, LogEntry};
pub use risk::{Page, RiskStanding};

/// From control to a gate.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
pub enum ToGate {
    Snapshot(Box<SnapshotFacts>),
    Sever(SeverOrder),
    /// One token is dead. Every core confirms, as with a severance, and nothing is cut.
    RevokeToken {
        order: u64,
        token_id: String,
        expires_at: i64,
    },
    /// Tokens of an older epoch are dead. Likewise.
    SignOut {
        order: u64,
        target: Target,
        epoch: u64,
        /// The last second whose tokens from elsewhere are dead.
        cut_off_seconds: i64,
    },
    RelayAnswer(RelayAnswer),
    /// The keys of an issuer or a trust domain were fetched, and are good until this second of the
    /// Unix epoch.
    IssuerFresh {
        issuer: IssuerId,
        good_until_seconds: i64,
    },
    /// What is held of a client's machine from now on; later snapshots say so too.
    Posture {
        client: ClientId,
        facts: PostureFacts,
        attested: Option<Attested>,
    },
    /// What was dropped of vendors' networks, of those of whom something is new; later snapshots say so too.
    PacketsOutside {
        vendors: Vec<(VendorId, OutsideFacts)>,
    },
}

/// From a gate to control.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
pub enum FromGate {
    /// The snapshot of this version decides from now on; exchanges under earlier ones may still be under way.
    SnapshotInUse {
        version: u64,
    },
    /// Also the word on a revoked token and on a sign-out, which cut nothing.
    Severed(SeverReport),
    Relay(RelayRequest),
    Decisions(LogBatch),
    /// The gate has closed these keys by itself, after a response passed the records limit.
    KeysCut {
        client: ClientId,
        keys: Vec<String>,
        decision: DecisionId,
    },
    /// A client was seen with a certificate, or with a key that its own issuer vouches for.
    CertificateSeen {
        client: ClientId,
        thumbprint: String,
    },
    /// A token names a key that the issuer didn't have when it was asked last.
    IssuerKeyUnknown {
        issuer: IssuerId,
    },
    /// The first word of a gate that remembers: what it was told to close, and not to open again since. A ledger
    /// that was brought back from a backup may know less.
    Remembered {
        /// The newest snapshot that it had in use.
        version: u64,
        severances: Vec<RememberedSeverance>,
    },
    /// The doors that can't be opened now, all of them; none when all are open again.
    DoorsUnopened {
        faults: Vec<DoorFault>,
    },
    RiskStanding(Box<RiskStanding>),
    Paged(Page),
    /// The gate has closed this context of a client by itself: a question was answered wrongly, or not at all, or evidence
    /// alone was enough and its integration agreed to that.
    SessionCut {
        client: ClientId,
        session: String,
        decision: DecisionId,
        reason: Reason,
    },
}

/// A door that a gate can't open, and tries on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DoorFault {
    pub port: NonZeroU16,
    pub why: String,
}

/// A severance that a gate has confirmed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RememberedSeverance {
    pub severance: SeveranceId,
    pub target: Target,
    pub epoch: u64,
    pub keys: Vec<String>,
    /// The snapshot that was in use when it was confirmed.
    pub version: u64,
}

/// Close everything of a target, now.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SeverOrder {
    /// Tells reports of several orders apart.
    pub order: u64,
    pub severance: SeveranceId,
    pub target: Target,
    pub epoch: u64,
    pub keys: Vec<String>,
    /// The decision by which a gate has closed it by itself, where that is the cause. There, what this decision let leave still
    /// leaves, within the time that it has for that; an operator's order has no such exception.
    #[serde(default)]
    pub closed_by: Option<DecisionId>,
}

/// What was closed. Sent when every core has confirmed: nothing is handed to the kernel after it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SeverReport {
    pub order: u64,
    pub gate: String,
    /// Cores that confirmed; all of them.
    pub cores: u32,
    /// From the order's arrival to the last core's word.
    pub took_us: u64,
    pub connections: Vec<CutConnection>,
}

/// One connection that was reset.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CutConnection {
    pub client: ClientId,
    pub peer: String,
    /// Address of the balancer that it came through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// `http/1.1` or `h2`.
    pub protocol: String,
    /// Exchanges that were under way on it, by decision id.
    pub exchanges: Vec<DecisionId>,
    /// Microseconds after the order's arrival.
    pub after_us: u64,
}

/// A request to the authorization server, which vendors reach through the gate only. Printed for debugging it
/// keeps its credentials to itself.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct RelayRequest {
    pub relay: u64,
    pub method: String,
    pub path: String,
    pub content_type: Option<String>,
    pub authorization: Option<String>,
    pub body: Vec<u8>,
    /// DER of the client certificate whose possession the handshake proved, leaf first.
    pub certificates: Vec<Vec<u8>>,
    pub ja4_context: Option<String>,
    /// Address of the peer, without port.
    pub address: String,
    /// The network that it counts to, as sessions name it, where the gate knows more than its address says.
    #[serde(default)]
    pub network: Option<String>,
    /// The tunnel that the connection came through, and whose it is.
    #[serde(default)]
    pub through: Option<Box<Through>>,
    /// By which door it came.
    #[serde(default)]
    pub door: Door,
    /// Thumbprint of the key of a DPoP proof that the gate has verified for this very request.
    pub proof_key: Option<String>,
}

/// The authorization server's answer. Printed for debugging it keeps its tokens to itself.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct RelayAnswer {
    pub relay: u64,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Why it was refused; `allowed` if it was not.
    pub reason: Reason,
    /// Whom it is about; none until the client has proved who it is.
    pub about: Option<RelayAbout>,
}

/// A client that the authorization server has recognised.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RelayAbout {
    pub vendor: VendorId,
    pub integration: IntegrationId,
    pub client: ClientId,
    /// Thumbprint of the registered key or certificate that it proved itself by.
    pub client_key: String,
    /// What the token carries, if one was given.
    pub scope: Vec<String>,
}

impl fmt::Debug for RelayRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayRequest")
            .field("relay", &self.relay)
            .field("method", &self.method)
            .field("path", &self.path)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RelayAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayAnswer")
            .field("relay", &self.relay)
            .field("status", &self.status)
            .field("reason", &self.reason)
            .field("about", &self.about)
            .finish_non_exhaustive()
    }
}
