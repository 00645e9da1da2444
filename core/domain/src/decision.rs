//! What the gate decided about an exchange, and how the exchange ended.
//!
//! In JSON ids and times are texts; what they are in the decision log, `payload` says.

mod id;
mod payload;
mod would_stop;

use jiff::Timestamp;
pub use portcullis_assurance::stops::{Stop, StopSet};
use portcullis_risk::{OutcomeRisk, RiskRecord};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::id::{DecisionId, DecisionIdError, DecisionText};
pub use self::payload::{
    DECISION_KIND, DecisionDraft, DecisionGlance, OUTCOME_KIND, PAYLOAD_VERSION, PayloadError, RiskGlance,
    is_payload_version,
};
pub use self::would_stop::WouldStop;
use crate::ids::{ClientId, IntegrationId, RouteId, TunnelId, VendorId};
use crate::reason::Reason;

/// What was decided. Compared, the worse is greater; as they stand here is how payloads number them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Allow,
    Challenge,
    Deny,
    Sever,
    /// It passes with a tenth of the budget.
    Limit,
}

impl Verdict {
    /// The worst last.
    pub const ALL: [Self; 5] = [Self::Allow, Self::Limit, Self::Challenge, Self::Deny, Self::Sever];

    /// Whether the request goes upstream.
    #[must_use]
    pub fn passes(self) -> bool {
        matches!(self, Self::Allow | Self::Limit)
    }

    /// Its place among [`Self::ALL`].
    #[must_use]
    pub fn rank(self) -> usize {
        match self {
            Self::Allow => 0,
            Self::Limit => 1,
            Self::Challenge => 2,
            Self::Deny => 3,
            Self::Sever => 4,
        }
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Limit => "limit",
            Self::Challenge => "challenge",
            Self::Deny => "deny",
            Self::Sever => "sever",
        }
    }
}

impl Ord for Verdict {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for Verdict {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Written before a deny is answered, and before the first byte of an allow goes upstream.
///
/// No query string, no header, no body: a route's template says what was asked for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DecisionRecord {
    pub id: DecisionId,
    #[serde(with = "instant")]
    #[schemars(with = "String")]
    pub time: Timestamp,
    pub verdict: Verdict,
    pub reason: Reason,
    /// Name of the gate.
    pub gate: String,
    /// Ledger size that the snapshot was compiled from.
    pub snapshot: u64,
    pub vendor: Option<VendorId>,
    pub integration: Option<IntegrationId>,
    pub client: Option<ClientId>,
    pub route: Option<RouteId>,
    pub method: String,
    /// The route's template; empty when no route was found.
    pub path: String,
    /// Key × JA4 context key × network.
    pub session: Option<String>,
    /// Thumbprint of the client's registered key or certificate.
    pub client_key: Option<String>,
    /// `dpop`, `certificate`, or both joined by `+`.
    pub binding: Option<String>,
    pub peer: String,
    pub ja4: Option<String>,
    pub ja4_context: Option<String>,
    /// `http/1.1` or `h2`.
    pub protocol: String,
    pub scope: Vec<String>,
    /// None where nothing was scored, and in payloads of version 1. In JSON it is told apart, in words.
    #[serde(skip)]
    pub risk: Option<RiskRecord>,
    /// What hard stops that are only observed would have made of it, where that is worse than what was decided. None in
    /// payloads before version 3. In JSON it is told apart, in words.
    #[serde(skip)]
    pub would_stop: Option<WouldStop>,
    /// The tunnel that the connection came through, whose ever it is: by the address of its socket, which no balancer's word
    /// changes. None in payloads before version 5. In JSON it is told apart.
    #[serde(skip)]
    pub tunnel: Option<TunnelId>,
}

/// How an exchange that was allowed came to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Request and response went through to their ends.
    Complete,
    /// The gate ended the response, for the outcome's reason.
    Cut,
    /// The client went away.
    ClientGone,
    /// The upstream failed.
    UpstreamFailed,
}

/// Written at the end of an exchange, under the id of its decision.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeRecord {
    pub id: DecisionId,
    #[serde(with = "instant")]
    #[schemars(with = "String")]
    pub time: Timestamp,
    pub ending: Ending,
    pub reason: Reason,
    pub status: u16,
    pub request_bytes: u64,
    pub response_bytes: u64,
    pub records: u64,
    pub duration_us: u64,
    /// As [`DecisionRecord::risk`].
    #[serde(skip)]
    pub risk: Option<OutcomeRisk>,
}

/// A time as RFC 3339 text for people, and as nanoseconds since the Unix epoch elsewhere.
mod instant {
    use jiff::Timestamp;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            time.serialize(serializer)
        } else {
            time.as_nanosecond().serialize(serializer)
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        if deserializer.is_human_readable() {
            return Timestamp::deserialize(deserializer);
        }
        Timestamp::from_nanosecond(i128::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
