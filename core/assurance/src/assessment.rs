//! What must be approved before a vendor gets anything: the entity check, the contract, and six steps.

use jiff::Timestamp;
use jiff::civil::Date;
use portcullis_ids::ids::OperatorId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// In the order in which people take them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    EntityCheck,
    Contract,
    /// 1: encryption, authentication, endpoint protection, personnel.
    SecurityPractices,
    /// 2
    ComplianceEvidence,
    /// 3: resilience and recovery.
    Resilience,
    /// 4: service levels and performance.
    ServiceLevels,
    /// 5: the dependency chain, and how the vendor watches its own suppliers.
    Dependencies,
    /// 6
    Integration,
}

impl Step {
    pub const ALL: [Self; 8] = [
        Self::EntityCheck,
        Self::Contract,
        Self::SecurityPractices,
        Self::ComplianceEvidence,
        Self::Resilience,
        Self::ServiceLevels,
        Self::Dependencies,
        Self::Integration,
    ];

    /// As people and commands call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EntityCheck => "entity_check",
            Self::Contract => "contract",
            Self::SecurityPractices => "security_practices",
            Self::ComplianceEvidence => "compliance_evidence",
            Self::Resilience => "resilience",
            Self::ServiceLevels => "service_levels",
            Self::Dependencies => "dependencies",
            Self::Integration => "integration",
        }
    }
}

/// Where a step stands.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StepStanding {
    pub state: StepState,
    /// Name of the operator who sees to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Date>,
    /// Of the last decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<OperatorId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    #[default]
    Open,
    InProgress,
    Approved,
    Rejected,
}

/// Whether a vendor was let in.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "admission", rename_all = "snake_case")]
pub enum Admission {
    #[default]
    No,
    /// Imported with what ran before; all eight are due until then.
    Provisional {
        /// From the first on, where it was prolonged.
        since: Timestamp,
        until: Timestamp,
        /// None where the program did it by itself.
        by: Option<OperatorId>,
    },
    Yes {
        since: Timestamp,
        by: Option<OperatorId>,
    },
    /// Its exit is done: nothing opens it again but a new admission.
    Left {
        since: Timestamp,
    },
}
