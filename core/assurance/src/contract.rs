//! What a contract says, as data.

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The clauses that every contract needs; which of them are mandatory is a rule.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClauseKind {
    Encryption,
    IncidentReporting,
    DataHandling,
    AuditRight,
    SubprocessorNotice,
    Deletion,
    LiabilityCap,
    Insurance,
}

impl ClauseKind {
    pub const ALL: [Self; 8] = [
        Self::Encryption,
        Self::IncidentReporting,
        Self::DataHandling,
        Self::AuditRight,
        Self::SubprocessorNotice,
        Self::Deletion,
        Self::LiabilityCap,
        Self::Insurance,
    ];

    /// As manifests call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Encryption => "encryption",
            Self::IncidentReporting => "incident_reporting",
            Self::DataHandling => "data_handling",
            Self::AuditRight => "audit_right",
            Self::SubprocessorNotice => "subprocessor_notice",
            Self::Deletion => "deletion",
            Self::LiabilityCap => "liability_cap",
            Self::Insurance => "insurance",
        }
    }
}

/// One clause, with what of it can be watched.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clause {
    pub kind: ClauseKind,
    /// Where in the paper, such as `§ 7.2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Least TLS version, `1.2` or `1.3`: the gate holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_min: Option<String>,
    /// Hours within which the vendor reports an incident; 24 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_hours: Option<u32>,
    /// Countries (ISO 3166-1 alpha-2) that its machines may call from: the gate holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub countries: Option<Vec<String>>,
    /// Of a liability cap or an insurance, in the contract's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<u64>,
    /// Last day of an insurance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Date>,
    /// Days of notice, of sub-processors or deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
}

/// A contract as the stops look at it: its term is reckoned in its own zone already.
#[derive(Clone, PartialEq, Debug)]
pub struct ContractKnown {
    pub name: String,
    pub starts: Timestamp,
    pub ends: Timestamp,
    pub clauses: Vec<Clause>,
    /// Names of those who signed for the vendor, as shown.
    pub signers: Vec<String>,
    /// The vendor's name in it, where it says one.
    pub vendor_name: Option<String>,
}
