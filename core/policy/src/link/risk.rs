//! What a gate tells of its clients' risk, for people.

use portcullis_domain::decision::DecisionId;
use portcullis_domain::ids::ClientId;
use portcullis_risk::{Cause, ContextReport, Points, Progress};
use serde::{Deserialize, Serialize};

/// Where a client stands now. Sent when it has changed, at most once a second for each client.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RiskStanding {
    pub client: ClientId,
    /// Microseconds since the Unix epoch.
    pub at_us: i64,
    pub progress: Progress,
    pub contexts: Vec<ContextReport>,
}

/// Somebody should look at a decision.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Page {
    pub client: ClientId,
    pub decision: DecisionId,
    pub cause: Cause,
    pub score: Points,
    /// Microseconds since the Unix epoch.
    pub at_us: i64,
}
